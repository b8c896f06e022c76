"""Every example of docs/cli/runs.md is run, and what haz prints is what the page says."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import jsonschema
import pytest

from haz.history import log
from haz.model import TaskId, TaskRun
from tests.space import HAZ, Space

PAGE = (Path(__file__).resolve().parents[2] / "docs/cli/runs.md").read_text()
# What differs from run to run, and the padding of columns that follows from it.
VARYING = [
    (re.compile(r"\d+-[0-9a-f]{8}\b"), "ID"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "WHEN"),
    (re.compile(r"(?<=[ (])(\d+(ms|s|m|h) ?)+(?=[\s,]|$)", re.MULTILINE), "TIME "),
    (re.compile(r" +"), " "),
    (re.compile(r" ?$", re.MULTILINE), ""),
]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def steady(text: str) -> str:
    for pattern, name in VARYING:
        text = pattern.sub(name, text)
    return text


@pytest.fixture
def workspace(space: Space) -> Space:
    for block in blocks("yaml"):
        head, _, body = block.partition("\n")
        space.write(head.removeprefix("# "), body)
    return space


def shell(space: Space, command: str) -> str:
    """What a terminal would show, but for the order of the two streams, which the page keeps by line."""
    haz, rest = " ".join(HAZ), command.removeprefix("haz")
    done = subprocess.run(
        ["bash", "-c", f"{haz}{rest}"],
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
    assert len(steps) == 9
    for step in steps:
        command, _, shown = step.partition("\n")
        printed = shell(workspace, command)
        assert steady(printed).rstrip("\n") == steady(shown).rstrip("\n"), command


def test_the_json_forms_keep_to_the_schema_of_the_page(workspace: Space) -> None:
    """D14."""
    (schema,) = map(json.loads, blocks("json"))
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    task = TaskId("lib", "t")
    torn = log.first_line("0.1.0", 1, ["run"], 2) + log.attempt_line(task, TaskRun(1, "running", 1)) + b"{torn"
    workspace.write(".haz/runs/1-00000000.jsonl", torn)
    workspace.write(".haz/runs/2-00000000.jsonl", torn.replace(b'"version":1', b'"version":9'))
    workspace.run("--all")
    workspace.run("--all", "--fail-fast", "-j", "1")
    listed = json.loads(workspace.haz("runs", "--format", "json").ok().out)
    validator.validate(listed)
    assert [run["state"] for run in listed["runs"]] == ["finished", "finished", "unknown", "interrupted"]
    outcomes = set()
    for run in listed["runs"]:
        shown = json.loads(workspace.haz("runs", "show", run["id"], "--format", "json").ok().out)
        validator.validate(shown)
        outcomes |= {task["outcome"] for task in shown["tasks"].values()}
    assert outcomes == {"succeeded", "failed", "skipped", "lost"}
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**listed, "runs": [{**listed["runs"][0], "state": "odd"}]})
