"""The configuration of a workspace as it was understood last: read, validated, and its graph built.

`<root>/.haz/state/workspace-v1` holds it together with the facts about the disk that it follows from: which files and
directories were read, and in which state they were. While all of them hold, no file of it has to be read.
Only what a run leaves is believed, only by the same version of haz and Python, and only as a whole.
"""

from __future__ import annotations

import marshal
from itertools import accumulate, repeat

from haz import model, proven
from haz._record import Record
from haz._uncollected import uncollected
from haz.cache.formats import SNAPSHOT, SNAPSHOT_MAGIC
from haz.graph import Specs, TaskGraph
from haz.model import ProjectSpec, TaskId, Workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, Sequence, ValuesView
    from typing import Any

    from haz import _core
    from haz.discovery import Root
    from haz.graph import PatternList
    from haz.model import TaskSpec

    AnyMapping = Mapping[str, Any]
    Edges = dict[str, list[tuple[int, tuple[int, ...]]]]
else:
    AnyMapping = object

_RECORDS: tuple[type[Record], ...] = tuple(
    value
    for _, value in sorted(vars(model).items())
    if isinstance(value, type) and issubclass(value, Record) and value is not Record
)
_SHAPES = tuple((record.__name__, record._fields) for record in _RECORDS)
_CODES = {record: code for code, record in enumerate(_RECORDS, 1)}
_EDGES = ("hard", "soft", "producer")


class Snapshot(Record):
    """A valid workspace with its graph. `identity` is a digest of all that both follow from.

    `names` are those of the projects, by their workspace paths.
    """

    workspace: Workspace
    graph: TaskGraph
    identity: bytes
    names: Mapping[str, str]


@uncollected
def load(root: Root, version: str) -> Snapshot | None:
    """Return what is known of the workspace at `root`, if the disk still says the same. Never raises."""
    found = proven.read(root, SNAPSHOT, SNAPSHOT_MAGIC, (version, _SHAPES))
    if found is None:
        return None
    length = int.from_bytes(found.part(0, _LENGTH), "little")
    kept = marshal.loads(found.part(_LENGTH, _LENGTH + length))  # noqa: S302 - checked, and proven
    bodies = _Bodies(found, _LENGTH + length, kept["ends"])
    names, places = kept["projects"][:2]
    tasks = [*map(tuple.__new__, repeat(TaskId), kept["tasks"])]
    numbers = dict(zip(tasks, range(len(tasks)), strict=True))
    specs = Specs(numbers, lambda number: unpacked(bodies(number)), _Patterns(bodies, len(tasks)))
    projects = Projects(kept["projects"], tasks, specs)
    workspace = Workspace(root.path, root.explicit, unpacked(kept["settings"]), projects)
    graph = StoredGraph(specs, tuple(tasks), lambda: bodies(len(tasks) + 2))
    return Snapshot(workspace, graph, found.identity, dict(zip(places, names, strict=True)))


def save(root: Root, version: str, facts: bytes, workspace: Workspace, graph: TaskGraph) -> bytes | None:
    """Leave what was understood for later runs; its identity, or None where it cannot be left.

    `facts` must be from before anything else was done: a file that was changed since has not been read.
    """
    kept, bodies = _kept(workspace, graph)
    values = marshal.dumps(kept)
    payload = b"".join((len(values).to_bytes(_LENGTH, "little"), values, *bodies))
    return proven.write(root, SNAPSHOT, SNAPSHOT_MAGIC, (version, _SHAPES), facts, payload)


# --- Values ----------------------------------------------------------------------------------------------------------


def packed(value: Any) -> Any:
    """Make a value of records what `marshal` writes: a list is a record, its first item says which."""
    kind = type(value)
    if kind in _CODES:
        return [_CODES[kind], *[packed(getattr(value, field)) for field in kind._fields]]
    if kind is TaskId:
        return [0, *value]
    if kind is tuple:
        return tuple([packed(item) for item in value])
    if kind is dict:
        return {packed(name): packed(item) for name, item in value.items()}
    return value


def unpacked(value: Any) -> Any:
    """Invert `packed`."""
    kind = type(value)
    # Most items are plain: to look at one is a fifth of a call.
    if kind is list:
        fields = [item if type(item) in _PLAIN else unpacked(item) for item in value[1:]]
        return _RECORDS[value[0] - 1](*fields) if value[0] else TaskId(*fields)
    if kind is tuple:
        return tuple([item if type(item) in _PLAIN else unpacked(item) for item in value]) if value else value
    if kind is dict:
        return {name: unpacked(item) for name, item in value.items()}
    return value


# What stands for itself.
_PLAIN = frozenset((str, int, bool, float, type(None)))
# Bytes of the length of the values.
_LENGTH = 8


def _kept(workspace: Workspace, graph: TaskGraph) -> tuple[dict[str, Any], list[bytes]]:
    """Return what is restored at once, and what when somebody asks: tasks, input patterns, output patterns, edges."""
    projects = workspace.projects.values()
    rows = [(p.name, p.root, p.tags, packed(p.origin), p.description, len(p.tasks)) for p in projects]
    numbers = {task: number for number, task in enumerate(graph.nodes)}
    edges = {}
    for kind in _EDGES:
        neighbours = getattr(graph, f"{kind}_predecessors")
        edges[kind] = [
            (numbers[task], tuple(numbers[other] for other in neighbours[task]))
            for task in graph.nodes
            if neighbours[task]
        ]
    specs = graph.specs.values()
    patterns = [
        [[p.listed for p in spec.inputs] for spec in specs],
        [[p.listed for p in spec.outputs] for spec in specs],
    ]
    bodies = [marshal.dumps(packed(spec)) for spec in specs]
    bodies += [*map(marshal.dumps, patterns), marshal.dumps(edges)]
    columns = tuple(zip(*rows, strict=True)) or ((),) * 6
    kept = {
        "settings": packed(workspace.settings),
        "projects": columns,
        "tasks": [*map(tuple, graph.nodes)],
        "ends": [*accumulate(map(len, bodies))],
    }
    return kept, bodies


class _Bodies:
    """What is decoded when somebody asks, by number."""

    __slots__ = ("_ends", "_file", "_start")

    def __init__(self, file: _core.Proven, start: int, ends: list[int]) -> None:
        self._file = file
        self._start = start
        self._ends = ends

    def __call__(self, number: int) -> Any:
        start = self._ends[number - 1] if number else 0
        return marshal.loads(self._file.part(self._start + start, self._start + self._ends[number]))  # noqa: S302 - as above


class _Patterns:
    """The input and the output patterns of all tasks, as the core compiles them; decoded when somebody asks."""

    __slots__ = ("_bodies", "_lists", "_number")

    def __init__(self, bodies: _Bodies, number: int) -> None:
        self._bodies = bodies
        self._number = number
        self._lists: dict[int, list[PatternList]] = {}

    def __call__(self, side: int) -> list[PatternList]:
        if side not in self._lists:
            self._lists[side] = self._bodies(self._number + side)
        return self._lists[side]


class _Lazy(AnyMapping):
    """A mapping whose values are made when they are looked at first. Subclasses have names and `__getitem__`."""

    __slots__ = ("_names",)

    def __init__(self, names: Iterable[str]) -> None:
        self._names: dict[str, Any] = dict.fromkeys(names)

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self._names else default

    def keys(self) -> KeysView[str]:
        return self._names.keys()

    def values(self) -> ValuesView[Any]:
        return self._all().values()

    def items(self) -> ItemsView[str, Any]:
        return self._all().items()

    def _all(self) -> dict[str, Any]:
        return {name: self[name] for name in self._names}

    def __eq__(self, other: object) -> bool:
        return self._all() == (other._all() if isinstance(other, _Lazy) else other)

    __hash__ = None  # type: ignore[assignment]


class Projects(_Lazy):
    """The projects of a workspace by name."""

    __slots__ = ("_columns", "_specs", "_tasks")

    def __init__(self, columns: tuple[tuple[Any, ...], ...], tasks: Sequence[TaskId], specs: Specs) -> None:
        super().__init__(columns[0])
        self._columns = columns
        self._tasks = tasks
        self._specs = specs

    def __getitem__(self, name: str) -> ProjectSpec:
        known = self._names[name]
        if type(known) is ProjectSpec:
            return known
        self._make()
        made: ProjectSpec = self._names[name]
        return made

    def _make(self) -> None:
        end = 0
        for name, place, tags, origin, description, count in zip(*self._columns, strict=True):
            start, end = end, end + count
            own = Tasks(name, [task.task for task in self._tasks[start:end]], self._specs)
            self._names[name] = ProjectSpec(name, place, tags, own, unpacked(origin), description)


class Tasks(_Lazy):
    """The tasks of a project by name."""

    __slots__ = ("_project", "_specs")

    def __init__(self, project: str, names: list[str], specs: Specs) -> None:
        super().__init__(names)
        self._project = project
        self._specs = specs

    def __getitem__(self, name: str) -> TaskSpec:
        if name not in self._names:
            raise KeyError(name)
        return self._specs[TaskId(self._project, name)]


class StoredGraph(TaskGraph):
    """A graph whose neighbours are made when somebody asks for them."""

    __slots__ = ("_decode", "_edges")

    def __init__(self, specs: Specs, nodes: tuple[TaskId, ...], decode: Callable[[], Edges]) -> None:
        self.specs = specs
        self.nodes = nodes
        self._decode = decode
        self._edges: Edges | None = None

    def __getattr__(self, name: str) -> Any:
        kind, _, side = name.partition("_")
        if kind not in _EDGES or side not in ("predecessors", "successors"):
            raise AttributeError(name)
        if self._edges is None:
            self._edges = self._decode()
        nodes = self.nodes
        found: dict[TaskId, tuple[TaskId, ...]] = dict.fromkeys(nodes, ())
        if side == "predecessors":
            for task, others in self._edges[kind]:
                found[nodes[task]] = tuple([nodes[other] for other in others])
        else:
            grown: dict[int, list[TaskId]] = {}
            for task, others in self._edges[kind]:
                for other in others:
                    grown.setdefault(other, []).append(nodes[task])
            for other, tasks in grown.items():
                found[nodes[other]] = tuple(tasks)
        setattr(self, name, found)
        return found
