"""The logs on disk: which there are, reading them, and how long tasks took in them."""

from __future__ import annotations

import os
import stat

from haz.errors import FileSystemError, HazError
from haz.history import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from haz.history.log import RunLog
    from haz.model import TaskId

KEEP = 50
TAIL = 1 << 16


class HistoryError(HazError):
    """A run that was asked for is not in the history."""

    code = "haz::runs"

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def directory(root: str) -> str:
    return f"{root}/.haz/runs"


def ids(root: str) -> list[tuple[int, str]]:
    """Return `(start, id)` of the logs, newest first. Raises `FileSystemError` when the folder cannot be read."""
    place = directory(root)
    try:
        names = os.listdir(place)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise FileSystemError("list", place, error.errno, error.strerror or str(error)) from error
    return sorted(filter(None, map(log.id_of, names)), reverse=True)


def find(root: str, wanted: str) -> tuple[int, str]:
    """Return start and id of a run named by `latest`, by its id, or by the start of the id or of its last part.

    Raises `HistoryError`.
    """
    known = ids(root)
    if not known:
        raise HistoryError("no runs are recorded in this workspace", "`haz run` records each run that has tasks")
    if wanted == "latest":
        return known[0]
    exact = [entry for entry in known if entry[1] == wanted]
    found = exact or [entry for entry in known if _abbreviates(wanted, entry[1])]
    if not found:
        raise HistoryError(f"there is no run '{wanted}'", "`haz runs` lists the ids of all that are kept")
    if len(found) > 1:
        names = ", ".join(run_id for _, run_id in found[:3]) + (", …" if len(found) > 3 else "")
        raise HistoryError(
            f"'{wanted}' is the start of {len(found)} runs: {names}", "the last part of an id will do, or its start"
        )
    return found[0]


def _abbreviates(wanted: str, run_id: str) -> bool:
    return bool(wanted) and (run_id.startswith(wanted) or run_id.partition("-")[2].startswith(wanted))


def read(root: str, started_at: int, run_id: str, *, whole: bool = True) -> RunLog | None:
    """Read a log; without `whole` only what its first and last line say, if it has a last line.

    None when it is gone meanwhile, or was never a file. Raises `FileSystemError`.
    """
    path = f"{directory(root)}/{run_id}{log.SUFFIX}"
    try:
        with open(path, "rb", opener=_open) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            locked = _is_locked(file.fileno())
            if not whole:
                first = file.readline()
                file.seek(max(file.tell(), os.fstat(file.fileno()).st_size - TAIL))
                found = log.parse(run_id, started_at, [first, *file.read().splitlines()[-1:]], locked=locked)
                if found.end is not None or found.state == "unknown":
                    return found
                file.seek(0)
            return log.parse(run_id, started_at, file, locked=locked)
    except (FileNotFoundError, IsADirectoryError):
        return None
    except OSError as error:
        raise FileSystemError("read", path, error.errno, error.strerror or str(error)) from error


def _open(path: str, flags: int) -> int:
    """Open without waiting for a writer, should a FIFO have the name of a log."""
    return os.open(path, flags | os.O_NONBLOCK)


def _is_locked(descriptor: int) -> bool:
    """Whether the run still writes: its lock goes with its process, however that ended."""
    import fcntl  # noqa: PLC0415 - for readers only

    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        # A file system without locks: what has no end counts as interrupted.
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def logs(root: str, *, whole: bool = True) -> Iterator[RunLog]:
    """Read all logs, newest first; one that cannot be read is `unknown`. Raises `FileSystemError`."""
    for started_at, run_id in ids(root):
        try:
            found = read(root, started_at, run_id, whole=whole)
        except FileSystemError:
            found = log.RunLog(run_id, "unknown", started_at)
        if found is not None:
            yield found


def prune(root: str) -> None:
    """Remove all logs but the newest. Raises `OSError`, `FileSystemError`."""
    for _, run_id in ids(root)[KEEP:]:
        try:
            os.unlink(f"{directory(root)}/{run_id}{log.SUFFIX}")
        except FileNotFoundError:
            # Another haz does the same.
            continue


def durations(root: str, tasks: Collection[TaskId]) -> dict[TaskId, float]:
    """Return how many seconds each task took when it last really ran and passed, as far as the history knows.

    Raises `FileSystemError`.
    """
    missing = {str(task): task for task in tasks}
    found: dict[TaskId, float] = {}
    for run in logs(root):
        for name, task in run.tasks.items():
            if name in missing and task.outcome == "succeeded" and task.source == "fresh" and task.duration is not None:
                found[missing.pop(name)] = task.duration / 1000
        if not missing:
            break
    return found
