"""What only the events of a run say of its tasks, kept for the report: how long they took, why the cache missed."""

from __future__ import annotations

from haz.events import RunObserver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from haz.errors import RunTaskError
    from haz.model import CancelledRecord, CompletedRecord, TaskId


class Ledger(RunObserver):
    """`durations` in seconds of work; `misses` has why the first lookup of a task found nothing to restore."""

    def __init__(self) -> None:
        self.durations: dict[TaskId, float] = {}
        self.misses: dict[TaskId, str] = {}

    def on_miss(self, task: TaskId, reason: str) -> None:
        self.misses.setdefault(task, reason)

    def on_task_finished(self, task: TaskId, record: CompletedRecord, duration: float) -> None:  # noqa: ARG002
        self.durations[task] = duration

    def on_tasks_unchanged(self, records: Sequence[CompletedRecord]) -> None:
        self.durations.update(dict.fromkeys([record.task for record in records], 0.0))

    def on_task_errored(self, task: TaskId, error: RunTaskError, duration: float) -> None:  # noqa: ARG002
        self.durations[task] = duration

    def on_task_cancelled(self, task: TaskId, record: CancelledRecord, duration: float | None) -> None:  # noqa: ARG002
        if duration is not None:
            self.durations[task] = duration
