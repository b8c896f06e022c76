"""Parts of a run for several machines (`--shard`)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from haz.model import TaskId
from haz.shard import partition, weights_of
from tests.unit.graphs import graph, ids, spec, task_id


def parts(made, weights, count):
    known = {task_id(name): weight for name, weight in weights.items()}
    cut = partition(made, made.nodes, weights_of(made.nodes, known), count)
    return [" ".join(task.task for task in part) for part in cut.parts]


def test_the_heaviest_come_first_and_each_goes_where_least_is():
    made = graph("a", "b", "c", "d", "e")
    assert parts(made, {"a": 50, "b": 40, "c": 30, "d": 20, "e": 10}, 2) == ["a d e", "b c"]


def test_what_one_task_needs_is_in_its_part_and_what_two_need_in_both():
    made = graph("gen", "lib", "one", "two", hard={"lib": "gen", "one": "lib", "two": "gen"})
    assert parts(made, {"gen": 1, "lib": 100, "one": 100, "two": 150}, 2) == ["gen lib one", "gen two"]


def test_a_task_is_put_where_what_it_needs_is_already():
    made = graph("big", "one", "two", "other", hard={"one": "big", "two": "big"})
    assert parts(made, {"big": 100, "one": 10, "two": 10, "other": 110}, 2) == ["big one two", "other"]


def test_a_hit_weighs_next_to_nothing_and_an_unknown_task_what_is_usual():
    tasks = ids("a", "b", "c", "d")
    known = {task_id("a"): 0, task_id("b"): 30, task_id("c"): 50}
    assert weights_of(tasks, known) == dict(zip(tasks, (1, 30, 50, 50), strict=True))
    assert set(weights_of(tasks, {}).values()) == {1000}


def test_more_parts_than_tasks_leave_some_empty():
    assert parts(graph("a"), {}, 3) == ["a", "", ""]


def test_the_mark_names_the_partition():
    made = graph("a", "b", "c")
    weights = weights_of(made.nodes, {})
    two = partition(made, made.nodes, weights, 2)
    assert two == partition(made, set(made.nodes), dict(reversed(weights.items())), 2)
    assert two.mark != partition(made, made.nodes, weights, 3).mark
    assert two.mark != partition(made, made.nodes, weights | {task_id("c"): 9999}, 2).mark


@st.composite
def weighted(draw):
    names = [f"t{number}" for number in range(draw(st.integers(1, 12)))]
    hard = {}
    for number, name in enumerate(names[1:], 1):
        hard[name] = " ".join(draw(st.sets(st.sampled_from(names[:number]), max_size=3)))
    made = graph(*(spec(name) for name in names), hard=hard)
    return made, {task_id(name): draw(st.integers(0, 9)) for name in names}


@given(weighted(), st.integers(1, 5))
def test_the_parts_are_closed_and_cover_everything(case, count):
    made, known = case
    weights = weights_of(made.nodes, known)
    cut = partition(made, made.nodes, weights, count)
    assert len(cut.parts) == count
    assert {task for part in cut.parts for task in part} == set(made.nodes)
    for part in cut.parts:
        assert list(part) == sorted(part)
        assert all(set(made.hard_predecessors[task]) <= set(part) for task in part)
    # No part is heavier than an even share and the heaviest task with all that it needs: the bound of the method.
    heaviest = max(sum(weights[one] for one in closure(made, task)) for task in made.nodes)
    loads = [sum(weights[task] for task in part) for part in cut.parts]
    assert max(loads) <= min(loads) + heaviest


def closure(made, task: TaskId) -> set[TaskId]:
    return {task}.union(*(closure(made, one) for one in made.hard_predecessors[task]))
