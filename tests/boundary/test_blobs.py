"""The blob store, as Python sees it."""

from __future__ import annotations

import errno
import hashlib
import os
from typing import TYPE_CHECKING, Any

import blake3
import pytest

from haz import _core
from haz.errors import FileSystemError

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT = 30.0


class Space:
    """A workspace, a store beside it, and the queue that answers."""

    def __init__(self, directory: Path, algorithm: str = "blake3") -> None:
        self.root = directory / "ws"
        self.store = directory / "store"
        self.root.mkdir()
        self.queue = _core.Queue()
        tree = _core.Tree(self.queue, str(self.root), algorithm, _core.PatternSet([]))
        self.blobs = _core.Blobs(self.queue, str(self.root), str(self.store), algorithm, tree)

    def answer(self, kind: str) -> Any:
        ((actual, token, payload),) = self.queue.wait(TIMEOUT)
        assert (actual, token) == (kind, 5)
        return payload

    def collect(self, *patterns: str, streams: _core.Finished | None = None) -> Any:
        spec = [(text, not _core.check_pattern(text), False) for text in patterns]
        self.blobs.collect(5, _core.PatternSet([spec]), 0, streams)
        return self.answer("collected")

    def restore(self, rows: list[tuple[Any, ...]], streams: list[tuple[bytes, int]] | None = None) -> Any:
        self.blobs.restore(5, rows, streams or [], [], [])
        return self.answer("restored")


@pytest.fixture
def space(tmp_path: Path) -> Space:
    return Space(tmp_path)


def digest(data: bytes) -> bytes:
    return blake3.blake3(data).digest()


def test_outputs_and_streams_go_in_and_come_back(space: Space) -> None:
    """CACHE-017, CACHE-019."""
    (space.root / "out").mkdir()
    (space.root / "out/b").write_bytes(b"bee")
    (space.root / "out/a").symlink_to("b")
    (space.root / "out/b").chmod(0o750)
    finished = _core.Finished._of(0, None, b"said", b"")
    rows = space.collect("/out/**", "/out/b", streams=finished)
    assert rows == [("symlink", "/out/a", "b"), ("file", "/out/b", digest(b"bee"), 3, 0o750)]
    streams = [finished.stdout, finished.stderr]
    finished.close()
    assert space.blobs.present([(digest(b"bee"), 3), *streams])
    (space.root / "out/b").unlink()
    assert space.restore(rows, streams)[:3] == (1, 1, [b"said", b""])
    assert (space.root / "out/a").read_bytes() == b"bee"
    assert (space.root / "out/b").stat().st_mode & 0o7777 == 0o750


def test_an_output_that_has_just_been_put_in_place_is_told(space: Space) -> None:
    """It may be newer than what was asked about it before the restore."""
    (space.root / "out").write_bytes(b"x")
    rows = space.collect("/out")
    assert space.restore(rows) == (0, 1, [], True)
    assert space.restore([]) == (0, 0, [], False)


def test_modes_do_not_depend_on_the_umask(space: Space) -> None:
    (space.root / "a").write_bytes(b"")
    (space.root / "a").chmod(0o666)
    rows = space.collect("/a")
    (space.root / "a").unlink()
    before = os.umask(0o077)
    try:
        assert space.restore(rows)[:2] == (1, 0)
    finally:
        os.umask(before)
    assert (space.root / "a").stat().st_mode & 0o7777 == 0o666


def test_the_store_is_laid_out_by_digest(tmp_path: Path) -> None:
    space = Space(tmp_path, "sha256")
    (space.root / "a").write_bytes(b"x")
    space.collect("/a")
    name = hashlib.sha256(b"x").hexdigest()
    assert (space.store / name[:2] / name).read_bytes() == b"x"
    assert [entry.name for entry in space.store.iterdir()] == [name[:2]]


def test_a_failure_to_collect_names_kind_path_and_reason(space: Space) -> None:
    assert space.collect("/none") == ("not_produced", "/none", "No such file or directory")
    (space.root / "d").mkdir()
    os.mkfifo(space.root / "pipe")
    assert space.collect("/pipe") == ("not_regular", "/pipe", "is not a regular file")
    (space.root / "a").write_bytes(b"x")
    space.store.write_bytes(b"")
    kind, path, reason, rows = space.collect("/a")
    assert (kind, path, rows) == ("store", "/a", [("file", "/a", digest(b"x"), 1, 0o644)])
    assert "Not a directory" in reason


def test_a_failure_to_restore_is_told_in_words_and_changes_nothing(space: Space) -> None:
    (space.root / "a").write_bytes(b"old")
    said = space.restore([("file", "/a", digest(b"new"), 3, 0o644)])
    assert "No such file or directory" in said
    assert (space.root / "a").read_bytes() == b"old"
    assert os.listdir(space.root) == ["a"]


@pytest.mark.parametrize(
    "row",
    [
        ("file", "/../x", digest(b"x"), 1, 0o644),
        ("file", "/a/../../x", digest(b"x"), 1, 0o644),
        ("file", "x", digest(b"x"), 1, 0o644),
        ("file", "//x", digest(b"x"), 1, 0o644),
        ("file", "/x\0", digest(b"x"), 1, 0o644),
        ("file", "/.git/config", digest(b"x"), 1, 0o644),
        ("file", "/p/.haz/workspace.yml", digest(b"x"), 1, 0o644),
        ("file", "/link/x", digest(b"x"), 1, 0o644),
        ("file", "/x", digest(b"x"), 1, 0o100644),
        ("symlink", "/l", "../outside"),
        ("symlink", "/l", "/etc/passwd"),
    ],
)
def test_hostile_rows_are_refused(space: Space, row: tuple[Any, ...]) -> None:
    """O19, O20."""
    (space.root / "seed").write_bytes(b"x")
    rows = space.collect("/seed")
    (space.root / "seed").unlink()
    outside = space.root.parent / "outside"
    outside.mkdir()
    (space.root / "link").symlink_to("../outside")
    assert "refused" in space.restore([*rows, row])
    assert os.listdir(space.root) == ["link"]
    assert os.listdir(outside) == []


def test_large_streams_are_verified_but_not_handed_out(space: Space) -> None:
    big, edge = b"x" * ((1 << 20) + 1), b"y" * (1 << 20)
    finished = _core.Finished._of(0, None, big, edge)
    assert space.collect(streams=finished) == []
    assert space.restore([], [finished.stdout, finished.stderr]) == (0, 0, [None, edge], False)
    blob = next(path for path in space.store.glob("*/*") if path.stat().st_size == len(big))
    blob.chmod(0o644)
    blob.write_bytes(big[:-1] + b"y")
    assert "is damaged" in space.restore([], [finished.stdout])


def test_a_blob_is_read_from_any_offset(space: Space) -> None:
    (space.root / "a").write_bytes(b"hello")
    space.collect("/a")
    assert space.blobs.read(digest(b"hello"), 1, 3) == b"ell"
    assert space.blobs.read(digest(b"hello"), 5, 3) == b""
    with pytest.raises(FileSystemError) as caught:
        space.blobs.read(digest(b"none"), 0, 1)
    assert caught.value.errno == errno.ENOENT


def test_paths_that_are_not_utf_8_survive_the_round_trip(space: Space) -> None:
    name = os.fsdecode(b"\xff")
    (space.root / name).write_bytes(b"x")
    (space.root / "l").symlink_to(name)
    rows = space.collect("/*")
    assert rows == [("symlink", "/l", name), ("file", "/" + name, digest(b"x"), 1, 0o644)]
    (space.root / name).unlink()
    assert space.restore(rows)[:2] == (1, 1)
    assert (space.root / name).read_bytes() == b"x"


def test_rows_of_an_unknown_shape_are_programming_errors(space: Space) -> None:
    with pytest.raises(ValueError, match="unknown kind"):
        space.blobs.restore(5, [("device", "/a")], [], [], [])
    with pytest.raises((TypeError, ValueError)):
        space.blobs.restore(5, [("file", "/a", b"short", 1, 0o644)], [], [], [])


def test_closed_streams_and_a_foreign_algorithm_are_value_errors(space: Space) -> None:
    finished = _core.Finished._of(0, None, b"", b"")
    finished.close()
    with pytest.raises(ValueError, match="closed"):
        space.blobs.collect(5, _core.PatternSet([[]]), 0, finished)
    tree = _core.Tree(space.queue, str(space.root), "blake3", _core.PatternSet([]))
    with pytest.raises(ValueError, match="another algorithm"):
        _core.Blobs(space.queue, str(space.root), str(space.store), "sha256", tree)


def test_publishing_replaces_a_file_whole_and_makes_its_directories(tmp_path: Path) -> None:
    path = tmp_path / "new" / "manifest"
    _core.publish(str(path), b"one")
    _core.publish(str(path), b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(path.parent) == ["manifest"]
    with pytest.raises(FileSystemError) as caught:
        _core.publish(str(path / "below"), b"")
    assert caught.value.errno == errno.ENOTDIR


def left(space: Space, path: str) -> tuple[str, int, int, int]:
    status = os.lstat(space.root / path.lstrip("/"))
    return path, status.st_ino, status.st_size, status.st_mtime_ns


def test_leftovers_go_when_they_are_as_they_were_left(space: Space) -> None:
    """O9."""
    (space.root / "d/deep").mkdir(parents=True)
    for name in ("d/same", "d/changed", "d/deep/f", "d/kept"):
        (space.root / name).write_bytes(b"x")
    (space.root / "d/link").symlink_to("nowhere")
    rows = [left(space, path) for path in ("/d/same", "/d/changed", "/d/deep/f", "/d/link")]
    (space.root / "d/changed").write_bytes(b"edited")
    space.blobs.restore(5, [], [], [*rows, ("/d/gone", 1, 1, 1)], ["/d", "/d/deep"])
    assert space.answer("restored") == (3, 0, [], False)
    assert sorted(os.listdir(space.root / "d")) == ["changed", "kept"]


@pytest.mark.parametrize("path", ["/.git/f", "/.haz/f", "/link/f", "/d/../d/f", "/real"])
def test_nothing_is_removed_where_nothing_may_be_restored(space: Space, path: str) -> None:
    """O9, O19, O20."""
    for folder in (".git", ".haz", "real", "d"):
        (space.root / folder).mkdir()
        (space.root / folder / "f").write_bytes(b"x")
    (space.root / "link").symlink_to("real")
    space.blobs.restore(5, [], [], [left(space, path)], ["/real", "/d", "/.git"])
    assert space.answer("restored")[0] == 0
    assert os.path.lexists(space.root / path[1:])
