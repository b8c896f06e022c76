"""`haz list`, `haz graph`, and the drawn forms of `haz query`."""

from __future__ import annotations

import json

import pytest

from tests.space import Space


@pytest.fixture
def library(space: Space) -> Space:
    space.write(
        "core/haz.yml",
        "name: core\ntags: [fast, c]\ndescription: The core\ntasks:\n"
        '  build: {command: [cc], outputs: [a.o], description: "Compile [all]"}\n',
    )
    space.write(
        "web/haz.yml",
        'name: web\ntasks:\n  build: {command: [x], deps: ["core:build"]}\n'
        '  test: {command: [x], weakDeps: ["~:build"]}\n  pack: {command: [x], inputs: [/core/a.o]}\n',
    )
    space.write(".haz/workspace.yml", "projects: [/core, /web]\n")
    return space


def test_tasks_are_listed_with_their_descriptions(library: Space) -> None:
    assert library.haz("list").ok().out == "core:build  Compile [all]\nweb:build\nweb:pack\nweb:test\n"
    assert library.haz("list", cwd="web").ok().out == "web:build\nweb:pack\nweb:test\n"
    assert library.haz("list", "--workspace", cwd="web").ok().out.startswith("core:build")
    assert library.haz("list", "^:build").ok().out == "core:build  Compile [all]\nweb:build\n"


def test_projects_are_listed_with_their_places(library: Space) -> None:
    assert library.haz("list", "--projects").ok().out == (
        "PROJECT  ROOT   TAGS    TASKS  DESCRIPTION\n"
        "core     /core  c fast  1      The core\n"
        "web      /web           3\n"
    )


def test_lists_as_json(library: Space) -> None:
    """D14; the schemas are in docs/cli/list.md."""
    tasks = json.loads(library.haz("list", "--format", "json").ok().out)
    assert [task["id"] for task in tasks["tasks"]] == ["core:build", "web:build", "web:pack", "web:test"]
    assert tasks["tasks"][0]["description"] == "Compile [all]"
    assert tasks["tasks"][1]["deps"] == ["core:build"]
    projects = json.loads(library.haz("list", "--projects", "--format", "json").ok().out)
    assert projects["projects"][0] == {
        "name": "core",
        "root": "/core",
        "tags": ["c", "fast"],
        "tasks": ["build"],
        "description": "The core",
    }


def test_a_list_of_nothing_is_empty(space: Space) -> None:
    space.write(".haz/workspace.yml", "projects: []\n")
    assert space.haz("list").ok().out == ""
    assert space.haz("list", "--projects").ok().out == ""
    assert space.haz("graph").ok().out == ""


def test_the_graph_says_what_comes_right_before_each_task(library: Space) -> None:
    assert library.haz("graph").ok().out == (
        "core:build\nweb:build <- core:build\nweb:pack <- core:build (producer)\nweb:test <- web:build (soft)\n"
    )


def test_the_graph_of_a_task_is_that_of_all_it_needs(library: Space) -> None:
    assert library.haz("graph", "web:build").ok().out == "core:build\nweb:build <- core:build\n"
    refused = library.haz("graph", "web:build", "--workspace")
    assert refused.code == 2
    assert "`--workspace` cannot be combined with positional tasks" in refused.err


def test_the_graph_as_data(library: Space) -> None:
    """D14; the schema is in docs/cli/graph.md."""
    assert json.loads(library.haz("graph", "--format", "json").ok().out) == {
        "version": 1,
        "tasks": ["core:build", "web:build", "web:pack", "web:test"],
        "edges": [
            {"from": "core:build", "to": "web:build", "kind": "hard"},
            {"from": "core:build", "to": "web:pack", "kind": "producer"},
            {"from": "web:build", "to": "web:test", "kind": "soft"},
        ],
    }


def test_the_graph_for_graphviz_and_mermaid(library: Space) -> None:
    dot = library.haz("graph", "--format", "dot").ok().out
    assert dot.startswith("digraph haz {\n")
    assert dot.endswith("}\n")
    assert '  "core:build" -> "web:build";\n' in dot
    assert '  "core:build" -> "web:pack" [style=dotted];\n' in dot
    assert '  "web:build" -> "web:test" [style=dashed];\n' in dot
    mermaid = library.haz("graph", "--format", "mermaid").ok().out
    assert mermaid.splitlines() == [
        "flowchart LR",
        '  t0["core:build"]',
        '  t1["web:build"]',
        '  t2["web:pack"]',
        '  t3["web:test"]',
        "  t0 --> t1",
        "  t0 -. files .-> t2",
        "  t1 -.-> t3",
    ]


def test_a_query_can_be_drawn_with_the_edges_among_what_was_found(library: Space) -> None:
    """QRY-008."""
    dot = library.haz("query", "--tasks", "build", "--format", "dot").ok().out
    assert '"core:build" -> "web:build"' in dot
    assert "web:test" not in dot
    assert library.haz("query", "--tasks", "build", "--format=mermaid").ok().out.endswith("  t0 --> t1\n")


def test_a_table_is_as_wide_as_it_must_be_and_uncoloured_when_piped(library: Space) -> None:
    """D14: nothing is wrapped off a terminal, and text that looks like markup stays as it is."""
    library.write("web/haz.yml", f"name: web\ntasks:\n  t: {{command: [x], description: {'long ' * 60}}}\n")
    table = library.haz("query", "--format", "table", env={"COLUMNS": "40"}).ok().out
    assert "Compile [all]" in table
    assert "long " * 59 in table
    assert "\x1b" not in table
    assert "\x1b" in library.haz("list", "--format", "table", "--color", "always").ok().out


def test_an_unknown_format_is_refused(library: Space) -> None:
    """04 §2.3."""
    for command in ("query", "graph", "list"):
        refused = library.haz(command, "--format", "Table")
        assert refused.code == 2
        assert "unknown output format 'Table'" in refused.err
