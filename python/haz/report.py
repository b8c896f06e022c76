"""The report of a run as JSON, for machines: what ran, what came from the cache, and why it ended as it did."""

from __future__ import annotations

from haz import _core
from haz.model import (
    CompletedRecord,
    OutputOverlap,
    SignaledInFlight,
    SkipRecord,
    UpstreamCancelled,
    UpstreamErrored,
    UpstreamFailed,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from haz.app import RunReport
    from haz.model import RunOutcome, TaskRun


def attempt_value(run: TaskRun) -> dict[str, Any]:
    """Return the JSON form of an attempt (spec 03 §13.3): absent options are left out."""
    value: dict[str, Any] = {"attempt": run.attempt, "phase": run.phase, "startedAt": run.started_at}
    if run.finished_at is not None:
        value["finishedAt"] = run.finished_at
    if run.error is not None:
        value["error"] = run.error
    if run.exit_code is not None:
        value["exitCode"] = run.exit_code
    return value


def outcome_value(record: RunOutcome) -> dict[str, Any]:
    """Return the JSON form of a task's end."""
    if isinstance(record, CompletedRecord):
        value: dict[str, Any] = {
            "outcome": record.state,
            "source": "hit" if record.source == "cache_hit" else "fresh",
            "outputs": len(record.materialised_outputs),
            "attempts": [attempt_value(run) for run in record.attempts],
        }
        status = record.exit_status
        if status is not None:
            value["exit"] = {"signal": status.signal} if status.code is None else {"code": status.code}
        return value
    if isinstance(record, SkipRecord):
        cause = record.cause
        if isinstance(cause, UpstreamFailed):
            return {"outcome": "skipped", "cause": {"upstreamFailed": str(cause.upstream)}}
        if isinstance(cause, UpstreamErrored):
            return {"outcome": "skipped", "cause": {"upstreamErrored": str(cause.upstream)}}
        return {"outcome": "skipped", "cause": "runtimeCycle"}
    if isinstance(record, SignaledInFlight):
        attempts = [attempt_value(run) for run in record.attempts]
        return {"outcome": "cancelled", "cause": "signalledInFlight", "attempts": attempts}
    if isinstance(record, UpstreamCancelled):
        return {"outcome": "cancelled", "cause": {"upstreamCancelled": str(record.upstream)}}
    return {"outcome": "cancelled", "cause": "runCancelled"}


def report_value(report: RunReport) -> dict[str, Any]:
    """Return the whole report; durations in milliseconds, tasks in canonical order."""
    outcome = report.outcome
    counts = outcome.counts()
    tasks = {str(task): outcome_value(record) for task, record in outcome.outcomes.items()}
    tasks |= {str(task): {"outcome": "errored", "error": str(error)} for task, error in outcome.task_errors.items()}
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
        "tasks": dict(sorted(tasks.items())),
    }


def write_report(path: str, report: RunReport) -> None:
    """Write the report to a file, atomically. Raises `FileSystemError`."""
    _core.publish(path, _core.json_dumps(report_value(report)) + b"\n")
