"""The terminal of `haz init`: raw mode, alternate screen, keys and signals, by prompt_toolkit.

Whatever happens, the terminal is what it was before when `run` returns or raises.
"""

from __future__ import annotations

import asyncio
import os
import signal

from prompt_toolkit.application import Application
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import Layout, Window
from prompt_toolkit.layout.controls import FormattedTextControl
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Style
from prompt_toolkit.utils import get_cwidth

from haz import _core, env
from haz.init.frame import ASCII, UNICODE, plan_frame, tree_frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prompt_toolkit.key_binding import KeyPressEvent

    from haz.init.flow import Flow, Result

    End = Result | int
    """What the user decided, or the signal that came."""

COLOURS = {
    "title": "reverse",
    "focus": "reverse",
    "dim": "fg:ansibrightblack",
    "status": "fg:ansiyellow",
    "project": "fg:ansigreen bold",
    "parent": "fg:ansicyan bold",
    "ignored": "fg:#cc6600",
}
NO_COLOURS = {"title": "reverse", "focus": "reverse", "project": "bold", "parent": "bold"}
_KEYS = {
    Keys.Up: "up",
    Keys.Down: "down",
    Keys.Left: "left",
    Keys.Right: "right",
    Keys.ControlM: "enter",
    Keys.ControlJ: "enter",
    Keys.Escape: "escape",
    Keys.ControlC: "ctrl-c",
}
# A lone escape is one when nothing follows it for so long (seconds).
_ESCAPE = 0.05


def run(flow: Flow, cwd: str) -> End:
    """Show the form until it is left. Raises what the flow raises."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(_Screen(flow, cwd).show(loop))
    finally:
        loop.close()
        # The loop had the signals meanwhile.
        _core.install_signal_handlers()


class _Screen:
    def __init__(self, flow: Flow, cwd: str) -> None:
        self._flow = flow
        self._cwd = cwd
        self._glyphs = ASCII if env.ascii_only(1) else UNICODE
        styles = COLOURS if env.colour("auto", 1) else NO_COLOURS
        self._app: Application[End] = Application(
            layout=Layout(Window(FormattedTextControl(self._text, show_cursor=False), always_hide_cursor=True)),
            key_bindings=self._bindings(),
            style=Style.from_dict({name: styles.get(name, "") for name in COLOURS}),
            color_depth=ColorDepth.TRUE_COLOR if os.environ.get("COLORTERM") in ("truecolor", "24bit") else None,
            full_screen=True,
        )
        self._app.ttimeoutlen = _ESCAPE

    async def show(self, loop: asyncio.AbstractEventLoop) -> End:
        numbers = [
            number
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
            if signal.getsignal(number) != signal.SIG_IGN
        ]
        for number in numbers:
            loop.add_signal_handler(number, self._end, int(number))
        try:
            return await self._app.run_async(handle_sigint=False)
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    def _end(self, end: End) -> None:
        if self._app.future is not None and not self._app.future.done():
            self._app.exit(result=end)

    def _bindings(self) -> KeyBindings:
        bindings = KeyBindings()

        @bindings.add(Keys.Any)
        def press(event: KeyPressEvent) -> None:
            key = event.key_sequence[0].key
            name = _KEYS.get(key) if isinstance(key, Keys) else key
            if name is not None:
                self._press(name)

        for key in _KEYS:
            bindings.add(key)(press)
        return bindings

    def _press(self, key: str) -> None:
        try:
            result = self._flow.press(key)
        except Exception as error:  # noqa: BLE001 - told when the terminal is back
            if self._app.future is not None and not self._app.future.done():
                self._app.exit(exception=error)
            return
        if result is not None:
            self._end(result)
        elif self._flow.bell:
            self._app.output.bell()

    def _text(self) -> FormattedText:
        size = self._app.output.get_size()
        area = (size.columns, size.rows)
        if self._flow.plan is None:
            lines = tree_frame(self._flow.tree, self._cwd, area, self._glyphs, get_cwidth)
        else:
            lines = plan_frame(self._flow.plan, area, self._flow.top, self._glyphs)
        pieces: list[tuple[str, str]] = []
        for line in lines:
            pieces += [(" ".join(f"class:{name}" for name in names.split()), text) for names, text in line]
            pieces.append(("", "\n"))
        return FormattedText(pieces[:-1])
