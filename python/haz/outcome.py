"""What the scheduler asks of its driver, and what it hands over in the end."""

from __future__ import annotations

from haz._record import Record
from haz.model import CompletedRecord, SkipRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.errors import RunTaskError
    from haz.model import OutputOverlap, RunOutcome, RuntimeCycleViolation, TaskId


class Action:
    """One thing for the driver to do. Plain slots: a run makes several of these for each task."""

    __slots__ = ("task",)

    def __init__(self, task: TaskId) -> None:
        self.task = task

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.task})"


class Lookup(Action):
    """Derive the key and look it up. `first` at the task's first admission: observers hear that it started."""

    __slots__ = ("first",)

    def __init__(self, task: TaskId, *, first: bool) -> None:
        self.task = task
        self.first = first


class Restore(Action):
    """Put the entry that was found in place."""

    __slots__ = ()


class Spawn(Action):
    """Run one attempt; the mutex, if there is one, is held."""

    __slots__ = ()


class Signal(Action):
    """End the process group of the task, politely first (EXEC-014)."""

    __slots__ = ()


class Stop(Action):
    """End a persistent task: nobody needs it any more."""

    __slots__ = ()


class Announce(Action):
    """Tell observers how the task ended."""

    __slots__ = ("result",)

    def __init__(self, task: TaskId, result: RunOutcome | RunTaskError) -> None:
        self.task = task
        self.result = result

    def __repr__(self) -> str:
        return f"Announce({self.result!r})"


class Counts(Record):
    """The numbers of the epilogue. `cached` and `flaky` are parts of `completed`; `failed` includes errored tasks."""

    completed: int
    cached: int
    failed: int
    skipped: int
    cancelled: int
    flaky: int


class RunGraphOutcome(Record):
    """What became of a run. Violations in the order in which they were found, everything else in canonical order."""

    outcomes: dict[TaskId, RunOutcome]
    task_errors: dict[TaskId, RunTaskError]
    invariant_violations: tuple[RuntimeCycleViolation | OutputOverlap, ...] = ()

    def counts(self) -> Counts:
        completed = cached = failed = skipped = flaky = 0
        for record in self.outcomes.values():
            if isinstance(record, SkipRecord):
                skipped += 1
            elif isinstance(record, CompletedRecord):
                if record.state == "failed":
                    failed += 1
                else:
                    completed += 1
                    cached += record.source == "cache_hit"
                    flaky += len(record.attempts) > 1
        cancelled = len(self.outcomes) - completed - failed - skipped
        return Counts(completed, cached, failed + len(self.task_errors), skipped, cancelled, flaky)
