"""Patterns of other tools in the words of haz."""

from __future__ import annotations

import re

_EXTENDED = re.compile(r"([?@+])\(([^()]*)\)")
_GLOB = re.compile(r"[*?\[{\\]")


def translated(pattern: str) -> str:
    """Write the bash alternatives `?(x)`, `@(a|b)` and `+(a|b)` (taken once) as `{…}`, `**` within a name as `*`."""
    text = _EXTENDED.sub(
        lambda found: "{" + found[2].replace("|", ",") + ("," if found[1] == "?" else "") + "}", pattern
    )
    return "/".join(part if part == "**" else re.sub(r"\*{2,}", "*", part) for part in text.split("/"))


def is_glob(pattern: str) -> bool:
    return _GLOB.search(pattern) is not None


def fixed(pattern: str) -> str:
    """Return the directories at the beginning of a pattern that hold no special character, with a final slash."""
    return _GLOB.split(pattern, maxsplit=1)[0].rpartition("/")[0] + "/"
