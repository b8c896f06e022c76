"""The end of what tasks left behind in groups of their own: it goes with the run, politely first (D13)."""

from __future__ import annotations

from haz.supervise import ABANDON, KILL, TERM, Supervision

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from haz.ports import Events, Processes


def dismiss(
    processes: Processes,
    events: Events,
    token: int,
    clock: Callable[[], float],
    grace: float,
    hear: Callable[[str, int], bool],
) -> int:
    """End every process that was started and still lives; returns how many of them could not be ended.

    `hear` is told of signals meanwhile, and answers whether to wait no longer.
    """
    if not processes.dismiss(token, TERM):
        return 0
    rest = Supervision(clock(), None, grace)
    commands = rest.cancel(clock())
    while True:
        for command in commands:
            if command in (KILL, ABANDON):
                left = processes.dismiss(token, KILL)
                if command == ABANDON:
                    return left
        commands = []
        due = rest.due
        for kind, number, _ in events.wait(None if due is None else max(0.0, due - clock())):
            if kind == "gone" and number == token:
                return 0
            if kind in ("signal", "suspend") and hear(kind, number):
                commands += rest.kill(clock())
        commands += rest.tick(clock())
