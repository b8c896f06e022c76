"""The codes that building the task graph finds: their examples cause them, or do not."""

from __future__ import annotations

import pytest

from haz import _core, codes, graph_build, workspace
from tests.unit.files import write_tree


def found(files, root):
    loaded = workspace.load(str(write_tree(root, codes.files(files))))
    graph, problems = graph_build.build(loaded, _core.PatternSet)
    return [(problem.code, problem.severity) for problem in problems or graph_build.unordered_producers(graph)]


@pytest.mark.parametrize("name", [name for name, code in codes.CODES.items() if code.phase == "graph"])
def test_the_bad_example_causes_its_code_and_the_good_one_none(name, tmp_path):
    """DAG-010..015."""
    code = codes.CODES[name]
    assert found(code.bad, tmp_path / "bad") == [(name, code.severity)]
    assert found(code.good, tmp_path / "good") == []
