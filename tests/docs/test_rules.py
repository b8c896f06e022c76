"""docs/rules.md has every rule once, with tests that exist and name it."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.docs import rules

TESTS = rules.tests()
TABLE = rules.table()


def every() -> list[str]:
    """The ids of the contract: families with their numbers."""
    numbers = {
        "ID": range(1, 5),
        "DISC": (*range(1, 11), 20, 21, 22, 23, 30),
        "CFG": range(3, 36),
        "PATH": range(1, 17),
        "REF": range(1, 9),
        "DAG": range(1, 18),
        "MUTEX": range(1, 10),
        "EXEC": range(1, 31),
        "CACHE": range(1, 24),
        "AUX": range(1, 29),
        "QRY": range(1, 10),
    }
    found = [f"{family}-{number:03}" for family, wanted in numbers.items() for number in wanted]
    return found + [f"D{number}" for number in range(1, 15)] + [f"O{number}" for number in range(1, 33)]


def test_every_rule_is_there_once():
    assert Counter(rule for rule, _, _ in TABLE) == Counter(every())


@pytest.mark.parametrize(("rule", "says", "guard"), TABLE, ids=[row[0] for row in TABLE])
def test_a_rule_says_something_and_is_guarded_by_tests_that_name_it(rule, says, guard):
    assert says
    named = rules.guards(guard)
    assert named or guard.startswith("later: "), "no test, and no reason"
    assert [test for test in named if test not in TESTS] == [], "no such test"
    assert [test for test in named if rule not in TESTS[test]] == [], "does not name the rule"


def test_only_what_does_not_exist_yet_is_left_for_later():
    """Chapter 01, the decisions and the oddities are complete."""
    families = {rule.partition("-")[0] for rule, _, guard in TABLE if guard.startswith("later")}
    assert families <= {"EXEC", "CACHE", "AUX", "QRY"}


def test_no_test_names_a_rule_that_is_not_in_the_table():
    known = {rule for rule, _, _ in TABLE}
    assert {rule for named in TESTS.values() for rule in named} - known == set()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('"""CFG-009..012, O21."""', {"CFG-009", "CFG-010", "CFG-011", "CFG-012", "O21"}),
        ("REF-002…003: x", {"REF-002", "REF-003"}),
        ("DAG-014..DAG-015", {"DAG-014", "DAG-015"}),
        ("D8 and (O3)", {"D8", "O3"}),
        ("D401, O33, PID-001, XO2, 3D1", set()),
    ],
)
def test_ids_are_read_from_text(text, found):
    assert rules.ids(text) == found
