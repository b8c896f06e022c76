"""Values of options, checked before any file is read (spec 04 §2.3)."""

from __future__ import annotations

from haz.cli.report import Colour
from haz.errors import UsageError
from haz.references import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.env import ColourChoice
    from haz.model import OutputMode, Reference


def colour(text: str) -> ColourChoice:
    """Check `--color`, and let it hold for all messages from here on."""
    choices: tuple[ColourChoice, ...] = ("auto", "always", "never")
    for choice in choices:
        if text == choice:
            Colour.choice = choice
            return choice
    raise UsageError(f"unknown colour choice '{text}', expected auto, always or never")


def output_mode(text: str | None) -> OutputMode | None:
    modes: tuple[OutputMode, ...] = ("live", "buffered")
    for mode in modes:
        if text == mode:
            return mode
    if text is None:
        return None
    raise UsageError(f"unknown output mode '{text}', expected live or buffered")


def format_choice(text: str) -> str:
    if text not in ("text", "json"):
        raise UsageError(f"unknown format '{text}', expected text or json")
    return text


def at_least_one(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise UsageError(f"{option}: '{text}' is not a whole number of at least 1")
    return int(text)


def references(texts: list[str] | None) -> tuple[Reference, ...]:
    """Parse task references; a bare word gets a hint (spec 04 §5.1)."""
    parsed = []
    for text in texts or ():
        try:
            parsed.append(parse(text))
        except ValueError as error:
            hint = f"; did you mean '~:{text}'?" if text.isidentifier() else ""
            raise UsageError(f"'{text}' is not a task reference: {error}{hint}") from error
    return tuple(parsed)
