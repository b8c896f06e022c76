"""How one child is brought to its end: a pure state machine over the caller's clock (EXEC-014, spec 03 §7.3).

It answers with commands for the child's process group: a signal number, or `ABANDON` to stop reading its pipes.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Reason = Literal["cancel", "timeout", "late", "stop"]

# Numbers that POSIX fixes; the module `signal` costs 4 ms, for its enums.
QUIT, KILL, TERM = 3, 9, 15
ABANDON = 0

# A descendant outside the group may hold a pipe open for ever; nobody waits for it longer than this after the KILL.
DRAIN_SECONDS = 0.5


class Supervision:
    """One attempt from spawn to exit. Times are seconds of one monotonic clock.

    `reason` names what ended the attempt, whichever came first: the run's cancel, its timeout, that a persistent task
    was not ready in time (`late`) or is needed no longer (`stop`); or None.
    """

    __slots__ = ("_abandon_at", "_grace", "_kill_at", "_settled", "_timeout_at", "cancelled", "reason")

    def __init__(self, started: float, timeout: float | None, grace: float) -> None:
        self.reason: Reason | None = None
        self.cancelled = False
        self._settled = False
        self._grace = grace
        self._timeout_at = None if timeout is None else started + timeout
        self._kill_at: float | None = None
        self._abandon_at: float | None = None

    @property
    def due(self) -> float | None:
        """When `tick` has something to do next."""
        if self._abandon_at is not None:
            return self._abandon_at
        return self._timeout_at if self.reason is None else self._kill_at

    def cancel(self, now: float) -> list[int]:
        """End the attempt because the run ends. A timeout already under way goes on as it is, but there is no retry."""
        self.cancelled = True
        return self._end("cancel", now)

    def end(self, reason: Reason, now: float) -> list[int]:
        """End the attempt for that reason."""
        return self._end(reason, now)

    def kill(self, now: float) -> list[int]:
        """Do not wait for the grace any longer."""
        self.cancelled = True
        if self._settled or self._abandon_at is not None:
            return []
        if self.reason is None:
            self.reason = "cancel"
        return self._kill(now)

    def tick(self, now: float) -> list[int]:
        """Do what has become due."""
        due = self.due
        if due is None or now < due:
            return []
        if self._abandon_at is not None:
            self._abandon_at = float("inf")
            return [ABANDON]
        if self.reason is None:
            return self._end("timeout", now)
        return self._kill(now)

    def settle(self) -> None:
        """Note that the process is gone and its pipes are at their end: nothing is due any more."""
        self._timeout_at = self._kill_at = self._abandon_at = None
        self._settled = True

    def _end(self, reason: Reason, now: float) -> list[int]:
        if self.reason is not None or self._settled:
            return []
        self.reason = reason
        if self._grace <= 0:
            return [TERM, *self._kill(now)]
        self._kill_at = now + self._grace
        return [TERM]

    def _kill(self, now: float) -> list[int]:
        self._kill_at = None
        self._abandon_at = now + DRAIN_SECONDS
        return [KILL]
