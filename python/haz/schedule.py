"""The scheduler: a pure state machine that says what to do next and keeps the record of what became of every task.

It knows no clock, no disk and no process. A driver performs the `Action`s that each call returns, in order, and reports
back; every report is answered with the next actions. What the driver owes for each:

=============  =====================================================================================================
`Lookup`       derive the key and look it up, then `looked_up`, or `errored`. `first` says that the task starts now
`Restore`      put the entry in place, then `finished` with a hit's record, or `restore_failed`
`Spawn`        run one attempt, then `finished`, `errored` or `retry`; of a persistent task, `ready` before. Or, before
               a process exists, `must_wait` for another haz, and `look_again` when that may have done the work
`Signal`       end the task's process group if it has one that is alive; its attempt then ends as any other
`Stop`         the same for a persistent task that nobody needs any more
`Announce`     tell observers how a task ended: every task of the run is announced once, whatever its end
=============  =====================================================================================================

Life of a task: blocked (hard predecessors must succeed, soft ones must end) - ready - lookup - restore, or running,
perhaps parked for a mutex, in backoff or away (waiting for another process) between - done. A slot (one unit of the cap
and of each capped tag) is held from `Lookup` on, except while parked, in backoff or away; a mutex from `Spawn` on.

A persistent task gives its slot back as soon as it is spawned. Its successors wait until it is `ready` instead of for
its end. When nothing else is left, those that had successors are stopped one by one, the last one started first; one
that nobody waits for keeps the run alive until it ends or the run is cancelled. One that ends too early takes those of
its descendants with it that have not started.

When admission stops (cancel, EXEC-019, EXEC-020, fail-fast) nothing is admitted, spawned or restored any more: what is
ready, parked, in backoff or away becomes `RunCancelled` at once, a lookup when it is answered; their hard descendants
become `UpstreamCancelled`. A restore that has begun, and a child that ends on its own, keep their honest record.

The cost of a task is O(degree + log n); a task that a full tag holds back is not looked at again until a unit is free.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from haz.model import (
    CompletedRecord,
    RunCancelled,
    RuntimeCycle,
    SignaledInFlight,
    SkipRecord,
    UpstreamCancelled,
    UpstreamErrored,
    UpstreamFailed,
)
from haz.outcome import Announce, Lookup, Restore, RunGraphOutcome, Signal, Spawn, Stop
from haz.runtime_graph import longest_chain_first
from haz.written import Written

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, Literal

    from haz.errors import RunTaskError
    from haz.graph import TaskGraph
    from haz.model import OutputOverlap, RunOutcome, RuntimeCycleViolation, StreamHashes, TaskId, TaskRun
    from haz.outcome import Action

_BLOCKED, _READY, _LOOKUP, _RESTORE, _PARKED, _RUNNING, _BACKOFF, _AWAY, _DONE = range(9)
_STATES = ("blocked", "ready", "being looked up", "being restored", "parked", "running", "in backoff", "away", "done")


class _Lock:
    """One mutex key. Who is woken holds the lock from then on, so that nobody gets in between (D9)."""

    __slots__ = ("exclusive", "head", "holders", "queue")

    def __init__(self) -> None:
        self.holders = 0
        self.exclusive = False
        self.queue: list[int] = []
        self.head = 0


class Schedule:
    """One run of the tasks of `graph`, at most `cap` at a time, `tag_caps` at a time per project tag.

    `graph` must have no cycle. `consumers_of` is what `Written` needs for EXEC-019. `order="critical-path"` starts the
    longest remaining chain first, by `durations` in seconds; a task without one counts as the mean of the others.
    `settled` are tasks that had ended well before the run began, together with all that they come after; they are
    neither admitted nor announced.
    """

    def __init__(
        self,
        graph: TaskGraph,
        cap: int,
        tag_caps: Mapping[str, int],
        *,
        consumers_of: Callable[[str], Iterable[TaskId]] | None = None,
        order: Literal["canonical", "critical-path"] = "canonical",
        durations: Mapping[TaskId, float] | None = None,
        fail_fast: bool = False,
        settled: Mapping[TaskId, CompletedRecord] = {},
    ) -> None:
        # Nothing waits for a settled task, and what comes before one is settled too: the others are all there is to do,
        # and nobody asks about the settled ones but for streams, outputs and the outcome.
        tasks = tuple([task for task in graph.nodes if task not in settled]) if settled else graph.nodes
        size = len(tasks)
        index = {task: i for i, task in enumerate(tasks)}
        self.tasks = tasks
        self._index = index
        self._graph = graph
        self._settled = settled
        self._hard: list[list[int]] = [[] for _ in tasks]
        self._soft: list[list[int]] = [[] for _ in tasks]
        self._blockers = [0] * size
        for i, task in enumerate(tasks):
            for after, before in zip((self._hard, self._soft), graph.before(task), strict=False):
                for predecessor in before:
                    if predecessor not in settled:
                        after[index[predecessor]].append(i)
                        self._blockers[i] += 1
        self._state = [_BLOCKED] * size
        self._started = bytearray(size)
        self._attempts: dict[int, tuple[TaskRun, ...]] = {}
        self._results: list[RunOutcome | RunTaskError | None] = [None] * size
        self._open = size
        self._in_flight = 0
        # In backoff or away: without a slot, and coming back without anybody's end.
        self._in_abeyance = 0
        self._stopped = False
        self._cancelled = False
        self._fail_fast = fail_fast
        specs = [graph.specs[task] for task in tasks]
        self._persistent = bytearray([spec.persistent for spec in specs])
        # Persistent tasks that run, in the order of their start; which were ready, and which one is being stopped now.
        self._serving: list[int] = []
        self._was_ready = bytearray(size)
        self._stopping: int | None = None

        if cap < 1 or any(limit < 1 for limit in tag_caps.values()):
            raise ValueError("a cap below 1 admits nothing")
        self._free = cap
        self._rank: Sequence[int] = range(size)
        self._by_rank: Sequence[int] = range(size)
        if order == "critical-path" and durations:
            mean = sum(durations.values()) / len(durations)
            self._by_rank = longest_chain_first(self._hard, self._soft, [durations.get(task, mean) for task in tasks])
            self._rank = sorted(range(size), key=self._by_rank.__getitem__)
        # Ranks; those of tasks woken from a mutex less `size`, so that they go first: they have waited before.
        self._ready: list[int] = []
        self._tags_of_class: list[tuple[int, ...]] = [()]
        self._held_back: list[list[int]] = [[]]
        self._tag_free: list[int] = []
        self._classes_of_tag: list[list[int]] = []
        self._class = self._classify(graph, tag_caps)

        locks: dict[tuple[str | None, str], _Lock] = {}
        self._lock: dict[int, _Lock] = {}
        self._exclusive = bytearray(size)
        self._holds = bytearray(size)
        for i, spec in enumerate(specs):
            mutex = spec.mutex
            if mutex is not None:
                self._lock[i] = locks.setdefault(mutex.key, _Lock())
                self._exclusive[i] = mutex.mode == "exclusive"
        self._locks = locks.values()

        self._written = Written(graph, index, settled, consumers_of)
        self._violations: list[RuntimeCycleViolation | OutputOverlap] = []

        for i in range(size):
            if not self._blockers[i]:
                self._state[i] = _READY
                self._ready.append(self._rank[i])
        heapify(self._ready)

    # --- What the driver asks ----------------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """Whether every task has its record."""
        return not self._open

    def predecessor_streams(self, task: TaskId) -> tuple[tuple[TaskId, StreamHashes], ...]:
        """Give the streams of the direct hard predecessors, in canonical order, for the key (CACHE-007, DAG-017)."""
        streams = []
        for predecessor in self._graph.before(task)[0]:
            i = self._index.get(predecessor)
            record = self._settled[predecessor] if i is None else self._results[i]
            if type(record) is CompletedRecord:
                streams.append((predecessor, record.streams))
        return tuple(streams)

    def waiting(self) -> tuple[TaskId, ...]:
        """Name the tasks parked for a mutex, in canonical order."""
        return tuple(task for task, state in zip(self.tasks, self._state, strict=True) if state == _PARKED)

    def outcome(self) -> RunGraphOutcome:
        """Give the records so far; when `done`, each task of the run is in exactly one of the two maps."""
        ended: dict[TaskId, RunOutcome] = {}
        errors: dict[TaskId, RunTaskError] = {}
        for task, result in zip(self.tasks, self._results, strict=True):
            if isinstance(result, Exception):
                errors[task] = result
            elif result is not None:
                ended[task] = result
        if self._settled:
            # The settled ones are many: they are merged without a look at each.
            merged: dict[TaskId, Any] = dict.fromkeys(self._graph.nodes)
            merged.update(self._settled)
            merged.update(ended)
            for task in self.tasks:
                if task not in ended:
                    del merged[task]
            ended = merged
        return RunGraphOutcome(ended, errors, tuple(self._violations))

    def prepare(self) -> None:
        """Do ahead of time what takes time when a task has written something."""
        self._written.prepare()

    # --- What the driver reports -------------------------------------------------------------------------------------

    def start(self) -> list[Action]:
        """Admit the first tasks."""
        return self._settle([])

    def looked_up(self, task: TaskId, *, hit: bool) -> list[Action]:
        """Answer a `Lookup`. A hit is restored without the mutex (MUTEX-007); a miss runs, or is parked for it."""
        i = self._expect(task, _LOOKUP)
        if self._stopped:
            return self._give_up(i)
        actions: list[Action] = []
        if hit:
            if self._holds[i]:
                self._release_hold(i)
            self._state[i] = _RESTORE
            actions.append(Restore(task))
        else:
            self._run_or_park(i, actions)
        return self._settle(actions)

    def restore_failed(self, task: TaskId) -> list[Action]:
        """Answer a `Restore` that went wrong: the task goes on as after a miss (CACHE-020)."""
        i = self._expect(task, _RESTORE)
        if self._stopped:
            return self._give_up(i)
        actions: list[Action] = []
        self._run_or_park(i, actions)
        return self._settle(actions)

    def finished(self, task: TaskId, record: CompletedRecord) -> list[Action]:
        """Answer a `Restore` or a `Spawn` that came to its end. A cancelled record becomes `SignaledInFlight`."""
        i = self._expect(task, _RESTORE, _RUNNING)
        self._leave(i)
        actions: list[Action] = []
        if record.state == "succeeded" and self._persistent[i]:
            self._record(i, record, actions)
        elif record.state == "succeeded":
            self._record(i, record, actions)
            self._succeed(i, record, actions)
        elif record.state == "failed":
            self._record(i, record, actions)
            self._fail(i, UpstreamFailed(task), actions)
        else:
            if record.exit_status is None:
                raise ValueError(f"{task} was signalled without having an exit status")
            signalled = SignaledInFlight(task, record.exit_status, record.streams, record.attempts)
            self._record(i, signalled, actions)
            self._cancel_descendants(i, actions)
        return self._settle(actions)

    def ready(self, task: TaskId) -> list[Action]:
        """Say that a persistent task does its work from now on: its successors need not wait any longer."""
        i = self._expect(task, _RUNNING)
        if i not in self._serving or self._was_ready[i]:
            raise RuntimeError(f"{task} is not about to be ready")
        self._was_ready[i] = True
        for successor in (*self._hard[i], *self._soft[i]):
            self._unblock(successor)
        return self._settle([])

    def errored(self, task: TaskId, error: RunTaskError) -> list[Action]:
        """Answer a `Lookup`, `Restore` or `Spawn` whose pipeline broke."""
        i = self._expect(task, _LOOKUP, _RESTORE, _RUNNING)
        if self._stopped and self._state[i] == _LOOKUP:
            return self._give_up(i)
        self._leave(i)
        actions: list[Action] = []
        self._record(i, error, actions)
        self._fail(i, UpstreamErrored(task), actions)
        return self._settle(actions)

    def retry(self, task: TaskId, attempts: tuple[TaskRun, ...], *, delayed: bool) -> list[Action]:
        """Answer a `Spawn` whose attempt is to be repeated; `attempts` are all so far (spec 03 §13.5).

        Delayed, the slot and the mutex are given back until `retry_due`; otherwise both are kept through the `Lookup`
        that derives the key again. After admission stopped there is no further attempt.
        """
        i = self._expect(task, _RUNNING)
        self._attempts[i] = attempts
        if self._stopped:
            return self._give_up(i)
        actions: list[Action] = []
        if delayed:
            self._leave(i)
            self._state[i] = _BACKOFF
            self._in_abeyance += 1
        else:
            self._state[i] = _LOOKUP
            actions.append(Lookup(task, first=False))
        return self._settle(actions)

    def retry_due(self, task: TaskId) -> list[Action]:
        """Say that a backoff is over: the task queues like any ready one. Nothing happens if it was cancelled in it."""
        if self._state[self._index[task]] == _DONE:
            return []
        i = self._expect(task, _BACKOFF)
        self._in_abeyance -= 1
        self._state[i] = _READY
        heappush(self._ready, self._rank[i])
        return self._settle([])

    def must_wait(self, task: TaskId) -> list[Action]:
        """Answer a `Spawn` that another haz process stands in the way of: the slot is given back until `look_again`.

        The mutex is kept: the other process has it, or is about to.
        """
        i = self._expect(task, _RUNNING)
        if self._stopped:
            return self._give_up(i)
        self._release_slot(i)
        self._state[i] = _AWAY
        self._in_abeyance += 1
        return self._settle([])

    def look_again(self, task: TaskId) -> list[Action]:
        """Answer a `Spawn`, after `must_wait` or without it, whose key was derived before another process was done.

        Who was away goes before the others. A hit is then restored without the mutex, a miss spawned with it.
        """
        i = self._expect(task, _RUNNING, _AWAY)
        if self._stopped:
            return self._give_up(i)
        actions: list[Action] = []
        if self._state[i] == _RUNNING:
            self._state[i] = _LOOKUP
            actions.append(Lookup(task, first=False))
        else:
            self._in_abeyance -= 1
            self._state[i] = _READY
            heappush(self._ready, self._rank[i] - len(self.tasks))
        return self._settle(actions)

    def cancel(self) -> list[Action]:
        """Stop admission and signal what runs (EXEC-013). Calling it again does nothing."""
        if self._cancelled:
            return []
        actions: list[Action] = []
        self._signal_running(actions)
        self._stop(actions)
        return self._settle(actions)

    # --- Admission ---------------------------------------------------------------------------------------------------

    def _classify(self, graph: TaskGraph, tag_caps: Mapping[str, int]) -> list[int]:
        """Group tasks by the set of capped tags of their project; class 0 has none."""
        if not tag_caps:
            return [0] * len(self.tasks)
        number = {tag: n for n, tag in enumerate(tag_caps)}
        self._tag_free = list(tag_caps.values())
        self._classes_of_tag = [[] for _ in number]
        known: dict[tuple[int, ...], int] = {(): 0}
        classes = []
        for task in self.tasks:
            tags = tuple(sorted({number[tag] for tag in graph.specs[task].tags if tag in number}))
            found = known.get(tags)
            if found is None:
                found = known[tags] = len(known)
                self._tags_of_class.append(tags)
                self._held_back.append([])
                for tag in tags:
                    self._classes_of_tag[tag].append(found)
            classes.append(found)
        return classes

    def _settle(self, actions: list[Action]) -> list[Action]:
        """Bring the machine to rest after a change: drain or admit what is ready."""
        if self._stopped:
            self._drain(actions)
        elif self._free and self._ready:
            self._admit(actions)
        if self._open and self._open == len(self._serving):
            self._dismiss(actions)
        elif self._open and not self._in_flight and not self._in_abeyance and not self._serving:
            raise RuntimeError("tasks are left that can never start: the graph has a cycle")
        return actions

    @property
    def goes_on(self) -> bool:
        """Whether only persistent tasks are left, and one of them is what the run is for: nothing will end it."""
        return (
            self._open > 0
            and self._open == len(self._serving)
            and not (self._cancelled or self._stopped)
            and not self._serve_others()
        )

    def _serve_others(self) -> bool:
        return all(self._hard[i] or self._soft[i] for i in self._serving)

    def _dismiss(self, actions: list[Action]) -> None:
        """Only persistent tasks are left: stop the next one, unless one of them is what the run is for."""
        if self._cancelled or self._stopping is not None:
            return
        if self._stopped or self._serve_others():
            self._stopping = self._serving[-1]
            actions.append(Stop(self.tasks[self._stopping]))

    def _admit(self, actions: list[Action]) -> None:
        # A task that meets a full tag goes to `held_back` of its class; each unit that is given back brings the first
        # of every class with that tag back: `ready` always has as many of a class as could be admitted.
        ready = self._ready
        held_back = self._held_back
        while self._free and ready:
            key = heappop(ready)
            i = self._by_rank[key]  # a negative key counts from the end: key + size
            kind = self._class[i]
            if self._state[i] != _READY:
                # Skipped while it waited; the next one of its class takes its place.
                if held_back[kind]:
                    heappush(ready, heappop(held_back[kind]))
                continue
            if kind:
                if not self._has_room(kind):
                    heappush(held_back[kind], key)
                    continue
                for tag in self._tags_of_class[kind]:
                    self._tag_free[tag] -= 1
            self._free -= 1
            self._in_flight += 1
            self._state[i] = _LOOKUP
            first = not self._started[i]
            self._started[i] = True
            actions.append(Lookup(self.tasks[i], first=first))

    def _has_room(self, kind: int) -> bool:
        free = self._tag_free
        return all(free[tag] for tag in self._tags_of_class[kind])

    def _release_slot(self, i: int) -> None:
        self._free += 1
        self._in_flight -= 1
        kind = self._class[i]
        if not kind:
            return
        tags = self._tags_of_class[kind]
        for tag in tags:
            self._tag_free[tag] += 1
        for tag in tags:
            for other in self._classes_of_tag[tag]:
                if self._held_back[other] and self._has_room(other):
                    heappush(self._ready, heappop(self._held_back[other]))

    # --- Mutexes -----------------------------------------------------------------------------------------------------

    def _run_or_park(self, i: int, actions: list[Action]) -> None:
        lock = self._lock.get(i)
        if lock is None or self._holds[i] or self._acquire(lock, i):
            self._state[i] = _RUNNING
            actions.append(Spawn(self.tasks[i]))
            if self._persistent[i]:
                self._serving.append(i)
                self._release_slot(i)
        else:
            lock.queue.append(i)
            self._state[i] = _PARKED
            self._release_slot(i)

    def _acquire(self, lock: _Lock, i: int) -> bool:
        """Take the lock unless others hold it or wait for it."""
        if lock.queue or (lock.holders and (lock.exclusive or self._exclusive[i])):
            return False
        lock.holders += 1
        lock.exclusive = bool(self._exclusive[i])
        self._holds[i] = True
        return True

    def _release_hold(self, i: int) -> None:
        self._holds[i] = False
        lock = self._lock[i]
        lock.holders -= 1
        queue = lock.queue
        while lock.head < len(queue):
            woken = queue[lock.head]
            if lock.holders and (lock.exclusive or self._exclusive[woken]):
                return
            lock.head += 1
            lock.holders += 1
            lock.exclusive = bool(self._exclusive[woken])
            self._holds[woken] = True
            self._state[woken] = _READY
            heappush(self._ready, self._rank[woken] - len(self.tasks))
        queue.clear()
        lock.head = 0

    def _leave(self, i: int) -> None:
        if self._holds[i]:
            self._release_hold(i)
        if not self._persistent[i] or self._state[i] != _RUNNING:
            self._release_slot(i)
            return
        self._serving.remove(i)
        if self._stopping == i:
            self._stopping = None

    # --- Ends --------------------------------------------------------------------------------------------------------

    def _record(self, i: int, result: RunOutcome | RunTaskError, actions: list[Action]) -> None:
        self._state[i] = _DONE
        self._results[i] = result
        self._open -= 1
        actions.append(Announce(self.tasks[i], result))
        if not self._was_ready[i]:
            for successor in self._soft[i]:
                self._unblock(successor)

    def _unblock(self, i: int) -> None:
        self._blockers[i] -= 1
        if not self._blockers[i] and self._state[i] == _BLOCKED:
            self._state[i] = _READY
            heappush(self._ready, self._rank[i])

    def _succeed(self, i: int, record: CompletedRecord, actions: list[Action]) -> None:
        paths = record.materialised_outputs
        task = self.tasks[i]
        overlaps = self._written.claim(task, paths) if paths else []
        self._violations.extend(overlaps)
        cycle = self._written.cycle(task, paths) if paths else None
        for successor in self._hard[i]:
            self._unblock(successor)
        if cycle is not None:
            self._violations.append(cycle)
            self._signal_running(actions)
            for member in [self._index[task] for task in cycle.nodes if task in self._index]:
                if self._state[member] == _READY and not self._started[member]:
                    self._skip(member, RuntimeCycle(), actions)
                    self._skip_descendants(member, RuntimeCycle(), actions)
        if cycle is not None or overlaps:
            self._stop(actions)

    def _fail(self, i: int, cause: UpstreamFailed | UpstreamErrored, actions: list[Action]) -> None:
        self._skip_descendants(i, cause, actions)
        if self._fail_fast:
            self._stop(actions)

    def _skip(self, i: int, cause: UpstreamFailed | UpstreamErrored | RuntimeCycle, actions: list[Action]) -> None:
        self._record(i, SkipRecord(self.tasks[i], cause), actions)

    def _skip_descendants(
        self, i: int, cause: UpstreamFailed | UpstreamErrored | RuntimeCycle, actions: list[Action]
    ) -> None:
        for descendant in self._descendants(i):
            self._skip(descendant, cause, actions)

    def _cancel_descendants(self, i: int, actions: list[Action]) -> None:
        root = self.tasks[i]
        for descendant in self._descendants(i):
            self._record(descendant, UpstreamCancelled(self.tasks[descendant], root), actions)

    def _descendants(self, i: int) -> list[int]:
        """Find the hard descendants that have not started and have no record yet, in canonical order."""
        # Below a task with a record all have one: whoever recorded it as a skip or cancel saw to its descendants. One
        # that has started, because a persistent task was ready once, goes on, and those below it wait for its end.
        seen: set[int] = set()
        stack = [i]
        while stack:
            for successor in self._hard[stack.pop()]:
                state = self._state[successor]
                waits = state == _BLOCKED or (state == _READY and not self._started[successor])
                if waits and successor not in seen:
                    seen.add(successor)
                    stack.append(successor)
        return sorted(seen)

    # --- Stopping ----------------------------------------------------------------------------------------------------

    def _signal_running(self, actions: list[Action]) -> None:
        if self._cancelled:
            return
        self._cancelled = True
        for task, state in zip(self.tasks, self._state, strict=True):
            if state == _RUNNING:
                actions.append(Signal(task))

    def _stop(self, actions: list[Action]) -> None:
        """Admit nothing more, and give up what waits."""
        if self._stopped:
            return
        self._stopped = True
        for lock in self._locks:
            lock.queue.clear()
            lock.head = 0
        for held_back in self._held_back:
            held_back.clear()
        self._in_abeyance = 0
        self._ready.clear()
        for i, state in enumerate(self._state):
            if state in (_READY, _PARKED, _BACKOFF, _AWAY):
                self._abandon(i, actions)
        for i in self._serving:
            # Nobody will start when it is ready.
            self._cancel_descendants(i, actions)

    def _drain(self, actions: list[Action]) -> None:
        """Give up what became ready after admission stopped."""
        while self._ready:
            late = sorted({self._by_rank[key] for key in self._ready})
            self._ready.clear()
            for i in late:
                if self._state[i] == _READY:
                    self._abandon(i, actions)

    def _give_up(self, i: int) -> list[Action]:
        """Give up a task in flight that has no process."""
        actions: list[Action] = []
        self._leave(i)
        self._abandon(i, actions)
        return self._settle(actions)

    def _abandon(self, i: int, actions: list[Action]) -> None:
        self._record(i, RunCancelled(self.tasks[i], self._attempts.get(i, ())), actions)
        self._cancel_descendants(i, actions)

    def _expect(self, task: TaskId, *states: int) -> int:
        i = self._index[task]
        if self._state[i] not in states:
            raise RuntimeError(f"{task} is {_STATES[self._state[i]]}: the driver reported what cannot have happened")
        return i
