"""Tasks that do nothing, uncached, two at a time: what a task costs besides its own work, beside ninja."""

from __future__ import annotations

import argparse
import tempfile

from bench import tools, workspace
from bench.haz_runs import haz_run
from bench.pair import RUNS, Command, Run, show


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=RUNS)
    options = parser.parse_args()
    tasks = options.tasks

    def ran_all(done: Run) -> None:
        assert f"[{tasks}/{tasks}]".encode() in done.out, done.out[-200:]

    for kind, title in (("argv", "`command: [true]`"), ("shell", "`shell: true`, as ninja does it")):
        with tempfile.TemporaryDirectory(prefix="haz-bench-") as root:
            workspace.nothing(root, tasks, kind)
            words = ["--workspace", "--no-cache", "--jobs", "2"]
            haz = haz_run("haz", root, *words, spawned=tasks, completed=tasks, cached=0)
            ninja = Command("ninja", [tools.ninja(), "-j2"], "ninja -j2", root, ran_all)
            show(f"{tasks} tasks that do nothing: {title}", haz, ninja, options.runs)


if __name__ == "__main__":
    main()
