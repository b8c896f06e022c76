"""The grammar of references (spec 01 §8)."""

from __future__ import annotations

import pytest

from haz import references
from haz.model import Origin, Reference, TaskGroup


@pytest.mark.parametrize(
    ("text", "kind", "task", "name"),
    [
        ("~:build", "bearing", "build", None),
        ("^~:build", "siblings", "build", None),
        ("^:build", "everywhere", "build", None),
        ("[rust]:build", "tag", "build", "rust"),
        ("[rust]~:build", "tag_siblings", "build", "rust"),
        ("core:build", "project", "build", "core"),
        ("12:0_-", "project", "0_-", "12"),
        ("Lib:" + "t" * 64, "project", "t" * 64, "Lib"),
    ],
)
def test_each_form_is_read(text, kind, task, name):
    """REF-001..006, REF-008."""
    origin = Origin("/f", 1, 2)
    assert references.parse(text, origin) == Reference(kind, task, name, text, origin)
    assert references.parse(text + "?") == Reference(kind, task, name, text + "?", None, True)


@pytest.mark.parametrize(
    "text",
    [
        *("", "?", "build", ":t", "p:", "~t", "~:", "^t", "^~t", "[t", "[]:t", "[g]t", "[g]~t", "[a][b]:t", "[g]^:t"),
        *("p~:t", "a:b:c", "a: t", " a:t", "a:t ", "[a&b]:t", "[!a]:t", "[a,b]:t", "*:t", "p:*", "^^:x", "a:b??"),
        *("ä:t", "a:t\n", "-a:t", "a:" + "t" * 65),
    ],
)
def test_other_spellings_are_refused_with_a_reason(text):
    """REF-006, REF-007."""
    with pytest.raises(references.ReferenceSyntaxError) as caught:
        references.parse(text)
    assert caught.value.reason
    assert caught.value.text == text


def test_a_bare_word_gets_a_hint():
    with pytest.raises(references.ReferenceSyntaxError) as caught:
        references.parse("build")
    assert caught.value.hint == "did you mean `~:build`?"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lib", TaskGroup("project", "lib", "lib")),
        ("[rust]", TaskGroup("tag", "rust", "[rust]")),
        ("lib:t", Reference("project", "t", "lib", "lib:t")),
        ("[rust]:t", Reference("tag", "t", "rust", "[rust]:t")),
        ("^:t?", Reference("everywhere", "t", None, "^:t?", None, True)),
    ],
)
def test_a_project_and_a_tag_can_be_excluded_as_a_whole(text, expected):
    assert references.parse_exclusion(text) == expected


@pytest.mark.parametrize(
    "text", ["", "?", "[", "[]", "[a", "a]", "[a]b", "[a b]", "~", "^", "~t", "a,b", "lib?", "-x", "a:b:c"]
)
def test_what_can_name_nothing_cannot_be_excluded(text):
    with pytest.raises(references.ReferenceSyntaxError) as caught:
        references.parse_exclusion(text)
    assert caught.value.text == text


def test_a_tag_as_other_tools_write_it_gets_a_hint():
    with pytest.raises(references.ReferenceSyntaxError) as caught:
        references.parse("#rust:build")
    assert caught.value.hint == "did you mean `[rust]:build`?"
