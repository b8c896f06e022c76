"""Records that the core makes of what `marshal` has read, beside their own constructors as the oracle."""

from __future__ import annotations

import gc
import marshal
from types import GeneratorType
from typing import Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haz import _core
from haz._record import Record
from haz.model import TaskId
from haz.snapshot import packed, unpacked


class Leaf(Record):
    name: str
    count: int | None


class Tree(Record):
    leaves: tuple[Any, ...]
    names: dict[str, Any]
    next: Any


KINDS = [(Leaf, Leaf._fields), (Tree, Tree._fields)]
RECORDS = _core.Records(TaskId, KINDS)

PLAIN = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False) | st.binary()
MADE = st.recursive(
    PLAIN | st.builds(Leaf, st.text(), st.none() | st.integers()) | st.builds(TaskId, st.text(), st.text()),
    lambda inner: (
        st.lists(inner).map(tuple)
        | st.dictionaries(st.text(), inner)
        | st.builds(Tree, st.lists(inner).map(tuple), st.dictionaries(st.text(), inner), inner)
    ),
    max_leaves=20,
)


def flat(value: Any) -> Any:
    """A record is a list with its code before its fields."""
    codes: dict[type, int] = {TaskId: 0, Leaf: 1, Tree: 2}
    if type(value) in codes:
        fields = value if isinstance(value, TaskId) else [getattr(value, field) for field in type(value)._fields]
        return [codes[type(value)], *map(flat, fields)]
    if type(value) is tuple:
        return tuple(map(flat, value))
    if type(value) is dict:
        return {name: flat(item) for name, item in value.items()}
    return value


@given(MADE)
def test_what_was_written_is_made_again(value: object) -> None:
    made = RECORDS.unpacked(marshal.loads(marshal.dumps(flat(value))))
    assert (made, type(made), repr(made)) == (value, type(value), repr(value))


def test_a_snapshot_of_a_record_is_the_record() -> None:
    from haz.model import Environment, Pattern

    value = (Environment(("A",), (("B", "1"),)), TaskId("a", "b"), {"x": (Pattern("p", "/p", True),)})
    assert unpacked(marshal.loads(marshal.dumps(packed(value)))) == value


def test_what_stands_for_itself_is_not_copied() -> None:
    plain = ("a", ("b", None), 1)
    assert RECORDS.unpacked(plain) is plain


@pytest.mark.parametrize(
    "value",
    [[], ["a"], [-1], [None], [3, "a"], [1, "a"], [1, "a", 1, 2], [1.0, "a", 1], [2**70], ([1],), {"a": [9]}, [0, [1]]],
)
def test_a_list_that_is_no_record_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="no record is"):
        RECORDS.unpacked(value)


def test_what_is_nested_without_end_is_refused() -> None:
    value: Any = ()
    for _ in range(100_000):
        value = (value,)
    with pytest.raises(ValueError, match="nested too deeply"):
        RECORDS.unpacked(value)
    around: dict[str, Any] = {}
    around["a"] = around
    with pytest.raises(ValueError, match="nested too deeply"):
        RECORDS.unpacked(around)


class Own:
    __slots__ = ("name",)

    def __new__(cls) -> Self:
        return object.__new__(cls)


@pytest.mark.parametrize("kind", [Own, int, str, dict, type, Exception, TaskId, GeneratorType])
def test_a_class_that_is_made_in_its_own_way_is_no_record(kind: type) -> None:
    with pytest.raises(ValueError, match="is made in a way of its own"):
        _core.Records(TaskId, [(kind, ("name",))])


def test_code_0_is_for_tuples() -> None:
    with pytest.raises(ValueError, match="one of tuples"):
        _core.Records(Leaf, [])


def test_a_field_that_the_class_does_not_have_is_an_error() -> None:
    with pytest.raises(AttributeError):
        _core.Records(TaskId, [(Leaf, ("name", "size"))]).unpacked([1, "a", 2])


def test_what_is_made_is_the_collectors_and_goes_with_its_last_reference() -> None:
    gone: list[bool] = []

    class Told:
        def __del__(self) -> None:
            gone.append(True)

    made = RECORDS.unpacked([2, (Told(),), {}, None])
    assert gc.is_tracked(made)
    assert gone == []
    del made
    assert gone == [True]


def test_attributes_are_set_whatever_the_class_says() -> None:
    leaf = Leaf.__new__(Leaf)
    _core.fill(leaf, ("name", "count"), ("a", 1))
    assert leaf == Leaf("a", 1)


@pytest.mark.parametrize(
    ("fields", "values", "error"),
    [
        (("name",), (), ValueError),
        ((), (1,), ValueError),
        (("size",), (1,), AttributeError),
        ((1,), (1,), TypeError),
    ],
)
def test_what_cannot_be_set_is_an_error(fields: Any, values: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        _core.fill(Leaf("a", 1), fields, values)
