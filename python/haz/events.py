"""What observers of a run receive. Subclass `RunObserver` and override what you care for.

All calls come from the thread that drives the run. An observer cannot influence the run: the fan-out drops one that
raises. Nothing here tells a hit from a fresh run before the record does (EXEC-017).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from haz.errors import RunTaskError
    from haz.model import CancelledRecord, CompletedRecord, SkipRecord, TaskId, TaskRun
    from haz.outcome import RunGraphOutcome


class RunObserver:
    """Callbacks of one run. Durations are seconds of work, without the time a task waited for a mutex or a lock."""

    def on_run_started(self, tasks: int) -> None:
        """`tasks` is the size of the run set."""

    def on_task_started(self, task: TaskId) -> None:
        """Once per task, at its first admission, before any cache work."""

    def on_tasks_unchanged(self, records: Sequence[CompletedRecord]) -> None:
        """Tell of hits without output, in order: as if each had started and finished."""
        for record in records:
            self.on_task_started(record.task)
            self.on_task_finished(record.task, record, 0.0)

    def on_stdout(self, task: TaskId, chunk: bytes) -> None:
        """The concatenation of all chunks is the captured stream of the attempt."""

    def on_stderr(self, task: TaskId, chunk: bytes) -> None: ...

    def on_waiting(self, task: TaskId, pid: int | None) -> None:
        """Another haz process runs the task, or holds its mutex: the process of this id, where it is known."""

    def on_attempt_finished(self, task: TaskId, run: TaskRun, attempts: int, delay: float | None) -> None:
        """An attempt that is not the last one ended; the next of `attempts` starts after `delay` seconds."""

    def on_task_ready(self, task: TaskId, duration: float) -> None:
        """A persistent task does its work from now on; its output and its end are still to come."""

    def on_task_finished(self, task: TaskId, record: CompletedRecord, duration: float) -> None: ...

    def on_task_skipped(self, task: TaskId, record: SkipRecord) -> None:
        """At cascade time; such a task gets no other callback."""

    def on_task_cancelled(self, task: TaskId, record: CancelledRecord, duration: float | None) -> None:
        """`duration` is None when no process was started."""

    def on_task_errored(self, task: TaskId, error: RunTaskError, duration: float) -> None: ...

    def on_miss(self, task: TaskId, reason: str) -> None:
        """A lookup found no entry that could be restored; `reason` is one line. Again before each further attempt."""

    def on_warning(self, task: TaskId | None, message: str) -> None:
        """Something went wrong that does not change the outcome (D5)."""

    def on_run_finished(self, outcome: RunGraphOutcome, duration: float, signalled: int | None) -> None:
        """`signalled` is the number of the first termination signal that arrived."""
