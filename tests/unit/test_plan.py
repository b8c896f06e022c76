from __future__ import annotations

import pytest

from haz.errors import ResolutionError
from haz.graph_build import build
from haz.plan import Reason, Request, plan
from haz.references import parse_exclusion
from tests.unit.graphs import ids, reference, task_id, workspace
from tests.unit.naive_glob import NaivePatterns

SPACE = workspace(
    {
        "app": {
            "default": {"deps": ["lib:build"]},
            "test": {"deps": ["~:default"], "weak": ["lib:docs"], "inputs": ["tests/**", "!tests/*.tmp"]},
        },
        "lib": {
            "build": {"deps": ["tool:gen"], "inputs": ["src/**"], "outputs": ["out/lib.a"]},
            "docs": {"inputs": ["/README"]},
            "check": {"inputs": ["out/lib.a"], "deps": ["~:build"]},
        },
        "tool": {"gen": {}},
    },
    tags={"app": "py", "lib": "py"},
)
GRAPH, PROBLEMS = build(SPACE, NaivePatterns)


def planned(*references, config_files=None, exclude=(), **options):
    assert not PROBLEMS
    request = Request(tuple(map(reference, references)), exclude=tuple(map(parse_exclusion, exclude)), **options)
    return plan(SPACE, GRAPH, request, NaivePatterns, config_files)


def seeds(*references, **options):
    return list(map(str, planned(*references, **options).seeds))


def error(*references, **options):
    with pytest.raises(ResolutionError) as raised:
        planned(*references, **options)
    return raised.value


EVERYTHING = list(map(str, GRAPH.nodes))


class TestSeeds:
    def test_references_are_united_and_closed_over_hard_predecessors(self):
        """EXEC-001, EXEC-002, EXEC-008."""
        result = planned("app:test", "app:test", "~:default", bearing="app")
        assert result.seeds == ids("app:default", "app:test")
        assert result.reasons == {
            task_id("app:default"): Reason("requested"),
            task_id("app:test"): Reason("requested"),
            task_id("lib:build"): Reason("needed", by=task_id("app:default")),
            task_id("tool:gen"): Reason("needed", by=task_id("lib:build")),
        }
        assert result.tasks == ids("app:default", "app:test", "lib:build", "tool:gen")

    def test_nothing_asked_for_is_the_default_task_of_the_bearing_project(self):
        """EXEC-022, EXEC-023."""
        assert seeds(bearing="app") == ["app:default"]

    def test_all_is_the_bearing_project_or_else_everything(self):
        """EXEC-024."""
        assert seeds(scope="all", bearing="lib") == ["lib:build", "lib:check", "lib:docs"]
        assert seeds(scope="all") == EVERYTHING

    def test_workspace_is_everything(self):
        """EXEC-025."""
        assert seeds(scope="workspace", bearing="lib") == EVERYTHING


class TestErrors:
    def test_all_bad_references_are_told_at_once(self):
        """Spec 04 §5.2 and §14 B8; used to stop at the first."""
        raised = error("libb:build", "~:x", "app:test", "^:nothing")
        assert str(raised) == "target resolution failed"
        assert len(raised.messages) == 3
        assert "`libb:build` names unknown project 'libb'" in raised.messages[0]
        assert "requires a bearing project" in raised.messages[1]
        assert "matched no tasks" in raised.messages[2]

    def test_no_default_without_a_bearing_project(self):
        """EXEC-023."""
        raised = error()
        assert "no bearing project" in raised.messages[0]
        for advice in ("`default`", "`--all`", "`--workspace`", "P:T"):
            assert advice in raised.hint

    def test_no_default_task_in_the_bearing_project(self):
        """EXEC-023."""
        raised = error(bearing="lib")
        assert "'lib'" in raised.messages[0]
        assert "default" in raised.messages[0]
        assert "`--workspace`" in raised.hint


class TestExclude:
    """Spec 04 §14 C2: there used to be no way to say everything but this."""

    def test_what_is_excluded_is_not_asked_for_but_may_be_needed(self):
        """EXEC-002: the closure is unfiltered."""
        result = planned(scope="workspace", exclude=("lib:build", "^:docs"))
        assert result.seeds == ids("app:default", "app:test", "lib:check", "tool:gen")
        assert result.excluded == ids("lib:build", "lib:docs")
        assert result.reasons[task_id("lib:build")] == Reason("needed", by=task_id("app:default"))
        assert task_id("lib:docs") not in result.reasons

    def test_a_project_and_a_tag_are_all_of_their_tasks(self):
        assert seeds(scope="workspace", exclude=("lib",)) == ["app:default", "app:test", "tool:gen"]
        assert seeds(scope="workspace", exclude=("[py]",)) == ["tool:gen"]
        assert seeds(scope="workspace", exclude=("[py]", "tool")) == []

    def test_every_kind_of_request_is_less_what_is_excluded(self):
        """EXEC-023, EXEC-024, EXEC-029."""
        assert seeds(bearing="app", exclude=("~:default",)) == []
        assert seeds(bearing="lib", scope="all", exclude=("^:docs",)) == ["lib:build", "lib:check"]
        assert seeds("app:test", "lib:docs", exclude=("lib", "tool")) == ["app:test"]
        assert seeds(unknown=True, exclude=("lib", "app")) == ["tool:gen"]

    def test_what_was_not_asked_for_is_not_said_to_be_excluded(self):
        assert planned("app:test", exclude=("lib",)).excluded == ()

    def test_what_comes_after_an_excluded_task_is_still_affected(self):
        """EXEC-026."""
        options = {"scope": "workspace", "changed": ("/lib/src/a",), "exclude": ("lib:build",)}
        assert seeds(**options) == []
        result = planned(with_dependents=True, **options)
        assert result.seeds == ids("app:default", "app:test", "lib:check")
        assert result.excluded == ids("lib:build")
        assert result.reasons[task_id("app:default")] == Reason("dependent", by=task_id("lib:build"))

    def test_all_that_names_nothing_is_told_with_what_was_meant(self):
        """Spec 04 §5.2 and §14 B8."""
        wrong = ("libb", "docs", "py", "dcos", "[pi]", "app:x", "~:test", "zzzzz")
        raised = error("lib:x", exclude=wrong)
        assert raised.messages[0].startswith("`lib:x`: project 'lib' does not define task 'x'")
        assert raised.messages[1:] == (
            "--exclude `libb` names unknown project 'libb'; did you mean 'lib'?",
            "--exclude `docs` names unknown project 'docs'; did you mean '^:docs'?",
            "--exclude `py` names unknown project 'py'; did you mean '[py]'?",
            "--exclude `dcos` names unknown project 'dcos'; did you mean '^:docs'?",
            "--exclude `[pi]` matched no tasks: no project carries tag 'pi'; did you mean 'py'?",
            "--exclude `app:x`: project 'app' does not define task 'x'",
            "--exclude `~:test` requires a bearing project, but the current directory lies in no project",
            "--exclude `zzzzz` names unknown project 'zzzzz'",
        )
        assert error(scope="workspace", exclude=("zzzzz",)).messages == raised.messages[-1:]


class TestChanges:
    def test_a_task_is_affected_when_an_input_pattern_matches(self):
        """EXEC-026; deleted paths count, dependents do not."""
        result = planned(scope="workspace", changed=("/lib/src/deep/a.c", "/elsewhere"))
        assert result.seeds == ids("lib:build")
        assert result.reasons[task_id("lib:build")] == Reason("changed", path="/lib/src/deep/a.c")
        assert result.reasons[task_id("tool:gen")].kind == "needed"

    def test_a_literal_counts_and_an_excluded_path_does_not(self):
        """EXEC-026, D11."""
        assert seeds(changed=("/README",)) == ["lib:docs"]
        assert seeds(changed=("/app/tests/x.tmp",)) == []

    def test_candidates_are_those_of_all_or_of_the_workspace(self):
        """EXEC-026; no `default` task is needed."""
        changed = ("/lib/src/a", "/app/tests/b")
        assert seeds(bearing="app", changed=changed) == ["app:test"]
        assert seeds(bearing="tool", scope="all", changed=changed) == []
        assert seeds(bearing="app", scope="workspace", changed=changed) == ["app:test", "lib:build"]

    def test_references_narrow_a_changeset(self):
        assert seeds("[py]:test", changed=("/lib/src/a", "/app/tests/b")) == ["app:test"]

    def test_nothing_changed_is_an_empty_plan(self):
        assert planned(scope="workspace", changed=()).tasks == ()

    def test_a_change_of_the_declaration_affects(self):
        """Spec 04 §6.4; used to affect nothing."""
        files = {"/lib/haz.yml": ids("lib:build", "lib:docs"), "/.haz/workspace.yml": GRAPH.nodes}
        assert seeds(bearing="lib", changed=("/lib/haz.yml",), config_files=files) == ["lib:build", "lib:docs"]
        assert seeds(bearing="tool", changed=("/.haz/workspace.yml",), config_files=files) == ["tool:gen"]

    def test_a_directory_of_which_nothing_more_is_known_is_all_that_is_below_it(self):
        """EXEC-026: a submodule used to be one path that nothing below it matched."""
        assert seeds(scope="workspace", changed=("/lib/",)) == ["lib:build", "lib:check"]
        assert seeds(scope="workspace", changed=("/app/tests/deep/",)) == ["app:test"]
        assert seeds(scope="workspace", changed=("/lib/src", "/li/", "/README/")) == []
        files = {"/tool/": ids("tool:gen")}
        assert seeds(scope="workspace", changed=("/tool/",), config_files=files) == ["tool:gen"]

    def test_when_nobody_knows_what_has_changed_every_candidate_may_have(self):
        """EXEC-029."""
        result = planned(scope="none", unknown=True)
        assert list(map(str, result.seeds)) == EVERYTHING
        assert {reason.kind for reason in result.reasons.values()} == {"unknown"}
        assert seeds(bearing="lib", unknown=True) == ["lib:build", "lib:check", "lib:docs"]

    def test_dependents_are_found_through_tasks_that_are_no_candidates(self):
        result = planned("app:test", changed=("/lib/src/a",), with_dependents=True)
        assert result.seeds == ids("app:test")
        assert result.reasons[task_id("app:test")] == Reason("dependent", by=task_id("app:default"))
        assert seeds("app:test", changed=("/lib/src/a",)) == []

    def test_dependents_come_along_when_asked_for(self):
        """Spec 04 §6.4 and §14 A3."""
        result = planned(scope="workspace", changed=("/lib/src/a",), with_dependents=True)
        assert result.seeds == ids("app:default", "app:test", "lib:build", "lib:check")
        assert result.reasons[task_id("app:test")] == Reason("dependent", by=task_id("app:default"))
        assert seeds(bearing="lib", changed=("/lib/src/a",), with_dependents=True) == ["lib:build", "lib:check"]
