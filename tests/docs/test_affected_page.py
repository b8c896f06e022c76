"""Every example of docs/cli/affected.md is run, and what is printed is what the page says."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import jsonschema
import pytest

from tests.repository import WHO, neutral  # noqa: F401 - a fixture
from tests.space import HAZ, Space

PAGE = (Path(__file__).resolve().parents[2] / "docs/cli/affected.md").read_text()
VARYING = [(re.compile(r"\b[0-9a-f]{40}\b"), "COMMIT"), (re.compile(r"partition [0-9a-f]{8}"), "partition MARK")]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def steady(text: str) -> str:
    for pattern, name in VARYING:
        text = pattern.sub(name, text)
    return text.rstrip("\n")


@pytest.fixture
def workspace(space: Space, monkeypatch: pytest.MonkeyPatch, neutral: Path) -> Space:  # noqa: F811
    for name, value in WHO.items():
        monkeypatch.setenv(name, value)
    for block in blocks("yaml"):
        head, _, body = block.partition("\n")
        space.write(head.removeprefix("# "), body)
    return space


def shell(space: Space, command: str) -> str:
    done = subprocess.run(
        ["bash", "-c", f'haz() {{ {shlex.join(HAZ)} "$@"; }}\n{command}'],
        cwd=space.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        text=True,
    )
    return done.stdout


def test_every_command_of_the_page_prints_what_the_page_shows(workspace: Space) -> None:
    steps = [step for block in blocks("console") for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    assert len(steps) == 16
    for step in steps:
        command, _, shown = step.partition("\n")
        assert steady(shell(workspace, command)) == shown.rstrip("\n"), command
    assert "Tasks: 4 completed" in workspace.read("log").decode()
    assert {row["expected"] for row in json.loads(workspace.read("plan.json"))["tasks"]} == {"hit"}


def test_the_json_form_keeps_to_the_schema_of_the_page(workspace: Space) -> None:
    """D14."""
    (schema,) = map(json.loads, blocks("json"))
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    shell(workspace, "mkdir app/src; touch app/src/a; git init -q")
    kinds = set()
    for words in (
        [],
        ["--affected-dependents", "--lookup", "--shard", "1/2"],
        ["app:build"],
        ["--git-changed-since", "x", "--on-unknown", "all"],
    ):
        value = json.loads(workspace.haz("affected", "--format", "json", *words).ok().out)
        validator.validate(value)
        kinds |= {row["reason"]["kind"] for row in value["tasks"]}
    assert kinds == {"changed", "needed", "unknown"}
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**value, "more": 1})
