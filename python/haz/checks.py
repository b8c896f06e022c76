"""`haz check`: everything that is wrong with a workspace, and whatever is allowed and probably not meant.

The second kind are warnings. Each has one function, one row in `CHECKS`, and one code in `codes.py`.
"""

from __future__ import annotations

import os

from haz import __version__, _core, examined
from haz._record import Record
from haz.certain import OVERLAYS, certain
from haz.diagnostics import Diagnostic, Span
from haz.discovery import Trace, bearing, find_root
from haz.disk import Asked, Disk
from haz.errors import LoadError, YamlError
from haz.examined import Examination
from haz.foreign import Foreign
from haz.graph_build import build, unordered_producers
from haz.model import Command
from haz.resolution import Resolver, Unresolved
from haz.undeclared import fruitless_inputs, undeclared_products
from haz.workspace import read_at, with_sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from haz._core import Node
    from haz.graph import TaskGraph
    from haz.model import Pattern, Reference, TaskId, TaskSpec, Workspace
    from haz.workspace import Reading

# Where programs are looked for when a task has no PATH.
DEFAULT_PATH = "/bin:/usr/bin"
# Aggregates: tasks must have an action, and these do nothing.
_NOTHING = frozenset({"", ":", "true", "exit 0"})
_NAMED = 5


def examine(directory: str, host: Mapping[str, str]) -> Examination:
    """Check the workspace that `directory` is in; `host` is the environment that tasks would be started from.

    No phase hides another (O12): the graph is judged by what could be loaded, and warnings that need the whole
    workspace wait until it is there. While nothing that this looks at has changed, the same is found as before.
    """
    try:
        root = find_root(directory)
    except LoadError as error:
        return Examination(None, None, error.diagnostics, (), ())
    known = examined.load(root, directory, host, __version__)
    if known is not None:
        return known
    asked = Asked(host)
    reading = read_at(root)
    found = _examination(directory, reading, asked)
    if reading.trace is not None:
        examined.save(root, found, asked.names, host, __version__, reading.trace)
    return found


def _examination(directory: str, reading: Reading, host: Asked) -> Examination:
    errors = tuple(problem for problem in reading.diagnostics if problem.severity == "error")
    warnings = [problem for problem in reading.diagnostics if problem.severity != "error"]
    workspace = reading.workspace
    if workspace is None:
        return Examination(None, None, errors, (), tuple(warnings))
    graph, problems = build(certain(workspace, reading.gaps), _core.PatternSet)
    facts = Facts(workspace, reading, graph, host)
    for check in CHECKS:
        if not (check.whole and errors) and not (check.ordered and problems):
            warnings += check.find(facts)
    projects = tuple((name, project.root, len(project.tasks)) for name, project in workspace.projects.items())
    found = with_sources(problems), with_sources(warnings)
    return Examination(projects, bearing(workspace, directory), errors, *found)


class Check(Record):
    """One kind of warning. A `whole` one needs every file to be right, an `ordered` one the graph too."""

    find: Callable[[Facts], Iterable[Diagnostic]]
    whole: bool = False
    ordered: bool = False


class Facts:
    """What the checks look at. Tasks of files with errors are left out: what was dropped may be what is missed."""

    def __init__(self, workspace: Workspace, reading: Reading, graph: TaskGraph, host: Asked) -> None:
        self.workspace = workspace
        self.reading = reading
        self.graph = graph
        self.host = host
        self.root = workspace.root.rstrip("/")
        wrong = reading.gaps.files
        self.tasks = [
            spec
            for project in workspace.projects.values()
            for spec in project.tasks.values()
            if spec.origin is None or spec.origin.file not in wrong
        ]
        every = [spec for project in workspace.projects.values() for spec in project.tasks.values()]
        self.outputs = [pattern for spec in every for pattern in spec.outputs if not pattern.exclude]
        self._literal_outputs = {pattern.anchored for pattern in self.outputs if pattern.literal}
        self._written = _core.PatternSet([_listed(spec.outputs) for spec in every])
        self._readers = _core.PatternSet([_listed(spec.inputs) for spec in self.tasks])
        self.disk = Disk(self.root, reading.trace or Trace(workspace.root))
        self._documents: dict[str, Node | None] = {}

    def written(self, path: str) -> bool:
        """Whether an output of some task is, or matches, a workspace path, or may be a directory that it lies in."""
        if self._written.matching(path):
            return True
        ends = [at for at, character in enumerate(path) if at and character == "/"]
        return any(path[:end] in self._literal_outputs for end in ends)

    def readers(self, path: str) -> list[TaskSpec]:
        return [self.tasks[number] for number in self._readers.matching(path)]

    def named(self, reference: Reference, owner: str) -> tuple[TaskId, ...]:
        """Return the tasks that a reference names; none where it is wrong, which the graph reports."""
        found = Resolver(self.workspace).resolve(reference, owner)
        return () if isinstance(found, Unresolved) else found

    def warn(
        self, code: str, spec: TaskSpec, message: str, hint: str, key: str | None = None, text: str | None = None
    ) -> Diagnostic:
        """Warn about a task, at the entry `text` of its `key` where that can be found."""
        return Diagnostic(f"haz::{code}", message, self._span(spec, key, text), hint, (), (), str(spec.id), "warning")

    def _span(self, spec: TaskSpec, key: str | None, text: str | None) -> Span | None:
        origin = spec.origin
        if origin is None:
            return None
        node = self._node(origin.file, ("tasks", spec.id.task, key), text) if key is not None else None
        if node is None:
            return Span(origin.file, origin.line, origin.column, len(spec.id.task))
        length = node.end_column - node.column if node.end_line == node.line else 1
        return Span(origin.file, node.line, node.column, max(1, length))

    def _node(self, file: str, keys: tuple[str, ...], text: str | None) -> Node | None:
        """Find a value again that the loader has read: only warnings need to know where each entry stands."""
        if file not in self._documents:
            try:
                with open(file, "rb") as opened:
                    self._documents[file] = _core.yaml_parse(opened.read())
            except (OSError, YamlError):
                self._documents[file] = None
        node = self._documents[file]
        for key in keys:
            if node is None or node.kind != "mapping":
                return None
            node = next((value for name, value in node.value if name.value == key), None)
        if node is not None and node.kind == "sequence" and text is not None:
            return next((item for item in node.value if item.value == text), node)
        return node


def _listed(patterns: tuple[Pattern, ...]) -> list[tuple[str, bool, bool, int]]:
    return [pattern.listed for pattern in patterns]


# --- Inputs and outputs ----------------------------------------------------------------------------------------------


def literal_inputs(facts: Facts) -> Iterator[Diagnostic]:
    """O17: what would fail the task with "missing input" can be seen before."""
    for spec in facts.tasks:
        for pattern in spec.inputs:
            if not pattern.literal or pattern.exclude or facts.written(pattern.anchored):
                continue
            path = facts.root + pattern.anchored
            directory, _, name = path.rpartition("/")
            if facts.disk.files_in(directory or "/").get(name) is False:
                continue
            if not facts.disk.exists(path):
                message = f"{spec.id}: the input `{pattern.text}` does not exist, and no task writes it"
                hint = "create it, correct the path (a leading `/` is the workspace root), or list the task's output"
                yield facts.warn("chk::001", spec, message, hint, "inputs", pattern.text)
            elif facts.disk.is_directory(path):
                message = f"{spec.id}: the input `{pattern.text}` is a directory; the task would fail"
                yield facts.warn("chk::002", spec, message, f"write `{pattern.text}/**`", "inputs", pattern.text)


def without_inputs(facts: Facts) -> Iterator[Diagnostic]:
    for spec in facts.tasks:
        declared = any(not pattern.exclude for pattern in spec.inputs) or any(tool.file for tool in spec.tools)
        declared |= bool(spec.locks)
        if spec.cache and not declared and not _does_nothing(spec):
            message = f"{spec.id} is cached, but has no `inputs`: no edit to a file would make it run again"
            hint = "list the files that it reads, or say `cache: false`"
            yield facts.warn("chk::003", spec, message, hint)


def _does_nothing(spec: TaskSpec) -> bool:
    action = spec.action
    if isinstance(action, Command):
        return len(action.argv) < 2 and "".join(action.argv).rpartition("/")[2] in _NOTHING
    return action.script.strip() in _NOTHING


def foreign_inputs(facts: Facts) -> Iterator[Diagnostic]:
    """O18: the private files of other tools change with every run of theirs."""
    foreign = Foreign(facts.root, facts.disk.files_in)
    for spec in facts.tasks:
        for pattern in spec.inputs:
            owned = None if pattern.exclude else foreign.named_in(pattern)
            if owned is not None and not _made_here(facts, pattern, owned):
                yield _reaches(facts, spec, pattern.text, owned.rpartition("/")[2])
    seen: set[tuple[int, str]] = set()
    for directory in foreign.below(pattern for spec in facts.tasks for pattern in spec.inputs):
        name = directory.rpartition("/")[2]
        for path in foreign.samples(directory):
            for spec in facts.readers(path):
                hit = id(spec), name
                named = any(name in pattern.anchored.split("/") for pattern in spec.inputs)
                if hit not in seen and not spec.gitignore and not named and not facts.written(path):
                    seen.add(hit)
                    yield _reaches(facts, spec, path, name)


def _made_here(facts: Facts, pattern: Pattern, directory: str) -> bool:
    """Whether a task says that it writes what the pattern reads."""
    if pattern.literal:
        return facts.written(pattern.anchored)
    return any(output.anchored.startswith(f"{directory}/") for output in facts.outputs)


def _reaches(facts: Facts, spec: TaskSpec, what: str, name: str) -> Diagnostic:
    message = f"{spec.id}: the inputs reach into `{name}`, which another tool keeps for itself: `{what}`"
    hint = f'exclude it with "!**/{name}/**", say `gitignore: true`, or list the lock file instead'
    return facts.warn("chk::004", spec, message, hint, "inputs", what)


def aliased_outputs(facts: Facts) -> Iterator[Diagnostic]:
    """O20: one file under two names is two outputs to DAG-015."""
    first: dict[str, tuple[TaskSpec, Pattern]] = {}
    for spec in facts.tasks:
        for pattern in spec.outputs:
            if not pattern.literal or pattern.exclude:
                continue
            directory, _, name = (facts.root + pattern.anchored).rpartition("/")
            other, before = first.setdefault(f"{facts.disk.real(directory)}/{name}", (spec, pattern))
            if before.anchored != pattern.anchored and other is not spec:
                message = f"{other.id} and {spec.id} write one file: {before.anchored} and {pattern.anchored}"
                hint = "a symbolic link makes them the same; give each task an output of its own"
                yield facts.warn("chk::011", spec, message, hint, "outputs", pattern.text)


# --- Processes -------------------------------------------------------------------------------------------------------


def unset_variables(facts: Facts) -> Iterator[Diagnostic]:
    """O25. One warning for each name: it is often listed once for the whole workspace."""
    wanted: dict[str, list[TaskSpec]] = {}
    for spec in facts.tasks:
        given = {name for name, _ in spec.environment.override}
        for name in (*spec.environment.from_host, *spec.environment.secret):
            if name not in given and facts.host.get(name) is None:
                wanted.setdefault(name, []).append(spec)
    for name, specs in sorted(wanted.items()):
        named = ", ".join(str(spec.id) for spec in specs[:_NAMED])
        more = f" and {len(specs) - _NAMED} more" if len(specs) > _NAMED else ""
        message = f"`{name}` is taken from the host, but is not set here: {named}{more} would start without it"
        yield facts.warn("chk::005", specs[0], message, f"set {name}, or give it a value in `env.override`", "env")


def programs(facts: Facts) -> Iterator[Diagnostic]:
    """O17, O30: a program that is not there fails the task at once."""
    found: dict[tuple[str, str, str], bool] = {}
    for spec in facts.tasks:
        path = _search_path(spec, facts.host)
        for key, program in _programs(spec):
            absolute = "/" not in program and all(directory.startswith("/") for directory in path.split(":"))
            where = program, path, "" if absolute else spec.root
            if where not in found:
                found[where] = _can_start(facts, program, path, spec.root)
            if found[where]:
                continue
            if key == "shell":
                message = f"{spec.id}: the shell `{program}` is not found on the task's PATH"
                yield facts.warn("chk::007", spec, message, _path_hint(spec), "shell_type")
            else:
                place = "in the project" if "/" in program else "on the task's PATH"
                message = f"{spec.id}: the program `{program}` of `{key}` is not found {place}"
                yield facts.warn("chk::006", spec, message, _path_hint(spec), key, program)


def _programs(spec: TaskSpec) -> Iterator[tuple[str, str]]:
    if not isinstance(spec.action, Command):
        yield "shell", spec.action.shell
    elif spec.action.argv:
        yield "command", spec.action.argv[0]
    for tool in spec.tools:
        if tool.command:
            yield "tools", tool.command[0]
    if spec.ready is not None and spec.ready.command:
        yield "ready", spec.ready.command[0]


def _search_path(spec: TaskSpec, host: Asked) -> str:
    environment = spec.environment
    given = dict(environment.override).get("PATH")
    if given is None and "PATH" in (*environment.passed, *environment.from_host, *environment.secret):
        given = host.get("PATH")
    return DEFAULT_PATH if given is None else given


def _path_hint(spec: TaskSpec) -> str:
    environment = spec.environment
    names = (*environment.from_host, *environment.passed, *environment.secret, *dict(environment.override))
    if "PATH" in names:
        return "install it, or correct its name; a path with `/` is relative to the project"
    return "the task has no PATH: add it to `env.pass`"


def _can_start(facts: Facts, program: str, path: str, root: str) -> bool:
    home = facts.root + root
    if "/" in program:
        places = [os.path.normpath(os.path.join(home, program))]
    else:
        places = [os.path.normpath(os.path.join(home, directory, program)) for directory in path.split(":")]
    for place in places:
        if facts.disk.is_program(place):
            return True
        if place.startswith(f"{facts.root}/") and facts.written(place[len(facts.root) :]):
            return True
    return False


# --- Names and files -------------------------------------------------------------------------------------------------


def yaml_endings(facts: Facts) -> Iterator[Diagnostic]:
    """O28; those among the overlays are told by the loader."""
    places = [f"{facts.root}{project.root}/haz" for project in facts.workspace.projects.values()]
    for stem in (f"{facts.root}/.haz/workspace", *places):
        directory, _, name = stem.rpartition("/")
        if f"{name}.yaml" in facts.disk.files_in(directory):
            message = f"{stem}.yaml is not read: the name of the file is `{name}.yml`"
            yield Diagnostic("haz::chk::008", message, help="rename it, or remove it", severity="warning")


def same_but_for_case(facts: Facts) -> Iterator[Diagnostic]:
    """O31: file systems that fold case or normalise make one of two."""
    workspace = facts.workspace
    groups = [("tags", dict.fromkeys(tag for project in workspace.projects.values() for tag in project.tags))]
    groups += [("directories of projects", dict.fromkeys(project.root for project in workspace.projects.values()))]
    groups += [("overlays", dict.fromkeys(overlay.name for overlay in facts.reading.overlays))]
    groups += [("outputs", dict.fromkeys(pattern.anchored for pattern in facts.outputs if pattern.literal))]
    groups += [(f"tasks of {name}", dict.fromkeys(project.tasks)) for name, project in workspace.projects.items()]
    for what, names in groups:
        by_fold: dict[str, str] = {}
        for name in names:
            other = by_fold.setdefault(_folded(name), name)
            if other != name:
                message = f"the {what} `{other}` and `{name}` differ only in case or in how they are encoded"
                hint = "choose another name for one of the two: not every file system can keep them apart"
                yield Diagnostic("haz::chk::009", message, help=hint, severity="warning")


def _folded(name: str) -> str:
    if name.isascii():
        return name.lower()
    import unicodedata  # noqa: PLC0415 - rare

    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def other_encodings(facts: Facts) -> Iterator[Diagnostic]:
    """O31: one letter, written as one character or as several, is two names to haz."""
    for spec in facts.tasks:
        for key, patterns in (("inputs", spec.inputs), ("outputs", spec.outputs)):
            for pattern in patterns:
                if not pattern.text.isascii() or not pattern.anchored.isascii():
                    yield from _encoded(facts, spec, key, pattern)


def _encoded(facts: Facts, spec: TaskSpec, key: str, pattern: Pattern) -> Iterator[Diagnostic]:
    from haz.normal_form import is_composed, lookalike  # noqa: PLC0415 - rare

    kind = f"{'exclusion' if pattern.exclude else key.removesuffix('s')} `{pattern.text}`"
    if not is_composed(pattern.text):
        message = f"{spec.id}: the {kind} has letters that are written as several characters (not NFC)"
        hint = "type it anew, and give the files composed names too: it finds only names of exactly these characters"
        yield facts.warn("chk::015", spec, message, hint, key, pattern.text)
    elif (found := lookalike(facts.root, facts.disk.files_in, pattern)) is not None:
        message = f"{spec.id}: the {kind} misses {found}, whose name looks the same and is encoded in another way"
        hint = "rename the file: its letters with marks are several characters each (not NFC)"
        yield facts.warn("chk::015", spec, message, hint, key, pattern.text)


def unused_bodies(facts: Facts) -> Iterator[Diagnostic]:
    """Bodies of overlays that no project uses, so that nothing can ever run them; whole overlays are cfg::051."""
    projects = facts.workspace.projects.values()
    used = {
        spec.origin
        for project in projects
        for spec in project.tasks.values()
        if spec.origin is not None and OVERLAYS in spec.origin.file
    }
    for overlay in facts.reading.overlays:
        wanted = set(overlay.tags_filter)
        if not any(wanted <= set(project.tags) for project in projects):
            continue
        for name, task in overlay.tasks.items():
            if task.origin not in used:
                message = f"no project uses the task `{name}` of the overlay `{overlay.name}`"
                hint = "every project that it applies to has the task from its own `haz.yml` or from another overlay"
                span = overlay.source.span(task.key)
                yield Diagnostic("haz::chk::010", message, span, hint, severity="warning")


CHECKS = (
    Check(lambda facts: unordered_producers(facts.graph), whole=True, ordered=True),
    Check(literal_inputs, whole=True),
    Check(without_inputs),
    Check(foreign_inputs, whole=True),
    Check(aliased_outputs),
    Check(unset_variables),
    Check(programs, whole=True),
    Check(yaml_endings),
    Check(same_but_for_case),
    Check(other_encodings),
    Check(unused_bodies, whole=True),
    Check(undeclared_products, whole=True, ordered=True),
    Check(fruitless_inputs, whole=True),
)
