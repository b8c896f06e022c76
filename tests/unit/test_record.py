"""Immutable values: what makes one, what refuses to, and what they are equal to."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from haz._record import Record


class Place(Record):
    file: str
    line: int = 1


class Marked(Place):
    tags: tuple[str, ...] = ()
    note: Any = None


@pytest.mark.parametrize(
    ("values", "named"),
    [
        (("a", 2, ("x",), None), {}),
        (("a", 2, ("x",)), {}),
        (("a",), {"line": 2, "tags": ("x",)}),
        ((), {"tags": ("x",), "line": 2, "file": "a"}),
        (("a", 2), {"note": None, "tags": ("x",)}),
    ],
)
def test_values_come_by_place_or_by_name_and_the_others_are_defaults(
    values: tuple[Any, ...], named: dict[str, Any]
) -> None:
    made = Marked(*values, **named)
    assert (made.file, made.line, made.tags, made.note) == ("a", 2, ("x",), None)
    assert made == Marked("a", 2, ("x",))
    assert hash(made) == hash(Marked("a", 2, ("x",)))


@pytest.mark.parametrize(
    ("values", "named", "told"),
    [
        (("a", 1, 2), {}, "Place takes 2 values, not 3"),
        ((), {"line": 1}, "Place needs a value for 'file'"),
        (("a",), {"lines": 1}, "Place has no field 'lines', or it was given twice"),
        (("a", 1), {"line": 1}, "Place has no field 'line', or it was given twice"),
    ],
)
def test_what_does_not_fit_is_refused(values: tuple[Any, ...], named: dict[str, Any], told: str) -> None:
    with pytest.raises(TypeError, match=f"^{told}$"):
        Place(*values, **named)


def test_nothing_of_it_changes() -> None:
    made = Place("a")
    with pytest.raises(AttributeError, match="Place is immutable"):
        made.line = 2  # type: ignore[misc]
    with pytest.raises(AttributeError, match="Place is immutable"):
        del made.line
    with pytest.raises(AttributeError):
        made.other = 1  # type: ignore[attr-defined]
    assert made.replace(line=3) == Place("a", 3)
    assert made == Place("a", 1)
    with pytest.raises(TypeError, match="has no field 'lines'"):
        made.replace(lines=3)


def test_it_is_equal_to_its_own_kind_only() -> None:
    assert Place("a") != Marked("a")
    assert Place("a") != ("a", 1)
    assert repr(Marked("a", note=[1])) == "Marked(file='a', line=1, tags=(), note=[1])"


def test_copies_are_equal() -> None:
    made = Marked("a", 2, ("x",), "note")
    assert copy.deepcopy(made) == made
    assert pickle.loads(pickle.dumps(made)) == made
