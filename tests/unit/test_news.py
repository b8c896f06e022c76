"""What `haz run --watch` tells of a run that is not the first: not the hits that everybody knows of."""

from __future__ import annotations

import pytest

from haz.errors import BuildKeyError, BuildKeyFailed
from haz.events import RunObserver
from haz.model import CompletedRecord, ExitStatus, RunCancelled, SkipRecord, StreamHashes, TaskId, UpstreamFailed
from haz.observers.news import News
from haz.outcome import RunGraphOutcome

T, U = TaskId("lib", "t"), TaskId("lib", "u")
OLD, NEW = b"old key", b"new key"


def record(task: TaskId, key: bytes, source: str = "cache_hit", state: str = "succeeded") -> CompletedRecord:
    status = None if source == "cache_hit" else ExitStatus(int(state == "failed"))
    return CompletedRecord(task, source, state, status, StreamHashes(b"", b""), key=key)  # type: ignore[arg-type]


class Diary(RunObserver):
    """Every callback as a line."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __getattribute__(self, name: str) -> object:
        if not name.startswith("on_"):
            return object.__getattribute__(self, name)

        def note(*values: object) -> None:
            words = [
                v.decode() if isinstance(v, bytes) else str(v) for v in values if isinstance(v, (TaskId, bytes, str))
            ]
            self.lines.append(" ".join([name.removeprefix("on_"), *words]))

        return note


class Story:
    def __init__(self, **before: bytes) -> None:
        self.diary = Diary()
        keys = {TaskId("lib", name): key for name, key in before.items()}
        self.news = News(self.diary, keys, lambda: self.diary.lines.append("begin"))
        self.news.on_run_started(2)

    def hit(self, task: TaskId, key: bytes, out: bytes = b"") -> Story:
        self.news.on_task_started(task)
        self.news.on_stdout(task, out)
        self.news.on_task_finished(task, record(task, key), 0.0)
        return self

    def end(self) -> list[str]:
        self.news.on_run_finished(RunGraphOutcome({}, {}), 0.0, None)
        return self.diary.lines


def test_hits_under_the_same_key_leave_no_trace() -> None:
    story = Story(t=OLD, u=OLD).hit(T, OLD, b"known\n")
    story.news.on_tasks_unchanged([record(U, OLD)])
    assert story.end() == []
    assert not story.news.any


def test_a_hit_under_another_key_is_told_with_its_output() -> None:
    story = Story(t=OLD).hit(T, NEW, b"other\n")
    assert story.end() == [
        "begin",
        "run_started",
        "task_started lib:t",
        "stdout lib:t other\n",
        "task_finished lib:t",
        "run_finished",
    ]
    assert story.news.keys == {T: NEW}


def test_what_a_task_says_that_runs_is_not_held_back() -> None:
    story = Story(t=OLD)
    story.news.on_task_started(T)
    assert story.diary.lines == []
    story.news.on_miss(T, "no entry")
    story.news.on_stderr(T, b"at once\n")
    assert story.diary.lines == [
        "begin",
        "run_started",
        "task_started lib:t",
        "miss lib:t no entry",
        "stderr lib:t at once\n",
    ]


def test_of_tasks_without_output_the_news_are_told_in_one_go() -> None:
    story = Story(t=OLD)
    story.news.on_tasks_unchanged([record(T, OLD), record(U, NEW)])
    assert story.end() == ["begin", "run_started", "tasks_unchanged", "run_finished"]
    assert story.news.keys == {T: OLD, U: NEW}


def test_a_task_that_failed_is_news_each_time() -> None:
    story = Story(t=OLD)
    story.news.on_task_started(T)
    story.news.on_task_finished(T, record(T, OLD, "fresh_run", "failed"), 0.0)
    assert "task_finished lib:t" in story.end()
    assert story.news.keys == {T: OLD}


def test_a_task_that_was_stopped_or_skipped_is_not_known_any_more() -> None:
    story = Story(t=OLD, u=OLD)
    story.news.on_task_cancelled(T, RunCancelled(T), None)
    story.news.on_task_skipped(U, SkipRecord(U, UpstreamFailed(T)))
    assert story.news.keys == {}


def test_a_task_without_a_key_is_known_as_that() -> None:
    story = Story(t=OLD)
    error = BuildKeyError("no key")
    story.news.on_task_errored(T, BuildKeyFailed(error), 0.0)
    assert story.news.keys == {T: None}


@pytest.mark.parametrize(("before", "told"), [({}, True), ({"t": OLD}, False)])
def test_a_warning_about_every_run_is_told_once(before: dict[str, bytes], told: bool) -> None:
    story = Story(**before)
    story.news.on_warning(None, "always")
    assert ("warning always" in story.end()) is told


def test_a_warning_about_a_task_is_news() -> None:
    story = Story(t=OLD)
    story.news.on_warning(T, "now")
    assert story.end() == ["begin", "run_started", "warning lib:t now", "run_finished"]
