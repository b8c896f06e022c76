"""Whatever is wrong with a cache directory costs a warning and a run, never a task (D5)."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.space import Space

MAKE = 'make: {shell: "head -c 200000 /dev/zero > big; echo log", outputs: [big]}'


@pytest.fixture
def built(space: Space) -> Space:
    space.project("lib", MAKE)
    space.run("--workspace").ok()
    return space


def cache_files(space: Space, kind: str) -> list[Path]:
    return [path for path in (space.root / ".haz/cache" / kind).rglob("*") if path.is_file()]


def entry(space: Space) -> Path:
    (found,) = cache_files(space, "entries-v1")
    return found


def big_blob(space: Space) -> Path:
    return max(cache_files(space, "blobs-v1"), key=lambda path: path.stat().st_size)


def replace(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


def flip(path: Path) -> None:
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def directory(path: Path) -> None:
    (path / "full").mkdir(parents=True)


def shard_file(path: Path) -> None:
    shutil.rmtree(path.parent)
    path.parent.write_text("a file")


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        pytest.param(lambda s: big_blob(s).unlink(), "a blob is missing", id="missing blob"),
        pytest.param(lambda s: flip(big_blob(s)), "is damaged (removed)", id="flipped bit in a blob"),
        pytest.param(lambda s: flip(entry(s)), "does not have the digest", id="flipped bit in a manifest"),
        pytest.param(lambda s: replace(big_blob(s), directory), "a blob is missing", id="directory as a blob"),
        pytest.param(lambda s: replace(big_blob(s), os.mkfifo), "a blob is missing", id="fifo as a blob"),
        pytest.param(lambda s: replace(entry(s), directory), "Is a directory", id="directory as an entry"),
        pytest.param(lambda s: replace(entry(s), os.mkfifo), "not a regular file", id="fifo as an entry"),
        pytest.param(lambda s: shard_file(big_blob(s)), "a blob is missing", id="file as a shard of blobs"),
        pytest.param(lambda s: shard_file(entry(s)), "Not a directory", id="file as a shard of entries"),
    ],
)
def test_damage_is_a_miss_with_a_warning_and_heals(built: Space, damage: Callable[[Space], object], told: str) -> None:
    """CACHE-016, D5."""
    damage(built)
    (built.root / "lib/big").unlink()
    again = built.run("--workspace").ok()
    assert again.ran == {"lib:make"}
    assert told in again.err
    (built.root / "lib/big").unlink()
    healed = built.run("--workspace").ok()
    assert healed.cached == {"lib:make"}
    assert "warning" not in healed.err
    built.haz("cache", "verify").ok()


def limited(space: Space, size: int) -> subprocess.CompletedProcess[str]:
    """Run haz where no file may grow beyond `size` bytes, as on a disk that is full."""
    command = [sys.executable, "-m", "haz", "run", "--workspace"]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return subprocess.run(
        command, cwd=space.root, preexec_fn=limit, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_store_without_room_costs_the_entry_and_leaves_nothing_behind(space: Space) -> None:
    """D5: a write that fails is told as `ENOSPC` is; EFBIG needs no disk to fill."""
    space.project("lib", 't: {shell: "for i in 1 2 3 4; do echo $i; done > in; ln -f in out", outputs: [out]}')
    space.project("big", 't: {shell: "ln -f ../source out", outputs: [out]}')
    space.write("source", b"x" * 400_000)
    done = limited(space, 100_000)
    assert done.returncode == 0, done.stderr
    assert "[big:t] warning: the result was not stored: cannot write" in done.stderr
    again = space.run("--workspace").ok()
    assert (again.cached, again.ran) == ({"lib:t"}, {"big:t"})
    assert list((space.root / ".haz/cache").rglob(".haz-tmp-*")) == []


def test_a_restore_without_room_is_a_miss(space: Space) -> None:
    """CACHE-020, D5."""
    space.project("big", 't: {shell: "ln -f ../source out", outputs: [out]}')
    space.write("source", b"x" * 400_000)
    space.run("--workspace").ok()
    (space.root / "big/out").unlink()
    done = limited(space, 100_000)
    assert done.returncode == 0, done.stderr
    assert "[big:t] warning: the cached result was not restored: cannot write" in done.stderr
    assert space.read("big/out") == b"x" * 400_000


def without_privileges() -> None:
    """Let permissions apply to this process and what it starts, even if it is root's."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            assert libc.prctl(24, capability, 0, 0, 0) == 0, "PR_CAPBSET_DROP"


def as_anybody(space: Space, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "haz", *arguments]
    return subprocess.run(
        command,
        cwd=space.root,
        preexec_fn=without_privileges,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def closed(space: Space) -> Iterator[Space]:
    """A workspace with one entry, whose cache is opened again at the end."""
    space.project("lib", 't: {shell: "echo made > out", outputs: [out]}')
    space.run("--workspace").ok()
    yield space
    for folder, _, _ in os.walk(space.root / ".haz"):
        os.chmod(folder, 0o755)


def test_a_cache_that_may_only_be_read_hits_and_stores_nothing(closed: Space) -> None:
    """D5: EACCES; a hit needs nothing to be written."""
    for path in (closed.root / ".haz/cache").rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    (closed.root / ".haz/cache").chmod(0o555)
    (closed.root / "lib/out").unlink()
    hit = as_anybody(closed, "run", "--workspace")
    assert (hit.returncode, "1 cached" in hit.stderr + hit.stdout) == (0, True), hit.stderr
    assert "warning" not in hit.stderr
    fresh = as_anybody(closed, "run", "--workspace", "--force")
    assert fresh.returncode == 0, fresh.stderr
    assert "warning: the result was not stored: cannot" in fresh.stderr
    assert "Permission denied" in fresh.stderr


def test_entries_that_may_not_be_read_are_a_miss_with_a_warning(closed: Space) -> None:
    """D5: EACCES."""
    for path in (closed.root / ".haz/cache/entries-v1").rglob("*"):
        if path.is_file():
            path.chmod(0o000)
    (closed.root / "lib/out").unlink()
    done = as_anybody(closed, "run", "--workspace")
    assert done.returncode == 0, done.stderr
    assert "warning: the cached result is damaged" in done.stderr
    assert "Permission denied" in done.stderr


def test_a_cache_on_another_file_system_is_no_different(space: Space) -> None:
    """D4, spec 02 oddity 7: EXDEV. Everything is staged beside the place where it shall be."""
    other = "/dev/shm" if os.path.isdir("/dev/shm") else "/var/tmp"
    cache = f"{other}/haz-test-{os.getpid()}"
    env = {"HAZ_CACHE_DIR": cache}
    space.project("lib", MAKE)
    try:
        space.run("--workspace", env=env).ok()
        (space.root / "lib/big").unlink()
        done = space.run("--workspace", env=env).ok()
        assert done.cached == {"lib:make"}
        assert "warning" not in done.err
        assert space.read("lib/big") == bytes(200000)
    finally:
        shutil.rmtree(cache, ignore_errors=True)


def test_eight_tasks_with_one_output_take_its_size_once(space: Space) -> None:
    """D4: 8 times 5 MB take 5 MB, also when all are stored at once."""
    space.project(
        "lib", "\n".join(f't{n}: {{shell: "head -c 5000000 /dev/zero > o{n}", outputs: [o{n}]}}' for n in range(8))
    )
    space.run("--workspace", "--jobs", "8").ok()
    assert 5_000_000 <= sum(path.stat().st_size for path in cache_files(space, "blobs-v1")) < 5_001_000


def test_an_output_with_the_workspace_s_own_path_earns_one_warning(space: Space) -> None:
    """D3: the key says nothing of where a workspace lies."""
    space.project("lib", 't: {shell: "pwd > a; pwd > b; echo x > c", outputs: [a, b, c]}')
    told = space.run("--workspace").ok().err
    assert told.count("holds the absolute path of this workspace") == 1
    assert "[lib:t] warning: the output /lib/a holds" in told
    assert "warning" not in space.run("--workspace").ok().err
    space.settings("cache: {paths: allow}\n")
    assert "warning" not in space.run("--workspace", "--force").ok().err


def test_another_result_under_the_same_key_is_told(space: Space) -> None:
    """D4: a task that is not deterministic, or reads more than it declares."""
    space.project("lib", 't: {shell: "date +%N > out; date +%N; echo same > other", outputs: [out, other]}')
    space.run("--workspace").ok()
    told = space.run("--workspace", "--force").ok().err
    assert "another run had stored a different result for the same inputs (/lib/out, stdout)" in told
    space.project("sure", 't: {shell: "echo x > out", outputs: [out]}')
    space.run("sure:t").ok()
    assert "different" not in space.run("sure:t", "--force").ok().err


def test_an_input_that_was_changed_and_changed_back_is_noticed(space: Space) -> None:
    """D5: the task may have read either content."""
    space.project(
        "lib", 't: {shell: "cp in kept; echo B > in; cp in out; cat kept > in", inputs: [in], outputs: [out]}'
    )
    space.write("lib/in", "A\n")
    assert "the result was not stored: input /lib/in changed" in space.run("--workspace").ok().err


def test_an_output_below_a_link_is_not_stored(space: Space) -> None:
    """D5, O19: it could not be restored."""
    space.project("lib", 't: {shell: "mkdir -p real; ln -sfn real d; echo x > d/out", outputs: [d/out]}')
    told = space.run("--workspace").ok().err
    assert "the result was not stored: /lib/d cannot be restored: it is a symbolic link" in told
    assert cache_files(space, "entries-v1") == []


def test_compressed_caches_hit_and_are_smaller(space: Space) -> None:
    """D4: the key does not depend on it, and both kinds live side by side."""
    space.project("lib", MAKE)
    space.project("old", MAKE)
    space.run("old:make").ok()
    space.settings("cache: {compression: zstd}\n")
    assert space.run("--workspace").ok().cached == {"old:make"}
    (space.root / "lib/big").unlink()
    (space.root / "old/big").unlink()
    assert space.run("--workspace").ok().cached == {"old:make", "lib:make"}
    assert space.read("lib/big") == space.read("old/big") == bytes(200000)
    space.haz("cache", "verify").ok()
    shutil.rmtree(space.root / ".haz/cache")
    (space.root / "lib/big").unlink()
    space.run("lib:make").ok()
    (space.root / "lib/big").unlink()
    assert space.run("lib:make").ok().cached == {"lib:make"}
    assert sum(path.stat().st_size for path in cache_files(space, "blobs-v1")) < 1000
    assert b" zstd " in entry(space).read_bytes()
    space.haz("cache", "verify").ok()


def test_2000_outputs_in_place_cost_no_write(space: Space) -> None:
    """D4: neither the outputs nor anything in the cache is touched by a hit."""
    space.project("lib", 't: {shell: "mkdir -p d; for i in $(seq 2000); do echo $i > d/$i; done", outputs: ["d/*"]}')
    space.run("--workspace").ok()
    # The first hit may note what it knows now; the second has nothing to add.
    space.run("--workspace").ok()
    places = [space.root / "lib", space.root / ".haz/cache", space.root / ".haz/state"]

    def states() -> dict[str, int]:
        return {str(path): path.stat().st_ctime_ns for place in places for path in place.rglob("*")}

    before = states()
    assert len(before) > 4000
    assert space.run("--workspace").ok().cached == {"lib:t"}
    changed = [path for path, state in states().items() if before.get(path) != state]
    # Digests of files that have settled since may be saved for the next process.
    assert [path for path in changed if "/stat-v1" not in path] == []
