"""The history as text and as JSON, for `haz runs`. Pure functions of the logs; `docs/cli/runs.md` shows both forms."""

from __future__ import annotations

import time

from haz.history.log import OUTCOMES, TaskLog
from haz.history.records import run_value
from haz.observers.presenter import ASCII, GREEN, RED, YELLOW, duration_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from haz.history.log import RunLog
    from haz.model import TaskRun

NO_RUNS = "no runs are recorded in this workspace.\n"
_HEADS = ("ID", "WHEN", "TOOK", "EXIT", "TASKS", "ASKED")
_MARKS = {
    "failed": ("✗ failed", RED),
    "errored": ("✗ error", RED),
    "skipped": ("- skipped", YELLOW),
    "cancelled": ("! cancelled", YELLOW),
    None: ("? lost", YELLOW),
}
_CAUSES = {
    "upstreamFailed": "upstream {} failed",
    "upstreamErrored": "upstream {} errored",
    "upstreamCancelled": "upstream {} cancelled",
    "runtimeCycle": "in runtime cycle",
    "runCancelled": "run cancelled",
    "signalledInFlight": "while it ran",
}


def list_text(runs: Sequence[RunLog]) -> str:
    """Render a line for each run, in the order given; columns as wide as they must be, nothing is cut."""
    if not runs:
        return NO_RUNS
    rows = [_HEADS, *((r.id, _when(r), _took(r), _exit(r), _counts_text(r.counts()), _asked(r)) for r in runs)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "".join(f"{line}\n" for line in lines)


def show_text(run: RunLog, *, colour: bool = False, ascii_only: bool = False) -> str:
    """Render what became of each task of a run and why, failures first; with `ascii_only` without other signs."""
    lines = [f"run {run.id}, {_when(run)}, took {_took(run)}", f"asked: {_asked(run)}"]
    if run.end is not None:
        signal = "" if run.end.signal is None else f" (signal {run.end.signal})"
        lines.append(f"exit: {run.end.exit_code}{signal}")
    elif run.state == "running":
        lines.append("exit: it still runs")
    elif run.state == "interrupted":
        lines.append("exit: none, the run was interrupted; tasks that were under way are lost")
    else:
        lines.append("exit: unknown, the log cannot be read or is of another version of haz")
    lines.append(f"tasks: {_counts_text(run.counts())}")
    misses = run.end.misses if run.end is not None else _misses(run.tasks.values())
    if misses:
        lines.append("misses: " + ", ".join(f"{count} {plain(why)}" for why, count in sorted(misses.items())))
    open_tasks = 0 if run.size is None else run.size - sum(task.outcome is not None for task in run.tasks.values())
    if open_tasks > 0 and run.state != "unknown":
        lines.append(f"without an end: {open_tasks}")
    if run.damaged:
        lines.append(f"unreadable lines: {run.damaged}")
    lines.append("")
    for name, task in in_order(run.tasks):
        lines += _task_lines(name, task, colour=colour, ascii_only=ascii_only)
    return "\n".join(lines).rstrip("\n") + "\n"


def in_order(tasks: Mapping[str, TaskLog]) -> list[tuple[str, TaskLog]]:
    """Sort tasks: failures, what they kept from running, what has no end, flaky ones, fresh ones, hits."""

    def rank(task: TaskLog) -> int:
        if task.outcome != "succeeded":
            return len(OUTCOMES) if task.outcome is None else OUTCOMES.index(task.outcome)
        return len(OUTCOMES) + (3 if task.source == "hit" else 1 if len(task.attempts) > 1 else 2)

    return sorted(tasks.items(), key=lambda item: (rank(item[1]), *item[0].split(":", 1)))


def _task_lines(name: str, task: TaskLog, *, colour: bool, ascii_only: bool) -> list[str]:
    if task.outcome == "succeeded":
        mark, paint = ("◉ cached", GREEN) if task.source == "hit" else ("✓ done", GREEN)
    else:
        mark, paint = _MARKS[task.outcome]
    if ascii_only:
        mark = mark.translate(ASCII)
    if colour:
        mark = f"\x1b[{paint}m{mark}\x1b[0m"
    took = "" if task.duration is None else f" in {duration_text(task.duration / 1000)}"
    notes = _notes(task)
    line = f"[{plain(name)}] {mark}{took}" + (f" ({', '.join(notes)})" if notes else "")
    if task.error is not None:
        line += f": {plain(task.error)}"
    many = len(task.attempts) > 1 or task.outcome is None
    return [line, *(f"    {_attempt(run)}" for run in task.attempts if many)]


def _notes(task: TaskLog) -> list[str]:
    notes = []
    if isinstance(task.cause, str):
        notes.append(_CAUSES.get(task.cause, plain(task.cause)))
    elif task.cause is not None:
        notes += [_CAUSES.get(kind, f"{plain(kind)} {{}}").format(plain(name)) for kind, name in task.cause.items()]
    attempts = task.attempts
    if task.outcome == "failed" and attempts and attempts[-1].error is not None:
        notes.append(plain(attempts[-1].error))
    elif task.outcome == "failed" and task.exit is not None:
        notes += [f"{'exit' if kind == 'code' else plain(kind)} {number}" for kind, number in task.exit.items()]
    elif len(attempts) > 1:
        notes.append(f"attempt {len(attempts)}")
    if task.miss is not None:
        notes.append(f"cache: {plain(task.miss)}")
    return notes


def _attempt(run: TaskRun) -> str:
    took = "" if run.finished_at is None else f" in {duration_text((run.finished_at - run.started_at) / 1000)}"
    phase = "lost" if run.is_active else run.phase
    return f"attempt {run.attempt}: {phase}{took}" + (f" ({plain(run.error)})" if run.error is not None else "")


def _when(run: RunLog) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started_at / 1000))
    except (OverflowError, OSError, ValueError):
        # The name of a file can claim any time.
        return f"{run.started_at} ms"


def _took(run: RunLog) -> str:
    if run.end is None or run.end.duration is None:
        return "-"
    return duration_text(run.end.duration / 1000)


def _exit(run: RunLog) -> str:
    return run.state if run.end is None else str(run.end.exit_code)


def _counts_text(counts: Mapping[str, int]) -> str:
    """Render counts as the epilogue of a run does."""
    text = f"{counts.get('completed', 0)} completed"
    if counts.get("cached"):
        text += f" ({counts['cached']} cached)"
    return text + "".join(
        f", {counts[name]} {name}" for name in ("flaky", "failed", "skipped", "cancelled") if counts.get(name)
    )


def _misses(tasks: Iterable[TaskLog]) -> dict[str, int]:
    misses: dict[str, int] = {}
    for task in tasks:
        if task.miss is not None:
            misses[task.miss] = misses.get(task.miss, 0) + 1
    return misses


def _asked(run: RunLog) -> str:
    from shlex import join  # noqa: PLC0415 - for readers only

    return plain(join(run.argv)) or "-"


def plain(text: str) -> str:
    """Show a text from a log on one line: what could move the cursor or end the line is escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


# --- JSON ------------------------------------------------------------------------------------------------------------


def run_json(run: RunLog) -> dict[str, Any]:
    """Return a run without its tasks; what is not known is left out."""
    value: dict[str, Any] = {"id": run.id, "state": run.state, "startedAt": run.started_at, "argv": list(run.argv)}
    if run.haz is not None:
        value["haz"] = run.haz
    if run.size is not None:
        value["size"] = run.size
    value["counts"] = run.counts()
    if run.end is not None:
        value["exitCode"] = run.end.exit_code
        if run.end.duration is not None:
            value["duration"] = run.end.duration
        if run.end.signal is not None:
            value["signal"] = run.end.signal
    return value


def list_json(runs: Iterable[RunLog]) -> dict[str, Any]:
    return {"version": 1, "runs": [run_json(run) for run in runs]}


def show_json(run: RunLog) -> dict[str, Any]:
    misses = run.end.misses if run.end is not None else _misses(run.tasks.values())
    value = {"version": 1, **run_json(run), "misses": misses, "damagedLines": run.damaged}
    value["tasks"] = {name: task_json(task, state=run.state) for name, task in in_order(run.tasks)}
    return value


def task_json(task: TaskLog, *, state: str) -> dict[str, Any]:
    unfinished = "running" if state == "running" else "lost"
    value: dict[str, Any] = {"outcome": unfinished if task.outcome is None else task.outcome}
    for name in ("source", "key", "duration", "miss", "cause", "error", "exit"):
        found = getattr(task, name)
        if found is not None:
            value[name] = found
    value["attempts"] = [run_value(run) for run in task.attempts]
    return value
