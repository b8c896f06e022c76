"""Names that look the same and are not: letters with marks are one character or several (O31).

haz compares names by bytes, as Linux does. macOS used to write decomposed names, most editors write composed ones.
"""

from __future__ import annotations

from unicodedata import is_normalized, normalize

from haz import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from haz.model import Pattern

_META = frozenset("*?[{\\")
_PRIVATE = frozenset({".git", ".haz"})


def is_composed(text: str) -> bool:
    """Whether the text is in the form (NFC) in which nearly all names are written."""
    return is_normalized("NFC", text)


def lookalike(root: str, files_in: Callable[[str], dict[str, bool | None]], pattern: Pattern) -> str | None:
    """Name a file that the pattern, which is composed, misses only because the name of the file is not.

    `root` is the workspace's directory; `files_in` lists a directory (host path): names, and whether each is a
    directory (None for links).
    """
    if pattern.anchored.isascii():
        return None
    alone = _core.PatternSet([[(pattern.anchored, pattern.literal, False)]])
    for path in _candidates(root, files_in, pattern):
        composed = normalize("NFC", path)
        if composed != path and alone.matching(composed) and not alone.matching(path):
            return path
    return None


def _candidates(root: str, files_in: Callable[[str], dict[str, bool | None]], pattern: Pattern) -> Iterator[str]:
    """Yield the workspace paths that can match when names are compared composed."""
    segments = pattern.anchored[1:].split("/")
    plain = len(segments)
    if not pattern.literal:
        plain = next((at for at, segment in enumerate(segments) if _META & set(segment)), plain)
    stack = [("", 0)]
    while stack:
        directory, depth = stack.pop()
        names = files_in(root + directory)
        wanted = segments[depth] if depth < plain else None
        for name, is_directory in sorted(names.items()):
            # The name that is really there hides those that only look like it.
            if wanted is not None and name != wanted and (wanted in names or normalize("NFC", name) != wanted):
                continue
            if not is_directory:
                yield f"{directory}/{name}"
            elif depth + 1 < len(segments) or (not pattern.literal and name not in _PRIVATE):
                stack.append((f"{directory}/{name}", depth + 1))
