"""The report of a run as JSON, for machines: what ran, what came from the cache, and why it ended as it did."""

from __future__ import annotations

from haz import _core
from haz.history.records import attempts_of, end_value, run_value
from haz.model import CompletedRecord, OutputOverlap, SignaledInFlight

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from haz.app import RunReport
    from haz.history.records import End
    from haz.model import TaskId
    from haz.observers.ledger import Ledger


def task_value(task: TaskId, end: End, ledger: Ledger) -> dict[str, Any]:
    """Return what became of a task; `duration` in milliseconds, absent where no work was done."""
    value = end_value(end)
    if isinstance(end, CompletedRecord):
        value["outputs"] = len(end.materialised_outputs)
    attempts = attempts_of(end)
    if attempts or isinstance(end, (CompletedRecord, SignaledInFlight)):
        value["attempts"] = [run_value(run) for run in attempts]
    if task in ledger.durations:
        value["duration"] = int(ledger.durations[task] * 1000)
    if task in ledger.misses:
        value["miss"] = ledger.misses[task]
    return value


def report_value(report: RunReport, ledger: Ledger) -> dict[str, Any]:
    """Return the whole report; durations in milliseconds, tasks in canonical order."""
    outcome = report.outcome
    counts = outcome.counts()
    ends: dict[TaskId, End] = {**outcome.outcomes, **outcome.task_errors}
    return {
        "version": 1,
        "exitCode": report.exit_code,
        "duration": int(report.duration * 1000),
        "spawned": report.spawned,
        "counts": {
            name: getattr(counts, name) for name in ("completed", "cached", "failed", "skipped", "cancelled", "flaky")
        },
        "violations": [
            {"rule": "EXEC-020", "tasks": [str(v.first_task), str(v.second_task)], "path": v.shared_path}
            if isinstance(v, OutputOverlap)
            else {
                "rule": "EXEC-019",
                "tasks": [str(task) for task in v.nodes],
                "edge": [str(t) for t in v.offending_edge],
            }
            for v in outcome.invariant_violations
        ],
        "tasks": {str(task): task_value(task, ends[task], ledger) for task in sorted(ends)},
    }


def write_report(path: str, report: RunReport, ledger: Ledger) -> None:
    """Write the report to a file, atomically. Raises `FileSystemError`."""
    _core.publish(path, _core.json_dumps(report_value(report, ledger)) + b"\n")
