"""Entries to one tar file and back, for a machine that shares no cache (docs/formats.md#exports).

Nothing is believed: a blob enters the store under the digest of its bytes, a manifest when it is sound and all that it
names is there. Memory is flat: contents pass through a file.
"""

from __future__ import annotations

import io
import os
import tarfile
import tempfile

from haz import _core
from haz._record import Record
from haz.cache import formats
from haz.cache.manifest import ManifestError, decode, encode
from haz.cache.store import Hit, Store
from haz.errors import FileSystemError, HazError, StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import IO

    from haz.cache.manifest import Manifest

HEAD, END = "haz-export-1", "haz-export-end"
CHUNK = 1 << 20
# No manifest comes near; reading one must not need all memory.
MAX_MANIFEST = 1 << 28


class TransferError(HazError):
    """The file as a whole cannot be written or read."""

    code = "haz::cache::transfer"

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class Transferred(Record):
    """What came across. `known` entries were there before, `refused` members or entries did not come across."""

    entries: int
    blobs: int
    size: int
    known: int = 0
    refused: int = 0


class _Place:
    """The store of one hash function, with a folder in the same file system through which contents pass."""

    def __init__(self, cache: str, algorithm: str, folder: str) -> None:
        self._folder = folder
        self._algorithm = algorithm
        self._queue = _core.Queue()
        self._patterns = _core.PatternSet([[("/in/*", False, False)]])
        tree = _core.Tree(self._queue, folder, algorithm, self._patterns, 1)
        self.blobs = _core.Blobs(self._queue, folder, formats.blobs_directory(cache, algorithm), algorithm, tree)
        self.store = Store(cache, algorithm, self.blobs)

    def read(self, digest: bytes, size: int, into: str) -> str | None:
        """Copy a blob into a file; say what is wrong with it."""
        offset = 0
        try:
            with open(into, "wb") as file:
                while chunk := self.blobs.read(digest, offset, CHUNK):
                    file.write(chunk)
                    offset += len(chunk)
        except FileSystemError as error:
            return str(error)
        if offset != size or self._digest(into) != digest:
            return f"the blob {digest.hex()} is damaged"
        return None

    def add(self, digest: bytes, source: str) -> str | None:
        """Store a file that must have this digest; say what is wrong with it."""
        if self._digest(source) != digest:
            return "its content does not have the digest that it states"
        place = f"{self._folder}/in"
        os.mkdir(place)
        try:
            os.rename(source, f"{place}/{digest.hex()}")
            self.blobs.collect(1, self._patterns, 0, None)
            ((_, _, answer),) = self._queue.wait()
            if isinstance(answer, tuple):
                return str(answer[2])
            return None if [row[2] for row in answer] == [digest] else "it changed while it was stored"
        finally:
            for name in os.listdir(place):
                os.unlink(f"{place}/{name}")
            os.rmdir(place)

    def _digest(self, path: str) -> bytes | None:
        (digest,) = _core.digest_files([path], self._algorithm)
        return None if isinstance(digest, FileSystemError) else digest


# --- Out -------------------------------------------------------------------------------------------------------------


def export(cache: str, manifests: Iterable[Manifest], target: str, complain: Callable[[str], None]) -> Transferred:
    """Write entries and all that they name to `target`, which appears when it is whole. Raises `TransferError`.

    An entry that names a damaged blob is left out. Equal entries give equal files.
    """
    chosen = sorted(manifests, key=lambda manifest: (manifest.algorithm, manifest.key))
    try:
        # Beside the target, so that it can be renamed there.
        beside = os.path.dirname(os.path.abspath(target))
        with tempfile.TemporaryDirectory(dir=beside, prefix=".haz-tmp-") as folder:
            unfinished = f"{folder}/export"
            with tarfile.open(unfinished, "w", format=tarfile.PAX_FORMAT) as tar:
                done = _write(tar, cache, chosen, folder, complain)
            os.chmod(unfinished, 0o666 & ~_umask())
            os.replace(unfinished, target)
    except OSError as error:
        raise TransferError(f"cannot write {target}: {error.strerror or error}") from error
    return done


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _write(
    tar: tarfile.TarFile, cache: str, manifests: list[Manifest], folder: str, complain: Callable[[str], None]
) -> Transferred:
    places = {algorithm: _Place(cache, algorithm, folder) for algorithm in {m.algorithm for m in manifests}}
    head = {"version": 1, "revision": formats.KEY_REVISION}
    _add(tar, HEAD, _core.json_dumps(head) + b"\n")
    blobs = sorted({(m.algorithm, digest, size) for m in manifests for digest, size in m.blobs})
    bad: dict[tuple[str, bytes], str] = {}
    total = 0
    for algorithm, digest, size in blobs:
        wrong = places[algorithm].read(digest, size, f"{folder}/blob")
        if wrong is not None:
            bad[algorithm, digest] = wrong
            continue
        total += size
        with open(f"{folder}/blob", "rb") as content:
            _add_file(tar, f"blobs/{algorithm}/{digest.hex()}", size, content)
    entries = 0
    for manifest in manifests:
        wrong = next((bad[manifest.algorithm, d] for d, _ in manifest.blobs if (manifest.algorithm, d) in bad), None)
        if wrong is not None:
            complain(f"the entry {manifest.key.hex()} of {manifest.task} is left out: {wrong}")
            continue
        _add(tar, f"entries/{manifest.algorithm}/{manifest.key.hex()}", encode(manifest))
        entries += 1
    count = len(blobs) - len(bad)
    _add(tar, END, _core.json_dumps({"blobs": count, "entries": entries}) + b"\n")
    return Transferred(entries, count, total, refused=len(manifests) - entries)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    _add_file(tar, name, len(data), io.BytesIO(data))


def _add_file(tar: tarfile.TarFile, name: str, size: int, content: IO[bytes]) -> None:
    member = tarfile.TarInfo(name)
    member.size = size
    tar.addfile(member, content)
    # Or it would remember every member there ever was.
    tar.members = []  # type: ignore[attr-defined]


# --- In --------------------------------------------------------------------------------------------------------------


class _Import:
    def __init__(self, cache: str, folder: str, limit: int, complain: Callable[[str], None]) -> None:
        self._cache = cache
        self._folder = folder
        self._limit = limit
        self._complain = complain
        self._places: dict[str, _Place] = {}
        self._seen = {"blobs": 0, "entries": 0}
        self.entries = self.blobs = self.size = self.known = self.refused = 0
        self.whole = False

    def member(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        wrong = self._accept(tar, member)
        if wrong is not None:
            self.refused += 1
            self._complain(f"{member.name!r} is refused: {wrong}")

    def _accept(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> str | None:
        """Take in a member; say why not."""
        if self.whole:
            return "it comes after the end"
        # A plain file and nothing else: no link, no device, none with holes.
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
            return "it is not a plain file"
        if member.size > self._limit:
            return f"it claims to have {member.size} bytes, more than the whole file"
        if member.name == END:
            return self._end(tar, member)
        kind, _, rest = member.name.partition("/")
        algorithm, _, name = rest.partition("/")
        if kind not in ("blobs", "entries") or algorithm not in formats.HASH_IDS or not _is_digest(name):
            return "its name is not one that haz gives"
        if algorithm not in self._places:
            self._places[algorithm] = _Place(self._cache, algorithm, self._folder)
        place, raw = self._places[algorithm], bytes.fromhex(name)
        self._seen[kind] += 1
        return self._blob(tar, member, place, raw) if kind == "blobs" else self._entry(tar, member, place, raw)

    def _blob(self, tar: tarfile.TarFile, member: tarfile.TarInfo, place: _Place, digest: bytes) -> str | None:
        if place.blobs.present([(digest, member.size)]):
            return None
        content = tar.extractfile(member)
        assert content is not None
        path, left = f"{self._folder}/blob", member.size
        with open(path, "wb") as file:
            while chunk := content.read(CHUNK):
                file.write(chunk)
                left -= len(chunk)
        wrong = "the file ends in the middle of it" if left else place.add(digest, path)
        if wrong is None:
            self.blobs += 1
            self.size += member.size
        return wrong

    def _entry(self, tar: tarfile.TarFile, member: tarfile.TarInfo, place: _Place, key: bytes) -> str | None:
        if member.size > MAX_MANIFEST:
            return "it is too large for a manifest"
        try:
            manifest = decode(_content(tar, member), key, place.store.algorithm)
        except ManifestError as error:
            return f"{error.label}: {error}"
        if not place.blobs.present(manifest.blobs):
            return "a blob that it names is not there"
        if isinstance(place.store.lookup(key), Hit):
            self.known += 1
            return None
        try:
            place.store.publish(manifest)
        except StoreError as error:
            return str(error)
        self.entries += 1
        return None

    def _end(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> str | None:
        self.whole = True
        try:
            stated = _core.json_loads(_content(tar, member))
        except ValueError as error:
            return str(error)
        return None if stated == self._seen else f"it states {stated}, and there were {self._seen}"


def _is_digest(name: str) -> bool:
    return len(name) == 64 and set(name) <= set("0123456789abcdef")


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    content = tar.extractfile(member)
    assert content is not None
    return content.read()


def import_(cache: str, source: str, complain: Callable[[str], None]) -> Transferred:
    """Take in what an export has. Raises `TransferError` when it is none, or not whole; good entries are kept then."""
    spill = f"{cache}/{formats.SPILL}"
    try:
        os.makedirs(spill, exist_ok=True)
        with (
            open(source, "rb") as file,
            tarfile.open(fileobj=file, mode="r:", errorlevel=2) as tar,
            tempfile.TemporaryDirectory(dir=spill, prefix=f"{_core.unique_name()}-") as folder,
        ):
            taken = _Import(cache, folder, os.fstat(file.fileno()).st_size, complain)
            first = tar.next()
            if first is None or first.name != HEAD:
                raise TransferError(f"{source} is not an export of this version of haz")
            while (member := tar.next()) is not None:
                taken.member(tar, member)
                tar.members = []  # type: ignore[attr-defined]
    except tarfile.TarError as error:
        raise TransferError(f"{source} cannot be read as a tar file: {error}") from error
    except OSError as error:
        raise TransferError(f"cannot import {source}: {error.strerror or error}") from error
    if not taken.whole:
        hint = f"{taken.entries} entries that are whole were imported; get the file anew for the others"
        raise TransferError(f"{source} is not whole: its end is missing", hint)
    return Transferred(taken.entries, taken.blobs, taken.size, taken.known, taken.refused)
