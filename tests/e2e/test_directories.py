"""Outputs that are directories, and directories with nothing in them (D4)."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.space import Space

BUILD = """
    build:
      shell: "rm -rf dist; mkdir -p dist/a dist/empty; cp in dist/a/x; ln -s a/x dist/link; echo $(cat in) > dist/$(cat in)"
      inputs: [in]
      outputs: [dist]
"""


def tree(root: Path) -> dict[str, str]:
    """Everything below a directory: contents, link targets, and `/` for directories."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            relative = os.path.relpath(path, root)
            if os.path.islink(path):
                found[relative] = f"-> {os.readlink(path)}"
            elif os.path.isdir(path):
                found[relative] = "/"
            else:
                with open(path) as file:
                    found[relative] = file.read()
    return found


def states(space: Space) -> tuple[dict[str, str], dict[str, str]]:
    """Run with two inputs; what lies in `dist` after each."""
    space.project("lib", BUILD)
    space.write("lib/in", "one")
    space.run("--workspace").ok()
    one = tree(space.root / "lib/dist")
    space.write("lib/in", "two")
    space.run("--workspace").ok()
    return one, tree(space.root / "lib/dist")


def test_a_directory_as_a_literal_output_is_stored_and_restored_whole(space: Space) -> None:
    """D4, O32: files, links, empty directories; what is not in the result goes."""
    one, two = states(space)
    assert one == {"a": "/", "a/x": "one", "empty": "/", "link": "-> a/x", "one": "one\n"}
    space.write("lib/in", "one")
    assert space.run("--workspace").ok().cached == {"lib:build"}
    assert tree(space.root / "lib/dist") == one
    shutil.rmtree(space.root / "lib/dist")
    space.write("lib/in", "two")
    assert space.run("--workspace").ok().cached == {"lib:build"}
    assert tree(space.root / "lib/dist") == two
    space.write("lib/dist/a/extra", "by hand")
    assert space.run("--workspace").ok().cached == {"lib:build"}
    assert tree(space.root / "lib/dist") == two


def test_clean_false_leaves_the_rest_of_the_directory(space: Space) -> None:
    """D4."""
    space.project("lib", 'build: {shell: "mkdir -p dist; echo x > dist/x", outputs: {paths: [dist], clean: false}}')
    space.run("--workspace").ok()
    space.write("lib/dist/more", "by hand")
    assert space.run("--workspace").ok().cached == {"lib:build"}
    assert set(tree(space.root / "lib/dist")) == {"x", "more"}


def test_a_link_or_a_file_in_the_place_of_a_directory_makes_room(space: Space) -> None:
    """O19: nothing is written through the link."""
    one, _ = states(space)
    space.write("lib/in", "one")
    shutil.rmtree(space.root / "lib/dist/a")
    (space.root / "away").mkdir()
    (space.root / "lib/dist/a").symlink_to(space.root / "away")
    assert space.run("--workspace").ok().cached == {"lib:build"}
    assert tree(space.root / "lib/dist") == one
    assert os.listdir(space.root / "away") == []


def test_a_task_that_is_not_cached_may_write_a_directory_too(space: Space) -> None:
    """D7."""
    space.project("lib", 'build: {shell: "mkdir -p dist; echo x > dist/x", outputs: [dist], cache: false}')
    assert space.run("--workspace").ok().ran == {"lib:build"}


def test_an_empty_directory_is_an_output(space: Space) -> None:
    """D4."""
    space.project("lib", 'build: {shell: "mkdir -p dist void/inner", outputs: [dist, "void/**"]}')
    space.run("--workspace").ok()
    shutil.rmtree(space.root / "lib/dist")
    shutil.rmtree(space.root / "lib/void")
    assert space.run("--workspace").ok().cached == {"lib:build"}
    assert os.listdir(space.root / "lib/dist") == []
    assert os.listdir(space.root / "lib/void") == ["inner"]


def test_a_fifo_as_a_literal_output_is_named_as_the_cause(space: Space) -> None:
    """O32."""
    space.project("lib", 't: {shell: "mkfifo pipe", outputs: [pipe]}')
    done = space.run("--workspace")
    assert done.code == 1
    assert "output /lib/pipe is not a regular file" in done.err
