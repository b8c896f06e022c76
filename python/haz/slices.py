"""`inputs: [{lock: uv}]`: of a lock file, an input is what the project resolves to, and not the file."""

from __future__ import annotations

import os
import time

from haz import _core
from haz.cache import formats
from haz.errors import HazError, InputContentReadFailed, InputPatternResolutionFailed
from haz.ignored import KeptInputs
from haz.lockfiles import FILES, Unsliceable, cut, project_name, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from haz._core import Inputs
    from haz.lockfiles import Lock
    from haz.model import TaskSpec

# A file that was written longer ago than this when it was read shows every later write in its times.
SETTLED = 2_000_000_000
# How many slices are kept to be compared with, and how many packages an explanation names.
KEEP = 500
TOLD = 8


def with_slices(
    root: str, spec: TaskSpec, inputs: Inputs, algorithm: str, warn: Callable[[str], None] = lambda _: None
) -> Inputs:
    """Add the rows of a task's lock files. Raises `BuildKeyError` when there is no such file, or it cannot be read.

    A file that cannot be cut down to the project counts as a whole, and `warn` is told.
    """
    if not spec.locks or inputs.error is not None:
        return inputs
    rows = inputs.rows()
    for kind in sorted(spec.locks):
        path, text, reason = slice_of(root, spec.root, kind)
        if reason is not None:
            warn(f"{path} counts as a whole, since it cannot be cut down to the project: {reason}")
        rows.append((_row_name(kind, path), _core.digest_bytes(text, algorithm), False))
    return KeptInputs(rows, algorithm, getattr(inputs, "whole", inputs))  # type: ignore[return-value]


def _row_name(kind: str, path: str) -> str:
    # Files have names that start with a slash.
    return f"{kind}:{path}"


def names_of_slices(spec: TaskSpec, paths: Sequence[str]) -> list[str]:
    """Return what the rows of lock files would be called that are at these paths."""
    return [_row_name(kind, path) for kind in spec.locks for path in paths]


def slice_of(root: str, project: str, kind: str) -> tuple[str, bytes, str | None]:
    """Return the path of the lock file, what counts of it, and why that is all of it, if it is."""
    path = nearest(root, project, kind)
    if path is None:
        missing = f"{project}/{FILES[kind][0]}"
        raise InputPatternResolutionFailed(missing, "there is no such file, and none in a directory above")
    try:
        lock = _load(root + path, lambda data: Parsed(kind, data))
    except OSError as error:
        raise InputContentReadFailed(path, error.strerror or str(error)) from error
    try:
        return path, lock.text(_name(root, project, kind, path)), None
    except Unsliceable as error:
        return path, whole(lock.data), str(error)


def nearest(root: str, project: str, kind: str) -> str | None:
    """Return the workspace path of the lock file of a project: in its directory, or the nearest above."""
    directory = project
    while True:
        path = f"{directory}/{FILES[kind][0]}"
        if os.path.lexists(root + path):
            return path
        if not directory:
            return None
        directory = directory.rpartition("/")[0]


def same_slice(root: str, project: str, path: str, before: Parsed, after: Parsed) -> bool:
    """Whether two contents of a lock file are the same to a project; False where that cannot be told."""
    try:
        name = _name(root, project, before.kind, path)
        return before.text(name) == after.text(name)
    except Unsliceable:
        return False


def whole(data: bytes) -> bytes:
    """Return what stands for all of a file; no slice looks like it."""
    return b"\0" + data


def _name(root: str, project: str, kind: str, path: str) -> str:
    manifest = FILES[kind][1]
    if not manifest:
        return project[len(path.rpartition("/")[0]) :].lstrip("/")
    try:
        name: str = _load(f"{root}{project}/{manifest}", lambda data: project_name(kind, data))
    except OSError as error:
        raise Unsliceable(f"{manifest} of the project cannot be read: {error.strerror}") from error
    return name


class Parsed:
    """A lock file, parsed when the first project asks, with the slices that were made of it."""

    def __init__(self, kind: str, data: bytes) -> None:
        self.data = data
        self.kind = kind
        self._lock: Lock | Unsliceable | None = None
        self._texts: dict[str, bytes] = {}

    def text(self, project: str) -> bytes:
        if self._lock is None:
            try:
                self._lock = read(self.kind, self.data)
            except Unsliceable as error:
                self._lock = error
        if isinstance(self._lock, Unsliceable):
            raise self._lock
        if project not in self._texts:
            self._texts[project] = "".join(f"{line}\n" for line in cut(self._lock, project)).encode()
        return self._texts[project]


def remember(root: str, spec: TaskSpec, algorithm: str, warn: Callable[[str], None]) -> None:
    """Keep the slices that a result was made with, so that `changed_packages` can compare with them."""
    try:
        for kind in spec.locks:
            _, text, reason = slice_of(root, spec.root, kind)
            place = _kept(root, _core.digest_bytes(text, algorithm).hex())
            if reason is None and not os.path.lexists(place):
                _core.publish(place, text)
                _prune(os.path.dirname(place))
    except (HazError, OSError) as error:
        warn(f"`haz why` will not know which packages this result was made with: {error}")


def _prune(directory: str) -> None:
    with os.scandir(directory) as entries:
        files = sorted(entries, key=lambda entry: entry.stat().st_mtime_ns, reverse=True)
    for entry in files[KEEP:]:
        try:
            os.unlink(entry.path)
        except FileNotFoundError:
            # Another haz does the same.
            continue


def changed_packages(root: str, spec: TaskSpec, row: str, before: str) -> str | None:
    """Say which packages differ from the slice that had a digest, in hex; None if that was not kept.

    `row` is the name of the lock file's row among the inputs. Raises `BuildKeyError`.
    """
    kind = row.partition(":")[0]
    _, after, reason = slice_of(root, spec.root, kind)
    try:
        with open(_kept(root, before), "rb") as file:
            old, old_lines = _versions(file.read())
    except OSError:
        return None
    if reason is not None:
        return None
    new, new_lines = _versions(after)
    labels = sorted({line.rsplit(" ", 2)[0] for line in old_lines ^ new_lines})
    told = [_change(label, old.get(label), new.get(label)) for label in labels]
    return ", ".join(told[:TOLD]) + (f" and {len(told) - TOLD} more" if len(told) > TOLD else "")


def _versions(text: bytes) -> tuple[dict[str, list[str]], set[str]]:
    versions: dict[str, list[str]] = {}
    lines = text.decode(errors="replace").splitlines()
    for line in lines:
        label, version, *_ = [*line.rsplit(" ", 2), ""]
        versions.setdefault(label, []).append(version)
    return versions, set(lines)


def _change(label: str, old: list[str] | None, new: list[str] | None) -> str:
    if old is None or new is None:
        return f"{label} {' '.join(old or new or ())} {'added' if old is None else 'removed'}"
    return f"{label} {' '.join(old)}" + (f" -> {' '.join(new)}" if old != new else " with other content")


def _kept(root: str, digest: str) -> str:
    return f"{root}/{formats.SLICES}/{digest}"


_loaded: dict[str, tuple[tuple[int, ...], bytes, Any]] = {}


def _load(path: str, parse: Callable[[bytes], Any]) -> Any:
    """Parse a file, or give what came of it last time if it is the same. Raises `OSError`, and what `parse` raises."""
    stat = os.stat(path)
    state = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    known = _loaded.get(path)
    if known is not None and known[0] == state:
        return known[2]
    settled = time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > SETTLED
    with open(path, "rb") as file:
        data = file.read()
    digest = _core.digest_bytes(data)
    value = known[2] if known is not None and known[1] == digest else parse(data)
    _loaded[path] = (state if settled else (), digest, value)
    return value
