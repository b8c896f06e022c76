"""Patterns of the core, as Python sees them."""

from __future__ import annotations

import os

import pytest

from haz import _core
from haz.errors import PatternError


def test_a_glob_is_told_from_a_literal() -> None:
    """PATH-008."""
    assert _core.check_pattern("src/**/*.rs")
    assert not _core.check_pattern("/top.cfg")


def test_a_bad_pattern_names_the_rule_and_the_character() -> None:
    """PATH-011."""
    with pytest.raises(PatternError) as caught:
        _core.check_pattern("é/a**")
    assert (caught.value.pattern, caught.value.offset) == ("é/a**", 3)
    assert caught.value.reason == '"**" must be a whole path segment'


def test_an_escaped_directory_matches_itself_and_nothing_else() -> None:
    """O22."""
    root = "/p/[ab]{x"
    specs = _core.PatternSet([[(_core.escape_pattern(root) + "/*.txt", False, False)]])
    assert specs.matching(root + "/z.txt") == [0]
    assert specs.matching("/p/a/z.txt") == []


def test_names_that_are_not_utf_8_match_character_by_byte() -> None:
    """PATH-009."""
    name = os.fsdecode(b"/d\xff\xfe/x")
    specs = _core.PatternSet([[("/d??/*", False, False)], [(name, True, False)], [("/d?/*", False, False)]])
    assert specs.matching(name) == [0, 1]
    raw = os.fsdecode(b"/\xff[")
    with pytest.raises(PatternError) as caught:
        _core.PatternSet([[(raw, False, False)]])
    assert (caught.value.pattern, caught.value.offset) == (raw, 2)


def test_exclusions_win_over_globs_but_not_over_literals() -> None:
    specs = _core.PatternSet(
        [
            [("/a/x*", False, True), ("/a/**", False, False)],
            [("/a/x1", True, False), ("/a/**", False, True)],
            [],
        ]
    )
    assert len(specs) == 3
    assert specs.matching("/a/x1") == [1]
    assert specs.matching("/a/y") == [0]


def test_exclusions_of_a_group_are_its_own() -> None:
    specs = _core.PatternSet(
        [[("/a/**", False, False, 1), ("/a/b/**", False, True, 1), ("/a/b/c", True, False, 2), ("/x", True, False)]]
    )
    assert [specs.matching(path) for path in ("/a/z", "/a/b/z", "/a/b/c", "/x")] == [[0], [], [0], [0]]


@pytest.mark.parametrize("pattern", ["a/b", "/a/../b", "", "/", "/a//b", "/a/"])
@pytest.mark.parametrize("literal", [True, False])
def test_a_set_refuses_what_is_no_workspace_path(pattern: str, literal: bool) -> None:
    """PATH-001, PATH-003."""
    with pytest.raises(PatternError):
        _core.PatternSet([[(pattern, literal, False)]])


def test_text_that_no_file_name_can_hold_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        _core.check_pattern("\ud800")
