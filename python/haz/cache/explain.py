"""Why two keys of one task differ, in words: the parts that were hashed, compared section by section.

The old parts come from a manifest, the new ones from `key.sections`: both were made by the same function, so an
explanation cannot say anything that was not hashed.
"""

from __future__ import annotations

from haz._record import Record
from haz.cache.key import SECTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Rows = Sequence[Sequence[str]]


class Difference(Record):
    """One thing that changed. `kind` is added, removed or changed; `what` names it: a file, a variable, …."""

    section: str
    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.what} {'was ' if self.kind != 'changed' else ''}{self.kind}"


# How many leading fields of a row tell which thing it speaks of; the others are its value.
_NAMES = {"inputs": 1, "outputs": 2, "predecessors": 2, "environment": 2, "tools": 1, "place": 1}


def explain(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Compare the labelled parts of two keys; empty when they are equal. Sections in the order of the key."""
    found: list[Difference] = []
    for section in SECTIONS:
        before, after = old.get(section, {}), new.get(section, {})
        if before.get("digest") == after.get("digest"):
            continue
        rows = _compare(section, before.get("rows", ()), after.get("rows", ()))
        found += rows or [Difference(section, "changed", section)]
    return tuple(found)


def _compare(section: str, before: Rows, after: Rows) -> list[Difference]:
    if section == "action":
        return _compare_action(before, after)
    width = _NAMES[section]
    old = {tuple(row[:width]): tuple(row[width:]) for row in before}
    new = {tuple(row[:width]): tuple(row[width:]) for row in after}
    found = []
    for name in sorted(old.keys() | new.keys()):
        label = _label(section, name)
        if name not in new:
            found.append(Difference(section, "removed", label))
        elif name not in old:
            found.append(Difference(section, "added", label))
        elif old[name] != new[name]:
            found.append(Difference(section, "changed", label + _detail(section, old[name], new[name])))
    return found


def _compare_action(before: Rows, after: Rows) -> list[Difference]:
    old, new = ({row[0]: list(row[1:]) for row in rows} for rows in (before, after))
    if old.keys() - {"arguments"} != new.keys() - {"arguments"}:
        return [Difference("action", "changed", "the kind of action")]
    found = []
    for kind in sorted(old.keys() | new.keys()):
        if old.get(kind) == new.get(kind):
            continue
        if kind == "arguments":
            found.append(Difference("action", "changed", f"arguments {old.get(kind, [])} -> {new.get(kind, [])}"))
        elif kind == "shell":
            what = "the shell" if old[kind][0] != new[kind][0] else "the script"
            found.append(Difference("action", "changed", what))
        else:
            found.append(Difference("action", "changed", f"command {old[kind]} -> {new[kind]}"))
    return found


def _label(section: str, name: tuple[str, ...]) -> str:
    if section == "inputs":
        return f"input {name[0]}"
    if section == "outputs":
        return f"output pattern {'!' if name[0].startswith('!') else ''}{name[1]}"
    if section == "predecessors":
        return f"predecessor {name[0]}:{name[1]}"
    if section == "environment":
        return f"variable {name[1]}" + ("" if name[0] == "from_host" else f" ({name[0]})")
    if section == "tools":
        return f"tool {name[0]}"
    return name[0]


def _detail(section: str, old: tuple[str, ...], new: tuple[str, ...]) -> str:
    if section == "predecessors":
        streams = [name for name, a, b in zip(("stdout", "stderr"), old, new, strict=True) if a != b]
        return f": {' and '.join(streams)}"
    if section == "inputs" and old[:1] == new[:1]:
        return ": executable bit"
    if section == "environment" and len(old) != len(new):
        return ": now unset" if not new else ": was unset"
    if section == "place":
        return f" {old[0] or '/'} -> {new[0] or '/'}"
    return ""
