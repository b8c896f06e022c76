"""Which files below its output patterns a task has made itself, so that a hit may remove what it replaces (O9).

One small file per task, beside the cache and never shared with other workspaces:
`<root>/.haz/state/produced-v1/<project>.<task>`. Losing it, or not being able
to read it, means that nothing is removed.
"""

from __future__ import annotations

import os

from haz import _core
from haz._record import Record
from haz.cache.formats import PRODUCED, PRODUCED_MAGIC, bytes_of, text_of
from haz.errors import FileSystemError, StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from haz.cache.manifest import Manifest
    from haz.model import Pattern, TaskId, TaskSpec

    File = tuple[str, int, int, int]


class Produced(Record):
    """The files, as `(workspace path, inode, size, time written)`. `mark` names the entry whose outputs lie there."""

    mark: str
    files: tuple[File, ...]


NOTHING = Produced("", ())
# What is written at once within so many bytes is there or not, whenever the process is killed.
PAGE = 4096
NOT_NOTED = "what it has made was not noted, so it will not be removed: {}"


class Ledger:
    """The files of all tasks of one workspace. `root` is its absolute path."""

    def __init__(self, root: str) -> None:
        self._directory = f"{root}/{PRODUCED}"

    def read(self, task: TaskId) -> Produced:
        """Answer `NOTHING` for a task of which nothing is known."""
        try:
            with open(self._path(task), "rb", buffering=0) as file:
                data = file.read()
            head, _, body = data.partition(b"\n")
            if not head.startswith(PRODUCED_MAGIC):
                return NOTHING
            found: dict[str, Any] = _core.json_loads(body)
            if found["task"] != list(task):
                return NOTHING
            files = tuple(
                (os.fsdecode(bytes_of(path)), int(inode), int(size), int(written))
                for path, inode, size, written in found["files"]
            )
            return Produced(head[len(PRODUCED_MAGIC) :].decode(), files)
        except (OSError, KeyError, TypeError, ValueError):
            # Absent, torn by a power failure, or altered: it is only ever a permission to remove.
            return NOTHING

    def lies_there(self, task: TaskId, mark: str) -> bool:
        """Whether the outputs in place are those of the entry with this mark. One read of a small file."""
        wanted = PRODUCED_MAGIC + mark.encode() + b"\n"
        try:
            with open(self._path(task), "rb", buffering=0) as file:
                return file.read(len(wanted)) == wanted
        except OSError:
            return False

    def write(self, task: TaskId, produced: Produced) -> None:
        """Raise `StoreError`."""
        self._publish(task, _encoded(task, produced))

    def renew(self, task: TaskId, produced: Produced) -> None:
        """Write what is noted under the same mark, of files whose states alone are others. Raise `StoreError`."""
        data = _encoded(task, produced)
        if not _overwritten(self._path(task), data):
            self._publish(task, data)

    def _publish(self, task: TaskId, data: bytes) -> None:
        try:
            _core.publish(self._path(task), data)
        except FileSystemError as error:
            raise StoreError(str(error)) from error

    def _path(self, task: TaskId) -> str:
        return f"{self._directory}/{task.project}.{task.task}"


def _encoded(task: TaskId, produced: Produced) -> bytes:
    rows = [[text_of(os.fsencode(path)), *state] for path, *state in produced.files]
    body = _core.json_dumps({"task": list(task), "files": rows})
    return b"%s%s\n%s\n" % (PRODUCED_MAGIC, produced.mark.encode(), body)


def _overwritten(path: str, data: bytes) -> bool:
    """Whether a file of that very length got these bytes where it lies.

    To replace one costs thirty times as much where the file system writes the new one to the disk at once and frees the
    old one. What is torn by a power failure names states that no file has.
    """
    if len(data) > PAGE:
        return False
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        found = os.fstat(descriptor)
        # Another name of the file would be another workspace's note: a copy that was made by links.
        return found.st_nlink == 1 and found.st_size == len(data) and os.pwrite(descriptor, data, 0) == len(data)
    except OSError:
        return False
    finally:
        os.close(descriptor)


def is_cleaned(spec: TaskSpec) -> bool:
    """Whether hits of the task can leave something to remove: a literal output is part of every entry."""
    return spec.clean and spec.cache and any(not p.literal and not p.exclude for p in spec.outputs)


def mark_of(manifest: Manifest) -> str:
    """Name an entry; another store under the same key is another entry."""
    return f"{manifest.key.hex()}-{manifest.created_at}"


def made_by_run(known: Produced, before: Iterable[File], after: Iterable[File]) -> tuple[File, ...]:
    """Say what of `after` the task has made: what was not there before, and what was its own and untouched before.

    A file that the task found and rewrote belongs to whoever made it.
    """
    own, found = set(known.files), {file[0]: file for file in before}
    return tuple(file for file in after if file[0] not in found or found[file[0]] in own)


def made_by_restore(
    known: Produced, before: Iterable[File] | None, after: Iterable[File], rows: set[str]
) -> tuple[File, ...]:
    """Say the same of `rows`, the paths of an entry that has been put in place.

    `before` is None when the entry was in place already: then only what was its own had to be put there again.
    """
    own = {file[0] for file in known.files}
    if before is not None:
        was_there = {file[0] for file in before}
        own |= rows - was_there
    return tuple(file for file in after if file[0] in own and file[0] in rows)


def emptied_directories(patterns: Sequence[Pattern], root: str, paths: Iterable[str]) -> list[str]:
    """Return the directories of the paths that may go when they become empty: those that only a pattern spells."""
    bases = sorted({_base(p.anchored) for p in patterns if not p.literal and not p.exclude}, key=len, reverse=True)
    found: set[str] = set()
    for path in paths:
        base = next((base for base in bases if path.startswith(f"{base}/")), None)
        if base is None:
            continue
        floor = max(base, root, key=len)
        directory = path.rpartition("/")[0]
        while directory.startswith(f"{floor}/") and directory not in found:
            found.add(directory)
            directory = directory.rpartition("/")[0]
    return sorted(found)


def _base(anchored: str) -> str:
    end = min((at for at in map(anchored.find, "*?[{\\") if at >= 0), default=len(anchored))
    return anchored[:end].rpartition("/")[0]
