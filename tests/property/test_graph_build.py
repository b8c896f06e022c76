from __future__ import annotations

import gc
import graphlib
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haz._core import PatternSet
from haz.cycles import shortest_cycle, strong_components
from haz.graph_build import build
from haz.model import TaskId
from tests.unit.graphs import workspace
from tests.unit.naive_glob import NaivePatterns

SEGMENTS = st.sampled_from(["a", "b", "*", "?", "[ab]", "a*", "{a,b}"])
GLOBS = st.lists(st.one_of(SEGMENTS, st.just("**")), min_size=1, max_size=3).map("/".join)
PATTERNS = st.one_of(GLOBS, GLOBS.map("/p/".__add__), GLOBS.map("!".__add__))


@st.composite
def workspaces(draw):
    names = [f"t{n}" for n in range(draw(st.integers(1, 7)))]
    patterns = st.lists(PATTERNS, max_size=3)
    references = st.lists(st.sampled_from(names).map("~:".__add__), max_size=2, unique=True)
    tasks = {
        name: {
            "inputs": draw(patterns),
            "outputs": draw(patterns),
            "deps": draw(references),
            "weak": draw(references),
        }
        for name in names
    }
    return workspace({"p": tasks})


def meets(output, source):
    if output.exclude or source.exclude or not (output.literal or source.literal):
        return False
    glob, path = (source, output) if output.literal else (output, source)
    return bool(NaivePatterns([[(glob.anchored, glob.literal, False)]]).matching(path.anchored))


def is_above(output, source):
    """Whether the literal output, as a directory, holds a place that the other pattern names (wildcards end the name)."""
    if output.exclude or source.exclude or not output.literal:
        return False
    if source.literal:
        return source.anchored.startswith(f"{output.anchored}/")
    segments = source.anchored.split("/")
    plain = next(number for number, segment in enumerate(segments) if set(segment) & set("*?[{\\"))
    return f"{'/'.join(segments[:plain])}/".startswith(f"{output.anchored}/")


def silenced(patterns, pattern, path):
    return not pattern.literal and bool(
        NaivePatterns([[(p.anchored, p.literal, False) for p in patterns if p.exclude]]).matching(path)
    )


@given(space=workspaces())
@settings(max_examples=300)
def test_producer_edges_are_those_of_every_pair_of_patterns(space):
    """DAG-013, O5."""
    graph, _ = build(space, NaivePatterns)
    expected = {
        (producer.id, consumer.id)
        for producer in space.projects["p"].tasks.values()
        for consumer in space.projects["p"].tasks.values()
        for output in producer.outputs
        for source in consumer.inputs
        if (
            meets(output, source)
            and not silenced(consumer.inputs, source, output.anchored)
            and not silenced(producer.outputs, output, source.anchored)
        )
        or is_above(output, source)
    }
    assert {(p, c) for c, producers in graph.producer_predecessors.items() for p in producers} == expected


@given(space=workspaces())
@settings(max_examples=200)
def test_the_patterns_of_the_core_give_the_same_graph(space):
    """DAG-013, PATH-009…016."""
    graph, problems = build(space, PatternSet)
    naive, naive_problems = build(space, NaivePatterns)
    assert graph.producer_predecessors == naive.producer_predecessors
    assert problems == naive_problems


@given(space=workspaces())
@settings(max_examples=300)
def test_a_graph_without_errors_can_be_sorted_and_one_with_a_cycle_cannot(space):
    """DAG-014, against `graphlib`."""
    graph, problems = build(space, NaivePatterns)
    sorter = graphlib.TopologicalSorter(
        {
            task: [
                other
                for kind in (graph.hard_predecessors, graph.soft_predecessors, graph.producer_predecessors)
                for other in kind[task]
                if other != task
            ]
            for task in graph.nodes
        }
    )
    cyclic = any(problem.code == "haz::dag::014" for problem in problems)
    if cyclic:
        with pytest.raises(graphlib.CycleError):
            sorter.prepare()
    else:
        sorter.prepare()


@given(edges=st.lists(st.lists(st.integers(0, 7), max_size=3), min_size=8, max_size=8))
@settings(max_examples=500)
def test_strong_components_are_those_of_mutual_reachability(edges):
    """DAG-014."""
    reach = [{node} for node in range(8)]
    for _ in range(8):
        for node in range(8):
            reach[node].update(*(reach[successor] for successor in edges[node]))
    expected = {frozenset(m for m in reach[n] if n in reach[m]) for n in range(8)}
    found = strong_components(edges)
    assert {frozenset(component) for component in found} == {group for group in expected if len(group) > 1}
    for component in found:
        cycle = shortest_cycle(edges, component)
        assert cycle[0] == min(component)
        assert len(set(cycle)) == len(cycle) > 1
        assert all(later in edges[earlier] for earlier, later in zip(cycle, [*cycle[1:], cycle[0]], strict=True))


def test_a_chain_deeper_than_the_stack_is_fine():
    """O6."""
    depth = sys.getrecursionlimit() * 5
    tasks = {f"t{n:06}": {"deps": [f"~:t{n + 1:06}"] if n + 1 < depth else []} for n in range(depth)}
    graph, problems = build(workspace({"p": tasks}), NaivePatterns)
    assert not problems
    assert graph.hard_predecessors[TaskId("p", "t000000")] == (TaskId("p", "t000001"),)
    tasks[f"t{depth - 1:06}"]["deps"] = ["~:t000000"]
    _, (problem,) = build(workspace({"p": tasks}), NaivePatterns)
    assert f"cycle of {depth} tasks" in problem.message


def test_the_collector_is_as_it_was_after_building():
    """O5: it stays out while the graph is built, whatever happens there."""
    assert gc.isenabled()
    build(workspace({"a": {"t": {}}}), NaivePatterns)
    assert gc.isenabled()
    gc.disable()
    try:
        build(workspace({"a": {"t": {}}}), NaivePatterns)
        assert not gc.isenabled()
    finally:
        gc.enable()
    with pytest.raises(AttributeError):
        build(None, NaivePatterns)
    assert gc.isenabled()
