"""The graph while it runs: the edges that written files add (EXEC-019), and which chain is the longest."""

from __future__ import annotations

from haz.model import RuntimeCycleViolation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from haz.graph import TaskGraph
    from haz.model import TaskId


class RuntimeGraph:
    """Finds the first cycle that a new edge closes.

    It keeps a topological order up to date (Pearce and Kelly), so that an edge that agrees with it costs nothing and
    any other only a search between its two ends. Edges kinds are erased; loops of one task are legal (DAG-014).
    """

    def __init__(self, graph: TaskGraph, index: dict[TaskId, int]) -> None:
        self._graph = graph
        self._index = index
        self._more_successors: dict[int, list[int]] = {}
        self._more_predecessors: dict[int, list[int]] = {}
        self._source = -1
        self._known: set[int] = set()
        self._position: list[int] = []
        self._ordered = True

    def add(self, source: int, target: int) -> RuntimeCycleViolation | None:
        """Add an edge between two different tasks."""
        if source != self._source:
            self._source = source
            self._known = set(self._successors(source))
        if target in self._known:
            return None
        if self._ordered and not self._position:
            self._sort()
        self._known.add(target)
        self._more_successors.setdefault(source, []).append(target)
        self._more_predecessors.setdefault(target, []).append(source)
        if self._ordered and self._position[source] < self._position[target]:
            return None
        # A path from target to source can only run through what stands before source.
        limit = self._position[source] if self._ordered else len(self._index)
        came_from: dict[int, int] = {target: target}
        queue = [target]
        for node in queue:
            for successor in sorted(self._successors(node)):
                if successor in came_from or (self._ordered and self._position[successor] > limit):
                    continue
                came_from[successor] = node
                if successor == source:
                    self._ordered = False
                    return self._violation(source, target, came_from)
                queue.append(successor)
        if self._ordered:
            self._reorder(source, target, queue)
        return None

    def _successors(self, node: int) -> list[int]:
        task = self._graph.nodes[node]
        graph = self._graph
        static = (*graph.hard_successors[task], *graph.soft_successors[task], *graph.producer_successors[task])
        return [*map(self._index.__getitem__, static), *self._more_successors.get(node, ())]

    def _predecessors(self, node: int) -> list[int]:
        task = self._graph.nodes[node]
        graph = self._graph
        static = (*graph.hard_predecessors[task], *graph.soft_predecessors[task], *graph.producer_predecessors[task])
        return [*map(self._index.__getitem__, static), *self._more_predecessors.get(node, ())]

    def _sort(self) -> None:
        size = len(self._index)
        blockers = [0] * size
        for node in range(size):
            for successor in self._successors(node):
                blockers[successor] += successor != node
        order = [node for node, count in enumerate(blockers) if not count]
        for node in order:
            for successor in self._successors(node):
                if successor != node:
                    blockers[successor] -= 1
                    if not blockers[successor]:
                        order.append(successor)
        self._ordered = len(order) == size
        self._position = [0] * size
        for place, node in enumerate(order):
            self._position[node] = place

    def _reorder(self, source: int, target: int, after: list[int]) -> None:
        """Put what leads to source before what target leads to, within the places that both occupy now."""
        position = self._position
        limit = position[target]
        before = [source]
        seen = {source}
        for node in before:
            for predecessor in self._predecessors(node):
                if predecessor not in seen and position[predecessor] >= limit:
                    seen.add(predecessor)
                    before.append(predecessor)
        moved = sorted(before, key=position.__getitem__) + sorted(after, key=position.__getitem__)
        for node, place in zip(moved, sorted(map(position.__getitem__, moved)), strict=True):
            position[node] = place

    def _violation(self, source: int, target: int, came_from: dict[int, int]) -> RuntimeCycleViolation:
        path = {source}
        node = source
        while node != target:
            node = came_from[node]
            path.add(node)
        tasks = self._graph.nodes
        return RuntimeCycleViolation(tuple(tasks[member] for member in sorted(path)), (tasks[source], tasks[target]))


def longest_chain_first(hard: list[list[int]], soft: list[list[int]], durations: Sequence[float | None]) -> list[int]:
    """Sort tasks by the length of the longest chain of successors that each starts, ties in canonical order.

    `durations` in seconds; None counts as the mean of the others.
    """
    known = [duration for duration in durations if duration is not None]
    mean = sum(known) / len(known) if known else 1.0
    lengths = [mean if duration is None else duration for duration in durations]
    blockers = [0] * len(lengths)
    for successors in (*hard, *soft):
        for successor in successors:
            blockers[successor] += 1
    order = [node for node, count in enumerate(blockers) if not count]
    for node in order:
        for successor in (*hard[node], *soft[node]):
            blockers[successor] -= 1
            if not blockers[successor]:
                order.append(successor)
    for node in reversed(order):
        lengths[node] += max((lengths[successor] for successor in (*hard[node], *soft[node])), default=0.0)
    return sorted(range(len(lengths)), key=lambda node: (-lengths[node], node))
