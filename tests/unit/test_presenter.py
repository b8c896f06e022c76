"""The lines of a run, byte by byte (spec 03 §9.4, §9.5)."""

from __future__ import annotations

import pytest

from haz.errors import OutputDeclaredButNotProduced
from haz.model import (
    CompletedRecord,
    ExitStatus,
    OutputOverlap,
    RunCancelled,
    RuntimeCycle,
    RuntimeCycleViolation,
    SignaledInFlight,
    SkipRecord,
    StreamHashes,
    TaskId,
    TaskRun,
    UpstreamCancelled,
    UpstreamErrored,
    UpstreamFailed,
)
from haz.observers.presenter import Presenter, duration_text, palette
from haz.outcome import Counts

FAIL, DOWN = TaskId("lib", "fail"), TaskId("lib", "down")
STREAMS = StreamHashes(b"", b"")
plain = Presenter(colour=False)
painted = Presenter(colour=True)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0ms"),
        (0.0001, "1ms"),
        (0.4129, "412ms"),
        (2.0, "2s 0ms"),
        (3.0071, "3s 7ms"),
        (0.9999, "999ms"),
        (59.9999, "59s 999ms"),
        (60.0, "1m 0s"),
        (125.9, "2m 5s"),
        (3599.9, "59m 59s"),
        (3600.0, "1h 0m"),
        (93_780.0, "26h 3m"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("task", "rgb"),
    [
        ("fail", (90, 122, 226)),
        ("down", (203, 90, 226)),
        ("ok", (226, 90, 190)),
        ("build", (122, 226, 90)),
        ("test", (167, 90, 226)),
    ],
)
def test_the_palette_has_the_published_colours(task: str, rgb: tuple[int, int, int]) -> None:
    assert palette(TaskId("lib", task)) == rgb


def test_the_palette_of_another_project() -> None:
    assert palette(TaskId("web", "bundle")) == (142, 226, 90)


def record(state: str, status: ExitStatus | None, **more: object) -> CompletedRecord:
    source = "cache_hit" if status is None else "fresh_run"
    return CompletedRecord(FAIL, source, state, status, STREAMS, **more)  # type: ignore[arg-type]


def test_a_failure_with_colour_is_the_published_vector() -> None:
    """EXEC-016: prefix bold and coloured, glyph and verb red, duration dim, the exit code plain."""
    line = painted.completed(FAIL, record("failed", ExitStatus(7)), 0.024)
    assert line == (
        "\x1b[1m\x1b[38;2;90;122;226m[lib:fail]\x1b[0m \x1b[31m✗ failed\x1b[0m in \x1b[2m24ms\x1b[0m (exit 7)\n"
    )


PAINTED_FAIL = "\x1b[1m\x1b[38;2;90;122;226m[lib:fail]\x1b[0m "
PAINTED_DOWN = "\x1b[1m\x1b[38;2;203;90;226m[lib:down]\x1b[0m "


def test_every_end_has_the_colours_of_the_table() -> None:
    """EXEC-016, 03 §9.4: glyph and verb are painted, durations and causes dim, all else is plain."""
    green, red, yellow, dim, plain_again = "\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"
    took = f"in {dim}3ms{plain_again}"
    assert painted.completed(FAIL, record("succeeded", None), 0.003) == (
        f"{PAINTED_FAIL}{green}◉ cached{plain_again} {took}\n"
    )
    assert painted.completed(FAIL, record("succeeded", ExitStatus(0)), 0.003) == (
        f"{PAINTED_FAIL}{green}✓ done{plain_again} {took}\n"
    )
    assert painted.completed(FAIL, record("failed", ExitStatus(None, 9)), 0.003) == (
        f"{PAINTED_FAIL}{red}✗ failed{plain_again} {took} (signal 9)\n"
    )
    assert painted.cancelled(DOWN, SignaledInFlight(DOWN, ExitStatus(0), STREAMS), 0.003) == (
        f"{PAINTED_DOWN}{yellow}! cancelled{plain_again} {took}\n"
    )
    for line, why in (
        (painted.cancelled(DOWN, RunCancelled(DOWN), None), "- cancelled|run cancelled"),
        (painted.cancelled(DOWN, UpstreamCancelled(DOWN, FAIL), None), "- cancelled|upstream lib:fail cancelled"),
        (painted.skipped(DOWN, SkipRecord(DOWN, UpstreamFailed(FAIL))), "- skipped|upstream lib:fail failed"),
        (painted.skipped(DOWN, SkipRecord(DOWN, UpstreamErrored(FAIL))), "- skipped|upstream lib:fail errored"),
        (painted.skipped(DOWN, SkipRecord(DOWN, RuntimeCycle())), "- skipped|in runtime cycle"),
    ):
        verb, _, cause = why.partition("|")
        assert line == f"{PAINTED_DOWN}{yellow}{verb}{plain_again} ({dim}{cause}{plain_again})\n"
    assert painted.errored(FAIL, OutputDeclaredButNotProduced("/o")) == (
        f"{PAINTED_FAIL}{red}✗ error{plain_again}: declared output /o was not produced\n"
    )


def test_ends_without_colour() -> None:
    assert plain.completed(FAIL, record("succeeded", None), 0.003) == "[lib:fail] ◉ cached in 3ms\n"
    assert plain.completed(FAIL, record("succeeded", ExitStatus(0)), 0.003) == "[lib:fail] ✓ done in 3ms\n"
    assert (
        plain.completed(FAIL, record("failed", ExitStatus(None, 9)), 1.0)
        == "[lib:fail] ✗ failed in 1s 0ms (signal 9)\n"
    )
    skipped = [
        (UpstreamFailed(FAIL), "upstream lib:fail failed"),
        (UpstreamErrored(FAIL), "upstream lib:fail errored"),
        (RuntimeCycle(), "in runtime cycle"),
    ]
    for cause, text in skipped:
        assert plain.skipped(DOWN, SkipRecord(DOWN, cause)) == f"[lib:down] - skipped ({text})\n"
    in_flight = SignaledInFlight(DOWN, ExitStatus(0), STREAMS)
    assert plain.cancelled(DOWN, in_flight, 1.507) == "[lib:down] ! cancelled in 1s 507ms\n"
    assert plain.cancelled(DOWN, in_flight, None) == "[lib:down] ! cancelled in unknown\n"
    assert plain.cancelled(DOWN, RunCancelled(DOWN), None) == "[lib:down] - cancelled (run cancelled)\n"
    upstream = UpstreamCancelled(DOWN, FAIL)
    assert plain.cancelled(DOWN, upstream, None) == "[lib:down] - cancelled (upstream lib:fail cancelled)\n"
    error = OutputDeclaredButNotProduced("/lib/never.txt")
    assert plain.errored(FAIL, error) == "[lib:fail] ✗ error: declared output /lib/never.txt was not produced\n"


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_hits_that_are_told_together_look_as_one_by_one(colour: bool, ascii_only: bool) -> None:
    presenter = Presenter(colour=colour, ascii_only=ascii_only)
    hits = [CompletedRecord(task, "cache_hit", "succeeded", None, STREAMS) for task in (FAIL, DOWN)]
    together = presenter.unchanged(hits)
    assert together == "".join(presenter.completed(hit.task, hit, 0.0) for hit in hits)
    assert together.isascii() is ascii_only


def test_attempts_are_counted_in_the_last_line() -> None:
    """03 §13.6."""
    first = TaskRun(1, "failed", 0, 12, "exit 1", 1)
    last = TaskRun(2, "timeout", 20, 90_020, "timed out after 90s")
    assert plain.attempt(FAIL, first, 3, 0.18) == (
        "[lib:fail] ↻ attempt 1 of 3 failed in 12ms (exit 1), retrying in 180ms\n"
    )
    timed_out = record("failed", ExitStatus(None, 15), attempts=(first, last))
    assert plain.completed(FAIL, timed_out, 100.0) == "[lib:fail] ✗ timed out in 1m 40s (limit 90s, 2 attempts)\n"
    passed = record("succeeded", ExitStatus(0), attempts=(first, first), max_attempts=3)
    assert plain.completed(FAIL, passed, 0.5) == "[lib:fail] ✓ done in 500ms (attempt 2 of 3)\n"


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        (Counts(2, 2, 0, 0, 4, 0), "Tasks: 2 completed (2 cached), 4 cancelled"),
        (Counts(0, 0, 1, 1, 1, 0), "Tasks: 0 completed, 1 failed, 1 skipped, 1 cancelled"),
        (Counts(3, 0, 0, 0, 0, 1), "Tasks: 3 completed, 1 flaky"),
    ],
)
def test_the_epilogue_leaves_out_what_is_zero(counts: Counts, text: str) -> None:
    assert plain.epilogue(counts, 0.798) == f"\n{text}\n Time: 798ms\n"


def test_the_epilogue_with_colour() -> None:
    assert painted.epilogue(Counts(2, 1, 1, 0, 0, 0), 0.0) == (
        "\nTasks: \x1b[32m2 completed\x1b[0m \x1b[32m(1 cached)\x1b[0m, \x1b[31m1 failed\x1b[0m\n Time: \x1b[2m0ms\x1b[0m\n"
    )


def test_broken_invariants_are_told_a_line_each() -> None:
    """EXEC-019, EXEC-020, 03 §8.3."""
    a, b = TaskId("lib", "a"), TaskId("lib", "b")
    overlap = OutputOverlap(a, b, "/lib/out/r.txt")
    cycle = RuntimeCycleViolation((a, b), (b, a))
    assert plain.violations([overlap, cycle]) == (
        "error[EXEC-020]: /lib/out/r.txt was written by both lib:a and lib:b\n"
        "error[EXEC-019]: lib:b -> lib:a closes a cycle: lib:a, lib:b\n"
    )


@pytest.mark.parametrize(("pid", "whom"), [(77, "pid 77"), (None, "another haz")])
def test_a_wait_names_the_process_where_it_is_known(pid: int | None, whom: str) -> None:
    assert plain.waiting(FAIL, pid) == f"[lib:fail] … waiting for {whom}\n"
