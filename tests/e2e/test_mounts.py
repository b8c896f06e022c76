"""A cache on a disk that is full, read-only or another one costs warnings, never a task (D5): real mounts where allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.mounts import Ground

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.space import Result, Space

# No task writes what might not fit: its output is a second name of a file that is there.
MAKE = 'make: {shell: "ln -f ../source big; echo log", outputs: [big]}'
SIZE = 400_000
CACHE = ".haz/cache"


@pytest.fixture(params=["mounts", "no mounts"])
def ground(space: Space, request: pytest.FixtureRequest) -> Iterator[Ground]:
    """Both kinds of ground, so that the one is sound that a kernel without mounts is left with."""
    space.project("lib", MAKE)
    space.write("source", b"x" * SIZE)
    ground = Ground(space, mounts=request.param == "mounts")
    yield ground
    ground.close()


def warnings(result: Result) -> list[str]:
    return [line for line in result.err.splitlines() if "warning: " in line]


def temporary(ground: Ground) -> str:
    return ground.shell("find . -name '.haz-tmp-*' -o -name '.spill-*'")


def test_a_full_disk_costs_the_entry(space: Space, ground: Ground) -> None:
    """ENOSPC."""
    says = ground.full(CACHE, 100_000)
    for _ in range(2):
        done = space.run("--workspace").ok()
        assert done.ran == {"lib:make"}
        (told,) = warnings(done)
        assert "[lib:make] warning: the result was not stored: cannot write" in told
        assert told.endswith(says)
    assert temporary(ground) == ""
    space.haz("cache", "verify").ok()


def test_a_disk_without_inodes_costs_the_entry(space: Space, ground: Ground) -> None:
    """ENOSPC, though there is room."""
    if ground.has_mounts:
        ground.shell(f"mkdir -p {CACHE} && mount -t tmpfs -o nr_inodes=6 none {CACHE}")
        says = "No space left on device"
    else:
        says = ground.full(CACHE, 100_000)
    (told,) = warnings(space.run("--workspace").ok())
    assert "[lib:make] warning: the result was not stored: cannot " in told
    assert told.endswith(says)
    assert temporary(ground) == ""


@pytest.mark.parametrize("output", ["live", "buffered"])
def test_output_that_fits_neither_memory_nor_disk_is_shown_and_costs_the_entry(
    space: Space, ground: Ground, output: str
) -> None:
    """D5, D6: haz keeps what is printed for the cache alone."""
    space.project("loud", 't: {shell: "yes 0123456789 | head -c 20000009; echo; echo end"}')
    space.project("after", "t: {shell: echo heard, deps: ['loud:t']}")
    says = ground.full(CACHE, 100_000)
    if ground.has_mounts:
        ground.full("tmp", 100_000)
    done = space.run("loud:t", "after:t", "--output-mode", output, env={"TMPDIR": str(space.root / "tmp")}).ok()
    assert done.ran == {"loud:t", "after:t"}
    (told,) = [line for line in warnings(done) if "cannot spill to" in line]
    assert "warning: the result was not stored: cannot spill to" in told
    assert told.endswith(says)
    assert "dropped" not in done.err
    assert done.out.count("0123456789") == 20_000_009 // 11
    assert "end\n" in done.out
    assert temporary(ground) == ""


def test_a_full_disk_costs_snapshot_checkpoint_and_log_too(space: Space, ground: Ground) -> None:
    says = ground.full(".haz/full", 4096)
    if ground.has_mounts:
        for name in ("cache", "state", "runs", "locks"):
            ground.shell(f"mkdir -p .haz/{name} && mount --bind .haz/full .haz/{name}")
        ground.shell("head -c 100000 /dev/zero > .haz/full/x || true")
    done = space.run("--workspace").ok()
    assert done.ran == {"lib:make"}
    assert any("the result was not stored" in line and line.endswith(says) for line in warnings(done))
    assert space.read("lib/big") == b"x" * SIZE


def test_a_cache_that_is_mounted_read_only_hits_and_stores_nothing(space: Space, ground: Ground) -> None:
    """EROFS."""
    space.run("--workspace").ok()
    says = ground.read_only(CACHE)
    (space.root / "lib/big").unlink()
    hit = space.run("--workspace").ok()
    assert hit.cached == {"lib:make"}
    assert warnings(hit) == []
    assert space.read("lib/big") == b"x" * SIZE
    fresh = space.run("--workspace", "--force").ok()
    (told,) = warnings(fresh)
    assert "[lib:make] warning: the result was not stored: cannot create" in told
    assert told.endswith(says)
    space.haz("cache", "verify").ok()


def test_a_workspace_that_is_mounted_read_only_hits_what_is_in_place(space: Space, ground: Ground) -> None:
    """EROFS: nothing has to be written for it. That the run is not recorded is told."""
    space.run("--workspace").ok()
    says = ground.read_only(".")
    done = space.run("--workspace").ok()
    assert done.cached == {"lib:make"}
    (told,) = warnings(done)
    assert "this run is not recorded" in told
    assert told.endswith(says)


def test_a_workspace_whose_own_folder_is_read_only_runs(space: Space, ground: Ground) -> None:
    """EROFS: no cache, no locks, no log."""
    says = ground.read_only(".haz")
    done = space.run("--workspace").ok()
    assert done.ran == {"lib:make"}
    told = warnings(done)
    assert [line.endswith(says) for line in told] == [True] * 3
    for words, line in zip(("not recorded", "not kept out", "not stored"), told, strict=True):
        assert words in line


@pytest.mark.parametrize("place", [CACHE, f"{CACHE}/blobs-v1", f"{CACHE}/entries-v1", ".haz/state", "lib/out"])
def test_another_file_system_is_no_different(space: Space, ground: Ground, place: str) -> None:
    """EXDEV, D4, spec 02 oddity 7: everything is staged beside the place where it shall be."""
    space.write(
        "lib/haz.yml", "name: lib\ntasks: {make: {shell: cat ../source > out/big; echo log, outputs: [out/big]}}\n"
    )
    (space.root / "lib/out").mkdir()
    if place == "lib/out" and not ground.has_mounts:
        place = CACHE  # a link is no output folder
    ground.other(place)
    space.run("--workspace").ok()
    for _ in range(2):
        ground.shell("rm lib/out/big")
        done = space.run("--workspace").ok()
        assert done.cached == {"lib:make"}
        assert warnings(done) == []
        assert ground.shell("wc -c < lib/out/big").strip() == str(SIZE)
    space.haz("cache", "verify").ok()


def test_a_restore_without_room_is_a_miss(space: Space, ground: Ground) -> None:
    """CACHE-020: what the task writes in place fits where a copy beside it does not."""
    if ground.has_mounts:
        space.write("lib/haz.yml", "name: lib\ntasks: {make: {shell: cat ../source > out/big, outputs: [out/big]}}\n")
        says = ground.full("lib/out", SIZE + 100_000)
        space.run("--workspace").ok()
        ground.shell(f"head -c {SIZE} /dev/zero > lib/out/big")
    else:
        space.run("--workspace").ok()
        (space.root / "lib/big").unlink()
        says = ground.full("lib", 100_000)
    done = space.run("--workspace").ok()
    assert done.ran == {"lib:make"}
    assert any(
        "[lib:make] warning: the cached result was not restored: cannot write" in line for line in warnings(done)
    )
    assert says in done.err
    assert ground.shell("cat lib/out/big lib/big 2>/dev/null | cmp - source && echo same || true") == "same\n"
    assert temporary(ground) == ""
