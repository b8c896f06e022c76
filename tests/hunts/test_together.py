"""A short form of the hunt; CONTRIBUTING.md says how to run it for longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.hunts.together import hunt

if TYPE_CHECKING:
    from pathlib import Path


def test_many_processes_with_cleaning_beside_them_make_and_show_the_right_bytes(tmp_path: Path) -> None:
    """02 §10.15, 02 §10.16, D5."""
    wrong, hits, ran = hunt(tmp_path, rounds=3, processes=6, seed=1)
    assert wrong == []
    assert hits + ran == 3 * 6 * 6
    assert ran >= 3
