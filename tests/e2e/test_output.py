"""What a run prints, by the real program: replay, colour, violations, plans (spec 03 §8.3, §9, §11.5)."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.space import HAZ, SECONDS, Space, living

if TYPE_CHECKING:
    from pathlib import Path

ODD = r"""odd: {shell: "printf 'a\\r\\nb\\377\\n\\npartial'; printf 'err1\\nerrp' >&2"}"""
LIVE = (
    b"[lib:odd] a\r\n[lib:odd] b\xff\n[lib:odd] \n[lib:odd] partial\n",
    b"[lib:odd] err1\n[lib:odd] errp\n[lib:odd] ",
)
BUFFERED = (b"a\r\nb\xff\n\npartial", b"err1\nerrp\n[lib:odd] ")
ESCAPE = re.compile(rb"\x1b\[[0-9;]*m")


@pytest.mark.parametrize(
    ("first", "then", "expected"),
    [("buffered", "live", LIVE), ("live", "buffered", BUFFERED)],
    ids=["live", "buffered"],
)
def test_a_hit_replays_in_the_mode_of_now_whatever_the_mode_of_then(
    space: Space, first: str, then: str, expected: tuple[bytes, bytes]
) -> None:
    """EXEC-016, EXEC-017, 03 §9.7."""
    space.project("lib", ODD)
    space.run("lib:odd", "--output-mode", first).ok()
    again = space.run("lib:odd", "--output-mode", then).ok()
    assert again.cached == {"lib:odd"}
    out, err = expected
    assert again.raw_out == out
    assert again.raw_err.startswith(err + "◉ cached in ".encode())


def on_a_terminal(space: Space, *arguments: str, stderr: Path | None = None, **env: str) -> bytes:
    """All that haz writes to a terminal; standard error may be a file instead."""
    leader, follower = pty.openpty()
    surroundings = {**os.environ, "TERM": "xterm", **env}
    for name in ("NO_COLOR", "FORCE_COLOR"):
        if name not in env:
            surroundings.pop(name, None)
    with open(stderr or os.devnull, "wb") as file:
        child = subprocess.Popen(
            [*HAZ, *arguments],
            cwd=space.root,
            stdin=follower,
            stdout=follower,
            stderr=file if stderr else follower,
            env=surroundings,
        )
    os.close(follower)
    written = b""
    try:
        while chunk := os.read(leader, 65536):
            written += chunk
    except OSError:
        pass  # Linux's way to say that the other end is closed.
    os.close(leader)
    assert child.wait(SECONDS) == 0
    return written


def test_colour_is_on_when_both_streams_are_terminals(space: Space, tmp_path: Path) -> None:
    """03 §9.4."""
    space.project("lib", "ok: {command: [echo, x], cache: false}")
    shown = on_a_terminal(space, "run", "lib:ok")
    prefix = b"\x1b[1m\x1b[38;2;226;90;190m[lib:ok]\x1b[0m "
    assert shown.count(prefix) == 2
    assert prefix + "\x1b[32m✓ done\x1b[0m in \x1b[2m".encode() in shown
    file = tmp_path / "err"
    assert not ESCAPE.search(on_a_terminal(space, "run", "lib:ok", stderr=file) + file.read_bytes())


@pytest.mark.parametrize(
    ("env", "option", "coloured"),
    [
        ({"NO_COLOR": "1"}, "auto", False),
        ({"NO_COLOR": ""}, "auto", True),
        ({"TERM": "dumb"}, "auto", False),
        ({}, "never", False),
        ({"NO_COLOR": "1", "TERM": "dumb"}, "always", True),
    ],
)
def test_colour_can_be_decided_otherwise(space: Space, env: dict[str, str], option: str, coloured: bool) -> None:
    """03 §9.4."""
    space.project("lib", "ok: {command: [echo, x], cache: false}")
    shown = on_a_terminal(space, "run", "lib:ok", "--color", option, **env)
    assert bool(ESCAPE.search(shown)) is coloured
    assert ESCAPE.sub(b"", shown).startswith(b"[lib:ok] x\r\n")


def test_an_empty_run_prints_nothing(space: Space) -> None:
    """EXEC-021, 03 §9.5."""
    space.project("lib", "{}")
    done = space.run("--workspace").ok()
    assert (done.raw_out, done.raw_err) == (b"", b"")


@pytest.mark.parametrize(
    ("tasks", "text"),
    [
        ("{}", "would run 0 tasks.\n"),
        ("b: {shell: x}", "would run 1 task:\n  - lib:b\n"),
        ("b: {shell: x}\na: {shell: x, deps: ['~:b']}", "would run 2 tasks:\n  - lib:a\n  - lib:b\n"),
    ],
)
def test_a_dry_run_prints_its_plan_in_canonical_order(space: Space, tasks: str, text: str) -> None:
    """EXEC-030."""
    space.project("lib", tasks)
    done = space.run("--workspace", "--dry-run").ok()
    assert (done.out, done.err) == (text, "")


def test_two_tasks_that_write_one_file_are_named(space: Space) -> None:
    """EXEC-020, 03 §8.3, 03 §15 A1."""
    write = "{shell: 'mkdir -p out; echo x >out/r.txt', outputs: ['out/*'], cache: false}"
    space.project("lib", f"a: {write}\nb: {write}")
    done = space.run("lib:a", "lib:b", "-j1")
    assert done.code == 1
    assert done.err.splitlines()[-1] == "error[EXEC-020]: /lib/out/r.txt was written by both lib:a and lib:b"


def test_files_that_close_a_cycle_are_told_with_its_tasks(space: Space) -> None:
    """EXEC-019, 03 §8.3: which files there are, only the run can tell; no signal came, so the status is 1."""
    space.project(
        "lib",
        """
        gen: {shell: 'mkdir -p x; echo 1 >x/g.c', inputs: ['*/s.*'], outputs: ['x/g.*'], cache: false}
        src: {shell: 'mkdir -p y; echo 1 >y/s.c', inputs: ['*/g.*'], outputs: ['y/s.*'], cache: false, deps: ['~:gen']}
        """,
    )
    done = space.run("--workspace")
    assert done.code == 1
    assert done.err.splitlines()[-1] == "error[EXEC-019]: lib:src -> lib:gen closes a cycle: lib:gen, lib:src"


def test_a_formatter_runs_until_it_changes_nothing(space: Space) -> None:
    """EXEC-018, 03 §8.4: once each time; then there is nothing left to do."""
    space.project("lib", "fmt: {shell: 'tr a-z A-Z <t >u; mv u t', inputs: [t], outputs: [t]}")
    space.write("lib/t", "text")
    ends = [space.run("lib:fmt").ok() for _ in range(3)]
    assert [(end.spawned, bool(end.cached)) for end in ends] == [(1, False), (1, False), (0, True)]
    assert space.read("lib/t") == b"TEXT"


@pytest.mark.parametrize("grace", ["0.05", "0"])
def test_who_ignores_the_request_in_the_group_of_a_polite_leader_dies_too(space: Space, grace: str) -> None:
    """EXEC-014, 03 §15 D4."""
    space.settings(f"execution: {{cancel_grace: {grace}}}\n")
    space.project(
        "lib",
        """
        t:
          shell: |
            (trap '' TERM; sleep 300 & while :; do wait; done) >/dev/null 2>&1 &
            echo started; exec sleep 300
        """,
    )
    running = space.start("run", "lib:t", env={"LC_ALL": f"C-haz-marker-{grace}"})
    running.wait_for("started")
    running.signal(signal.SIGINT)
    assert running.end().code == 130
    assert living(f"C-haz-marker-{grace}") == []


def test_ends_of_children_are_told_and_the_status_is_one(space: Space) -> None:
    """EXEC-009, EXEC-021."""
    space.project("lib", "a: {shell: exit 7}\nb: {shell: 'kill -9 $$'}")
    done = space.run("--workspace")
    assert done.code == 1
    assert re.search(r"^\[lib:a\] ✗ failed in \S+ \(exit 7\)$", done.err, re.MULTILINE)
    assert re.search(r"^\[lib:b\] ✗ failed in \S+ \(signal 9\)$", done.err, re.MULTILINE)
