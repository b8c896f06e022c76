"""How output is read, kept and told (spec 03 §4.2, D6)."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import blake3
import pytest

from haz import _core
from tests.boundary.children import PYTHON, Children

if TYPE_CHECKING:
    from pathlib import Path

HERE = os.path.dirname(__file__)
NUMBERED = "import sys\nfor n in range({count}): sys.stdout.write(f'{{n:09}}\\n')"


def numbered(count: int) -> bytes:
    return b"".join(b"%09d\n" % n for n in range(count))


def test_the_two_streams_are_told_apart_and_each_keeps_its_order(children: Children) -> None:
    children.sh(1, "for n in 1 2 3; do echo out$n; echo err$n >&2; done")
    finished = children.finished(1)
    assert children.output(1) == b"out1\nout2\nout3\n"
    assert children.output(1, 2) == b"err1\nerr2\nerr3\n"
    assert finished.stdout == (blake3.blake3(b"out1\nout2\nout3\n").digest(), 15)
    assert finished.stderr == (blake3.blake3(b"err1\nerr2\nerr3\n").digest(), 15)


def test_secrets_are_in_nothing_that_is_told_of_a_child(children: Children) -> None:
    """What may begin another one is told at the end."""
    script = "printf 'key=hun'; printf 'ter2\\nhun'; printf 'hunter2' >&2"
    finished, output = children.run("/bin/sh", "-c", script, secrets=("hunter2",))
    assert output == b"key=***\nhun"
    assert children.output(1, 2) == b"***"
    assert finished.stdout == (blake3.blake3(b"key=***\nhun").digest(), 11)
    assert finished.stderr == (blake3.blake3(b"***").digest(), 3)


def test_sha256_digests_are_those_of_hashlib(tmp_path: Path) -> None:
    children = Children(str(tmp_path), "sha256")
    finished, output = children.run("/bin/echo", "hello")
    assert finished.stdout == (hashlib.sha256(output).digest(), 6)


def test_another_algorithm_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="md5"):
        _core.Processes(_core.Queue(), "md5", str(tmp_path))


def test_output_streams_while_the_child_runs(children: Children, tmp_path: Path) -> None:
    """O-D1: the child goes on only when its first line has been seen."""
    fifo = tmp_path / "go"
    os.mkfifo(fifo)
    children.sh(1, f"echo first; read line < {fifo}; echo $line")
    children.written(1, b"first\n")
    fifo.write_text("second\n")
    assert children.finished(1).code == 0
    assert children.output(1) == b"first\nsecond\n"


@pytest.mark.parametrize("limit", [0, 100, 65_536, 999_999, 1_000_000, 1 << 23])
def test_chunks_and_digest_are_the_same_whether_a_stream_spills_or_not(tmp_path: Path, limit: int) -> None:
    children = Children(str(tmp_path / "spill"), memory_limit=limit)
    finished, output = children.run(PYTHON, "-c", NUMBERED.format(count=100_000))
    expected = numbered(100_000)
    assert output == expected
    assert finished.stdout == (blake3.blake3(expected).digest(), len(expected))
    assert finished.error is None
    spilled = (tmp_path / "spill").exists()
    assert spilled == (len(expected) > limit)
    assert not spilled or os.listdir(tmp_path / "spill") == [], "a spill file has no name"


def test_a_spill_that_fails_is_told_and_the_child_still_ends(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    children = Children(str(blocker / "spill"), memory_limit=10)
    finished, output = children.run("/bin/sh", "-c", "echo more than ten bytes")
    assert finished.code == 0
    assert finished.error is None
    assert finished.lost == f"cannot spill to {blocker}/spill: Not a directory"
    assert finished.stdout == (blake3.blake3(output).digest(), len(output))
    assert output == b"more than ten bytes\n"


def test_300_megabytes_of_output_cost_no_memory(tmp_path: Path) -> None:
    """O-D2: 300 MB used to cost 886 MB."""
    script = f"""
import resource, sys
sys.path[:0] = {[HERE]!r}
from tests.boundary.children import Children
children = Children({str(tmp_path)!r})
children.run("/bin/echo", "warm up")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
children.spawn(1, "/bin/sh", "-c", "head -c 300000000 /dev/zero")
size = 0
while True:
    for kind, _, payload in children.queue.wait(60):
        if kind == "output":
            size += len(payload[1])
        else:
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            print(payload.code, payload.stdout[1], size, grown)
            sys.exit()
"""
    answer = subprocess.run([PYTHON, "-c", script], check=True, capture_output=True, text=True).stdout
    code, captured, told, grown = map(int, answer.split())
    assert (code, captured, told) == (0, 300_000_000, 300_000_000)
    assert grown < 60_000, f"grew by {grown} KiB"


class Clock:
    """Time as the lives of other children, start to end: what has not happened after many of them does not happen."""

    def __init__(self, directory: Path) -> None:
        self.children = Children(str(directory))

    def tick(self) -> None:
        self.children.run("/bin/sh", "-c", "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done")


def stalled_writer(children: Children, directory: Path, clock: Clock) -> int:
    """Spawn child 1, which writes 320 pieces of 64 KiB; how many it had written when it got no further."""
    progress = directory / "progress"
    script = f"""
import os
progress = os.open({str(progress)!r}, os.O_CREAT | os.O_WRONLY)
for n in range(320):
    os.write(1, bytes(65536))
    os.pwrite(progress, b"%d" % n, 0)
"""
    children.spawn(1, PYTHON, "-c", script)
    steady, last = 0, b""
    while steady < 20:
        clock.tick()
        now = progress.read_bytes() if progress.exists() else b""
        steady = steady + 1 if now and now == last else 0
        last = now
    return int(last)


def test_nothing_is_read_while_nobody_takes_the_output(children: Children, tmp_path: Path) -> None:
    """The writer gets no further than its pipe; when events are taken it goes on to its end."""
    assert stalled_writer(children, tmp_path, Clock(tmp_path / "clock")) < 4
    assert children.finished(1).stdout[1] == 320 * 65536


def test_an_end_is_told_while_another_one_writes_without_end(children: Children) -> None:
    children.spawn(1, "yes")
    children.written(1, b"y\n")
    children.sh(2, "echo done; exit 4")
    assert (children.finished(2).code, children.output(2)) == (4, b"done\n")
    assert children.kinds(1) == []
    children.processes.signal(1, signal.SIGKILL)
    assert children.finished(1).signal == signal.SIGKILL


def test_a_queue_has_the_children_of_one_object(children: Children, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="other processes"):
        _core.Processes(children.queue, "blake3", str(tmp_path))


def test_a_thousand_children_each_keep_their_own_output(children: Children) -> None:
    in_flight: set[int] = set()
    tokens = iter(range(1000))
    ended: dict[int, int | None] = {}
    output: dict[int, bytes] = {}
    while len(ended) < 1000:
        while len(in_flight) < 16 and (token := next(tokens, None)) is not None:
            children.sh(token, f"echo {token}; exit {token % 7}")
            in_flight.add(token)
        for kind, token, payload in children.queue.wait(60):
            if kind == "output":
                output[token] = output.get(token, b"") + payload[1]
            else:
                assert kind == "exit"
                in_flight.remove(token)
                ended[token] = payload.code
    assert output == {token: b"%d\n" % token for token in range(1000)}
    assert ended == {token: token % 7 for token in range(1000)}


def test_a_hundred_children_at_once_all_end(children: Children, tmp_path: Path) -> None:
    fifo = tmp_path / "go"
    os.mkfifo(fifo)
    for token in range(100):
        children.sh(token, f"echo ready; read line < {fifo}")
    for token in range(100):
        children.written(token, b"ready\n")
    holder = os.open(fifo, os.O_RDWR)
    try:
        os.write(holder, b"go\n" * 100)
        assert [children.finished(token).code for token in range(100)] == [0] * 100
    finally:
        os.close(holder)
