"""One observer made of many: the one that raises is dropped and named once, the others go on."""

from __future__ import annotations

from haz.events import RunObserver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from haz.errors import RunTaskError
    from haz.model import CancelledRecord, CompletedRecord, SkipRecord, TaskId, TaskRun
    from haz.outcome import RunGraphOutcome


class FanOut(RunObserver):
    """Passes every callback on. `complain` receives one line for each observer that had to be dropped."""

    def __init__(self, observers: Sequence[RunObserver], complain: Callable[[str], None]) -> None:
        self._observers = list(observers)
        self._complain = complain

    def _tell(self, name: str, *values: object) -> None:
        for observer in tuple(self._observers):
            try:
                getattr(observer, name)(*values)
            except Exception as error:  # noqa: BLE001 - whatever an observer raises must not end the run
                self._observers.remove(observer)
                self._complain(f"observer {type(observer).__name__} was dropped: {error!r}")

    def on_run_started(self, tasks: int) -> None:
        self._tell("on_run_started", tasks)

    def on_task_started(self, task: TaskId) -> None:
        self._tell("on_task_started", task)

    def on_stdout(self, task: TaskId, chunk: bytes) -> None:
        self._tell("on_stdout", task, chunk)

    def on_stderr(self, task: TaskId, chunk: bytes) -> None:
        self._tell("on_stderr", task, chunk)

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

    def on_run_finished(self, outcome: RunGraphOutcome, duration: float) -> None:
        self._tell("on_run_finished", outcome, duration)
