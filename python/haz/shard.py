"""Parts of a run for machines that work side by side (`--shard I/N`).

All of them compute the same parts from the same tasks and the same weights, and each takes its own: nothing in here
may depend on anything else.
"""

from __future__ import annotations

from haz import _core
from haz._record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from haz.graph import TaskGraph
    from haz.model import TaskId

# What a task weighs of which nothing is known, in milliseconds, when nothing is known of any other.
UNKNOWN = 1000
# A hit is not free: it is looked up and put in place.
HIT = 1


class Partition(Record):
    """`parts` has the tasks of each shard in canonical order, closed over hard predecessors.

    `mark` names the partition: machines that print the same one have divided the same work in the same way.
    """

    parts: tuple[tuple[TaskId, ...], ...]
    mark: str


def weights_of(tasks: Collection[TaskId], known: Mapping[TaskId, int]) -> dict[TaskId, int]:
    """Give every task a weight in milliseconds; one without a record weighs as much as the median of the others."""
    recorded = sorted(known[task] for task in tasks if known.get(task, 0) > HIT)
    usual = recorded[len(recorded) // 2] if recorded else UNKNOWN
    return {task: max(HIT, known.get(task, usual)) for task in tasks}


def partition(graph: TaskGraph, tasks: Collection[TaskId], weights: Mapping[TaskId, int], count: int) -> Partition:
    """Divide tasks, which must be closed over hard predecessors, into `count` closed parts of about equal weight.

    Only tasks that no other one needs are dealt out, the heaviest with all that it needs first, each to the part that
    then weighs least. What two parts need is in both.
    """
    inside = frozenset(tasks)
    needed = {predecessor for task in inside for predecessor in graph.hard_predecessors[task]}
    closures = {task: _closure(graph, task) for task in inside if task not in needed}
    totals = {task: sum(weights[one] for one in closure) for task, closure in closures.items()}
    parts: list[set[TaskId]] = [set() for _ in range(count)]
    loads = [0] * count
    holders: dict[TaskId, list[int]] = {}
    for task in sorted(closures, key=lambda task: (-totals[task], task)):
        extra = [totals[task]] * count
        for one in closures[task]:
            for part in holders.get(one, ()):
                extra[part] -= weights[one]
        best = min(range(count), key=lambda part: (loads[part] + extra[part], extra[part], part))
        loads[best] += extra[best]
        for one in closures[task]:
            if one not in parts[best]:
                parts[best].add(one)
                holders.setdefault(one, []).append(best)
    told = tuple(tuple(sorted(part)) for part in parts)
    text = "\n".join(f"{number} {task}" for number, part in enumerate(told) for task in part)
    return Partition(told, _core.digest_bytes(text.encode()).hex()[:8])


def _closure(graph: TaskGraph, task: TaskId) -> tuple[TaskId, ...]:
    found = {task: None}
    queue = [task]
    for one in queue:
        for predecessor in graph.hard_predecessors[one]:
            if predecessor not in found:
                found[predecessor] = None
                queue.append(predecessor)
    return tuple(found)
