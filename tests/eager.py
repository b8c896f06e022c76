"""Checkpoints that count at once: in a test, nobody waits for files to have been left alone for two seconds.

As a program it is haz, but for that. What that margin guards against is left to `settle`, which waits for the file system's clock to move on.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

from haz import _core

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _later() -> int:
    return time.time_ns() + 10_000_000_000


class _Checkpoint:
    def __init__(self, *arguments: Any) -> None:
        self._real = _REAL(*arguments)

    def __len__(self) -> int:
        return len(self._real)

    def unchanged(self, *arguments: Any) -> Any:
        return self._real.unchanged(*arguments)

    def put_back(self, *arguments: Any) -> Any:
        return self._real.put_back(*arguments)

    def record(self, *arguments: Any) -> int:
        return self._real.record(*arguments, at=_later())


_REAL = _core.Checkpoint
REAL_ASK = _core.ask_facts


@contextmanager
def eager() -> Iterator[None]:
    """Let what is recorded count from now on."""
    with (
        mock.patch.object(_core, "Checkpoint", _Checkpoint),
        mock.patch.object(_core, "ask_facts", lambda *arguments: REAL_ASK(*arguments[:3], at=_later())),
    ):
        yield


def settle(directory: Path) -> None:
    """Return when a file that is written now bears another time than all that were written before.

    `directory` itself is left alone.
    """
    probe = directory.parent / f".settle-{os.getpid()}"
    probe.write_bytes(b"")
    before = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns == before:
        probe.write_bytes(b"")
    probe.unlink()


if __name__ == "__main__":
    from haz.__main__ import program

    with eager():
        program()
