"""Where the time of a run with nothing to do goes, step by step, by the functions that `haz run` is made of."""

from __future__ import annotations

import argparse
import gc
import os
import subprocess
import tempfile
import time
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from bench import pair, tools, workspace
from haz import graph_build
from haz import workspace as haz_workspace
from haz._core import PatternSet
from haz.app import Loaded, RunOptions, execute, output_observer
from haz.events import RunObserver
from haz.plan import Request, plan

if TYPE_CHECKING:
    from haz.model import CompletedRecord, TaskId
    from haz.outcome import RunGraphOutcome


class Moment(NamedTuple):
    """Seconds: wall clock, CPU of all threads, and CPU of the main thread, in which Python runs."""

    wall: float
    process: float
    main: float


class Steps(RunObserver):
    """Notes when each step ended; sees into a run as its observer."""

    def __init__(self) -> None:
        self.ends = {"": self._now()}
        self._running = False

    def _now(self) -> Moment:
        return Moment(time.perf_counter(), time.process_time(), time.thread_time())

    def end(self, step: str) -> None:
        self.ends[step] = self._now()

    def on_run_started(self, tasks: int) -> None:  # noqa: ARG002
        self.end("run: patterns, schedule, adapters")
        self._running = True

    def on_task_finished(self, task: TaskId, record: CompletedRecord, duration: float) -> None:  # noqa: ARG002
        if self._running:
            self._running = False
            self.end("run: until the first task is done")

    def on_run_finished(self, outcome: RunGraphOutcome, duration: float) -> None:  # noqa: ARG002
        self.end("run: all other tasks")

    def costs(self) -> dict[str, Moment]:
        ends = list(self.ends.items())
        pairs = pairwise(ends)
        return {
            step: Moment(*(b - a for a, b in zip(before, after, strict=True))) for (_, before), (step, after) in pairs
        }


def no_op(root: str) -> dict[str, Moment]:
    """Do what `haz run --workspace` does, in this process; returns the cost of each step."""
    steps = Steps()
    loaded = haz_workspace.load(root)
    steps.end("load")
    graph, problems = graph_build.build(loaded, PatternSet)
    assert problems == ()
    steps.end("graph")
    here = haz_workspace.bearing(loaded, root)
    steps.end("which project is here")
    seen = Loaded(loaded, graph, here)
    planned = plan(loaded, graph, Request((), "workspace", here), PatternSet)
    steps.end("plan")
    null = os.open(os.devnull, os.O_WRONLY)

    def write(data: bytes) -> None:
        os.write(null, data)

    shown = output_observer("live", colour=False, out=write, err=write)
    report = execute(seen, planned.tasks, RunOptions(jobs=2), [shown, steps], print)
    os.close(null)
    steps.end("summary")
    assert report.spawned == 0, f"{report.spawned} tasks ran"
    assert report.outcome.counts().cached == len(graph.nodes)
    return steps.costs()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--projects", type=int, default=200)
    parser.add_argument("--files", type=int, default=10, help="source files of each project")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--no-gc", action="store_true", help="without Python's collector of reference cycles")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="haz-bench-") as root:
        workspace.generate(root, workspace.describe(options.projects, options.files))
        command = [tools.HAZ, "run", "--workspace"]
        subprocess.run(command, cwd=root, env=pair.environment(), check=True, capture_output=True)
        no_op(root)
        runs = []
        for _ in range(options.runs):
            gc.collect()
            if options.no_gc:
                gc.disable()
            runs.append(no_op(root))
            gc.enable()
    load = os.getloadavg()[0]
    print(
        f"**{options.projects * 3} tasks, {options.projects * options.files} files**, median of {options.runs}", end=""
    )
    print(f"{', no collector' if options.no_gc else ''}; load {load:.1f}\n")
    print("| step | wall ms | CPU ms, all threads | CPU ms, main thread |\n| --- | --- | --- | --- |")
    for step in runs[0]:
        middle = [median(run[step][number] for run in runs) * 1000 for number in range(3)]
        print(f"| {step} | {' | '.join(f'{value:.1f}' for value in middle)} |")
    sums = [median(sum(one[number] for one in run.values()) for run in runs) * 1000 for number in range(3)]
    print(f"| **all** | {' | '.join(f'{value:.1f}' for value in sums)} |\n")


if __name__ == "__main__":
    main()
