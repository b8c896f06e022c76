"""From what a source found to what haz can load: valid names, no task without an action, no cycle, whole inputs."""

from __future__ import annotations

from haz import _core
from haz._record import Record
from haz.cycles import shortest_cycle, strong_components
from haz.errors import PatternError
from haz.importers.names import unique, valid
from haz.importers.patterns import beginning, fixed, is_glob, optional
from haz.importers.records import Note, Project, Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.importers.records import Imported, Key


# Where tools keep what is theirs, when git is not asked what does not belong to a project.
PRIVATE = ("node_modules", ".turbo")


class Ready(Record):
    """A task under its final name, with final inputs and references."""

    name: str
    task: Task
    inputs: tuple[str, ...]
    gitignore: bool
    deps: tuple[str, ...]
    weak: tuple[str, ...]


class Settled(Record):
    """A project under its final name."""

    project: Project
    name: str
    tags: tuple[str, ...]
    tasks: tuple[Ready, ...]


def settle(found: Imported) -> tuple[list[Settled], list[Note]]:
    """Return the projects in the order of their paths, and what had to be changed on the way."""
    notes: list[Note] = []
    projects = sorted(found.projects, key=lambda project: project.path)
    paths = {project.path for project in projects}
    work = _Work([task for task in found.tasks if task.key[0] in paths], notes)
    names = unique((project.name, project.path.rpartition("/")[2] or "root") for project in projects)
    for project, name in zip(projects, names, strict=True):
        if name != project.name:
            notes.append(
                Note("", f"the project `{project.name}` is named `{name}`: names have letters, digits, - and _")
            )
    named = dict(zip((project.path for project in projects), names, strict=True))
    references: dict[Key, str] = {}
    for project in projects:
        keys = [key for key in work.tasks if key[0] == project.path]
        for key, name in zip(keys, unique((key[1], "task") for key in keys), strict=True):
            references[key] = name
            if name != key[1]:
                notes.append(Note("", f"the task `{key[1]}` of {named[project.path]} is named `{name}`"))
    settled = []
    for project in projects:
        ready = []
        for key, task in work.tasks.items():
            if key[0] == project.path:
                deps, weak = (
                    tuple(
                        sorted(
                            f"{'~' if other[0] == project.path else named[other[0]]}:{references[other]}"
                            for other in side[key]
                        )
                    )
                    for side in (work.hard, work.weak)
                )
                ready.append(Ready(references[key], task, *work.inputs_of(key), deps, weak))
        tags = tuple(dict.fromkeys(tag for tag in map(valid, project.tags) if tag))
        settled.append(Settled(project, named[project.path], tags, tuple(ready)))
    return settled, notes


class _Work:
    """The tasks that have an action, and the edges between them."""

    def __init__(self, tasks: list[Task], notes: list[Note]) -> None:
        self._notes = notes
        self._all = {task.key: self._checked(task) for task in tasks}
        self.tasks = {key: task for key, task in self._all.items() if task.command or task.shell is not None}
        self._through: dict[Key, dict[Key, None]] = {}
        self.hard: dict[Key, list[Key]] = {}
        self.weak: dict[Key, list[Key]] = {}
        for key, task in self.tasks.items():
            reached = dict.fromkeys(other for dep in task.deps for other in self._reach(dep))
            reached.pop(key, None)
            self.hard[key] = [other for other in reached if other in self.tasks]
            self._through[key] = {other: None for other in reached if other not in self.tasks}
            late = dict.fromkeys(other for dep in task.weak for other in self._reach(dep) if other in self.tasks)
            self.weak[key] = [other for other in late if other != key and other not in self.hard[key]]
        self._break_cycles()
        self._literal_outputs_once()
        self._outputs = sorted({p for task in self.tasks.values() for p in task.outputs if not p.startswith("!")})
        self._effective: dict[Key, tuple[Key, ...]] = {}
        self._writers = [key for key, task in self.tasks.items() if task.outputs]
        self._written = _core.PatternSet(
            [
                [(out.removeprefix("!"), not is_glob(out), out.startswith("!")) for out in self.tasks[key].outputs]
                for key in self._writers
            ]
        )

    def _reach(self, start: Key) -> dict[Key, None]:
        """Return the tasks that a dependency means: through those without an action to what they depend on."""
        found: dict[Key, None] = {}
        queue = [start]
        for key in queue:
            if key in self._all and key not in found:
                found[key] = None
                if key not in self.tasks:
                    queue += self._all[key].deps
        return found

    def _checked(self, task: Task) -> Task:
        """Drop the patterns that haz does not know, and never cache what may read or write more than it says."""
        good: dict[str, list[str]] = {"inputs": [], "outputs": []}
        cache = task.cache
        for field, kept in good.items():
            for pattern in dict.fromkeys(getattr(task, field)):
                reason = problem(pattern)
                if reason is None:
                    kept.append(pattern)
                    continue
                name = f"{task.key[0] or '/'} {task.key[1]}"
                effect = "" if pattern.startswith("!") or not cache else ": the task is not cached"
                self._notes.append(Note("", f"{name}: `{pattern}` of its {field} cannot be read ({reason}){effect}"))
                cache = cache and pattern.startswith("!")
        return task.replace(inputs=tuple(good["inputs"]), outputs=tuple(good["outputs"]), cache=cache)

    def _break_cycles(self) -> None:
        keys = list(self.tasks)
        index = {key: at for at, key in enumerate(keys)}
        while True:
            after = [[index[other] for other in (*self.hard[key], *self.weak[key])] for key in keys]
            components = strong_components(after)
            if not components:
                return
            for members in components:
                cycle = [keys[at] for at in shortest_cycle(after, members)]
                steps = list(zip(cycle, [*cycle[1:], cycle[0]], strict=True))
                weak = next(((one, other) for one, other in steps if other in self.weak[one]), None)
                one, other = weak or steps[-1]
                (self.weak if weak else self.hard)[one].remove(other)
                if weak is None:
                    names = " → ".join(f"{path or '/'} {name}" for path, name in [*cycle, cycle[0]])
                    self._notes.append(
                        Note("", f"dependencies in a circle, of which the last was dropped: {names}; haz runs none")
                    )

    def _literal_outputs_once(self) -> None:
        """DAG-015: a file without pattern has one writer; as a pattern it may have several."""
        writers: dict[str, list[Key]] = {}
        for key, task in self.tasks.items():
            for pattern in task.outputs:
                if not pattern.startswith("!") and not _core.check_pattern(pattern):
                    writers.setdefault(pattern, []).append(key)
        for pattern, keys in writers.items():
            if len(keys) > 1:
                tasks = ", ".join(f"{path or '/'} {name}" for path, name in keys)
                self._notes.append(Note("", f"{pattern} is written by several tasks, of which one may run: {tasks}"))
                for key in keys:
                    task = self.tasks[key]
                    outputs = tuple(optional(out) if out == pattern else out for out in task.outputs)
                    self.tasks[key] = task.replace(outputs=outputs)

    def inputs_of(self, key: Key) -> tuple[tuple[str, ...], bool]:
        """Return the patterns that a task reads, and whether what git ignores does not count."""
        task = self.tasks[key]
        if task.persistent or task.command == ("true",):
            return (), False
        atoms = [self._all[other] for other in self._read_by(key)]
        atoms = [atom for atom in atoms if atom.inputs or atom.directories]
        gitignore = bool(atoms) and all(atom.gitignore for atom in atoms)
        within = {path: _core.escape_pattern(path) for atom in atoms for path in atom.directories}
        found = dict.fromkeys(f"{escaped}/**" for escaped in within.values())
        found.update(dict.fromkeys(pattern for atom in atoms for pattern in atom.inputs if not pattern.startswith("!")))
        listed = [pattern for atom in atoms for pattern in atom.inputs if is_glob(pattern)]
        roots = {f"{path}/" for path in within}
        for number, atom in enumerate(atoms):
            others = [*atoms[:number], *atoms[number + 1 :]]
            for pattern in atom.inputs:
                if pattern.startswith("!") and not any(_needs(other, pattern) for other in others):
                    found[pattern] = None
        for output in self._outputs:
            inside = any(output.startswith((f"{path}/", f"{escaped}/")) for path, escaped in within.items())
            start = beginning(output)
            named = any(p == output or (start not in roots and p.startswith(start)) for p in listed)
            if inside and (output in task.outputs or not named):
                found[f"!{output}"] = None
        for pattern in [pattern for pattern in found if not is_glob(pattern)]:
            writers = {self._writers[number] for number in self._written.matching(pattern)}
            if writers and writers.intersection(self._after(key)):
                del found[pattern]
                name = f"{key[0] or '/'} {key[1]}"
                self._notes.append(Note("", f"{name}: `{pattern}` is written by a task after it, so it is no input"))
        if within:
            # What it declares is in the keys already; the rest of it, comments for one, changes nothing.
            found["!/**/haz.yml"] = None
        if within and not gitignore:
            found.update(dict.fromkeys(f"!/**/{name}/**" for name in PRIVATE))
        return tuple(sorted(found, key=lambda pattern: pattern.startswith("!"))), gitignore

    def _after(self, key: Key) -> set[Key]:
        """Return the tasks that depend on a task, directly or not."""
        found = {key}
        grown = True
        while grown:
            more = {
                other
                for other in self.tasks
                if other not in found and not found.isdisjoint((*self.hard[other], *self.weak[other]))
            }
            grown = bool(more)
            found |= more
        return found - {key}

    def _read_by(self, key: Key) -> tuple[Key, ...]:
        """Return the tasks whose inputs decide about a task: its own, and those of its hard predecessors.

        haz puts only the streams of predecessors into a key, so what makes one of them run again has to be named.
        """
        queue = [key]
        while queue:
            at = queue[-1]
            task = self.tasks[at]
            before = self.hard[at] if task.inherits else []
            missing = [other for other in before if other not in self._effective]
            if at in self._effective or not missing:
                queue.pop()
                through = self._through[at] if task.inherits else {}
                reached = [other for first in before for other in self._effective[first]]
                self._effective[at] = tuple(dict.fromkeys((at, *through, *reached)))
            queue += missing
        return self._effective[key]


def _needs(atom: Task, exclusion: str) -> bool:
    """Whether a task may read what another one leaves out: then it is not left out of what both decide about."""
    if exclusion in atom.inputs:
        return False
    start = fixed(exclusion[1:])
    globs = [pattern for pattern in atom.inputs if not pattern.startswith("!") and is_glob(pattern)]
    places = [*(fixed(pattern) for pattern in globs), *(f"{path}/" for path in atom.directories)]
    return any(place.startswith(start) or start.startswith(place) for place in places)


def problem(pattern: str) -> str | None:
    """Why haz does not take a pattern."""
    try:
        _core.check_pattern(pattern.removeprefix("!"))
    except PatternError as error:
        return error.reason
    return None
