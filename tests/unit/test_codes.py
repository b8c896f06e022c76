"""Each code has an example that causes it, and one that does not; the manual is made of them."""

from __future__ import annotations

import pathlib

import pytest

from haz import codes, workspace
from tests.unit.files import write_tree

MANUAL = pathlib.Path(__file__).parents[2] / "docs" / "errors.md"


@pytest.mark.parametrize("name", [name for name, code in codes.CODES.items() if code.bad and code.phase == "load"])
def test_the_bad_example_causes_its_code_and_nothing_else(name, tmp_path):
    code = codes.CODES[name]
    write_tree(tmp_path, codes.files(code.bad))
    _, diagnostics = workspace.load_tolerant(str(tmp_path))
    assert [problem.code for problem in diagnostics] == [name]
    assert diagnostics[0].severity == code.severity


@pytest.mark.parametrize("name", list(codes.CODES))
def test_the_good_example_is_fine(name, tmp_path):
    write_tree(tmp_path, codes.files(codes.CODES[name].good))
    loaded, diagnostics = workspace.load_tolerant(str(tmp_path))
    assert loaded is not None
    assert diagnostics == ()


def test_the_manual_is_current():
    assert MANUAL.read_text() == codes.document(), "run: python -m haz.codes > docs/errors.md"
