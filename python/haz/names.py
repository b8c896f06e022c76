"""What names may look like: identifiers (spec 01 §7) and environment variables (5.4). Which one was meant; how many."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_IDENTIFIER = 64
MAX_SHELL = 32
MAX_VARIABLE = 256
_NO_PUNCTUATION = {ord("-"): None, ord("_"): None}


def identifier_problem(text: str, limit: int = MAX_IDENTIFIER) -> str | None:
    """Why `text` is no identifier, or None when it is one. ID-001..004."""
    if not text:
        return "it is empty"
    if text.isascii():
        if len(text) <= limit and text[0].isalnum() and text.translate(_NO_PUNCTUATION).isalnum():
            return None
        if not text[0].isalnum():
            return f"it starts with {shown(text[0])}, not with a letter or digit"
    for character in text:
        if not (character.isascii() and (character.isalnum() or character in "-_")):
            return f"it contains {shown(character)}; only letters A-Z a-z, digits, `-` and `_` are allowed"
    return f"it is longer than {limit} characters"


def variable_problem(text: str) -> str | None:
    """Why `text` is no name of an environment variable, or None when it is one. CFG-032."""
    if not text:
        return "it is empty"
    if not (text.isascii() and text.isidentifier()):
        return "only letters A-Z a-z, digits and `_` are allowed, and no digit at the start"
    return None if len(text) <= MAX_VARIABLE else f"it is longer than {MAX_VARIABLE} characters"


def shown(character: str) -> str:
    """Show a character so that it can be seen, whatever it is."""
    return f"`{character}`" if character.isprintable() and character != " " else f"U+{ord(character):04X}"


def quoted(text: str) -> str:
    """Name what a user wrote in a message."""
    return f"`{text}`" if text else "the empty string"


def either(names: Sequence[str], conjunction: str = "or", most: int = 5) -> str:
    """Join names, at least one: `'a', 'b' or 'c'`. Of more than `most` the others are counted."""
    parts = [f"'{name}'" for name in names]
    if len(parts) > most:
        parts = [*parts[: most - 1], f"{len(parts) - most + 1} others"]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {conjunction} {parts[-1]}"


def counted(count: int, one: str, many: str | None = None) -> str:
    """Say a number of things: `1 entry`, `2 entries`; `many` is `one` with an `s` unless it is given."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def nearest(word: str, options: Iterable[str]) -> str | None:
    """Return the option that `word` was probably meant to be: a different case, at most two edits away, or a prefix."""
    best: str | None = None
    best_distance = 3 if len(word) > 3 else 2
    folded = word.casefold()
    for option in options:
        other = option.casefold()
        if abs(len(other) - len(folded)) < best_distance:
            distance = _distance(folded, other)
            if distance < best_distance:
                best, best_distance = option, distance
    if best is None and len(word) > 2:
        best = min((option for option in options if option.casefold().startswith(folded)), key=len, default=None)
    return best


def _distance(one: str, other: str) -> int:
    """Edits (insert, delete, replace, swap of neighbours) from one text to the other."""
    above: list[int] = []
    row = list(range(len(other) + 1))
    for i, left in enumerate(one):
        older, above, row = above, row, [i + 1]
        for j, right in enumerate(other):
            cost = min(above[j + 1] + 1, row[j] + 1, above[j] + (left != right))
            if i > 0 and j > 0 and left == other[j - 1] and one[i - 1] == right:
                cost = min(cost, older[j - 1] + 1)
            row.append(cost)
    return row[-1]
