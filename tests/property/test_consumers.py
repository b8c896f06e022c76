"""Who reads what was written: asked of those near it, and of everybody."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from haz import snapshot
from haz._core import PatternSet, check_pattern
from haz.consumers import Consumers
from haz.errors import PatternError
from haz.graph import Specs
from haz.model import Pattern, TaskId
from tests.unit.graphs import spec

NAMES = ["a", "b", "a*", "*", "**", "?", "[ab]", "{a,b}", "\\*", "a\\[", "é"]
PATHS = st.lists(st.sampled_from(["a", "b", "aa", "*", "a[", "é", "\udcff"]), min_size=1, max_size=4).map(
    lambda names: "/" + "/".join(names)
)


def is_glob(text):
    """Whether it is one, or None if it is no pattern."""
    try:
        return check_pattern(text)
    except PatternError:
        return None


GLOBS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map(lambda names: "/" + "/".join(names))
INPUTS = st.builds(
    lambda text, exclude, group: Pattern(text, text, not is_glob(text), exclude, group),
    st.one_of(GLOBS, PATHS).filter(lambda text: is_glob(text) is not None),
    st.sampled_from([False, False, True]),
    st.integers(0, 1),
)
LISTS = st.lists(st.lists(INPUTS, max_size=4), max_size=6)


class Parts:
    """The readers as a snapshot has them."""

    def __init__(self, lists):
        self.parts = snapshot._readers(lists)

    def count(self, part):
        assert part == "readers"
        return len(self.parts)

    def __call__(self, part, number):
        assert part == "readers"
        return self.parts[number]


@given(lists=LISTS, paths=st.lists(PATHS, min_size=1, max_size=6), most=st.integers(0, 2), left_out=st.integers(0, 6))
@settings(max_examples=1000)
def test_those_near_a_path_that_match_it_are_all_that_do(lists, paths, most, left_out):
    """EXEC-019: however few are compiled by themselves, and if only some of the tasks are in the run."""
    tasks = [TaskId("p", f"t{number}") for number in range(len(lists))]
    specs = {task: spec(str(task), inputs=tuple(patterns)) for task, patterns in zip(tasks, lists, strict=True)}
    listed = [[pattern.listed for pattern in patterns] for patterns in lists]
    stored = Specs(
        {task: number for number, task in enumerate(tasks)},
        lambda number: specs[tasks[number]],
        lambda side: [[], listed][side == 0],
        snapshot._Readers(Parts(listed), tasks),
    )
    chosen = {task for number, task in enumerate(tasks) if number != left_out}
    some = {task: specs[task] for task in tasks if task in chosen}
    near, everybody = Consumers(stored.only(chosen), PatternSet, most), Consumers(some, PatternSet)
    for path in paths:
        assert near(path) == everybody(path)


def test_only_who_reads_near_a_path_is_compiled():
    """Of thousands of projects, those that read nothing of one another."""
    compiled = []

    def compile_patterns(lists):
        compiled.append(len(lists))
        return PatternSet(lists)

    lists = [[(f"/p{number}/src/**", False, False, 0), ("/shared", True, False, 0)] for number in range(500)]
    tasks = [TaskId(f"p{number}", "t") for number in range(500)]
    specs = [
        spec(str(task), inputs=tuple(Pattern(entry[0], *entry) for entry in patterns))
        for task, patterns in zip(tasks, lists, strict=True)
    ]
    numbers = {task: number for number, task in enumerate(tasks)}
    stored = Specs(numbers, specs.__getitem__, lambda side: lists, snapshot._Readers(Parts(lists), tasks))
    consumers = Consumers(stored, compile_patterns, 2)
    assert consumers("/p7/src/deep/x") == [tasks[7]]
    assert consumers("/p7/src/y") == [tasks[7]]
    assert compiled == [1]
    assert consumers("/p7/other") == []
    assert consumers("/shared") == tasks
    assert compiled == [1, 0, 500], "the last by all at once: enough were compiled by themselves"
    assert consumers("/p8/src/y") == [tasks[8]]
    assert len(compiled) == 3
