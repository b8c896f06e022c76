"""`./dev peers`: haz beside ninja, Turborepo, Nx, moon and go-task, and git; prints a table of ratios.

What is measured is added to a file, from which table and picture are rendered; so a long measurement can be taken in
parts. Without `--root`, the workspaces are removed at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile

from bench import pair, tools
from bench.peers import install, measure, picture, results
from bench.peers import variants as v
from bench.peers.trees import Trees, describe, low_level, out_of_date

COMMITTED = os.path.join(install.HERE, "results.json")
PICTURE = os.path.join(os.path.dirname(tools.HERE), "docs", "bench.svg")


def panels(workspace: dict[str, int]) -> dict[str, str]:
    """Return the titles of what the README shows."""
    tasks, files = workspace["projects"] * 3, workspace["projects"] * workspace["files"]
    return {
        v.NOTHING: f"Nothing to do: {tasks:,} tasks of {workspace['projects']:,} projects, {files:,} files",
        v.START: "Start-up: print the version",
    }


def columns(programs: install.Programs) -> dict[str, tuple[str, ...]]:
    return {one.name: one.cannot for one in v.variants(programs, 0, 1)}


def render(found: results.Results) -> str:
    """Return what RESULTS.md holds: the table, what was measured, and how."""
    # No program is run, so that rendering needs none.
    names = columns(install.Programs(*install.Programs._fields))
    workspace = found.data["workspace"]
    versions = ", ".join(f"{name} {version}" for name, version in sorted(found.data["versions"].items()))
    days = sorted({one["date"] for row in found.data["scenarios"].values() for one in row.values()})
    loads = [one["load"] for row in found.data["scenarios"].values() for one in row.values()]
    size = (
        f"{workspace['projects']} projects of 3 tasks and {workspace['files']} files of 1 to 8 KiB, each built on "
        f"{workspace['fan_in']} others; {workspace['jobs']} tasks at a time. A changed file makes {workspace['file']} "
        f"tasks run, a changed low-level project {workspace['project']}."
    )
    when = " to ".join(dict.fromkeys((days[0], days[-1])))
    where = f"{when}, {found.data['machine']}; load {min(loads):.1f} to {max(loads):.1f}. {versions}."
    return "\n".join([size, where, "", results.table(found, names), results.commands(found)])


def version_of(one: v.Variant) -> str:
    words = one.commands.get(v.START, [one.commands[v.NOTHING][0], "--version"])
    env = {**os.environ, "NX_DAEMON": "false"}
    text = subprocess.run(words, check=True, capture_output=True, text=True, env=env).stdout
    found = re.search(r"\d+\.\d+\.\d+", text)
    if found is None:
        raise ValueError(f"{' '.join(words)} prints no version: {text}")
    return found[0]


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev peers", description=__doc__)
    parser.add_argument("--projects", type=int, default=500, help="default: 500; 100 is quick")
    parser.add_argument("--files", type=int, default=25, help="source files of each project")
    parser.add_argument("--fan-in", type=int, default=3, help="projects that each project builds on")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="tasks at a time")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--warm-up", type=int, default=1, help="unmeasured runs before, default: 1")
    parser.add_argument("--scenario", action="append", choices=v.SCENARIOS, help="default: all; may be repeated")
    parser.add_argument("--only", action="append", metavar="TOOL", help="beside haz; default: all; may be repeated")
    parser.add_argument("--root", help="where the workspaces are written, and found again")
    parser.add_argument("--json", help="where results are added; default: bench/.tools/peers-PROJECTS.json")
    parser.add_argument("--render", action="store_true", help="measure nothing: print what --json holds")
    parser.add_argument("--picture", action="store_true", help="draw docs/bench.svg from bench/peers/results.json")
    options = parser.parse_args()
    if options.picture:
        found = results.Results(COMMITTED)
        with open(PICTURE, "w", encoding="utf-8") as file:
            file.write(picture.picture(found, panels(found.data["workspace"])))
        return
    os.makedirs(tools.TOOLS, exist_ok=True)
    path = options.json or os.path.join(tools.TOOLS, f"peers-{options.projects}.json")
    if options.render:
        print(render(results.Results(path)))
        return
    with contextlib.ExitStack() as stack:
        root = options.root or stack.enter_context(tempfile.TemporaryDirectory(prefix="haz-peers-"))
        print(render(run(options, root, path)))


def run(options: argparse.Namespace, root: str, path: str) -> results.Results:
    """Measure what the options ask for, and save it after each scenario."""
    programs = install.programs()
    projects = describe(options.projects, options.files, options.fan_in)
    found = results.Results(
        path,
        {
            "projects": options.projects,
            "files": options.files,
            "fan_in": options.fan_in,
            "jobs": options.jobs,
            "file": len(out_of_date(projects, projects[-1].name)),
            "project": len(out_of_date(projects, low_level(projects))),
        },
    )
    trees = Trees(root, projects)
    every = v.variants(programs, len(trees.tasks), options.jobs)
    unknown = set(options.only or ()).difference(one.name for one in every)
    if unknown:
        sys.exit(f"bench: no such tool: {', '.join(sorted(unknown))}; there are {', '.join(one.name for one in every)}")
    chosen = [one for one in every if one.name == "haz" or not options.only or one.name in options.only]
    trees.write({one.tree for one in chosen}, install.npm_version(), install.MODULES)
    versions = {one.name.split(",")[0].split()[0]: version_of(one) for one in chosen}
    try:
        for one in chosen:
            measure.rule_daemon(trees, one, on=True)
        for scenario in options.scenario or v.SCENARIOS:
            print(f"bench: {scenario}", file=sys.stderr, flush=True)
            load = os.getloadavg()[0]
            found.add(scenario, measure.measure(trees, scenario, chosen, options.runs, options.warm_up), versions, load)
            found.save()
    finally:
        for one in chosen:
            measure.rule_daemon(trees, one, on=False)
    return found


if __name__ == "__main__":
    # So that daemons are stopped whoever ends the bench.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        main()
    except pair.BenchError as error:
        sys.exit(f"bench: {error}")
