"""Identifiers, names of variables, and what was probably meant."""

from __future__ import annotations

import pytest

from haz.names import counted, identifier_problem, nearest, variable_problem


@pytest.mark.parametrize("name", ["a", "0", "12", "true", "a-", "a_", "Z9-_", "x" * 64])
def test_identifiers(name):
    """ID-001..004."""
    assert identifier_problem(name) is None


@pytest.mark.parametrize("name", ["", "-a", "_a", "a.b", "a b", "é", "aé", "x" * 65, "a:b", "a/b", "a\n", "٣"])
def test_what_is_no_identifier(name):
    assert identifier_problem(name)


def test_the_limit_can_be_lower():
    assert identifier_problem("z" * 32, 32) is None
    assert "32" in identifier_problem("z" * 33, 32)


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("PATH", True),
        ("_x1", True),
        ("1A", False),
        ("A-B", False),
        ("", False),
        ("É", False),
        ("A" * 256, True),
        ("A" * 257, False),
        ("CARGO_*", False),
    ],
)
def test_variable_names(name, good):
    """CFG-032."""
    assert (variable_problem(name) is None) is good


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        *(("comand", "command"), ("Command", "command"), ("weak-deps", "weakDeps"), ("input", "inputs")),
        *(("ouptuts", "outputs"), ("descr", "description"), ("zzz", None), ("", None), ("a", None)),
    ],
)
def test_the_nearest_name_is_found(word, meant):
    assert nearest(word, ["command", "weakDeps", "inputs", "outputs", "description"]) == meant


def test_numbers_of_things():
    assert [counted(number, "difference") for number in (0, 1, 2)] == ["0 differences", "1 difference", "2 differences"]
    assert [counted(number, "entry", "entries") for number in (1, 3)] == ["1 entry", "3 entries"]
