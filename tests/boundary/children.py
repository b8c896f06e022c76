"""What the tests of processes share: one place that spawns and awaits events, never sleeping."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

from haz import _core

if TYPE_CHECKING:
    from collections.abc import Callable

DEADLINE = 60.0
PYTHON = sys.executable
ENV = [("PATH", os.environ["PATH"])]


class Children:
    """A `Processes` with its queue and all the events it has told so far."""

    def __init__(self, spill: str, algorithm: str = "blake3", memory_limit: int = 1 << 23) -> None:
        self.queue = _core.Queue()
        self.processes = _core.Processes(self.queue, algorithm, spill, memory_limit)
        self.events: list[tuple[str, int, Any]] = []

    def spawn(
        self,
        token: int,
        *argv: str,
        env: list[tuple[str, str]] | None = None,
        cwd: str = "/",
        secrets: tuple[str, ...] = (),
    ) -> int:
        return self.processes.spawn(token, argv, _core.Environment(ENV if env is None else env), cwd, secrets)

    def sh(self, token: int, script: str) -> int:
        return self.spawn(token, "/bin/sh", "-c", script)

    def until(self, found: Callable[[tuple[str, int, Any]], bool]) -> tuple[str, int, Any]:
        """The first event, past or to come, that `found` accepts."""
        seen = 0
        deadline = time.monotonic() + DEADLINE
        while True:
            for event in self.events[seen:]:
                if found(event):
                    return event
            seen = len(self.events)
            fresh = self.queue.wait(max(0.0, deadline - time.monotonic()))
            assert fresh, f"nothing came within {DEADLINE} s; so far: {self.events}"
            self.events += fresh

    def finished(self, token: int) -> _core.Finished:
        payload = self.until(lambda event: event[0] == "exit" and event[1] == token)[2]
        assert isinstance(payload, _core.Finished)
        return payload

    def written(self, token: int, text: bytes) -> None:
        """Wait until `text` appeared on standard output."""
        self.until(lambda event: event[1] == token and text in self.output(token))

    def output(self, token: int, stream: int = 1) -> bytes:
        return b"".join(
            event[2][1] for event in self.events if event[0] == "output" and event[1] == token and event[2][0] == stream
        )

    def run(self, *argv: str, **options: Any) -> tuple[_core.Finished, bytes]:
        """Run one child to its end: how it ended, what it wrote to standard output."""
        self.events.clear()
        self.spawn(1, *argv, **options)
        finished = self.finished(1)
        return finished, self.output(1)

    def kinds(self, token: int) -> list[str]:
        """The kinds of events of a token, without output."""
        return [kind for kind, number, _ in self.events if number == token and kind != "output"]


def process_state(pid: int) -> str | None:
    """State letter of a process, None when there is none of that number."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def wait_until_gone(pid: int) -> None:
    """Wait until a process that need not be our child has ended (a zombie has)."""
    import select

    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ready, _, _ = select.select([descriptor], [], [], DEADLINE)
        assert ready, f"process {pid} lives on"
    finally:
        os.close(descriptor)
