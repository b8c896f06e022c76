"""Draws the picture of the README: horizontal bars on a logarithmic scale, from results and nothing else.

Own code: a few rectangles and texts, readable on light and on dark pages, need no plotting library.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from bench.peers import results as r

if TYPE_CHECKING:
    from bench.peers.results import Results

WIDTH = 760
LABEL = 130
RIGHT = 150
ROW = 22
BAR = 14
HEAD = 44
STYLE = """\
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #24292f; }
.title { font-weight: 600; font-size: 15px; }
.dim { fill: #57606a; font-size: 11px; }
.bar { fill: #8c959f; }
.haz { fill: #0969da; }
.grid { stroke: #d0d7de; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .dim { fill: #9198a1; }
  .bar { fill: #6e7681; }
  .haz { fill: #4493f8; }
  .grid { stroke: #30363d; }
}"""


class Bar(NamedTuple):
    name: str
    seconds: float
    ratio: float


def bars(results: Results, scenario: str) -> list[Bar]:
    """Return the bars of a scenario, the quickest first. Raises `KeyError` if it was not measured."""
    found = []
    for name in results.data["scenarios"][scenario]:
        cell = results.cell(scenario, name)
        if cell is not None and not cell.error:
            found.append(Bar(name, cell.median, cell.ratio))
    return sorted(found, key=lambda bar: bar.seconds)


def decades(values: list[float]) -> tuple[int, int]:
    """Return the powers of ten between which all values lie."""
    return math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))


def panel(title: str, shown: list[Bar], top: int) -> tuple[list[str], int]:
    """Return the elements of one panel that starts at `top`, and where it ends."""
    low, high = decades([bar.seconds for bar in shown])
    high = max(high, low + 1)
    room = WIDTH - LABEL - RIGHT

    def x(seconds: float) -> float:
        return LABEL + room * (math.log10(seconds) - low) / (high - low)

    bottom = top + HEAD + ROW * len(shown)
    parts = [f'<text class="title" x="0" y="{top + 15}">{escape(title)}</text>']
    for power in range(low, high + 1):
        at = f"{x(10.0**power):.1f}"
        parts.append(f'<line class="grid" x1="{at}" x2="{at}" y1="{top + HEAD - 6}" y2="{bottom}"/>')
        parts.append(f'<text class="dim" x="{at}" y="{top + HEAD - 10}" text-anchor="middle">{duration(power)}</text>')
    for number, bar in enumerate(shown):
        y = top + HEAD + ROW * number
        end = x(bar.seconds)
        kind = "bar haz" if bar.name == "haz" else "bar"
        times = "" if bar.name == "haz" else f" ({r.ratio(bar.ratio)} x haz)"
        text = f"{r.milliseconds(bar.seconds)} ms{times}"
        middle = y + BAR - 2
        parts += [
            f'<text x="{LABEL - 8}" y="{middle}" text-anchor="end">{escape(bar.name)}</text>',
            f'<rect class="{kind}" x="{LABEL}" y="{y}" width="{end - LABEL:.1f}" height="{BAR}" rx="2"/>',
            f'<text x="{end + 6:.1f}" y="{middle}">{text}</text>',
        ]
    return parts, bottom


def duration(power: int) -> str:
    """Return 10^power seconds for readers."""
    return f"{10**power} s" if power >= 0 else f"{10 ** (power + 3):g} ms"


def picture(results: Results, panels: dict[str, str]) -> str:
    """Return the SVG; `panels` gives the title of each scenario that is drawn."""
    parts: list[str] = []
    top = 0
    for scenario, title in panels.items():
        drawn, bottom = panel(title, bars(results, scenario), top)
        parts += drawn
        top = bottom + 24
    wide = WIDTH + 16
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 -4 {wide} {top}" width="{wide}" role="img">',
            f"<style>\n{STYLE}\n</style>",
            *parts,
            "</svg>\n",
        ]
    )
