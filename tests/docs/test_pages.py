"""Every example of the pages of the commands is run, and what is printed is what the page says."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import jsonschema
import pytest

from haz.cli import tree
from haz.importers import SOURCES
from tests.docs import pages


@pytest.mark.parametrize("page", pages.executed(), ids=lambda page: page.stem)
def test_every_command_of_a_page_prints_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    text = page.read_text()
    pages.lay_out(text, tmp_path)
    steps = pages.steps(text)
    assert len(steps) == len(re.findall(r"^\$ ", text, re.MULTILINE)) > 0, "a page has examples, and all are run"
    for command, shown in steps:
        assert pages.steady(pages.shell(tmp_path, command)) == pages.steady(shown), command


@pytest.mark.parametrize("page", pages.executed(), ids=lambda page: page.stem)
def test_what_is_printed_as_json_keeps_to_the_schema_of_the_page(page: Path, tmp_path: Path) -> None:
    """D14."""
    text = page.read_text()
    pages.lay_out(text, tmp_path)
    for commands, schema in pages.schemas(text):
        validator = jsonschema.Draft202012Validator(json.loads(schema))
        validator.check_schema(json.loads(schema))
        for command in commands:
            validator.validate(json.loads(pages.shell(tmp_path, command, err=False)))
        with pytest.raises(jsonschema.ValidationError):
            validator.validate({"surprise": 1})


def test_every_command_has_a_page_that_the_index_names() -> None:
    index = (pages.DOCS / "cli/README.md").read_text()
    for name in tree.NAMES:
        assert (pages.DOCS / f"cli/{name}.md").is_file(), name
        assert f"]({name}.md)" in index


def test_every_link_between_the_pages_leads_somewhere() -> None:
    for page in [*pages.executed(), pages.DOCS / "api.md"]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert os.path.exists(page.parent / target), (page.name, target)


@pytest.mark.parametrize("name", tree.NAMES)
def test_a_page_names_every_option_of_its_command(name: str) -> None:
    """`--color` and `--format` mean the same everywhere, and are explained once."""
    text = (pages.DOCS / f"cli/{name}.md").read_text()
    command = tree.command(name)
    for part in (command, *command.subcommands.values()):
        assert all(f"`{sub}`" in text or f"haz {name} {sub}" in text for sub in part.subcommands)
        for parameter in part.parameters:
            for option in parameter.declared.names[-1:]:
                assert re.search(rf"{option}(?![\w-])", text) or option in ("--color", "--format"), option


def test_the_page_of_init_has_a_row_for_every_tool() -> None:
    text = (pages.DOCS / "cli/init.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", text.partition("does not become")[2], re.MULTILINE) == list(SOURCES)
