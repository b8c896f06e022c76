"""One cache entry as it lies on disk: a line with the digest of what follows, then one JSON object.

The digest makes a torn or altered manifest recognisable before anything of it is believed.
"""

from __future__ import annotations

import os

from haz import _core
from haz._record import Record
from haz.cache.formats import HASH_IDS, KEY_REVISION, MANIFEST_MAGIC, bytes_of, text_of
from haz.model import StreamHashes, TaskId, TaskRun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, TypeAlias

    from haz.cache.key import Section
    from haz.model import TaskPhase

    Row: TypeAlias = "FileRow | LinkRow | DirectoryRow"

MAX_PATHS = 1_000_000
MAX_ATTEMPTS = 1_000
# Bytes. What a compressed body may say it has; 1,000,000 rows with long paths have less.
MAX_BODY = 1 << 28
COMPRESSED = b" zstd "
# How an attempt may have ended that was followed by another one.
RETRIED_PHASES: tuple[TaskPhase, ...] = ("failed", "timeout")


class ManifestError(ValueError):
    """The bytes are not a manifest that this version can use. `label` is what `haz why` calls it."""

    def __init__(self, label: str, reason: str) -> None:
        super().__init__(reason)
        self.label = label


class FileRow(Record):
    """An output file: workspace path, content digest, size in bytes, permission bits (07777)."""

    path: str
    digest: bytes
    size: int
    mode: int


class LinkRow(Record):
    """An output that is a symbolic link, with its target as it was written."""

    path: str
    target: str


class DirectoryRow(Record):
    """A directory that an output pattern names or that has nothing in it. What it has inside is in other rows."""

    path: str


class Blob(Record):
    """A captured stream: digest and size in bytes."""

    digest: bytes
    size: int


class Manifest(Record):
    """What a successful run left behind. `parts` are the labelled key parts: `{section: {digest, rows}}`.

    `created_at` is milliseconds since the epoch, the start of the run; `duration` milliseconds of the task's own run.
    `attempts` are those that failed before it.
    """

    key: bytes
    algorithm: str
    task: TaskId
    created_at: int
    duration: int
    stdout: Blob
    stderr: Blob
    outputs: tuple[Row, ...]
    parts: dict[str, Any]
    attempts: tuple[TaskRun, ...] = ()

    @property
    def streams(self) -> StreamHashes:
        return StreamHashes(self.stdout.digest, self.stderr.digest)

    @property
    def blobs(self) -> list[tuple[bytes, int]]:
        """Every blob that a restore needs, as `(digest, size)`: what is empty needs none."""
        files = [(row.digest, row.size) for row in self.outputs if isinstance(row, FileRow) and row.size]
        return [(stream.digest, stream.size) for stream in (self.stdout, self.stderr) if stream.size] + files


def explain_parts(sections: Sequence[Section], algorithm: str) -> dict[str, Any]:
    """Return the labelled key parts for a manifest. Values of host variables are kept as digests only."""
    parts: dict[str, Any] = {}
    for section in sections:
        rows = [list(row) for row in section.rows()]
        for row in rows:
            if section.name == "environment" and row[0] == b"from_host":
                row[2:] = [_core.digest_bytes(value, algorithm).hex().encode() for value in row[2:]]
            elif section.name == "environment" and row[0] == b"secret":
                row[2:] = [value.hex().encode() for value in row[2:]]
            elif section.name == "predecessors":
                row[2:] = [digest.hex().encode() for digest in row[2:]]
            elif section.name in ("inputs", "tools"):
                row[1] = row[1].hex().encode()
        parts[section.name] = {
            "digest": section.digest.hex(),
            "rows": [[text_of(field) for field in row] for row in rows],
        }
    return parts


def encode(manifest: Manifest, *, compressed: bool = False) -> bytes:
    body = _core.json_dumps(
        {
            "revision": KEY_REVISION,
            "hash": manifest.algorithm,
            "key": manifest.key.hex(),
            "task": list(manifest.task),
            "created_at": manifest.created_at,
            "duration": manifest.duration,
            "stdout": [manifest.stdout.digest.hex(), manifest.stdout.size],
            "stderr": [manifest.stderr.digest.hex(), manifest.stderr.size],
            "outputs": [_encode_row(row) for row in manifest.outputs],
            "parts": manifest.parts,
            "attempts": [_encode_attempt(run) for run in manifest.attempts],
        }
    )
    head = MANIFEST_MAGIC + _core.digest_bytes(body, manifest.algorithm).hex().encode()
    if compressed:
        return b"%s%s%d\n%s" % (head, COMPRESSED, len(body), _core.compress(body))
    return b"%s\n%s\n" % (head, body)


def _encode_row(row: Row) -> list[Any]:
    path = text_of(os.fsencode(row.path))
    if isinstance(row, FileRow):
        return ["file", path, row.digest.hex(), row.size, row.mode]
    if isinstance(row, LinkRow):
        return ["symlink", path, text_of(os.fsencode(row.target))]
    return ["directory", path]


def _encode_attempt(run: TaskRun) -> list[Any]:
    error = None if run.error is None else text_of(os.fsencode(run.error))
    return [run.attempt, run.phase, run.started_at, run.finished_at, error, run.exit_code]


# The digest of the empty content, by hash function.
_NOTHING: dict[str, bytes] = {}


def decode(data: bytes, key: bytes, algorithm: str) -> Manifest:
    """Read a manifest that must be the one of `key`. Raises `ManifestError`; nothing is trusted unchecked."""
    head, _, body = data.partition(b"\n")
    if not head.startswith(MANIFEST_MAGIC):
        label = "schema mismatch" if head.startswith(b"haz-manifest ") else "corrupt entry"
        raise ManifestError(label, "unknown manifest format")
    stated, mark, size = head[len(MANIFEST_MAGIC) :].partition(COMPRESSED)
    body = _decompressed(body, size) if mark else body.removesuffix(b"\n")
    if stated != _core.digest_bytes(body, algorithm).hex().encode():
        raise ManifestError("corrupt entry", "the manifest does not have the digest it states")
    try:
        return _decode_body(_core.json_loads(body), key, algorithm)
    except ManifestError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ManifestError("corrupt entry", f"malformed manifest: {error}") from error


def _decompressed(body: bytes, size: bytes) -> bytes:
    try:
        length = int(size)
        # An absurd length is one that no frame has.
        return _core.decompress(body, length if 0 <= length <= MAX_BODY else 0)
    except ValueError as error:
        raise ManifestError("corrupt entry", f"the manifest cannot be decompressed: {error}") from error


def _decode_body(body: dict[str, Any], key: bytes, algorithm: str) -> Manifest:
    if body["revision"] != KEY_REVISION or body["hash"] not in HASH_IDS or body["hash"] != algorithm:
        raise ManifestError("schema mismatch", "made for another key revision or hash function")
    if bytes.fromhex(body["key"]) != key:
        raise ManifestError("corrupt entry", "the manifest belongs to another key")
    if len(body["outputs"]) > MAX_PATHS:
        raise ManifestError("corrupt entry", "too many outputs")
    if len(body["attempts"]) > MAX_ATTEMPTS:
        raise ManifestError("corrupt entry", "too many attempts")
    if type(body["parts"]) is not dict:
        raise ManifestError("corrupt entry", "the parts of the key are not an object")
    project, task = body["task"]
    manifest = Manifest(
        key=key,
        algorithm=algorithm,
        task=TaskId(project, task),
        created_at=_natural(body["created_at"]),
        duration=_natural(body["duration"]),
        stdout=_blob(body["stdout"]),
        stderr=_blob(body["stderr"]),
        outputs=tuple(_decode_row(row) for row in body["outputs"]),
        parts=body["parts"],
        attempts=tuple(_decode_attempt(row) for row in body["attempts"]),
    )
    nothing = _NOTHING.get(algorithm) or _NOTHING.setdefault(algorithm, _core.digest_bytes(b"", algorithm))
    contents: list[Blob | FileRow] = [manifest.stdout, manifest.stderr]
    contents += [row for row in manifest.outputs if type(row) is FileRow]
    if any((one.digest == nothing) != (one.size == 0) for one in contents):
        raise ManifestError("corrupt entry", "the digest of nothing and the size of something, or the other way round")
    return manifest


def _decode_row(row: list[Any]) -> Row:
    kind, path, *rest = row
    path = os.fsdecode(bytes_of(path))
    if not path.startswith("/") or "\0" in path or any(part in ("", ".", "..") for part in path[1:].split("/")):
        raise ManifestError("corrupt entry", f"not a workspace path: {path!r}")
    if kind == "file":
        digest, size, mode = rest
        if _natural(mode) > 0o7777:
            raise ManifestError("corrupt entry", f"not permission bits: {mode}")
        return FileRow(path, _digest(digest), _natural(size), mode)
    if kind == "symlink":
        (target,) = rest
        return LinkRow(path, os.fsdecode(bytes_of(target)))
    if kind == "directory" and not rest:
        return DirectoryRow(path)
    raise ManifestError("corrupt entry", f"unknown kind of output: {kind!r}")


def _decode_attempt(row: list[Any]) -> TaskRun:
    number, phase, started, finished, error, code = row
    ended = next((known for known in RETRIED_PHASES if known == phase), None)
    if ended is None:
        raise ValueError(f"not the end of an attempt: {phase!r}")
    if code is not None and type(code) is not int:
        raise ValueError(f"not an exit code: {code!r}")
    error = None if error is None else os.fsdecode(bytes_of(error))
    return TaskRun(_natural(number), ended, _natural(started), _natural(finished), error, code)


def _blob(value: list[Any]) -> Blob:
    digest, size = value
    return Blob(_digest(digest), _natural(size))


def _digest(text: str) -> bytes:
    raw = bytes.fromhex(text)
    if len(raw) != 32:
        raise ValueError("a digest has 32 bytes")
    return raw


def _natural(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"not a natural number: {value!r}")
    return value
