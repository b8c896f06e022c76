"""What tasks print, as the user wants to see it."""

from __future__ import annotations

from haz.observers.buffered import BufferedObserver
from haz.observers.live import LiveObserver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from haz.events import RunObserver
    from haz.model import OutputMode
    from haz.observers.presenter import Presenter


def output_observer(
    mode: OutputMode, presenter: Presenter, out: Callable[[bytes], None], err: Callable[[bytes], None]
) -> RunObserver:
    """Return the observer that shows task output in the given mode (EXEC-016)."""
    return (LiveObserver if mode == "live" else BufferedObserver)(presenter, out, err)
