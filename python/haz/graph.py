"""The graph of tasks: who must come before whom, and who writes what another one reads (spec 01 §10.3)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, ItemsView, Iterator, KeysView, Mapping, Sequence, ValuesView
    from typing import Any, Protocol

    from haz.model import EdgeKind, TaskId, TaskSpec

    Adjacency = dict[TaskId, tuple[TaskId, ...]]
    Before = tuple[tuple[TaskId, ...], tuple[TaskId, ...], tuple[TaskId, ...]]

    class Matcher(Protocol):
        """What the pure layer needs of `haz._core.PatternSet`."""

        def matching(self, path: str, /) -> list[int]: ...

    PatternList = list[tuple[str, bool, bool, int]]
    Compile = Callable[[Sequence[Sequence[tuple[str, bool, bool, int]]]], Matcher]

    SpecMapping = Mapping[TaskId, TaskSpec]
else:
    SpecMapping = object


class Specs(SpecMapping):
    """The specs of tasks, in canonical order; each is decoded when it is looked at first.

    `encoded` has a number for each, from which `decode` makes the spec. `patterns` gives the input (0) or the
    output (1) patterns of all of them as the core compiles them. `near` names the tasks, these and perhaps others, of
    which an input pattern could match a workspace path, without decoding what all others read.
    """

    __slots__ = ("_decode", "_encoded", "_known", "_near", "patterns")

    def __init__(
        self,
        encoded: dict[TaskId, int],
        decode: Callable[[int], TaskSpec],
        patterns: Callable[[int], list[PatternList]],
        near: Callable[[str], list[TaskId]],
    ) -> None:
        self._encoded = encoded
        self._decode = decode
        self._near = near
        self._known: dict[TaskId, TaskSpec] = {}
        self.patterns = patterns

    def __len__(self) -> int:
        return len(self._encoded)

    def __iter__(self) -> Iterator[TaskId]:
        return iter(self._encoded)

    def __contains__(self, task: object) -> bool:
        return task in self._encoded

    def __getitem__(self, task: TaskId) -> TaskSpec:
        known = self._known.get(task)
        if known is None:
            known = self._known[task] = self._decode(self._encoded[task])
        return known

    def get(self, task: TaskId, default: Any = None) -> Any:
        return self[task] if task in self._encoded else default

    def keys(self) -> KeysView[TaskId]:
        return self._encoded.keys()

    def values(self) -> ValuesView[TaskSpec]:
        return self._all().values()

    def items(self) -> ItemsView[TaskId, TaskSpec]:
        return self._all().items()

    def _all(self) -> dict[TaskId, TaskSpec]:
        return {task: self[task] for task in self._encoded}

    def number(self, task: TaskId) -> int:
        """Return what a task is decoded from: its place among all that there were."""
        return self._encoded[task]

    def near(self, path: str) -> tuple[TaskId, ...]:
        """Return those of which an input pattern could match a workspace path, in canonical order."""
        return tuple([task for task in self._near(path) if task in self._encoded])

    def only(self, tasks: Collection[TaskId]) -> Specs:
        """Return those of some tasks; decoded together with these."""
        lists = self.patterns
        places = [place for place, task in enumerate(self._encoded) if task in tasks]
        some = Specs(
            {task: body for task, body in self._encoded.items() if task in tasks},
            self._decode,
            lambda side: [lists(side)[place] for place in places],
            self._near,
        )
        some._known = self._known
        return some


def pattern_lists(specs: Mapping[TaskId, TaskSpec], side: int) -> list[PatternList]:
    """Return the inputs (0) or the outputs (1) of all tasks as the core compiles them."""
    if isinstance(specs, Specs):
        return specs.patterns(side)
    return [[p.listed for p in (spec.outputs if side else spec.inputs)] for spec in specs.values()]


class TaskGraph:
    """Tasks in canonical order and, per edge kind, the neighbours of every one of them in canonical order.

    An edge leads from the task that comes first (predecessor, producer) to the one that needs it.
    """

    __slots__ = (
        "hard_predecessors",
        "hard_successors",
        "nodes",
        "producer_predecessors",
        "producer_successors",
        "soft_predecessors",
        "soft_successors",
        "specs",
    )

    def __init__(
        self, specs: Mapping[TaskId, TaskSpec], hard: Adjacency, soft: Adjacency, producers: Adjacency
    ) -> None:
        """`specs` in canonical order; `hard`, `soft` and `producers` map tasks to predecessors, in canonical order."""
        self.specs = specs
        self.nodes = tuple(specs)
        self.hard_predecessors = dict.fromkeys(self.nodes, ()) | hard
        self.soft_predecessors = dict.fromkeys(self.nodes, ()) | soft
        self.producer_predecessors = dict.fromkeys(self.nodes, ()) | producers
        self.hard_successors = _reversed(self.nodes, hard)
        self.soft_successors = _reversed(self.nodes, soft)
        self.producer_successors = _reversed(self.nodes, producers)

    def restrict(self, tasks: Collection[TaskId]) -> TaskGraph:
        """Cut out the graph of some of the tasks, with the edges that have both ends among them."""
        kept = tasks if isinstance(tasks, (set, frozenset, dict)) else set(tasks)
        if len(kept) == len(self.nodes):
            return self
        specs: Mapping[TaskId, TaskSpec]
        if isinstance(self.specs, Specs):
            specs = self.specs.only(kept)
        else:
            specs = {task: self.specs[task] for task in self.nodes if task in kept}
        return TaskGraph(
            specs,
            _restricted(specs, self.hard_predecessors),
            _restricted(specs, self.soft_predecessors),
            _restricted(specs, self.producer_predecessors),
        )

    def with_specs(self, specs: Mapping[TaskId, TaskSpec]) -> TaskGraph:
        """Return the same graph over other specs of the same tasks, in the same order."""
        return TaskGraph(specs, self.hard_predecessors, self.soft_predecessors, self.producer_predecessors)

    def before(self, task: TaskId) -> Before:
        """Return the hard, the soft and the producing predecessors of one task."""
        return self.hard_predecessors[task], self.soft_predecessors[task], self.producer_predecessors[task]

    def edge_kind(self, task: TaskId, successor: TaskId) -> EdgeKind:
        """Return the strongest kind of edge between two tasks that have one."""
        if successor in self.hard_successors[task]:
            return "hard"
        return "soft" if successor in self.soft_successors[task] else "producer"

    def not_before(self, task: TaskId, others: Collection[TaskId]) -> tuple[TaskId, ...]:
        """Return those of `others` that no path of hard and soft edges puts before `task`."""
        missing = set(others)
        missing.discard(task)
        seen = {task}
        queue = [task]
        for node in queue:
            if not missing:
                break
            for predecessor in (*self.hard_predecessors[node], *self.soft_predecessors[node]):
                if predecessor not in seen:
                    seen.add(predecessor)
                    missing.discard(predecessor)
                    queue.append(predecessor)
        return tuple(sorted(missing))


def _reversed(nodes: tuple[TaskId, ...], predecessors: Adjacency) -> Adjacency:
    grown: dict[TaskId, list[TaskId]] = {}
    for task in nodes:
        for predecessor in predecessors.get(task, ()):
            grown.setdefault(predecessor, []).append(task)
    return dict.fromkeys(nodes, ()) | {task: tuple(successors) for task, successors in grown.items()}


def _restricted(kept: Mapping[TaskId, TaskSpec], predecessors: Adjacency) -> Adjacency:
    return {
        task: tuple(predecessor for predecessor in predecessors[task] if predecessor in kept)
        for task in kept
        if predecessors[task]
    }
