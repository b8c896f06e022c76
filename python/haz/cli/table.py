"""Tables for people, drawn by rich. Imported only where a table is asked for: it takes 60 ms."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from haz import env

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Wide enough for whatever there is: nothing is wrapped when nobody looks at it (D14).
UNLIMITED = 100_000


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, colour: bool) -> str:
    """Draw a table: as wide as the terminal, or as wide as it must be without one."""
    drawn = Table(box=box.ASCII if env.ascii_only(1) else box.ROUNDED, header_style="bold" if colour else "")
    for head in heads:
        drawn.add_column(head, overflow="fold")
    for row in rows:
        drawn.add_row(*map(Text, row))
    width = env.width(1) or UNLIMITED
    text = io.StringIO()
    console = Console(
        file=text,
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        legacy_windows=False,
        _environ={},
    )
    console.print(drawn)
    return text.getvalue()
