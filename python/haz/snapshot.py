"""The configuration of a workspace as it was understood last: read, validated, and its graph built.

`<root>/.haz/state/workspace-v1` holds it together with the facts about the disk that it follows from: which files and
directories were read, and in which state they were. While all of them hold, no file of it has to be read.
Only what a run leaves is believed, only by the same version of haz and Python, and only as a whole.
"""

from __future__ import annotations

import marshal

from haz import model, proven
from haz._record import Record
from haz._uncollected import uncollected
from haz.cache.formats import SNAPSHOT, SNAPSHOT_MAGIC
from haz.graph import Specs, TaskGraph
from haz.model import ProjectSpec, TaskId, Workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
    from typing import Any

    from haz.discovery import Root
    from haz.graph import PatternList
    from haz.model import TaskSpec

    TaskMapping = Mapping[str, TaskSpec]
else:
    TaskMapping = object

_RECORDS: tuple[type[Record], ...] = tuple(
    value
    for _, value in sorted(vars(model).items())
    if isinstance(value, type) and issubclass(value, Record) and value is not Record
)
_SHAPES = tuple((record.__name__, record._fields) for record in _RECORDS)
_CODES = {record: code for code, record in enumerate(_RECORDS, 1)}
_EDGES = ("hard", "soft", "producer")


class Snapshot(Record):
    """A valid workspace with its graph. `identity` is a digest of all that both follow from."""

    workspace: Workspace
    graph: TaskGraph
    identity: bytes


@uncollected
def load(root: Root, version: str) -> Snapshot | None:
    """Return what is known of the workspace at `root`, if the disk still says the same. Never raises."""
    found = proven.read(root, SNAPSHOT, SNAPSHOT_MAGIC, (version, _SHAPES))
    if found is None:
        return None
    identity, payload = found
    workspace, graph = _restored(root, marshal.loads(payload))  # noqa: S302 - checked, and proven
    return Snapshot(workspace, graph, identity)


def save(root: Root, version: str, facts: bytes, workspace: Workspace, graph: TaskGraph) -> bytes | None:
    """Leave what was understood for later runs; its identity, or None where it cannot be left.

    `facts` must be from before anything else was done: a file that was changed since has not been read.
    """
    payload = marshal.dumps(_kept(workspace, graph))
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
    if kind is list:
        fields = [unpacked(item) for item in value[1:]]
        return _RECORDS[value[0] - 1](*fields) if value[0] else TaskId(*fields)
    if kind is tuple:
        return tuple([unpacked(item) for item in value]) if value else value
    if kind is dict:
        return {name: unpacked(item) for name, item in value.items()}
    return value


def _kept(workspace: Workspace, graph: TaskGraph) -> dict[str, Any]:
    numbers = {task: number for number, task in enumerate(graph.nodes)}
    projects = [
        (
            project.name,
            project.root,
            project.tags,
            packed(project.origin),
            project.description,
            tuple((name, marshal.dumps(packed(project.tasks[name]))) for name in sorted(project.tasks)),
        )
        for project in workspace.projects.values()
    ]
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
    return {
        "settings": packed(workspace.settings),
        "projects": projects,
        "edges": edges,
        "patterns": marshal.dumps(patterns),
    }


def _restored(root: Root, kept: dict[str, Any]) -> tuple[Workspace, TaskGraph]:
    projects: dict[str, ProjectSpec] = {}
    encoded: dict[TaskId, bytes] = {}
    for name, *_, tasks in kept["projects"]:
        for task, body in tasks:
            encoded[TaskId(name, task)] = body
    specs = Specs(encoded, lambda body: unpacked(marshal.loads(body)), _Patterns(kept["patterns"]))  # noqa: S302 - as above
    for name, place, tags, origin, description, tasks in kept["projects"]:
        own = Tasks(name, [task for task, _ in tasks], specs)
        projects[name] = ProjectSpec(name, place, tags, own, unpacked(origin), description)
    settings = unpacked(kept["settings"])
    return Workspace(root.path, root.explicit, settings, projects), StoredGraph(specs, kept["edges"])


class _Patterns:
    """The input and the output patterns of all tasks, as the core compiles them; decoded when somebody asks."""

    __slots__ = ("_encoded", "_lists")

    def __init__(self, encoded: bytes) -> None:
        self._encoded = encoded
        self._lists: list[list[PatternList]] | None = None

    def __call__(self, side: int) -> list[PatternList]:
        if self._lists is None:
            self._lists = marshal.loads(self._encoded)  # noqa: S302 - as above
        return self._lists[side]


class Tasks(TaskMapping):
    """The tasks of a project by name; each is decoded when it is looked at first."""

    __slots__ = ("_names", "_project", "_specs")

    def __init__(self, project: str, names: list[str], specs: Specs) -> None:
        self._project = project
        self._names = dict.fromkeys(names)
        self._specs = specs

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __getitem__(self, name: str) -> TaskSpec:
        if name not in self._names:
            raise KeyError(name)
        return self._specs[TaskId(self._project, name)]

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self._names else default

    def keys(self) -> KeysView[str]:
        return self._names.keys()

    def values(self) -> ValuesView[TaskSpec]:
        return self._all().values()

    def items(self) -> ItemsView[str, TaskSpec]:
        return self._all().items()

    def _all(self) -> dict[str, TaskSpec]:
        return {name: self[name] for name in self._names}

    def __eq__(self, other: object) -> bool:
        return self._all() == (other._all() if isinstance(other, Tasks) else other)

    __hash__ = None  # type: ignore[assignment]


class StoredGraph(TaskGraph):
    """A graph whose neighbours are made when somebody asks for them."""

    __slots__ = ("_edges",)

    def __init__(self, specs: Specs, edges: dict[str, list[tuple[int, tuple[int, ...]]]]) -> None:
        self.specs = specs
        self.nodes = tuple(specs)
        self._edges = edges

    def __getattr__(self, name: str) -> Any:
        kind, _, side = name.partition("_")
        if kind not in _EDGES or side not in ("predecessors", "successors"):
            raise AttributeError(name)
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
