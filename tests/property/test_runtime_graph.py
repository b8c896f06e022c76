from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from haz.model import RuntimeCycleViolation
from haz.runtime_graph import RuntimeGraph, longest_chain_first
from tests.unit.graphs import graph, ids

NAMES = "abcdefgh"
EDGES = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda edge: edge[0] != edge[1]), max_size=25)


def shortest_paths(edges, start):
    """Distance to each node that can be reached."""
    distance, level = {start: 0}, [start]
    while level:
        level = sorted({t for s, t in edges if s in level and t not in distance})
        distance |= dict.fromkeys(level, max(distance.values()) + 1)
    return distance


@given(declared=EDGES, added=EDGES)
@settings(max_examples=600)
def test_each_edge_that_closes_a_cycle_is_found_with_a_shortest_one(declared, added):
    """EXEC-019, edge after edge against a search of the whole graph, also after the first cycle."""
    # Declared edges go up and so have no cycle (DAG-014); the others go anywhere.
    static = {(min(edge), max(edge)) for edge in declared}
    hard, soft, producers = {}, {}, {}
    for source, target in static:
        kind = (hard, soft, producers)[(source + target) % 3]
        kind[NAMES[target]] = f"{kind.get(NAMES[target], '')} {NAMES[source]}"
    tasks = ids(*NAMES)
    tree = graph(*NAMES, hard=hard, soft=soft, producers={**producers, "a": f"{producers.get('a', '')} a"})
    runtime = RuntimeGraph(tree, {task: i for i, task in enumerate(tasks)})
    edges = set(static)
    for source, target in added:
        known = (source, target) in edges
        edges.add((source, target))
        violation = runtime.add(source, target)
        distance = shortest_paths(edges, target).get(source)
        if known or distance is None:
            assert violation is None
        else:
            assert isinstance(violation, RuntimeCycleViolation)
            assert violation.offending_edge == (tasks[source], tasks[target])
            assert {tasks[source], tasks[target]} <= set(violation.nodes)
            assert list(violation.nodes) == sorted(violation.nodes)
            assert len(violation.nodes) == distance + 1


@given(edges=EDGES, durations=st.lists(st.one_of(st.none(), st.floats(0, 9)), min_size=8, max_size=8))
def test_the_longest_chain_comes_first(edges, durations):
    hard = [[t for s, t in edges if s == node and t > s] for node in range(8)]
    soft = [[s for s, t in edges if t == node and s > t] for node in range(8)]
    known = [one for one in durations if one is not None]
    mean = sum(known) / len(known) if known else 1.0

    def length(node):
        own = mean if durations[node] is None else durations[node]
        return own + max((length(successor) for successor in (*hard[node], *soft[node])), default=0.0)

    assert longest_chain_first(hard, soft, durations) == sorted(range(8), key=lambda node: (-length(node), node))
