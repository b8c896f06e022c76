"""Retries and timeouts through the real command, and the history that remembers them (spec 03 §13)."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from haz.history import log
from haz.model import TaskId
from tests.space import HAZ, Space, living

# Fails until it has been started three times.
FLAKY = "it: {shell: 'echo x >> tries; echo try $(wc -l < tries); test $(wc -l < tries) -ge 3', retries: {max: 3, delay: 1ms, cache: true}}"


def logs(space: Space) -> list[Path]:
    """Logs of the workspace, newest first."""
    return sorted((space.root / ".haz/runs").glob("*.jsonl"), reverse=True)


def show(space: Space, run: str = "latest") -> dict[str, object]:
    shown: dict[str, object] = json.loads(space.haz("runs", "show", run, "--format", "json").ok().out)
    return shown


def test_a_task_that_fails_twice_passes_on_its_third_attempt_and_is_named_flaky(space: Space) -> None:
    """03 §13.5, §13.6, §13.7."""
    space.project("lib", f"{FLAKY}\nuse: {{command: [echo, used], deps: ['~:it']}}")
    done = space.run("lib:use").ok()
    assert done.out == "[lib:it] try 1\n[lib:it] try 2\n[lib:it] try 3\n[lib:use] used\n"
    assert "[lib:it] ↻ attempt 1 of 4 failed in" in done.err
    assert "(attempt 3 of 4)\n" in done.err
    assert "Tasks: 2 completed, 1 flaky\n" in done.err
    assert done.err.endswith("\nflaky: lib:it passed on attempt 3 of 4\n")

    told = done.report["tasks"]["lib:it"]
    assert [run["phase"] for run in told["attempts"]] == ["failed", "failed", "succeeded"]
    assert told["miss"] == "no entry"
    assert len(told["key"]) == 64
    assert told["duration"] >= 0

    shown = show(space)
    assert (shown["state"], shown["exitCode"], shown["counts"]["flaky"]) == ("finished", 0, 1)
    assert {**shown["tasks"]["lib:it"], "outputs": 0} == told

    # Stored under the key of the attempt that passed: the next run starts nothing, and replays that attempt only.
    again = space.run("lib:use").ok()
    assert again.spawned == 0
    assert again.out == "[lib:it] try 3\n[lib:use] used\n"
    assert "flaky" not in again.err
    assert show(space)["tasks"]["lib:it"] == {
        "outcome": "succeeded",
        "source": "hit",
        "key": told["key"],
        "duration": again.report["tasks"]["lib:it"]["duration"],
        "attempts": [],
    }


def test_a_group_that_ignores_term_is_gone_after_its_timeout(space: Space) -> None:
    """03 §13.5 rules 2 and 3; D13."""
    marker = f"HAZ_TEST_{space.root.name}"
    script = "trap '' TERM; sleep 600 & echo up; wait; wait; sleep 600"
    space.project("lib", f"t: {{shell: {json.dumps(script)}, timeout: 1s, env: {{override: {{{marker}: '1'}}}}}}")
    space.settings("execution: {cancel_grace: 50ms}\n")
    done = space.run("lib:t")
    assert done.code == 1
    assert done.out == "[lib:t] up\n"
    assert "[lib:t] ✗ timed out in" in done.err
    assert "(limit 1s)" in done.err
    assert living(marker) == []
    (attempt,) = done.report["tasks"]["lib:t"]["attempts"]
    assert (attempt["phase"], attempt["error"]) == ("timeout", "timed out after 1s")
    assert "[lib:t] ✗ failed" in space.haz("runs", "show").ok().out


def test_a_timeout_is_retried_and_exhausted(space: Space) -> None:
    """03 §13.4."""
    space.project("lib", "t: {command: [sleep, '600'], timeout: 50ms, retries: {max: 1, delay: 0}}")
    done = space.run("lib:t")
    assert done.code == 1
    assert "[lib:t] ↻ attempt 1 of 2 timed out after" in done.err
    assert [run["phase"] for run in done.report["tasks"]["lib:t"]["attempts"]] == ["timeout", "exhausted"]


def test_the_command_line_sets_the_limit_of_one_run(space: Space) -> None:
    """03 §13.2: it wins over the task, and is not in the key."""
    space.project("lib", "long: {command: [sleep, '600']}\nquick: {command: [sleep, '0.3'], timeout: 10ms}")
    assert "(limit 0.05s)" in space.run("lib:long", "--timeout", "50ms").err
    assert space.run("lib:quick").code == 1
    assert space.run("lib:quick", "--timeout", "none").ok().ran == {"lib:quick"}
    assert space.run("lib:quick").ok().cached == {"lib:quick"}
    assert space.run("lib:quick", "--timeout=1h", "--retries=5").ok().cached == {"lib:quick"}


def test_the_command_line_sets_the_attempts_of_one_run(space: Space) -> None:
    """03 §13.2."""
    space.project("lib", f"{FLAKY}\nonce: {{shell: 'echo x >> n; test $(wc -l < n) -ge 2'}}")
    assert "attempt" not in space.run("lib:it", "--no-retries").err
    assert "retrying" not in space.run("lib:it", "--retries", "0").err
    assert space.run("lib:it").ok().ran == {"lib:it"}
    assert "flaky: lib:once passed on attempt 2 of 2" in space.run("lib:once", "--retries", "1").ok().err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--timeout", "soon"), "'soon' is no duration"),
        (("--timeout", "0"), "'0' is no duration: it must be more than zero"),
        (("--timeout", "nan"), "'nan' is no duration"),
        (("--timeout=-3s",), "'-3s' is no duration"),
        (("--retries", "many"), "'many' is not a whole number of 0 to 100"),
        (("--retries", "101"), "'101' is not a whole number of 0 to 100"),
        (("--retries", "2", "--no-retries"), "--retries and --no-retries are mutually exclusive"),
        (("--keep-going", "--fail-fast"), "--keep-going and --fail-fast are mutually exclusive"),
        (("--order", "random"), "unknown order 'random', expected canonical or critical-path"),
    ],
)
def test_a_wrong_value_is_refused_before_any_file_is_read(space: Space, words: tuple[str, ...], reason: str) -> None:
    done = space.haz("run", *words)
    assert done.code == 2
    assert done.err.startswith(f"Error: {'--' if reason.startswith('--') else ''}")
    assert reason in done.err


def test_keep_going_is_what_happens_anyway(space: Space) -> None:
    space.project("lib", "a: {command: ['false']}\nb: {command: [echo, ran]}")
    assert space.run("--all", "-j", "1", "--keep-going").ran == {"lib:b"}
    assert space.run("--all", "-j", "1", "--fail-fast", "--force").ran == set()


@pytest.mark.parametrize("where", ["flag", "workspace"])
def test_the_critical_path_comes_from_the_durations_of_earlier_runs(space: Space, where: str) -> None:
    space.project("lib", "\n".join(f"{name}: {{command: [echo, {name}]}}" for name in ("a", "b", "z")))
    known = {"a": 1.0, "b": 5.0, "z": 9.0}
    passed = {"outcome": "succeeded", "source": "fresh"}
    lines = [log.end_line(TaskId("lib", name), passed, seconds, None) for name, seconds in known.items()]
    space.write(".haz/runs/1-00000000.jsonl", b"".join(lines))
    words = ["--order", "critical-path"] if where == "flag" else []
    if where == "workspace":
        space.settings("concurrency: {order: critical-path}\n")
    assert space.run("--all", "-j", "1", *words).ok().out == "[lib:z] z\n[lib:b] b\n[lib:a] a\n"
    assert space.run("--all", "-j", "1", "--order", "canonical").ok().out == "[lib:a] a\n[lib:b] b\n[lib:z] z\n"


def test_a_log_has_the_lines_of_the_contract(space: Space) -> None:
    """03 §13.7."""
    space.project("lib", "ok: {command: ['true']}\nbad: {command: ['false']}\nnext: {command: [echo], deps: ['~:bad']}")
    space.run("--all", "-j", "1")
    (path,) = logs(space)
    assert log.id_of(path.name)
    first, *lines, last = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert first["argv"][0] == "run"
    assert "--all" in first["argv"]
    assert (first["version"], first["tasks"]) == (1, 3)
    assert [(line["task"], line.get("outcome")) for line in lines] == [
        ("lib:bad", None),
        ("lib:bad", "failed"),
        ("lib:next", "skipped"),
        ("lib:ok", None),
        ("lib:ok", "succeeded"),
    ]
    assert lines[0]["run"].keys() == {"attempt", "phase", "startedAt", "finishedAt", "error", "exitCode"}
    assert lines[2] == {"task": "lib:next", "outcome": "skipped", "cause": {"upstreamFailed": "lib:bad"}}
    assert lines[4]["source"] == "fresh"
    assert (last["exitCode"], last["misses"]) == (1, {"no entry": 2})
    assert last["counts"] == {"completed": 1, "cached": 0, "failed": 1, "skipped": 1, "cancelled": 0, "flaky": 0}


def test_a_dry_run_and_an_empty_one_leave_no_log(space: Space) -> None:
    """03 §13.7, EXEC-030."""
    space.write(".haz/workspace.yml", "projects: []\n")
    space.run("--all").ok()
    space.write(".haz/workspace.yml", "projects:\n")
    space.project("lib", "t: {command: [echo]}")
    space.run("--all", "--dry-run").ok()
    assert not (space.root / ".haz/runs").exists()
    assert space.haz("runs").ok().out == "no runs are recorded in this workspace.\n"
    assert json.loads(space.haz("runs", "--format", "json").ok().out) == {"version": 1, "runs": []}
    missing = space.haz("runs", "show")
    assert missing.code == 2
    assert missing.err.startswith("Error: no runs are recorded in this workspace\n  help: ")


def test_a_run_is_running_then_interrupted(space: Space) -> None:
    """03 §13.7: a crashed run leaves lines without outcome; what was running is lost."""
    space.project("lib", "a: {command: [echo, first]}\nb: {shell: 'echo up; sleep 600', deps: ['~:a']}")
    running = space.start("run", "lib:b")
    running.wait_for("up")
    listed = json.loads(space.haz("runs", "--format", "json").ok().out)["runs"]
    assert [(run["state"], run["size"]) for run in listed] == [("running", 2)]
    running.signal(signal.SIGKILL)
    running.end()
    assert "interrupted" in space.haz("runs").ok().out
    shown = space.haz("runs", "show").ok().out
    assert "exit: none, the run was interrupted; tasks that were under way are lost\n" in shown
    assert "without an end: 1\n" in shown
    assert "[lib:a] ✓ done in" in shown
    assert "[lib:b]" not in shown


def test_a_cancelled_run_says_by_which_signal(space: Space) -> None:
    space.project("lib", "a: {shell: 'echo up; exec sleep 600'}\nb: {command: [echo], deps: ['~:a']}")
    running = space.start("run", "lib:b")
    running.wait_for("up")
    running.signal(signal.SIGINT)
    assert running.end().code == 130
    shown = show(space)
    assert (shown["exitCode"], shown["signal"]) == (130, 2)
    assert shown["tasks"]["lib:a"]["cause"] == "signalledInFlight"
    assert [run["phase"] for run in shown["tasks"]["lib:a"]["attempts"]] == ["canceled"]
    assert shown["tasks"]["lib:b"]["cause"] == {"upstreamCancelled": "lib:a"}


def test_a_log_that_cannot_be_written_changes_no_exit_code(space: Space) -> None:
    """03 §13.7: best effort."""
    space.project("lib", "t: {command: [echo, ran]}")
    space.write(".haz/runs", "in the way")
    done = space.run("lib:t").ok()
    assert done.out == "[lib:t] ran\n"
    assert f"warning: this run is not recorded in {space.root}/.haz/runs: Not a directory\n" in done.err
    refused = space.haz("runs")
    assert refused.code == 2
    assert f"cannot list {space.root}/.haz/runs" in refused.err


def test_a_disk_that_fills_up_ends_the_log_and_not_the_run(space: Space) -> None:
    space.project("lib", "\n".join(f"t{number}: {{command: ['true'], cache: false}}" for number in range(12)))
    command = 'ulimit -f 2; exec "$@"'
    done = subprocess.run(
        ["bash", "-c", command, "sh", *HAZ, "run", "--all"], cwd=space.root, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(b"warning: this run is not recorded in") == 1
    assert b"12 completed" in done.stderr
    (run,) = json.loads(space.haz("runs", "--format", "json").ok().out)["runs"]
    assert run["state"] == "interrupted"
    assert 0 < run["counts"]["completed"] < 12


def test_the_history_of_a_workspace_that_no_longer_loads_can_be_read(space: Space) -> None:
    space.project("lib", "t: {command: [echo]}")
    space.run("lib:t").ok()
    space.write("lib/haz.yml", "name: [")
    assert "1 completed" in space.haz("runs", cwd="lib").ok().out
    assert "[lib:t] ✓ done" in space.haz("runs", "show").ok().out
    shutil.rmtree(space.root / ".haz")
    assert space.haz("runs").code == 2


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("bogus",), "'bogus' is no command of `haz runs`; there are show"),
        (("--format", "xml"), "unknown output format 'xml', expected plain or json"),
        (("show", "--format", "xml"), "unknown output format 'xml', expected plain or json"),
        (("--format", "json", "--format", "json"), "--format cannot be used multiple times"),
        (("--format", "json", "show"), "--format goes after the name of the subcommand"),
        (("--format",), "--format needs a value: --format FMT"),
        (("show", "zzzz"), "there is no run 'zzzz'\n  help: `haz runs` lists the ids"),
        (("show", "latest", "more"), "more"),
    ],
)
def test_a_wrong_question_is_refused_with_exit_2(space: Space, words: tuple[str, ...], reason: str) -> None:
    space.project("lib", "t: {command: [echo]}")
    space.write(".haz/runs/1-00000000.jsonl", log.first_line("0.1.0", 1, ["run"], 1))
    refused = space.haz("runs", *words)
    assert refused.code == 2
    assert refused.out == ""
    assert reason in refused.err
