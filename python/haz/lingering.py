"""A task whose command has ended while somebody still holds its output open goes on; the user is told who it is."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from haz.loop import Flight
    from haz.run_task import RunContext

# Seconds after which it is no chance any more.
PATIENCE = 3.0
_NAMED = 3
_LONGEST = 60


class Lingering:
    """The tasks of a run whose leader has ended and whose pipes have not. Times are those of the loop's clock."""

    def __init__(self, ctx: RunContext, clock: Callable[[], float]) -> None:
        self._ctx = ctx
        self._clock = clock
        self._waits: dict[int, tuple[float, Flight]] = {}

    def ended(self, token: int, flight: Flight) -> None:
        """Note that the leader has ended."""
        self._waits[token] = self._clock() + PATIENCE, flight

    def forget(self, token: int) -> None:
        """Note that the task is through."""
        self._waits.pop(token, None)

    def dues(self) -> list[float]:
        """When `tick` has something to do."""
        return [due for due, _ in self._waits.values()]

    def tick(self, now: float) -> None:
        """Tell of those that have become due, once; one that is being ended needs no hint."""
        for token, (due, flight) in list(self._waits.items()):
            if now >= due:
                del self._waits[token]
                if flight.child is not None and flight.child.reason is None:
                    self._ctx.observer.on_warning(flight.task, self._message(token))

    def _message(self, token: int) -> str:
        members = self._ctx.processes.members(token)
        own = _pipes("self")
        holders = [pid for pid in members if own & _pipes(str(pid))] or members
        who = ", ".join(f"process {pid}{_command(pid)}" for pid in holders[:_NAMED]) or "a process that it started"
        more = f" and {len(holders) - _NAMED} more" if len(holders) > _NAMED else ""
        return (
            f"its command has ended, but its output is held open by {who}{more}: the task waits for the end of that; "
            "redirect the output of what runs in the background, or make it a `persistent` task"
        )


def _pipes(process: str) -> set[str]:
    """Name the pipes of a process; nothing where the system does not tell."""
    directory = f"/proc/{process}/fd"
    found = set()
    try:
        for descriptor in os.listdir(directory):
            found.add(os.readlink(f"{directory}/{descriptor}"))
    except OSError:
        # It has just ended, or is somebody else's: then there is nothing to say about it.
        pass
    return {name for name in found if name.startswith("pipe:")}


def _command(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as opened:
            words = opened.read(4096).rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
    shown = "".join(one if one.isprintable() else "?" for one in words)
    return f" ({shown[:_LONGEST]}{'…' if len(shown) > _LONGEST else ''})" if shown else ""
