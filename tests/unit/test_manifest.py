"""Manifests as they lie on disk (CACHE-011)."""

from __future__ import annotations

from typing import Any

import pytest
from blake3 import blake3

from haz import _core
from haz.cache.formats import MANIFEST_MAGIC
from haz.cache.manifest import Blob, DirectoryRow, FileRow, LinkRow, Manifest, ManifestError, decode, encode
from haz.model import TaskId, TaskRun

KEY = bytes(range(32))
EMPTY = Blob(blake3(b"").digest(), 0)
FAILED = TaskRun(1, "timeout", 5, 9, "timed out after 1s", None)
WHOLE = Manifest(
    key=KEY,
    algorithm="blake3",
    task=TaskId("lib", "t"),
    created_at=1_700_000_000_000,
    duration=12,
    stdout=EMPTY,
    stderr=EMPTY,
    outputs=(
        DirectoryRow("/lib/d"),
        FileRow("/lib/d/\udcff", b"\1" * 32, 3, 0o755),
        LinkRow("/lib/l", "d/x"),
    ),
    parts={"action": {"digest": "00", "rows": [["command", "true"]]}},
    attempts=(FAILED, TaskRun(2, "failed", 10, 11, "exit 3", 3)),
)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_manifest_comes_back_as_it_was_written(compressed: bool) -> None:
    """CACHE-011."""
    assert decode(encode(WHOLE, compressed=compressed), KEY, "blake3") == WHOLE


def sealed(body: bytes, mark: bytes = b"") -> bytes:
    return b"%s%s%s\n" % (MANIFEST_MAGIC, blake3(body).hexdigest().encode(), mark)


def body_of(**changes: Any) -> bytes:
    body = encode(WHOLE).split(b"\n", 1)[1].rstrip(b"\n")
    return _core.json_dumps(_core.json_loads(body) | changes)


@pytest.mark.parametrize(
    ("mark", "frame"),
    [
        (b" zstd 3", _core.compress(b"{}")),
        (b" zstd 1", _core.compress(b"{}")),
        (b" zstd -2", _core.compress(b"{}")),
        (b" zstd x", _core.compress(b"{}")),
        (b" zstd 99999999999", _core.compress(b"{}")),
        (b" zstd 2", b"{}"),
        (b" zstd 2", _core.compress(b"{}")[:-1]),
    ],
)
def test_a_frame_that_is_not_what_it_says_is_a_corrupt_entry(mark: bytes, frame: bytes) -> None:
    """CACHE-016: a manifest from a stranger cannot make haz hold more than it states."""
    with pytest.raises(ManifestError) as caught:
        decode(sealed(b"{}", mark) + frame, KEY, "blake3")
    assert caught.value.label == "corrupt entry"


@pytest.mark.parametrize(
    "changes",
    [
        {"attempts": None},
        {"attempts": [[1, "succeeded", 1, 2, None, 0]]},
        {"attempts": [[1, "failed", 1, 2, None, "0"]]},
        {"attempts": [[1, "failed", 1]]},
        {"attempts": [[1, "failed", -1, 2, None, 0]]},
        {"attempts": [[1, "failed", 1, 2, None, 0]] * 1001},
        {"outputs": [["directory", "/a", 1]]},
        {"outputs": [["directory", "/a/../b"]]},
        {"outputs": [["fifo", "/a"]]},
    ],
)
def test_strange_rows_are_a_corrupt_entry(changes: dict[str, Any]) -> None:
    """CACHE-016."""
    body = body_of(**changes)
    with pytest.raises(ManifestError) as caught:
        decode(sealed(body) + body + b"\n", KEY, "blake3")
    assert caught.value.label == "corrupt entry"


def test_only_the_empty_content_has_no_bytes_and_needs_no_blob() -> None:
    assert WHOLE.blobs == [(b"\1" * 32, 3)]
    for wrong in ({"stdout": [(b"\1" * 32).hex(), 0]}, {"stderr": [EMPTY.digest.hex(), 1]}):
        body = body_of(**wrong)
        with pytest.raises(ManifestError, match="the digest of nothing") as caught:
            decode(sealed(body) + body + b"\n", KEY, "blake3")
        assert caught.value.label == "corrupt entry"


def test_an_older_manifest_is_a_schema_mismatch_and_no_damage() -> None:
    """CACHE-015."""
    with pytest.raises(ManifestError) as caught:
        decode(encode(WHOLE).replace(MANIFEST_MAGIC, b"haz-manifest 1 ", 1), KEY, "blake3")
    assert caught.value.label == "schema mismatch"
