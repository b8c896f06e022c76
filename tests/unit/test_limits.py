"""What a cache that is too large or too old loses (`cache.max_size`, `cache.max_age`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from haz.cache import limits
from haz.cache.limits import Found, Known, choose, hold, look, read

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_000_000.0


def names(files: list[Found], **limit: int | None) -> list[str]:
    wanted = {"max_age": None, "max_size": None, **limit}
    return [file.path for file in choose(files, NOW, **wanted)]  # type: ignore[arg-type]


def test_the_least_recently_used_go_entries_first_until_there_is_room() -> None:
    """D7."""
    blobs = [Found(f"blob{n}", 100, NOW - 1000 * (9 - n)) for n in range(5)]
    entries = [Found(f"entry{n}", None, NOW - 1000 * (9 - n) + 2) for n in range(5)]
    assert names([*blobs, *entries], max_size=500) == []
    assert names([*blobs, *entries], max_size=400) == ["entry0", "entry1", "blob0", "blob1"]
    assert names([*blobs, *entries], max_age=7500) == ["entry0", "entry1", "blob0", "blob1"]


def test_what_was_just_used_stays_whatever_the_limit() -> None:
    """D7: a store in progress must not lose its blobs."""
    assert names([Found("young", 100, NOW - 5), Found("old", 100, NOW - 500)], max_size=0) == ["old"]


def fill(cache: Path) -> list[Path]:
    paths = [cache / "blobs-v1/blake3" / f"{n:02x}" / f"{n:064x}" for n in range(256)]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x" * 10)
    return paths


def test_a_look_that_runs_out_of_time_is_a_sample_and_goes_on_where_it_ended(tmp_path: Path) -> None:
    """D7: bounded time at the end of a run."""
    fill(tmp_path)
    found, shards = look(str(tmp_path), 255, -1.0)
    assert (len(found), shards) == (1, 1)
    assert found[0].path.endswith("ff")
    assert look(str(tmp_path), 3, float("inf"))[1] == 256


def test_nothing_is_looked_at_while_there_is_room(tmp_path: Path, monkeypatch) -> None:
    """D7."""
    fill(tmp_path)

    def run(added: int) -> Known | None:
        hold(str(tmp_path), added, max_age=None, max_size=10_000, complain=lambda _path, error: None)
        return read(str(tmp_path))

    first = run(0)
    assert first is not None
    assert first.total == 2560
    monkeypatch.setattr(limits, "look", None)
    second = run(40)
    assert second is not None
    assert (second.total, second.looked_at) == (2600, first.looked_at)


def test_no_sense_in_the_record_is_no_record(tmp_path: Path) -> None:
    for text in ("", "x y z", "-1 2 3", "1 2"):
        (tmp_path / "size-v1").write_text(text)
        assert read(str(tmp_path)) is None
