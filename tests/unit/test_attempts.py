"""Whether and when another attempt follows (spec 03 §13.2, §13.5)."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from haz.attempts import delay_before, eligible
from haz.model import CompletedRecord, ExitStatus, Retries, StreamHashes, TaskId

T = TaskId("lib", "t")


@pytest.mark.parametrize(("jitter", "least"), [("none", 1.0), ("equal", 0.5), ("full", 0.0)])
def test_a_delay_grows_to_its_limit_and_jitter_takes_a_part_of_it(jitter: str, least: float) -> None:
    """03 §13.5 step 4."""
    retries = Retries(max=100, delay=0.2, factor=2.0, max_delay=3.0, jitter=jitter)  # type: ignore[arg-type]
    random = Random(7)
    for attempt, whole in enumerate((0.2, 0.4, 0.8, 1.6, 3.0, 3.0), 1):
        delays = [delay_before(retries, attempt, random.uniform) for _ in range(400)]
        assert all(least * whole <= delay <= whole for delay in delays)
        # All of the range is used: nobody waits in step with the others.
        assert min(delays) <= (least + 0.05) * whole
        assert max(delays) >= 0.95 * whole


def test_equal_seeds_give_equal_delays() -> None:
    retries = Retries(max=5, jitter="full")
    first, again = ([delay_before(retries, n, Random(3).uniform) for n in range(1, 6)] for _ in range(2))
    assert first == again
    assert all(one < other for one, other in pairwise(first))


def test_a_delay_that_outgrows_all_numbers_is_the_largest() -> None:
    retries = Retries(max=100, delay=1.0, factor=1e300, max_delay=30.0, jitter="none")
    assert delay_before(retries, 100, Random(1).uniform) == 30.0


@pytest.mark.parametrize(
    ("retries", "status", "timed_out", "expected"),
    [
        (Retries(max=1), ExitStatus(7), False, True),
        (Retries(max=1), ExitStatus(None, 9), False, True),
        (Retries(max=1), ExitStatus(None, 15), True, True),
        (Retries(max=1, on=("timeout",)), ExitStatus(7), False, False),
        (Retries(max=1, on=("failure",)), ExitStatus(None, 15), True, False),
        (Retries(max=1, exit_codes=(75,)), ExitStatus(75), False, True),
        (Retries(max=1, exit_codes=(75,)), ExitStatus(7), False, False),
        (Retries(max=1, exit_codes=(75,)), ExitStatus(None, 9), False, False),
        (Retries(max=1, exit_codes=(75,)), ExitStatus(None, 15), True, True),
    ],
)
def test_who_may_try_again(retries: Retries, status: ExitStatus, timed_out: bool, expected: bool) -> None:
    """03 §13.2, §13.4."""
    record = CompletedRecord(T, "fresh_run", "failed", status, StreamHashes(b"", b""))
    assert eligible(retries, record, timed_out=timed_out) is expected
