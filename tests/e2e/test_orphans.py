"""Nothing outlives haz (D13): strays of every kind, and haz ended in every way."""

from __future__ import annotations

import os
import random
import re
import signal
from pathlib import Path

import pytest

from tests.boundary.children import process_state, wait_until_gone
from tests.hunts.orphans import DAEMON, hunt
from tests.space import Space, living


@pytest.fixture
def marker(request: pytest.FixtureRequest) -> str:
    return f"{request.node.name}-{os.getpid()}"


def task(script: str, marker: str, fields: str = "") -> str:
    lines = "\n".join(f"      {line}" for line in script.strip().splitlines())
    return f"t:\n  cache: false\n  env: {{override: {{HAZ_MARK: {marker}}}}}\n{fields}  shell: |\n{lines}\n"


def test_random_trees_of_processes_never_outlive_haz(tmp_path: Path) -> None:
    """03 §15 D3-D5, E2; a short form of the hunt."""
    assert hunt(tmp_path, 8, random.randrange(1 << 30)) == []


def test_what_left_its_group_dies_with_a_killed_haz(space: Space, marker: str) -> None:
    """Members of the group, a session of its own, a daemon: none has haz or its group as an ancestor afterwards."""
    space.write("daemon.py", DAEMON.replace("time.sleep(300)", "open(sys.argv[1], 'w').close(); time.sleep(300)"))
    script = """
        python3 -S -E ../daemon.py $PWD/up
        setsid sh -c 'trap "" TERM HUP INT; : > session; sleep 300; sleep 300' > /dev/null 2>&1 &
        (trap "" TERM HUP INT; : > group; sleep 300 > /dev/null 2>&1) &
        while ! [ -e up ] || ! [ -e session ] || ! [ -e group ]; do sleep 0.01; done
        echo started; sleep 300
    """
    space.project("lib", task(script, marker))
    running = space.start("run", "lib:t")
    running.wait_for("started")
    children = living(marker)
    assert len(children) >= 4
    running.signal(signal.SIGKILL)
    for pid in children:
        wait_until_gone(pid)
    assert running.end().code == -signal.SIGKILL
    assert living(marker) == []


def test_a_nested_haz_goes_with_the_outer_one(space: Space, marker: str) -> None:
    """The tasks of the inner one bear its marks: its own watchdog sees to them."""
    inner = Space(space.root / "inner")
    inner.project("lib", task("setsid sleep 300 > /dev/null 2>&1 & echo started; sleep 300", marker))
    space.project("lib", f'outer: {{shell: "cd {inner.root}; exec {haz_command()} run lib:t", cache: false}}')
    running = space.start("run", "lib:outer")
    running.wait_for("started")
    children = living(marker)
    assert len(children) >= 2
    running.signal(signal.SIGKILL)
    for pid in children:
        wait_until_gone(pid)
    running.end()


def haz_command() -> str:
    from tests.space import HAZ

    return " ".join(HAZ)


POLITE = """
setsid sh -c 'trap "sleep 0.1; echo bye > bye; exit" TERM; echo up > up; while :; do sleep 0.01; done' >/dev/null 2>&1 &
while ! [ -e up ]; do sleep 0.01; done
"""


def test_a_stray_is_asked_and_awaited_when_its_task_is_cancelled(space: Space, marker: str) -> None:
    """EXEC-014 for those that left the group: the leader ends at once, the stray uses its grace."""
    space.project("lib", task(POLITE + "echo started; exec sleep 300", marker))
    running = space.start("run", "lib:t")
    running.wait_for("started")
    running.signal()
    assert running.end().code == 130
    assert space.read("lib/bye") == b"bye\n"
    assert living(marker) == []


def test_a_stray_of_a_successful_task_is_asked_and_awaited_at_the_end_of_the_run(space: Space, marker: str) -> None:
    space.project("lib", task(POLITE, marker))
    space.run("lib:t").ok()
    assert space.read("lib/bye") == b"bye\n"
    assert living(marker) == []


def test_who_holds_the_output_of_a_task_open_is_named(space: Space, marker: str) -> None:
    """03 §4.2, 03 §15 D3: the task waits for its output, and says for whom."""
    script = """
    sleep 1000 >/dev/null 2>&1 &
    setsid sh -c 'while ! [ -e stop ]; do sleep 0.02; done; echo late' &
    echo started
    """
    space.project("lib", task(script, marker))
    running = space.start("run", "lib:t")
    running.wait_for("started")
    assert running.process.stderr is not None
    warning = running.process.stderr.readline().decode()
    space.write("lib/stop", "")
    done = running.end().ok()
    assert "[lib:t]" in warning
    assert re.search(r"is held open by .*process \d+ \(sh -c while ", warning), warning
    assert "sleep 1000" not in warning, "it holds nothing"
    assert "[lib:t] late" in done.out
    assert living(marker) == []


def test_a_timeout_ends_the_strays_of_its_task_and_of_no_other(space: Space, marker: str) -> None:
    space.settings("execution: {cancel_grace: 0.2}\n")
    stubborn = "setsid sh -c 'trap \"\" TERM; echo $$ > {0}; exec sleep 300' > /dev/null 2>&1 &"
    wait = "while ! [ -s {0} ]; do sleep 0.01; done"
    space.project(
        "lib",
        task(f"{stubborn}\n{wait}\nexec sleep 300".format("late"), marker, "  timeout: 0.5\n")
        + "other:\n  cache: false\n  shell: |\n"
        + "".join(f"      {line}\n" for line in (stubborn.format("kept"), wait.format("kept")))
        + 'after: {weakDeps: ["~:t", "~:other"], cache: false, shell: "for p in `cat late` `cat kept`; do '
        'kill -0 $p 2>/dev/null && echo lives || echo gone; done"}\n',
    )
    done = space.run("lib:t", "lib:other", "lib:after")
    assert done.code == 1
    assert done.out.splitlines() == ["[lib:after] gone", "[lib:after] lives"]
    assert process_state(int(space.read("lib/kept"))) is None


def test_a_signal_at_any_moment_of_the_start_ends_haz_with_its_code(space: Space, marker: str) -> None:
    """03 §7.1: from the moment on when haz has its handlers, 128 + n and nothing left."""
    space.project("lib", task("setsid sleep 300 & sleep 300", marker))
    handled = 1 << (signal.SIGHUP - 1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) * 5:
        running = space.start("run", "lib:t")
        status = Path(f"/proc/{running.process.pid}/status")
        while not int(status.read_text().partition("SigCgt:")[2].split()[0], 16) & handled:
            os.sched_yield()
        # Not a wait for anything: the moment of the signal is what varies.
        signal.sigtimedwait([], random.uniform(0, 0.3))
        running.signal(number)
        ended = running.end()
        assert ended.code == 128 + number, ended.err
        assert "Traceback" not in ended.err
        assert living(marker) == []
