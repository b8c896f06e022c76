"""What a run in somebody else's process listens to instead of signals."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from haz.ports import Events

# Seconds. The native wait lets no Python signal handler run, so it is left now and then.
SLICE = 0.1
INTERRUPT = 2


class InterruptibleEvents:
    """The events of a run that can be cancelled from outside: by `cancelled`, and by Ctrl-C in the main thread.

    Either comes out as a signal event, so that tasks are ended as politely as on the command line. `interrupted` says
    that there was a `KeyboardInterrupt`, which the caller of the run is owed.
    """

    def __init__(self, events: Events, cancelled: Callable[[], bool]) -> None:
        self._events = events
        self._cancelled = cancelled
        self._told = False
        self.interrupted = False

    def wait(self, timeout: float | None = None) -> list[tuple[str, int, Any]]:
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = SLICE if deadline is None else min(SLICE, max(0.0, deadline - time.monotonic()))
            try:
                if not self._told and self._cancelled():
                    self._told = True
                    return [("signal", INTERRUPT, None)]
                events = self._events.wait(left)
            except KeyboardInterrupt:
                self.interrupted = True
                return [("signal", INTERRUPT, None)]
            if events or (deadline is not None and time.monotonic() >= deadline):
                return events
