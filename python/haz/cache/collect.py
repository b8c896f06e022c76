"""What may go: inspection, cleaning and verification of a cache directory (CACHE-021, CACHE-022, AUX-017..028).

An entry is *corrupt* when its manifest cannot be used or a blob of it is missing; blobs that no entry names are
*unreferenced*. Entries go before blobs, and blobs young enough to belong to a store in progress stay, so that cleaning
is safe beside running hazes: at worst a lookup that came too late is a miss.
"""

from __future__ import annotations

import os
import shutil
import time

from haz import _core
from haz._record import Record
from haz.cache.formats import BLOBS, ENTRIES, HASH_IDS, SPILL, STAT
from haz.cache.manifest import ManifestError, decode
from haz.cache.store import read_entry
from haz.errors import FileSystemError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from haz.cache.manifest import Manifest

# Seconds. A temporary file younger than this may still be written to; a blob that young may be about to get its name
# into a manifest. Too short a time for a blob costs a miss, never a wrong byte.
TEMPORARY_GRACE = 3600
BLOB_GRACE = 5
# The passes of a cleaning, in their order.
MODES = ("--soft", "--max-age", "--max-size")
TEMPORARY = ".haz-tmp-"
COMPRESSED = ".zst"
OWN_FOLDERS = ("", "runs", "locks", "locks/v1", "state", "state/produced-v1")


class Entry(Record):
    """One entry as found. `manifest` is None when it is corrupt, `why` says what is wrong with it.

    `used_at` is the last use in seconds since the epoch: a store, or a hit at most a day before.
    """

    path: str
    algorithm: str
    name: str
    used_at: float
    manifest: Manifest | None
    why: str = ""

    @property
    def created_at(self) -> int:
        return 0 if self.manifest is None else self.manifest.created_at // 1000

    @property
    def footprint(self) -> int:
        """Bytes of distinct content that the entry names."""
        return 0 if self.manifest is None else sum(dict(self.manifest.blobs).values())


class BlobFile(Record):
    """One blob as found; `size` in bytes, `changed_at` in seconds since the epoch."""

    path: str
    algorithm: str
    name: str
    size: int
    changed_at: float
    compressed: bool = False


class Trouble(Record):
    """Something that could not be read or removed (AUX-028)."""

    action: str
    path: str
    reason: str

    def __str__(self) -> str:
        return f"failed to {self.action} at: {self.path}: {self.reason}"


class Inspection:
    """Everything in a cache directory, read once and never changed. A missing directory has nothing."""

    def __init__(self, cache: str, root: str | None = None) -> None:
        """With `root`, a workspace, what killed runs have left in haz's own folders there counts too."""
        self.cache = cache
        self.entries: list[Entry] = []
        self.blobs: list[BlobFile] = []
        self.temporary: list[BlobFile] = []
        self.troubles: list[Trouble] = []
        for algorithm in HASH_IDS:
            for item in self._files(f"{cache}/{BLOBS}/{algorithm}", algorithm):
                (self.temporary if item.name.startswith(TEMPORARY) else self.blobs).append(item)
        # A content may be there in both kinds; only that of a file that is not compressed has a size to compare.
        self._sizes = {(blob.algorithm, blob.name): blob.size for blob in self.blobs if not blob.compressed}
        self._packed = {(blob.algorithm, blob.name) for blob in self.blobs if blob.compressed}
        folders = [cache, f"{cache}/{STAT}", f"{cache}/{SPILL}"]
        if root is not None:
            # What is cleared is moved beside the cache first.
            folders += [os.path.dirname(cache), *(f"{root}/.haz/{name}".rstrip("/") for name in OWN_FOLDERS)]
        for folder in dict.fromkeys(folders):
            for found in self._listing(folder):
                if found.name.startswith(TEMPORARY):
                    self.temporary += self._file(found, "")
        for algorithm in HASH_IDS:
            for item in self._files(f"{cache}/{ENTRIES}/{algorithm}", algorithm):
                if item.name.startswith(TEMPORARY):
                    self.temporary.append(item)
                else:
                    self.entries.append(self._entry(item))

    @property
    def total_bytes(self) -> int:
        """Size of all files at any depth, strays included; links and directories count nothing."""
        total = 0
        for folder, _, names in os.walk(self.cache):
            for name in names:
                try:
                    status = os.lstat(f"{folder}/{name}")
                except FileNotFoundError:
                    continue
                if (status.st_mode & 0o170000) == 0o100000:
                    total += status.st_size
        return total

    def _files(self, directory: str, algorithm: str) -> Iterator[BlobFile]:
        for shard in self._listing(directory):
            if not shard.is_dir(follow_symlinks=False):
                if shard.name.startswith(TEMPORARY):
                    yield from self._file(shard, algorithm)
                continue
            for item in self._listing(shard.path):
                yield from self._file(item, algorithm)

    def _file(self, item: os.DirEntry[str], algorithm: str) -> Iterator[BlobFile]:
        try:
            status = item.stat(follow_symlinks=False)
        except FileNotFoundError:
            return
        name = item.name.removesuffix(COMPRESSED)
        yield BlobFile(item.path, algorithm, name, status.st_size, status.st_mtime, name != item.name)

    def _listing(self, directory: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(directory) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except FileNotFoundError:
            return []
        except OSError as error:
            self.troubles.append(Trouble("read cache shard", directory, error.strerror or str(error)))
            return []

    def _entry(self, item: BlobFile) -> Entry:
        try:
            key = bytes.fromhex(item.name)
            manifest = decode(read_entry(item.path)[0], key, item.algorithm)
        except FileNotFoundError:
            return Entry(item.path, item.algorithm, item.name, item.changed_at, None, "no entry")
        except OSError as error:
            self.troubles.append(Trouble("read entry manifest", item.path, error.strerror or str(error)))
            return Entry(item.path, item.algorithm, item.name, item.changed_at, None, str(error))
        except ManifestError as error:
            return Entry(item.path, item.algorithm, item.name, item.changed_at, None, str(error))
        except ValueError:
            return Entry(item.path, item.algorithm, item.name, item.changed_at, None, "its name is not a key")
        for digest, size in manifest.blobs:
            name = item.algorithm, digest.hex()
            if self._sizes.get(name) != size and name not in self._packed:
                why = f"blob {digest.hex()} is missing or has another size"
                return Entry(item.path, item.algorithm, item.name, item.changed_at, None, why)
        return Entry(item.path, item.algorithm, item.name, item.changed_at, manifest)

    @property
    def sound(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.manifest is not None]

    @property
    def corrupt(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.manifest is None]

    def unreferenced(self, kept: list[Entry]) -> list[BlobFile]:
        """Blobs that none of the given entries names."""
        named = {
            (entry.algorithm, digest.hex()) for entry in kept if entry.manifest for digest, _ in entry.manifest.blobs
        }
        return [blob for blob in self.blobs if (blob.algorithm, blob.name) not in named]


class Cleaning(Record):
    """What a cleaning removes: `evicted` entries with the pass that names them, then blobs and temporary files.

    `troubles` are what could not be read or removed.
    """

    inspected: int
    evicted: tuple[tuple[Entry, str], ...]
    blobs: tuple[BlobFile, ...]
    temporary: tuple[BlobFile, ...]
    troubles: tuple[Trouble, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of the files that go."""
        return sum(file.size for file in (*self.blobs, *self.temporary))

    @property
    def in_order(self) -> list[tuple[Entry, str]]:
        """What is evicted, by pass, then from old to new."""
        return sorted(self.evicted, key=lambda pair: (MODES.index(pair[1]), pair[0].created_at, pair[0].name))


def plan_cleaning(
    inspection: Inspection,
    *,
    soft: bool = False,
    max_age: int | None = None,
    max_size: int | None = None,
    now: float | None = None,
) -> Cleaning:
    """Choose what goes, in the passes of AUX-023: soft, age, size. Ages are seconds since the last use (02 §10.18)."""
    moment = time.time() if now is None else now
    evicted: list[tuple[Entry, str]] = []
    if soft:
        evicted += [(entry, "--soft") for entry in inspection.corrupt]
    kept = inspection.sound
    if max_age is not None:
        evicted += [(entry, "--max-age") for entry in kept if entry.used_at < moment - max_age]
        kept = [entry for entry in kept if entry.used_at >= moment - max_age]
    if max_size is not None:
        gone = _oldest_beyond(kept, max_size)
        evicted += [(entry, "--max-size") for entry in gone]
        names = {entry.path for entry in gone}
        kept = [entry for entry in kept if entry.path not in names]
    blobs: list[BlobFile] = []
    if evicted or soft:
        named_by = kept if soft else [*kept, *inspection.corrupt]
        blobs = [blob for blob in inspection.unreferenced(named_by) if blob.changed_at < moment - BLOB_GRACE]
    temporary = [item for item in inspection.temporary if soft and _is_left_behind(item, moment)]
    troubles = tuple(inspection.troubles)
    return Cleaning(len(inspection.entries), tuple(evicted), tuple(blobs), tuple(temporary), troubles)


def _is_left_behind(item: BlobFile, now: float) -> bool:
    return item.changed_at < now - TEMPORARY_GRACE or _core.is_orphan(os.path.basename(item.path))


def _oldest_beyond(entries: list[Entry], limit: int) -> list[Entry]:
    """Return the least recently used entries without which the content of the others fits; shared blobs count once."""
    users: dict[tuple[str, bytes], int] = {}
    total = 0
    for entry in entries:
        assert entry.manifest is not None
        for digest, size in dict(entry.manifest.blobs).items():
            key = entry.algorithm, digest
            if key not in users:
                total += size
            users[key] = users.get(key, 0) + 1
    gone = []
    for entry in sorted(entries, key=lambda entry: (entry.used_at, entry.name)):
        if total <= limit:
            break
        assert entry.manifest is not None
        gone.append(entry)
        for digest, size in dict(entry.manifest.blobs).items():
            key = entry.algorithm, digest
            users[key] -= 1
            if not users[key]:
                total -= size
    return gone


def clean(cleaning: Cleaning) -> Cleaning:
    """Remove what was planned, entries first; returns what really went (AUX-028)."""
    troubles = list(cleaning.troubles)

    def remove(path: str, what: str) -> bool:
        try:
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
        except FileNotFoundError:
            return True
        except OSError as error:
            troubles.append(Trouble(f"remove {what}", path, error.strerror or str(error)))
            return False
        return True

    evicted = tuple(pair for pair in cleaning.evicted if remove(pair[0].path, "cache entry"))
    blobs = tuple(blob for blob in cleaning.blobs if remove(blob.path, "blob"))
    temporary = tuple(item for item in cleaning.temporary if remove(item.path, "orphan tmp directory"))
    return Cleaning(cleaning.inspected, evicted, blobs, temporary, tuple(troubles))


class Defect(Record):
    """A file whose content is not what it must be. It is `removed`, or `kept` says why it could not be."""

    file: str
    what: str
    removed: bool = False
    kept: str | None = None


class Verification(Record):
    """What was checked, and what is wrong with it. `troubles` are what could not be read."""

    entries: int
    blobs: int
    defects: tuple[Defect, ...]
    troubles: tuple[Trouble, ...] = ()

    @property
    def left(self) -> int:
        """How many defects are still there."""
        return sum(not defect.removed for defect in self.defects)


def verify(inspection: Inspection, *, repair: bool = False) -> Verification:
    """Check every manifest and the content of every blob, in parallel; `repair` removes what is corrupt."""
    defects = [Defect(entry.path, f"corrupt entry: {entry.why}") for entry in inspection.corrupt]
    for algorithm in HASH_IDS:
        blobs = [blob for blob in inspection.blobs if blob.algorithm == algorithm]
        packed = [blob.compressed for blob in blobs]
        digests = _core.digest_files([blob.path for blob in blobs], algorithm, packed)
        for blob, digest in zip(blobs, digests, strict=True):
            if isinstance(digest, FileSystemError):
                defects.append(Defect(blob.path, str(digest)))
            elif digest.hex() != blob.name:
                defects.append(Defect(blob.path, "corrupt blob: the content does not have the digest of its name"))
    found = tuple(_removed(defect) for defect in defects) if repair else tuple(defects)
    return Verification(len(inspection.entries), len(inspection.blobs), found, tuple(inspection.troubles))


def _removed(defect: Defect) -> Defect:
    try:
        os.unlink(defect.file)
    except OSError as error:
        return defect.replace(kept=error.strerror or str(error))
    return defect.replace(removed=True)
