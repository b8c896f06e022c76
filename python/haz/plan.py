"""From a request to the tasks of a run, and why each of them is in it (EXEC-022…026, spec 04 §6)."""

from __future__ import annotations

from haz._record import Record
from haz._uncollected import uncollected
from haz.errors import ResolutionError
from haz.model import TaskId
from haz.resolution import Resolver, look_up_all, resolve_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from typing import Literal

    from haz.graph import Compile, TaskGraph
    from haz.model import Reference, TaskGroup, Workspace

_ADVICE = "name tasks (`haz run P:T`), give the project a `default` task, or use `--all` or `--workspace`"


class Request(Record):
    """What the command line asks for.

    `bearing` is the project that the current directory lies in. `changed` are workspace paths, or None without a
    changeset filter; with one, references only say where to look. A path that ends in `/` is all that is below it. With
    `unknown` everything counts as changed. `with_dependents` adds the candidates that come after an affected task by
    any kind of edge, wherever that one is. What `exclude` names is taken away from what all this comes to.
    """

    references: tuple[Reference, ...] = ()
    scope: Literal["none", "all", "workspace"] = "none"
    bearing: str | None = None
    changed: tuple[str, ...] | None = None
    with_dependents: bool = False
    unknown: bool = False
    exclude: tuple[Reference | TaskGroup, ...] = ()


class Reason(Record):
    """Why a task is in a run.

    `requested`; `changed`, because of `path`; `dependent`, because it comes after the affected task `by`; `needed`, by
    the hard dependency of `by`; `unknown`, because nobody can tell what has changed.
    """

    kind: Literal["requested", "changed", "dependent", "needed", "unknown"]
    by: TaskId | None = None
    path: str | None = None


class Plan(Record):
    """The tasks of a run in canonical order: `seeds` were asked for, `reasons` has every task of the run.

    `excluded` would be seeds if they were not excluded; what a seed needs is in the run all the same.
    """

    seeds: tuple[TaskId, ...]
    reasons: dict[TaskId, Reason]
    excluded: tuple[TaskId, ...] = ()

    @property
    def tasks(self) -> tuple[TaskId, ...]:
        return tuple(self.reasons)


@uncollected
def plan(
    workspace: Workspace,
    graph: TaskGraph,
    request: Request,
    compile_patterns: Compile,
    config_files: Mapping[str, Collection[TaskId]] | None = None,
) -> Plan:
    """Choose the tasks of a run. Raises `ResolutionError` with everything that is wrong with the request.

    `compile_patterns` is `haz._core.PatternSet`. `config_files` maps the workspace paths of `haz.yml` files, overlays
    and `workspace.yml` to the tasks that they contribute to: those are affected when such a file changes.
    """
    wanted, unwanted = _wanted(workspace, graph, request)
    seeds: dict[TaskId, Reason]
    if request.unknown:
        seeds = dict.fromkeys(wanted, Reason("unknown"))
    elif request.changed is None:
        seeds = dict.fromkeys(wanted, Reason("requested"))
    else:
        candidates = frozenset(wanted)
        # What comes after a task may be a candidate though the task itself is none.
        among = frozenset(graph.nodes) if request.with_dependents else candidates
        seeds = _affected(graph, among, request.changed, compile_patterns, config_files or {})
        if request.with_dependents:
            seeds |= _dependents(graph, seeds)
            seeds = {task: reason for task, reason in seeds.items() if task in candidates}
    excluded = tuple(sorted(unwanted.intersection(seeds)))
    for task in excluded:
        del seeds[task]
    reasons = _closed(graph, seeds)
    return Plan(tuple(sorted(seeds)), {task: reasons[task] for task in sorted(reasons)}, excluded)


def _wanted(workspace: Workspace, graph: TaskGraph, request: Request) -> tuple[Iterable[TaskId], set[TaskId]]:
    """Return the tasks that are asked for, or that may be when they have changed, and those that are excluded.

    Raises `ResolutionError` with all that names nothing.
    """
    excluded, unknown = look_up_all(Resolver(workspace), request.exclude, request.bearing)
    problems = tuple(f"--exclude {message}" for message in unknown)
    try:
        wanted = _asked_for(workspace, graph, request)
    except ResolutionError as error:
        raise ResolutionError((*error.messages, *problems), error.hint) from None
    if problems:
        raise ResolutionError(problems)
    return wanted, excluded


def _asked_for(workspace: Workspace, graph: TaskGraph, request: Request) -> Iterable[TaskId]:
    by_change = request.unknown or request.changed is not None
    if by_change or request.scope != "none" or request.references:
        return _candidates(workspace, graph, request)
    if request.bearing is None:
        message = "no bearing project: the current directory lies in no project, so that there is no default task"
        raise ResolutionError((message,), _ADVICE)
    default = TaskId(request.bearing, "default")
    if default not in graph.specs:
        raise ResolutionError((f"project '{request.bearing}' does not define a task 'default'",), _ADVICE)
    return (default,)


def _candidates(workspace: Workspace, graph: TaskGraph, request: Request) -> Collection[TaskId]:
    """Return what the references name, or else what the scope covers; no scope is as `--all`."""
    if request.references:
        return sorted(resolve_all(Resolver(workspace), request.references, request.bearing))
    if request.scope == "workspace" or request.bearing is None:
        return graph.nodes
    return [task for task in graph.nodes if task.project == request.bearing]


def _affected(
    graph: TaskGraph,
    among: Collection[TaskId],
    changed: Collection[str],
    compile_patterns: Compile,
    config_files: Mapping[str, Collection[TaskId]],
) -> dict[TaskId, Reason]:
    """Find the tasks with an input that changed, or whose declaration may have (EXEC-026). Deleted paths count."""
    found: dict[TaskId, Reason] = {}
    if not changed:
        return found
    readers = [task for task in graph.nodes if task in among and graph.specs[task].inputs]
    patterns = compile_patterns([[p.listed for p in graph.specs[task].inputs] for task in readers])
    for path in sorted(changed):
        if path.endswith("/"):
            tasks = _readers_below(graph, readers, path)
        else:
            tasks = [readers[i] for i in patterns.matching(path)]
        tasks += [task for task in config_files.get(path, ()) if task in among]
        for task in tasks:
            if task not in found:
                found[task] = Reason("changed", path=path)
        if len(found) == len(among):
            break
    return found


def _readers_below(graph: TaskGraph, readers: Iterable[TaskId], directory: str) -> list[TaskId]:
    """Return the tasks with an input pattern that could match something below a directory."""
    from haz._core import escape_pattern  # noqa: PLC0415 - few changesets have a directory
    from haz.query.intersect import Automaton  # noqa: PLC0415

    below = Automaton(f"{escape_pattern(directory)}**", literal=False)
    return [
        task
        for task in readers
        if any(
            Automaton(pattern.anchored, literal=pattern.literal).meets(below)
            for pattern in graph.specs[task].inputs
            if not pattern.exclude
        )
    ]


def _dependents(graph: TaskGraph, affected: Collection[TaskId]) -> dict[TaskId, Reason]:
    found: dict[TaskId, Reason] = {}
    queue = sorted(affected)
    for task in queue:
        for kind in (graph.hard_successors, graph.soft_successors, graph.producer_successors):
            for successor in kind[task]:
                if successor not in affected and successor not in found:
                    found[successor] = Reason("dependent", by=task)
                    queue.append(successor)
    return found


def _closed(graph: TaskGraph, seeds: Mapping[TaskId, Reason]) -> dict[TaskId, Reason]:
    """Add all transitive hard predecessors, whatever the scope (EXEC-002); soft and producer edges add nothing."""
    reasons = dict(seeds)
    if len(reasons) == len(graph.nodes):
        return reasons
    queue = sorted(seeds)
    for task in queue:
        for predecessor in graph.hard_predecessors[task]:
            if predecessor not in reasons:
                reasons[predecessor] = Reason("needed", by=task)
                queue.append(predecessor)
    return reasons
