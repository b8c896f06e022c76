"""`haz init --from TOOL` from the command line: what is refused, what is written, and that it truly runs."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from tests.archive import IMPORTS, unpack
from tests.space import Space

if TYPE_CHECKING:
    from pathlib import Path

# A program that writes down how it was called, beside itself.
RECORDER = '#!/bin/sh\necho "$(basename "$0") $* in $(basename "$PWD")" >> "$(dirname "$0")/calls"\necho "$@"\n'


class Stubs:
    """Programs of these names come first on the PATH."""

    def __init__(self, place: Path, *names: str) -> None:
        self.place = place
        for name in names:
            program = place / name
            program.write_text(RECORDER)
            program.chmod(0o755)
        self.env = {"PATH": f"{place}:{os.environ['PATH']}"}

    def calls(self) -> list[str]:
        return (self.place / "calls").read_text().splitlines()


def test_npm_scripts_run_after_what_they_need(space: Space, tmp_path: Path) -> None:
    unpack(IMPORTS / "npm.txtar", space.root)
    done = space.haz("init", "--from", "npm").ok()
    assert done.out.startswith("wrote .haz/workspace.yml and the haz.yml of 5 projects with 11 tasks\n")
    assert "package.json:8: script `postinstall`" in done.out
    assert done.err == ""
    stubs = Stubs(tmp_path, "npm")
    space.run("keeper:test", "keeper:build", "-j", "1", env=stubs.env).ok()
    assert stubs.calls() == [
        "npm run build in lens",
        "npm run build in mirror",
        "npm run build in keeper",
        "npm run test in keeper",
    ]


def test_uv_tests_run_again_when_a_member_that_they_use_changes(space: Space, tmp_path: Path) -> None:
    unpack(IMPORTS / "uv.txtar", space.root)
    space.haz("init", "--from", "uv").ok()
    stubs = Stubs(tmp_path, "uv")
    tests = ("Orchard-Press:test", "orchard-seeds:test", "orchard:lint")
    assert space.run(*tests, env=stubs.env).ok().ran == set(tests)
    assert "uv run --package Orchard.Press pytest in press" in stubs.calls()
    assert space.run(*tests, env=stubs.env).ok().cached == set(tests)
    space.write("packages/press/src/orchard_press/more.py", "MORE = 1\n")
    assert space.run(*tests, env=stubs.env).ok().ran == {"Orchard-Press:test", "orchard:lint"}
    space.write("packages/seeds/src/orchard_seeds/__init__.py", "KINDS = ('quince', 'plum')\n")
    assert space.run(*tests, env=stubs.env).ok().ran == set(tests)


def test_turbo_tasks_run_again_when_turbo_would_run_them_again(space: Space, tmp_path: Path) -> None:
    """Through `transit`, which no package has a script for, and through packages without the task."""
    unpack(IMPORTS / "turbo.txtar", space.root)
    space.haz("init", "--from", "turbo").ok()
    stubs = Stubs(tmp_path, "pnpm")
    asked = ("site:build", "site:lint", "garden-beds:codegen")
    everything = {*asked, "garden-beds:build"}
    assert space.run(*asked, env=stubs.env).ok().ran == everything
    calls = stubs.calls()
    assert calls.index("pnpm run build in beds") < calls.index("pnpm run build in site")
    assert space.run(*asked, env=stubs.env).ok().cached == everything
    for file in space.root.rglob("haz.yml"):
        file.write_text(file.read_text() + "# nothing that matters\n")
    assert space.run(*asked, env=stubs.env).ok().cached == everything
    space.write("packages/config/base.json", '{"strict": true}')
    assert space.run(*asked, env=stubs.env).ok().ran == everything - {"garden-beds:codegen"}
    space.write("apps/site/.env", "PORT=4000")
    assert "site:build" in space.run(*asked, env=stubs.env).ok().ran
    space.write("apps/site/node_modules/x/index.js", "1")
    assert "site:build" in space.run(*asked, env=stubs.env).ok().cached


def test_cargo_itself_tests_the_crates_once(space: Space) -> None:
    unpack(IMPORTS / "cargo.txtar", space.root)
    space.write("crates/hull/tests/length.rs", "#[test]\nfn it_is_long() { assert_eq!(ship_hull::length(), 12) }\n")
    # Its other dependency is not there, which is one of the things that an import tells.
    manifest = space.root / "tools/yard/Cargo.toml"
    manifest.write_text(re.sub("sextant.*", "", manifest.read_text()))
    space.haz("init", "--from", "cargo").ok()
    env = {"CARGO_NET_OFFLINE": "true"}
    # The first run of cargo writes the lock file; a second import would list it.
    first = space.run("ship-hull:test", "ship-sail:build", env=env).ok()
    assert "it_is_long ... ok" in first.out
    assert first.ran == {"ship-hull:test", "ship-sail:build", "ship-hull:build", "knots:build"}
    again = space.run("ship-hull:test", env=env).ok()
    assert again.cached == {"ship-hull:test"}
    assert "it_is_long ... ok" in again.out
    space.write("crates/knots/src/lib.rs", "pub fn length() -> u32 { 13 }\n")
    assert "ship-hull:test" in space.run("ship-hull:test", env=env).ok().ran


def test_a_dry_run_prints_the_files_and_writes_none(space: Space) -> None:
    unpack(IMPORTS / "npm.txtar", space.root)
    before = space.files()
    done = space.haz("init", "--from", "npm", "--dry-run").ok()
    assert "--- packages/lens/haz.yml\n# yaml-language-server" in done.out
    assert "would write .haz/workspace.yml and the haz.yml of 5 projects" in done.out
    assert "Not carried over, or decided for you:" in done.out
    assert space.files() == before


def test_nothing_is_replaced(space: Space) -> None:
    unpack(IMPORTS / "npm.txtar", space.root)
    space.write("packages/lens/haz.yml", "name: mine\n")
    before = space.files()
    done = space.haz("init", "--from", "npm")
    assert done.code == 2
    assert "already there: packages/lens/haz.yml" in done.err
    assert space.files() == before


def test_an_existing_workspace_is_refused_before_anything_is_read(space: Space) -> None:
    """AUX-002."""
    space.write("package.json", "{")
    space.write(".haz/mine", "")
    done = space.haz("init", "--from", "npm")
    assert (done.code, "existing workspace" in done.err) == (2, True)
    assert set(space.files()) == {"package.json", ".haz/mine"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--from", "bazel"), "unknown tool 'bazel'"),
        (("--from", "npm", "--yes"), "mutually exclusive"),
        (("--dry-run",), "--dry-run needs --from"),
        (("--from",), "--from needs a value"),
    ],
)
def test_a_wrong_command_line_is_told(space: Space, words: tuple[str, ...], message: str) -> None:
    done = space.haz("init", *words)
    assert done.code == 2
    assert message in done.err
    assert space.files() == {}


@pytest.mark.parametrize(
    ("source", "name", "text", "message"),
    [
        ("npm", "package.json", None, "there is no package.json"),
        ("npm", "package.json", '{"name": "a",\n "workspaces": [}', "package.json:2 is not JSON"),
        ("npm", "package.json", b"\xff", "package.json is not UTF-8"),
        ("npm", "package.json", '{"workspaces": ["a{b"]}', "the workspace pattern `a{b` cannot be read"),
        ("cargo", "Cargo.toml", "[a\n", "Cargo.toml is not TOML"),
        ("pnpm", "pnpm-workspace.yaml", "packages: [\n", "pnpm-workspace.yaml:2 is not YAML"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_told(
    space: Space, source: str, name: str, text: str | bytes | None, message: str
) -> None:
    if text is not None:
        space.write(name, text)
    done = space.haz("init", "--from", source)
    assert done.code == 2
    assert message in done.err
    assert ".haz/workspace.yml" not in space.files()


def test_a_workspace_within_another_is_told(space: Space) -> None:
    space.write(".haz/workspace.yml", "projects: []\n")
    space.write("inner/package.json", '{"name": "inner", "scripts": {"build": "true"}}')
    done = space.haz("init", "--from", "npm", cwd="inner").ok()
    assert f"lies in the workspace {os.path.realpath(space.root)}" in done.err
    assert space.haz("check", cwd="inner").ok().out == "1 task(s) validated.\n"
