"""Tasks that do nothing, two at a time: what a task costs besides its own work, beside ninja."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile

from bench import tools, workspace
from bench.haz_runs import haz_run
from bench.pair import RUNS, Command, Run, show

KINDS = (
    ("argv", "`command: [true]`", ["--no-cache"]),
    ("shell", "`shell: true`, as ninja does it", ["--no-cache"]),
    ("distinct", "`command: [true]` with a variable of its own, each result stored in an empty cache", []),
)


# Start and wait, two at a time, and nothing else: no output is taken, no group is made, nothing is written down.
FLOOR = """
import os
for n in range({tasks}):
    if n > 1:
        os.wait()
    os.posix_spawn("{true}", ["true"], {{}})
"""


def without_cache(haz: Command, root: str) -> Command:
    """Put aside what the run before has stored, untimed.

    It is not removed: ext4 looks for a new inode among thousands that were just freed, and does not take one of them
    for some seconds. That took longer than the tasks.
    """

    def forget() -> None:
        haz.prepare()
        cache = os.path.join(root, ".haz", "cache")
        if os.path.exists(cache):
            os.rename(cache, tempfile.mkdtemp(prefix="old-", dir=root))

    return haz._replace(prepare=forget)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=RUNS)
    options = parser.parse_args()
    tasks = options.tasks

    def ran_all(done: Run) -> None:
        assert f"[{tasks}/{tasks}]".encode() in done.out, done.out[-200:]

    for kind, title, words in KINDS:
        with tempfile.TemporaryDirectory(prefix="haz-bench-") as root:
            workspace.nothing(root, tasks, kind)
            haz = haz_run("haz", root, "--workspace", "--jobs", "2", *words, spawned=tasks, completed=tasks, cached=0)
            if kind == "distinct":
                haz = without_cache(haz, root)
            ninja = Command("ninja", [tools.ninja(), "-j2"], "ninja -j2", root, ran_all)
            show(f"{tasks} tasks that do nothing: {title}", haz, ninja, options.runs)
            if kind == "argv":
                code = FLOOR.format(tasks=tasks, true=shutil.which("true"))
                floor = Command("floor", [tools.PYTHON, "-I", "-c", code], "os.posix_spawn, os.wait", root)
                show(f"{tasks} tasks that do nothing: the least that it can take", floor, ninja, options.runs)


if __name__ == "__main__":
    main()
