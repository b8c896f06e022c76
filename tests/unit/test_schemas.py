"""Every file that this repository shows, and that the loader accepts, is valid by the published schemas."""

from __future__ import annotations

import pathlib

import pytest
import yaml

from haz import codes, workspace
from haz.names import identifier_problem
from tests.property.test_config import VALIDATORS, Loader
from tests.unit import test_bad_workspaces
from tests.unit.files import write_tree
from tests.unit.test_configuration_manual import examples

ROOT = pathlib.Path(__file__).parents[2]


def kind_of(path: str) -> str | None:
    if path.endswith(".haz/workspace.yml"):
        return "workspace"
    if ".haz/tasks/" in path and path.endswith(".yml"):
        return "overlay"
    return "project" if path.endswith("haz.yml") else None


def shown() -> list[tuple[str, str, str]]:
    """`(where, path, text)` of every file in examples, manuals and the good side of the codes."""
    found = [
        (str(path.relative_to(ROOT)), str(path), path.read_text())
        for place in ("examples", ".")
        for path in sorted((ROOT / place).glob("**/*.yml" if place == "examples" else ".haz/**/*.yml"))
    ]
    found += [("docs/configuration.md", path, text) for path, text in examples()]
    for name, code in codes.CODES.items():
        found += [(name, path, text) for path, text in codes.files(code.good).items()]
    return [row for row in found if kind_of(row[1])]


SHOWN = shown()


@pytest.mark.parametrize(("where", "path", "text"), SHOWN, ids=[f"{row[0]}-{row[1][-20:]}" for row in SHOWN])
def test_what_is_shown_is_valid(where, path, text):
    VALIDATORS[kind_of(path)].validate(yaml.load(text, Loader))


def test_there_are_examples_of_each_kind():
    assert {kind_of(path) for _, path, _ in SHOWN} == {"workspace", "project", "overlay"}
    assert sum(where.startswith("examples") for where, _, _ in SHOWN) >= 5


def read_as_overlay(path: pathlib.Path) -> bool:
    return path.parent.name != "tasks" or identifier_problem(path.stem) is None


def fixtures():
    for row in test_bad_workspaces.BROKEN:
        yield codes.files(row[1])
    for code in codes.CODES.values():
        yield codes.files(code.bad)


def test_every_fixture_that_the_loader_accepts_is_valid(tmp_path):
    """Files of broken workspaces that are not to blame themselves are good files."""
    count = 0
    for number, files in enumerate(fixtures()):
        root = write_tree(tmp_path / str(number), files)
        blamed = {problem.span.file for problem in workspace.load_tolerant(str(root))[1] if problem.span}
        for path in sorted(root.rglob("*.yml")):
            if path.is_file() and kind_of(str(path)) and str(path) not in blamed and read_as_overlay(path):
                VALIDATORS[kind_of(str(path))].validate(yaml.load(path.read_bytes(), Loader))
                count += 1
    assert count > 100
