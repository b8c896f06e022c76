"""Keys recomputed from docs/cache-key.md by code that shares nothing with haz, and golden vectors of real tasks."""

from __future__ import annotations

import hashlib
import json
import platform
from pathlib import Path

import blake3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haz.cache.key import SECTIONS, key_of, sections
from haz.errors import PredecessorStreamsMissing
from haz.model import Command, Environment, Pattern, Shell, StreamHashes, TaskId, TaskSpec
from haz.slices import with_slices

HASHES = {"blake3": lambda data: blake3.blake3(data).digest(), "sha256": lambda data: hashlib.sha256(data).digest()}
TASK = TaskId("lib", "t")


class FakeInputs:
    """Resolved inputs as the core would give them."""

    error = None

    def __init__(self, rows: list[tuple[str, bytes, bool]], algorithm: str) -> None:
        self._rows = rows
        self.digest = HASHES[algorithm](reference_inputs(rows))

    def rows(self) -> list[tuple[str, bytes, bool]]:
        return self._rows


def u32(number: int) -> bytes:
    return number.to_bytes(4, "big")


def lp(raw: bytes) -> bytes:
    return u32(len(raw)) + raw


def reference_rows(rows: list[tuple[bytes, ...]]) -> bytes:
    return u32(len(rows)) + b"".join(u32(len(row)) + b"".join(map(lp, row)) for row in rows)


def reference_inputs(rows: list[tuple[str, bytes, bool]]) -> bytes:
    return u32(len(rows)) + b"".join(digest + bytes([x]) + lp(path.encode()) for path, digest, x in rows)


def reference_key(algorithm: str, parts: dict[str, bytes]) -> bytes:
    names = ["action", "inputs", "outputs", "predecessors", "environment", "tools", "place"]
    head = bytes([1, {"blake3": 0, "sha256": 1}[algorithm]]) + u32(7)
    return HASHES[algorithm](head + b"".join(lp(name.encode()) + HASHES[algorithm](parts[name]) for name in names))


def spec(**fields: object) -> TaskSpec:
    defaults: dict[str, object] = {"id": TASK, "root": "/lib", "tags": (), "action": Command(("echo", "hi"))}
    return TaskSpec(**(defaults | fields))  # type: ignore[arg-type]


def derive(task: TaskSpec, algorithm: str = "blake3", **more: object) -> bytes:
    options: dict[str, object] = {"inputs": FakeInputs([], algorithm), "predecessors": (), "streams": {}, "host": {}}
    return key_of(sections(task, algorithm=algorithm, **(options | more)), algorithm)  # type: ignore[arg-type]


@pytest.mark.parametrize("algorithm", ["blake3", "sha256"])
def test_a_key_with_everything_in_it_is_what_the_document_says(algorithm: str) -> None:
    """CACHE-002..009, D3."""
    task = spec(
        action=Shell("bash", "make all\n"),
        outputs=(
            Pattern("out/*.txt", "/lib/out/*.txt", literal=False),
            Pattern("bin", "/lib/bin", literal=True),
            Pattern("out/tmp.txt", "/lib/out/tmp.txt", literal=True, exclude=True),
        ),
        environment=Environment(
            from_host=("UNSET", "EMPTY", "SET", "SHADOWED"),
            override=(("SHADOWED", "x"), ("A", "")),
            passed=("PATH",),
        ),
    )
    rows = [("/lib/a-b", b"1" * 32, False), ("/lib/a/b", b"2" * 32, True), ("/lib/é", b"3" * 32, False)]
    first, second = TaskId("a", "z"), TaskId("ab", "a")
    streams = {first: StreamHashes(b"4" * 32, b"5" * 32), second: StreamHashes(b"6" * 32, b"7" * 32)}
    key = derive(
        task,
        algorithm,
        inputs=FakeInputs(rows, algorithm),
        predecessors=[first, second],
        streams=streams,
        host={"EMPTY": "", "SET": "v\udcff", "SHADOWED": "host", "PATH": "/bin"},
        arguments=["--fast", ""],
        tools=[("cc --version", b"8" * 32)],
    )
    machine = f"{platform.system().lower()}-{platform.machine()}".encode()
    assert key == reference_key(
        algorithm,
        {
            "action": reference_rows([(b"shell", b"bash", b"make all\n"), (b"arguments", b"--fast", b"")]),
            "inputs": reference_inputs(rows),
            "outputs": reference_rows(
                [(b"!literal", b"/lib/out/tmp.txt"), (b"glob", b"/lib/out/*.txt"), (b"literal", b"/lib/bin")]
            ),
            "predecessors": reference_rows([(b"a", b"z", b"4" * 32, b"5" * 32), (b"ab", b"a", b"6" * 32, b"7" * 32)]),
            "environment": reference_rows(
                [
                    (b"from_host", b"EMPTY", b""),
                    (b"from_host", b"SET", b"v\xff"),
                    (b"from_host", b"UNSET"),
                    (b"override", b"A", b""),
                    (b"override", b"SHADOWED", b"x"),
                ]
            ),
            "tools": reference_rows([(b"cc --version", b"8" * 32)]),
            "place": reference_rows([(b"project", b"/lib"), (b"platform", machine)]),
        },
    )


def test_sections_come_in_the_documented_order() -> None:
    parts = sections(spec(), algorithm="blake3", inputs=FakeInputs([], "blake3"), predecessors=(), streams={}, host={})
    assert tuple(part.name for part in parts) == SECTIONS


BASE = spec()
CHANGES = {
    "project root": (spec(root="/other"), {}),
    "argument": (spec(action=Command(("echo", "ho"))), {}),
    "argument boundary": (spec(action=Command(("echohi",))), {}),
    "empty argument": (spec(action=Command(("echo", "hi", ""))), {}),
    "shell": (spec(action=Shell("sh", "echo hi")), {}),
    "other shell": (spec(action=Shell("bash", "echo hi")), {}),
    "output": (spec(outputs=(Pattern("o", "/lib/o", literal=True),)), {}),
    "output glob": (spec(outputs=(Pattern("o*", "/lib/o*", literal=False),)), {}),
    "host name unset": (spec(environment=Environment(from_host=("A",))), {}),
    "host name empty": (spec(environment=Environment(from_host=("A",))), {"host": {"A": ""}}),
    "host name set": (spec(environment=Environment(from_host=("A",))), {"host": {"A": "1"}}),
    "override": (spec(environment=Environment(override=(("A", "1"),))), {}),
    "extra arguments": (BASE, {"arguments": ["x"]}),
    "tool": (BASE, {"tools": [("cc", b"1" * 32)]}),
    "input": (BASE, {"inputs": FakeInputs([("/lib/a", b"1" * 32, False)], "blake3")}),
    "input content": (BASE, {"inputs": FakeInputs([("/lib/a", b"2" * 32, False)], "blake3")}),
    "input executable": (BASE, {"inputs": FakeInputs([("/lib/a", b"1" * 32, True)], "blake3")}),
    "predecessor": (BASE, {"predecessors": [TASK], "streams": {TASK: StreamHashes(b"1" * 32, b"1" * 32)}}),
    "its stderr": (BASE, {"predecessors": [TASK], "streams": {TASK: StreamHashes(b"1" * 32, b"2" * 32)}}),
}


def test_everything_that_matters_gives_a_key_of_its_own() -> None:
    """CACHE-005..008, D3; absent, empty and set variables are three different things."""
    keys = {"base": derive(BASE)} | {name: derive(task, **more) for name, (task, more) in CHANGES.items()}  # type: ignore[arg-type]
    assert len(set(keys.values())) == len(keys)


def test_what_does_not_matter_leaves_the_key_alone() -> None:
    """MUTEX-008, CACHE-004: name, tags, passed variables, timeout and the order of declarations are not in the key."""
    other = spec(id=TaskId("lib", "renamed"), tags=("x",), environment=Environment(passed=("PATH",)), timeout=3.0)
    assert derive(other, host={"PATH": "/bin"}) == derive(BASE)
    a, b = Pattern("a", "/lib/a", literal=True), Pattern("b", "/lib/b", literal=True)
    assert derive(spec(outputs=(a, b))) == derive(spec(outputs=(b, a)))


def test_a_predecessor_without_streams_is_an_error() -> None:
    with pytest.raises(PredecessorStreamsMissing, match="lib:t"):
        derive(BASE, predecessors=[TASK])


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=8)


@given(st.lists(texts, min_size=1, max_size=4), st.lists(texts, min_size=1, max_size=4))
def test_different_argument_lists_never_share_a_pre_image(one: list[str], other: list[str]) -> None:
    same = derive(spec(action=Command(tuple(one)))) == derive(spec(action=Command(tuple(other))))
    assert same == (one == other)


CARGO_LOCK = b"""version = 4
[[package]]
name = "lib"
version = "0.1.0"
dependencies = ["x", "other 1.0.0"]
[[package]]
name = "x"
version = "2.0.0"
source = "registry+r"
checksum = "01"
[[package]]
name = "unused"
version = "1.0.0"
[[package]]
name = "other"
version = "1.0.0"
source = "caf\xc3\xa9"
"""


@pytest.mark.parametrize("algorithm", ["blake3", "sha256"])
def test_a_part_of_a_lock_file_is_one_more_file(algorithm: str, tmp_path: Path) -> None:
    """CACHE-005, D3: as docs/cache-key.md says."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/Cargo.toml").write_text('[package]\nname = "lib"\n')
    (tmp_path / "Cargo.lock").write_bytes(CARGO_LOCK)
    file = ("/lib/a.c", HASHES[algorithm](b"a"), True)
    task = spec(locks=("cargo",))
    found = with_slices(str(tmp_path), task, FakeInputs([file], algorithm), algorithm)
    entries = [
        {"dependencies": ["x", "other 1.0.0"], "name": "lib", "version": "0.1.0"},
        {"name": "other", "source": "café", "version": "1.0.0"},
        {"checksum": "01", "name": "x", "source": "registry+r", "version": "2.0.0"},
    ]
    text = "Cargo.lock 4\n"
    for entry in entries:
        compact = json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode()
        text += f"{entry['name']} {entry['version']} {blake3.blake3(compact).hexdigest()}\n"
    rows = [file, ("cargo:/Cargo.lock", HASHES[algorithm](text.encode()), False)]
    assert found.rows() == rows
    assert found.digest == HASHES[algorithm](reference_inputs(rows))
    (tmp_path / "Cargo.lock").write_bytes(b"version = 9")
    found = with_slices(str(tmp_path), task, FakeInputs([], algorithm), algorithm)
    assert found.rows() == [("cargo:/Cargo.lock", HASHES[algorithm](b"\0version = 9"), False)]
