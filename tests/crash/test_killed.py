"""The short form of the hunt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.crash.kill_hunt import hunt

if TYPE_CHECKING:
    from tests.space import Space


def test_a_run_after_a_killed_one_is_right(space: Space) -> None:
    """D4, D5, spec 02 §8.1."""
    hunt(space, blows=3, seed=1)
