"""Attempts survive JSON, and no log, however torn or hostile, stops its reader (spec 03 §13.3, §13.7)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haz import _core
from haz.history import log
from haz.history.records import PHASES, run_of, run_value
from haz.history.text import list_json, list_text, show_json, show_text
from haz.model import TaskId, TaskRun

MS = st.integers(0, 2**53)
RUNS = st.builds(
    TaskRun,
    st.integers(1, 2**32 - 1),
    st.sampled_from(PHASES),
    MS,
    st.none() | MS,
    st.none() | st.text(),
    st.none() | st.integers(-(2**31), 2**31 - 1),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
# Objects made of the right words with the wrong values get deeper into the reader than noise does.
WORDS = st.sampled_from(
    [
        "task",
        "run",
        "outcome",
        "source",
        "key",
        "duration",
        "miss",
        "cause",
        "error",
        "exit",
        "version",
        "haz",
        "startedAt",
        "argv",
        "tasks",
        "exitCode",
        "signal",
        "counts",
        "misses",
        "attempt",
        "phase",
        "finishedAt",
    ]
)
VALUES = JSON | st.sampled_from([*log.OUTCOMES, *PHASES, "hit", "fresh", "lib:t", 1, 0, {"upstreamFailed": "a:b"}])
NEAR = st.dictionaries(WORDS, VALUES | st.dictionaries(WORDS, VALUES, max_size=5), max_size=7)
LINES = st.binary(max_size=40) | (NEAR | JSON).map(lambda value: json.dumps(value).encode())


@given(RUNS)
def test_an_attempt_survives_its_json_form(run: TaskRun) -> None:
    """03 §13.3."""
    data = _core.json_dumps(run_value(run))
    assert run_of(_core.json_loads(data)) == run
    assert run_of(json.loads(data)) == run


def test_the_published_example_of_an_attempt() -> None:
    """03 §13.3."""
    text = (
        '{"attempt":2,"phase":"timeout","startedAt":1795231777250,"finishedAt":1795231867251,'
        '"error":"timed out after 90s"}'
    )
    run = run_of(json.loads(text))
    assert run == TaskRun(2, "timeout", 1795231777250, 1795231867251, "timed out after 90s")
    assert _core.json_dumps(run_value(run)).decode() == text


@given(RUNS, st.sampled_from(["finishedAt", "error", "exitCode"]))
def test_an_option_may_be_missing_or_null(run: TaskRun, name: str) -> None:
    """03 §13.3."""
    value = run_value(run)
    absent = {key: found for key, found in value.items() if key != name}
    assert run_of(absent) == run_of({**absent, name: None})


@given(RUNS, st.text().filter(lambda text: text not in PHASES) | st.none() | st.integers())
def test_an_unknown_phase_is_refused(run: TaskRun, phase: object) -> None:
    """03 §13.3."""
    with pytest.raises(ValueError, match="unknown phase"):
        run_of({**run_value(run), "phase": phase})


@given(st.dictionaries(WORDS, VALUES) | JSON)
def test_what_is_no_attempt_is_refused_with_a_value_error(value: object) -> None:
    try:
        run = run_of(value)
    except ValueError:
        return
    assert isinstance(value, dict)
    assert run_of(run_value(run)) == run


@given(st.lists(LINES, max_size=12), st.booleans())
def test_no_line_stops_a_reader(lines: list[bytes], locked: bool) -> None:
    """03 §13.7."""
    run = log.parse("1-00000000", 1, lines, locked=locked)
    for text in (list_text([run]), show_text(run)):
        assert all(line.isprintable() for line in text.split("\n"))
    assert json.loads(_core.json_dumps(list_json([run])))["version"] == 1
    shown = json.loads(_core.json_dumps(show_json(run)))
    assert set(shown["tasks"]) == set(run.tasks)


A, B = TaskId("lib", "a"), TaskId("lib", "b")
WHOLE = b"".join(
    [
        log.first_line("0.1.0", 1, ["run", "--all"], 2),
        log.attempt_line(A, TaskRun(1, "failed", 5, 9, "exit 1", 1)),
        log.attempt_line(A, TaskRun(2, "succeeded", 10, 12, None, 0)),
        log.end_line(A, {"outcome": "succeeded", "source": "fresh", "key": "00"}, 0.007, "no entry"),
        log.hit_line(B, b"\1" * 32, 0.001),
        log.last_line(0, None, 0.02, {"completed": 2, "cached": 1, "flaky": 1}, {"no entry": 1}),
    ]
)


@given(st.integers(0, len(WHOLE)))
def test_a_log_cut_anywhere_tells_what_its_whole_lines_tell(length: int) -> None:
    """03 §13.7: a crashed run leaves lines without outcome."""
    whole = log.parse("1-00000000", 1, WHOLE.splitlines(), locked=False)
    cut = log.parse("1-00000000", 1, WHOLE[:length].splitlines(keepends=True), locked=False)
    assert cut.damaged == 0
    assert cut.state == ("finished" if length >= len(WHOLE) - 1 else "interrupted")
    for name, task in cut.tasks.items():
        full = whole.tasks[name]
        assert task.attempts == full.attempts[: len(task.attempts)]
        assert task.outcome is None or task == full


def test_lines_that_are_damaged_within_a_log_are_counted() -> None:
    lines = WHOLE.splitlines()
    lines[2] = lines[2][:10]
    lines[3] = lines[3].replace(b"succeeded", b"exploded!")
    run = log.parse("1-00000000", 1, lines, locked=False)
    assert (run.damaged, run.state, len(run.tasks[str(A)].attempts)) == (2, "finished", 1)
    assert run.tasks[str(A)].outcome is None
    assert "unreadable lines: 2" in show_text(run)
    assert "[lib:a] ? lost" in show_text(run)


def test_a_log_of_another_version_is_known_by_its_name_only() -> None:
    lines = WHOLE.replace(b'"version":1', b'"version":2', 1).splitlines()
    run = log.parse("1-00000000", 1, lines, locked=False)
    assert (run.state, run.tasks, run.end) == ("unknown", {}, None)
    assert "of another version" in show_text(run)
