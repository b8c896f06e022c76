"""Names that look like a misspelt one."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_FAR = 3


def nearest(word: str, names: Iterable[str], limit: int = 3) -> tuple[str, ...]:
    """Return the names at most two edits away from `word`, or beginning with it; the closest first.

    An edit inserts, removes, replaces or swaps with its neighbour one character. Two edits turn any short word into any
    other, so that fewer are allowed below four characters.
    """
    allowed = min(2, len(word) // 2)
    scored = []
    for name in names:
        distance = edit_distance(word, name)
        if distance > allowed:
            distance = _FAR if word and name.startswith(word) else _FAR + 1
        if distance <= _FAR:
            scored.append((distance, name))
    return tuple(name for _, name in sorted(set(scored))[:limit])


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` to be put after a message, or nothing."""
    found = [f"'{name}'" for name in nearest(word, names)]
    if not found:
        return ""
    return f"; did you mean {' or '.join([', '.join(found[:-1]), found[-1]] if len(found) > 1 else found)}?"


def edit_distance(left: str, right: str) -> int:
    """Return the number of edits between two words (optimal string alignment), or 3 when there are more than two."""
    if abs(len(left) - len(right)) >= _FAR:
        return _FAR
    earlier: list[int] = []
    above: list[int] = []
    row = list(range(len(right) + 1))
    for i, char in enumerate(left):
        earlier, above, row = above, row, [i + 1]
        for j, other in enumerate(right):
            cost = min(above[j + 1] + 1, row[j] + 1, above[j] + (char != other))
            if i and j and char == right[j - 1] and left[i - 1] == other:
                cost = min(cost, earlier[j - 1] + 1)
            row.append(cost)
    return min(row[-1], _FAR)
