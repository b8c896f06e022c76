"""Nothing has changed: `haz run --workspace` beside ninja's null build of the same graph over the same files."""

from __future__ import annotations

import argparse
import tempfile

from bench import tools, workspace
from bench.haz_runs import haz_run
from bench.pair import RUNS, Command, Run, run, show


def ninja_command(root: str, name: str, says: bytes) -> Command:
    def check(done: Run) -> None:
        assert says in done.out, done.out[-200:]

    return Command(name, [tools.ninja(), "-j2"], "ninja -j2", root, check)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--projects", type=int, default=200)
    parser.add_argument("--files", type=int, default=10, help="source files of each project")
    parser.add_argument("--fan-in", type=int, default=3, help="projects that each project builds on")
    parser.add_argument("--runs", type=int, default=RUNS)
    options = parser.parse_args()
    projects = workspace.describe(options.projects, options.files, fan_in=options.fan_in)
    tasks = sum(len(project.tasks) for project in projects)
    with tempfile.TemporaryDirectory(prefix="haz-bench-") as root:
        workspace.generate(root, projects)
        words = ["--workspace", "--jobs", "2"]
        # Ninja must find its own outputs, and haz those it stored: each builds everything once, ninja last.
        run(haz_run("haz, first run", root, *words, spawned=tasks, completed=tasks, cached=0))
        run(ninja_command(root, "ninja, first run", f"[{tasks}/{tasks}]".encode()))
        haz = haz_run("haz", root, *words, spawned=0, completed=tasks, cached=tasks)
        ninja = ninja_command(root, "ninja", b"no work to do")
        title = f"Nothing to do: {options.projects} projects, {tasks} tasks, {options.projects * options.files} files"
        show(title, haz, ninja, options.runs)


if __name__ == "__main__":
    main()
