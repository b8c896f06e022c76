"""Completion: the protocol that all shells speak, and bash itself, in a terminal and by its own rules."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time

import pytest

from haz.cli import tree
from tests.space import HAZ, Space

BASH = shutil.which("bash") or "bash"


@pytest.fixture
def workspace(space: Space) -> Space:
    space.write(
        "lib/haz.yml",
        "name: lib\ntags: [c]\ntasks:\n  build: {command: [x], description: Compile}\n  test: {command: [x]}\n",
    )
    space.write("libs/haz.yml", "name: libs\ntasks: {check: {command: [x]}}\n")
    space.write("web/haz.yml", "name: web\ntasks: {serve: {command: [x]}}\n")
    space.write(".haz/workspace.yml", "projects: [/lib, /libs, /web]\n")
    space.write(".haz/tasks/common.yml", "tagsFilter: [c]\ntasks: {lint: {command: [x]}}\n")
    return space


def words(space: Space, *line: str, cwd: str = ".") -> list[str]:
    done = space.haz("__complete", *line, cwd=cwd).ok()
    assert done.err == ""
    return [row.split("\t")[0] for row in done.out.splitlines()]


def test_commands_and_subcommands(workspace: Space) -> None:
    assert words(workspace, "") == list(tree.NAMES)
    assert words(workspace, "ru") == ["run", "runs"]
    assert words(workspace, "cache", "c") == ["clear", "clean"]
    assert words(workspace, "runs", "") == ["show"]
    assert words(workspace, "--ver") == ["--version"]
    assert words(workspace, "bogus", "") == []


def test_options_that_were_not_given_and_their_values(workspace: Space) -> None:
    assert words(workspace, "run", "--no-c") == ["--no-cache"]
    assert "--jobs" not in words(workspace, "run", "-j", "4", "--")
    assert words(workspace, "query", "--format", "") == ["plain", "json", "table", "dot", "mermaid"]
    assert words(workspace, "run", "--color=a") == ["--color=auto", "--color=always"]
    assert words(workspace, "run", "--report", "") == [":files"]
    assert words(workspace, "run", "--report=x") == [":files"]
    assert words(workspace, "cache", "import", "") == [":files"]
    assert words(workspace, "verify", "w") == ["web:serve"]
    assert words(workspace, "verify", "--color", "") == ["auto", "always", "never"]
    assert words(workspace, "init", "--from", "c") == ["cargo"]
    assert words(workspace, "-C", "") == [":directories"]
    assert words(workspace, "--directory=x") == [":directories"]
    assert words(workspace, "--root", "") == words(workspace, "--root=") == [":directories"]
    assert words(workspace, "--root", "..", "verify", "w", cwd=".haz") == ["web:serve"]
    assert words(workspace, "schema", "ov") == ["overlay"]


def test_projects_first_and_their_tasks_once_one_is_certain(workspace: Space) -> None:
    """Tasks of overlays count as well."""
    assert words(workspace, "run", "") == ["lib:", "libs:", "web:"]
    assert words(workspace, "run", "w") == ["web:serve"]
    assert words(workspace, "run", "lib:") == ["lib:lint", "lib:build", "lib:test"]
    assert words(workspace, "why", "lib:b") == ["lib:build"]
    assert words(workspace, "run", "web:serve", "lib:t") == ["lib:test"]
    assert words(workspace, "run", "lib:test", "--", "x") == [":files"]


@pytest.mark.parametrize("command", ["run", "affected"])
def test_what_narrows_a_run_to_changes_and_shards(workspace: Space, command: str) -> None:
    assert words(workspace, command, "w") == ["web:serve"]
    assert words(workspace, command, "--git-changed", "lib:b") == ["lib:build"]
    assert words(workspace, command, "--git") == ["--git-changed", "--git-staged", "--git-changed-since"]
    assert words(workspace, command, "--git-staged", "--git") == ["--git-changed", "--git-changed-since"]
    assert words(workspace, command, "--on-unknown", "") == ["error", "all"]
    assert words(workspace, command, "--git-changed-since", "") == []
    assert words(workspace, command, "--shard", "") == []
    assert words(workspace, command, "--shard-durations", "") == [":files"]
    assert words(workspace, command, "--format", "") == ["plain", "json"]


@pytest.mark.parametrize("command", ["run", "affected"])
def test_what_can_be_excluded_and_again(workspace: Space, command: str) -> None:
    assert words(workspace, command, "--ex") == (["--explain", "--exclude"] if command == "run" else ["--exclude"])
    assert words(workspace, command, "--exclude", "li") == ["lib", "libs", "lib:", "libs:"]
    assert words(workspace, command, "--exclude", "lib:b") == ["lib:build"]
    assert words(workspace, command, "--exclude=w") == ["--exclude=web", "--exclude=web:serve"]
    assert words(workspace, command, "--exclude", "[c]") == ["[c]", "[c]:lint", "[c]:build", "[c]:test"]
    assert words(workspace, command, "--exclude", "web", "--exc") == ["--exclude"]
    assert words(workspace, command, "--exclude", "web", "--exclude", "^:b") == ["^:build"]


def test_the_other_forms_of_references(workspace: Space) -> None:
    assert words(workspace, "run", "^:t") == ["^:test"]
    assert words(workspace, "run", "[c]:b") == ["[c]:build"]
    assert words(workspace, "run", "~:", cwd="lib") == ["~:lint", "~:build", "~:test"]
    assert words(workspace, "run", "~:") == []
    assert words(workspace, "-C", "lib", "run", "~:b") == ["~:build"]


def test_descriptions_come_with_the_words(workspace: Space) -> None:
    assert workspace.haz("__complete", "run", "lib:b").ok().out == "lib:build\tCompile\n"


def test_a_workspace_with_mistakes_completes_what_can_be_read(workspace: Space) -> None:
    workspace.write("lib/haz.yml", "name: lib\ntasks: [\n")
    workspace.write("web/haz.yml", "name: web\nbogus: 1\ntasks: {serve: 7}\n")
    assert words(workspace, "run", "web:") == ["web:serve"]
    workspace.write(".haz/workspace.yml", "projects: [\n")
    assert words(workspace, "run", "") == []


def test_outside_of_a_workspace_nothing_is_said(tmp_path) -> None:
    done = subprocess.run([*HAZ, "__complete", "run", ""], cwd="/", capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_completion_is_fast_because_it_imports_nothing_slow(workspace: Space) -> None:
    """150 ms for 2,000 projects are asked for; 100 ms of CPU were measured."""
    script = "import sys; import haz.cli; haz.cli.run_command_line(['__complete', 'run', 'lib:']); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=workspace.root, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split("\n")[-2].split())
    assert not {"typer", "click", "rich", "typing", "re", "json", "subprocess"} & loaded


def in_bash(space: Space, line: str) -> list[str]:
    """What bash holds for candidates, with its own way of splitting words."""
    script = f"""
haz() {{ {" ".join(HAZ)} "$@"; }}
compopt() {{ :; }}
eval "$(haz completion bash)"
COMP_LINE='{line}' COMP_POINT={len(line)} COMP_WORDS=(haz)
_haz
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run([BASH, "-c", script], cwd=space.root, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("haz ru", ["run", "runs"]),
        ("haz run lib:b", ["build"]),
        ("haz run web:serve lib:", ["lint", "build", "test"]),
        ("X=1 haz  run  w", ["web:serve"]),
        ('haz run "lib:b', ["lib:build"]),
        ("haz run --color=n", ["never"]),
        ("haz query --format t", ["table"]),
    ],
)
def test_bash_gets_what_it_will_put_in_place(workspace: Space, line: str, found: list[str]) -> None:
    """Bash splits words at colons and replaces only what is behind the last one, except in quotes."""
    assert in_bash(workspace, line) == found


def test_a_tab_in_a_real_terminal_completes_a_task(workspace: Space) -> None:
    folder = workspace.root / "bin"
    folder.mkdir()
    (folder / "haz").write_text(f'#!/bin/sh\nexec {" ".join(HAZ)} "$@"\n')
    (folder / "haz").chmod(0o755)
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(workspace.root)
        environment = {"PATH": f"{folder}:{os.environ['PATH']}", "TERM": "dumb", "PS1": "> ", "HOME": str(folder)}
        os.execve(BASH, [BASH, "--norc", "--noprofile", "-i"], environment)
    try:
        talk(terminal, b'eval "$(haz completion bash)"; echo re""ady\n', rb"\nready\r\n")
        talk(terminal, b"echo haz; haz run web:s\t", rb"web:serve")
        seen = talk(terminal, b"\x15haz why lib:bu\t", rb"lib:build ")
        assert b"lib:build " in seen
    finally:
        os.write(terminal, b"\x15exit\n")
        os.close(terminal)
        os.waitpid(child, 0)


def talk(terminal: int, keys: bytes, until: bytes) -> bytes:
    os.write(terminal, keys)
    seen = b""
    deadline = time.monotonic() + 30
    while re.search(until, seen) is None:
        left = deadline - time.monotonic()
        assert left > 0, seen
        if select.select((terminal,), (), (), left)[0]:
            seen += os.read(terminal, 4096)
    return seen


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_script_asks_by_the_same_protocol(workspace: Space, shell: str) -> None:
    script = workspace.haz("completion", shell).ok().out
    assert " __complete " in script
    assert ":files" in script
    assert ":directories" in script
    found = shutil.which(shell)
    if found is not None:
        subprocess.run([found, "-n"], input=script, text=True, check=True)


def test_an_unknown_shell_is_refused(workspace: Space) -> None:
    refused = workspace.haz("completion", "tcsh")
    assert (refused.code, refused.err) == (2, "Error: unknown shell 'tcsh', expected bash, zsh or fish\n")
