"""The lines of a run's log, written and read (spec 03 §13.7). Pure; `docs/cli/runs.md` describes the format.

A reader believes no line: a torn, damaged or unknown one is passed over, and what is left is what is known of the run.
"""

from __future__ import annotations

from haz import _core
from haz._record import Record
from haz.history.records import json_text, run_of, run_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, Literal

    from haz.model import TaskId, TaskRun

    State = Literal["finished", "running", "interrupted", "unknown"]

VERSION = 1
SUFFIX = ".jsonl"
OUTCOMES = ("failed", "errored", "skipped", "cancelled", "succeeded")
_HEX = frozenset("0123456789abcdef")


class TaskLog(Record):
    """What the log says of a task. `outcome` is None when it has attempts and no end; `duration` in milliseconds."""

    outcome: str | None = None
    source: str | None = None
    key: str | None = None
    duration: int | None = None
    miss: str | None = None
    cause: str | dict[str, str] | None = None
    error: str | None = None
    exit: dict[str, int] | None = None
    attempts: tuple[TaskRun, ...] = ()


class RunEnd(Record):
    """The last line. `duration` in milliseconds; `misses` counts tasks by why the cache had nothing for them."""

    exit_code: int
    signal: int | None
    duration: int | None
    counts: dict[str, int]
    misses: dict[str, int]


class RunLog(Record):
    """One run. `size` is the number of its tasks, `damaged` that of lines that could not be read.

    A run without a last line is `running` while its log is locked, else `interrupted`; `unknown` is a log of another
    version, or one that cannot be read.
    """

    id: str
    state: State
    started_at: int
    haz: str | None = None
    argv: tuple[str, ...] = ()
    size: int | None = None
    tasks: dict[str, TaskLog] = {}  # noqa: RUF012 - records are immutable
    end: RunEnd | None = None
    damaged: int = 0

    def counts(self) -> dict[str, int]:
        """Return the counts of the last line, or those of the ends that are known."""
        return self.end.counts if self.end is not None else counted(self.tasks.values())


def file_name(started_at: int, token: str) -> str:
    return f"{started_at}-{token}{SUFFIX}"


def id_of(name: str) -> tuple[int, str] | None:
    """Return start and id of a log by its file name, or None when it is none."""
    run_id = name.removesuffix(SUFFIX)
    started, _, token = run_id.partition("-")
    if run_id == name or not (started.isascii() and started.isdigit() and len(started) < 19):
        return None
    if len(token) != 8 or not _HEX.issuperset(token):
        return None
    return int(started), run_id


# --- Writing ---------------------------------------------------------------------------------------------------------


def first_line(haz: str, started_at: int, argv: Iterable[str], tasks: int) -> bytes:
    return _line(
        {"version": VERSION, "haz": haz, "startedAt": started_at, "argv": list(map(json_text, argv)), "tasks": tasks}
    )


def attempt_line(task: TaskId, run: TaskRun) -> bytes:
    if run.error is None and run.finished_at is not None and run.exit_code is not None:
        # Nothing in it needs escaping, and most are of this kind.
        return (
            f'{{"task":"{task[0]}:{task[1]}","run":{{"attempt":{run.attempt},"phase":"{run.phase}",'
            f'"startedAt":{run.started_at},"finishedAt":{run.finished_at},"exitCode":{run.exit_code}}}}}\n'
        ).encode()
    return _line({"task": str(task), "run": run_value(run)})


def end_line(task: TaskId, end: Mapping[str, Any], duration: float | None, miss: str | None) -> bytes:
    """Make the line of a task's end of its `end_value`; `duration` in seconds."""
    value: dict[str, Any] = {"task": str(task), **end}
    if duration is not None:
        value["duration"] = int(duration * 1000)
    if miss is not None:
        value["miss"] = miss
    return _line(value)


def done_line(task: TaskId, key: bytes | None, duration: float, miss: str | None) -> bytes:
    """Make the line of a task that ran and passed, status 0: as `end_line` does, in a fraction of the time."""
    known = "" if key is None else f'"key":"{key.hex()}",'
    why = "" if miss is None else f',"miss":"{miss}"'
    return (
        f'{{"task":"{task[0]}:{task[1]}","outcome":"succeeded","source":"fresh",{known}"exit":{{"code":0}},'
        f'"duration":{int(duration * 1000)}{why}}}\n'
    ).encode()


_HIT = '{"task":"%s:%s","outcome":"succeeded","source":"hit","key":"%s","duration":%d}\n'


def hit_line(task: TaskId, key: bytes, duration: float) -> bytes:
    """Make the line of a hit. There may be thousands, and names and digests need no escaping: no JSON writer."""
    return (_HIT % (*task, key.hex(), int(duration * 1000))).encode()


def hit_lines(hits: Iterable[tuple[TaskId, bytes]]) -> bytes:
    """Make the lines of hits that took no time."""
    return "".join([_HIT % (task[0], task[1], key.hex(), 0) for task, key in hits]).encode()


def last_line(
    exit_code: int, signal: int | None, duration: float, counts: Mapping[str, int], misses: Mapping[str, int]
) -> bytes:
    value: dict[str, Any] = {"exitCode": exit_code, "duration": int(duration * 1000), "counts": dict(counts)}
    value["misses"] = dict(misses)
    if signal is not None:
        value["signal"] = signal
    return _line(value)


def _line(value: dict[str, Any]) -> bytes:
    return _core.json_dumps(value) + b"\n"


# --- Reading ---------------------------------------------------------------------------------------------------------


def parse(run_id: str, started_at: int, lines: Iterable[bytes], *, locked: bool) -> RunLog:
    """Read a log from its lines, newlines included or not. Never raises."""
    first: dict[str, Any] = {}
    ends: dict[str, TaskLog] = {}
    attempts: dict[str, list[TaskRun]] = {}
    last: RunEnd | None = None
    damaged = 0
    torn = False
    for line in lines:
        if not line.strip():
            continue
        # Only the last line of a log may be torn: that is how a run ends that was killed.
        damaged += torn
        torn = False
        try:
            value = _core.json_loads(line)
        except ValueError:
            torn = True
            continue
        if not isinstance(value, dict):
            damaged += 1
            continue
        task = value.get("task")
        if isinstance(task, str):
            damaged += not _read_task(task, value, ends, attempts)
        elif "version" in value and not first:
            first = value
        elif "exitCode" in value:
            last = _read_end(value) or last
    for task, runs in attempts.items():
        ends[task] = ends.get(task, TaskLog()).replace(attempts=tuple(sorted(runs, key=lambda run: run.attempt)))
    if first.get("version", VERSION) != VERSION:
        return RunLog(run_id, "unknown", started_at, _text(first, "haz"))
    argv = first.get("argv")
    return RunLog(
        run_id,
        "finished" if last is not None else "running" if locked else "interrupted",
        started_at,
        _text(first, "haz"),
        tuple(word for word in argv if isinstance(word, str)) if isinstance(argv, list) else (),
        _count(first, "tasks"),
        ends,
        last,
        damaged,
    )


def _read_task(task: str, value: dict[str, Any], ends: dict[str, TaskLog], attempts: dict[str, list[TaskRun]]) -> bool:
    if "run" in value:
        try:
            attempts.setdefault(task, []).append(run_of(value["run"]))
        except ValueError:
            return False
        return True
    outcome = value.get("outcome")
    if outcome not in OUTCOMES:
        return False
    cause = value.get("cause")
    if isinstance(cause, dict):
        cause = {str(kind): str(name) for kind, name in cause.items()}
    status = value.get("exit")
    ends[task] = TaskLog(
        str(outcome),
        _text(value, "source"),
        _text(value, "key"),
        _count(value, "duration"),
        _text(value, "miss"),
        cause if isinstance(cause, (str, dict)) else None,
        _text(value, "error"),
        _counts(status) if isinstance(status, dict) else None,
    )
    return True


def _read_end(value: dict[str, Any]) -> RunEnd | None:
    exit_code = _count(value, "exitCode")
    if exit_code is None:
        return None
    return RunEnd(
        exit_code,
        _count(value, "signal"),
        _count(value, "duration"),
        _counts(value.get("counts")),
        _counts(value.get("misses")),
    )


def _text(value: Mapping[str, Any], key: str) -> str | None:
    found = value.get(key)
    return found if isinstance(found, str) else None


def _count(value: Mapping[str, Any], key: str) -> int | None:
    found = value.get(key)
    return found if type(found) is int and found >= 0 else None


def _counts(value: object) -> dict[str, int]:
    if not isinstance(value, dict):
        return {}
    return {name: count for name, count in value.items() if type(count) is int and count >= 0}


def counted(tasks: Iterable[TaskLog]) -> dict[str, int]:
    """Count ends as the epilogue of a run does: errored tasks count as failed, hits and flaky ones as completed too."""
    counts = dict.fromkeys(("completed", "cached", "failed", "skipped", "cancelled", "flaky"), 0)
    for task in tasks:
        if task.outcome == "succeeded":
            counts["completed"] += 1
            counts["cached"] += task.source == "hit"
            counts["flaky"] += len(task.attempts) > 1
        elif task.outcome == "errored":
            counts["failed"] += 1
        elif task.outcome is not None:
            counts[task.outcome] += 1
    return counts
