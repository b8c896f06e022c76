"""A short form of the hunt; CONTRIBUTING.md says how to run it for longer."""

from __future__ import annotations

import pytest

from tests.hunts.fuzz_config import hunt


@pytest.mark.parametrize(("target", "cases"), [("workspace", 200), ("yaml", 1000), ("glob", 1000), ("json", 2000)])
def test_a_short_hunt_finds_nothing(target, cases):
    """O6, O9, O12, O21: no crash, no hang, every report with a code, a message and a place inside its file."""
    *failures, _ = hunt(target, 1, cases=cases)
    assert failures == []
