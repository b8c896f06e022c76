"""The log of a run as it is written, and finding one again (spec 03 §13.7)."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from haz import app
from haz.errors import FileSystemError, SpawnError, SpawnFailed
from haz.history import files, log
from haz.history.records import end_value, run_value
from haz.model import (
    Command,
    CompletedRecord,
    ExitStatus,
    Retries,
    SkipRecord,
    StreamHashes,
    TaskId,
    TaskRun,
    TaskSpec,
    UpstreamFailed,
)
from haz.observers.history import BLOCK, HistoryObserver
from haz.observers.presenter import Presenter
from haz.outcome import RunGraphOutcome
from tests.unit.graphs import graph

A, B = TaskId("lib", "a"), TaskId("lib", "b")
STREAMS = StreamHashes(b"", b"")
KEY = bytes(range(32))


def hit(task: TaskId) -> CompletedRecord:
    return CompletedRecord(task, "cache_hit", "succeeded", None, STREAMS, key=KEY)


class Written:
    """A workspace folder, the observer that writes there, and what it complained of."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.complaints: list[str] = []
        self.observer = HistoryObserver(str(root), "0.1.0", ["run", "--all"], self.complaints.append)

    @property
    def logs(self) -> list[Path]:
        return sorted((self.root / ".haz/runs").iterdir())

    @property
    def size(self) -> int:
        return self.logs[0].stat().st_size

    def read(self) -> log.RunLog:
        ((started_at, run_id),) = files.ids(str(self.root))
        found = files.read(str(self.root), started_at, run_id)
        assert found is not None
        return found


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path)


def test_thousands_of_hits_are_a_few_writes(written: Written) -> None:
    written.observer.on_run_started(6000)
    sizes = {written.size}
    for number in range(6000):
        written.observer.on_task_finished(TaskId("lib", f"t{number}"), hit(A), 0.001)
        sizes.add(written.size)
    written.observer.on_run_finished(RunGraphOutcome({}, {}), 1.0, None)
    assert len(sizes) <= 6000 * 150 // BLOCK + 2
    run = written.read()
    assert (len(run.tasks), run.damaged, run.state) == (6000, 0, "finished")
    assert run.tasks["lib:t5999"].key == KEY.hex()


def test_an_attempt_is_on_disk_at_once_and_brings_what_waited(written: Written) -> None:
    written.observer.on_run_started(3)
    written.observer.on_task_finished(B, hit(B), 0.0)
    assert set(written.read().tasks) == set()
    written.observer.on_attempt_finished(A, TaskRun(1, "failed", 1, 2, "exit 1", 1), 3, 0.5)
    assert set(written.read().tasks) == {"lib:a", "lib:b"}


def test_a_failure_is_on_disk_at_once_and_no_attempt_twice(written: Written) -> None:
    runs = (TaskRun(1, "failed", 1, 2, "exit 1", 1), TaskRun(2, "exhausted", 3, 4, "exit 1, attempt 2 of 2", 1))
    written.observer.on_run_started(2)
    written.observer.on_miss(A, "no entry")
    written.observer.on_miss(A, "another reason before the second attempt")
    written.observer.on_attempt_finished(A, runs[0], 2, 0.0)
    failed = CompletedRecord(A, "fresh_run", "failed", None, STREAMS, attempts=runs, max_attempts=2, key=KEY)
    written.observer.on_task_finished(A, failed, 0.25)
    known = written.read().tasks["lib:a"]
    assert known.attempts == runs
    assert (known.outcome, known.source, known.duration, known.miss) == ("failed", "fresh", 250, "no entry")
    written.observer.on_task_skipped(B, SkipRecord(B, UpstreamFailed(A)))
    written.observer.on_run_finished(RunGraphOutcome({A: failed, B: SkipRecord(B, UpstreamFailed(A))}, {}), 1.5, 2)
    run = written.read()
    assert run.tasks["lib:b"].cause == {"upstreamFailed": "lib:a"}
    assert run.end == log.RunEnd(
        130,
        2,
        1500,
        {"completed": 0, "cached": 0, "failed": 1, "skipped": 1, "cancelled": 0, "flaky": 0},
        {"no entry": 1},
    )


def test_a_broken_attempt_is_recorded_with_its_error(written: Written) -> None:
    """03 §13.4: spawn errors; names that are not UTF-8 do not stop the log."""
    error = SpawnFailed(SpawnError("bad\udcff", "not found in PATH"))
    error.attempts = (TaskRun(1, "failed", 1, 2, str(error)),)
    written.observer.on_run_started(1)
    written.observer.on_task_errored(A, error, 0.0)
    known = written.read().tasks["lib:a"]
    assert known.outcome == "errored"
    assert known.error == 'cannot start "bad\\udcff": not found in PATH'
    assert [run.error for run in known.attempts] == [known.error]


def test_a_run_is_told_from_an_interrupted_one_by_its_lock(written: Written) -> None:
    written.observer.on_run_started(1)
    assert written.read().state == "running"
    os.close(written.observer._file or -1)
    written.observer._file = None
    assert written.read().state == "interrupted"


def test_a_log_that_cannot_be_made_is_complained_of_once(written: Written) -> None:
    (written.root / ".haz").mkdir()
    (written.root / ".haz/runs").write_text("in the way")
    written.observer.on_run_started(1)
    written.observer.on_task_finished(A, hit(A), 0.0)
    written.observer.on_run_finished(RunGraphOutcome({}, {}), 0.0, None)
    (complaint,) = written.complaints
    assert "this run is not recorded" in complaint
    assert "Not a directory" in complaint
    with pytest.raises(FileSystemError, match="Not a directory"):
        files.ids(str(written.root))


def fill(root: Path, *names: str) -> None:
    (root / ".haz/runs").mkdir(parents=True)
    for name in names:
        (root / ".haz/runs" / name).write_text("")


def test_the_newest_fifty_are_kept_and_nothing_else_is_touched(written: Written) -> None:
    old = [f"{1000 + number}-0000000a.jsonl" for number in range(60)]
    others = ["notes.txt", "7-XYZ.jsonl", "12-0000000a.json", "99-0000000A.jsonl"]
    fill(written.root, *old, *others)
    written.observer.on_run_started(1)
    names = [path.name for path in written.logs]
    assert set(others) <= set(names)
    kept = [name for name in names if log.id_of(name)]
    assert len(kept) == files.KEEP
    assert set(old) & set(kept) == set(old[-49:])
    assert written.complaints == []


def test_an_id_may_be_abbreviated_where_that_is_unique(tmp_path: Path) -> None:
    fill(tmp_path, "1000-aa000001.jsonl", "1001-ab000002.jsonl", "2000-ab000003.jsonl")
    root = str(tmp_path)
    assert files.find(root, "latest") == (2000, "2000-ab000003")
    assert files.find(root, "20")[1] == "2000-ab000003"
    assert files.find(root, "aa")[1] == "1000-aa000001"
    assert files.find(root, "1001-ab000002")[1] == "1001-ab000002"
    for wanted, reason in [("ab", "is the start of 2 runs"), ("zz", "there is no run 'zz'"), ("", "no run ''")]:
        with pytest.raises(files.HistoryError, match=reason) as caught:
            files.find(root, wanted)
        assert caught.value.hint
        assert caught.value.exit_code == 2


def test_what_is_no_file_is_no_run(tmp_path: Path) -> None:
    """A FIFO must not make a reader wait for a writer."""
    fill(tmp_path, "1000-aa000001.jsonl")
    os.mkfifo(tmp_path / ".haz/runs/1001-aa000002.jsonl")
    (tmp_path / ".haz/runs/1002-aa000003.jsonl").mkdir()
    (tmp_path / ".haz/runs/1003-aa000004.jsonl").symlink_to("nowhere")
    (tmp_path / ".haz/runs/1004-aa000005.jsonl").symlink_to("1004-aa000005.jsonl")
    found = {run.id: run.state for run in files.logs(str(tmp_path))}
    assert found == {"1000-aa000001": "interrupted", "1004-aa000005": "unknown"}


def test_durations_are_those_of_the_newest_run_that_really_ran_the_task(tmp_path: Path) -> None:
    fill(tmp_path)
    passed = {"outcome": "succeeded", "source": "fresh"}
    lines = {
        "1-00000001": [log.end_line(A, passed, 9.0, None), log.end_line(B, passed, 4.0, None)],
        "2-00000001": [log.end_line(A, passed, 2.5, None)],
        "3-00000001": [log.hit_line(A, KEY, 0.1), log.end_line(B, {**passed, "outcome": "failed"}, 1.0, None)],
    }
    for run_id, written in lines.items():
        (tmp_path / f".haz/runs/{run_id}.jsonl").write_bytes(b"".join(written) + b"{torn")
    assert files.durations(str(tmp_path), [A, B, TaskId("lib", "never")]) == {A: 2.5, B: 4.0}


def spec(name: str, **more: object) -> TaskSpec:
    return TaskSpec(TaskId("lib", name), "/lib", (), Command(("true",)), **more)  # type: ignore[arg-type]


def test_the_command_line_replaces_timeouts_and_retries_and_nothing_else() -> None:
    """03 §13.2."""
    exact = Retries(max=1, delay=9.0, max_delay=9.0, on=("timeout",))
    whole = graph(spec("a", timeout=5.0, retries=exact), spec("b"), spec("server", persistent=True, cache=False))
    assert app.overridden(whole, app.RunOptions()) is whole

    limited = app.overridden(whole, app.RunOptions(timeout=2.0, retries=3)).specs
    assert [limited[task].timeout for task in limited] == [2.0, 2.0, None]
    assert limited[A].retries == exact.replace(max=3)
    assert limited[B] == spec("b", timeout=2.0, retries=Retries(max=3))

    off = app.overridden(whole, app.RunOptions(timeout=0.0, retries=0)).specs
    assert (off[A].timeout, off[A].retries) == (None, None)
    assert whole.specs[A].timeout == 5.0


def test_flaky_tasks_are_named() -> None:
    """03 §13.6."""
    attempts = (TaskRun(1, "failed", 0, 1, "exit 1", 1), TaskRun(2, "succeeded", 2, 3, None, 0))
    passed = CompletedRecord(A, "fresh_run", "succeeded", None, STREAMS, attempts=attempts, max_attempts=3)
    failed = passed.replace(state="failed")
    steady = CompletedRecord(B, "fresh_run", "succeeded", None, STREAMS, attempts=attempts[1:], max_attempts=3)
    assert Presenter(colour=False).flaky([passed, failed, steady]) == "flaky: lib:a passed on attempt 2 of 3\n"


@pytest.mark.parametrize("key", [KEY, None])
@pytest.mark.parametrize("miss", ["no entry", None])
def test_the_short_ways_to_the_usual_lines_write_what_the_long_ones_do(key: bytes | None, miss: str | None) -> None:
    run = TaskRun(1, "succeeded", 1_700_000_000_000, 1_700_000_000_450, None, 0)
    record = CompletedRecord(A, "fresh_run", "succeeded", ExitStatus(0), STREAMS, (), (run,), key=key)
    assert json.loads(log.attempt_line(A, run)) == {"task": str(A), "run": run_value(run)}
    assert log.done_line(A, key, 0.4567, miss) == log.end_line(A, end_value(record), 0.4567, miss)
