"""Which tasks a reference names: one resolver, one set of messages, for files and the command line (REF-002…008)."""

from __future__ import annotations

from haz._record import Record
from haz.errors import ResolutionError
from haz.model import TaskGroup, TaskId
from haz.names import either, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from haz.model import Reference, Workspace


class Unresolved(Record):
    """What names nothing. `message` quotes it and says why; it reads on after `could not resolve `."""

    reference: Reference | TaskGroup
    message: str


class Resolver:
    """Looks references up in the effective tasks of a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._projects = workspace.projects
        self._by_task: dict[str, list[TaskId]] | None = None
        self._by_tag: dict[str, list[str]] | None = None

    def resolve(self, reference: Reference, owner: str | None) -> tuple[TaskId, ...] | Unresolved:
        """Return the tasks in canonical order; an optional reference may name none.

        `owner` is the project that the reference is seen from: that of the task, or the bearing project of the command
        line, None when it lies in no project.
        """
        kind, name, task = reference.kind, reference.name, reference.task
        if owner is None and kind in ("bearing", "siblings", "tag_siblings"):
            reason = "requires a bearing project, but the current directory lies in no project"
            return Unresolved(reference, f"`{reference.text}` {reason}")
        home = name if kind == "project" else owner if kind == "bearing" else None
        if home is not None:
            found_there = self._in_project(reference, home)
            return () if reference.optional and isinstance(found_there, Unresolved) else found_there
        found = self._tasks_named(task)
        if name is not None:
            tagged = frozenset(self._tagged(name))
            found = [one for one in found if one.project in tagged]
        if kind in ("siblings", "tag_siblings"):
            found = [one for one in found if one.project != owner]
        if found or reference.optional:
            return tuple(found)
        return self._no_match(reference)

    def members(self, group: TaskGroup) -> tuple[TaskId, ...] | Unresolved:
        """Return all tasks of a project, or of the projects with a tag, in canonical order."""
        name = group.name
        projects = [name] if group.kind == "project" and name in self._projects else []
        if group.kind == "tag":
            projects = self._tagged(name)
        if projects:
            return tuple(TaskId(project, task) for project in projects for task in self._projects[project].tasks)
        if group.kind == "tag":
            near = _did_you_mean(name, self._tags())
            return Unresolved(group, f"`{group.text}` matched no tasks: no project carries tag '{name}'{near}")
        return Unresolved(group, f"`{group.text}` names unknown project '{name}'{self._project_or_task(name)}")

    def _project_or_task(self, word: str) -> str:
        """Say what was meant by a word that is no project: a task of every project, perhaps, or a tag."""
        names = self._task_names()
        if word not in names and word in self._tags():
            return f"; did you mean '[{word}]'?"
        near = None if word in names else nearest(word, self._projects)
        if near is not None:
            return f"; did you mean '{near}'?"
        near = nearest(word, names)
        return "" if near is None else f"; did you mean '^:{near}'?"

    def projects_with(self, task: str) -> tuple[str, ...]:
        """Return the projects that have a task of that name, in canonical order."""
        return tuple(one.project for one in self._tasks_named(task))

    def _in_project(self, reference: Reference, name: str) -> tuple[TaskId, ...] | Unresolved:
        project = self._projects.get(name)
        if project is None:
            near = _did_you_mean(name, self._projects)
            return Unresolved(reference, f"`{reference.text}` names unknown project '{name}'{near}")
        if reference.task in project.tasks:
            return (TaskId(name, reference.task),)
        message = f"`{reference.text}`: project '{name}' does not define task '{reference.task}'"
        near = _did_you_mean(reference.task, project.tasks)
        elsewhere = self.projects_with(reference.task)
        if elsewhere:
            do = "does" if len(elsewhere) == 1 else "do"
            message += f" ({either(elsewhere, 'and')} {do})"
        return Unresolved(reference, message + near)

    def _no_match(self, reference: Reference) -> Unresolved:
        kind, name, task = reference.kind, reference.name, reference.task
        sibling = kind in ("siblings", "tag_siblings")
        if name is None:
            reason = f"no {'sibling ' if sibling else ''}project defines task '{task}'"
            near = "" if self._tasks_named(task) else _did_you_mean(task, self._task_names())
        elif not self._tagged(name):
            reason = f"no project carries tag '{name}'"
            near = _did_you_mean(name, self._tags())
        else:
            reason = f"no {'sibling' if sibling else 'project'} with tag '{name}' defines task '{task}'"
            names = {other for project in self._tagged(name) for other in self._projects[project].tasks}
            near = _did_you_mean(task, names - {task})
        return Unresolved(reference, f"`{reference.text}` matched no tasks: {reason}{near}")

    def _tasks_named(self, task: str) -> list[TaskId]:
        return self._task_names().get(task, [])

    def _task_names(self) -> dict[str, list[TaskId]]:
        if self._by_task is None:
            self._by_task = {}
            for project in self._projects.values():
                for name in project.tasks:
                    self._by_task.setdefault(name, []).append(TaskId(project.name, name))
        return self._by_task

    def _tagged(self, tag: str) -> list[str]:
        return self._tags().get(tag, [])

    def _tags(self) -> dict[str, list[str]]:
        if self._by_tag is None:
            self._by_tag = {}
            for project in self._projects.values():
                for tag in project.tags:
                    self._by_tag.setdefault(tag, []).append(project.name)
        return self._by_tag


def look_up_all(
    resolver: Resolver, wanted: Iterable[Reference | TaskGroup], bearing: str | None
) -> tuple[set[TaskId], list[str]]:
    """Return the tasks that are named, and a message for each that names none."""
    found: set[TaskId] = set()
    messages: dict[str, None] = {}
    for one in wanted:
        tasks = resolver.members(one) if isinstance(one, TaskGroup) else resolver.resolve(one, bearing)
        if isinstance(tasks, Unresolved):
            messages[tasks.message] = None
        else:
            found.update(tasks)
    return found, [*messages]


def resolve_all(resolver: Resolver, references: Iterable[Reference], bearing: str | None) -> set[TaskId]:
    """Return the tasks that references name. Raises `ResolutionError` with a message for each that names none."""
    found, messages = look_up_all(resolver, references, bearing)
    if messages:
        raise ResolutionError(tuple(messages))
    return found


def resolve_one(resolver: Resolver, reference: Reference, bearing: str | None) -> TaskId:
    """Return the one task that a reference names (AUX-013). Raises `ResolutionError` for none and for several."""
    found = resolver.resolve(reference, bearing)
    if isinstance(found, Unresolved):
        raise ResolutionError((f"could not resolve {found.message}",))
    if not found:
        raise ResolutionError((f"could not resolve `{reference.text}`: it names nothing",))
    if len(found) > 1:
        matched = ", ".join(map(str, found))
        several = f"`{reference.text}` resolves to {len(found)} tasks; use a more specific form (matched: {matched})"
        raise ResolutionError((several,))
    return found[0]


def _did_you_mean(word: str, names: Iterable[str]) -> str:
    near = nearest(word, names)
    return "" if near is None else f"; did you mean '{near}'?"
