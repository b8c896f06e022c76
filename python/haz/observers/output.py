"""What the live and the buffered observer share: one summary line per task on stderr, after the task's own bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod

from haz.events import RunObserver
from haz.model import SignaledInFlight
from haz.names import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from haz.errors import RunTaskError
    from haz.model import CancelledRecord, CompletedRecord, SkipRecord, TaskId, TaskRun
    from haz.observers.presenter import Presenter
    from haz.outcome import RunGraphOutcome


class OutputObserver(RunObserver, ABC):
    """Base of the two output modes. `out` and `err` take bytes and may not fail."""

    def __init__(self, presenter: Presenter, out: Callable[[bytes], None], err: Callable[[bytes], None]) -> None:
        self._presenter = presenter
        self._out = out
        self._err = err
        self._warned: dict[str, int] = {}

    @abstractmethod
    def _flush(self, task: TaskId) -> None:
        """Write what is kept of the task's streams, stdout first; keep nothing."""

    @abstractmethod
    def _forget(self, task: TaskId) -> None:
        """Drop the task's state; it gets no more bytes."""

    def _say(self, line: str) -> None:
        self._err(line.encode(errors="backslashreplace"))

    def _end(self, task: TaskId, line: str) -> None:
        self._flush(task)
        self._forget(task)
        self._say(line)

    def on_waiting(self, task: TaskId, pid: int | None) -> None:
        self._say(self._presenter.waiting(task, pid))

    def on_attempt_finished(self, task: TaskId, run: TaskRun, attempts: int, delay: float | None) -> None:
        self._flush(task)
        self._say(self._presenter.attempt(task, run, attempts, delay))

    def on_task_ready(self, task: TaskId, duration: float) -> None:
        self._say(self._presenter.ready(task, duration))

    def on_task_finished(self, task: TaskId, record: CompletedRecord, duration: float) -> None:
        self._end(task, self._presenter.completed(task, record, duration))

    def on_tasks_unchanged(self, records: Sequence[CompletedRecord]) -> None:
        # One write for all: they may be thousands.
        self._say(self._presenter.unchanged(records))

    def on_task_errored(self, task: TaskId, error: RunTaskError, duration: float) -> None:  # noqa: ARG002
        self._end(task, self._presenter.errored(task, error))

    def on_task_skipped(self, task: TaskId, record: SkipRecord) -> None:
        self._say(self._presenter.skipped(task, record))

    def on_task_cancelled(self, task: TaskId, record: CancelledRecord, duration: float | None) -> None:
        if isinstance(record, SignaledInFlight):
            self._flush(task)
        self._forget(task)
        self._say(self._presenter.cancelled(task, record, duration))

    def on_warning(self, task: TaskId | None, message: str) -> None:
        """Tell each warning once: a full disk concerns every task, and its first victim says enough."""
        count = self._warned.get(message, 0)
        self._warned[message] = count + 1
        if count == 0:
            self._say(self._presenter.warning(task, message))

    def on_run_finished(self, outcome: RunGraphOutcome, duration: float, signalled: int | None) -> None:  # noqa: ARG002
        for message, count in self._warned.items():
            if count > 1:
                self._say(self._presenter.warning(None, f"{counted(count - 1, 'more time')}: {message}"))
