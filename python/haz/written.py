"""What the tasks of a run have written: no path twice (EXEC-020), and nothing that closes a cycle (EXEC-019)."""

from __future__ import annotations

from haz._uncollected import uncollected
from haz.model import OutputOverlap
from haz.runtime_graph import RuntimeGraph

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping

    from haz.graph import TaskGraph
    from haz.model import CompletedRecord, RuntimeCycleViolation, TaskId


class Written:
    """Who wrote which path, and the edges from there to whoever reads it.

    `consumers_of` gives the tasks whose inputs match a workspace path, in canonical order; without it EXEC-019 is not
    checked. `running` are the tasks of the run but the `settled` ones, whose outputs count as written from the start.
    """

    def __init__(
        self,
        graph: TaskGraph,
        running: Container[TaskId],
        settled: Mapping[TaskId, CompletedRecord],
        consumers_of: Callable[[str], Iterable[TaskId]] | None,
    ) -> None:
        self._graph = graph
        self._running = running
        self._settled = settled
        self._consumers_of = consumers_of
        self._claims: dict[str, TaskId] | None = None
        self._runtime: tuple[RuntimeGraph, dict[TaskId, int]] | None = None
        # The edges of settled tasks matter only when something of this run is written that one of them reads.
        self._settled_edges = False

    @uncollected
    def prepare(self) -> None:
        """Do ahead of time what takes time when the first path is written."""
        self._all_claims()

    def claim(self, task: TaskId, paths: tuple[str, ...]) -> list[OutputOverlap]:
        """Note that a task has written these; returns those that another one of the run had written before."""
        claims = self._all_claims()
        overlaps: list[OutputOverlap] = []
        for path in paths:
            first = claims.setdefault(path, task)
            if first != task:
                overlaps.append(OutputOverlap(first, task, path))
        return overlaps

    def cycle(self, task: TaskId, paths: tuple[str, ...]) -> RuntimeCycleViolation | None:
        """Add the edges from a task to whoever reads what it has written; returns the first that closes a cycle."""
        if self._consumers_of is None:
            return None
        for path in paths:
            for consumer in self._consumers_of(path):
                if consumer == task:
                    continue
                if consumer in self._settled:
                    violation = self._settle_edges()
                    if violation is not None:
                        return violation
                elif consumer not in self._running:
                    # Only tasks of the run have outgoing edges, so that no other can be on a cycle.
                    continue
                violation = self._add_edge(task, consumer)
                if violation is not None:
                    return violation
        return None

    def _all_claims(self) -> dict[str, TaskId]:
        if self._claims is None:
            records = self._settled.items()
            self._claims = {path: task for task, record in records for path in record.materialised_outputs}
        return self._claims

    def _add_edge(self, source: TaskId, target: TaskId) -> RuntimeCycleViolation | None:
        if any(source in before for before in self._graph.before(target)):
            return None
        if self._runtime is None:
            index = {task: i for i, task in enumerate(self._graph.nodes)}
            self._runtime = RuntimeGraph(self._graph, index), index
        runtime, index = self._runtime
        return runtime.add(index[source], index[target])

    def _settle_edges(self) -> RuntimeCycleViolation | None:
        """Add what the settled tasks have written, once; until now no cycle could have led through one of them."""
        if self._settled_edges:
            return None
        self._settled_edges = True
        for task in self._graph.nodes:
            record = self._settled.get(task)
            if record is not None:
                violation = self.cycle(task, record.materialised_outputs)
                if violation is not None:
                    return violation
        return None
