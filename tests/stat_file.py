"""The stat cache as `docs/formats.md` describes it, read and written without haz."""

from __future__ import annotations

import os
import struct
import time
from typing import TYPE_CHECKING, NamedTuple

import blake3

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86_400 * 10**9
HEADER, ROW = struct.Struct("<8sIIqQ"), struct.Struct("<QQQQqq32sI")
MASK = 2**64 - 1
FACTOR = 0x9E37_79B9_7F4A_7C15


class Row(NamedTuple):
    key: int
    device: int
    inode: int
    size: int
    modified: int
    changed: int
    digest: bytes
    day: int


def key_of(path: Path) -> int:
    def mix(state: int, word: int) -> int:
        product = (state ^ word) * FACTOR
        return (product & MASK) ^ (product >> 64)

    name = os.fsencode(path)
    state = mix(FACTOR, len(name))
    # The last word may be empty, and counts all the same.
    for at in range(0, len(name) // 8 * 8 + 1, 8):
        state = mix(state, int.from_bytes(name[at : at + 8], "little"))
    return mix(state, FACTOR)


def row_of(path: Path, digest: bytes) -> Row:
    """Return what haz would have written about the file, had it read that digest today."""
    stat = path.stat()
    today = time.time_ns() // DAY
    return Row(key_of(path), stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, digest, today)


def parse(data: bytes, algorithm: str = "blake3") -> list[Row]:
    body, trailer = data[:-32], data[-32:]
    assert blake3.blake3(body).digest() == trailer
    magic, version, hash_id, written, count = HEADER.unpack_from(body)
    assert (magic, version, hash_id) == (b"haz-stat", 1, ["blake3", "sha256"].index(algorithm))
    assert written <= time.time_ns()
    assert len(body) == HEADER.size + count * ROW.size
    return [Row(*fields) for fields in ROW.iter_unpack(body[HEADER.size :])]


def build(rows: list[Row], written: int, algorithm: str = "blake3") -> bytes:
    """`written` in nanoseconds since the epoch."""
    body = HEADER.pack(b"haz-stat", 1, ["blake3", "sha256"].index(algorithm), written, len(rows))
    body += b"".join(ROW.pack(*row) for row in sorted(rows))
    return body + blake3.blake3(body).digest()
