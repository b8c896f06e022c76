"""What surrounds a run may be odd: closed streams, a directory that is gone, files that are no files."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.space import HAZ, SECONDS

if TYPE_CHECKING:
    from tests.space import Space

SAY = 'say: {shell: "cat in > out; echo said; echo loud >&2", inputs: [in], outputs: [out]}'


def under_shell(space: Space, script: str) -> subprocess.CompletedProcess[bytes]:
    """Run a shell script in the workspace; its `$@` is haz."""
    return subprocess.run(
        ["sh", "-c", script, "sh", *HAZ], cwd=space.root, capture_output=True, timeout=SECONDS, check=False
    )


@pytest.mark.parametrize(("closed", "code"), [("<&-", 0), (">&-", 2), ("2>&-", 0), ("<&- >&- 2>&-", 2)])
def test_closed_streams_are_not_mistaken_for_files_of_our_own(space: Space, closed: str, code: int) -> None:
    """EXEC-021: what cannot be written is told, and written nowhere else."""
    space.project("lib", SAY)
    space.write("lib/in", "in\n")
    ended = under_shell(space, f'"$@" run lib:say {closed}')
    assert ended.returncode == code
    if closed == ">&-":
        assert b"cannot write to standard output: Bad file descriptor" in ended.stderr
    again = space.run("lib:say").ok()
    assert again.cached == {"lib:say"}
    assert (again.out, space.read("lib/out")) == ("[lib:say] said\n", b"in\n")


def test_a_current_directory_that_is_gone_is_told(space: Space) -> None:
    """DISC-001: no directory, no workspace; not a defect of haz."""
    space.project("lib", SAY)
    for arguments in ("run lib:say", "check", "init --yes"):
        ended = under_shell(space, f'mkdir gone; cd gone; rmdir ../gone; "$@" {arguments}')
        assert ended.returncode == 2
        assert ended.stderr.startswith(b"Error: cannot read current working directory"), ended.stderr
        assert b"-C DIR" in ended.stderr


@pytest.mark.parametrize("path", ["lib/haz.yml", ".haz/workspace.yml"])
def test_a_configuration_file_that_is_no_file_is_refused_without_waiting(space: Space, path: str) -> None:
    """haz::dsc::005, haz::dsc::023: a FIFO would be waited for, and a device read, for ever."""
    space.project("lib", SAY)
    for make in (os.mkfifo, lambda place: os.symlink("/dev/zero", place)):
        (space.root / path).unlink()
        make(space.root / path)
        ended = space.haz("check")
        assert ended.code == 2
        assert "Not a regular file" in ended.err


COMMANDS = [
    *(["run", "--workspace"], ["run", "lib:t", "--format", "json"], ["run", "--workspace", "--dry-run", "--explain"]),
    *(["affected", "--format", "json"], ["list", "--format", "table"], ["graph"], ["query", "--format", "table"]),
    *(["query", "--tags", "("], ["why", "lib:build"], ["verify", "lib:build"], ["check"], ["cache", "info"]),
    *(["cache", "verify"], ["runs", "show"], ["init", "--yes"], ["init"], ["schema", "project"], ["man"]),
    *(["--help"], ["run", "nope"], ["bogus"], [], ["__complete", "run", "l"]),
]
SURROUNDINGS: dict[str, tuple[str, dict[bytes, bytes]]] = {
    "all streams closed": (">&- 2>&- <&-", {}),
    "full disks": (">/dev/full 2>/dev/full", {}),
    "a locale without UTF-8": ("", {b"LC_ALL": b"C", b"LANG": b"C", b"PYTHONUTF8": b"0"}),
    "a terminal of one column that can do nothing": ("", {b"COLUMNS": b"1", b"TERM": b"dumb", b"FORCE_COLOR": b"1"}),
    "variables that are no text": ("", {b"X\xff": b"\xfe", b"HOME": b"/h\xff", b"LANG": b"\xff"}),
}


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_no_command_fails_in_a_way_of_its_own_because_of_what_is_around_it(space: Space, name: str) -> None:
    """04 §3, D12: no traceback, and no exit code but the documented ones."""
    streams, variables = SURROUNDINGS[name]
    space.project("lib", "build: {shell: 'cat src/* > out', inputs: ['src/**'], outputs: [out]}\nt: {command: [echo]}")
    space.write("lib/src/a b", "x")
    (space.root / "lib/src" / os.fsdecode(b"b\xff\nc")).write_text("x")
    subprocess.run(["git", "init", "-q"], cwd=space.root, check=True)
    environment = {os.fsencode(key): os.fsencode(value) for key, value in os.environ.items()} | variables
    for words in COMMANDS:
        done = subprocess.run(
            ["bash", "-c", f'exec "$@" {streams}', "bash", *HAZ, *words],
            cwd=space.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        assert done.returncode in (0, 1, 2), words
        assert b"Traceback" not in done.stdout + done.stderr, words


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-C", "", "list"], "cannot change to directory '': No such file or directory"),
        (
            ["-C", "no\nwhere\x1b[1m", "list"],
            r"cannot change to directory 'no\nwhere\x1b[1m': No such file or directory",
        ),
        (["-C", "lib/haz.yml", "list"], "cannot change to directory 'lib/haz.yml': Not a directory"),
        (["list", os.fsdecode(b"lib:\xff")], r"argument 'lib:\xff' is not UTF-8"),
        (["run", "lib:\x1b[1m"], r"`lib:\x1b[1m`: invalid task name: it starts with U+001B"),
        (["cache", "import", "/"], "cannot import /: Is a directory"),
    ],
)
def test_whatever_is_typed_is_told_in_one_line(space: Space, words: list[str], told: str) -> None:
    """04 §2.3: control characters do not reach the terminal."""
    space.project("lib", "t: {command: [echo]}")
    refused = space.haz(*words)
    assert refused.code == 2
    assert told in refused.err
    assert refused.err.startswith("Error: ")
    assert refused.err.count("\n") == 1
    assert "\x1b" not in refused.err
    assert r"\x1b" in space.haz("query", "--tags", "\x1b[1m").err
