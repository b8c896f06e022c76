"""The workspace's files, as Python sees them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import blake3
import pytest

from haz import _core

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT = 30.0


def compile_specs(*specs: list[str]) -> _core.PatternSet:
    return _core.PatternSet(
        [
            [(text.lstrip("!"), not _core.check_pattern(text.lstrip("!")), text[0] == "!") for text in spec]
            for spec in specs
        ]
    )


def fingerprint(root: Path, *specs: list[str], algorithm: str = "blake3") -> list[_core.Inputs]:
    queue = _core.Queue()
    tree = _core.Tree(queue, str(root), algorithm, compile_specs(*specs))
    tree.fingerprint(7, range(len(specs)))
    ((kind, token, payload),) = queue.wait(TIMEOUT)
    assert (kind, token) == ("inputs", 7)
    return list(payload)


def write(root: Path, **files: bytes) -> None:
    for name, content in files.items():
        (root / name).write_bytes(content)


@pytest.mark.parametrize("algorithm", ["blake3", "sha256"])
def test_the_inputs_digest_frames_content_mode_and_path(tmp_path: Path, algorithm: str) -> None:
    """CACHE-006."""

    def oracle(data: bytes) -> bytes:
        return blake3.blake3(data).digest() if algorithm == "blake3" else hashlib.sha256(data).digest()

    write(tmp_path, b=b"bee", a=b"")
    (tmp_path / "b").chmod(0o755)
    (inputs,) = fingerprint(tmp_path, ["/*", "/a"], algorithm=algorithm)
    rows = [("/a", oracle(b""), False), ("/b", oracle(b"bee"), True)]
    assert inputs.rows() == rows
    section = struct.pack(">I", 2) + b"".join(
        digest + bytes([executable]) + struct.pack(">I", len(path)) + path.encode() for path, digest, executable in rows
    )
    assert inputs.digest == oracle(section)
    assert inputs.error is None


def test_no_inputs_have_a_digest_too(tmp_path: Path) -> None:
    (inputs,) = fingerprint(tmp_path, [])
    assert inputs.digest == blake3.blake3(bytes(4)).digest()


def test_an_error_names_kind_path_and_reason(tmp_path: Path) -> None:
    """CACHE-006, O17."""
    write(tmp_path, a=b"")
    (tmp_path / "d").mkdir()
    missing, directory = fingerprint(tmp_path, ["/a", "/x/none"], ["/d"])
    assert missing.error == ("resolve", "/x/none", "No such file or directory")
    assert directory.error == ("not_regular", "/d", "is a directory")
    assert missing.digest == b""
    assert missing.rows() == []


def test_a_link_out_of_the_workspace_is_an_error_where_it_matches(tmp_path: Path) -> None:
    """DISC-023, O19."""
    root = tmp_path / "ws"
    root.mkdir()
    (tmp_path / "secret").write_bytes(b"x")
    (root / "link").symlink_to("../secret")
    hit, miss = fingerprint(root, ["/*"], ["/*.txt"])
    assert hit.error is not None
    assert hit.error[:2] == ("outside", "/link")
    assert miss.error is None


def test_names_that_are_not_utf_8_come_back_as_fsdecode_gives_them(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff"
    with open(name, "wb") as file:
        file.write(b"x")
    (inputs,) = fingerprint(tmp_path, ["/*"])
    assert [path for path, _, _ in inputs.rows()] == [os.fsdecode(b"/\xff")]


@contextlib.contextmanager
def unprivileged() -> Iterator[Path]:
    """A fresh directory, and a user whom permissions bind, even where the tests run as root."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o777)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            yield Path(directory)
        finally:
            os.seteuid(user)


def test_an_unreadable_directory_concerns_only_those_who_look_below_it() -> None:
    """O18."""
    with unprivileged() as root:
        (root / "locked").mkdir()
        write(root, a=b"")
        (root / "locked").chmod(0)
        specs = [["/**"], ["/*"], ["/**", "!/locked/**"], ["/locked/x"]]
        concerned, unconcerned, excluded, literal = fingerprint(root, *specs)
        (root / "locked").chmod(0o700)
    assert concerned.error == ("resolve", "/locked", "cannot list directory: Permission denied")
    assert [path for path, _, _ in unconcerned.rows()] == ["/a"]
    assert excluded.rows() == unconcerned.rows()
    assert literal.error == ("resolve", "/locked/x", "Permission denied")


def test_an_unreadable_file_is_a_read_error() -> None:
    with unprivileged() as root:
        write(root, a=b"")
        (root / "a").chmod(0)
        (inputs,) = fingerprint(root, ["/*"])
    assert inputs.error == ("read", "/a", "Permission denied")


def test_several_calls_may_be_in_flight(tmp_path: Path) -> None:
    write(tmp_path, a=b"1", b=b"2")
    queue = _core.Queue()
    tree = _core.Tree(queue, str(tmp_path), "blake3", compile_specs(["/a"], ["/b"]), workers=2)
    for token in range(20):
        tree.fingerprint(token, [token % 2])
    del tree
    events: list[tuple[str, int, Any]] = []
    while len(events) < 20:
        batch = queue.wait(TIMEOUT)
        assert batch
        events += batch
    assert sorted(token for _, token, _ in events) == list(range(20))
    for _, token, (inputs,) in events:
        assert [path for path, _, _ in inputs.rows()] == ["/a" if token % 2 == 0 else "/b"]


def test_a_spec_that_does_not_exist_is_an_index_error(tmp_path: Path) -> None:
    tree = _core.Tree(_core.Queue(), str(tmp_path), "blake3", compile_specs(["/a"]))
    with pytest.raises(IndexError, match="no spec 1 among 1"):
        tree.fingerprint(0, [1])


def test_a_survey_lists_files_and_links_with_their_state(tmp_path: Path) -> None:
    """O9."""
    (tmp_path / "d/sub").mkdir(parents=True)
    (tmp_path / "d/sub/f").write_bytes(b"four")
    (tmp_path / "d/link").symlink_to("nowhere")
    (tmp_path / "other").write_bytes(b"")
    queue = _core.Queue()
    tree = _core.Tree(queue, str(tmp_path), "blake3", compile_specs(["/*"], ["/d/**", "/absent"]))
    expected = []
    for path in ("/d/link", "/d/sub/f"):
        status = os.lstat(tmp_path / path[1:])
        expected.append((path, status.st_ino, status.st_size, status.st_mtime_ns))
    assert tree.survey_now(1) == expected
    tree.survey(7, 1)
    assert queue.wait(TIMEOUT) == [("surveyed", 7, expected)]
