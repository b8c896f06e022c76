"""`haz run --dry-run`: what would run (EXEC-030), and with `--explain` what the cache has for it."""

from __future__ import annotations

import json

import pytest

from haz.cli.dry_run import plan_text
from haz.forecast import Prediction
from haz.model import TaskId
from tests.space import Space


@pytest.fixture
def chain(space: Space) -> Space:
    space.project(
        "app",
        """
        bundle: {shell: "wc -c < ../lib/out > n", deps: ["lib:build"], inputs: [/lib/out], outputs: [n]}
        lint: {command: ["true"], weakDeps: ["~:bundle"], inputs: ["*"]}
        """,
    )
    space.project("lib", 'build: {shell: "cat src/* > out; echo built", inputs: ["src/**"], outputs: [out]}')
    space.write("lib/src/a", "a")
    return space


def explained(space: Space, *words: str) -> dict[str, tuple[str, str]]:
    out = space.run("--dry-run", "--explain", "--format", "json", *(words or ("--workspace",))).ok().out
    return {row["task"]: (row["cache"]["kind"], row["cache"]["reason"]) for row in json.loads(out)["tasks"]}


def test_a_dry_run_lists_the_tasks_in_canonical_order_and_touches_nothing(chain: Space) -> None:
    """EXEC-030."""
    before = chain.files()
    assert chain.run("--dry-run", "app:bundle").ok().out == "would run 2 tasks:\n  - app:bundle\n  - lib:build\n"
    assert chain.run("--dry-run", "lib:build").ok().out == "would run 1 task:\n  - lib:build\n"
    assert chain.files() == before
    assert not (chain.root / ".haz/cache").exists()


def test_nothing_to_run_is_said(space: Space) -> None:
    """EXEC-030."""
    space.project("lib", "t: {command: [echo]}")
    space.write("none/haz.yml", "name: none\ntasks: {}\n")
    space.write(".haz/workspace.yml", "projects: [/none]\n")
    assert space.run("--dry-run", "--workspace").ok().out == "would run 0 tasks.\n"


def test_why_each_task_is_in_the_plan_is_in_the_json(chain: Space) -> None:
    rows = json.loads(chain.run("--dry-run", "--format", "json", "app:bundle").ok().out)
    assert rows == {
        "version": 1,
        "excluded": [],
        "tasks": [
            {"task": "app:bundle", "because": {"kind": "requested"}},
            {"task": "lib:build", "because": {"kind": "needed", "by": "app:bundle"}},
        ],
    }


def test_what_comes_after_a_miss_is_unknown_until_that_has_run(chain: Space) -> None:
    found = explained(chain)
    assert found["lib:build"] == ("miss", "no entry")
    assert found["app:bundle"] == ("unknown", "its key holds what lib:build prints, which has to run first")
    assert found["app:lint"] == ("unknown", "it reads what app:bundle writes, which has to run first")


def test_everything_is_a_hit_after_a_run_and_a_change_is_named(chain: Space) -> None:
    chain.run("--workspace").ok()
    before = chain.files()
    assert {kind for kind, _ in explained(chain).values()} == {"hit"}
    assert chain.files() == before
    chain.write("lib/src/a", "b")
    chain.write("lib/src/new", "b")
    assert explained(chain)["lib:build"] == ("miss", "input /lib/src/a changed (and 1 more)")
    text = chain.run("--dry-run", "--explain", "lib:build").ok().out
    assert text == "would run 1 task:\n  - lib:build: miss, input /lib/src/a changed (and 1 more)\n1 miss\n"


def test_what_a_hit_would_restore_counts_as_restored(chain: Space) -> None:
    """In a clean checkout with a full cache nothing has to run, and the dry run says so."""
    chain.run("--workspace").ok()
    (chain.root / "lib/out").unlink()
    (chain.root / "app/n").write_text("damaged")
    assert {kind for kind, _ in explained(chain).values()} == {"hit"}
    again = chain.run("--workspace").ok()
    assert again.spawned == 0


def test_what_the_command_line_says_about_the_cache_and_the_key_counts(chain: Space) -> None:
    chain.run("--workspace").ok()
    assert explained(chain, "--force", "lib:build")["lib:build"] == ("miss", "the cache is not asked")
    assert explained(chain, "lib:build", "--", "x")["lib:build"] == ("miss", "arguments [] -> ['x'] changed")


def test_a_task_that_is_never_cached_says_so(space: Space) -> None:
    space.project(
        "lib",
        """
        t: {command: [echo], cache: false}
        serve: {command: [sleep, "9"], persistent: true}
        bad: {command: [echo], inputs: [missing]}
        """,
    )
    found = explained(space)
    assert found["lib:t"] == ("miss", "`cache: false`")
    assert found["lib:serve"] == ("miss", "it goes on until the run ends")
    assert found["lib:bad"][0] == "error"
    assert "/lib/missing" in found["lib:bad"][1]


def test_what_a_server_prints_is_in_no_key_so_that_those_behind_it_are_told(space: Space) -> None:
    space.project(
        "lib",
        """
        serve: {persistent: true, shell: 'echo up; while :; do sleep 0.02; done'}
        test: {deps: ["~:serve"], shell: 'echo tested'}
        """,
    )
    space.run("lib:test").ok()
    told = space.haz("run", "lib:test", "--dry-run", "--explain").ok().out
    assert "  - lib:test: hit\n" in told


@pytest.mark.parametrize(
    ("kinds", "line"),
    [
        ("hit", "1 hit"),
        ("miss hit miss unknown unknown error", "1 hit, 2 misses, 2 unknown, 1 error"),
        ("error hit hit error unknown miss", "2 hits, 1 miss, 1 unknown, 2 errors"),
    ],
)
def test_the_last_line_counts_each_kind_as_one_says_it(kinds: str, line: str) -> None:
    tasks = [TaskId("p", str(number)) for number in range(len(kinds.split()))]
    found = {task: Prediction(task, kind) for task, kind in zip(tasks, kinds.split(), strict=True)}
    assert plan_text(found, found).splitlines()[-1] == line
