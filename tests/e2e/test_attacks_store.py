"""Hostile and damaged caches: nothing of them is believed, and nothing of them fails a task (D5)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from blake3 import blake3

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.space import Space

MAKE = 'make: {shell: "echo made > out; mkdir -p d; echo x > d/x; echo log", outputs: [out, "d/*"]}'


def manifest(space: Space) -> Path:
    (found,) = [path for path in (space.root / ".haz/cache/entries-v1").rglob("*") if path.is_file()]
    return found


def tamper(space: Space, change: Callable[[dict[str, Any]], object]) -> None:
    """Rewrite the manifest as somebody would who knows the format, its digest included."""
    path = manifest(space)
    content = json.loads(path.read_bytes().split(b"\n", 1)[1])
    change(content)
    body = json.dumps(content, separators=(",", ":")).encode()
    path.write_bytes(b"haz-manifest 2 %s\n%s\n" % (blake3(body).hexdigest().encode(), body))


def set_row(index: int, field: int, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda content: content["outputs"][index].__setitem__(field, value)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(set_row(1, 1, "/lib/haz.yml"), id="another file of the workspace"),
        pytest.param(set_row(1, 1, "/lib/d/e/x"), id="below what the pattern matches"),
        pytest.param(lambda content: content["outputs"].append(["symlink", "/lib/link", "out"]), id="one more link"),
        pytest.param(lambda content: content["outputs"].clear(), id="no outputs"),
        pytest.param(set_row(0, 4, 420.5), id="a fractional mode"),
        pytest.param(set_row(0, 4, True), id="a boolean mode"),
        pytest.param(lambda content: content.update(parts=None), id="no parts"),
    ],
)
def test_a_manifest_made_by_hand_restores_nothing_the_task_does_not_declare(
    space: Space, change: Callable[[dict[str, Any]], object]
) -> None:
    """CACHE-016, O19; spec 02 oddity 6: a row may name no file but a declared output, and every literal output."""
    space.project("lib", MAKE)
    space.run("lib:make").ok()
    made = space.files("lib")
    tamper(space, change)
    for name in ("lib/out", "lib/d/x"):
        (space.root / name).unlink()
    again = space.run("lib:make").ok()
    assert again.ran == {"lib:make"}
    assert "warning: the cached result is damaged" in again.err
    assert space.files("lib") == made
    assert space.run("lib:make").ok().cached == {"lib:make"}


def test_a_torn_manifest_is_told_and_replaced(space: Space) -> None:
    """CACHE-016, D5: damage is a miss with a warning."""
    space.project("lib", MAKE)
    space.run("lib:make").ok()
    path = manifest(space)
    path.write_bytes(path.read_bytes()[:-20])
    again = space.run("lib:make").ok()
    assert again.ran == {"lib:make"}
    assert "warning: the cached result is damaged" in again.err
    assert space.run("lib:make").ok().cached == {"lib:make"}


def test_files_on_their_way_into_place_are_no_inputs_and_no_outputs(space: Space) -> None:
    """EXEC-020, D5: what a killed or a concurrent haz has not renamed yet belongs to nobody."""
    space.project(
        "lib",
        """
        make: {shell: "mkdir -p d; echo x > d/x", outputs: ["d/**"]}
        use: {deps: ["~:make"], shell: "cat d/* > out", inputs: ["d/**"], outputs: [out]}
        """,
    )
    space.run("--workspace").ok()
    space.write("lib/d/.haz-tmp-1-0-0", "half")
    assert space.run("--workspace").ok().cached == {"lib:make", "lib:use"}
    (space.root / "lib/d/x").unlink()
    assert space.run("--workspace", "--force").ok().ran == {"lib:make", "lib:use"}
    assert b"tmp" not in manifest_of(space, "make")


def manifest_of(space: Space, task: str) -> bytes:
    entries = (space.root / ".haz/cache/entries-v1").rglob("*")
    (found,) = [
        data
        for path in entries
        if path.is_file()
        for data in [path.read_bytes()]
        if f'["lib","{task}"]'.encode() in data
    ]
    return found


def test_an_input_that_the_task_removes_is_named(space: Space) -> None:
    """D5."""
    space.project("lib", 'eat: {shell: "cp in out; rm in", inputs: [in], outputs: [out]}')
    space.write("lib/in", "x")
    eaten = space.run("lib:eat").ok()
    assert "warning: the result was not stored: input /lib/in changed while the task ran" in eaten.err
    space.write("lib/in", "x")
    assert space.run("lib:eat").ok().ran == {"lib:eat"}
