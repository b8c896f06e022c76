"""Words behind `--`, and how much haz says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.space import Space


@pytest.fixture
def tasks(space: Space) -> Space:
    space.project(
        "lib",
        """
        show: {command: [printf, "<%s>", "a"]}
        script: {shell: 'printf "<%s>" "$0" "$@"', deps: ["~:base"]}
        base: {command: [printf, "<%s>", "base"]}
        default: {command: [printf, "<%s>", "default"]}
        bad: {command: ["false"]}
        """,
    )
    return space


def test_the_words_behind_the_separator_go_to_the_named_tasks_only(tasks: Space) -> None:
    """D3: they are part of the key."""
    done = tasks.run("lib:show", "lib:script", "--", "--all", "x y", "--").ok()
    assert "[lib:show] <a><--all><x y><-->\n" in done.out
    assert "[lib:script] <sh><--all><x y><-->\n" in done.out
    assert "[lib:base] <base>\n" in done.out


def test_other_words_are_another_key(tasks: Space) -> None:
    """D3."""
    assert tasks.run("lib:show").ok().ran == {"lib:show"}
    assert tasks.run("lib:show", "--", "x").ok().ran == {"lib:show"}
    assert tasks.run("lib:show", "--", "x").ok().cached == {"lib:show"}
    assert tasks.run("lib:show", "--").ok().cached == {"lib:show"}
    assert tasks.run("lib:script", "--", "x").ok().ran == {"lib:script", "lib:base"}
    assert tasks.run("lib:script", "--", "y").ok().cached == {"lib:base"}


def test_without_a_task_before_it_the_separator_only_ends_the_options(tasks: Space) -> None:
    """04 §2.2."""
    assert tasks.run("--jobs", "1", "--", "lib:show").ok().ran == {"lib:show"}
    refused = tasks.haz("run", "--", "--all")
    assert refused.code == 2
    assert "invalid task reference `--all`" in refused.err


def test_quiet_says_nothing_of_what_goes_well(tasks: Space) -> None:
    for _ in range(2):
        done = tasks.run("lib:show", "--quiet").ok()
        assert (done.out, done.err) == ("[lib:show] <a>\n", "")
    failed = tasks.run("lib:show", "lib:bad", "-q")
    assert failed.code == 1
    assert "[lib:bad] ✗ failed" in failed.err
    assert "Tasks: 1 completed (1 cached), 1 failed" in failed.err
    assert "lib:show" not in failed.err


def test_verbose_tells_the_command_and_why_it_is_run(tasks: Space) -> None:
    done = tasks.run("lib:show", "--verbose", "--", "x y").ok()
    assert "[lib:show] ▸ printf '<%s>' a 'x y' (cache: no entry)\n" in done.err
    assert "▸" not in tasks.run("lib:show", "-v", "--", "x y").ok().err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--quiet", "--verbose", "--all"], "--quiet and --verbose are mutually exclusive"),
        (["--format", "xml", "--all"], "unknown output format 'xml', expected plain or json"),
        (["--all", "lib:show", "--", "x"], "`--all` cannot be combined with positional tasks"),
    ],
)
def test_wrong_combinations_are_refused(tasks: Space, words: list[str], reason: str) -> None:
    """04 §2.3."""
    refused = tasks.haz("run", *words)
    assert (refused.code, refused.out, refused.err) == (2, "", f"Error: {reason}\n")


def test_the_summary_as_json_has_stdout_for_itself(tasks: Space) -> None:
    """D14: the schema is the one of `--report`; what tasks print goes to stderr."""
    done = tasks.run("lib:show", "--format", "json").ok()
    assert json.loads(done.out) == done.report
    assert "[lib:show] <a>\n" in done.err


def test_what_the_shell_has_made_of_a_tilde_is_explained(tasks: Space) -> None:
    """04 §14 B5."""
    refused = tasks.haz("run", "/home/me:show", env={"HOME": "/home/me"})
    assert refused.code == 2
    assert "the shell has made this of `~:show`: put it into quotes" in refused.err


def test_a_bare_word_is_answered_with_the_tasks_of_that_name(tasks: Space) -> None:
    """04 §5.1, REF-006."""
    assert "did you mean '~:show'?" in tasks.haz("run", "show", cwd="lib").err
    assert "did you mean 'lib:show'?" in tasks.haz("run", "show").err
    assert "did you mean 'lib:show'?" in tasks.haz("run", "shwo").err
    assert "'lib' is a project: did you mean 'lib:" in tasks.haz("why", "lib").err
    assert "`haz list --workspace`" in tasks.haz("why", "nothing").err


def test_a_bare_word_where_there_is_no_workspace_is_taken_for_a_task_of_the_project_here(tmp_path: Path) -> None:
    """04 §5.1."""
    assert "did you mean '~:build'?" in Space(tmp_path).haz("run", "build").err


def test_the_root_of_the_workspace_can_be_given(tasks: Space) -> None:
    """04 §14 C1: nothing above it is looked at, as `-C` would."""
    nested = Space(tasks.root / "lib/nested")
    nested.project("inner", "t: {command: [echo, inner]}")
    assert "<a>" in nested.haz("--root", "../..", "run", "lib:show").ok().out
    assert nested.haz("--root", ".", "list", "--workspace").ok().out == "inner:t\n"
    assert nested.haz("--root=../..", "list", "-q").code == 2
    outer = tasks.haz("--root", "lib", "list")
    assert (outer.code, outer.out) == (2, "")
    assert f"--root: {tasks.root}/lib is not the top of a workspace, but lies in that of {tasks.root}\n" in outer.err
    assert "discovery failed" in tasks.haz("--root=/", "list").err
    (tasks.root.parent / "link").symlink_to(tasks.root)
    assert tasks.haz("--root", str(tasks.root.parent / "link"), "list", "lib:bad").ok().out == "lib:bad\n"


def test_the_root_of_an_implicit_workspace_can_be_given(space: Space) -> None:
    """DISC-003."""
    space.write("haz.yml", "name: one\ntasks: {t: {command: [echo]}}\n")
    (space.root / ".git").mkdir()
    (space.root / "below").mkdir()
    assert space.haz("--root", "..", "list", cwd="below").ok().out == "one:t\n"
    assert "is not the top of a workspace" in space.haz("--root", ".", "list", cwd="below").err
