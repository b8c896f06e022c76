"""What of a run is new to who has seen the run before: `haz run --watch`."""

from __future__ import annotations

from haz.errors import BuildKeyFailed
from haz.events import RunObserver
from haz.observers.buffered import Block

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from haz.errors import RunTaskError
    from haz.model import CancelledRecord, CompletedRecord, SkipRecord, TaskId, TaskRun
    from haz.outcome import RunGraphOutcome


class News(RunObserver):
    """Passes on what a run did, but not the hits of tasks that ended under the same key before.

    `before` has those keys. `begin` is called ahead of the first news; while there is none, `inner` hears nothing at
    all, so that a run in which nothing was new leaves no trace. A hit cannot be told before its record, and until
    then its output waits. `keys` has those of this run as they become known: under which a task ended or was about to
    run, None for one whose key cannot be told; none of a task that was stopped. `ended` has what tasks came to.
    """

    def __init__(self, inner: RunObserver, before: Mapping[TaskId, bytes | None], begin: Callable[[], None]) -> None:
        self._inner = inner
        self._before = before
        self._begin = begin
        self.keys: dict[TaskId, bytes | None] = dict(before)
        self.ended: dict[TaskId, CompletedRecord] = {}
        self._tasks = 0
        self._held: dict[TaskId, tuple[Block, Block]] = {}
        self.any = False

    def news(self) -> RunObserver:
        """Begin, unless that is done; returns who hears of it."""
        if not self.any:
            self.any = True
            self._begin()
            self._inner.on_run_started(self._tasks)
        return self._inner

    def _release(self, task: TaskId) -> RunObserver:
        """Pass on what was held back of a task, and hold back nothing more."""
        inner, held = self.news(), self._held.pop(task, None)
        if held is not None:
            inner.on_task_started(task)
            for block, tell in zip(held, (inner.on_stdout, inner.on_stderr), strict=True):
                for piece in block.pieces():
                    tell(task, piece)
        return inner

    def _is_old(self, record: CompletedRecord) -> bool:
        return record.source == "cache_hit" and record.key is not None and self._before.get(record.task) == record.key

    def on_run_started(self, tasks: int) -> None:
        self._tasks = tasks

    def on_task_started(self, task: TaskId) -> None:
        self._held[task] = (Block(), Block())

    def on_tasks_unchanged(self, records: Sequence[CompletedRecord]) -> None:
        self.keys.update((record.task, record.key) for record in records)
        self.ended.update((record.task, record) for record in records)
        news = [record for record in records if not self._is_old(record)]
        if news:
            self.news().on_tasks_unchanged(news)

    def on_stdout(self, task: TaskId, chunk: bytes) -> None:
        if task in self._held:
            self._held[task][0].add(chunk)
        else:
            self._inner.on_stdout(task, chunk)

    def on_stderr(self, task: TaskId, chunk: bytes) -> None:
        if task in self._held:
            self._held[task][1].add(chunk)
        else:
            self._inner.on_stderr(task, chunk)

    def on_miss(self, task: TaskId, reason: str) -> None:
        self._release(task).on_miss(task, reason)

    def on_waiting(self, task: TaskId, pid: int | None) -> None:
        self._release(task).on_waiting(task, pid)

    def on_attempt_finished(self, task: TaskId, run: TaskRun, attempts: int, delay: float | None) -> None:
        self._release(task).on_attempt_finished(task, run, attempts, delay)

    def on_task_ready(self, task: TaskId, duration: float) -> None:
        self._release(task).on_task_ready(task, duration)

    def on_task_finished(self, task: TaskId, record: CompletedRecord, duration: float) -> None:
        self.ended[task] = record
        if record.key is not None:
            self.keys[task] = record.key
        if task in self._held and self._is_old(record):
            del self._held[task]
        else:
            self._release(task).on_task_finished(task, record, duration)

    def on_task_errored(self, task: TaskId, error: RunTaskError, duration: float) -> None:
        if isinstance(error, BuildKeyFailed):
            self.keys[task] = None
        self._release(task).on_task_errored(task, error, duration)

    def on_task_skipped(self, task: TaskId, record: SkipRecord) -> None:
        self.keys.pop(task, None)
        self.news().on_task_skipped(task, record)

    def on_task_cancelled(self, task: TaskId, record: CancelledRecord, duration: float | None) -> None:
        self.keys.pop(task, None)
        self._release(task).on_task_cancelled(task, record, duration)

    def on_warning(self, task: TaskId | None, message: str) -> None:
        # Of the run as a whole: it is the same each time, and no reason to begin.
        if task is not None or self.any or not self._before:
            self.news().on_warning(task, message)

    def on_run_finished(self, outcome: RunGraphOutcome, duration: float, signalled: int | None) -> None:
        if self.any:
            self._inner.on_run_finished(outcome, duration, signalled)
