"""`gitignore: true` leaves out what git ignores (D11); git is the oracle and the implementation."""

from __future__ import annotations

import json
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haz.ignored import without_ignored
from haz.model import Command, Pattern, TaskId, TaskSpec
from tests.fakes import FakeInputs
from tests.space import Space

TASK = 't: {command: [echo], inputs: ["**", build/kept.txt, "!haz.yml"], gitignore: true}'


def git(space: Space, *words: str) -> bytes:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words]
    return subprocess.run(command, cwd=space.root, capture_output=True, check=True).stdout


@pytest.fixture
def repository(space: Space) -> Space:
    space.project("lib", TASK)
    git(space, "init", "-q")
    space.write(".gitignore", "*.log\nbuild/\n")
    space.write("lib/.gitignore", "!important.log\n")
    for path in ("a.c", "a.log", "important.log", "build/x.o", "build/kept.txt", "odd\nname.log", "tracked.log"):
        space.write(f"lib/{path}", path)
    git(space, "add", "-f", "lib/tracked.log")
    return space


def inputs(space: Space) -> list[str]:
    data = json.loads(space.haz("why", "lib:t", "--format", "json").ok().out)
    return [row["path"] for row in data["inputs"]]


def test_ignored_files_do_not_count_but_tracked_and_literal_ones_do(repository: Space) -> None:
    """D11."""
    assert inputs(repository) == [
        "/lib/.gitignore",
        "/lib/a.c",
        "/lib/build/kept.txt",
        "/lib/important.log",
        "/lib/tracked.log",
    ]


def test_an_ignored_file_changes_no_key_and_another_does(repository: Space) -> None:
    assert repository.run("lib:t").ok().ran == {"lib:t"}
    repository.write("lib/a.log", "more")
    repository.write("lib/build/y.o", "new")
    assert repository.run("lib:t").ok().cached == {"lib:t"}
    repository.write("lib/important.log", "more")
    assert repository.run("lib:t").ok().ran == {"lib:t"}


def test_a_hook_s_git_dir_does_not_lead_astray(repository: Space) -> None:
    done = repository.haz("why", "lib:t", "--format", "json", env={"GIT_DIR": "/nowhere"}).ok()
    assert "/lib/a.log" not in [row["path"] for row in json.loads(done.out)["inputs"]]


def test_outside_of_a_repository_everything_counts(space: Space) -> None:
    space.project("lib", TASK)
    space.write("lib/build/kept.txt", "")
    space.write("lib/a.log", "")
    assert "/lib/a.log" in inputs(space)


names = st.lists(st.sampled_from(["a", "b", "c.log", "d.o", "é"]), min_size=1, max_size=3).map("/".join)
rules = st.lists(
    st.sampled_from(["*.log", "!c.log", "/a", "b/", "a/**/d.o", "[a-b]", "\\!x", "# c", "**/b/*", "é"]), max_size=4
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(names, min_size=1, max_size=8), rules)
def test_what_is_left_is_what_git_check_ignore_does_not_name(
    tmp_path_factory: pytest.TempPathFactory, paths: set[str], lines: list[str]
) -> None:
    """D11, against `git check-ignore` asked one path at a time."""
    root = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    (root / ".gitignore").write_text("\n".join(lines) + "\n")
    rows = [(f"/{path}", bytes(32), False) for path in sorted(paths)]
    task = TaskSpec(
        TaskId("p", "t"), "", (), Command(("x",)), inputs=(Pattern("**", "/**", literal=False),), gitignore=True
    )
    kept = {path for path, _, _ in without_ignored(str(root), task, FakeInputs(rows), "blake3").rows()}
    for path in paths:
        asked = subprocess.run(["git", "-C", str(root), "check-ignore", "-q", path], check=False).returncode
        assert (f"/{path}" in kept) == (asked == 1), (path, lines)
