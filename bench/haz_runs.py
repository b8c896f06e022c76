"""`haz run` as one of the two commands of a pair, with a check of what it really did."""

from __future__ import annotations

import json
import os

from bench import tools
from bench.pair import Command, Run

REPORT = ".haz/report.json"


def haz_run(name: str, root: str, *words: str, spawned: int, completed: int, cached: int) -> Command:
    """Run `haz run WORDS` in `root`; it must start and complete exactly as many tasks as said, by its own report."""
    wanted = {"spawned": spawned, "completed": completed, "cached": cached}

    def check(_run: Run) -> None:
        with open(os.path.join(root, REPORT), "rb") as file:
            report = json.load(file)
        did = {"spawned": report["spawned"], **{key: report["counts"][key] for key in ("completed", "cached")}}
        assert did == wanted, f"it did {did} instead of {wanted}"

    def forget() -> None:
        if os.path.exists(os.path.join(root, REPORT)):
            os.unlink(os.path.join(root, REPORT))

    argv = [tools.HAZ, "run", *words, "--report", REPORT]
    return Command(name, argv, " ".join(["haz", *argv[1:]]), root, check, forget)
