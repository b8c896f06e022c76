"""What haz costs before it does anything: `--version`, and a run of one task that is in the cache.

As elsewhere, files rest for two seconds before a run that shall find them unchanged: until then nothing is believed of
them, so that a run looks closer, which takes 9 ms.
"""

from __future__ import annotations

import argparse
import tempfile

from bench import tools, workspace
from bench.haz_runs import haz_run
from bench.pair import RUNS, Command, Run, run, show


def prints_a_version(done: Run) -> None:
    assert done.out.startswith(b"haz "), done.out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2 * RUNS)
    runs = parser.parse_args().runs
    bare = Command("python", [tools.PYTHON, "-I", "-c", "pass"], "python -I -c pass")
    version = Command("haz --version", [tools.HAZ, "--version"], "haz --version", check=prints_a_version)
    show("Start-up: print the version", version, bare, runs)
    with tempfile.TemporaryDirectory(prefix="haz-bench-") as root:
        workspace.generate(root, workspace.describe(projects=1, files=1))
        words = ["p00000:build"]
        run(haz_run("haz, first run", root, *words, spawned=1, completed=1, cached=0))
        cached = haz_run("haz run", root, *words, spawned=0, completed=1, cached=1)
        workspace.rest()
        run(cached)
        show("Start-up: one task, from the cache", cached, bare, runs)


if __name__ == "__main__":
    main()
