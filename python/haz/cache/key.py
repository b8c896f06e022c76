"""The cache key, revision 1 (D3). `docs/cache-key.md` writes the format down byte by byte.

`sections` yields the labelled parts of a key; `key_of` hashes them, and the manifest keeps them, so that an
explanation reads exactly what was hashed.
"""

from __future__ import annotations

import os

from haz import _core
from haz._record import Record
from haz.cache.formats import HASH_IDS, KEY_REVISION, platform
from haz.errors import PredecessorStreamsMissing
from haz.model import Command
from haz.redaction import keyed_hash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from haz._core import Inputs
    from haz.model import StreamHashes, TaskId, TaskSpec

    Row = tuple[bytes, ...]


SECTIONS = ("action", "inputs", "outputs", "predecessors", "environment", "tools", "place")


class Section(Record):
    """One section: its digest, and its rows of fields. The core hashes those of `inputs`; they are read on demand."""

    name: str
    digest: bytes
    rows: Callable[[], Sequence[Row]]


def frame(rows: Sequence[Row]) -> bytes:
    """Return the pre-image of a section: u32(rows), then per row u32(fields) and each field as u32(length), bytes."""
    out = [len(rows).to_bytes(4, "big")]
    for row in rows:
        out.append(len(row).to_bytes(4, "big"))
        for field in row:
            out.append(len(field).to_bytes(4, "big"))
            out.append(field)
    return b"".join(out)


def action_rows(spec: TaskSpec, arguments: Sequence[str]) -> list[Row]:
    action = spec.action
    if isinstance(action, Command):
        rows: list[Row] = [(b"command", *map(os.fsencode, action.argv))]
    else:
        rows = [(b"shell", os.fsencode(action.shell), os.fsencode(action.script))]
    if arguments:
        rows.append((b"arguments", *map(os.fsencode, arguments)))
    return rows


def output_rows(spec: TaskSpec) -> list[Row]:
    kinds = {(False, False): b"glob", (True, False): b"literal", (False, True): b"!glob", (True, True): b"!literal"}
    return sorted({(kinds[p.literal, p.exclude], os.fsencode(p.anchored)) for p in spec.outputs})


def predecessor_rows(predecessors: Iterable[TaskId], streams: Mapping[TaskId, StreamHashes]) -> list[Row]:
    """Rows of the direct hard predecessors, which must come in canonical order (CACHE-007)."""
    rows: list[Row] = []
    for task in predecessors:
        hashes = streams.get(task)
        if hashes is None:
            raise PredecessorStreamsMissing(task)
        rows.append((task.project.encode(), task.task.encode(), hashes.stdout, hashes.stderr))
    return rows


def environment_rows(spec: TaskSpec, host: Mapping[str, str]) -> list[Row]:
    """CACHE-008: a name that is not set has no value field; a set but empty one has an empty field."""
    overridden = {name for name, _ in spec.environment.override}
    rows: list[Row] = []
    for name in sorted(set(spec.environment.from_host) - overridden):
        value = host.get(name)
        rows.append(
            (b"from_host", name.encode()) if value is None else (b"from_host", name.encode(), os.fsencode(value))
        )
    rows.extend((b"override", name.encode(), os.fsencode(value)) for name, value in sorted(spec.environment.override))
    for name in sorted(spec.environment.secret):
        value = host.get(name)
        rows.append(
            (b"secret", name.encode()) if value is None else (b"secret", name.encode(), keyed_hash(name, value))
        )
    return rows


def sections(
    spec: TaskSpec,
    *,
    algorithm: str,
    inputs: Inputs,
    predecessors: Iterable[TaskId],
    streams: Mapping[TaskId, StreamHashes],
    host: Mapping[str, str],
    arguments: Sequence[str] = (),
    tools: Sequence[tuple[str, bytes]] = (),
) -> tuple[Section, ...]:
    """Return the seven sections of a task's key, in order. Raises `PredecessorStreamsMissing`.

    `inputs` must be free of errors; `tools` are `(label, fingerprint)` pairs.
    """

    def section(name: str, rows: list[Row]) -> Section:
        return Section(name, _core.digest_bytes(frame(rows), algorithm), lambda: rows)

    return (
        section("action", action_rows(spec, arguments)),
        Section("inputs", inputs.digest, lambda: input_rows(inputs)),
        section("outputs", output_rows(spec)),
        section("predecessors", predecessor_rows(predecessors, streams)),
        section("environment", environment_rows(spec, host)),
        section("tools", sorted((label.encode(), digest) for label, digest in tools)),
        section("place", [(b"project", os.fsencode(spec.root)), (b"platform", platform().encode())]),
    )


def input_rows(inputs: Inputs) -> list[Row]:
    """Return the rows of the inputs section: path, content digest, and `x` or nothing for the executable bit."""
    return [(os.fsencode(path), digest, b"x" if executable else b"") for path, digest, executable in inputs.rows()]


def key_of(parts: Sequence[Section], algorithm: str) -> bytes:
    """Return the key: the digest of revision, hash id, and the framed list of section names and digests."""
    out = [bytes((KEY_REVISION, HASH_IDS[algorithm])), len(parts).to_bytes(4, "big")]
    for part in parts:
        name = part.name.encode()
        out.extend((len(name).to_bytes(4, "big"), name, part.digest))
    return _core.digest_bytes(b"".join(out), algorithm)
