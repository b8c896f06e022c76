"""What a path means, and what declarations never do to the graph (spec 01 §9.1, MUTEX-009)."""

from __future__ import annotations

import pytest

from haz import _core, graph_build, workspace
from haz.errors import PatternError
from haz.model import Mutex
from tests.unit.files import write_tree
from tests.unit.graphs import ids, task_id
from tests.unit.graphs import workspace as made
from tests.unit.naive_glob import NaivePatterns


@pytest.mark.parametrize(
    ("written", "anchored"),
    [
        ("a.c", "/libs/one/a.c"),
        ("src/*.c", "/libs/one/src/*.c"),
        ("/a.c", "/a.c"),
        ("/libs/two/*.c", "/libs/two/*.c"),
        ("~/a", "/libs/one/~/a"),
        ("$HOME/a", "/libs/one/$HOME/a"),
        ("C:/a", "/libs/one/C:/a"),
        ("haz.yml", "/libs/one/haz.yml"),
        ("/.haz/workspace.yml", "/.haz/workspace.yml"),
    ],
)
def test_a_slash_anchors_at_the_workspace_and_everything_else_at_the_project(written, anchored, tmp_path):
    """PATH-001, PATH-004, PATH-005: never the root of the host, and nothing is expanded."""
    text = f"name: one\ntasks:\n  t: {{shell: x, inputs: ['{written}']}}\n"
    write_tree(tmp_path, {".haz/workspace.yml": "projects: [/libs/one]\n", "libs/one/haz.yml": text})
    (pattern,) = workspace.load(str(tmp_path)).projects["one"].tasks["t"].inputs
    assert (pattern.text, pattern.anchored) == (written, anchored)


@pytest.mark.parametrize("written", ["..", "../x", "a/../b", "/..", "/../x", "{a,../b}", "./x", "a/."])
def test_no_path_leads_out(written):
    """PATH-006: neither out of the project by dots nor out of the workspace."""
    with pytest.raises(PatternError):
        _core.check_pattern(written)


@pytest.mark.parametrize(
    ("pattern", "path", "hit"),
    [
        ("/lib/a", "/lib/a", True),
        ("/lib/a", "/lib/A", False),
        ("/lib/[a-z]", "/lib/A", False),
        ("/Lib/*", "/lib/a", False),
        ("/lib/caf\u00e9", "/lib/cafe\u0301", False),
        ("/lib/caf\u00e9*", "/lib/caf\u00e9.txt", True),
    ],
)
def test_case_and_encoding_matter(pattern, path, hit):
    """PATH-007, PATH-016, ID-004."""
    literal = not _core.check_pattern(pattern)
    assert bool(_core.PatternSet([[(pattern, literal, False)]]).matching(path)) is hit


def test_a_mutex_adds_no_edge():
    """MUTEX-009: it takes no part in order or cycles."""
    lock = {"mutex": Mutex("db", "exclusive")}
    graph, problems = graph_build.build(
        made({"a": {"x": {"deps": ["~:y"], **lock}, "y": lock, "z": lock}}), NaivePatterns
    )
    assert problems == ()
    assert graph.hard_predecessors == {task_id("a:x"): ids("a:y"), task_id("a:y"): (), task_id("a:z"): ()}
    assert not any(graph.soft_predecessors.values())
    assert not any(graph.producer_predecessors.values())
