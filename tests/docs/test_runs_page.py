"""The JSON schema of docs/cli/runs.md, for runs of all kinds; the examples of the page are run with those of the others."""

from __future__ import annotations

import json

import jsonschema
import pytest

from haz.history import log
from haz.model import TaskId, TaskRun
from tests.docs import pages
from tests.space import Space


def test_the_json_forms_keep_to_the_schema_of_the_page(space: Space) -> None:
    """D14."""
    text = (pages.DOCS / "cli/runs.md").read_text()
    pages.lay_out(text, space.root)
    ((_, schema),) = pages.schemas(text)
    validator = jsonschema.Draft202012Validator(json.loads(schema))
    task = TaskId("lib", "t")
    torn = log.first_line("0.1.0", 1, ["run"], 2) + log.attempt_line(task, TaskRun(1, "running", 1)) + b"{torn"
    space.write(".haz/runs/1-00000000.jsonl", torn)
    space.write(".haz/runs/2-00000000.jsonl", torn.replace(b'"version":1', b'"version":9'))
    space.run("--all")
    space.run("--all", "--fail-fast", "-j", "1")
    listed = json.loads(space.haz("runs", "--format", "json").ok().out)
    validator.validate(listed)
    assert [run["state"] for run in listed["runs"]] == ["finished", "finished", "unknown", "interrupted"]
    outcomes = set()
    for run in listed["runs"]:
        shown = json.loads(space.haz("runs", "show", run["id"], "--format", "json").ok().out)
        validator.validate(shown)
        outcomes |= {task["outcome"] for task in shown["tasks"].values()}
    assert outcomes == {"succeeded", "failed", "skipped", "lost"}
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**listed, "runs": [{**listed["runs"][0], "state": "odd"}]})
