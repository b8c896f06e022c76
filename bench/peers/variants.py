"""The tools in the forms in which they are measured, and the command of each for each scenario."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bench import tools

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.peers.install import Programs

START = "start-up"
NOTHING = "no-op"
RESTORED = "outputs deleted"
FILE = "one file changed"
PROJECT = "low-level project changed"
COLD = "cold"
CHECK = "check"
QUERY = "query"
PLAN = "dry run: plan"
FORECAST = "dry run: forecast"
# In the order of the table. Those of the first tuple ask for every task.
RUNS = (NOTHING, RESTORED, FILE, PROJECT, COLD)
SCENARIOS = (START, *RUNS, CHECK, QUERY, PLAN, FORECAST)

# No reports to anybody, no look for newer versions.
QUIET = {"DO_NOT_TRACK": "1", "TURBO_TELEMETRY_DISABLED": "1", "TURBO_NO_UPDATE_NOTIFIER": "1", "NX_NO_CLOUD": "true"}
NAMES = "{ packages { items { name tasks { items { name } } } } }"


class Variant(NamedTuple):
    """One column of the table.

    `commands` gives the words for each scenario that is measured, `cannot` the scenarios that the tool has nothing for.
    `says` is in what a run prints that takes all tasks from the cache, or finds them done. `kept` are patterns of what
    the tool keeps in its tree. `start` and `stop` rule a daemon.
    """

    name: str
    tree: str
    commands: Mapping[str, list[str]]
    cannot: tuple[str, ...]
    says: str
    kept: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    start: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()


def variants(programs: Programs, tasks: int, jobs: int) -> list[Variant]:
    """Return all variants, haz first: the others are compared with it."""
    haz = [tools.HAZ]
    turbo, launched_turbo = [programs.turbo], [programs.turbo_launcher]
    nx, moon, launched_moon, task = [programs.nx], [programs.moon], [programs.moon_launcher], [programs.task]
    turbo_runs = ["run", "build", "test", "lint", f"--concurrency={jobs}"]
    nx_runs = ["run-many", "-t", "build", "test", "lint", f"--parallel={jobs}"]
    moon_runs = ["run", ":build", ":test", ":lint", "--concurrency", str(jobs)]
    task_runs = ["-C", str(jobs)]

    nx_words = {
        START: [*nx, "--version"],
        **{key: [*nx, *nx_runs] for key in RUNS},
        QUERY: [*nx, "show", "projects", "--with-target", "build"],
        PLAN: [*nx, *nx_runs, "--graph=stdout"],
    }
    moon_words = {
        START: [*moon, "--version"],
        **{key: [*moon, *moon_runs] for key in RUNS},
        QUERY: [*moon, "query", "tasks"],
        PLAN: [*moon, "action-graph", ":build", ":test", ":lint", "--json"],
    }
    nx_says = f"for {tasks} out of {tasks} tasks"
    nx_kept, moon_kept = (".nx/*",), (".moon/cache",)
    nx_env = {"NX_TUI": "false", "NX_CACHE_DIRECTORY": ".nx/cache", "NX_WORKSPACE_DATA_DIRECTORY": ".nx/workspace-data"}
    all_cached = f"Tasks: {tasks} completed ({tasks} cached)"
    # A daemon holds open what an empty cache would take away; a version is printed without one.
    without_daemon = {COLD, START}

    return [
        Variant(
            "haz",
            "haz",
            {
                START: [*haz, "--version"],
                **{key: [*haz, "run", "--workspace", "--jobs", str(jobs)] for key in RUNS},
                CHECK: [*haz, "check"],
                QUERY: [*haz, "query", "--tasks", "build"],
                PLAN: [*haz, "run", "--workspace", "--dry-run"],
                FORECAST: [*haz, "run", "--workspace", "--dry-run", "--explain"],
            },
            cannot=(),
            says=all_cached,
            kept=(".haz/cache", ".haz/state", ".haz/runs", ".haz/locks"),
        ),
        Variant(
            "git status",
            "git",
            {NOTHING: ["git", "status", "--short"]},
            cannot=tuple(scenario for scenario in SCENARIOS if scenario not in (START, NOTHING)),
            says="",
        ),
        Variant(
            "ninja",
            "ninja",
            {
                START: [programs.ninja, "--version"],
                **{key: [programs.ninja, f"-j{jobs}"] for key in (NOTHING, FILE, PROJECT, COLD)},
                QUERY: [programs.ninja, "-t", "targets", "rule", "sh"],
                PLAN: [programs.ninja, "-t", "graph"],
                FORECAST: [programs.ninja, f"-j{jobs}", "-n"],
            },
            cannot=(RESTORED, CHECK),
            says="ninja: no work to do.",
            kept=(".ninja_log", ".ninja_deps"),
        ),
        Variant(
            "turbo",
            "turbo",
            {
                START: [*turbo, "--version"],
                **{key: [*turbo, *turbo_runs] for key in RUNS},
                QUERY: [*turbo, "query", NAMES],
                PLAN: [*turbo, *turbo_runs, "--graph"],
                FORECAST: [*turbo, *turbo_runs, "--dry=json"],
            },
            cannot=(CHECK,),
            says=f"{tasks} cached, {tasks} total",
            kept=(".turbo", "projects/*/.turbo"),
        ),
        Variant(
            "turbo, launcher",
            "turbo",
            {START: [*launched_turbo, "--version"], NOTHING: [*launched_turbo, *turbo_runs]},
            cannot=(CHECK,),
            says=f"{tasks} cached, {tasks} total",
        ),
        Variant(
            "nx",
            "nx",
            nx_words,
            cannot=(CHECK, FORECAST),
            says=nx_says,
            kept=nx_kept,
            # Plugins in processes of their own are for daemons: starting them doubles the time of a run without one.
            env={**nx_env, "NX_DAEMON": "false", "NX_ISOLATE_PLUGINS": "false"},
        ),
        Variant(
            "nx, daemon",
            "nx-daemon",
            {scenario: words for scenario, words in nx_words.items() if scenario not in without_daemon},
            cannot=(CHECK, FORECAST),
            says=nx_says,
            env={**nx_env, "NX_DAEMON": "true"},
            start=(*nx, "daemon", "--start"),
            stop=(*nx, "daemon", "--stop"),
        ),
        Variant(
            "moon",
            "moon",
            moon_words,
            cannot=(CHECK, FORECAST),
            says=all_cached,
            kept=moon_kept,
        ),
        Variant(
            "moon, launcher",
            "moon",
            {START: [*launched_moon, "--version"], NOTHING: [*launched_moon, *moon_runs]},
            cannot=(CHECK, FORECAST),
            says=all_cached,
        ),
        Variant(
            "moon, daemon",
            "moon-daemon",
            {scenario: words for scenario, words in moon_words.items() if scenario not in without_daemon},
            cannot=(CHECK, FORECAST),
            says=all_cached,
            start=(*moon, "daemon", "start"),
            stop=(*moon, "daemon", "stop"),
        ),
        Variant(
            "go-task",
            "task",
            {
                START: [*task, "--version"],
                **{key: [*task, *task_runs] for key in (NOTHING, FILE, PROJECT, COLD)},
                QUERY: [*task, "--list-all"],
                FORECAST: [*task, *task_runs, "-n"],
            },
            cannot=(RESTORED, CHECK, PLAN),
            says="is up to date",
            kept=(".task",),
        ),
    ]
