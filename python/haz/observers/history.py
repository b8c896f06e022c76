"""Writes the log of a run to `.haz/runs` while it goes on (spec 03 §13.7).

Every write is of whole lines, so that a killed run leaves a log that ends early and no more. Attempts and failures are
written at once; hits, skips and cancellations, of which there may be thousands, wait for the next such line or for a
full block.
"""

from __future__ import annotations

import os

from haz import _core
from haz.errors import FileSystemError
from haz.events import RunObserver
from haz.exit_code import exit_code_for
from haz.history import log
from haz.history.files import directory, prune
from haz.history.records import attempts_of, end_value
from haz.host import now_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from haz.errors import RunTaskError
    from haz.history.records import End
    from haz.model import CancelledRecord, CompletedRecord, SkipRecord, TaskId, TaskRun
    from haz.outcome import RunGraphOutcome

BLOCK = 1 << 16


class HistoryObserver(RunObserver):
    """The log of one run of the workspace at `root`. `complain` hears once why there is none, or only a part.

    `argv` are the words of the command line after `haz`.
    """

    def __init__(self, root: str, haz: str, argv: Sequence[str], complain: Callable[[str], None]) -> None:
        self._root = root
        self._haz = haz
        self._argv = argv
        self._complain = complain
        self._file: int | None = None
        self._waiting: list[bytes] = []
        self._size = 0
        self._written: dict[TaskId, int] = {}
        self._misses: dict[TaskId, str] = {}

    def on_run_started(self, tasks: int) -> None:
        started_at = now_ms()
        try:
            self._file = self._open(log.file_name(started_at, os.urandom(4).hex()))
            self._lock(self._file)
        except OSError as error:
            self._give_up(error)
            return
        self._put(log.first_line(self._haz, started_at, self._argv, tasks), at_once=True)
        try:
            prune(self._root)
        except (OSError, FileSystemError) as error:
            self._complain(f"warning: old runs are not removed: {error}")

    def on_miss(self, task: TaskId, reason: str) -> None:
        self._misses.setdefault(task, reason)

    def on_attempt_finished(self, task: TaskId, run: TaskRun, attempts: int, delay: float | None) -> None:  # noqa: ARG002
        self._written[task] = run.attempt
        self._put(log.attempt_line(task, run), at_once=True)

    def on_task_finished(self, task: TaskId, record: CompletedRecord, duration: float) -> None:
        if record.source == "cache_hit" and record.key is not None:
            self._put(log.hit_line(task, record.key, duration))
        elif (
            record.state == "succeeded"
            and len(record.attempts) == 1
            and record.exit_status is not None
            and record.exit_status.code == 0
        ):
            lines = log.attempt_line(task, record.attempts[0])
            self._put(lines + log.done_line(task, record.key, duration, self._misses.get(task)), at_once=True)
        else:
            self._end(task, record, duration)

    def on_tasks_unchanged(self, records: Sequence[CompletedRecord]) -> None:
        hits = [(record.task, record.key) for record in records if record.key is not None]
        self._put(log.hit_lines(hits))

    def on_task_errored(self, task: TaskId, error: RunTaskError, duration: float) -> None:
        self._end(task, error, duration)

    def on_task_skipped(self, task: TaskId, record: SkipRecord) -> None:
        self._end(task, record, None)

    def on_task_cancelled(self, task: TaskId, record: CancelledRecord, duration: float | None) -> None:
        self._end(task, record, duration)

    def on_run_finished(self, outcome: RunGraphOutcome, duration: float, signalled: int | None) -> None:
        counts = outcome.counts()
        names = type(counts)._fields
        misses: dict[str, int] = {}
        for reason in self._misses.values():
            misses[reason] = misses.get(reason, 0) + 1
        exit_code = exit_code_for(outcome, signalled)
        values = {name: getattr(counts, name) for name in names}
        self._put(log.last_line(exit_code, signalled, duration, values, misses), at_once=True)
        self._close()

    def _end(self, task: TaskId, end: End, duration: float | None) -> None:
        """Write the attempts that are not in the log yet, and the end, in one go."""
        known = self._written.pop(task, 0)
        lines = [log.attempt_line(task, run) for run in attempts_of(end) if run.attempt > known]
        value = end_value(end)
        at_once = bool(lines) or value["outcome"] in ("failed", "errored")
        lines.append(log.end_line(task, value, duration, self._misses.get(task)))
        self._put(b"".join(lines), at_once=at_once)

    # --- The file ----------------------------------------------------------------------------------------------------

    def _open(self, name: str) -> int:
        place = directory(self._root)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            return os.open(f"{place}/{name}", flags, 0o644)
        except FileNotFoundError:
            os.makedirs(place, exist_ok=True)
            return os.open(f"{place}/{name}", flags, 0o644)

    @staticmethod
    def _lock(file: int) -> None:
        """Hold a lock for as long as this process lives: it tells a run that goes on from one that was killed."""
        import fcntl  # noqa: PLC0415 - with the first run of a process

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            # A file system without locks: the run will look interrupted until it has ended.
            return

    def _put(self, data: bytes, *, at_once: bool = False) -> None:
        if self._file is None:
            return
        self._waiting.append(data)
        self._size += len(data)
        if not at_once and self._size < BLOCK:
            return
        block = b"".join(self._waiting)
        self._waiting.clear()
        self._size = 0
        try:
            if os.write(self._file, block) < len(block):
                self._give_up(OSError(28, os.strerror(28)))
            _core.step("log-written")
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Write nothing more: a line after a torn one would be lost too."""
        self._close()
        self._complain(f"warning: this run is not recorded in {directory(self._root)}: {error.strerror}")

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
