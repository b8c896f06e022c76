"""Knots in a graph of integers, without recursion: chains may be as deep as the graph is large."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def strong_components(successors: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the strongly connected components of two and more nodes (Tarjan), each sorted."""
    size = len(successors)
    found = [0] * size  # order of discovery from 1; 0 is unseen
    low = [0] * size
    on_stack = bytearray(size)
    stack: list[int] = []
    components = []
    clock = 0
    for root in range(size):
        if found[root]:
            continue
        path = [(root, iter(successors[root]))]
        clock += 1
        found[root] = low[root] = clock
        stack.append(root)
        on_stack[root] = True
        while path:
            node, rest = path[-1]
            for successor in rest:
                if not found[successor]:
                    clock += 1
                    found[successor] = low[successor] = clock
                    stack.append(successor)
                    on_stack[successor] = True
                    path.append((successor, iter(successors[successor])))
                    break
                if on_stack[successor]:
                    low[node] = min(low[node], found[successor])
            else:
                path.pop()
                if path:
                    parent = path[-1][0]
                    low[parent] = min(low[parent], low[node])
                if low[node] == found[node]:
                    start = len(stack) - 1
                    while stack[start] != node:
                        start -= 1
                    component = stack[start:]
                    del stack[start:]
                    for member in component:
                        on_stack[member] = False
                    if len(component) > 1:
                        components.append(sorted(component))
    return components


def shortest_cycle(successors: Sequence[Sequence[int]], component: Sequence[int]) -> list[int]:
    """Return the nodes of a shortest cycle through the smallest node of a component, beginning with it."""
    members = set(component)
    start = min(members)
    came_from: dict[int, int] = {}
    queue = [start]
    for node in queue:
        for successor in sorted(successors[node]):
            if successor == start and node != start:
                cycle = [node]
                while cycle[-1] != start:
                    cycle.append(came_from[cycle[-1]])
                return cycle[::-1]
            if successor in members and successor not in came_from and successor != start:
                came_from[successor] = node
                queue.append(successor)
    raise ValueError("a component of one node has no cycle")
