"""JSON in and out of the core, beside Python's own as the oracle."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haz import _core

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=30,
)


@given(VALUES)
def test_what_is_written_reads_back_the_same_here_and_in_python(value: object) -> None:
    text = _core.json_dumps(value)
    for back in (_core.json_loads(text), json.loads(text)):
        assert back == value
        assert repr(back) == repr(value), "types, key order and the sign of zero included"


@given(VALUES, st.booleans(), st.sampled_from([None, 2]))
def test_what_python_writes_is_read_the_same(value: object, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    assert repr(_core.json_loads(text)) == repr(value)


def test_output_is_compact_and_a_tuple_is_a_list() -> None:
    assert (
        _core.json_dumps({"b": (1, [True, None]), "a": "ü\n", "": {}})
        == '{"b":[1,[true,null]],"a":"ü\\n","":{}}'.encode()
    )
    assert _core.json_dumps([]) == b"[]"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[1,]",
        b"{'a': 1}",
        b"01",
        b"NaN",
        b"Infinity",
        b"1e999",
        b"1 2",
        b"[1]x",
        b'"\xff"',
        b'"\\ud800"',
        b'"a\nb"',
        b"\xef\xbb\xbf1",
        b"// c\n1",
        b'{"a":1,"b":2,"a":3}',
        b'{"a":1,"\\u0061":3}',
        b'[{"x":{"k":1,"k":1}}]',
        b"[" * 200 + b"]" * 200,
        b"[" * 100_000,
    ],
)
def test_what_is_not_strict_json_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        _core.json_loads(text)


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**30, -(10**19)])
def test_integers_beyond_64_bits_are_refused_in_both_directions(number: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        _core.json_dumps([number])
    for text in (f"{number}", f'{{"a\\"[1":[1.5,{number}]}}', f"[{number}\n,1]"):
        with pytest.raises(ValueError, match="64 bits"):
            _core.json_loads(text.encode())


@pytest.mark.parametrize(
    "text", ["1e19", "18446744073709551616.0", "1E+30", '["99999999999999999999",1e20]', '{"\\"9":1e20}']
)
def test_large_floats_and_digits_in_text_are_no_integers(text: str) -> None:
    assert _core.json_loads(text.encode()) == json.loads(text)


def test_values_without_a_json_form_are_refused() -> None:
    for value in (b"bytes", {1}, object(), {1: 2}, {None: 1}, [1j]):
        with pytest.raises(TypeError):
            _core.json_dumps(value)
    for number in (math.nan, math.inf, -math.inf):
        with pytest.raises(ValueError, match="JSON has no"):
            _core.json_dumps(number)
    for text in ("\ud800", {"\udc80": 1}):
        with pytest.raises(ValueError):
            _core.json_dumps(text)


def test_a_value_that_holds_itself_is_refused() -> None:
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(ValueError, match="nested too deeply"):
        _core.json_dumps(circle)


def test_the_deepest_value_that_is_written_can_be_read() -> None:
    value: list[object] = []
    for _ in range(126):
        value = [value]
    assert _core.json_loads(_core.json_dumps(value)) == value
    with pytest.raises(ValueError, match="nested too deeply"):
        _core.json_dumps([value])
