"""Locks between processes: real ones, so that the kernel decides who holds what."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from haz import _core
from tests.boundary.children import DEADLINE, PYTHON

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

OTHER = """
import sys
from haz import _core
queue = _core.Queue()
locks = _core.FileLocks(queue, sys.argv[1])
for line in sys.stdin:
    word, *names = line.split()
    if word == "note":
        locks.note()
        print("noted", flush=True)
    elif word == "release":
        locks.release(1)
        print("released", flush=True)
    elif word == "share":
        print(locks.share(1, names), flush=True)
    else:
        held = locks.acquire(1, names[0], word == "exclusive")
        for kind, token, payload in [("locked", 1, None)] if held else queue.wait():
            print(kind, payload, flush=True)
"""


class Other:
    """Another process with locks in the same directory."""

    def __init__(self, directory: str) -> None:
        self.process = subprocess.Popen(
            [PYTHON, "-c", OTHER, directory], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self.process.pid

    def does(self, line: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return str(tmp_path / ".haz/locks/v1")


@pytest.fixture
def other(directory: str) -> Iterator[Other]:
    other = Other(directory)
    yield other
    other.kill()


class Here:
    """This process's locks and what they tell."""

    def __init__(self, directory: str) -> None:
        self.queue = _core.Queue()
        self.locks = _core.FileLocks(self.queue, directory)

    def next(self, count: int = 1) -> list[tuple[str, int, Any]]:
        events: list[tuple[str, int, Any]] = []
        while len(events) < count:
            fresh = self.queue.wait(DEADLINE)
            assert fresh, f"only {events}"
            events += fresh
        return events


@pytest.fixture
def here(directory: str) -> Here:
    return Here(directory)


def test_a_free_lock_is_taken_at_once(here: Here) -> None:
    assert here.locks.acquire(5, "task.p.a", exclusive=True)
    assert here.queue.wait(0) == []


def test_nothing_is_written_before_the_first_lock_and_git_ignores_it(here: Here, tmp_path: Path) -> None:
    assert not here.locks.changed()
    assert list(tmp_path.iterdir()) == []
    here.locks.acquire(1, "a", exclusive=True)
    assert (tmp_path / ".haz/locks/v1/.gitignore").read_text() == "*\n"


def test_who_waits_is_told_for_whom_and_goes_on_when_it_is_free(here: Here, other: Other) -> None:
    """MUTEX-003, 03 §15 C9: between processes too."""
    assert other.does("exclusive a") == "locked None"
    here.locks.acquire(2, "a", exclusive=True)
    assert here.next() == [("waiting", 2, other.pid)]
    assert other.does("release") == "released"
    assert here.next() == [("locked", 2, None)]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_death_of_the_holder_frees_the_lock(here: Here, other: Other, number: signal.Signals) -> None:
    other.does("exclusive a")
    here.locks.acquire(2, "a", exclusive=True)
    assert here.next() == [("waiting", 2, other.pid)]
    other.process.send_signal(number)
    assert here.next() == [("locked", 2, None)]


def test_shared_holders_tolerate_each_other_and_no_exclusive_one(here: Here, other: Other) -> None:
    """MUTEX-003, MUTEX-004."""
    assert other.does("shared m") == "locked None"
    assert here.locks.acquire(1, "m", exclusive=False)
    assert here.locks.acquire(2, "m", exclusive=False)
    assert not here.locks.acquire(3, "m", exclusive=True)
    assert [event[:2] for event in here.next()] == [("waiting", 3)]
    here.locks.release(1)
    other.does("release")
    here.locks.release(2)
    assert here.next() == [("locked", 3, None)]


def test_a_wait_that_was_given_up_is_not_answered(here: Here, other: Other) -> None:
    other.does("exclusive a")
    here.locks.acquire(1, "a", exclusive=True)
    here.next()
    here.locks.release(1)
    here.locks.acquire(2, "a", exclusive=True)
    here.next()
    other.does("release")
    assert here.next() == [("locked", 2, None)]
    here.locks.release(2)
    assert other.does("exclusive a").startswith(("locked", "waiting"))
    here.locks.release(99)


def test_a_wait_does_not_keep_the_process_from_ending(other: Other, directory: str) -> None:
    """The thread of a wait is nobody's concern: Ctrl-C must end a run at once."""
    other.does("exclusive a")
    script = (
        "import sys\nfrom haz import _core\nq = _core.Queue()\nlocks = _core.FileLocks(q, sys.argv[1])\n"
        "assert not locks.acquire(1, 'a', True)\nprint(q.wait()[0][0])\nlocks.release(1)\n"
    )
    done = subprocess.run(
        [PYTHON, "-c", script, directory], capture_output=True, text=True, timeout=DEADLINE, check=True
    )
    assert done.stdout == "waiting\n"


def test_a_child_inherits_no_lock(here: Here, directory: str) -> None:
    assert here.locks.acquire(1, "a", exclusive=True)
    processes = _core.Processes(here.queue, "blake3", directory + "/spill")
    pid = processes.spawn(
        7, ["/bin/sh", "-c", "echo ready; exec sleep 600"], _core.Environment([("PATH", os.environ["PATH"])]), "/"
    )
    assert here.next()[0][0] == "output"
    assert {int(name) for name in os.listdir(f"/proc/{pid}/fd")} == {0, 1, 2}
    processes.signal(7, signal.SIGKILL)


def test_a_lock_that_an_ancestor_holds_is_refused(here: Here, directory: str) -> None:
    """A haz inside a task must not wait for the haz that waits for the task."""
    assert here.locks.acquire(1, "a", exclusive=True)
    inner = Other(directory)
    answer = inner.does("exclusive a")
    inner.kill()
    assert answer == f"locked process {os.getpid()} holds the lock a, and this haz was started by it"


def test_a_lock_that_an_ancestor_holds_keeps_nobody_from_sharing_it(here: Here, directory: str) -> None:
    """A haz inside a task may put back what its own hits lack."""
    assert here.locks.acquire(1, "a", exclusive=True)
    inner = Other(directory)
    answers = [inner.does("share a b"), inner.does("release"), inner.does("share a " + "b " * 100)]
    inner.kill()
    assert answers == ["True", "released", "True"]


def test_a_directory_that_cannot_be_is_told_as_text(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    here = Here(str(tmp_path / "file/locks"))
    here.locks.acquire(1, "a", exclusive=True)
    ((kind, token, text),) = here.next()
    assert (kind, token) == ("locked", 1)
    assert "Not a directory" in text
    here.locks.note()
    assert not here.locks.changed()


def test_changes_of_another_process_are_seen_once(here: Here, other: Other) -> None:
    assert not here.locks.changed()
    other.does("note")
    assert here.locks.changed()
    assert not here.locks.changed()
    here.locks.note()
    assert not here.locks.changed()


def test_a_lock_is_shared_unless_somebody_has_it_for_himself(here: Here, other: Other) -> None:
    """Nobody waits: there is no event."""
    assert here.locks.share(1, ["a"])
    assert here.locks.share(2, ["a"])
    here.locks.release(1)
    assert other.does("exclusive a").startswith("waiting")
    here.locks.release(2)
    other.kill()
    assert here.locks.acquire(3, "a", exclusive=True)
    here.locks.release(3)
    assert here.queue.wait(0) == []


def test_what_another_process_has_for_itself_is_not_shared(here: Here, other: Other) -> None:
    assert other.does("exclusive a") == "locked None"
    assert not here.locks.share(1, ["a"])
    assert other.does("release") == "released"
    assert here.locks.share(1, ["a"])
    assert here.queue.wait(0) == []


def test_sharing_writes_nothing_and_is_granted_where_there_can_be_no_lock(here: Here, tmp_path: Path) -> None:
    here.locks.share(1, ["a"])
    assert (tmp_path / ".haz/locks/v1/held").read_bytes() == b""
    here.locks.release(1)
    (tmp_path / "file").write_text("")
    assert _core.FileLocks(here.queue, str(tmp_path / "file/locks")).share(1, ["a"])
    assert here.queue.wait(0) == []
