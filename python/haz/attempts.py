"""Attempts at a task: what their records say, whether another one follows, and after which delay (spec 03 §13)."""

from __future__ import annotations

from haz.model import Retries, TaskRun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from haz.model import CompletedRecord, TaskPhase

NO_RETRIES = Retries()


def eligible(retries: Retries, record: CompletedRecord, *, timed_out: bool) -> bool:
    """Whether a failed attempt may be repeated at all (`on`, `exit_codes`)."""
    if timed_out:
        return "timeout" in retries.on
    if "failure" not in retries.on:
        return False
    if retries.exit_codes is None:
        return True
    return record.exit_status is not None and record.exit_status.code in retries.exit_codes


def delay_before(retries: Retries, attempt: int, uniform: Callable[[float, float], float]) -> float:
    """Return the seconds to wait after `attempt` (1-based): exponential, capped, with jitter (03 §13.5)."""
    try:
        grown = retries.delay * retries.factor ** (attempt - 1)
    except OverflowError:
        grown = retries.max_delay
    delay = min(grown, retries.max_delay)
    if retries.jitter == "none" or delay <= 0:
        return delay
    return uniform(0.0 if retries.jitter == "full" else delay / 2, delay)


def close(
    record: CompletedRecord,
    *,
    attempt: int,
    limit: int,
    retried: bool,
    started_at: int,
    finished_at: int,
    timeout: float | None,
    timed_out: bool,
) -> TaskRun:
    """Return the record of an attempt that has ended (03 §13.4). `limit` is the number of attempts there may be."""
    status = record.exit_status
    phase: TaskPhase
    error: str | None
    if record.state == "succeeded":
        phase, error = "succeeded", None
    elif record.state == "cancelled":
        phase, error = "canceled", "cancelled"
    else:
        phase = "timeout" if timed_out else "failed"
        if timed_out:
            error = f"timed out after {timeout:g}s"
        elif status is None:
            error = "failed"
        else:
            error = f"exit {status.code}" if status.code is not None else f"signal {status.signal}"
        if not retried and limit > 1 and attempt == limit:
            phase, error = "exhausted", f"{error}, attempt {attempt} of {limit}"
    code = None if status is None or timed_out else status.code
    return TaskRun(attempt, phase, started_at, max(started_at, finished_at), error, code)


def broken(error: str, *, attempt: int, started_at: int, finished_at: int, exit_code: int | None) -> TaskRun:
    """Return the record of an attempt whose pipeline broke; it is never repeated (03 §13.4)."""
    return TaskRun(attempt, "failed", started_at, max(started_at, finished_at), error, exit_code)
