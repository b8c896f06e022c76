"""Digests that one process leaves for the next. The races are in the core's own tests, where the clock can be set."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path

import blake3
import pytest

import haz
from haz import _core
from tests import stat_file

# Files that nobody has touched for a while: those of haz itself.
OLD = Path(haz.__file__).parent / "cache"
NAMES = sorted(path.name for path in OLD.glob("*.py"))
TIMEOUT = 30.0


class Look:
    """One process's look at the old files, and what it leaves."""

    def __init__(self, file: Path | None, root: Path = OLD, pattern: str = "/*.py", algorithm: str = "blake3") -> None:
        queue = _core.Queue()
        where = None if file is None else str(file)
        patterns = _core.PatternSet([[(pattern, not _core.check_pattern(pattern), False)]])
        self.tree = _core.Tree(queue, str(root), algorithm, patterns, stat_cache=where)
        self.tree.fingerprint(1, [0])
        ((_, _, (self.inputs,)),) = queue.wait(TIMEOUT)
        self.digests = {path[1:]: digest for path, digest, _ in self.inputs.rows()}


@pytest.mark.parametrize("algorithm", ["blake3", "sha256"])
def test_the_file_holds_what_the_format_says(tmp_path: Path, algorithm: str) -> None:
    def oracle(data: bytes) -> bytes:
        return blake3.blake3(data).digest() if algorithm == "blake3" else hashlib.sha256(data).digest()

    file = tmp_path / "stat-v1/x"
    assert Look(file, algorithm=algorithm).tree.save_stat_cache()
    expected = [stat_file.row_of(OLD / name, oracle((OLD / name).read_bytes())) for name in NAMES]
    assert stat_file.parse(file.read_bytes(), algorithm) == sorted(expected)
    assert os.listdir(file.parent) == ["x"]


def test_a_row_that_agrees_is_believed_and_one_that_does_not_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "stat-v1/x"
    file.parent.mkdir()
    honest = Look(None).digests
    rows = [stat_file.row_of(OLD / name, b"\1" * 32) for name in NAMES]
    for field in ("device", "inode", "size", "modified", "changed"):
        wrong = rows[0]._replace(**{field: getattr(rows[0], field) + 1})
        file.write_bytes(stat_file.build([wrong, *rows[1:]], time.time_ns()))
        look = Look(file)
        assert look.digests == {NAMES[0]: honest[NAMES[0]], **dict.fromkeys(NAMES[1:], b"\1" * 32)}
        assert look.tree.save_stat_cache()
        kept = stat_file.parse(file.read_bytes())
        assert kept == sorted([rows[0]._replace(digest=honest[NAMES[0]]), *rows[1:]])


def test_a_file_that_is_no_stat_cache_is_ignored_and_replaced(tmp_path: Path) -> None:
    file = tmp_path / "stat-v1/x"
    file.parent.mkdir()
    honest = Look(None).digests
    forged = stat_file.build([stat_file.row_of(OLD / name, b"\1" * 32) for name in NAMES], time.time_ns())
    of_other_hash = stat_file.build([stat_file.row_of(OLD / name, b"\1" * 32) for name in NAMES], 0, "sha256")
    of_future = stat_file.build([stat_file.row_of(OLD / NAMES[0], b"\1" * 32)], time.time_ns() + stat_file.DAY)
    for content in (b"", b"x" * 500, forged[:-1], forged[:200], forged + b"\0", of_other_hash, of_future):
        file.write_bytes(content)
        look = Look(file)
        assert look.digests == honest
        assert look.tree.save_stat_cache()
        assert len(stat_file.parse(file.read_bytes())) == len(NAMES)


def test_a_file_that_is_being_written_is_not_left_to_the_next_process(tmp_path: Path) -> None:
    file = tmp_path / "stat-v1/x"
    (tmp_path / "fresh").write_bytes(b"1")
    look = Look(file, tmp_path, "/fresh")
    assert not look.tree.save_stat_cache()
    assert not file.exists()


def test_where_the_cache_cannot_be_written_nothing_happens(tmp_path: Path) -> None:
    assert not Look(tmp_path / "none/stat-v1/x").tree.save_stat_cache()
    (tmp_path / "stat-v1").write_bytes(b"a file")
    assert not Look(tmp_path / "stat-v1/x").tree.save_stat_cache()
    assert sorted(os.listdir(tmp_path)) == ["stat-v1"]


def test_of_many_writers_the_last_one_wins_and_readers_see_whole_files(tmp_path: Path) -> None:
    file = tmp_path / "stat-v1/x"
    assert Look(file).tree.save_stat_cache()
    honest = Look(None).digests
    half = stat_file.build([stat_file.row_of(OLD / name, honest[name]) for name in NAMES[:1]], time.time_ns())

    def write() -> None:
        for _ in range(20):
            _core.publish(str(file), half)
            Look(file).tree.save_stat_cache()

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert 1 <= len(stat_file.parse(file.read_bytes())) <= len(NAMES)
        assert Look(file).digests == honest
    for writer in writers:
        writer.join()
    assert os.listdir(file.parent) == ["x"]
