"""Long calls let other Python threads run."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import pytest

from haz import _core

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ROUNDS = 100


@pytest.fixture
def no_preemption() -> Iterator[None]:
    """From here on a thread runs until it gives up the interpreter lock itself."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    yield
    sys.setswitchinterval(before)


def another_thread_runs_during(call: Callable[[], object]) -> bool:
    go, ran = threading.Lock(), [False]
    go.acquire()

    def other() -> None:
        with go:
            ran[0] = True

    thread = threading.Thread(target=other)
    thread.start()
    go.release()
    seen = False
    for _ in range(ROUNDS):
        call()
        seen = ran[0]
        if seen:
            break
    thread.join()
    return seen


@pytest.mark.usefixtures("no_preemption")
def test_work_on_bytes_and_files_releases_the_interpreter_lock(tmp_path: Path) -> None:
    path = str(tmp_path / "f")
    data = bytes(4 << 20)
    _core.publish(path, data)
    assert another_thread_runs_during(lambda: _core.digest_bytes(data, "sha256"))
    assert another_thread_runs_during(lambda: _core.digest_files([path], "sha256"))
    assert another_thread_runs_during(lambda: _core.publish(path, data))


@pytest.mark.usefixtures("no_preemption")
def test_the_check_itself_can_fail() -> None:
    assert not another_thread_runs_during(lambda: sum(range(1000)))
