"""The short forms of the hunts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.crash.kill_hunt import COLLECT, STEPS, hunt, hunt_steps, lay_out

if TYPE_CHECKING:
    from tests.space import Space


@pytest.fixture
def filled(space: Space) -> Space:
    lay_out(space)
    return space


def test_a_run_after_a_killed_one_is_right(filled: Space) -> None:
    """D4, D5, spec 02 §8.1."""
    hunt(filled, wanted=3, seed=1)


def test_a_run_after_one_that_was_killed_at_a_named_step_is_right(filled: Space) -> None:
    """D4, D5, spec 02 §8.1: storing, restoring, collecting, the records, the digests of files, the log."""
    assert set(hunt_steps(filled, most=1)) == {*STEPS, COLLECT}
