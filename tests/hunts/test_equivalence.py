"""A short form of the hunt; CONTRIBUTING.md says how to run it for longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.hunts.equivalence import hunt

if TYPE_CHECKING:
    from pathlib import Path


def test_histories_with_and_without_the_cache_are_equal(tmp_path: Path) -> None:
    """CACHE-015, CACHE-019, CACHE-023, EXEC-017, O9."""
    wrong, hits = hunt(tmp_path, 12, seed=1)
    assert wrong == []
    assert hits > 50
