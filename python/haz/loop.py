"""Drives a `Schedule` with the core's event queue: performs its actions, keeps the deadlines, hears the signals.

One thread, no polling: the loop sleeps in `Events.wait` until an event or the next deadline.
"""

from __future__ import annotations

import os
import time
from collections import deque
from heapq import heappop, heappush

from haz.attempts import NO_RETRIES, broken, close, delay_before, eligible
from haz.cache.store import Hit
from haz.dismissal import dismiss
from haz.errors import ProcessError, RestoreFailed, RunTaskError
from haz.host import now_ms
from haz.model import CompletedRecord, SignaledInFlight, SkipRecord
from haz.names import counted
from haz.neighbours import Neighbours
from haz.outcome import Announce, Lookup, Restore, Signal, Spawn, Stop
from haz.run_task import cache_lookup_phase, restore_from_hit, run_fresh
from haz.supervise import ABANDON, KILL, QUIT, Supervision

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from random import Random
    from typing import Any

    from haz._core import Inputs
    from haz.lingering import Lingering
    from haz.model import RunOutcome, TaskId, TaskRun
    from haz.outcome import Action
    from haz.ports import Events, Standby
    from haz.run_task import Phase, RunContext, TaskLookup
    from haz.schedule import Schedule
    from haz.services import Services
    from haz.supervise import Reason

# Fingerprints are asked for ahead of need in slices, so that the first task of a large run waits for one slice only.
LOOKAHEAD = 1024


class _LazyRandom:
    """Jitter needs no seed, and most runs need no jitter: `random` is imported with the first retry."""

    def uniform(self, low: float, high: float) -> float:
        from random import uniform  # noqa: PLC0415

        return uniform(low, high)  # noqa: S311 - spreads load, guards nothing


def _may_have_written(restored: str | tuple[int, int, list[bytes | None], bool]) -> bool:
    """Whether a restore changed files after fingerprints were asked for, or found that another haz had."""
    return isinstance(restored, str) or restored[0] > 0 or restored[3]


class Flight:
    """A task that waits for events of its token."""

    __slots__ = ("child", "exit_code", "phase", "refused", "run", "started_at", "task")

    def __init__(self, task: TaskId, phase: Phase, child: Supervision | None = None) -> None:
        self.task = task
        self.phase = phase
        self.child = child
        self.started_at = now_ms()
        self.exit_code: int | None = None
        self.refused = False


class Loop:
    """One run. `signalled` is the first termination signal that arrived, or None. `superseded`: a change ended it.

    `clock` is monotonic, in seconds. `leave` ends the process at once (third Ctrl-C); `suspend` stops it (Ctrl-Z) and
    returns when it is continued. The steps of `meanwhile` are taken while processes run and nothing is to be done, the
    first of them in any case before a task is announced. `standby` is armed when only tasks are left that would go on
    for ever.
    """

    def __init__(
        self,
        ctx: RunContext,
        schedule: Schedule,
        events: Events,
        *,
        grace: float,
        clock: Callable[[], float] = time.monotonic,
        leave: Callable[[int], None] = os._exit,
        suspend: Callable[[], None] = lambda: None,
        random: Random | _LazyRandom | None = None,
        standby: Standby | None = None,
        meanwhile: Iterator[None] | None = None,
    ) -> None:
        self._ctx = ctx
        self._schedule = schedule
        self._events = events
        self._grace = grace
        self._monotonic = clock
        self._suspended = 0.0
        self._leave = leave
        self._suspend = suspend
        self._random = random or _LazyRandom()
        self._standby = standby
        self._armed = False
        self._meanwhile = meanwhile
        self._begun = False
        self._backoffs: list[tuple[float, TaskId]] = []
        self.signalled: int | None = None
        self.superseded = False
        self._signals = 0
        self._cancelled = False
        self._actions: deque[Action] = deque()
        self._token = 0
        self._flights: dict[int, Flight] = {}
        self._token_of: dict[TaskId, int] = {}
        self._lookups: dict[TaskId, TaskLookup] = {}
        self._attempts: dict[TaskId, list[TaskRun]] = {}
        self._started: dict[TaskId, float] = {}
        self._parked: dict[TaskId, float] = {}
        self._waited: dict[TaskId, float] = {}
        # Fingerprints. An answer holds while no task has written since it was asked for; `_epoch` counts the writers.
        # `_awaiting` has the epoch at which a task was admitted, `_coming` the tasks that were asked for ahead of that.
        self._epoch = 0
        self._known: dict[TaskId, tuple[int, Inputs]] = {}
        # The answer for a task that declares none is the same for all of them.
        self._no_inputs: Inputs | None = None
        self._asked: dict[int, tuple[int, list[TaskId]]] = {}
        self._awaiting: dict[TaskId, int] = {}
        self._coming: dict[TaskId, int] = {}
        self._ahead: deque[TaskId] = deque(ctx.specs)
        self._children = 0
        self._neighbours = None if ctx.locks is None else Neighbours(ctx.locks, ctx.observer, self._next_token)
        self._services: Services | None = None
        self._lingering: Lingering | None = None

    def run(self) -> None:
        """Run until every task has its record."""
        self._perform(self._schedule.start())
        while not self._schedule.done:
            due = self._due()
            has_time = self._children > 0 and self._meanwhile is not None
            timeout = 0.0 if has_time else None if due is None else max(0.0, due - self._clock())
            events = self._events.wait(timeout)
            if has_time and not events:
                self._go_on_meanwhile()
            # Before the events: a hit or a lock that they bring may be due to what another process has written.
            self._look()
            for kind, token, payload in events:
                self._dispatch(kind, token, payload)
            if due is not None:
                self._tick()
            if self._standby is not None and not self._armed and self._schedule.goes_on:
                self._armed = True
                self._standby.arm()
        left = dismiss(self._ctx.processes, self._events, self._next_token(), self._clock, self._grace, self._hear)
        if left:
            self._ctx.observer.on_warning(
                None, f"{counted(left, 'process', 'processes')} that tasks left behind cannot be ended"
            )

    def _go_on_meanwhile(self) -> None:
        self._begun = True
        if self._meanwhile is not None:
            try:
                next(self._meanwhile)
            except StopIteration:
                self._meanwhile = None

    def _clock(self) -> float:
        """Give the time for deadlines and durations: while haz is stopped it does not pass."""
        return self._monotonic() - self._suspended

    def _due(self) -> float | None:
        """When the next deadline is: of a child that is being ended or timed, or of a backoff."""
        dues = [f.child.due for f in self._flights.values() if f.child is not None and f.child.due is not None]
        if self._services is not None:
            dues += self._services.dues()
        if self._lingering is not None:
            dues += self._lingering.dues()
        if self._backoffs:
            dues.append(self._backoffs[0][0])
        return min(dues, default=None)

    # --- Actions of the schedule -------------------------------------------------------------------------------------

    def _perform(self, actions: Iterable[Action]) -> None:
        """Perform actions and those that follow from them, in order."""
        self._actions.extend(actions)
        if self._busy:
            return
        self._busy = True
        wanted: list[TaskId] = []
        while self._actions or wanted:
            if not self._actions:
                self._fingerprint(wanted)
                wanted = []
                continue
            action = self._actions.popleft()
            task = action.task
            if isinstance(action, Lookup):
                self._admitted(action)
                known = self._known.pop(task, None)
                if self._no_inputs is not None and not self._ctx.specs[task].inputs:
                    self._look_up(task, self._no_inputs)
                elif known is not None and known[0] == self._epoch:
                    self._look_up(task, known[1])
                elif self._coming.get(task) == self._epoch:
                    self._awaiting[task] = self._epoch
                else:
                    wanted.append(task)
            elif isinstance(action, Restore):
                self._restore(task)
            elif isinstance(action, Spawn):
                self._spawn(task)
            elif isinstance(action, Signal):
                self._signal(task)
            elif isinstance(action, Stop):
                self._end(self._token_of[task], "stop")
            elif isinstance(action, Announce):
                self._announce(task, action.result)
        self._busy = False

    _busy = False

    def _admitted(self, action: Lookup) -> None:
        task = action.task
        if self._neighbours is not None:
            self._neighbours.asks(task)
        if action.first:
            self._started[task] = self._clock()
            self._ctx.observer.on_task_started(task)
        elif task in self._parked:
            self._waited[task] = self._waited.get(task, 0.0) + self._clock() - self._parked.pop(task)

    def _next_token(self) -> int:
        self._token += 1
        return self._token

    # --- Inputs and lookup -------------------------------------------------------------------------------------------

    def _fingerprint(self, wanted: list[TaskId]) -> None:
        """Ask for the inputs of the tasks that wait for them, and while nothing runs, of those that will come next."""
        for task in wanted:
            self._awaiting[task] = self._epoch
        self._ask(wanted)
        if self._children or self._coming or (self._neighbours is not None and self._neighbours.busy):
            return
        ahead: list[TaskId] = []
        while self._ahead and len(ahead) < LOOKAHEAD:
            task = self._ahead.popleft()
            if task not in self._started:
                ahead.append(task)
        if ahead:
            self._coming = dict.fromkeys(ahead, self._epoch)
            self._ask(ahead)

    def _ask(self, tasks: list[TaskId]) -> None:
        token = self._next_token()
        self._asked[token] = (self._epoch, tasks)
        self._ctx.files.fingerprint(token, [self._ctx.input_specs[task] for task in tasks])

    def _fingerprinted(self, token: int, answers: list[Inputs]) -> None:
        epoch, tasks = self._asked.pop(token)
        stale: list[TaskId] = []
        for task, inputs in zip(tasks, answers, strict=True):
            self._coming.pop(task, None)
            if self._no_inputs is None and not self._ctx.specs[task].inputs:
                self._no_inputs = inputs
            admitted = self._awaiting.get(task)
            if admitted is None:
                if task not in self._started:
                    self._known[task] = (epoch, inputs)
            elif admitted > epoch:
                # Asked for ahead, but a task has written since: the disk must be read again.
                stale.append(task)
            else:
                del self._awaiting[task]
                self._look_up(task, inputs)
        if stale:
            self._fingerprint(stale)

    def _look_up(self, task: TaskId, inputs: Inputs) -> None:
        try:
            lookup = cache_lookup_phase(self._ctx, task, inputs, self._schedule.predecessor_streams(task))
        except RunTaskError as error:
            error.attempts = tuple(self._attempts.get(task, ()))
            self._perform(self._schedule.errored(task, error))
            return
        self._lookups[task] = lookup
        self._looked_up(task, lookup)

    def _looked_up(self, task: TaskId, lookup: TaskLookup) -> None:
        hit = isinstance(lookup.found, Hit)
        if not isinstance(lookup.found, Hit):
            self._ctx.observer.on_miss(task, lookup.found.label)
            if lookup.found.label in ("corrupt entry", "unreadable entry"):
                self._ctx.observer.on_warning(task, f"the cached result is damaged: {lookup.found.detail}")
        actions = self._schedule.looked_up(task, hit=hit)
        self._note_parked(task, actions)
        self._perform(actions)

    def _note_parked(self, task: TaskId, actions: list[Action]) -> None:
        if not any(action.task == task for action in actions):
            self._parked[task] = self._clock()

    def _restore(self, task: TaskId) -> None:
        """Put a hit in place, unless another haz runs the task: it would take our outputs for its own.

        Then the task goes the way of a miss, which waits for that one and looks again.
        """
        self._release(task)
        found = self._lookups[task].found
        assert isinstance(found, Hit)
        if self._neighbours is not None and found.manifest.outputs and not self._neighbours.stays_away(task):
            actions = self._schedule.restore_failed(task)
            self._note_parked(task, actions)
            self._perform(actions)
            return
        token = self._next_token()
        self._fly(token, Flight(task, restore_from_hit(self._ctx, task, token, found)))

    # --- Processes ---------------------------------------------------------------------------------------------------

    def _spawn(self, task: TaskId) -> None:
        """Start an attempt as soon as no other haz is in its way; `_locked` comes back here.

        A server takes no lock: who waited for one would wait for the end of the other run.
        """
        spec = self._ctx.specs[task]
        if self._neighbours is not None and not spec.persistent:
            if not self._neighbours.acquire(spec):
                return
            self._look()
            if self._neighbours.is_outdated(task):
                self._perform(self._schedule.look_again(task))
                return
        token = self._next_token()
        child = Supervision(self._clock(), spec.timeout, self._grace)
        earlier = self._attempts.get(task, ())
        self._children += 1
        self._fly(token, Flight(task, run_fresh(self._ctx, task, token, self._lookups[task], child, earlier), child))
        if spec.persistent and token in self._flights:
            self._serve(token, task)

    def _serve(self, token: int, task: TaskId) -> None:
        if self._services is None:
            from haz.services import Services  # noqa: PLC0415 - few runs have any

            self._services = Services(
                self._ctx, self._clock, self._next_token, self._serves, lambda token: self._end(token, "late")
            )
        self._services.start(token, self._ctx.specs[task])

    def _serves(self, task: TaskId) -> None:
        self._ctx.observer.on_task_ready(task, self._clock() - self._started[task])
        self._perform(self._schedule.ready(task))

    def _end(self, token: int, reason: Reason) -> None:
        child = self._flights[token].child
        assert child is not None
        self._command(token, child.end(reason, self._clock()))

    def _waits(self, token: int, pid: int | None) -> None:
        assert self._neighbours is not None
        task = self._neighbours.waits(token, pid)
        if task is not None:
            self._parked[task] = self._clock()
            self._perform(self._schedule.must_wait(task))

    def _locked(self, token: int, error: str | None) -> None:
        assert self._neighbours is not None
        found = self._neighbours.locked(token, error)
        if found is not None:
            task, outdated = found
            if outdated:
                self._perform(self._schedule.look_again(task))
            else:
                self._spawn(task)

    def _look(self) -> None:
        """Find out whether other processes have changed files: then nothing holds any more that was read before."""
        if self._neighbours is not None and self._neighbours.look():
            self._epoch += 1

    def _release(self, task: TaskId) -> None:
        if self._neighbours is not None:
            self._neighbours.release(task)

    def _wrote(self) -> None:
        """Note that a task has changed files: what anybody has read of the disk before holds no longer."""
        self._epoch += 1
        if self._neighbours is not None:
            self._neighbours.note()

    def _signal(self, task: TaskId) -> None:
        if self._neighbours is not None and self._neighbours.awaits(task):
            # Nothing was spawned yet, and now nothing will be.
            self._perform(self._schedule.look_again(task))
            return
        token = self._token_of.get(task)
        flight = self._flights.get(token) if token is not None else None
        if token is not None and flight is not None and flight.child is not None:
            self._command(token, flight.child.cancel(self._clock()))

    def _command(self, token: int, commands: list[int]) -> None:
        for command in commands:
            if command == ABANDON:
                self._ctx.processes.abandon(token)
                continue
            flight = self._flights[token]
            try:
                self._ctx.processes.end(token, command)
            except ProcessError as error:
                if not flight.refused:
                    self._ctx.observer.on_warning(flight.task, str(error))
                flight.refused = True

    def _tick(self) -> None:
        now = self._clock()
        for token, flight in list(self._flights.items()):
            if flight.child is not None:
                self._command(token, flight.child.tick(now))
        if self._services is not None:
            self._services.tick(now)
        if self._lingering is not None:
            self._lingering.tick(now)
        while self._backoffs and self._backoffs[0][0] <= now:
            self._perform(self._schedule.retry_due(heappop(self._backoffs)[1]))

    # --- Events ------------------------------------------------------------------------------------------------------

    def _dispatch(self, kind: str, token: int, payload: Any) -> None:
        if kind in ("signal", "suspend"):
            self._hear(kind, token)
        elif kind == "changed":
            self._changed()
        elif kind == "inputs" and token in self._asked:
            self._fingerprinted(token, payload)
        elif kind == "waiting":
            self._waits(token, payload)
        elif kind == "locked":
            self._locked(token, payload)
        elif self._services is not None and self._services.heard(kind, token, payload):
            pass
        elif kind == "reaped":
            self._linger(token)
        elif token in self._flights:
            if kind == "exit" or (kind == "restored" and _may_have_written(payload)):
                self._wrote()
            self._advance(token, self._flights[token], (kind, payload))
            if self._services is not None and kind == "output":
                self._services.hear(token, *payload)

    def _linger(self, token: int) -> None:
        flight = self._flights.get(token)
        if flight is None:
            return
        if self._lingering is None:
            from haz.lingering import Lingering  # noqa: PLC0415 - few tasks leave anything behind

            self._lingering = Lingering(self._ctx, self._clock)
        self._lingering.ended(token, flight)

    def _hear(self, kind: str, signum: int) -> bool:
        """First signal: cancel. Second: kill at once. Third: leave. SIGQUIT does not ask politely (03 §7.1, D13).

        Whether what runs is to be killed at once.
        """
        if kind == "suspend":
            self._stop()
            return False
        self._signals += 1
        if self.signalled is None:
            self.signalled = signum
        if self._signals >= 3:
            self._leave(128 + self.signalled)
        if self._signals == 2 or signum == QUIT:
            for token, flight in list(self._flights.items()):
                if flight.child is not None:
                    self._command(token, flight.child.kill(self._clock()))
        if self._signals == 1:
            self._cancel()
        return self._signals >= 2 or signum == QUIT

    def _changed(self) -> None:
        """End a run that would go on, if what it rests on is another one now."""
        assert self._standby is not None
        if self.signalled is None and not self.superseded:
            if self._standby.outdated():
                self.superseded = True
                self._cancel()
            else:
                self._standby.arm()

    def _cancel(self) -> None:
        if self._cancelled:
            return
        self._cancelled = True
        waiting = sorted(self._awaiting)
        self._awaiting.clear()
        self._perform(self._schedule.cancel())
        for task in waiting:
            # The answer would be discarded anyway; a large input must not hold up the end of the run.
            self._perform(self._schedule.looked_up(task, hit=False))

    def _stop(self) -> None:
        """Ctrl-Z: the tasks stop as they would in a shell, then haz does; they go on when it goes on."""
        from signal import SIGCONT, SIGTSTP  # noqa: PLC0415 - numbers that differ between systems; 4 ms

        before = self._clock()
        for number in (SIGTSTP, SIGCONT):
            for token, flight in self._flights.items():
                if flight.child is not None:
                    self._tell(token, flight, number)
            if number == SIGTSTP:
                self._suspend()
        self._suspended += self._clock() - before

    def _fly(self, token: int, flight: Flight) -> None:
        self._flights[token] = flight
        self._token_of[flight.task] = token
        self._advance(token, flight, None)

    def _advance(self, token: int, flight: Flight, event: tuple[str, Any] | None) -> None:
        """Let a phase run until it waits again, and tell the schedule when it is through."""
        task = flight.task
        if event is not None and event[0] == "exit" and flight.child is not None:
            if self._services is not None:
                self._services.forget(token)
            # From here on there is no process to time or to signal; `reason` keeps why it ended.
            flight.child.settle()
            flight.exit_code = event[1].code
            # Members of its group that outlived it, with their output closed, have nobody left to wait for them (D13).
            self._tell(token, flight, KILL)
        try:
            if event is None:
                next(flight.phase)
            else:
                flight.phase.send(event)
        except StopIteration as end:
            self._land(token, flight)
            self._completed(flight, end.value)
        except RestoreFailed as error:
            self._land(token, flight)
            self._ctx.observer.on_warning(task, f"the cached result was not restored: {error}")
            self._ctx.observer.on_miss(task, "not restored")
            actions = self._schedule.restore_failed(task)
            self._note_parked(task, actions)
            self._perform(actions)
        except RunTaskError as error:
            self._land(token, flight)
            self._broke(flight, error)

    def _tell(self, token: int, flight: Flight, signum: int) -> None:
        """Signal the group of a child."""
        try:
            self._ctx.processes.signal(token, signum)
        except ProcessError as error:
            if not flight.refused:
                self._ctx.observer.on_warning(flight.task, str(error))

    def _land(self, token: int, flight: Flight) -> None:
        del self._flights[token]
        self._token_of.pop(flight.task, None)
        if self._lingering is not None:
            self._lingering.forget(token)
        if flight.child is not None:
            self._children -= 1
            if self._neighbours is not None:
                # Noted before the lock is free: who gets it next must see that there may be a result now.
                self._neighbours.note()
        self._release(flight.task)

    def _completed(self, flight: Flight, record: CompletedRecord) -> None:
        task = flight.task
        child = flight.child
        if child is None:
            self._perform(self._schedule.finished(task, record))
            return
        spec = self._ctx.specs[task]
        retries = NO_RETRIES if spec.persistent else spec.retries or NO_RETRIES
        limit = retries.max + 1
        timed_out = child.reason == "timeout"
        attempts = self._attempts.setdefault(task, [])
        number = len(attempts) + 1
        again = (
            record.state == "failed"
            and number < limit
            and not child.cancelled
            and not self._cancelled
            and eligible(retries, record, timed_out=timed_out)
        )
        run = close(
            record,
            attempt=number,
            limit=limit,
            retried=again,
            started_at=flight.started_at,
            finished_at=now_ms(),
            timeout=spec.timeout,
            timed_out=timed_out,
        )
        if child.reason == "late" and self._services is not None:
            run = run.replace(error=self._services.excuse(task))
        attempts.append(run)
        if not again:
            self._perform(self._schedule.finished(task, record.replace(attempts=tuple(attempts), max_attempts=limit)))
            return
        delay = delay_before(retries, number, self._random.uniform)
        self._ctx.observer.on_attempt_finished(task, run, limit, delay)
        if delay > 0:
            heappush(self._backoffs, (self._clock() + delay, task))
        self._perform(self._schedule.retry(task, tuple(attempts), delayed=delay > 0))

    def _broke(self, flight: Flight, error: RunTaskError) -> None:
        attempts = self._attempts.setdefault(flight.task, [])
        if flight.child is not None:
            run = broken(
                str(error),
                attempt=len(attempts) + 1,
                started_at=flight.started_at,
                finished_at=now_ms(),
                exit_code=flight.exit_code,
            )
            attempts.append(run)
        error.attempts = tuple(attempts)
        self._perform(self._schedule.errored(flight.task, error))

    # --- Ends --------------------------------------------------------------------------------------------------------

    def _announce(self, task: TaskId, result: RunOutcome | RunTaskError) -> None:
        if not self._begun:
            self._go_on_meanwhile()
        observer = self._ctx.observer
        started = self._started.get(task)
        duration = 0.0
        if started is not None:
            now = self._clock()
            parked = self._parked.pop(task, None)
            waited = self._waited.pop(task, 0.0) + (0.0 if parked is None else now - parked)
            duration = max(0.0, now - started - waited)
        self._lookups.pop(task, None)
        self._release(task)
        if isinstance(result, RunTaskError):
            observer.on_task_errored(task, result, duration)
        elif isinstance(result, CompletedRecord):
            observer.on_task_finished(task, result, duration)
        elif isinstance(result, SkipRecord):
            observer.on_task_skipped(task, result)
        else:
            observer.on_task_cancelled(task, result, duration if isinstance(result, SignaledInFlight) else None)
