"""How load and graph grow, far beyond what people have: CPU seconds of workspaces with many tasks.

`.venv/bin/python -m bench.growth [TASKS ...]` (12500 25000 50000). Each task has three inputs and two outputs, five are
in a project. In `wide` a project waits for one or two lower ones, in `chain` every task for the one before it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from math import log

SIZES = (12_500, 25_000, 50_000)
PER_PROJECT = 5
TURNS = 3
MEASURE = """
import resource, sys, time
from haz import graph_build, workspace
from haz._core import PatternSet
started = time.process_time()
graph, problems = graph_build.build(workspace.load(sys.argv[1]), PatternSet)
used = time.process_time() - started
assert not problems and len(graph.specs) == int(sys.argv[2]), (problems[:1], len(graph.specs))
print(used, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def write(root: str, tasks: int, shape: str) -> None:
    """Write a workspace of `tasks` tasks, a multiple of five."""
    os.makedirs(f"{root}/.haz")
    with open(f"{root}/.haz/workspace.yml", "w", encoding="utf-8") as file:
        file.write('projects: ["/projects/*"]\n')
    for number in range(tasks // PER_PROJECT):
        if shape == "chain":
            lower = [number - 1] if number else []
        else:
            lower = sorted({one for one in (number // 2, number // 3) if one < number})
        lines = [f"name: p{number:05}", f"tags: [g{number % 50}]", "tasks:"]
        for task in range(PER_PROJECT):
            needs = [f"'~:t{task - 1}'"] if task else [f"'p{one:05}:t{PER_PROJECT - 1}'" for one in lower]
            lines += [
                f"  t{task}:",
                f"    command: [make, t{task}]",
                f"    inputs: ['src/t{task}/**/*.c', 'include/*.h', Makefile]",
                f"    outputs: ['out/t{task}/**', out/t{task}.stamp]",
                f"    deps: [{', '.join(needs)}]",
            ]
        os.makedirs(f"{root}/projects/p{number:05}")
        with open(f"{root}/projects/p{number:05}/haz.yml", "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")


def main() -> None:
    sizes = [int(word) for word in sys.argv[1:]] or SIZES
    for shape in ("wide", "chain"):
        before: tuple[int, float] | None = None
        for tasks in sizes:
            with tempfile.TemporaryDirectory() as root:
                write(root, tasks, shape)
                command = [sys.executable, "-c", MEASURE, root, str(tasks)]
                turns = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(TURNS)]
                seconds, memory = min(
                    (float(used), int(most)) for used, most in (turn.stdout.split() for turn in turns)
                )
            exponent = "" if before is None else f", n^{log(seconds / before[1]) / log(tasks / before[0]):.2f}"
            sys.stdout.write(f"{shape}: {tasks} tasks, {seconds:.2f} s of CPU, {memory} MiB{exponent}\n")
            before = tasks, seconds


if __name__ == "__main__":
    main()
