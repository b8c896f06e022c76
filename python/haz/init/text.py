"""Configuration as text: quoted where YAML would read something else, and made to be edited."""

from __future__ import annotations

import re
import textwrap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Value = str | int | bool | Sequence["Value"] | Mapping[str, "Value"]

WIDTH = 110
# Text to haz, and to whatever else reads YAML.
_PLAIN = re.compile(r"-{0,2}[A-Za-z/_.][\w/.@+=-]*(?:~?:[\w/.@+=-]+)*", re.ASCII)
_WORDS = frozenset(["null", "true", "false", "yes", "no", "on", "off", "y", "n", ".inf", ".nan"])
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def scalar(text: str) -> str:
    """Write a text so that YAML reads it back as that text."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return '"' + "".join(map(_character, text)) + '"'


def _character(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def flow(value: Value) -> str:
    """Write a value on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return scalar(value)
    if hasattr(value, "items"):
        return "{" + ", ".join(f"{scalar(key)}: {flow(item)}" for key, item in value.items()) + "}"
    return "[" + ", ".join(flow(item) for item in value) + "]"


def lines(key: str, value: Value, indent: str = "") -> list[str]:
    """Write `key: value`, over several lines where one would be too long."""
    whole = f"{indent}{scalar(key)}: {flow(value)}"
    if isinstance(value, str | int) or not value or len(whole) <= WIDTH:
        return [whole]
    found = [f"{indent}{scalar(key)}:"]
    if hasattr(value, "items"):
        for name, item in value.items():
            found += lines(name, item, f"{indent}  ")
        return found
    items = [flow(item) for item in value]
    if all(item == given for item, given in zip(items, value, strict=True)):
        # Words read well side by side, patterns do not.
        return textwrap.wrap(
            f"{scalar(key)}: [{', '.join(items)}]",
            WIDTH,
            initial_indent=indent,
            subsequent_indent=f"{indent}  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    return found + [f"{indent}  - {item}" for item in items]


def comment(text: str, indent: str = "") -> list[str]:
    """Write a comment, wrapped; whatever cannot be shown is replaced."""
    shown = "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
    return textwrap.wrap(
        shown, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ", break_long_words=False
    )


def workspace_body(entries: Sequence[str]) -> str:
    """Write `workspace.yml` with nothing but its projects (AUX-005)."""
    if not entries:
        return "projects: []\n"
    return "projects:\n" + "".join(f"  - {scalar(entry)}\n" for entry in entries)


def project_body(name: str) -> str:
    """Write a `haz.yml` without tasks (AUX-005)."""
    return f"name: {scalar(name)}\ntasks: {{}}\n"
