"""Names that haz takes, from names that other tools take."""

from __future__ import annotations

import re

from haz.names import MAX_IDENTIFIER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def valid(name: str) -> str:
    """Replace what no identifier may hold by `-`; empty when nothing is left. `@acme/ui` is `acme-ui`."""
    text = re.sub(r"[^A-Za-z0-9_-]", "-", name)
    text = re.sub(r"-{2,}", "-", text)
    return re.sub(r"^[^A-Za-z0-9]+", "", text)[:MAX_IDENTIFIER].rstrip("-")


def unique(names: Iterable[tuple[str, str]]) -> list[str]:
    """Give each `(name, fallback)` a name of its own, in order; a name that is taken gets a number.

    Names that are valid as they are keep them, wherever they stand in the list.
    """
    listed = [(name, valid(name) or valid(fallback) or "project") for name, fallback in names]
    kept: dict[str, int] = {}
    for at, (name, candidate) in enumerate(listed):
        if name == candidate:
            kept.setdefault(name, at)
    taken = set(kept)
    found = []
    for at, (_, candidate) in enumerate(listed):
        chosen = candidate
        number = 2
        while chosen in taken and kept.get(chosen) != at:
            chosen = f"{candidate[: MAX_IDENTIFIER - 8]}-{number}"
            number += 1
        taken.add(chosen)
        found.append(chosen)
    return found
