"""Secret variables (`env.secret`): what of their values no stream may show, and how they enter a key."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Bytes. Hiding anything shorter would tear holes into what tasks say, and hide next to nothing.
SHORTEST = 4
CONTEXT = b"haz secret 1 "


def hidden_texts(names: Iterable[str], host: Mapping[str, str]) -> list[str]:
    """Return what must not be shown: each line of each value, since a key file is often printed line by line."""
    lines = {line.strip("\r") for name in names for line in host.get(name, "").split("\n")}
    return sorted(line for line in lines if len(os.fsencode(line)) >= SHORTEST)


def too_short(names: Iterable[str], host: Mapping[str, str]) -> list[str]:
    """Name those that are set to something of which no line is long enough to be hidden."""
    return sorted(name for name in set(names) if host.get(name) and not hidden_texts([name], host))


def keyed_hash(name: str, value: str) -> bytes:
    """HMAC-SHA256 of a value under its name; see docs/cache-key.md for what that protects from."""
    import hmac  # noqa: PLC0415 - few tasks have secrets

    return hmac.digest(CONTEXT + name.encode(), os.fsencode(value), "sha256")
