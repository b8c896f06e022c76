"""Digests of the core, held against `hashlib` and the `blake3` package."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import blake3
import pytest

from haz import _core
from haz.errors import FileSystemError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ORACLES: dict[str, Callable[[bytes], bytes]] = {
    "blake3": lambda data: blake3.blake3(data).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
}
SIZES = [0, 1, 1024, 65_535, 65_536, 65_537, 1 << 20, (1 << 20) + 1, 5_000_001]


@pytest.mark.parametrize("algorithm", ORACLES)
def test_bytes_have_the_digest_that_other_implementations_give(algorithm: str) -> None:
    """CACHE-002."""
    for size in SIZES:
        data = os.urandom(size)
        assert _core.digest_bytes(data, algorithm) == ORACLES[algorithm](data)


@pytest.mark.parametrize("algorithm", ORACLES)
def test_files_of_every_size_class_have_the_digest_of_their_bytes(tmp_path: Path, algorithm: str) -> None:
    """CACHE-006."""
    expected = []
    paths = []
    for size in SIZES:
        data = os.urandom(size)
        path = tmp_path / str(size)
        path.write_bytes(data)
        paths.append(str(path))
        expected.append(ORACLES[algorithm](data))
    assert _core.digest_files(paths, algorithm) == expected


def test_blake3_is_the_default() -> None:
    assert _core.digest_bytes(b"x") == ORACLES["blake3"](b"x")


@pytest.mark.parametrize("name", ["md5", "BLAKE3", ""])
def test_any_other_algorithm_is_a_value_error(name: str) -> None:
    with pytest.raises(ValueError, match="unknown hash algorithm"):
        _core.digest_bytes(b"", name)
    with pytest.raises(ValueError, match="unknown hash algorithm"):
        _core.digest_files([], name)


def test_a_file_that_cannot_be_read_yields_its_error_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(b"x")
    first, error, last = _core.digest_files([str(tmp_path / name) for name in ("good", "none", "good")])
    assert first == last == ORACLES["blake3"](b"x")
    assert isinstance(error, FileSystemError)
    assert (error.operation, error.path, error.errno) == ("open", str(tmp_path / "none"), 2)


def test_a_nul_in_a_path_is_an_error_of_that_path() -> None:
    (error,) = _core.digest_files(["a\0b"])
    assert isinstance(error, FileSystemError)
    assert error.errno is None


def test_a_name_that_is_not_utf_8_is_a_file_like_any_other(tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(str(tmp_path)) + b"/\xff\xfe")
    with open(name, "wb") as file:
        file.write(b"x")
    (digest,) = _core.digest_files([name])
    assert digest == ORACLES["blake3"](b"x")
    (error,) = _core.digest_files([name + "no"])
    assert isinstance(error, FileSystemError)
    assert error.path == name + "no"


def test_a_fifo_is_an_error_and_nobody_waits_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (error,) = _core.digest_files([str(tmp_path / "fifo")])
    assert isinstance(error, FileSystemError)
    assert error.reason == "is not a regular file"
