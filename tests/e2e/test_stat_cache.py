"""What `haz run` does with the stat cache. A forged digest in it shows whether it was believed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests import stat_file
from tests.space import Space

if TYPE_CHECKING:
    from pathlib import Path

STAT = ".haz/cache/stat-v1/blake3"


@pytest.fixture
def forged(tmp_path: Path) -> Space:
    """A workspace that was built once, and now has a wrong digest of its input in a stat cache two days old."""
    space = Space(tmp_path)
    space.project("lib", "build: {shell: 'cp in out', inputs: [in], outputs: [out]}")
    source = space.write("lib/in", "1")
    assert space.run("lib:build").ok().ran == {"lib:build"}
    space.write(STAT, stat_file.build([stat_file.row_of(source, b"\1" * 32)], time.time_ns() - 2 * stat_file.DAY))
    return space


def test_a_run_believes_the_stat_cache_and_says_which_rows_are_in_use(forged: Space) -> None:
    before = forged.read(STAT)
    assert forged.run("lib:build").ok().ran == {"lib:build"}
    assert forged.read(STAT) != before
    (row,) = stat_file.parse(forged.read(STAT))
    assert row.digest == b"\1" * 32


def test_without_the_stat_cache_every_input_is_read(forged: Space) -> None:
    before = forged.read(STAT)
    assert forged.run("lib:build", "--no-stat-cache").ok().cached == {"lib:build"}
    assert forged.read(STAT) == before


def test_a_run_without_cache_leaves_the_stat_cache_alone(forged: Space) -> None:
    before = forged.read(STAT)
    forged.run("lib:build", "--no-cache").ok()
    assert forged.read(STAT) == before


def test_the_stat_cache_may_be_deleted_or_damaged_at_any_time(forged: Space) -> None:
    (forged.root / STAT).unlink()
    assert forged.run("lib:build").ok().cached == {"lib:build"}
    forged.write(STAT, b"haz-stat but not really")
    done = forged.run("lib:build").ok()
    assert done.cached == {"lib:build"}
    assert "stat" not in done.err
