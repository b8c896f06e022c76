"""The exit code of a run (EXEC-021)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.outcome import RunGraphOutcome


def exit_code_for(outcome: RunGraphOutcome, signal: int | None = None) -> int:
    """0, 1 when anything failed, 128 + n when signal n arrived.

    The signal wins over everything, even over a run in which all had succeeded. Skips and cancellations alone are
    consequences: what caused them speaks for itself.
    """
    if signal is not None:
        return 128 + signal
    return int(outcome.counts().failed > 0 or bool(outcome.invariant_violations))
