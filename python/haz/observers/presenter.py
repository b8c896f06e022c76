"""The texts of a run: prefixes, summary lines, epilogue (spec 03 §9.4-9.6). Pure functions of their arguments."""

from __future__ import annotations

from haz.model import (
    CompletedRecord,
    OutputOverlap,
    RunCancelled,
    SignaledInFlight,
    UpstreamCancelled,
    UpstreamErrored,
    UpstreamFailed,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from haz.errors import RunTaskError
    from haz.model import CancelledRecord, RunOutcome, RuntimeCycleViolation, SkipRecord, TaskId, TaskRun, TaskSpec
    from haz.outcome import Counts

RED, GREEN, YELLOW = 31, 32, 33
ASCII = str.maketrans({"✓": "+", "◉": "=", "✗": "x", "↻": "~", "▸": ">", "…": "..."})


def duration_text(seconds: float) -> str:
    """Render a duration, truncated to milliseconds: `0ms`, `412ms`, `3s 7ms`, `2m 5s`, `26h 3m`."""
    ms = int(seconds * 1000)
    if ms == 0:
        return "1ms" if seconds > 0 else "0ms"
    if ms < 1000:
        return f"{ms}ms"
    if ms < 60_000:
        return f"{ms // 1000}s {ms % 1000}ms"
    if ms < 3_600_000:
        return f"{ms // 60_000}m {ms // 1000 % 60}s"
    return f"{ms // 3_600_000}h {ms // 60_000 % 60}m"


def palette(task: TaskId) -> tuple[int, int, int]:
    """Return the RGB colour of a task: FNV-1a-64 of `P:T` picks the hue; saturation 0.70, lightness 0.62."""
    hashed = 0xCBF29CE484222325
    for byte in str(task).encode():
        hashed = ((hashed ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    hue = hashed % 360
    chroma = (1 - abs(2 * 0.62 - 1)) * 0.70
    other = chroma * (1 - abs(hue / 60 % 2 - 1))
    base = 0.62 - chroma / 2
    red, green, blue = (
        (chroma, other, 0.0),
        (other, chroma, 0.0),
        (0.0, chroma, other),
        (0.0, other, chroma),
        (other, 0.0, chroma),
        (chroma, 0.0, other),
    )[hue // 60]
    return tuple(int((part + base) * 255 + 0.5) for part in (red, green, blue))  # type: ignore[return-value]


class Presenter:
    """Renders the lines of a run, with or without colour, and without signs that are not ASCII where told to.

    Every line ends in a newline.
    """

    def __init__(self, *, colour: bool, ascii_only: bool = False) -> None:
        self.colour = colour
        self.ascii_only = ascii_only
        self._prefixes: dict[TaskId, str] = {}

    def _paint(self, code: int, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text

    def sign(self, text: str) -> str:
        """Return a text of haz's own with its signs as the terminal can show them."""
        return text.translate(ASCII) if self.ascii_only else text

    def _dim(self, text: str) -> str:
        return self._paint(2, text)

    def prefix(self, task: TaskId) -> str:
        known = self._prefixes.get(task)
        if known is None:
            known = f"[{task}] "
            if self.colour:
                red, green, blue = palette(task)
                known = f"\x1b[1m\x1b[38;2;{red};{green};{blue}m[{task}]\x1b[0m "
            self._prefixes[task] = known
        return known

    def completed(self, task: TaskId, record: CompletedRecord, duration: float) -> str:
        took = self._dim(duration_text(duration))
        attempts = len(record.attempts)
        if record.source == "cache_hit":
            return f"{self.prefix(task)}{self._hit(duration)}"
        if record.state == "succeeded" and record.persistent:
            return f"{self.prefix(task)}{self._paint(GREEN, self.sign('✓ stopped'))} after {took}\n"
        if record.state == "succeeded":
            note = f" (attempt {attempts} of {record.max_attempts})" if attempts > 1 else ""
            return f"{self.prefix(task)}{self._paint(GREEN, self.sign('✓ done'))} in {took}{note}\n"
        last = record.attempts[-1] if record.attempts else None
        notes = []
        status = record.exit_status
        timed_out = last is not None and last.error is not None and last.error.startswith("timed out")
        if timed_out and last is not None and last.error is not None:
            notes.append("limit " + last.error.removeprefix("timed out after ").split(",")[0])
        elif record.persistent and last is not None and last.error is not None and last.error.startswith("not ready"):
            notes.append(last.error)
        elif status is not None and status.code is not None:
            notes.append(f"exit {status.code}")
        elif status is not None and status.signal is not None:
            notes.append(f"signal {status.signal}")
        if attempts > 1:
            notes.append(f"{attempts} attempts")
        verb = "✗ timed out" if timed_out else "✗ failed"
        note = f" ({', '.join(notes)})" if notes else ""
        return f"{self.prefix(task)}{self._paint(RED, self.sign(verb))} in {took}{note}\n"

    def _hit(self, duration: float) -> str:
        return f"{self._paint(GREEN, self.sign('◉ cached'))} in {self._dim(duration_text(duration))}\n"

    def unchanged(self, records: Sequence[CompletedRecord]) -> str:
        """Render what `completed` does for hits that took no time."""
        rest = self._hit(0.0)
        if self.colour:
            return "".join([f"{self.prefix(record.task)}{rest}" for record in records])
        return "".join([f"[{project}:{task}] {rest}" for project, task in [record.task for record in records]])

    def waiting(self, task: TaskId, pid: int | None) -> str:
        """Render that another haz process is in the way."""
        whom = "another haz" if pid is None else f"pid {pid}"
        return f"{self.prefix(task)}{self._paint(YELLOW, self.sign(f'… waiting for {whom}'))}\n"

    def ready(self, task: TaskId, duration: float) -> str:
        """Render that a persistent task does its work now."""
        return (
            f"{self.prefix(task)}{self._paint(GREEN, self.sign('✓ ready'))} in {self._dim(duration_text(duration))}\n"
        )

    def attempt(self, task: TaskId, run: TaskRun, attempts: int, delay: float | None) -> str:
        """Render the end of an attempt that is followed by another one (spec 03 §13.6)."""
        took = duration_text(((run.finished_at or run.started_at) - run.started_at) / 1000)
        timed_out = run.phase == "timeout"
        what = "timed out after" if timed_out else "failed in"
        note = f" (exit {run.exit_code})" if run.exit_code is not None and not timed_out else ""
        retry = f", retrying in {duration_text(delay)}" if delay else ", retrying"
        count = f"attempt {run.attempt} of {attempts}"
        return f"{self.prefix(task)}{self._paint(YELLOW, self.sign('↻ ' + count))} {what} {took}{note}{retry}\n"

    def errored(self, task: TaskId, error: RunTaskError) -> str:
        return f"{self.prefix(task)}{self._paint(RED, self.sign('✗ error'))}: {error}\n"

    def skipped(self, task: TaskId, record: SkipRecord) -> str:
        cause = record.cause
        if isinstance(cause, UpstreamFailed):
            why = f"upstream {cause.upstream} failed"
        elif isinstance(cause, UpstreamErrored):
            why = f"upstream {cause.upstream} errored"
        else:
            why = "in runtime cycle"
        return f"{self.prefix(task)}{self._paint(YELLOW, '- skipped')} ({self._dim(why)})\n"

    def cancelled(self, task: TaskId, record: CancelledRecord, duration: float | None) -> str:
        if isinstance(record, SignaledInFlight):
            took = self._dim("unknown" if duration is None else duration_text(duration))
            return f"{self.prefix(task)}{self._paint(YELLOW, '! cancelled')} in {took}\n"
        why = f"upstream {record.upstream} cancelled" if isinstance(record, UpstreamCancelled) else "run cancelled"
        assert isinstance(record, (UpstreamCancelled, RunCancelled))
        return f"{self.prefix(task)}{self._paint(YELLOW, '- cancelled')} ({self._dim(why)})\n"

    def miss(self, task: TaskId, reason: str) -> str:
        return f"{self.prefix(task)}{self._dim(f'? {reason}')}\n"

    def warning(self, task: TaskId | None, message: str) -> str:
        prefix = "" if task is None else self.prefix(task)
        return f"{prefix}{self._paint(YELLOW, 'warning')}: {message}\n"

    def epilogue(self, counts: Counts, duration: float) -> str:
        """Render the closing lines of a run of at least one task (spec 03 §9.5)."""
        parts = self._paint(GREEN, f"{counts.completed} completed")
        if counts.cached:
            parts += " " + self._paint(GREEN, f"({counts.cached} cached)")
        if counts.flaky:
            parts += ", " + self._paint(YELLOW, f"{counts.flaky} flaky")
        if counts.failed:
            parts += ", " + self._paint(RED, f"{counts.failed} failed")
        if counts.skipped:
            parts += ", " + self._paint(YELLOW, f"{counts.skipped} skipped")
        if counts.cancelled:
            parts += ", " + self._paint(YELLOW, f"{counts.cancelled} cancelled")
        return f"\nTasks: {parts}\n Time: {self._dim(duration_text(duration))}\n"

    def flaky(self, outcomes: Iterable[RunOutcome]) -> str:
        """Name the tasks that passed only after they had failed, a line each (spec 03 §13.6)."""
        return "".join(
            f"{self._paint(YELLOW, 'flaky')}: {record.task} passed on attempt {len(record.attempts)}"
            f" of {record.max_attempts}\n"
            for record in outcomes
            if isinstance(record, CompletedRecord) and record.state == "succeeded" and len(record.attempts) > 1
        )

    def advice(self, errors: Mapping[TaskId, RunTaskError], specs: Mapping[TaskId, TaskSpec]) -> str:
        """Render where each errored task is declared, and what to do about it where that is known."""
        lines = []
        for task, error in errors.items():
            origin = specs[task].origin
            where = "" if origin is None else f" ({origin.file}:{origin.line}:{origin.column})"
            hint = f": {error.hint}" if error.hint else ""
            if where or hint:
                lines.append(f"{self._paint(YELLOW, 'help')}: {task}{where}{hint}\n")
        return "".join(lines)

    def violations(self, violations: Sequence[RuntimeCycleViolation | OutputOverlap]) -> str:
        """Render the broken run-time invariants, a line each (spec 03 §8.3)."""
        lines = []
        for violation in violations:
            if isinstance(violation, OutputOverlap):
                code = "EXEC-020"
                text = f"{violation.shared_path} was written by both {violation.first_task} and {violation.second_task}"
            else:
                code = "EXEC-019"
                first, second = violation.offending_edge
                text = f"{first} -> {second} closes a cycle: {', '.join(map(str, violation.nodes))}"
            lines.append(f"{self._paint(RED, f'error[{code}]')}: {text}\n")
        return "".join(lines)
