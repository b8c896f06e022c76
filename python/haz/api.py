"""haz as a library: open a workspace, ask about it, run tasks in it. The command line uses nothing else.

Everything raises a subclass of `haz.HazError`, whose `diagnostics` tell what is wrong and where. Results are immutable
records. Nothing here keeps state between calls but the disk, so that a program may open several workspaces, and run
them one after the other or in several threads at a time.
"""

from __future__ import annotations

import os

from haz import app
from haz._core import PatternSet
from haz.app import RunOptions
from haz.discovery import find_root
from haz.errors import UsageError
from haz.events import RunObserver
from haz.history import files as history
from haz.model import TaskId
from haz.plan import Plan, Request, plan
from haz.references import parse, parse_exclusion
from haz.resolution import Resolver, resolve_one

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from typing import Literal, Protocol, TypeVar

    from haz._core import Queue
    from haz.affected import OnUnknown, Selection
    from haz.app import Loaded, RunReport
    from haz.caches import Cache
    from haz.examined import Examination
    from haz.expected import Expectation
    from haz.forecast import Prediction
    from haz.graph import TaskGraph
    from haz.history.log import RunLog
    from haz.model import CompletedRecord, ProjectSpec, Reference, Settings, TaskGroup, TaskSpec
    from haz.ports import Standby
    from haz.shard import Partition
    from haz.verify import Deviation
    from haz.watching import Watching
    from haz.why import Explanation

    Scope = Literal["none", "all", "workspace"]
    Named = TypeVar("Named")

    class Cancel(Protocol):
        """What `threading.Event` has."""

        def is_set(self) -> bool: ...


__all__ = ["RunOptions", "Runs", "Workspace", "check", "load", "open_cache", "read_durations"]


# Digits of a key: the fewest that are taken for one, and all.
SHORTEST, FULL = 4, 64


def load(directory: str | os.PathLike[str] = ".") -> Workspace:
    """Open the workspace that `directory` lies in. Raises `LoadError` with everything that is wrong with it."""
    place = os.path.abspath(directory)
    return Workspace(app.open_workspace(place), place)


def check(directory: str | os.PathLike[str] = ".") -> Examination:
    """Examine the workspace that `directory` lies in, however wrong it is: all errors and all warnings."""
    return app.examine(os.path.abspath(directory))


def open_cache(directory: str | os.PathLike[str] = ".") -> Cache:
    """Return the cache of the workspace that `directory` lies in, whose projects may be broken. Raises `LoadError`."""
    from haz.caches import Cache  # noqa: PLC0415 - no run needs it

    return Cache.of(os.path.abspath(directory))


def read_durations(path: str | os.PathLike[str]) -> dict[TaskId, int]:
    """Read milliseconds by task from what `haz affected --format json` or `haz run --report` wrote.

    Raises `FileSystemError`, `UsageError`.
    """
    from haz.expected import read_durations as read  # noqa: PLC0415 - few runs are divided

    return read(os.path.abspath(path))


class Runs:
    """The runs that the workspace of a directory remembers, newest first. Nothing but their logs is read."""

    def __init__(self, directory: str | os.PathLike[str] = ".") -> None:
        """Find the workspace. Raises `LoadError` when there is none."""
        self._root = find_root(os.path.abspath(directory)).path

    def __iter__(self) -> Iterator[RunLog]:
        """Yield the runs as their first and last lines tell, without tasks. Raises `FileSystemError`."""
        return history.logs(self._root, whole=False)

    def find(self, name: str = "latest") -> RunLog:
        """Read a run with its tasks: `latest`, or by its id, the start of that, or of its last part.

        Raises `HistoryError`, `FileSystemError`.
        """
        started_at, run_id = history.find(self._root, name)
        found = history.read(self._root, started_at, run_id)
        if found is None:
            raise history.HistoryError(
                f"the log of run {run_id} is gone, or is no file", "`haz runs` lists what is there"
            )
        return found


class Workspace:
    """A valid workspace as it was when it was opened, seen from a directory.

    Tasks are named by references as on the command line (`lib:build`, `^:test`, `[tag]:lint`) or by `TaskId`.
    """

    def __init__(self, loaded: Loaded, directory: str) -> None:
        self.loaded = loaded
        self.directory = directory

    @property
    def root(self) -> str:
        """The absolute path of the workspace."""
        return self.loaded.workspace.root

    @property
    def bearing(self) -> str | None:
        """The project that the directory lies in: what `~` stands for."""
        return self.loaded.bearing

    @property
    def settings(self) -> Settings:
        return self.loaded.workspace.settings

    @property
    def projects(self) -> Mapping[str, ProjectSpec]:
        """The projects by name."""
        return self.loaded.workspace.projects

    @property
    def tasks(self) -> Mapping[TaskId, TaskSpec]:
        """All effective tasks, in canonical order."""
        return self.loaded.graph.specs

    @property
    def graph(self) -> TaskGraph:
        """Which task comes before which."""
        return self.loaded.graph

    def plan(
        self,
        tasks: Iterable[str | TaskId | Reference] = (),
        *,
        scope: Scope = "none",
        changed: Iterable[str] | None = None,
        with_dependents: bool = False,
        exclude: Iterable[str | TaskId | Reference | TaskGroup] = (),
    ) -> Plan:
        """Choose the tasks of a run, with all that they need, and say why each is in it.

        Without tasks and scope that is the `default` task of the bearing project; `all` are the tasks of the bearing
        project, or of all projects without one; `workspace` are all. `changed` are workspace paths: only what reads
        one of them stays, `with_dependents` also what comes after it. Of all this `exclude` takes away: tasks, and by
        `lib` or `[tag]` all tasks of a project or of those with a tag; what the others need stays. Raises
        `ResolutionError` and `UsageError`.
        """
        request = Request(
            references=_references(tasks),
            scope=scope,
            bearing=self.bearing,
            changed=None if changed is None else tuple(changed),
            with_dependents=with_dependents,
            exclude=_exclusions(exclude),
        )
        return plan(self.loaded.workspace, self.graph, request, PatternSet)

    def affected(
        self,
        tasks: Iterable[str | TaskId | Reference] = (),
        *,
        scope: Scope = "none",
        since: str | None = None,
        merge_base: bool = False,
        staged: bool = False,
        with_dependents: bool = False,
        on_unknown: OnUnknown = "error",
        exclude: Iterable[str | TaskId | Reference | TaskGroup] = (),
    ) -> Selection:
        """Choose tasks as `plan` does, and of them those that a change seen by git affects (EXEC-026..029).

        What counts is what differs from `HEAD` or is untracked; with `staged` what the index has; with `since` what
        differs from that revision, with `merge_base` from where `HEAD` left its history. Raises `VcsError`, and
        `UnknownBase` when the commit to compare with is not here, unless everything is to count as changed then.
        """
        from haz.affected import select  # noqa: PLC0415 - few runs ask git
        from haz.vcs import Filter  # noqa: PLC0415

        if (staged and since is not None) or (merge_base and since is None):
            raise UsageError("`staged` excludes `since`, and `merge_base` needs it")
        request = Request(
            _references(tasks),
            scope,
            bearing=self.bearing,
            with_dependents=with_dependents,
            exclude=_exclusions(exclude),
        )
        wanted = Filter("staged" if staged else "changed") if since is None else Filter("since", since, merge_base)
        return select(self.loaded.workspace, self.graph, request, wanted, on_unknown)

    def divide(self, tasks: Collection[TaskId], count: int, durations: Mapping[TaskId, int] | None = None) -> Partition:
        """Divide tasks, which must be closed over what they need, into parts of about equal weight (milliseconds).

        The same tasks and durations make the same parts on every machine.
        """
        from haz.shard import partition, weights_of  # noqa: PLC0415 - few runs are divided

        return partition(self.graph, tasks, weights_of(tasks, durations or {}), count)

    def expectations(self, tasks: Collection[TaskId], *, look_up: bool) -> dict[TaskId, Expectation]:
        """Say how long each task took when it last ran, and with `look_up` whether a run would restore it.

        The tasks must be closed over what they need. Nothing is run but version queries.
        """
        from haz.expected import expectations  # noqa: PLC0415 - no run needs it

        return expectations(self.loaded, tasks, look_up=look_up)

    def query(
        self,
        *,
        tags: str | None = None,
        projects: str | None = None,
        tasks: str | None = None,
        inputs: str | None = None,
        outputs: str | None = None,
        child_of: str | None = None,
        parent_of: str | None = None,
        depends_on: str | None = None,
        ancestor_of: str | None = None,
        has_deps: bool | None = None,
        has_inputs: bool | None = None,
        has_outputs: bool | None = None,
        mutex: bool = False,
        workspace: bool = False,
    ) -> tuple[TaskId, ...]:
        """Return the tasks that pass all filters, which are named as the options of `haz query`: `child_of="tag:c"`.

        Only those of the bearing project when there is one, unless `workspace`. Raises `QueryError`.
        """
        from haz.query import Filters, run_query  # noqa: PLC0415 - no run needs it

        filters = Filters(
            tags=tags,
            projects=projects,
            tasks=tasks,
            inputs=inputs,
            outputs=outputs,
            child_of=child_of,
            parent_of=parent_of,
            depends_on=depends_on,
            ancestor_of=ancestor_of,
            has_deps=has_deps,
            has_inputs=has_inputs,
            has_outputs=has_outputs,
            mutex=mutex,
        )
        root = None if self.bearing is None else self.projects[self.bearing].root
        return run_query(self.graph, filters, None if workspace else self.bearing, root)

    def run(
        self,
        tasks: Plan | Iterable[str | TaskId | Reference],
        *,
        observer: RunObserver | Sequence[RunObserver] = (),
        options: RunOptions = RunOptions(),  # noqa: B008 - immutable
        cancel: Cancel | None = None,
        complain: Callable[[str], None] | None = None,
    ) -> RunReport:
        """Run tasks and everything they need. A failed task is in the report, not an exception.

        The calling thread works until all has ended; observers are called in it. Signals and other children of the
        process are left alone. `KeyboardInterrupt` in the main thread, or `cancel.is_set()` in any, ends the tasks as
        Ctrl-C does; the former is raised again when all have ended. `complain` hears of observers that raised.
        """
        planned = tasks if isinstance(tasks, Plan) else self.plan(tasks)
        observers = [observer] if isinstance(observer, RunObserver) else list(observer)
        cancelled = _never if cancel is None else cancel.is_set
        return app.execute(self.loaded, planned.tasks, options, observers, complain or _ignore, cancelled=cancelled)

    def run_as_program(
        self,
        planned: Plan,
        options: RunOptions,
        observers: Sequence[RunObserver],
        complain: Callable[[str], None],
        standby: Callable[[Queue], Standby] | None = None,
    ) -> RunReport:
        """Run as the command does, for a program that does nothing else.

        Its signals end the run, and every process that descends from it ends with the run. What `standby` makes of the
        events of the run is asked whether to end one that would go on because a persistent task is asked for.
        """
        return app.execute(self.loaded, planned.tasks, options, observers, complain, standby=standby)

    def watch(
        self, tasks: Plan | Iterable[str | TaskId | Reference], *, instead_of: Watching | None = None
    ) -> Watching:
        """Listen, until it is closed, to the files that decide what the tasks come to.

        Those are their inputs, lock files and tools, the files of projects and of the workspace, and ignore files where
        they matter. What happens from now on is heard; after a change, open the workspace anew. `instead_of` is given
        back when it listens to the same already. Raises `FileSystemError` when the system refuses.
        """
        from haz.watching import Watching, watched  # noqa: PLC0415 - few runs are watched

        planned = tasks if isinstance(tasks, Plan) else self.plan(tasks)
        what = watched(self.loaded.workspace, self.graph, planned.tasks)
        return instead_of if instead_of is not None and instead_of.what == what else Watching(what)

    def forecast(
        self,
        tasks: Plan | Iterable[str | TaskId | Reference],
        *,
        options: RunOptions = RunOptions(),  # noqa: B008
    ) -> dict[TaskId, Prediction]:
        """Predict what a run would find in the cache. Runs nothing but the version queries of `tools`."""
        planned = tasks if isinstance(tasks, Plan) else self.plan(tasks)
        return app.predict(self.loaded, planned.tasks, options)

    def keys(
        self,
        tasks: Collection[TaskId],
        ended: Mapping[TaskId, CompletedRecord],
        *,
        options: RunOptions = RunOptions(),  # noqa: B008
    ) -> dict[TaskId, bytes | None]:
        """Derive the keys that tasks have now, after a run in which others have `ended` so. Runs what `forecast` runs.

        None for a task with an input that cannot be read. One that comes after a task which has not succeeded is left
        out.
        """
        return app.keys(self.loaded, list(tasks), options, ended)

    def reload(self) -> Workspace:
        """Open the workspace again, as `load` does: the same object when its configuration is known to be the same."""
        loaded = app.open_workspace(self.directory)
        if loaded.identity is not None and loaded.identity == self.loaded.identity and loaded.bearing == self.bearing:
            return self
        return Workspace(loaded, self.directory)

    def why(self, task: str | TaskId | Reference, *, against: str | None = None) -> Explanation:
        """Explain the key of one task, and what the cache has for it. Runs no more than `forecast`.

        A miss is compared with the newest other entry of the task, or with `against`: a key or the start of one in the
        cache, or a run as `Runs.find` takes it. Raises `ResolutionError`, `UsageError`, `HistoryError`.
        """
        wanted = self.resolve(task)
        key = None if against is None else self._key_of_result(wanted, against)
        return app.explain(self.loaded, wanted, key)

    def verify(
        self,
        task: str | TaskId | Reference,
        repeat: int = 2,
        *,
        observer: RunObserver | Sequence[RunObserver] = (),
        complain: Callable[[str], None] | None = None,
    ) -> list[Deviation]:
        """Run a task `repeat` times, at least 2, and say in what later runs differ from the first. Stores nothing.

        Takes the signals of the process, as the command does. Raises `NotVerified` when a run does not succeed,
        `ResolutionError`, `UsageError`.
        """
        from haz.verify import verify  # noqa: PLC0415 - no run needs it

        if repeat < 2:
            raise UsageError("one run cannot be compared with anything: `repeat` is at least 2")
        observers = [observer] if isinstance(observer, RunObserver) else list(observer)
        return verify(self.loaded, self.resolve(task), repeat, observers, complain or _ignore)

    @property
    def cache(self) -> Cache:
        """Where results are kept."""
        from haz.caches import Cache  # noqa: PLC0415 - no run needs it

        return Cache(self.loaded.workspace, self.bearing)

    def resolve(self, task: str | TaskId | Reference) -> TaskId:
        """Return the one task that a reference names. Raises `ResolutionError`, `UsageError`."""
        (reference,) = _references([task])
        return resolve_one(Resolver(self.loaded.workspace), reference, self.bearing)

    def _key_of_result(self, task: TaskId, wanted: str) -> bytes:
        """Return the key that is meant: the start of one of the task's in the cache, or of the id of a run."""
        from haz.reasons import newest_first  # noqa: PLC0415 - no run needs it

        keys = [manifest.key for manifest in newest_first(self.cache.path, task)]
        found = [key for key in keys if len(wanted) >= SHORTEST and key.hex().startswith(wanted.lower())]
        if len(found) > 1:
            raise UsageError(f"--against: '{wanted}' is the start of {len(found)} keys of {task}")
        if found:
            return found[0]
        if len(wanted) == FULL and set(wanted.lower()) <= set("0123456789abcdef"):
            return bytes.fromhex(wanted)
        run = Runs(self.root).find(wanted)
        end = run.tasks.get(str(task))
        if end is None or end.key is None:
            raise history.HistoryError(
                f"run {run.id} has no key of {task}", f"`haz runs show {run.id}` tells what it has"
            )
        return bytes.fromhex(end.key)


def _references(tasks: Iterable[str | TaskId | Reference]) -> tuple[Reference, ...]:
    return tuple(_parsed(tasks, parse))


def _exclusions(given: Iterable[str | TaskId | Reference | TaskGroup]) -> tuple[Reference | TaskGroup, ...]:
    return tuple(_parsed(given, parse_exclusion))


def _parsed(given: Iterable[str | TaskId | Named], parse_text: Callable[[str], Named]) -> Iterator[Named]:
    if isinstance(given, str):
        raise UsageError(f"tasks are given as a list: [{given!r}]")
    for one in given:
        try:
            yield parse_text(str(one)) if isinstance(one, (str, TaskId)) else one
        except ValueError as error:
            raise UsageError(str(error)) from error


def _never() -> bool:
    return False


def _ignore(line: str) -> None:
    """Hear nothing: who wants to know passes `complain`."""
