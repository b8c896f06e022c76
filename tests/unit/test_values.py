"""Integers, numbers, durations and sizes (spec 01 §3, §4; 03 §13.2)."""

from __future__ import annotations

import pytest

from haz.config import _values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("1", 1), ("+1", 1), ("-3", -3), ("017", 17), ("0x1F", 31), ("0X1f", 31), ("0o17", 15), ("0b101", 5)),
        *(("1_000", 1000), ("0", 0), ("18446744073709551615", 2**64 - 1)),
    ],
)
def test_integers(text, value):
    assert _values.integer(text) == value


@pytest.mark.parametrize(
    "text", ["", "+", "_1", "1_", "1__0", "1.0", " 1", "1 ", "0x", "0x_1", "x", "٣", "1e3", "--1", "1\n"]
)
def test_what_is_no_integer(text):
    with pytest.raises(ValueError, match="not an integer"):
        _values.integer(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("90d", 90 * 86400), ("12h7d", 12 * 3600 + 7 * 86400), ("1w2d", 9 * 86400), ("1h30m15s", 5415), ("0d", 0)),
        *(("00005d", 5 * 86400), ("30500568904943w", 30500568904943 * 604800)),
    ],
)
def test_ages(text, value):
    """CFG-034."""
    assert _values.age(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "90",
        "",
        "d5",
        "5x",
        "5D",
        "5d3d",
        "1h30",
        "1h 30m",
        "1.5d",
        "-5d",
        "30500568904944w",
        "5é",
        "9" * 5000 + "d",
        "5ms",
    ],
)
def test_what_is_no_age(text):
    """CFG-034, O30."""
    with pytest.raises(ValueError, match=r"\S") as caught:
        _values.age(text)
    assert "5é" not in text or "`é`" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("1024", 1024), ("0", 0), ("5GB", 5 * 10**9), ("5KiB", 5120), ("18446744073709551615B", 2**64 - 1)),
        *(("16777215TiB", 16777215 * 2**40), ("0005", 5)),
    ],
)
def test_sizes(text, value):
    """CFG-035."""
    assert _values.size(text) == value


@pytest.mark.parametrize(
    "text",
    [*("5gb", "5G", "5kB", "5PB", "5 GB", "1.5GB", "1e3", "0x10", "B", "", "16777216TiB", "-1", "+1", "٣"), "9" * 6000],
)
def test_what_is_no_size(text):
    """CFG-035."""
    with pytest.raises(ValueError, match=r"\S"):
        _values.size(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5.0),
        ("2.5", 2.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("-0.0", 0.0),
        ("250ms", 0.25),
        ("1m30s", 90.0),
        ("1.5h", 5400.0),
    ],
)
def test_seconds(text, value):
    assert _values.seconds(text) == value


@pytest.mark.parametrize(
    "text", ["", ".inf", "nan", "inf", "1_0", "0x10", "1e999", "5 s", "5S", "s", "1.5.5s", "1s1s", "." * 3 + "s"]
)
def test_what_are_no_seconds(text):
    with pytest.raises(ValueError, match=r"\S"):
        _values.seconds(text)
