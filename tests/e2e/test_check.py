"""`haz check` and `haz schema` as a person and a script see them (spec 04 §8, §13)."""

from __future__ import annotations

import json

import jsonschema
import pytest

from haz.config import schema
from tests.space import Space

DIAGNOSTICS = jsonschema.Draft202012Validator(schema.diagnostics())


@pytest.fixture
def two(space: Space) -> Space:
    space.project("a", "t: {shell: 'true'}\nu: {shell: 'true'}")
    space.project("b", "t: {shell: 'true'}")
    return space


@pytest.mark.parametrize(
    ("cwd", "flags", "count"),
    [
        (".", [], 3),
        (".", ["--all"], 3),
        ("a", [], 2),
        ("a", ["--all"], 2),
        ("b", ["--workspace"], 3),
        ("b", ["--strict"], 1),
    ],
)
def test_the_scope_changes_the_count_only(two: Space, cwd: str, flags: list[str], count: int) -> None:
    """AUX-009, AUX-011, AUX-012, EXEC-022."""
    done = two.haz("check", *flags, cwd=cwd)
    assert (done.code, done.out, done.err) == (0, f"{count} task(s) validated.\n", "")


@pytest.mark.parametrize("flags", [[], ["--all"], ["--workspace"]])
def test_an_error_elsewhere_fails_every_scope(two: Space, flags: list[str]) -> None:
    """AUX-009, AUX-012."""
    two.write("b/haz.yml", "name: b\ntasks: {t: {command: x}}\n")
    done = two.haz("check", *flags, cwd="a")
    assert (done.code, done.out) == (2, "")
    assert done.err.count("haz::cfg::021") == 1
    assert "tasks.t.command" in done.err


def test_files_and_graph_are_told_in_one_go(two: Space) -> None:
    """AUX-010, O7, O12."""
    two.write("a/haz.yml", "name: a\ntasks: {t: {command: x}, u: {command: []}}\n")
    two.write("b/haz.yml", "name: b\ntasks: {t: {shell: x, deps: ['~:t', 'a:t']}, u: {shell: x, deps: ['a:none']}}\n")
    done = two.haz("check")
    assert done.code == 2
    assert "2 configuration error(s) found" in done.err
    assert done.err.count("haz::cfg::021") == 2
    assert "task-graph construction failed" in done.err
    for token in ("DAG-012", "b:t", "unresolved", "`a:none`", f"{two.root}/b/haz.yml:2:"):
        assert token in done.err


def test_warnings_go_to_stderr_and_fail_only_when_asked(two: Space) -> None:
    """O17, O28."""
    two.write(".haz/tasks/a.yaml", "")
    done = two.haz("check")
    assert (done.code, done.out) == (0, "3 task(s) validated.\n")
    assert "haz::cfg::050" in done.err
    strict = two.haz("check", "--strict")
    assert (strict.code, strict.out, strict.err) == (2, "", done.err)


@pytest.mark.parametrize("flags", [["--json"], ["--format", "json"], ["--format=json", "--json"]])
def test_json_is_one_array_that_keeps_to_its_schema(two: Space, flags: list[str]) -> None:
    """D14, O29."""
    assert two.haz("check", *flags).ok().out == "[]\n"
    two.write(".haz/tasks/a.yaml", "")
    two.write("a/haz.yml", "name: a\ntags: [x, x]\ntasks: {t: {shell: x, deps: ['~:t']}}\n")
    done = two.haz("check", *flags, cwd="b")
    assert (done.code, done.err) == (2, "")
    found = json.loads(done.out)
    DIAGNOSTICS.validate(found)
    assert [one["code"] for one in found] == ["haz::cfg::014", "haz::dag::012", "haz::cfg::050"]
    assert [one["severity"] for one in found] == ["error", "error", "warning"]
    assert (found[0]["file"], found[0]["line"], found[0]["column"]) == (f"{two.root}/a/haz.yml", 2, 11)
    assert found[0]["related"][0]["column"] == 8
    assert found[1]["task"] == "a:t"


def test_json_of_a_workspace_that_is_not_there(space: Space) -> None:
    """D14, DISC-002."""
    done = space.haz("check", "--json")
    assert done.code == 2
    (one,) = json.loads(done.out)
    assert one["code"] == "haz::dsc::001"
    DIAGNOSTICS.validate([one])


def test_json_is_strict_even_about_names_that_are_not_text(space: Space) -> None:
    """D14."""
    space.write(".haz/workspace.yml", 'projects: ["/*"]\n')
    folder = space.root / "caf\udce9"
    folder.mkdir()
    (folder / "haz.yml").write_text("name: a\n")
    done = space.haz("check", "--json")
    assert done.code == 2
    (one,) = json.loads(done.raw_out.decode())
    assert one["code"] == "haz::dsc::026"
    assert "caf?" in one["message"]


def test_nothing_is_wrapped_when_piped(two: Space) -> None:
    """O29, D14."""
    long = "x" * 60
    two.write("a/haz.yml", f"name: a\ntasks: {{t: {{shell: x, deps: ['b:{long}', 'b:{long[1:]}']}}}}\n")
    done = two.haz("check")
    assert f"a:t: unresolved reference in `deps`: `b:{long}` names no task" in done.err or f"`b:{long}`" in done.err
    assert max(map(len, done.err.splitlines())) > 100


@pytest.mark.parametrize(
    ("flags", "tokens"),
    [
        (["--all", "--workspace"], ["--all", "--workspace", "mutually exclusive"]),
        (["--format", "xml"], ["unknown output format", "xml"]),
        (["lib:t"], ["lib:t"]),
    ],
)
def test_usage_errors_come_before_any_file(space: Space, flags: list[str], tokens: list[str]) -> None:
    """04 §2.3."""
    done = space.haz("check", *flags)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert all(token in done.err for token in tokens)


@pytest.mark.parametrize("kind", ["workspace", "project", "overlay", "diagnostics"])
def test_the_schemas_are_printed(space: Space, kind: str) -> None:
    done = space.haz("schema", kind).ok()
    jsonschema.Draft202012Validator.check_schema(json.loads(done.out))
    assert json.loads(done.out) == schema.KINDS[kind]()


def test_an_unknown_schema_is_a_usage_error(space: Space) -> None:
    done = space.haz("schema", "task")
    assert done.code == 2
    assert "workspace, project, overlay, diagnostics" in done.err
