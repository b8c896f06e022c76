"""One observer made of many: the one that raises is dropped and named once, the others go on."""

from __future__ import annotations

from haz.events import RunObserver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from haz.errors import RunTaskError
    from haz.model import CancelledRecord, CompletedRecord, SkipRecord, TaskId, TaskRun
    from haz.outcome import RunGraphOutcome


class FanOut(RunObserver):
    """Passes every callback on. `complain` receives one line for each observer that had to be dropped."""

    def __init__(self, observers: Sequence[RunObserver], complain: Callable[[str], None]) -> None:
        self._complain = complain
        # A run of thousands of hits calls back tens of thousands of times: only those hear who listen.
        self._listeners = {
            name: [(observer, listener) for observer in observers if (listener := _listener(observer, name))]
            if name != "on_tasks_unchanged"
            else [(observer, observer.on_tasks_unchanged) for observer in observers]
            for name in vars(RunObserver)
            if name.startswith("on_")
        }

    def _tell(self, name: str, *values: Any) -> None:
        broken: list[tuple[RunObserver, Exception]] = []
        for observer, listener in self._listeners[name]:
            try:
                listener(*values)
            except Exception as error:  # noqa: BLE001 - whatever an observer raises must not end the run
                broken.append((observer, error))
        for dropped, reason in broken:
            for heard, listeners in self._listeners.items():
                self._listeners[heard] = [pair for pair in listeners if pair[0] is not dropped]
            self._complain(f"observer {type(dropped).__name__} was dropped: {reason!r}")

    def on_run_started(self, tasks: int) -> None:
        self._tell("on_run_started", tasks)

    def on_task_started(self, task: TaskId) -> None:
        self._tell("on_task_started", task)

    def on_tasks_unchanged(self, records: Sequence[CompletedRecord]) -> None:
        self._tell("on_tasks_unchanged", records)

    def on_stdout(self, task: TaskId, chunk: bytes) -> None:
        self._tell("on_stdout", task, chunk)

    def on_stderr(self, task: TaskId, chunk: bytes) -> None:
        self._tell("on_stderr", task, chunk)

    def on_waiting(self, task: TaskId, pid: int | None) -> None:
        self._tell("on_waiting", task, pid)

    def on_attempt_finished(self, task: TaskId, run: TaskRun, attempts: int, delay: float | None) -> None:
        self._tell("on_attempt_finished", task, run, attempts, delay)

    def on_task_ready(self, task: TaskId, duration: float) -> None:
        self._tell("on_task_ready", task, duration)

    def on_task_finished(self, task: TaskId, record: CompletedRecord, duration: float) -> None:
        self._tell("on_task_finished", task, record, duration)

    def on_task_skipped(self, task: TaskId, record: SkipRecord) -> None:
        self._tell("on_task_skipped", task, record)

    def on_task_cancelled(self, task: TaskId, record: CancelledRecord, duration: float | None) -> None:
        self._tell("on_task_cancelled", task, record, duration)

    def on_task_errored(self, task: TaskId, error: RunTaskError, duration: float) -> None:
        self._tell("on_task_errored", task, error, duration)

    def on_miss(self, task: TaskId, reason: str) -> None:
        self._tell("on_miss", task, reason)

    def on_warning(self, task: TaskId | None, message: str) -> None:
        self._tell("on_warning", task, message)

    def on_run_finished(self, outcome: RunGraphOutcome, duration: float, signalled: int | None) -> None:
        self._tell("on_run_finished", outcome, duration, signalled)


def _listener(observer: RunObserver, name: str) -> Callable[..., None] | None:
    """Return the observer's own callback of that name, or None when it has only the one that does nothing."""
    callback: Callable[..., None] = getattr(observer, name)
    return None if getattr(callback, "__func__", None) is vars(RunObserver)[name] else callback
