"""How a child ended, as Python sees it."""

from __future__ import annotations

import hashlib

from haz import _core


def test_a_finished_child_tells_code_and_streams() -> None:
    finished = _core.Finished._of(3, None, b"out", b"", "sha256")
    assert (finished.code, finished.signal, finished.error) == (3, None, None)
    assert finished.stdout == (hashlib.sha256(b"out").digest(), 3)
    assert finished.stderr == (hashlib.sha256(b"").digest(), 0)


def test_digests_and_sizes_outlive_the_captured_bytes() -> None:
    finished = _core.Finished._of(None, 9, b"out", b"err")
    finished.close()
    finished.close()
    assert finished.signal == 9
    assert finished.stderr == (_core.digest_bytes(b"err"), 3)
