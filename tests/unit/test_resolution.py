from __future__ import annotations

import pytest

from haz.errors import ResolutionError
from haz.resolution import Resolver, Unresolved, resolve_one
from tests.unit.graphs import ids, reference, workspace

SPACE = workspace(
    {"app": {"build": {}, "test": {}}, "lib": {"build": {}, "docs": {}}, "tool": {"build": {}}, "none": {}},
    tags={"app": "py fast", "lib": "py"},
)


def resolved(text, owner="app", space=SPACE):
    return Resolver(space).resolve(reference(text), owner)


def message(text, owner="app", space=SPACE):
    found = resolved(text, owner, space)
    assert isinstance(found, Unresolved)
    assert f"`{text}`" in found.message
    return found.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("~:test", ["app:test"]),
        ("lib:docs", ["lib:docs"]),
        ("^:build", ["app:build", "lib:build", "tool:build"]),
        ("^~:build", ["lib:build", "tool:build"]),
        ("[py]:build", ["app:build", "lib:build"]),
        ("[py]~:build", ["lib:build"]),
        ("[py]:docs", ["lib:docs"]),
    ],
)
def test_each_form_names_its_tasks_in_canonical_order(text, expected):
    """REF-002, REF-003, REF-004, REF-005, REF-008."""
    assert resolved(text) == ids(*expected)


@pytest.mark.parametrize("text", ["~:build", "^~:build", "[py]~:build"])
def test_forms_with_a_tilde_need_a_bearing_project(text):
    """REF-002, REF-008."""
    assert "requires a bearing project" in message(text, None)
    assert "current directory lies in no project" in message(text, None)


@pytest.mark.parametrize("text", ["lib:docs", "^:docs", "[py]:docs"])
def test_other_forms_need_none(text):
    """AUX-013; `why` used to refuse `P:T` outside a project."""
    assert resolved(text, None) == ids("lib:docs")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("libb:build", ["names unknown project 'libb'", "did you mean 'lib'?"]),
        ("zzzzz:build", ["names unknown project 'zzzzz'"]),
        ("lib:test", ["project 'lib' does not define task 'test' ('app' does)"]),
        ("~:docs", ["project 'app' does not define task 'docs'", "'lib' does"]),
        ("lib:biuld", ["does not define task 'biuld'", "did you mean 'build'?"]),
        ("none:build", ["('app', 'lib' and 'tool' do)"]),
        ("^:tset", ["matched no tasks", "no project defines task 'tset'", "'test'"]),
        ("^~:test", ["matched no tasks", "no sibling project defines task 'test'"]),
        ("[pi]:build", ["matched no tasks", "no project carries tag 'pi'", "'py'"]),
        ("[py]:doc", ["matched no tasks", "no project with tag 'py' defines task 'doc'", "'docs'"]),
        ("[py]~:test", ["matched no tasks", "no sibling with tag 'py' defines task 'test'"]),
    ],
)
def test_a_bad_reference_says_why_and_what_was_near(text, parts):
    """REF-002…008, spec 04 §5.2 and §14 B8; the texts used to differ by command and to suggest nothing."""
    for part in parts:
        assert part in message(text)


def test_a_reference_must_name_one_task_where_one_is_wanted():
    """AUX-013."""
    resolver = Resolver(SPACE)
    assert resolve_one(resolver, reference("^:docs"), None) == ids("lib:docs")[0]
    with pytest.raises(ResolutionError) as several:
        resolve_one(resolver, reference("[py]:build"), None)
    expected = "resolves to 2 tasks; use a more specific form (matched: app:build, lib:build)"
    assert expected in several.value.messages[0]
    with pytest.raises(ResolutionError) as none:
        resolve_one(resolver, reference("lib:x"), None)
    assert none.value.messages[0].startswith("could not resolve `lib:x`")


@pytest.mark.parametrize("text", ["~:x", "no:x", "app:x", "^:x", "^~:x", "[no]:x", "[py]~:docs"])
def test_an_optional_reference_may_name_nothing(text):
    """O15, REF-002…008."""
    resolver = Resolver(SPACE)
    optional = reference(text).replace(optional=True)
    assert resolver.resolve(optional, "lib") == ()
    with pytest.raises(ResolutionError):
        resolve_one(resolver, optional, "lib")


def test_an_optional_reference_still_needs_its_bearing_project():
    """O15, REF-002."""
    assert isinstance(Resolver(SPACE).resolve(reference("~:x").replace(optional=True), None), Unresolved)
