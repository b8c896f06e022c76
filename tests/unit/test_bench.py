"""The bench harness must not flatter: it checks every run, takes turns, and gives both tools the same graph."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench import pair, workspace
from haz import graph_build
from haz import workspace as haz_workspace
from haz._core import PatternSet
from haz.model import TaskId


def python(name: str, program: str, **fields: object) -> pair.Command:
    return pair.Command(name, [sys.executable, "-I", "-c", program], name, **fields)


def run_of(wall: float) -> pair.Run:
    return pair.Run(wall, wall, 0.0, 0, b"", b"")


def test_a_run_that_fails_ends_the_bench() -> None:
    with pytest.raises(pair.BenchError, match="exit 3"):
        pair.run(python("bad", "raise SystemExit(3)"))


def test_a_run_that_does_something_else_ends_the_bench() -> None:
    def wants_yes(done: pair.Run) -> None:
        assert done.out == b"yes\n", done.out

    pair.run(python("good", "print('yes')", check=wants_yes))
    with pytest.raises(pair.BenchError, match="not what the bench measures"):
        pair.run(python("bad", "print('no')", check=wants_yes))


def test_settings_of_python_do_not_reach_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    program = "import os; print([name for name in os.environ if name.startswith('PYTHON')])"
    assert pair.run(python("bare", program)).out == b"[]\n"


def test_the_commands_take_turns_after_one_warm_up_each() -> None:
    order: list[str] = []
    a = python("a", "pass", prepare=lambda: order.append("a"))
    b = python("b", "pass", prepare=lambda: order.append("b"))
    done = pair.compare("turns", a, b, runs=3)
    assert order == ["a", "b"] * 4
    assert (len(done.runs_a), len(done.runs_b)) == (3, 3)


def test_a_run_has_the_time_and_memory_of_its_processes() -> None:
    done = pair.run(python("busy", "bytearray(200 << 20); [i for i in range(10**6)]"))
    assert 0 < done.user <= done.wall * 2
    assert done.memory > 200 << 20


def test_ratios_are_taken_pair_by_pair() -> None:
    command = python("x", "pass")
    # The machine was twice as slow in the second turn: for both.
    runs_a, runs_b = [run_of(0.1), run_of(0.2), run_of(0.2)], [run_of(0.2), run_of(0.4), run_of(0.2)]
    done = pair.Pair("title", command, command._replace(name="y"), runs_a, runs_b, (0.0, 0.0))
    assert done.ratios(lambda one: one.wall) == [0.5, 0.5, 1.0]
    assert "| **x / y** | **0.50** (0.50-1.00) |" in pair.table(done)


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_equal_arguments_give_equal_workspaces(tmp_path: Path) -> None:
    for name in ("one", "two"):
        workspace.generate(str(tmp_path / name), workspace.describe(7, 5))
    one = contents(tmp_path / "one")
    assert one == contents(tmp_path / "two")
    sizes = [len(data) for name, data in one.items() if name.endswith(".txt")]
    assert len(sizes) == 35
    assert all(1024 <= size <= 8192 for size in sizes)


def test_haz_and_ninja_get_the_same_graph(tmp_path: Path) -> None:
    projects = workspace.describe(12, 4, fan_in=3)
    workspace.generate(str(tmp_path), projects)
    loaded = haz_workspace.load(str(tmp_path))
    graph, problems = graph_build.build(loaded, PatternSet)
    assert problems == ()

    of_output = {f"{p.directory}/{t.output}": TaskId(p.name, t.name) for p in projects for t in p.tasks}
    ninja = Path(sys.executable).with_name("ninja")
    shown = subprocess.run([ninja, "-t", "query", *of_output], cwd=tmp_path, check=True, capture_output=True, text=True)
    found: dict[TaskId, list[TaskId]] = {}
    task = None
    reading_inputs = False
    for line in shown.stdout.splitlines():
        if not line.startswith(" "):
            task = of_output[line.removesuffix(":")]
            found[task] = []
        elif line.startswith("  ") and not line.startswith("    "):
            reading_inputs = line.strip().startswith("input")
        elif reading_inputs:
            name = line.strip().removeprefix("|| ")
            if name in of_output:
                found[task].append(of_output[name])
    assert {task: tuple(sorted(needs)) for task, needs in found.items()} == graph.hard_predecessors


def test_haz_and_ninja_build_the_same_files(tmp_path: Path) -> None:
    workspace.generate(str(tmp_path), workspace.describe(6, 3))
    built = []
    for command in ([sys.executable, "-m", "haz", "run", "--workspace"], [Path(sys.executable).with_name("ninja")]):
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        built.append({name: data for name, data in contents(tmp_path).items() if "/out/" in name})
        for out in tmp_path.glob("projects/*/out"):
            shutil.rmtree(out)
    assert len(built[0]) == 18
    assert built[0] == built[1]
