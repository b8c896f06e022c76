"""`haz run --watch`: run, wait until something changes on which the tasks rest, and run again."""

from __future__ import annotations

import gc
import os

from haz._core import PatternSet
from haz.api import load
from haz.cli import changes, enter
from haz.cli.once import run_once
from haz.cli.report import finish, report_error, say
from haz.errors import HazError
from haz.events import RunObserver
from haz.model import CompletedRecord
from haz.names import counted
from haz.observers.news import News
from haz.streams import Writer, valid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from haz._core import Queue
    from haz.api import Workspace
    from haz.app import RunReport
    from haz.cache.store import Miss
    from haz.cli.changes import Chosen
    from haz.cli.once import Asked
    from haz.model import TaskId
    from haz.run_task import TaskLookup
    from haz.watching import Watching

# How often in a row the same files may change during a run that rests on them, before tasks are taken to change them.
MOST_IN_A_ROW = 2
# Seconds in which signs of what tasks have written arrive, on a machine that has other things to do.
LAG = 0.05
# Paths and tasks that are named in one line.
NAMED = 3


def keep_running(asked: Asked) -> int:
    """Run until a signal ends it, or the output cannot be written; returns the exit code.

    Raises what the first load raises; later mistakes are told, and wait to be mended.
    """
    out, err = Writer(1), Writer(2)
    follow = Follow(asked, err)
    while True:
        done = follow.run(out)
        if done.signalled is not None:
            return done.exit_code
        if out.error is not None:
            return finish(out)
        if not (done.superseded or follow.changed_meanwhile(done)):
            follow.wait()


class Follow:
    """What is known from run to run. `has_news` says whether the last one had anything to tell."""

    def __init__(self, asked: Asked, err: Writer) -> None:
        self._asked = asked
        self._err = err
        self._watching: Watching | None = None
        self._listened: tuple[TaskId, ...] = ()
        # The patterns of these tasks of this workspace, in order.
        self._inputs: tuple[Workspace, tuple[TaskId, ...], PatternSet] | None = None
        self._space, self._chosen = self._load(None)
        self._changed: tuple[str, ...] = ()
        self._news = News(RunObserver(), {}, self._begin)
        self._due: list[TaskId] = []
        # Per task the inputs that changed during its last run, and how often in a row it was the same ones.
        self._suspects: dict[TaskId, frozenset[str]] = {}
        self._in_a_row = 0
        self._is_told = False

    # --- One run -----------------------------------------------------------------------------------------------------

    def run(self, out: Writer) -> RunReport:
        """Run what is chosen."""
        done = run_once(self._asked, self._space, self._chosen.plan, out, self._err, self)
        self._is_told = self.has_news
        if not (self._changed or self.has_news):
            # Nothing to do is news, the first time.
            self._is_told = True
            self._begin()
        # What a run has frozen would otherwise stay for ever.
        gc.unfreeze()
        gc.collect()
        return done

    @property
    def has_news(self) -> bool:
        return self._news.any

    def observer(self, inner: RunObserver) -> RunObserver:
        """Return who hears of the run that begins, and passes on to `inner` what is news."""
        self._news = News(inner, self._news.keys, self._begin)
        return self._news

    def missed(self, task: TaskId, lookup: TaskLookup, miss: Miss) -> None:  # noqa: ARG002 - `RunOptions.missed`
        self._news.news()
        self._news.keys[task] = lookup.key

    def standby(self, queue: Queue) -> _Standby:
        return _Standby(self, queue)

    def _begin(self) -> None:
        if self._changed and not self._asked.quiet:
            say(f"\nchanged: {_some([valid(path) for path in self._changed])}\n")
        self._err.text(self._chosen.note or "")

    # --- Between two runs --------------------------------------------------------------------------------------------

    def wait(self) -> None:
        """Wait for changes, and be ready to run again."""
        if self._is_told and not self._asked.quiet:
            say(f"watching {counted(len(self._listened), 'task')} for changes; Ctrl-C ends it\n")
        self._suspects, self._in_a_row = {}, 0
        heard: tuple[str, ...] = ()
        while not (heard and self._renew(heard)):
            heard = self._hear(None)

    def changed_meanwhile(self, done: RunReport) -> bool:
        """Whether another run is due because of what has changed during the last one.

        Not for ever: a task that changes its own inputs is told of, and left alone until something else changes.
        """
        if not self.is_outdated(LAG):
            return False
        causes = self._causes(done)
        again = bool(causes) and all(
            paths and paths <= self._suspects.get(task, frozenset()) for task, paths in causes.items()
        )
        self._suspects, self._in_a_row = causes, self._in_a_row + 1 if again else 0
        if self._in_a_row <= MOST_IN_A_ROW:
            return True
        tasks, paths = _some([str(task) for task in causes]), _some(sorted(set().union(*causes.values())))
        say(f"warning: {tasks}: the inputs are other ones after each run ({paths})\n")
        say("  help: exclude what is written there from `inputs`, or make it an output; waiting for another change\n")
        return False

    def _causes(self, done: RunReport) -> dict[TaskId, frozenset[str]]:
        """Return why each task is due: its inputs that have changed, but those that a task has made."""
        ended = [record for record in done.outcome.outcomes.values() if isinstance(record, CompletedRecord)]
        made = {path for record in ended for path in record.materialised_outputs}
        changed = [path for path in self._changed if path not in made]
        specs = self._space.tasks
        patterns = PatternSet([[pattern.listed for pattern in specs[task].inputs] for task in self._due])
        causes: dict[TaskId, set[str]] = {task: set() for task in self._due}
        for path in changed:
            for number in patterns.matching(path):
                causes[self._due[number]].add(path)
        return {task: frozenset(paths) for task, paths in causes.items()}

    def is_outdated(self, timeout: float) -> bool:
        """Whether a run would do something else now than the last one did, or the one that goes on.

        What tasks have written has changed as well, and changes nothing.
        """
        before = self._chosen.plan.tasks
        heard = self._hear(timeout)
        if not heard or not self._renew(heard):
            return False
        plan, known = self._chosen.plan, self._news.keys
        options = self._asked.options_for(plan, self._space)
        now = self._space.keys(self._readers(heard), self._news.ended, options=options)
        self._due = [task for task, key in now.items() if task not in known or known[task] != key]
        return bool(self._due) or plan.tasks != before

    def _readers(self, heard: tuple[str, ...]) -> Sequence[TaskId]:
        """Return the tasks that rest on files; all where that cannot be told by what they read."""
        assert self._watching is not None
        tasks, specs = self._chosen.plan.tasks, self._space.tasks
        if any(path.endswith("/") or self._watching.what.declares(path) for path in heard):
            return tasks
        if self._inputs is None or self._inputs[0] is not self._space or self._inputs[1] != tasks:
            patterns = PatternSet([[pattern.listed for pattern in specs[task].inputs] for task in tasks])
            self._inputs = (self._space, tasks, patterns)
        matching = self._inputs[2].matching
        return [tasks[number] for number in sorted({number for path in heard for number in matching(path)})]

    def arm(self, queue: Queue) -> None:
        assert self._watching is not None
        self._watching.interrupt(queue)

    def _hear(self, timeout: float | None) -> tuple[str, ...]:
        assert self._watching is not None
        heard = self._watching.wait(timeout)
        for problem in self._watching.problems:
            say(f"warning: changes may go unheard: {problem}\n")
        return heard

    def _renew(self, heard: tuple[str, ...]) -> bool:
        """Read the configuration anew. When something is wrong with it that is told, and what was before stays."""
        try:
            self._space, self._chosen = self._load(self._space)
        except HazError as error:
            if not os.path.isdir(self._space.root):
                raise
            say(f"\nchanged: {_some([valid(path) for path in heard])}\n")
            report_error(error)
            return False
        self._changed = heard
        return True

    def _load(self, known: Workspace | None) -> tuple[Workspace, Chosen]:
        choice = self._asked.choice
        while True:
            enter(None)
            here = os.getcwd()
            space = known.reload() if known is not None and known.directory == here else load(here)
            scope = "all" if choice.changed is not None and choice.scope == "none" else choice.scope
            # A change of an excluded task still affects what comes after it.
            excluded = choice.exclude if choice.changed is None else ()
            tasks = space.plan(choice.references, scope="none" if choice.references else scope, exclude=excluded)
            if not (space is known and tasks.tasks == self._listened):
                watching = space.watch(tasks, instead_of=self._watching)
                self._listened = tasks.tasks
                if watching is not self._watching:
                    if self._watching is not None:
                        self._watching.close()
                    self._watching = watching
                    # Read again, now that changes of what was read are heard.
                    known = space
                    continue
            return space, changes.chosen(space, choice)


class _Standby:
    """Asks whether a run that goes on has to begin anew."""

    def __init__(self, follow: Follow, queue: Queue) -> None:
        self._follow = follow
        self._queue = queue

    def arm(self) -> None:
        self._follow.arm(self._queue)

    def outdated(self) -> bool:
        return self._follow.is_outdated(0.0)


def _some(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
