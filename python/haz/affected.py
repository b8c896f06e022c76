"""Which tasks the files that changed affect: by their inputs, and by the files that declare them (EXEC-026)."""

from __future__ import annotations

import os

from haz import _core
from haz._record import Record
from haz.config import parse
from haz.config.parse import Source
from haz.discovery import MARKER, PROJECT_FILE
from haz.lockfiles import FILES
from haz.plan import plan
from haz.slices import Parsed, nearest, same_slice
from haz.vcs import UnknownBase, changeset
from haz.workspace import OVERLAYS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Literal

    from haz.graph import TaskGraph
    from haz.model import TaskId, Workspace
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
    path = f"/{MARKER}"
    sides = [changes.before(path), changes.after(path)]
    declared = [None if side is None else parse.workspace(Source(workspace.root + path, side)) for side in sides]
    before, after = declared
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


def _of_the_overlay(workspace: Workspace, graph: TaskGraph, changes: Changes, path: str) -> Iterator[TaskId]:
    """Yield the tasks that come from an overlay, and those that may have come from it before it changed."""
    before = changes.before(path)
    names: Iterable[str] | None = ()
    if before is not None:
        old = parse.overlay(Source(workspace.root + path, before), os.path.basename(path).removesuffix(".yml"))
        names = None if old is None else old.tasks
    overlays = f"{workspace.root.rstrip('/')}/{OVERLAYS}/"
    for task, spec in graph.specs.items():
        if spec.origin is not None and spec.origin.file.startswith(overlays):
            own = spec.origin.file == workspace.root.rstrip("/") + path
            if own or names is None or task.task in names:
                yield task
