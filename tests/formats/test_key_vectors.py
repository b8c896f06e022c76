"""Keys that must never change without a new revision: stored, recomputed from the document, and derived by haz."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from haz.cache import key as cache_key
from haz.cache.formats import KEY_REVISION
from haz.cache.key import key_of, sections
from haz.model import Command, Environment, Pattern, Shell, StreamHashes, TaskId, TaskSpec
from tests.formats import key_vectors as reference
from tests.formats.test_cache_key import FakeInputs

STORED = json.loads(reference.FILE.read_text())
VECTORS = {vector["name"]: vector for vector in STORED["vectors"]}
BUMP = "the key changed: bump the revision"


def text(value: str) -> str:
    return os.fsdecode(reference.raw(value))


def derived(shape: dict[str, Any], algorithm: str) -> bytes:
    """What haz makes of a shape."""
    task = {**STORED["base"], **shape}
    digest = reference.HASHES[algorithm][1]
    spec = TaskSpec(
        id=TaskId("any", "name"),
        root=text(task["root"]),
        tags=("t",),
        action=Shell(*map(text, task["shell"])) if "shell" in task else Command(tuple(map(text, task["command"]))),
        outputs=tuple(
            Pattern("as written", text(pattern), kind.endswith("literal"), kind.startswith("!"))
            for kind, pattern in task["outputs"]
        ),
        environment=Environment(
            tuple(task["from_host"]), tuple(sorted(task["override"].items())), ("PATH",), tuple(task["secret"])
        ),
        timeout=3.0,
    )
    files = [(text(path), digest(reference.raw(content)), x) for path, content, x in task["inputs"]]
    files.sort(key=lambda row: os.fsencode(row[0]))
    inputs = FakeInputs([], algorithm)
    inputs.digest = digest(
        reference.u32(len(files))
        + b"".join(content + bytes([x]) + reference.lp(os.fsencode(path)) for path, content, x in files)
    )
    streams = {
        TaskId(p, t): StreamHashes(digest(reference.raw(out)), digest(reference.raw(err)))
        for p, t, out, err in task["predecessors"]
    }
    parts = sections(
        spec,
        algorithm=algorithm,
        inputs=inputs,  # type: ignore[arg-type]
        predecessors=sorted(streams),
        streams=streams,
        host={name: text(value) for name, value in task["host"].items()},
        arguments=list(map(text, task["arguments"])),
        tools=[(text(label), digest(reference.raw(content))) for label, content in task["tools"]],
    )
    return key_of(parts, algorithm)


@pytest.mark.parametrize("algorithm", ["blake3", "sha256"])
@pytest.mark.parametrize("name", VECTORS)
def test_a_stored_key_never_changes(name: str, algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """CACHE-001..009, D3."""
    vector = VECTORS[name]
    platform = {**STORED["base"], **vector["shape"]}["platform"]
    monkeypatch.setattr(cache_key, "platform", lambda: platform)
    assert derived(vector["shape"], algorithm).hex() == vector["keys"][algorithm], BUMP


@pytest.mark.parametrize("algorithm", ["blake3", "sha256"])
@pytest.mark.parametrize("name", VECTORS)
def test_the_document_gives_the_same_key(name: str, algorithm: str) -> None:
    """CACHE-009."""
    vector = VECTORS[name]
    assert reference.key(vector["shape"], algorithm).hex() == vector["keys"][algorithm], BUMP


def test_all_shapes_are_stored_with_keys_of_their_own() -> None:
    assert STORED["revision"] == KEY_REVISION == reference.REVISION
    assert STORED["base"] == reference.BASE
    assert {name: vector["shape"] for name, vector in VECTORS.items()} == reference.SHAPES
    assert len(VECTORS) == len(STORED["vectors"]) >= 30
    keys = [key for vector in STORED["vectors"] for key in vector["keys"].values()]
    # One output that is listed twice is one output.
    twice, once = VECTORS["one output listed in two ways"]["keys"], VECTORS["a literal output"]["keys"]
    assert twice == once
    assert len(set(keys)) == len(keys) - len(twice)
