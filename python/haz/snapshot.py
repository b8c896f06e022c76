"""The configuration of a workspace as it was understood last: read, validated, and its graph built.

`<root>/.haz/state/workspace-v1` holds it together with the facts about the disk that it follows from: which files and
directories were read, and in which state they were. While all of them hold, no file of it has to be read.
Only what a run leaves is believed, only by the same version of haz and Python, and only as a whole.
"""

from __future__ import annotations

import marshal
import os
from itertools import accumulate, chain, repeat

from haz import _core, model, proven
from haz._record import Record
from haz._uncollected import uncollected
from haz.cache.formats import SNAPSHOT, SNAPSHOT_MAGIC
from haz.graph import Specs, TaskGraph
from haz.model import ProjectSpec, TaskId, Workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, Sequence, ValuesView
    from typing import Any

    from haz.discovery import Root
    from haz.graph import Before, PatternList
    from haz.model import TaskSpec

    AnyMapping = Mapping[str, Any]
    Edges = list[tuple[tuple[int, ...], ...]]
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
    bodies = _Bodies(found, _LENGTH + length, kept["parts"], kept["ends"])
    names, places = kept["projects"][:2]
    tasks = [*map(tuple.__new__, repeat(TaskId), kept["tasks"])]
    numbers = dict(zip(tasks, range(len(tasks)), strict=True))
    near = _Readers(bodies, tasks)
    # Patterns are not kept: who compiles them has no use for 10 MB of values after that.
    specs = Specs(
        numbers, lambda number: unpacked(bodies("specs", number)), lambda side: bodies("patterns", side), near
    )
    projects = Projects(kept["projects"], tasks, specs)
    workspace = Workspace(root.path, root.explicit, unpacked(kept["settings"]), projects)
    graph = StoredGraph(specs, tuple(tasks), lambda number: bodies("edges", number))
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


# Inverts `packed`. In the core, because `haz list` makes 64,000 of them for 6,000 tasks.
unpacked = _core.Records(TaskId, [(record, record._fields) for record in _RECORDS]).unpacked
# Bytes of the length of the values.
_LENGTH = 8
# What is decoded together: a few are found without all, and all without a call for each.
_BLOCK = 64


def _kept(workspace: Workspace, graph: TaskGraph) -> tuple[dict[str, Any], list[bytes]]:
    """Return what is restored at once, and what when somebody asks."""
    projects = workspace.projects.values()
    rows = [(p.name, p.root, p.tags, packed(p.origin), p.description, len(p.tasks)) for p in projects]
    numbers = {task: number for number, task in enumerate(graph.nodes)}
    edges = [tuple(tuple(numbers[other] for other in some) for some in graph.before(task)) for task in graph.nodes]
    specs = graph.specs.values()
    patterns = [
        [[p.listed for p in spec.inputs] for spec in specs],
        [[p.listed for p in spec.outputs] for spec in specs],
    ]
    parts: dict[str, Iterable[Any]] = {
        # One after the other: together they would take more memory than all that is to be packed.
        "specs": map(packed, specs),
        "patterns": patterns,
        "edges": (edges[start : start + _BLOCK] for start in range(0, len(edges), _BLOCK)),
        "readers": _readers(patterns[0]),
    }
    made = {name: [marshal.dumps(body) for body in some] for name, some in parts.items()}
    bodies = [*chain.from_iterable(made.values())]
    columns = tuple(zip(*rows, strict=True)) or ((),) * 6
    kept = {
        "settings": packed(workspace.settings),
        "projects": columns,
        "tasks": [*map(tuple, graph.nodes)],
        "parts": {name: len(some) for name, some in made.items()},
        "ends": [*accumulate(map(len, bodies))],
    }
    return kept, bodies


def _readers(inputs: Sequence[PatternList]) -> list[dict[str, list[int]]]:
    """Return the numbers of the tasks that read what begins so, each in the part that `_part_of` says.

    That is a path of a literal, and of a glob the directory that all it matches lies in, with a `/` at its end.
    """
    found: dict[str, list[int]] = {}
    for number, patterns in enumerate(inputs):
        for start in {_start_of(anchored, literal) for anchored, literal, exclude, _ in patterns if not exclude}:
            found.setdefault(start, []).append(number)
    parts: list[dict[str, list[int]]] = [{} for _ in range(len(found) // _BLOCK + 1)]
    for start, numbers in found.items():
        parts[_part_of(start, len(parts))][start] = numbers
    return parts


def _start_of(anchored: str, literal: bool) -> str:
    if literal:
        return anchored
    length = next((at for at, sign in enumerate(anchored) if sign in "*?[]{}\\"), len(anchored))
    return anchored[: anchored.rfind("/", 0, length) + 1]


def _part_of(start: str, count: int) -> int:
    return int.from_bytes(_core.digest_bytes(os.fsencode(start))[:4], "little") % count


class _Readers:
    """The tasks that may read a path."""

    __slots__ = ("_bodies", "_tasks")

    def __init__(self, bodies: _Bodies, tasks: Sequence[TaskId]) -> None:
        self._bodies = bodies
        self._tasks = tasks

    def __call__(self, path: str) -> list[TaskId]:
        starts = [path, *(path[: at + 1] for at, sign in enumerate(path) if sign == "/")]
        numbers: set[int] = set()
        for start in starts:
            part = self._bodies("readers", _part_of(start, self._bodies.count("readers")))
            numbers.update(part.get(start, ()))
        return [self._tasks[number] for number in sorted(numbers)]


class _Bodies:
    """What is decoded when somebody asks, by part and number."""

    __slots__ = ("_ends", "_file", "_first", "_parts", "_start")

    def __init__(self, file: _core.Proven, start: int, parts: dict[str, int], ends: list[int]) -> None:
        self._file = file
        self._start = start
        self._parts = parts
        self._first = dict(zip(parts, accumulate(parts.values(), initial=0), strict=False))
        self._ends = ends

    def count(self, part: str) -> int:
        return self._parts[part]

    def __call__(self, part: str, number: int) -> Any:
        number += self._first[part]
        start = self._ends[number - 1] if number else 0
        return marshal.loads(self._file.part(self._start + start, self._start + self._ends[number]))  # noqa: S302 - as above


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
    """A graph whose neighbours are made when somebody asks for them; `decode` gives those of a block of tasks."""

    __slots__ = ("_blocks", "_decode", "_number")

    def __init__(self, specs: Specs, nodes: tuple[TaskId, ...], decode: Callable[[int], Edges]) -> None:
        self.specs = specs
        self.nodes = nodes
        self._number = specs.number
        self._decode = decode
        self._blocks: dict[int, Edges] = {}

    def _block(self, number: int) -> Edges:
        known = self._blocks.get(number)
        if known is None:
            known = self._blocks[number] = self._decode(number)
        return known

    def before(self, task: TaskId) -> Before:
        number = self._number(task)
        nodes = self.nodes
        hard, soft, producers = self._block(number // _BLOCK)[number % _BLOCK]
        return (
            tuple([nodes[other] for other in hard]),
            tuple([nodes[other] for other in soft]),
            tuple([nodes[other] for other in producers]),
        )

    def __getattr__(self, name: str) -> Any:
        kind, _, side = name.partition("_")
        if kind not in _EDGES or side not in ("predecessors", "successors"):
            raise AttributeError(name)
        place = _EDGES.index(kind)
        nodes = self.nodes
        blocks = map(self._block, range(-(-len(nodes) // _BLOCK)))
        edges = [(task, row[place]) for task, row in zip(nodes, chain.from_iterable(blocks), strict=True) if row[place]]
        found: dict[TaskId, tuple[TaskId, ...]] = dict.fromkeys(nodes, ())
        if side == "predecessors":
            for task, others in edges:
                found[task] = tuple([nodes[other] for other in others])
        else:
            grown: dict[int, list[TaskId]] = {}
            for task, others in edges:
                for other in others:
                    grown.setdefault(other, []).append(task)
            for other, tasks in grown.items():
                found[nodes[other]] = tuple(tasks)
        setattr(self, name, found)
        return found
