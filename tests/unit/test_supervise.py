"""The end of a child: politely, then not (EXEC-014), with a clock of the test's own."""

from __future__ import annotations

from haz.supervise import ABANDON, DRAIN_SECONDS, KILL, TERM, Supervision


def test_a_cancelled_child_is_asked_then_killed_then_abandoned() -> None:
    """EXEC-014, 03 §4.2."""
    child = Supervision(0.0, None, 5.0)
    assert child.due is None
    assert child.cancel(10.0) == [TERM]
    assert child.due == 15.0
    assert child.tick(14.9) == []
    assert child.tick(15.0) == [KILL]
    assert child.due == 15.0 + DRAIN_SECONDS
    assert child.tick(15.0 + DRAIN_SECONDS) == [ABANDON]
    assert child.tick(1e9) == []


def test_no_grace_means_kill_straight_after_term() -> None:
    assert Supervision(0.0, None, 0.0).cancel(1.0) == [TERM, KILL]


def test_a_timeout_starts_at_spawn_and_names_itself() -> None:
    """03 §13.5."""
    child = Supervision(100.0, 2.0, 1.0)
    assert child.due == 102.0
    assert child.tick(102.0) == [TERM]
    assert child.reason == "timeout"
    assert child.tick(103.0) == [KILL]


def test_whichever_comes_first_names_the_cause_and_a_cancel_in_the_grace_shortens_nothing() -> None:
    """03 §13.5 rule 2."""
    child = Supervision(0.0, 1.0, 5.0)
    child.tick(1.0)
    assert child.cancel(2.0) == []
    assert (child.reason, child.cancelled, child.due) == ("timeout", True, 6.0)


def test_a_second_signal_kills_at_once_and_only_once() -> None:
    """D13."""
    child = Supervision(0.0, None, 600.0)
    child.cancel(1.0)
    assert child.kill(2.0) == [KILL]
    assert child.kill(3.0) == []
    assert child.due == 2.0 + DRAIN_SECONDS


def test_a_child_that_is_gone_is_not_signalled_and_keeps_its_reason() -> None:
    """03 §7.3: a child that had exited before the token fired is classified normally."""
    child = Supervision(0.0, 1.0, 1.0)
    child.settle()
    assert child.cancel(0.5) == []
    assert child.kill(0.5) == []
    assert (child.reason, child.due) == (None, None)
