"""What a signal does to haz itself (spec 03 §7.1, O-E)."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.boundary.children import PYTHON

if TYPE_CHECKING:
    from collections.abc import Callable

HANDLED = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"]


def ready(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"


def haz(script: str, before: Callable[[], object] | None = None) -> subprocess.Popen[bytes]:
    head = "import os, signal, sys, time\nfrom haz import _core\n"
    return subprocess.Popen([PYTHON, "-c", head + script], stdout=subprocess.PIPE, preexec_fn=before)  # noqa: PLW1509


@pytest.mark.parametrize("name", HANDLED)
def test_haz_leaves_at_once_with_128_plus_n(name: str) -> None:
    """EXEC-021: 129, 130, 131, 143; also deep in native code or with Python's own handler set before."""
    number = getattr(signal, name)
    with haz("_core.install_signal_handlers()\nprint('ready', flush=True)\n_core.Queue().wait()") as process:
        ready(process)
        process.send_signal(number)
        assert process.wait() == 128 + number


@pytest.mark.parametrize("name", HANDLED)
def test_a_signal_that_was_ignored_at_the_start_stays_ignored(name: str) -> None:
    """O-E5: a background job."""
    number = getattr(signal, name)
    script = """
_core.install_signal_handlers()
_core.install_signal_handlers()
queue = _core.Queue()
_core.deliver_signals(queue)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
    os.kill(os.getpid(), number)
seen = set()
while len(seen) < 3:
    seen |= {number for _, number, _ in queue.wait(60)}
print(*sorted(seen), flush=True)
"""
    with haz(script, lambda: signal.signal(number, signal.SIG_IGN)) as process:
        output, _ = process.communicate()
        assert process.returncode == 0
        others = sorted(getattr(signal, other) for other in HANDLED if other != name)
        assert list(map(int, output.split())) == others


def test_delivered_signals_become_events_and_leave_again_afterwards() -> None:
    script = """
_core.install_signal_handlers()
queue = _core.Queue()
_core.deliver_signals(queue)
for number in (signal.SIGINT, signal.SIGINT, signal.SIGHUP):
    os.kill(os.getpid(), number)
    got = queue.wait(60)
    assert got == [("signal", number, None)], got
_core.deliver_signals(None)
print("ready", flush=True)
_core.Queue().wait()
"""
    with haz(script) as process:
        ready(process)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 128 + signal.SIGTERM


def test_events_go_to_the_queue_named_last() -> None:
    script = """
_core.install_signal_handlers()
first, second = _core.Queue(), _core.Queue()
_core.deliver_signals(first)
_core.deliver_signals(second)
os.kill(os.getpid(), signal.SIGINT)
assert second.wait(60) == [("signal", signal.SIGINT, None)]
assert first.wait(0) == []
"""
    with haz(script) as process:
        assert process.wait() == 0


def test_a_system_call_that_a_signal_interrupts_goes_on() -> None:
    script = """
_core.install_signal_handlers()
queue = _core.Queue()
_core.deliver_signals(queue)
print("ready", flush=True)
data = os.read(0, 10)
assert data == b"data", data
assert queue.wait(60) == [("signal", signal.SIGINT, None)]
"""
    with subprocess.Popen(
        [PYTHON, "-c", "import os, signal\nfrom haz import _core\n" + script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        ready(process)
        process.send_signal(signal.SIGINT)
        assert process.stdin is not None
        process.stdin.write(b"data")
        process.stdin.close()
        assert process.wait() == 0


def test_a_signal_during_spawning_is_not_lost_and_does_not_reach_children(tmp_path: os.PathLike[str]) -> None:
    """A storm of signals while children start: each child ends as it should, and haz sees signals."""
    script = f"""
sys.path[:0] = {[os.path.dirname(__file__)]!r}
from tests.boundary.children import Children
_core.install_signal_handlers()
queue = _core.Queue()
_core.deliver_signals(queue)
children = Children({os.fspath(tmp_path)!r})
print("ready", flush=True)
for _ in range(300):
    finished, _ = children.run("/bin/true")
    assert (finished.code, finished.signal) == (0, None), (finished.code, finished.signal)
events = queue.wait(60)
assert {{number for _, number, _ in events}} == {{signal.SIGINT}}
"""
    with haz(script) as process:
        ready(process)
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            os.sched_yield()
        # Python's own end, which puts handlers of its own back, must not make a late signal deadly.
        assert process.returncode == 0
