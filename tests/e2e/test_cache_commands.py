"""`haz cache`: look, clean, check (spec 02 §9, 04 §12)."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time

import pytest

from haz import _core
from tests.space import Space


@pytest.fixture
def filled(space: Space) -> Space:
    """Three entries; two of them share one blob of 1,000 bytes; all were last used a day ago."""
    space.project("lib", 'a: {shell: "head -c 1000 /dev/zero > a", outputs: [a]}\nb: {command: [echo, hi]}')
    space.project("web", 'a: {shell: "head -c 1000 /dev/zero > a", outputs: [a]}')
    space.run("--workspace").ok()
    yesterday = time.time() - 86_400
    for path in (space.root / ".haz/cache").rglob("*"):
        os.utime(path, (yesterday, yesterday))
    return space


def entries(space: Space) -> list:
    return [path for path in (space.root / ".haz/cache/entries-v1").rglob("*") if path.is_file()]


def blobs(space: Space) -> list:
    return [path for path in (space.root / ".haz/cache/blobs-v1").rglob("*") if path.is_file()]


def test_info_counts_and_changes_nothing(filled: Space) -> None:
    """AUX-017, AUX-018, AUX-019, AUX-020."""
    before = filled.files(".haz")
    first = filled.haz("cache", "info").ok()
    assert first.out.startswith(f"cache root: {filled.root}/.haz/cache\nwell-formed entries: 3\ncorrupt entries: 0\n")
    assert first.out.endswith("by schema:\n  (revision=1, hash=blake3): 3\n")
    assert filled.haz("cache", "info").out == first.out
    assert filled.files(".haz") == before


def test_info_without_a_cache_is_all_zeros(space: Space) -> None:
    """AUX-021."""
    space.project("lib", "t: {command: [echo]}")
    done = space.haz("cache", "info").ok()
    assert "well-formed entries: 0\n" in done.out
    assert "by schema" not in done.out
    assert not (space.root / ".haz/cache").exists()


def test_equal_contents_are_stored_once(filled: Space) -> None:
    """CACHE-013, D4, 02 §10.20."""
    assert sum(path.stat().st_size for path in blobs(filled)) == 1000 + len("hi\n")


def test_clear_removes_the_cache_and_nothing_else(filled: Space) -> None:
    """CACHE-021."""
    kept = {path: kept for path, kept in filled.files().items() if not path.startswith(".haz/cache/")}
    assert filled.haz("cache", "clear").ok().out == "cache cleared.\n"
    assert filled.files() == kept
    assert filled.haz("cache", "clear").ok().out == "cache cleared.\n"
    assert len(filled.run("--workspace").ok().ran) == 3


def test_a_broken_project_does_not_block_the_cache(filled: Space) -> None:
    """04 §14 C6."""
    filled.write("lib/haz.yml", "name: [")
    assert filled.haz("cache", "info").ok().out.startswith("cache root: ")
    filled.haz("cache", "clear").ok()


def test_clean_needs_a_mode(filled: Space) -> None:
    """AUX-022; the workspace's own limits count as one (AUX-025)."""
    done = filled.haz("cache", "clean")
    assert (done.code, done.out) == (2, "")
    assert "at least one mode" in done.err
    filled.settings("cache: {clean: {max_age: 1h}}\n")
    assert "evicted --max-age: 3\n" in filled.haz("cache", "clean").ok().out


def test_clean_by_age_goes_by_the_last_use(filled: Space) -> None:
    """CACHE-022, AUX-023, AUX-026, 02 §10.18: a hit renews an entry."""
    filled.run("lib:b").ok()
    done = filled.haz("cache", "clean", "--max-age", "12h").ok()
    assert done.out == (
        "entries inspected: 3\nevicted --soft: 0\nevicted --max-age: 2\nevicted --max-size: 0\n"
        "orphan tmp directories removed: 0\norphan restore directories removed: 0\nbytes reclaimed: 1000\n"
    )
    again = filled.run("--workspace").ok()
    assert (again.cached, again.ran) == ({"lib:b"}, {"lib:a", "web:a"})


def test_clean_by_size_counts_shared_content_once(filled: Space) -> None:
    """AUX-023: what is shared goes with its last user."""
    assert "evicted --max-size: 0\n" in filled.haz("cache", "clean", "--max-size", "1003").ok().out
    done = filled.haz("cache", "clean", "--max-size", "1002").ok()
    assert int(re.findall(r"evicted --max-size: (\d)", done.out)[0]) in (1, 2, 3)
    left = sum(path.stat().st_size for path in blobs(filled))
    assert left <= 1002


def test_a_dry_run_names_what_would_go_and_removes_nothing(filled: Space) -> None:
    """AUX-024."""
    before = filled.files(".haz")
    done = filled.haz("cache", "clean", "--max-age=0s", "--dry-run").ok()
    assert done.out.startswith("dry-run: AUX-024 plan only, no entries removed.\nentries inspected: 3\n")
    assert "would evict --max-age: 3\n" in done.out
    assert "orphan tmp directories noted: 0\n" in done.out
    lines = done.out.partition("dry-run plan:\n")[2].splitlines()
    assert len(lines) == 3
    assert all(re.fullmatch(r"  [0-9a-f]{8} created_at=\d+ footprint=\d+ mode=--max-age", line) for line in lines)
    assert filled.files(".haz") == before


def test_soft_removes_corrupt_entries_and_old_leftovers_only(filled: Space) -> None:
    """AUX-023, 02 §10.16: a temporary file of a running haz is not touched."""
    victim = entries(filled)[0]
    victim.write_bytes(victim.read_bytes()[:-9])
    old, young = (victim.parent / f".haz-tmp-{name}" for name in ("old", "young"))
    old.write_text("x")
    os.utime(old, (1, 1))
    young.write_text("x")
    done = filled.haz("cache", "clean", "--soft").ok()
    assert "evicted --soft: 1\n" in done.out
    assert "orphan tmp directories removed: 1\n" in done.out
    assert young.exists()
    assert not victim.exists()


def test_soft_removes_what_killed_commands_have_kept_aside(filled: Space) -> None:
    """AUX-023: `clear` moves the cache beside itself, `import` and `verify` fill folders of their own."""
    cache = filled.root / ".haz/cache"
    gone = subprocess.run(
        [sys.executable, "-c", "from haz import _core; print(_core.unique_name())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    mine = _core.unique_name()
    for name in (gone, f"{gone}-more", mine):
        for place in (cache / "spill", cache.parent):
            (place / name / "deep").mkdir(parents=True)
            (place / name / "deep/file").write_text("x")
    done = filled.haz("cache", "clean", "--soft").ok()
    assert "orphan tmp directories removed: 4\n" in done.out
    left = list(filled.root.rglob(".haz-tmp-*"))
    assert sorted(left) == sorted([cache / "spill" / mine, cache.parent / mine])


@pytest.mark.parametrize("value", ["90", "1.5d", "-1d", "", "5x"])
def test_bad_durations_are_usage_errors(space: Space, value: str) -> None:
    """AUX-022, CFG-034."""
    done = space.haz("cache", "clean", f"--max-age={value}")
    assert (done.code, done.out) == (2, "")
    assert f"'{value}'" in done.err


def test_verify_finds_and_repairs_flipped_bits(filled: Space) -> None:
    assert filled.haz("cache", "verify").ok().out == "3 entries, 2 blobs: 0 defects\n"
    victim = next(path for path in blobs(filled) if path.stat().st_size == 1000)
    victim.chmod(0o644)
    victim.write_bytes(b"x" * 1000)
    found = filled.haz("cache", "verify")
    assert found.code == 2
    assert str(victim) in found.err
    told = json.loads(filled.haz("cache", "verify", "--format", "json").out)
    assert (told["entries"], told["blobs"]) == (3, 2)
    assert [(row["file"], row["removed"]) for row in told["defects"]] == [(str(victim), False)]
    assert filled.haz("cache", "verify", "--repair").ok().out == "3 entries, 2 blobs: 1 defect, 1 removed\n"
    assert filled.run("lib:a").ok().ran == {"lib:a"}
    assert filled.run("web:a").ok().cached == {"web:a"}, "the blob that it shares is back"
    filled.haz("cache", "verify").ok()


def test_nothing_to_remove_is_a_success(filled: Space) -> None:
    """AUX-027."""
    done = filled.haz("cache", "clean", "--max-age", "52w").ok()
    assert "evicted --max-age: 0\n" in done.out
    assert done.err == ""


def test_what_cannot_be_read_is_told_and_the_rest_is_done(filled: Space) -> None:
    """AUX-027, AUX-028: the report counts what succeeded, each failure has a line, exit 2."""
    odd = entries(filled)[0].parent / ("0" * 64)
    odd.mkdir()
    plan = json.loads(filled.haz("cache", "clean", "--max-age", "0s", "--dry-run", "--format", "json").out)
    assert (plan["dryRun"], plan["inspected"], [row["mode"] for row in plan["evicted"]]) == (True, 4, ["max-age"] * 3)
    assert {row["key"] for row in plan["evicted"]} == {path.name for path in entries(filled)}
    assert [str(odd) in trouble for trouble in plan["troubles"]] == [True]
    done = filled.haz("cache", "clean", "--max-age", "0s")
    assert done.code == 2
    assert "evicted --max-age: 3\n" in done.out
    assert f"cache clean: failed to read entry manifest at: {odd}: Is a directory\n" in done.err


def test_the_workspace_s_own_limits_hold_after_a_run(filled: Space) -> None:
    """D7: `cache.max_age` and `cache.max_size` collect by themselves, the least recently used first."""
    filled.settings("cache: {max_size: 4B}\n")
    filled.run("lib:b", "--force").ok()
    assert filled.run("--workspace").ok().cached == {"lib:b"}


def test_where_the_cache_is_and_what_was_cleared_are_told_as_data(space: Space) -> None:
    """D14."""
    space.project("lib", "build: {command: [echo, built]}")
    place = str(space.root / ".haz/cache")
    assert json.loads(space.haz("cache", "path", "--format", "json").out) == {"version": 1, "path": place}
    assert json.loads(space.haz("cache", "clear", "--format", "json").out) == {"version": 1, "cleared": place}
    space.settings("projects: {}")
    coloured = [space.haz("cache", "path", "--color", when).err.startswith("\x1b[") for when in ("always", "never")]
    assert coloured == [True, False]
