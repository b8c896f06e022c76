"""Which tasks the files that changed affect: by their inputs, and by the files that declare them (EXEC-026)."""

from __future__ import annotations

import os

from haz import _core
from haz._record import Record
from haz.cache.formats import MARKER, PROJECT_FILE
from haz.config import parse
from haz.config.parse import Source
from haz.lockfiles import FILES
from haz.model import TaskId
from haz.plan import plan
from haz.slices import Parsed, nearest, same_slice
from haz.vcs import UnknownBase, changeset
from haz.workspace import OVERLAYS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from typing import Literal

    from haz.config.declarations import WorkspaceDeclaration
    from haz.graph import TaskGraph
    from haz.model import TaskSpec, Workspace
    from haz.plan import Plan, Request
    from haz.ports import Changes
    from haz.vcs import Filter

    OnUnknown = Literal["all", "error"]


class Selection(Record):
    """What is to be run: `base` is the commit that was compared with, `warning` why everything counts as changed."""

    plan: Plan
    base: str | None = None
    changed: int = 0
    warning: str | None = None


def select(
    workspace: Workspace, graph: TaskGraph, request: Request, wanted: Filter | None, on_unknown: OnUnknown = "error"
) -> Selection:
    """Choose the tasks of a run, by what has changed if that is `wanted`.

    Raises `ResolutionError`, `VcsError`, and `UnknownBase` unless that means everything (`on_unknown`).
    """
    if wanted is None:
        return Selection(plan(workspace, graph, request, _core.PatternSet))
    try:
        changes = changeset(workspace.root, wanted)
    except UnknownBase as error:
        if on_unknown == "error":
            raise
        everything = plan(workspace, graph, request.replace(unknown=True), _core.PatternSet)
        return Selection(everything, warning=f"{error}; everything counts as changed")
    declared = declared_in(workspace, graph, changes)
    if request.with_dependents:
        for path, tasks in left_behind(workspace, graph, changes).items():
            declared.setdefault(path, []).extend(tasks)
    request = request.replace(changed=tuple(changes.paths))
    chosen = plan(workspace, graph, request, _core.PatternSet, declared)
    return Selection(chosen, changes.base, len(changes.paths))


def declared_in(workspace: Workspace, graph: TaskGraph, changes: Changes) -> dict[str, list[TaskId]]:
    """Return, for each changed path, the tasks whose key may be another one because of it, other than by an input."""
    by_file: dict[str, list[TaskId]] = {}
    by_root: dict[str, list[TaskId]] = {}
    for task, spec in graph.specs.items():
        by_root.setdefault(spec.root, []).append(task)
        named = [tool.file for tool in spec.tools if tool.file is not None]
        named += [f"{spec.root}/{FILES[kind][1]}" for kind in spec.locks if FILES[kind][1]]
        for file in named:
            by_file.setdefault(file, []).append(task)
    for root, tasks in by_root.items():
        # A project file may be a link to one that several projects share.
        nominal = f"{root}/{PROJECT_FILE}"
        real = os.path.realpath(workspace.root + nominal).removeprefix(workspace.root.rstrip("/"))
        for path in {nominal, real}:
            by_file.setdefault(path, []).extend(tasks)
    found: dict[str, list[TaskId]] = {}
    for path in changes.paths:
        if path.endswith("/"):
            found[path] = [task for file, tasks in by_file.items() if file.startswith(path) for task in tasks]
        elif path == f"/{MARKER}":
            found[path] = list(_of_the_workspace_file(workspace, by_root, changes))
        elif path.startswith(f"/{OVERLAYS}/") and path.endswith(".yml"):
            found[path] = list(_of_the_overlay(workspace, graph, changes, path))
        else:
            tasks = [*by_file.get(path, ()), *_of_a_lock(workspace, graph, changes, path)]
            if tasks:
                found[path] = tasks
    return found


def left_behind(workspace: Workspace, graph: TaskGraph, changes: Changes) -> dict[str, list[TaskId]]:
    """Return, for each changed path, the tasks that may have come after one which is gone with it.

    References to several tasks, and optional ones, do without what is no longer there; the graph knows nothing of it.
    """
    waiting = [
        (task, reference)
        for task, spec in graph.specs.items()
        for reference in (*spec.deps, *spec.inputs_from)
        if reference.optional or reference.kind not in ("bearing", "project")
    ]
    found: dict[str, list[TaskId]] = {}
    if not waiting:
        return found
    of_overlays = {task.task for task, spec in graph.specs.items() if _is_of_an_overlay(workspace, spec)}
    for path in changes.paths:
        names: Collection[str] | None
        if path == f"/{MARKER}":
            names = None if _selects_less(workspace, changes) else ()
        elif path.endswith("/"):
            names = None
        elif path.startswith(f"/{OVERLAYS}/") and path.endswith(".yml"):
            names = _names_in_the_overlay(workspace, changes, path)
        elif path.rpartition("/")[2] == PROJECT_FILE:
            before = changes.before(path)
            if before is None and changes.after(path) is not None:
                continue
            old = None if before is None else parse.project(Source(workspace.root + path, before))
            if old is not None:
                found[path] = [
                    task
                    for task, reference in waiting
                    if (reference.task in old.tasks or reference.task in of_overlays)
                    and (reference.name in (None, old.name) or reference.name in old.tags)
                    and TaskId(old.name, reference.task) not in (task, *graph.hard_predecessors[task])
                ]
                continue
            names = None
        else:
            continue
        found[path] = [task for task, reference in waiting if names is None or reference.task in names]
    return found


def _of_a_lock(workspace: Workspace, graph: TaskGraph, changes: Changes, path: str) -> Iterator[TaskId]:
    """Yield the tasks to whose project a changed lock file says something else than before."""
    directory, _, name = path.rpartition("/")
    kind = next((kind for kind, (file, _) in FILES.items() if file == name), None)
    if kind is None:
        return
    before, after = changes.before(path), changes.after(path)
    sides = None if before is None or after is None else (Parsed(kind, before), Parsed(kind, after))
    same: dict[str, bool] = {}
    for task, spec in graph.specs.items():
        if kind not in spec.locks or not f"{spec.root}/".startswith(f"{directory}/"):
            continue
        if spec.root not in same:
            deeper = nearest(workspace.root, spec.root, kind)
            same[spec.root] = (deeper is not None and len(deeper) > len(path)) or (
                sides is not None and same_slice(workspace.root, spec.root, path, *sides)
            )
        if not same[spec.root]:
            yield task


def _of_the_workspace_file(
    workspace: Workspace, by_root: dict[str, list[TaskId]], changes: Changes
) -> Iterable[TaskId]:
    """Return all tasks; where only `projects` has changed, those of projects that it did not select before."""
    everything = [task for tasks in by_root.values() for task in tasks]
    before, after = _workspace_files(workspace, changes)
    if before is None or after is None:
        return everything
    rest = [side.replace(source=None, projects=(), cap_nodes=()) for side in (before, after)]
    if rest[0] != rest[1]:
        return everything
    listed = [(pattern.text, pattern.literal, pattern.exclude) for pattern in before.projects if pattern.text != "/"]
    patterns = _core.PatternSet([listed])
    root_listed = any(pattern.text == "/" and not pattern.exclude for pattern in before.projects)
    return [
        task
        for root, tasks in by_root.items()
        if not (patterns.matching(root) if root else root_listed)
        for task in tasks
    ]


def _selects_less(workspace: Workspace, changes: Changes) -> bool:
    """Whether the workspace file may have selected a project that it no longer does."""
    before, after = _workspace_files(workspace, changes)
    if before is None or after is None:
        return changes.before(f"/{MARKER}") is not None
    had, has = ({(pattern.text, pattern.exclude) for pattern in side.projects} for side in (before, after))
    return any(not exclude for _, exclude in had - has) or any(exclude for _, exclude in has - had)


def _workspace_files(
    workspace: Workspace, changes: Changes
) -> tuple[WorkspaceDeclaration | None, WorkspaceDeclaration | None]:
    """Return what the workspace file says before and after, as far as it is there and can be read."""
    path = f"/{MARKER}"
    before, after = (
        None if side is None else parse.workspace(Source(workspace.root + path, side))
        for side in (changes.before(path), changes.after(path))
    )
    return before, after


def _of_the_overlay(workspace: Workspace, graph: TaskGraph, changes: Changes, path: str) -> Iterator[TaskId]:
    """Yield the tasks that come from an overlay, and those that may have come from it before it changed."""
    names = _names_in_the_overlay(workspace, changes, path)
    for task, spec in graph.specs.items():
        if spec.origin is not None and _is_of_an_overlay(workspace, spec):
            own = spec.origin.file == workspace.root.rstrip("/") + path
            if own or names is None or task.task in names:
                yield task


def _names_in_the_overlay(workspace: Workspace, changes: Changes, path: str) -> Collection[str] | None:
    """Return the names of the tasks that an overlay had before it changed; None when it could not be read."""
    before = changes.before(path)
    if before is None:
        return ()
    old = parse.overlay(Source(workspace.root + path, before), os.path.basename(path).removesuffix(".yml"))
    return None if old is None else old.tasks


def _is_of_an_overlay(workspace: Workspace, spec: TaskSpec) -> bool:
    return spec.origin is not None and spec.origin.file.startswith(f"{workspace.root.rstrip('/')}/{OVERLAYS}/")
