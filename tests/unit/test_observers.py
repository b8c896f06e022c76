"""Live and buffered output, byte by byte (spec 03 §9.2, §9.3), and the fan-out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haz.errors import OutputDeclaredButNotProduced
from haz.events import RunObserver
from haz.model import CompletedRecord, ExitStatus, RunCancelled, SignaledInFlight, StreamHashes, TaskId
from haz.observers.buffered import IN_MEMORY, BufferedObserver
from haz.observers.fanout import FanOut
from haz.observers.live import LONGEST_LINE, LiveObserver
from haz.observers.presenter import Presenter
from haz.outcome import RunGraphOutcome

T, U = TaskId("lib", "t"), TaskId("lib", "u")
DONE = CompletedRecord(T, "fresh_run", "succeeded", ExitStatus(0), StreamHashes(b"", b""))


class Screen:
    """Collects both streams, and the order in which writes came."""

    def __init__(self, kind: Callable[..., RunObserver]) -> None:
        self.writes: list[tuple[str, bytes]] = []
        self.observer = kind(
            Presenter(colour=False),
            lambda data: self.writes.append(("out", data)),
            lambda data: self.writes.append(("err", data)),
        )

    def text(self, stream: str) -> bytes:
        return b"".join(data for name, data in self.writes if name == stream)


def test_live_prefixes_every_line_and_completes_the_last_one() -> None:
    """EXEC-016."""
    screen = Screen(LiveObserver)
    screen.observer.on_task_started(T)
    screen.observer.on_stdout(T, b"a\r\nb\xff\n\npart")
    screen.observer.on_stdout(T, b"")
    screen.observer.on_stdout(T, b"ial")
    screen.observer.on_stderr(T, b"err1\nerrp")
    screen.observer.on_task_finished(T, DONE, 0.023)
    assert screen.text("out") == b"[lib:t] a\r\n[lib:t] b\xff\n[lib:t] \n[lib:t] partial\n"
    assert screen.text("err") == "[lib:t] err1\n[lib:t] errp\n[lib:t] ✓ done in 23ms\n".encode()
    assert [name for name, _ in screen.writes] == ["out", "err", "out", "err", "err"]


@given(st.binary(max_size=60).map(lambda raw: raw.replace(b"x", b"\n")), st.lists(st.integers(0, 60)))
def test_chunk_boundaries_are_invisible_in_live_mode(data: bytes, cuts: list[int]) -> None:
    whole, pieces = Screen(LiveObserver), Screen(LiveObserver)
    for screen, chunks in ((whole, [data]), (pieces, _split(data, cuts))):
        screen.observer.on_task_started(T)
        for chunk in chunks:
            screen.observer.on_stdout(T, chunk)
        screen.observer.on_task_finished(T, DONE, 0.0)
    assert whole.text("out") == pieces.text("out")
    expected = b"".join(b"[lib:t] " + line + b"\n" for line in data.split(b"\n"))
    assert whole.text("out") == (expected if data[-1:] not in (b"", b"\n") else expected[: -len(b"[lib:t] \n")])


def _split(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[a:b] for a, b in zip(edges, edges[1:], strict=False)]


def test_lines_of_two_tasks_never_mix() -> None:
    screen = Screen(LiveObserver)
    for task in (T, U):
        screen.observer.on_task_started(task)
    screen.observer.on_stdout(T, b"from ")
    screen.observer.on_stdout(U, b"from u\n")
    screen.observer.on_stdout(T, b"t\n")
    assert screen.text("out") == b"[lib:u] from u\n[lib:t] from t\n"


def test_a_line_without_end_is_cut_rather_than_kept() -> None:
    """D6: memory is bounded whatever a task prints."""
    screen = Screen(LiveObserver)
    screen.observer.on_task_started(T)
    for _ in range(40):
        screen.observer.on_stdout(T, b"x" * 65536)
    assert len(screen.text("out")) >= 2 * LONGEST_LINE


@pytest.mark.parametrize("kind", [LiveObserver, BufferedObserver])
def test_bytes_of_a_task_that_was_not_started_are_ignored(kind: Callable[..., RunObserver]) -> None:
    screen = Screen(kind)
    screen.observer.on_stdout(T, b"ghost\n")
    screen.observer.on_task_cancelled(T, RunCancelled(T), None)
    assert screen.writes == [("err", b"[lib:t] - cancelled (run cancelled)\n")]


def test_buffered_writes_two_verbatim_blocks_at_the_end() -> None:
    """EXEC-016; 03 §15 A4: the summary line starts on a line of its own."""
    screen = Screen(BufferedObserver)
    screen.observer.on_task_started(T)
    screen.observer.on_stderr(T, b"err1\nerrp")
    screen.observer.on_stdout(T, b"a\xff\npartial")
    assert screen.writes == []
    screen.observer.on_task_finished(T, DONE, 0.003)
    assert screen.text("out") == b"a\xff\npartial"
    assert screen.text("err") == "err1\nerrp\n[lib:t] ✓ done in 3ms\n".encode()
    assert [name for name, _ in screen.writes] == ["out", "err", "err", "err"]


def test_blocks_of_two_tasks_never_mix_and_empty_ones_write_nothing() -> None:
    """03 §9.3."""
    screen = Screen(BufferedObserver)
    for task in (T, U):
        screen.observer.on_task_started(task)
    for number in range(3):
        for task in (T, U):
            screen.observer.on_stdout(task, f"{task} {number}\n".encode())
    screen.observer.on_task_finished(U, DONE.replace(task=U), 0.0)
    screen.observer.on_task_finished(T, DONE, 0.0)
    assert screen.text("out") == b"".join(f"{task} {n}\n".encode() for task in (U, T) for n in range(3))
    assert [name for name, _ in screen.writes] == ["out", "err", "out", "err"]


@pytest.mark.parametrize(
    ("kind", "out", "err"),
    [(LiveObserver, b"[lib:t] part\n", b"[lib:t] why\n"), (BufferedObserver, b"part", b"why\n")],
)
@pytest.mark.parametrize("end", ["cancelled", "errored"])
def test_what_a_task_wrote_before_it_was_ended_or_broke_is_shown_first(
    kind: Callable[..., RunObserver], out: bytes, err: bytes, end: str
) -> None:
    """03 §9.2, 03 §9.3, 03 §15 A3."""
    screen = Screen(kind)
    screen.observer.on_task_started(T)
    screen.observer.on_stdout(T, b"part")
    screen.observer.on_stderr(T, b"why")
    if end == "cancelled":
        screen.observer.on_task_cancelled(T, SignaledInFlight(T, ExitStatus(0), StreamHashes(b"", b"")), 0.003)
        last = b"[lib:t] ! cancelled in 3ms\n"
    else:
        screen.observer.on_task_errored(T, OutputDeclaredButNotProduced("/o"), 0.003)
        last = "[lib:t] ✗ error: declared output /o was not produced\n".encode()
    assert (screen.text("out"), screen.text("err")) == (out, err + last)


def test_a_large_block_survives_its_way_through_a_file() -> None:
    """D6."""
    screen = Screen(BufferedObserver)
    screen.observer.on_task_started(T)
    data = bytes(range(256)) * 256
    rounds = IN_MEMORY // len(data) + 3
    for _ in range(rounds):
        screen.observer.on_stdout(T, data)
    screen.observer.on_task_finished(T, DONE, 0.0)
    assert screen.text("out") == data * rounds


def test_an_observer_that_raises_is_dropped_and_named_once() -> None:
    """Observers fail alone."""

    class Broken(RunObserver):
        calls = 0

        def on_task_started(self, task: TaskId) -> None:
            Broken.calls += 1
            raise ValueError(task)

    class Counting(RunObserver):
        calls = 0

        def on_task_started(self, task: TaskId) -> None:
            del task
            Counting.calls += 1

    complaints: list[str] = []
    fan = FanOut([Broken(), Counting()], complaints.append)
    fan.on_task_started(T)
    fan.on_task_started(U)
    assert (Broken.calls, Counting.calls) == (1, 2)
    assert len(complaints) == 1
    assert "Broken" in complaints[0]


def test_the_fan_out_passes_on_every_callback() -> None:
    names = [name for name in vars(RunObserver) if name.startswith("on_")]
    assert [name for name in names if name not in vars(FanOut)] == []


@pytest.mark.parametrize("kind", [LiveObserver, BufferedObserver])
def test_a_warning_that_concerns_every_task_is_told_once_and_counted(kind: Callable[..., RunObserver]) -> None:
    screen = Screen(kind)
    for task in (T, U, T):
        screen.observer.on_warning(task, "the disk is full")
    screen.observer.on_warning(U, "something else")
    screen.observer.on_run_finished(RunGraphOutcome({}, {}), 0.0, None)
    assert screen.text("err") == (
        b"[lib:t] warning: the disk is full\n[lib:u] warning: something else\nwarning: 2 more times: the disk is full\n"
    )
