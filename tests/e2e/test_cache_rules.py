"""What the cache promises, seen from outside with real processes (spec 02 §3 to §7)."""

from __future__ import annotations

import json

import pytest

from haz.cache import formats
from tests.space import Space

# A byte that is no UTF-8 of its own, as `os.environ` holds it.
BYTES = "\udcff\udcfe"


@pytest.fixture
def built(space: Space) -> Space:
    space.project("lib", 't: {shell: "echo out; echo err >&2; echo made > made", outputs: [made]}')
    space.run("--workspace").ok()
    return space


def entries(space: Space) -> list[str]:
    return [path for path in space.files(".haz/cache") if f"/{formats.ENTRIES}/" in path]


def test_an_entry_is_a_manifest_by_key_and_blobs_by_digest(built: Space) -> None:
    """CACHE-010, CACHE-011, CACHE-012: version and hash are in the path, streams are blobs as outputs are."""
    (entry,) = entries(built)
    key = entry.rpartition("/")[2]
    assert entry == f".haz/cache/{formats.ENTRIES}/blake3/{key[:2]}/{key}"
    assert len(key) == 64
    data = built.read(entry)
    assert data.startswith(formats.MANIFEST_MAGIC)
    manifest = json.loads(data.partition(b"\n")[2])
    assert manifest["key"] == key
    blobs = {bytes_ for path, (_, bytes_) in built.files(".haz/cache").items() if f"/{formats.BLOBS}/" in path}
    assert blobs == {b"out\n", b"err\n", b"made\n"}


def test_a_lookup_only_reads(built: Space) -> None:
    """CACHE-014: neither a hit nor a dry run touches the cache."""
    before = {path: (built.root / path).stat().st_mtime_ns for path in built.files(".haz/cache")}
    built.run("--workspace").ok()
    built.run("--workspace", "--dry-run").ok()
    assert {path: (built.root / path).stat().st_mtime_ns for path in built.files(".haz/cache")} == before


def test_a_dry_run_creates_nothing_and_says_what_would_run(space: Space) -> None:
    """EXEC-030."""
    space.project("lib", "t: {shell: x}\nu: {shell: x, deps: ['~:t']}")
    done = space.run("lib:u", "--dry-run").ok()
    assert "would run" in done.out
    assert [line.strip(" -") for line in done.out.splitlines()][1:] == ["lib:t", "lib:u"]
    assert not (space.root / ".haz/cache").exists()


@pytest.mark.parametrize("damage", [b"", b"{}", b"haz-manifest 9 x\n", b"\xff\xfe"])
def test_a_damaged_entry_is_a_miss_and_is_made_anew(built: Space, damage: bytes) -> None:
    """CACHE-016, D5."""
    (entry,) = entries(built)
    sound = built.read(entry)
    built.write(entry, damage)
    assert built.run("--workspace").ok().ran == {"lib:t"}
    assert built.read(entry).partition(b"\n")[2][:40] == sound.partition(b"\n")[2][:40]
    assert built.run("--workspace").ok().cached == {"lib:t"}


@pytest.mark.parametrize("script", ["exit 3", "kill -9 $$", "rm -f made"])
def test_only_a_task_that_kept_its_word_is_stored(space: Space, script: str) -> None:
    """CACHE-018, EXEC-009: not one that failed, was killed, or did not write its outputs."""
    space.project("lib", f't: {{shell: "echo made > made; {script}", outputs: [made]}}')
    for _ in range(2):
        done = space.run("--workspace")
        assert done.code == 1
        assert done.spawned == 1
    assert entries(space) == []


def test_the_key_is_about_content_only(built: Space) -> None:
    """CACHE-001: a workspace that was moved, with files of other times, hits."""
    moved = built.root.with_name(built.root.name + "-moved")
    built.root.rename(moved)
    other = Space(moved)
    assert other.run("--workspace").ok().cached == {"lib:t"}


def test_variables_that_are_not_text_neither_disturb_nor_change_on_the_way(space: Space) -> None:
    """D12, O24: bytes go through as they are, unasked ones are never looked at."""
    space.project("lib", "t: {shell: 'printf %s \"$GIVEN\"', env: {from_host: [GIVEN]}}")
    done = space.run("--workspace", env={"GIVEN": BYTES, "OTHER": BYTES}).ok()
    assert done.raw_out == b"[lib:t] \xff\xfe\n"
    assert space.run("--workspace", env={"GIVEN": BYTES}).ok().cached == {"lib:t"}
    assert space.run("--workspace", env={"GIVEN": "x"}).ok().ran == {"lib:t"}


@pytest.mark.parametrize("cache", ["", ", cache: false"])
def test_a_task_that_makes_none_of_its_outputs_is_warned_about(space: Space, cache: str) -> None:
    """O32: no failure, but not silent either; one that makes some of them is fine."""
    space.project("lib", f"t: {{shell: ':', outputs: ['dist/**', 'bin/*', '!bin/x']{cache}}}")
    done = space.run("--workspace").ok()
    assert "no file matches its outputs: dist/**, bin/*\n" in done.err
    space.project("app", f"t: {{shell: 'mkdir -p bin; : >bin/a', outputs: ['dist/**', 'bin/*']{cache}}}")
    assert "no file matches" not in space.run("app:t").ok().err


def test_nothing_is_never_stored_so_nothing_of_it_can_be_lost(space: Space) -> None:
    """CACHE-011: empty streams and files have no blob."""
    space.project("lib", "quiet: {command: ['true']}\nmark: {shell: '> made; chmod 750 made', outputs: [made]}")
    space.run("--workspace").ok()
    assert not (space.root / ".haz/cache" / formats.BLOBS).exists()
    (space.root / "lib/made").unlink()
    assert space.run("--workspace").ok().cached == {"lib:quiet", "lib:mark"}
    made = space.root / "lib/made"
    assert (made.stat().st_mode & 0o7777, made.read_bytes()) == (0o750, b"")
    assert space.haz("cache", "verify").ok().out == "2 entries, 0 blobs: 0 defects\n"
    space.haz("cache", "export", "-o", "all.tar").ok()
    space.haz("cache", "clear").ok()
    assert space.haz("cache", "import", "all.tar").ok().out == "imported: 2 entries, 0 blobs, 0 bytes\n"
    assert space.run("--workspace").ok().cached == {"lib:quiet", "lib:mark"}
