"""Every environment variable that haz itself reads: name, and what it means. Tasks never see these unless they ask."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    ColourChoice = Literal["auto", "always", "never"]

VARIABLES = {
    "NO_COLOR": "not empty: no colour (unless `--color always`)",
    "FORCE_COLOR": "not empty and not 0: colour even when the stream is not a terminal",
    "CLICOLOR_FORCE": "like FORCE_COLOR",
    "TERM": "`dumb`: no colour; `linux`: haz draws in ASCII",
    "COLORTERM": "`truecolor` or `24bit`: the terminal form of `haz init` uses exact colours",
    "LC_ALL": "with LC_CTYPE and LANG: a locale that is not UTF-8 makes what haz draws ASCII on a terminal",
    "LC_CTYPE": "see LC_ALL",
    "LANG": "see LC_ALL",
    "NO_GRAPHICS": "not empty: diagnostics as plain sentences",
}


def colour(choice: ColourChoice, descriptor: int) -> bool:
    """Decide about colour for one stream, the same for all output (spec 04 §3.1)."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if any(os.environ.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return os.environ.get("TERM") != "dumb" and os.isatty(descriptor)


def ascii_only(descriptor: int) -> bool:
    """Whether drawings on a stream must do without Unicode: terminals of another locale (spec 04 §3.1)."""
    if not os.isatty(descriptor):
        return False
    if os.environ.get("TERM") == "linux":
        return True
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG") or ""
    return not locale.lower().replace("-", "").endswith("utf8")


def width(descriptor: int) -> int | None:
    """How many columns the terminal of a stream has; None where nobody looks at one, or it does not know (D14)."""
    return (os.get_terminal_size(descriptor).columns or None) if os.isatty(descriptor) else None


def narrated() -> bool:
    return bool(os.environ.get("NO_GRAPHICS"))
