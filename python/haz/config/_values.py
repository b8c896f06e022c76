"""Scalars that are more than text: integers, numbers, durations, sizes. All raise `ValueError` with a reason."""

from __future__ import annotations

MAX_U64 = 2**64 - 1
AGE_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
SIZE_UNITS = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
TIME_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DIGITS = frozenset("0123456789")
_BASES = {"0x": 16, "0o": 8, "0b": 2}


def integer(text: str) -> int:
    """Parse a YAML integer: sign, `0x` `0o` `0b`, single `_` between digits; `017` is seventeen."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    base = _BASES.get(digits[:2].lower(), 10)
    if base != 10:
        digits = digits[2:]
    if not digits.isascii() or not digits.replace("_", "").isalnum() or digits[0] == "_":
        raise ValueError("it is not an integer")
    try:
        value = int(digits, base)
    except ValueError:
        raise ValueError("it is not an integer") from None
    return -value if text[0] == "-" else value


def number(text: str) -> float:
    """Parse a finite decimal number; no hexadecimal, no `_`."""
    if not text or not _DIGITS.intersection(text) or not set(text) <= _DIGITS.union("+-.eE"):
        raise ValueError("it is not a number")
    try:
        value = float(text)
    except ValueError:
        raise ValueError("it is not a number") from None
    if value - value != 0:
        raise ValueError("it is too large")
    return value + 0.0


def age(text: str) -> int:
    """Parse whole seconds such as `12h7d`. CFG-034."""
    total = 0
    for digits, unit in _pairs(text, AGE_UNITS):
        if not _DIGITS.issuperset(digits):
            raise ValueError(f"`{digits}` is not a whole number")
        total += int(digits) * AGE_UNITS[unit]
    if total > MAX_U64:
        raise ValueError("it is more than 2^64-1 seconds")
    return total


def seconds(text: str) -> float:
    """Parse a number of seconds, or durations such as `250ms`, `1.5h` or `1m30s`."""
    try:
        return number(text)
    except ValueError as error:
        if str(error) == "it is too large":
            raise
    total = sum(number(digits) * TIME_UNITS[unit] for digits, unit in _pairs(text, TIME_UNITS))
    if total - total != 0:
        raise ValueError("it is too large")
    return total


def size(text: str) -> int:
    """Parse a number of bytes such as `5GB` or `5KiB`. CFG-035."""
    digits = text.rstrip("BKMGTi")
    suffix = text[len(digits) :]
    if not digits or not _DIGITS.issuperset(digits):
        raise ValueError("a size is a whole number and a unit, such as `2GiB`")
    if suffix not in SIZE_UNITS:
        raise ValueError(f"`{suffix}` is no unit; use one of B KB MB GB TB KiB MiB GiB TiB")
    if len(digits.lstrip("0")) > 20 or int(digits) * SIZE_UNITS[suffix] > MAX_U64:
        raise ValueError("it is more than 2^64-1 bytes")
    return int(digits) * SIZE_UNITS[suffix]


def _pairs(text: str, units: dict[str, int] | dict[str, float]) -> list[tuple[str, str]]:
    """Split `1h30m` into numbers with their units, each unit at most once."""
    known = " ".join(units)
    pairs: list[tuple[str, str]] = []
    rest = text
    while rest or not pairs:
        digits = _leading(rest, _DIGITS.union("."))
        if not digits:
            raise ValueError(f"a duration is made of numbers with units ({known}), such as `30{next(iter(units))}`")
        unit = _leading(rest[len(digits) :], None)
        if unit not in units:
            what = f"`{unit}` is no unit" if unit else f"`{digits}` has no unit"
            raise ValueError(f"{what}; use one of {known}")
        if any(unit == seen for _, seen in pairs):
            raise ValueError(f"the unit `{unit}` is given twice")
        if len(digits) > 40:
            raise ValueError("it is too large")
        pairs.append((digits, unit))
        rest = rest[len(digits) + len(unit) :]
    return pairs


def _leading(text: str, wanted: frozenset[str] | None) -> str:
    """Return the longest start of `text` made of `wanted`, or (None) of anything but digits."""
    for index, character in enumerate(text):
        if (character not in wanted) if wanted is not None else (character in _DIGITS):
            return text[:index]
    return text
