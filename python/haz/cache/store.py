"""The local store: lookup never writes, only a miss can be stored, only a hit can be restored (spec 02, D4, D5)."""

from __future__ import annotations

import os
import time

from haz import _core
from haz._record import Record
from haz.cache import formats
from haz.cache.manifest import Blob, DirectoryRow, FileRow, LinkRow, Manifest, ManifestError, decode, encode
from haz.errors import FileSystemError, StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from haz._core import Blobs, Finished, PatternSet
    from haz.cache.manifest import Row

REPLAY_CHUNK = 1 << 20
# Of the outputs that differ from those of another run.
NAMED = 3
# Seconds; see `_note_use`.
USE_RESOLUTION = 86_400
# Bytes.
MAX_ENTRY = 1 << 28
ROWS: dict[str, type[FileRow | LinkRow | DirectoryRow]] = {
    "file": FileRow,
    "symlink": LinkRow,
    "directory": DirectoryRow,
}


class Hit(Record):
    """An entry whose manifest is sound and whose blobs are all there. `used_at`: last noted use, epoch seconds."""

    manifest: Manifest
    used_at: float = 0.0


class Miss(Record):
    """No usable entry. `label` is the text of `haz why`; `detail` says more where there is more to say."""

    key: bytes
    label: str
    detail: str = ""


class Store:
    """One cache directory under one hash function. `cache` is its absolute path; it is created by the first store."""

    def __init__(self, cache: str, algorithm: str, blobs: Blobs, *, compressed: bool = False) -> None:
        self.cache = cache
        self.algorithm = algorithm
        self._blobs = blobs
        self._compressed = compressed
        self._tagged = False

    @property
    def added(self) -> int:
        """Bytes that this process has added to the blobs."""
        return self._blobs.added

    def lookup(self, key: bytes) -> Hit | Miss:
        """CACHE-014..016: every defect is a miss, and nothing is written."""
        path = formats.entry_path(self.cache, self.algorithm, key)
        try:
            data, used_at = read_entry(path)
            manifest = decode(data, key, self.algorithm)
        except FileNotFoundError:
            return Miss(key, "no entry")
        except IsADirectoryError as error:
            return Miss(key, "corrupt entry", str(error))
        except OSError as error:
            return Miss(key, "unreadable entry", str(error))
        except ManifestError as error:
            return Miss(key, error.label, str(error))
        if not self._blobs.present(manifest.blobs):
            return Miss(key, "corrupt entry", "a blob is missing or has another size")
        return Hit(manifest, used_at)

    def restore(
        self,
        token: int,
        hit: Hit,
        leftovers: Sequence[tuple[str, int, int, int]] = (),
        directories: Sequence[str] = (),
        patterns: PatternSet | None = None,
        spec: int = 0,
    ) -> None:
        """Submit the restore of a hit, and the removal of what it replaces; see `_core.Blobs.restore` for the event."""
        manifest = hit.manifest
        self._note_use(hit)
        rows = [core_row(row) for row in manifest.outputs]
        streams = [(manifest.stdout.digest, manifest.stdout.size), (manifest.stderr.digest, manifest.stderr.size)]
        self._blobs.restore(token, rows, streams, leftovers, directories, patterns, spec)

    def _note_use(self, hit: Hit) -> None:
        """Keep the last use, to the day, in the mtime of manifest and blobs: collection goes by it."""
        if time.time() - hit.used_at > USE_RESOLUTION:
            # A cache that cannot be written is collected by nobody, so the date does not matter there.
            try:
                self._blobs.touch(hit.manifest.blobs)
                os.utime(formats.entry_path(self.cache, self.algorithm, hit.manifest.key))
            except OSError:
                return

    def read_stream(self, blob: Blob) -> Iterator[bytes]:
        """Yield a stream blob in pieces. Raises `FileSystemError`."""
        offset = 0
        while offset < blob.size:
            chunk = self._blobs.read(blob.digest, offset, REPLAY_CHUNK)
            if not chunk:
                return
            yield chunk
            offset += len(chunk)

    def collect(self, token: int, patterns: PatternSet, spec: int, finished: Finished | None) -> None:
        """Submit the collection of a task's outputs and streams; see `_core.Blobs.collect` for the event."""
        self._blobs.collect(token, patterns, spec, finished)

    def publish(self, manifest: Manifest) -> str | None:
        """Make the entry visible by one rename; the last of several stores of a key wins. Raises `StoreError`.

        Says in which way an entry that was there before differs, if there was one and it does.
        """
        path = formats.entry_path(self.cache, self.algorithm, manifest.key)
        difference = self._difference(path, manifest)
        try:
            if not self._tagged:
                self._tag()
            _core.publish(path, encode(manifest, compressed=self._compressed), clear=True)
        except (FileSystemError, OSError, TypeError, ValueError) as error:
            raise StoreError(str(error)) from error
        return difference

    def _difference(self, path: str, manifest: Manifest) -> str | None:
        try:
            older = decode(read_entry(path)[0], manifest.key, self.algorithm)
        except (OSError, ManifestError):
            # Usually there is none; one that cannot be read is replaced by one that can.
            return None
        before, after = ({row.path: row for row in one.outputs} for one in (older, manifest))
        found = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
        found += [name for name in ("stdout", "stderr") if getattr(older, name) != getattr(manifest, name)]
        if not found:
            return None
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        return ", ".join(found[:NAMED]) + more

    def _tag(self) -> None:
        path = f"{self.cache}/{formats.CACHEDIR_TAG}"
        if not os.path.exists(path):
            _core.publish(path, formats.CACHEDIR_TAG_TEXT)
        self._tagged = True


def read_entry(path: str) -> tuple[bytes, float]:
    """Return the bytes of a manifest and when it was last used. Raises `OSError`, `ManifestError`."""
    # A FIFO in the place of an entry has nobody at its other end.
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(number)
        if status.st_mode & 0o170000 == 0o040000:
            raise IsADirectoryError(21, os.strerror(21), path)
        if status.st_mode & 0o170000 != 0o100000:
            raise ManifestError("corrupt entry", "it is not a regular file")
        if status.st_size > MAX_ENTRY:
            raise ManifestError("corrupt entry", "it is too large for a manifest")
        # One byte more than it has tells whether it ends there.
        data = os.read(number, status.st_size + 1)
        while len(data) < status.st_size:
            more = os.read(number, status.st_size - len(data))
            if not more:
                break
            data += more
        return data, status.st_mtime
    finally:
        os.close(number)


def output_rows(rows: list[tuple[Any, ...]]) -> tuple[Row, ...]:
    """Make the rows of a `collected` event records."""
    return tuple(ROWS[row[0]](*row[1:]) for row in rows)


def core_row(row: Row) -> tuple[Any, ...]:
    """Return the row as `_core.Blobs.restore` takes it."""
    if isinstance(row, FileRow):
        return ("file", row.path, row.digest, row.size, row.mode)
    if isinstance(row, LinkRow):
        return ("symlink", row.path, row.target)
    return ("directory", row.path)
