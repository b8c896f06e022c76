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
from haz.errors import UsageError
from haz.events import RunObserver
from haz.model import TaskId
from haz.plan import Plan, Request, plan
from haz.references import parse
from haz.resolution import Resolver, resolve_one

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Literal, Protocol

    from haz.app import Loaded, RunReport
    from haz.forecast import Prediction
    from haz.graph import TaskGraph
    from haz.model import ProjectSpec, Reference, Settings, TaskSpec
    from haz.why import Explanation

    class Cancel(Protocol):
        """What `threading.Event` has."""

        def is_set(self) -> bool: ...


__all__ = ["Workspace", "load"]


def load(directory: str | os.PathLike[str] = ".") -> Workspace:
    """Open the workspace that `directory` lies in. Raises `LoadError` with everything that is wrong with it."""
    return Workspace(app.open_workspace(os.path.abspath(directory)))


class Workspace:
    """A valid workspace as it was when it was opened, seen from a directory.

    Tasks are named by references as on the command line (`lib:build`, `^:test`, `[tag]:lint`) or by `TaskId`.
    """

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded

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
        scope: Literal["none", "all", "workspace"] = "none",
        changed: Iterable[str] | None = None,
        with_dependents: bool = False,
    ) -> Plan:
        """Choose the tasks of a run, with all that they need, and say why each is in it.

        Without tasks and scope that is the `default` task of the bearing project; `all` are the tasks of the bearing
        project, or of all projects without one; `workspace` are all. `changed` are workspace paths: only what reads
        one of them stays, `with_dependents` also what comes after it. Raises `ResolutionError` and `UsageError`.
        """
        request = Request(
            references=_references(tasks),
            scope=scope,
            bearing=self.bearing,
            changed=None if changed is None else tuple(changed),
            with_dependents=with_dependents,
        )
        return plan(self.loaded.workspace, self.graph, request, PatternSet)

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
        self, planned: Plan, options: RunOptions, observers: Sequence[RunObserver], complain: Callable[[str], None]
    ) -> RunReport:
        """Run as the command does, for a program that does nothing else.

        Its signals end the run, and every process that descends from it ends with the run.
        """
        return app.execute(self.loaded, planned.tasks, options, observers, complain)

    def forecast(
        self,
        tasks: Plan | Iterable[str | TaskId | Reference],
        *,
        options: RunOptions = RunOptions(),  # noqa: B008
    ) -> dict[TaskId, Prediction]:
        """Predict what a run would find in the cache. Runs nothing but the version queries of `tools`."""
        planned = tasks if isinstance(tasks, Plan) else self.plan(tasks)
        return app.predict(self.loaded, planned.tasks, options)

    def why(self, task: str | TaskId | Reference) -> Explanation:
        """Explain the key of one task, and what the cache has for it. Runs no more than `forecast`."""
        (reference,) = _references([task])
        return app.explain(self.loaded, resolve_one(Resolver(self.loaded.workspace), reference, self.bearing))


def _references(tasks: Iterable[str | TaskId | Reference]) -> tuple[Reference, ...]:
    if isinstance(tasks, str):
        raise UsageError(f"tasks are given as a list: [{tasks!r}]")
    found = []
    for task in tasks:
        try:
            found.append(parse(str(task)) if isinstance(task, (str, TaskId)) else task)
        except ValueError as error:
            raise UsageError(str(error)) from error
    return tuple(found)


def _never() -> bool:
    return False


def _ignore(line: str) -> None:
    """Hear nothing: who wants to know passes `complain`."""
