"""Ends and attempts as JSON (spec 03 §13.3, §13.7): one form for the report of a run and for its log."""

from __future__ import annotations

from haz.errors import RunTaskError
from haz.model import (
    CompletedRecord,
    RunCancelled,
    SignaledInFlight,
    SkipRecord,
    TaskRun,
    UpstreamCancelled,
    UpstreamErrored,
    UpstreamFailed,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from haz.model import CancelledRecord, RunOutcome, TaskPhase

    End = RunOutcome | RunTaskError

PHASES: tuple[TaskPhase, ...] = ("pending", "running", "succeeded", "failed", "timeout", "exhausted", "canceled")


def run_value(run: TaskRun) -> dict[str, Any]:
    """Return the JSON form of an attempt: absent options are left out."""
    value: dict[str, Any] = {"attempt": run.attempt, "phase": run.phase, "startedAt": run.started_at}
    if run.finished_at is not None:
        value["finishedAt"] = run.finished_at
    if run.error is not None:
        value["error"] = json_text(run.error)
    if run.exit_code is not None:
        value["exitCode"] = run.exit_code
    return value


def run_of(value: object) -> TaskRun:
    """Read the JSON form of an attempt; options may be missing or null. Raises `ValueError`."""
    if not isinstance(value, dict):
        raise ValueError("an attempt is an object")  # noqa: TRY004 - a text is wrong, not a caller
    attempt = _integer(value, "attempt", 1, 2**32 - 1)
    started_at = _integer(value, "startedAt", 0, 2**63 - 1)
    phase = next((known for known in PHASES if value.get("phase") == known), None)
    error = value.get("error")
    if attempt is None or started_at is None:
        raise ValueError("an attempt has a number and a start")
    if phase is None:
        raise ValueError(f"unknown phase {value.get('phase')!r}")
    if error is not None and not isinstance(error, str):
        raise ValueError("`error` is not a text")
    return TaskRun(
        attempt,
        phase,
        started_at,
        _integer(value, "finishedAt", 0, 2**63 - 1),
        error,
        _integer(value, "exitCode", -(2**31), 2**31 - 1),
    )


def _integer(value: dict[Any, Any], key: str, least: int, most: int) -> int | None:
    number = value.get(key)
    if number is None:
        return None
    if type(number) is not int or not least <= number <= most:
        raise ValueError(f"`{key}` is not an integer of {least} to {most}")
    return number


def end_value(end: End) -> dict[str, Any]:
    """Return how a task ended: `outcome`, and as far as they apply `source`, `key`, `exit`, `cause`, `error`."""
    if isinstance(end, CompletedRecord):
        value: dict[str, Any] = {"outcome": end.state, "source": "hit" if end.source == "cache_hit" else "fresh"}
        if end.key is not None:
            value["key"] = end.key.hex()
        status = end.exit_status
        if status is not None:
            value["exit"] = {"signal": status.signal} if status.code is None else {"code": status.code}
        return value
    if isinstance(end, RunTaskError):
        return {"outcome": "errored", "error": json_text(str(end))}
    if isinstance(end, SkipRecord):
        return {"outcome": "skipped", "cause": _skip_cause(end)}
    return {"outcome": "cancelled", "cause": _cancel_cause(end)}


def _skip_cause(record: SkipRecord) -> str | dict[str, str]:
    cause = record.cause
    if isinstance(cause, UpstreamFailed):
        return {"upstreamFailed": str(cause.upstream)}
    if isinstance(cause, UpstreamErrored):
        return {"upstreamErrored": str(cause.upstream)}
    return "runtimeCycle"


def _cancel_cause(record: CancelledRecord) -> str | dict[str, str]:
    if isinstance(record, SignaledInFlight):
        return "signalledInFlight"
    if isinstance(record, UpstreamCancelled):
        return {"upstreamCancelled": str(record.upstream)}
    return "runCancelled"


def attempts_of(end: End) -> tuple[TaskRun, ...]:
    """Return the attempts that a task had, whatever its end."""
    if isinstance(end, (CompletedRecord, SignaledInFlight, RunCancelled, RunTaskError)):
        return end.attempts
    return ()


def json_text(text: str) -> str:
    """Make a text that JSON can hold of one with bytes that are not UTF-8; those are escaped."""
    return text.encode(errors="backslashreplace").decode()
