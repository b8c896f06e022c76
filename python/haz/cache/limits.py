"""Holds a cache to its limits after a run, by last use, in bounded time (`cache.max_size`, `cache.max_age`).

Nothing is read but names and `stat`: the time of a blob or an entry is that of its last use, to the day. A cache that
is too large for the time there is is looked at in part, and the next run goes on elsewhere: names are digests, so that
any part is as good a sample as any other. An entry and its blobs are used together and so go together; one that is left
with a blob missing is a miss.
"""

from __future__ import annotations

import os
import time

from haz import _core
from haz._record import Record
from haz.cache.formats import BLOBS, ENTRIES, HASH_IDS, SIZE
from haz.errors import FileSystemError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Seconds that a look may take; for which nothing that was just used goes; and by which an entry may be younger than its
# blobs, which are stored before it.
TIME = 2.0
GRACE = 60.0
SLACK = 10.0
# Seconds after which ages are looked at again, and sizes that other machines may have added to.
INTERVAL = 86_400.0
# What is left of the limit after a collection, so that the next run need not collect again.
ROOM = 0.9
SHARDS = 256


class Known(Record):
    """What the last look found: bytes in all, when (seconds since the epoch), and the shard to begin with next."""

    total: int
    looked_at: float
    shard: int = 0


class Found(Record):
    """A blob or an entry, with its last use in seconds since the epoch. Entries count no bytes: `size` is None."""

    path: str
    size: int | None
    used_at: float


def hold(
    cache: str, added: int, *, max_age: int | None, max_size: int | None, complain: Callable[[str, OSError], None]
) -> None:
    """Collect if it is time: when what was known and the `added` bytes pass the limit, or once a day."""
    if (max_age is None and max_size is None) or not os.access(cache, os.W_OK):
        return
    now = time.time()
    known = read(cache)
    if known is not None and now - INTERVAL < known.looked_at <= now:
        total = known.total + added
        if max_size is None or total <= max_size:
            if added:
                _write(cache, known.replace(total=total))
            return
    first = 0 if known is None else known.shard
    found, shards = look(cache, first, time.monotonic() + TIME)
    doomed = choose(found, now, max_age=max_age, max_size=None if max_size is None else max_size * shards // SHARDS)
    gone = sum(_remove(file, complain) for file in doomed)
    total = (sum(file.size or 0 for file in found) - gone) * SHARDS // max(shards, 1)
    _write(cache, Known(total, now, (first + shards) % SHARDS))


def look(cache: str, first: int, deadline: float) -> tuple[list[Found], int]:
    """Return the files of as many shards as time allows, from `first` on, and how many shards that were."""
    places = [(f"{cache}/{kind}/{algorithm}", kind) for kind in (BLOBS, ENTRIES) for algorithm in HASH_IDS]
    found: list[Found] = []
    for count in range(SHARDS):
        if count and time.monotonic() > deadline:
            return found, count
        name = f"{(first + count) % SHARDS:02x}"
        for place, kind in places:
            found += _files(f"{place}/{name}", counted=kind == BLOBS)
    return found, SHARDS


def _files(directory: str, *, counted: bool) -> Iterator[Found]:
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                yield Found(entry.path, status.st_size if counted else None, status.st_mtime)
    except OSError:
        # Not there, or not ours to read: then it is not ours to collect either.
        return


def choose(files: list[Found], now: float, *, max_age: int | None, max_size: int | None) -> list[Found]:
    """Return the least recently used files that must go, and all that were used together with the last of them."""
    files = sorted(files, key=lambda file: file.used_at)
    oldest = now - GRACE
    limit = -1.0 if max_age is None else now - max_age
    total = sum(file.size or 0 for file in files)
    if max_size is not None and total > max_size:
        for file in files:
            if total <= max_size * ROOM:
                break
            limit = max(limit, file.used_at)
            total -= file.size or 0

    def goes(file: Found) -> bool:
        return file.used_at < oldest and file.used_at <= limit + (SLACK if file.size is None else 0)

    # Entries first: who is killed in between leaves blobs that nobody names, and no entry without its blobs.
    return sorted(filter(goes, files), key=lambda file: file.size is not None)


def _remove(file: Found, complain: Callable[[str, OSError], None]) -> int:
    try:
        os.unlink(file.path)
    except FileNotFoundError:
        return file.size or 0
    except OSError as error:
        complain(file.path, error)
        return 0
    _core.step("collect-removed")
    return file.size or 0


def read(cache: str) -> Known | None:
    """Return what the last look has left; None where there was none, or it makes no sense."""
    try:
        with open(f"{cache}/{SIZE}", "rb", buffering=0) as file:
            total, looked_at, shard = map(int, file.read(100).split())
    except (OSError, ValueError):
        return None
    return Known(total, float(looked_at), shard % SHARDS) if total >= 0 else None


def _write(cache: str, known: Known) -> None:
    try:
        _core.publish(f"{cache}/{SIZE}", b"%d %d %d\n" % (known.total, known.looked_at, known.shard))
    except FileSystemError:
        # A cache that cannot be written cannot grow either.
        return
