"""`haz query` as a script sees it (spec 04 §10, §15); the language itself is tested in tests/unit/test_query.py."""

from __future__ import annotations

import json

import pytest

from tests.space import Space


@pytest.fixture
def library(space: Space) -> Space:
    space.write("core/haz.yml", 'name: core\ntags: [fast, c]\ntasks:\n  build: {command: [cc], inputs: ["src/**"]}\n')
    space.write(
        "web/haz.yml", 'name: web\ntasks:\n  build: {command: [x], deps: ["core:build"]}\n  default: {command: [x]}\n'
    )
    space.write(".haz/workspace.yml", "projects: [/core, /web]\n")
    return space


def test_plain_is_a_line_per_task_in_canonical_order(library: Space) -> None:
    """QRY-007, QRY-008."""
    assert library.haz("query").ok().out == "core:build\nweb:build\nweb:default\n"
    assert library.haz("query", "--tasks", "build").ok().out == "core:build\nweb:build\n"


def test_flags_are_a_conjunction_and_nothing_found_is_a_success(library: Space) -> None:
    """QRY-006, QRY-009."""
    assert library.haz("query", "--tasks=build", "--has-deps").ok().out == "web:build\n"
    assert library.haz("query", "--tags", "nobody").ok().out == ""


def test_inside_a_project_only_its_tasks_are_candidates(library: Space) -> None:
    """QRY-001, EXEC-022."""
    assert library.haz("query", cwd="web").ok().out == "web:build\nweb:default\n"


def test_json_is_one_array_on_one_line(library: Space) -> None:
    """QRY-008."""
    out = library.haz("query", "--projects", "core", "--format", "json").ok().out
    assert out.count("\n") == 1
    (row,) = json.loads(out)
    assert (row["project"], row["task"], row["tags"]) == ("core", "build", ["c", "fast"])
    assert json.loads(library.haz("query", "--tags", "nobody", "--format=json").ok().out) == []


def test_a_bad_expression_names_its_flag_and_shows_the_place(library: Space) -> None:
    """QRY-002, 04 §10.5: all flags that are wrong, each with its carets."""
    done = library.haz("query", "--tags", "good | foo.bar", "--tasks", "(a")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("--tags: invalid atom in `good | foo.bar`: ")
    assert "bytes 7..14" in done.err
    assert "\n  good | foo.bar\n         ^^^^^^^\n" in done.err
    assert "--tasks: failed to parse expression `(a`: unmatched '(' at byte 0" in done.err


def test_contradicting_shortcuts_are_refused(library: Space) -> None:
    """04 §2.3."""
    done = library.haz("query", "--has-deps", "--no-deps")
    assert done.code == 2
    assert done.err == "Error: --has-deps and --no-deps are mutually exclusive\n"


def test_the_whole_workspace_can_be_asked_from_inside_a_project(space: Space) -> None:
    """04 §14 B9: there was no way to. Relative patterns still begin at the project here, one without tasks too."""
    space.project("lib", "build: {command: [x], inputs: [a]}")
    space.write("doc/haz.yml", "name: doc\ntasks: {}\n")
    space.write(".haz/workspace.yml", "projects: [/lib, /doc]\n")
    assert space.haz("query", cwd="doc").ok().out == ""
    assert space.haz("query", "--workspace", cwd="doc").ok().out == "lib:build\n"
    assert space.haz("query", "--workspace", "--inputs", "a", cwd="lib").ok().out == "lib:build\n"
    assert space.haz("query", "--workspace", "--inputs", "a", cwd="doc").ok().out == ""
