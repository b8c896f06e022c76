"""Several haz processes in one workspace: no task runs twice at a time, and mutexes hold across them (03 §15 C9)."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import pytest

from tests.space import Running, Space

# Says that it runs, then stays until somebody writes to its fifo.
HELD = "echo run >> {count}; echo started; read line < {gate}; echo made > out.txt"


def gate(space: Space, name: str = "gate") -> Path:
    path = space.root / name
    os.mkfifo(path)
    return path


def open_gate(path: Path) -> None:
    path.write_bytes(b"go\n")


def says(running: Running, pattern: str) -> re.Match[str]:
    """Read standard error until a line matches; the lines stay in the result."""
    assert running.process.stderr is not None
    for line in running.process.stderr:
        found = re.search(pattern, line.decode())
        if found:
            return found
    raise AssertionError(f"{pattern!r} never came")


@pytest.fixture
def held(space: Space) -> tuple[Space, Path]:
    path = gate(space)
    command = HELD.format(count=space.root / "count", gate=path)
    space.project("lib", f't: {{shell: "{command}", outputs: [out.txt]}}')
    return space, path


def test_the_second_of_two_waits_and_takes_the_result_of_the_first(held: tuple[Space, Path]) -> None:
    space, path = held
    first = space.start("run", "lib:t")
    first.wait_for("started")
    second = space.start("run", "lib:t")
    assert says(second, r"^\[lib:t\] … waiting for pid (\d+)$")[1] == str(first.process.pid)
    open_gate(path)
    assert first.end().ok().ran == {"lib:t"}
    waited = second.end().ok()
    assert waited.cached == {"lib:t"}
    assert waited.spawned == 0
    assert "◉ cached" in waited.err
    assert waited.out == "[lib:t] started\n"
    assert space.read("count") == b"run\n"


def test_ctrl_c_ends_the_waiter_at_once_and_the_holder_goes_on(held: tuple[Space, Path]) -> None:
    """EXEC-012, EXEC-013: the fifo is opened only after the waiter has ended."""
    space, path = held
    first = space.start("run", "lib:t")
    first.wait_for("started")
    second = space.start("run", "lib:t", "--output-mode", "buffered")
    says(second, "waiting for pid")
    second.signal(signal.SIGINT)
    result = second.end()
    assert result.code == 130
    assert result.tasks("cancelled") == {"lib:t"}
    open_gate(path)
    assert first.end().ok().ran == {"lib:t"}


def test_the_waiter_runs_the_task_when_the_holder_is_killed(held: tuple[Space, Path]) -> None:
    space, path = held
    first = space.start("run", "lib:t")
    first.wait_for("started")
    second = space.start("run", "lib:t")
    says(second, "waiting for pid")
    first.signal(signal.SIGKILL)
    second.wait_for("started")
    open_gate(path)
    assert second.end().ok().ran == {"lib:t"}
    first.end()


@pytest.mark.parametrize("option", [[], ["--no-cache"]])
def test_an_exclusive_mutex_holds_across_processes(space: Space, option: list[str]) -> None:
    """MUTEX-003: neither starts before the other has ended."""
    path = gate(space)
    space.project(
        "lib",
        f"""
        a: {{shell: "echo a in; echo +a >> log; read line < {path}; echo -a >> log", mutex: db}}
        b: {{shell: "echo +b >> log; echo -b >> log", mutex: db}}
        """,
    )
    first = space.start("run", "lib:a", *option)
    first.wait_for("a in")
    second = space.start("run", "lib:b", *option)
    assert says(second, r"\[lib:b\] … waiting for pid (\d+)")[1] == str(first.process.pid)
    open_gate(path)
    first.end().ok()
    assert second.end().ok().ran == {"lib:b"}
    assert space.read("lib/log") == b"+a\n-a\n+b\n-b\n"


def test_shared_holders_of_two_processes_overlap(space: Space) -> None:
    """MUTEX-004: each waits for the other to be there, which only works together."""
    there, back = gate(space, "there"), gate(space, "back")
    space.project(
        "lib",
        f"""
        a: {{shell: "echo > {there}; cat {back}", mutex: {{name: db, mode: shared}}}}
        b: {{shell: "cat {there}; echo > {back}", mutex: {{name: db, mode: shared}}}}
        """,
    )
    both = [space.start("run", name) for name in ("lib:a", "lib:b")]
    for running in both:
        running.end().ok()


def test_eight_processes_execute_each_of_five_tasks_once(space: Space) -> None:
    """03 §15 C1, C9: whoever comes first, with chains and with tasks of their own."""
    space.write("lib/in.txt", "x\n")
    body = "cat {0} > {1}; echo run >> count.{1}"
    chain = [("in.txt", "one"), ("one", "two"), ("two", "three"), ("in.txt", "four"), ("in.txt", "five")]
    lines = []
    for source, name in chain:
        after = f', deps: ["~:{source}"]' if source != "in.txt" else ""
        lines.append(f'{name}: {{shell: "{body.format(source, name)}", inputs: [{source}], outputs: [{name}]{after}}}')
    space.project("lib", "\n".join(lines))
    crowd = [space.start("run", "--workspace") for _ in range(8)]
    results = [running.end().ok() for running in crowd]
    assert {name: space.read(f"lib/count.{name}") for _, name in chain} == {name: b"run\n" for _, name in chain}
    assert sum(result.spawned for result in results) == 5
    assert all("not stored" not in result.err for result in results)


def test_a_haz_inside_a_task_does_not_wait_for_the_task(space: Space) -> None:
    """It would wait for ever: the outer one holds the mutex until the inner one has ended."""
    haz = f"{sys.executable} -m haz"
    space.project(
        "lib",
        f"""
        outer: {{shell: "{haz} run lib:inner", mutex: db, env: {{pass: [PATH, HOME]}}}}
        inner: {{shell: "echo inside", mutex: db}}
        """,
    )
    result = space.run("lib:outer").ok()
    assert "[lib:inner] inside" in result.out
    assert "this haz was started by it" in result.err


def test_a_workspace_without_room_for_locks_runs_with_one_warning(space: Space) -> None:
    """D5: a file in the way stands for a file system that cannot be written or cannot lock."""
    space.project("lib", "a: {shell: echo a}\nb: {shell: echo b}")
    space.write(".haz/locks", "in the way")
    result = space.run("--workspace").ok()
    assert result.ran == {"lib:a", "lib:b"}
    assert result.err.count("other haz processes are not kept out") == 1


def test_a_result_is_not_restored_over_what_another_haz_is_about_to_store(space: Space) -> None:
    """CACHE-023: the other one runs the task under another key, and has written its output, but not stored it yet."""
    path = gate(space)
    command = f"echo $FLAVOUR > out.txt; echo wrote; read line < {path}"
    space.project("lib", f't: {{shell: "{command}", outputs: [out.txt], env: {{from_host: [FLAVOUR]}}}}')
    sweet, sour = {"FLAVOUR": "sweet"}, {"FLAVOUR": "sour"}
    before = space.start("run", "lib:t", env=sweet)
    before.wait_for("wrote")
    open_gate(path)
    assert before.end().ok().ran == {"lib:t"}
    first = space.start("run", "lib:t", env=sour)
    first.wait_for("wrote")
    second = space.start("run", "lib:t", env=sweet)
    assert says(second, r"waiting for pid (\d+)$")[1] == str(first.process.pid)
    assert space.read("lib/out.txt") == b"sour\n"
    open_gate(path)
    assert first.end().ok().ran == {"lib:t"}
    assert second.end().ok().cached == {"lib:t"}
    assert space.read("lib/out.txt") == b"sweet\n"
    assert space.run("lib:t", env=sour).ok().cached == {"lib:t"}
    assert space.read("lib/out.txt") == b"sour\n"


def test_a_result_is_restored_after_another_haz_was_killed_while_it_ran_the_task(space: Space) -> None:
    path = gate(space)
    command = f"echo $FLAVOUR > out.txt; echo wrote; read line < {path}"
    space.project("lib", f't: {{shell: "{command}", outputs: [out.txt], env: {{from_host: [FLAVOUR]}}}}')
    before = space.start("run", "lib:t", env={"FLAVOUR": "sweet"})
    before.wait_for("wrote")
    open_gate(path)
    before.end().ok()
    first = space.start("run", "lib:t", env={"FLAVOUR": "sour"})
    first.wait_for("wrote")
    second = space.start("run", "lib:t", env={"FLAVOUR": "sweet"})
    says(second, "waiting for pid")
    first.signal(signal.SIGKILL)
    assert first.end().code == -signal.SIGKILL
    assert second.end().ok().cached == {"lib:t"}
    assert space.read("lib/out.txt") == b"sweet\n"
