"""Whether two path patterns share a possible path (QRY-003), in time polynomial in their lengths.

Each pattern becomes a nondeterministic automaton over the characters of a path; the pair of them, together with the
rule that a segment is neither empty nor `.` nor `..`, is searched for a common path. No subset construction, so that no
pattern makes it explode. Patterns must have passed `haz._core.check_pattern`.
"""

from __future__ import annotations

from haz.errors import HazError

TYPE_CHECKING = False
if TYPE_CHECKING:
    Ranges = tuple[tuple[int, int], ...]
    Item = Ranges | str | list[list["Item"]]  # one character of a set, "*", "**", or the alternatives of braces

_SLASH, _DOT, _LAST = ord("/"), ord("."), 0x10FFFF
_SEPARATOR: Ranges = ((_SLASH, _SLASH),)
_ANY: Ranges = ((0, _SLASH - 1), (_SLASH + 1, _LAST))
_STAR, _DEEP = "*", "**"

# What the segment so far consists of.
_NOTHING, _ONE_DOT, _TWO_DOTS, _NAME = range(4)


# A second of work, for a pair of patterns of 500 characters that are made to be difficult.
LIMIT = 500_000


class TooIntricateError(HazError):
    """Two patterns cannot be compared in reasonable time."""

    code = "haz::qry::engine"

    def __init__(self, left: str, right: str) -> None:
        super().__init__(f"query engine failed: `{left}` and `{right}` are too intricate to be compared")


class Automaton:
    """A compiled pattern. Immutable after construction, so that it can be kept for the next question."""

    __slots__ = ("_epsilon", "_moves", "end", "prefix", "suffix", "text")

    def __init__(self, anchored: str, *, literal: bool) -> None:
        self.text = anchored
        items: list[Item] = [_single(char) for char in anchored] if literal else _parse(anchored)
        self.prefix = _plain(items)
        self.suffix = _plain(items[::-1])[::-1]
        self._moves: list[list[tuple[Ranges, int]]] = []
        self._epsilon: list[list[int]] = []
        start = self._state()
        self.end = self._state()
        self._sequence(items, start, self.end, None)

    def meets(self, other: Automaton) -> bool:
        """Tell whether some path belongs to both. Raises `TooIntricateError` after `LIMIT` steps."""
        shorter = min(len(self.prefix), len(other.prefix))
        if self.prefix[:shorter] != other.prefix[:shorter]:
            return False
        shorter = min(len(self.suffix), len(other.suffix))
        if shorter and self.suffix[-shorter:] != other.suffix[-shorter:]:
            return False
        # Paths begin with a slash, as if a segment had just ended.
        first = (0, 0, _NAME)
        seen = {first}
        stack = [first]
        while stack:
            mine, its, segment = stack.pop()
            if mine == self.end and its == other.end and segment == _NAME:
                return True
            following = [(state, its, segment) for state in self._epsilon[mine]]
            following += [(mine, state, segment) for state in other._epsilon[its]]
            for left, state in self._moves[mine]:
                for right, state_of_other in other._moves[its]:
                    following += [(state, state_of_other, after) for after in _segments(left, right, segment)]
            for one in following:
                if one not in seen:
                    seen.add(one)
                    stack.append(one)
            if len(seen) > LIMIT:
                raise TooIntricateError(self.text, other.text)
        return False

    def _state(self) -> int:
        self._moves.append([])
        self._epsilon.append([])
        return len(self._moves) - 1

    def _sequence(self, items: list[Item], state: int, end: int, beyond: int | None) -> None:
        """Lead from `state` to `end`; `beyond` is the state behind the slash that follows, None at the path's end.

        `**` stands for whole segments with their slashes, so that it goes straight to the state behind the slash.
        """
        at = 0
        while at < len(items):
            item = items[at]
            slash_follows = at + 1 < len(items) and items[at + 1] == _SEPARATOR
            at += 1
            if item == _DEEP:
                behind = self._state() if slash_follows else beyond
                self._deep(state, end, behind)
                if not slash_follows or behind is None:
                    return
                state = behind
                at += 1
            elif isinstance(item, list):
                behind = self._state() if slash_follows else None
                joined = self._state()
                for alternative in item:
                    self._sequence(alternative, state, joined, behind)
                state = joined
                if behind is not None:
                    self._moves[joined].append((_SEPARATOR, behind))
                    state = behind
                    at += 1
            elif item == _STAR:
                loop = self._state()
                self._epsilon[state].append(loop)
                self._moves[loop].append((_ANY, loop))
                state = loop
            elif not isinstance(item, str):
                following = self._state()
                self._moves[state].append((item, following))
                state = following
        self._epsilon[state].append(end)

    def _deep(self, state: int, end: int, behind: int | None) -> None:
        border = self._state()
        inside = self._state()
        self._epsilon[state].append(border)
        self._moves[border].append((_ANY, inside))
        self._moves[inside] += [(_ANY, inside), (_SEPARATOR, border)]
        if behind is None:
            self._epsilon[inside].append(end)
        else:
            self._epsilon[border].append(behind)


def _segments(left: Ranges, right: Ranges, segment: int) -> list[int]:
    """Return what the segment may consist of after a character of both sets; nothing when there is no such path."""
    dot = other = False
    for low, high in left:
        for least, most in right:
            first, last = max(low, least), min(high, most)
            if first > last:
                continue
            if first == last == _SLASH:
                return [_NOTHING] if segment == _NAME else []
            dot = dot or first <= _DOT <= last
            other = other or not first == last == _DOT
    found = [_NAME] if other else []
    if dot:
        found.append((_ONE_DOT, _TWO_DOTS, _NAME, _NAME)[segment])
    return found


# --- Text to items ---------------------------------------------------------------------------------------------------


def _single(char: str) -> Ranges:
    return ((ord(char), ord(char)),)


def _plain(items: list[Item]) -> str:
    """Return the leading items as text, as far as each is one certain character."""
    text = ""
    for item in items:
        if not isinstance(item, tuple) or len(item) != 1 or item[0][0] != item[0][1]:
            break
        text += chr(item[0][0])
    return text


def _parse(glob: str) -> list[Item]:
    items: list[Item] = []
    alternatives: list[list[Item]] | None = None
    target = items
    at = 0
    while at < len(glob):
        char = glob[at]
        at += 1
        if char == "\\":
            target.append(_single(glob[at]))
            at += 1
        elif char == "*":
            deep = glob[at : at + 1] == "*"
            at += deep
            target.append(_DEEP if deep else _STAR)
        elif char == "?":
            target.append(_ANY)
        elif char == "[":
            ranges, at = _class(glob, at)
            target.append(ranges)
        elif char == "{":
            target = []
            alternatives = [target]
        elif char == "," and alternatives is not None:
            target = []
            alternatives.append(target)
        elif char == "}" and alternatives is not None:
            items.append(alternatives)
            alternatives = None
            target = items
        else:
            target.append(_single(char))
    return items


def _class(glob: str, at: int) -> tuple[Ranges, int]:
    """Read a class whose `[` has been read; return its characters but `/`, and where the pattern goes on."""
    negated = glob[at] in "!^"
    at += negated
    first = at
    listed = []
    while at == first or glob[at] != "]":
        low = high = ord(glob[at])
        if glob[at + 1 : at + 2] == "-" and glob[at + 2 : at + 3] not in ("", "]"):
            high = ord(glob[at + 2])
            at += 2
        listed.append((low, high))
        at += 1
    listed.append((_SLASH, _SLASH))
    if negated:
        return _complement(listed), at + 1
    return _complement([*_complement(listed[:-1]), (_SLASH, _SLASH)]), at + 1


def _complement(ranges: list[tuple[int, int]]) -> Ranges:
    free = []
    least = 0
    for low, high in sorted(ranges):
        if low > least:
            free.append((least, low - 1))
        least = max(least, high + 1)
    if least <= _LAST:
        free.append((least, _LAST))
    return tuple(free)
