"""A driver without processes: performs nothing, remembers everything, and checks each action as it comes."""

from __future__ import annotations

from haz.outcome import Announce, Lookup, Restore, Signal, Spawn, Stop
from haz.schedule import Schedule
from tests.unit.graphs import failed, fresh, hit, signalled, task_id


class Driver:
    """`looking`, `restoring`, `running`: what the schedule believes to be under way. `log`: every action as text."""

    def __init__(self, graph, cap=99, tag_caps=None, **options):
        self.graph = graph
        self.cap = cap
        self.tag_caps = tag_caps or {}
        self.options = options
        self.schedule = Schedule(graph, cap, self.tag_caps, **options)
        self.looking, self.restoring, self.running = [], [], []
        self.started, self.signalled, self.stopped, self.backoff, self.away = [], [], [], set(), set()
        self.announced = {}
        self.order = []
        self.log = []

    def start(self):
        return self.take(self.schedule.start())

    def take(self, actions):
        for action in actions:
            self.log.append(f"{type(action).__name__.lower()} {action.task.task}")
            self.order.append(action)
            match action:
                case Lookup(task=task, first=first):
                    assert first == (task not in self.started), f"{task} started twice, or never"
                    if first:
                        self.started.append(task)
                    self.looking.append(task)
                case Restore(task=task):
                    self.restoring.append(task)
                case Spawn(task=task):
                    self.running.append(task)
                case Stop(task=task):
                    assert task in self.running
                    self.stopped.append(task)
                case Signal(task=task):
                    assert task in self.running
                    assert task not in self.signalled
                    self.signalled.append(task)
                case Announce(task=task, result=result):
                    assert task not in self.announced, f"{task} announced twice"
                    self.announced[task] = result
                    self.away.discard(task)
        return self

    @property
    def flying(self):
        return [*self.looking, *self.restoring, *self.running]

    # The steps take `t` or `p:t` and return self, so that a story reads in one line.

    def miss(self, *tasks):
        for task in map(task_id, tasks):
            self.looking.remove(task)
            self.take(self.schedule.looked_up(task, hit=False))
        return self

    def hit(self, task, *outputs):
        task = task_id(task)
        self.looking.remove(task)
        self.take(self.schedule.looked_up(task, hit=True))
        if task in self.restoring:
            self.restoring.remove(task)
            self.take(self.schedule.finished(task, hit(task, *outputs)))
        return self

    def end(self, record):
        task = record.task
        self.running.remove(task)
        return self.take(self.schedule.finished(task, record))

    def ok(self, task, *outputs):
        return self.end(fresh(task_id(task), *outputs))

    def ready(self, task):
        return self.take(self.schedule.ready(task_id(task)))

    def fail(self, task):
        return self.end(failed(task_id(task)))

    def obey(self, task):
        """The child ends because it was signalled."""
        return self.end(signalled(task_id(task)))

    def break_down(self, task, error):
        task = task_id(task)
        for place in (self.looking, self.restoring, self.running):
            if task in place:
                place.remove(task)
        return self.take(self.schedule.errored(task, error))

    def retry(self, task, attempts=(), *, delayed=True):
        task = task_id(task)
        self.running.remove(task)
        if delayed:
            self.backoff.add(task)
        return self.take(self.schedule.retry(task, attempts, delayed=delayed))

    def due(self, task):
        task = task_id(task)
        self.backoff.discard(task)
        return self.take(self.schedule.retry_due(task))

    def must_wait(self, task):
        task = task_id(task)
        self.running.remove(task)
        self.away.add(task)
        return self.take(self.schedule.must_wait(task))

    def look_again(self, task):
        task = task_id(task)
        if task in self.running:
            self.running.remove(task)
        self.away.discard(task)
        return self.take(self.schedule.look_again(task))

    def cancel(self):
        return self.take(self.schedule.cancel())

    def new(self):
        """The actions since the last call."""
        log, self.log = self.log, []
        return log
