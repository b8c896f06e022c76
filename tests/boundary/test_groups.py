"""Ends, groups, signals: nothing hangs and nothing outlives haz (spec 03 §4.2, §7, D13)."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from haz.errors import SignalError
from tests.boundary.children import PYTHON, Children, process_state, wait_until_gone

if TYPE_CHECKING:
    from pathlib import Path

HERE = os.path.dirname(__file__)


def lines(children: Children, token: int, count: int) -> list[int]:
    """The first numbers that a child prints."""
    children.until(lambda event: event[1] == token and children.output(token).count(b"\n") >= count)
    return [int(line) for line in children.output(token).split(b"\n")[:count]]


def test_a_descendant_that_holds_a_pipe_is_told_by_reaped_and_awaited(children: Children, tmp_path: Path) -> None:
    """O-D3."""
    fifo = tmp_path / "go"
    os.mkfifo(fifo)
    children.sh(1, f"(read line < {fifo}; echo late) & exit 3")
    children.until(lambda event: event[:2] == ("reaped", 1))
    assert children.kinds(1) == ["reaped"]
    (holder,) = children.processes.members(1)
    assert process_state(holder) is not None
    fifo.write_text("go\n")
    finished = children.finished(1)
    assert (finished.code, children.output(1), children.kinds(1)) == (3, b"late\n", ["reaped", "exit"])
    assert children.processes.members(1) == []


def test_reaped_is_not_told_when_the_pipes_end_with_the_leader(children: Children) -> None:
    for token in range(50):
        children.sh(token, "head -c 200000 /dev/zero; (exit 0) & exit 0")
        children.finished(token)
        assert children.kinds(token)[-1] == "exit"
        children.events.clear()


def test_abandoning_ends_a_child_whose_pipe_is_held_outside_its_group(children: Children) -> None:
    """O-D4: a `setsid` descendant used to hang the run."""
    children.sh(1, "setsid sh -c 'echo $$; exec sleep 1000' & exit 5")
    (escaped,) = lines(children, 1, 1)
    children.until(lambda event: event[:2] == ("reaped", 1))
    assert children.processes.signal(1, signal.SIGKILL), "the ended leader is a member until the exit"
    children.processes.abandon(1)
    finished = children.finished(1)
    assert (finished.code, finished.error, children.kinds(1)) == (5, None, ["reaped", "exit"])
    os.kill(escaped, signal.SIGKILL)
    wait_until_gone(escaped)


def test_an_abandoned_child_that_still_runs_exits_when_it_ends(children: Children) -> None:
    pid = children.sh(1, "echo ready; exec sleep 1000")
    children.written(1, b"ready\n")
    children.processes.abandon(1)
    children.processes.abandon(1)
    os.kill(pid, signal.SIGTERM)
    assert children.finished(1).signal == signal.SIGTERM
    assert children.kinds(1) == ["exit"]


def test_abandoning_keeps_what_was_written_before(children: Children) -> None:
    children.sh(1, "echo before; setsid sleep 1000 & echo $!; exit 0")
    children.until(lambda event: event[:2] == ("reaped", 1))
    escaped = int(children.output(1).split()[1])
    children.processes.abandon(1)
    assert children.finished(1).stdout[1] == len(children.output(1))
    assert children.output(1).startswith(b"before\n")
    os.kill(escaped, signal.SIGKILL)


def test_abandoning_or_signalling_what_is_not_there_does_nothing(children: Children) -> None:
    children.processes.abandon(7)
    assert not children.processes.signal(7, signal.SIGTERM)
    children.run("true")
    children.processes.abandon(1)
    assert not children.processes.signal(1, signal.SIGTERM)
    assert children.queue.wait(0) == []


def test_a_signal_reaches_every_member_of_the_group(children: Children) -> None:
    """EXEC-013."""
    children.sh(1, "sleep 1000 & echo $!; sleep 1000 & echo $!; wait")
    members = lines(children, 1, 2)
    assert children.processes.signal(1, signal.SIGTERM)
    assert children.finished(1).signal == signal.SIGTERM
    for pid in members:
        wait_until_gone(pid)


def test_members_that_outlive_their_leader_are_killed_by_a_later_signal(children: Children) -> None:
    """O-D4, O-D5: the member keeps no pipe, ignores TERM, and its leader has been reaped."""
    children.sh(1, "(trap '' TERM; echo $$ > /dev/null; exec sleep 1000) > /dev/null 2>&1 & echo $!; exit 0")
    (survivor,) = lines(children, 1, 1)
    children.finished(1)
    assert process_state(survivor) is not None
    assert children.processes.signal(1, signal.SIGTERM)
    assert children.processes.signal(1, 0)
    assert children.processes.signal(1, signal.SIGKILL)
    wait_until_gone(survivor)


def test_a_leader_is_a_zombie_until_its_exit_so_that_its_number_stays_its_own(
    children: Children, tmp_path: Path
) -> None:
    fifo = tmp_path / "go"
    os.mkfifo(fifo)
    pid = children.sh(1, f"(read line < {fifo}) & exit 0")
    children.until(lambda event: event[:2] == ("reaped", 1))
    assert process_state(pid) == "Z"
    fifo.write_text("go\n")
    children.finished(1)
    assert process_state(pid) is None


def test_a_signal_that_does_not_exist_is_an_error(children: Children) -> None:
    pid = children.spawn(1, "sleep", "1000")
    with pytest.raises(SignalError) as caught:
        children.processes.signal(1, 1000)
    assert (caught.value.signal, caught.value.pid) == (1000, pid)
    children.processes.signal(1, signal.SIGKILL)
    children.finished(1)


def test_a_child_that_somebody_else_reaped_is_an_error_and_not_a_hang(children: Children, tmp_path: Path) -> None:
    fifo = tmp_path / "go"
    os.mkfifo(fifo)
    pid = children.sh(1, f"(read line < {fifo}) & exit 0")
    children.until(lambda event: event[:2] == ("reaped", 1))
    os.waitpid(pid, 0)
    fifo.write_text("go\n")
    finished = children.finished(1)
    assert (finished.code, finished.signal) == (None, None)
    assert finished.error is not None
    assert finished.error[0] == "wait"


def test_deleting_the_object_kills_and_reaps_every_group(children: Children) -> None:
    pids = [children.sh(token, "trap '' TERM HUP INT; sleep 1000 & echo $!; wait") for token in range(3)]
    members = [lines(children, token, 1)[0] for token in range(3)]
    children.sh(3, "sleep 1000 > /dev/null 2>&1 & echo $!; exit 0")
    members += lines(children, 3, 1)
    children.finished(3)
    del children.processes
    assert [process_state(pid) for pid in pids] == [None] * 3
    for pid in members:
        wait_until_gone(pid)


def test_deleting_the_object_does_not_wait_for_a_pipe_that_is_held_elsewhere(children: Children) -> None:
    children.sh(1, "setsid sh -c 'echo $$; exec sleep 1000' & wait")
    (escaped,) = lines(children, 1, 1)
    del children.processes
    os.kill(escaped, signal.SIGKILL)
    wait_until_gone(escaped)


def haz_process(script: str, directory: Path) -> subprocess.Popen[bytes]:
    head = f"import os, signal, sys\nsys.path[:0] = {[HERE]!r}\nfrom children import Children\n"
    head += f"children = Children({str(directory)!r})\n"
    return subprocess.Popen([PYTHON, "-c", head + script], stdout=subprocess.PIPE)


def test_a_child_dies_with_haz_even_when_haz_is_killed(tmp_path: Path) -> None:
    """D13."""
    with haz_process("print(children.spawn(1, 'sleep', '1000'), flush=True)\nchildren.finished(1)", tmp_path) as haz:
        assert haz.stdout is not None
        pid = int(haz.stdout.readline())
        haz.kill()
        wait_until_gone(pid)


def test_children_can_be_awaited_where_a_parent_left_sigchld_ignored(tmp_path: Path) -> None:
    script = f"""
import signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
sys.path[:0] = {[HERE]!r}
from tests.boundary.children import Children
finished, _ = Children({str(tmp_path)!r}).run("/bin/sh", "-c", "exit 6")
sys.exit(0 if (finished.code, finished.error) == (6, None) else 1)
"""
    assert subprocess.run([PYTHON, "-c", script], check=False).returncode == 0


def test_a_descendant_that_left_its_group_is_found_and_killed_again(tmp_path: Path) -> None:
    """D13, peers: a double-forked daemon in a session of its own."""
    script = """
children.processes.adopt_orphans()
children.sh(1, "(setsid sh -c 'echo $$; exec sleep 1000 > /dev/null 2>&1' &) ; exit 0")
children.finished(1)
escaped = int(children.output(1))
assert children.processes.descendants() == [escaped], children.processes.descendants()
assert children.processes.kill_descendants(signal.SIGKILL) == 1
print(escaped, flush=True)
sys.stdout.close()
"""
    with haz_process(script, tmp_path) as haz:
        assert haz.stdout is not None
        escaped = int(haz.stdout.readline())
        wait_until_gone(escaped)
        assert haz.wait() == 0


def test_adopted_orphans_are_reaped_and_other_children_of_haz_are_not(tmp_path: Path) -> None:
    script = """
import subprocess
children.processes.adopt_orphans()
own = subprocess.Popen(["sh", "-c", "exit 9"])
for token in range(5):
    children.sh(token, "setsid sh -c 'echo $$; exec true' & exit 0")
    children.finished(token)
pids = [int(children.output(token)) for token in range(5)]
while any(os.path.exists(f"/proc/{pid}") for pid in pids):
    children.run("true")
assert own.wait() == 9
assert children.processes.descendants() == []
"""
    with haz_process(script, tmp_path) as haz:
        assert haz.wait() == 0


def test_deleting_an_adopting_object_leaves_no_descendant(tmp_path: Path) -> None:
    script = """
children.processes.adopt_orphans()
children.sh(1, "(setsid sh -c 'echo $$; exec sleep 1000 > /dev/null 2>&1' &) ; exit 0")
children.finished(1)
print(int(children.output(1)), flush=True)
del children.processes
os._exit(0)
"""
    with haz_process(script, tmp_path) as haz:
        assert haz.stdout is not None
        escaped = int(haz.stdout.readline())
        assert haz.wait() == 0
        wait_until_gone(escaped)


def test_a_group_that_outlived_its_leader_is_gone_with_its_last_member(tmp_path: Path) -> None:
    """An orphan that init would reap when it likes is adopted here, so that it is gone for certain."""
    script = """
children.processes.adopt_orphans()
children.sh(2, "sleep 1000 > /dev/null 2>&1 & exit 0")
children.finished(2)
assert children.processes.signal(2, signal.SIGKILL)
while children.processes.signal(2, 0):
    children.run("true")
assert not children.processes.signal(2, signal.SIGKILL)
"""
    with haz_process(script, tmp_path) as haz:
        assert haz.wait() == 0


ESCAPE = "trap '' TERM; echo $$ > {0}/up; while :; do sleep 0.01; done"


def test_ending_a_child_reaches_what_left_its_group_and_awaits_it(children: Children, tmp_path: Path) -> None:
    """D13: the leader ends on TERM and its pipes do too, but `exit` comes with the end of the last stray."""
    (tmp_path / "stray").write_text(ESCAPE.format(tmp_path))
    script = f"setsid sh {tmp_path}/stray > /dev/null 2>&1 & while ! [ -s {tmp_path}/up ]; do :; done; echo up"
    pid = children.sh(1, f"{script}; exec sleep 1000")
    children.written(1, b"up\n")
    stray = int((tmp_path / "up").read_text())
    assert children.processes.end(1, signal.SIGTERM)
    while process_state(pid) != "Z":
        os.sched_yield()
    assert process_state(stray) is not None
    assert children.kinds(1) == []
    assert children.processes.end(1, signal.SIGKILL)
    assert children.finished(1).signal == signal.SIGTERM
    wait_until_gone(stray)
    assert not children.processes.end(1, signal.SIGKILL)


def test_abandoning_waits_for_strays_no_longer(children: Children, tmp_path: Path) -> None:
    (tmp_path / "stray").write_text(ESCAPE.format(tmp_path))
    script = f"setsid sh {tmp_path}/stray > /dev/null 2>&1 & while ! [ -s {tmp_path}/up ]; do :; done; echo up"
    children.sh(1, f"{script}; exec sleep 1000")
    children.written(1, b"up\n")
    children.processes.end(1, signal.SIGTERM)
    children.processes.abandon(1)
    assert children.finished(1).signal == signal.SIGTERM
    os.kill(int((tmp_path / "up").read_text()), signal.SIGKILL)


def test_ending_continues_what_is_stopped(children: Children) -> None:
    pid = children.sh(1, "trap 'exit 7' TERM; echo up; kill -STOP $$; sleep 1000")
    children.written(1, b"up\n")
    while process_state(pid) != "T":
        os.sched_yield()
    children.processes.end(1, signal.SIGTERM)
    assert children.finished(1).code == 7


def test_dismissing_tells_when_nothing_lives_any_more(tmp_path: Path) -> None:
    script = """
children.processes.adopt_orphans()
assert children.processes.dismiss(9, signal.SIGTERM) == 0
children.sh(1, "(setsid sh -c 'trap : TERM; echo $$; while :; do sleep 0.01; done' 2> /dev/null &) ; exit 0")
children.until(lambda event: event[0] == "output")
children.processes.abandon(1)
children.finished(1)
assert children.processes.dismiss(9, signal.SIGTERM) >= 1
assert children.kinds(9) == []
children.processes.dismiss(9, signal.SIGKILL)
children.until(lambda event: event == ("gone", 9, None))
assert children.processes.descendants() == []
"""
    with haz_process(script, tmp_path) as haz:
        assert haz.wait() == 0


def test_children_are_marked_and_their_environment_is_theirs(children: Children) -> None:
    """CACHE-008: what tells strays apart is no variable."""
    limit = "import resource; print(resource.getrlimit(resource.RLIMIT_RTTIME)[0])"
    children.spawn(1, PYTHON, "-c", f"import os; print(len(os.environ)); {limit}", env=[("LC_CTYPE", "C.UTF-8")])
    children.spawn(2, PYTHON, "-c", limit)
    children.finished(1)
    children.finished(2)
    variables, first = map(int, children.output(1).split())
    second = int(children.output(2))
    assert variables == 1
    assert min(first, second) >= 1 << 62
    assert first != second
    assert first >> 24 == second >> 24
