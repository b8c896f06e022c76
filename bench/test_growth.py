"""The cost of a workspace grows with its size, not with its square."""

from __future__ import annotations

import time
from itertools import pairwise
from math import log
from typing import Any

import pytest

from bench import workspace
from haz import graph_build
from haz import workspace as haz_workspace
from haz._core import PatternSet

SIZES = (100, 1_000, 10_000)
# n log n comes to 1.1 between the two larger sizes; the square is 2.
STEEPEST = 1.3


def load_and_build(root: str) -> int:
    """Returns the number of hard edges."""
    graph, problems = graph_build.build(haz_workspace.load(root), PatternSet)
    assert problems == ()
    return sum(map(len, graph.hard_predecessors.values()))


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[str, int]]:
    """By number of tasks, the root of a workspace and the number of its edges."""
    made = {}
    for tasks in SIZES:
        place = str(tmp_path_factory.mktemp(f"tasks{tasks}"))
        projects = workspace.describe(-(-tasks // 3), files=0)
        workspace.write_haz(place, projects)
        made[tasks] = place, sum(len(task.needs) for project in projects for task in project.tasks)
    return made


@pytest.mark.parametrize("tasks", SIZES)
def test_load_and_graph(benchmark: Any, roots: dict[int, tuple[str, int]], tasks: int) -> None:
    """Every command: the workspace is read and its graph built."""
    root, edges = roots[tasks]
    assert benchmark.pedantic(load_and_build, (root,), rounds=5, warmup_rounds=1) == edges


def test_load_and_graph_grow_linearly(benchmark: Any, roots: dict[int, tuple[str, int]]) -> None:
    """Prints the exponents of CPU time (`-s` shows them), which other load on the machine does not touch."""
    best = dict.fromkeys(SIZES, float("inf"))

    def turn() -> None:
        for tasks in SIZES:
            started = time.process_time()
            load_and_build(roots[tasks][0])
            best[tasks] = min(best[tasks], time.process_time() - started)

    benchmark.pedantic(turn, rounds=5)
    for small, large in pairwise(SIZES):
        exponent = log(best[large] / best[small]) / log(large / small)
        print(f"load + graph, {small} to {large} tasks: {best[small]:.4f} s to {best[large]:.4f} s, n^{exponent:.2f}")
        benchmark.extra_info[f"exponent {small}-{large}"] = exponent
        assert exponent < STEEPEST
