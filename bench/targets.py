"""What haz sets itself at 2,000 projects: one row for each, beside the tool that the target names.

    .venv/bin/python -m bench.targets [ROW …] [--projects 2000] [--runs 7]

Every run says what it did, and is refused if that is not what the row is about. Files rest for two seconds before a
run that shall find them unchanged: the state that a workspace is in when somebody comes back to it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from statistics import median
from typing import TYPE_CHECKING

from bench import tools, workspace
from bench.pair import Command, Run, run, show

if TYPE_CHECKING:
    from collections.abc import Callable

ALL = ["run", "--workspace", "--jobs", "2"]
OUTPUT = 4096


class Place:
    """A generated workspace in a git repository, in which everything has run and has been seen to be up to date."""

    def __init__(self, root: str, projects: int, files: int, *, directories: int = 4) -> None:
        self.root = root
        self.tasks = 3 * projects
        described = workspace.describe(projects, files, directories)
        for project in described:
            project.tasks[:] = [
                task._replace(script=f"mkdir -p out && cat src/*/*.txt | head -c {OUTPUT} > {task.output}")
                for task in project.tasks
            ]
        workspace.generate(root, described)
        with open(f"{root}/.gitignore", "w", encoding="utf-8") as ignored:
            ignored.write("/.haz/*\n!/.haz/workspace.yml\n.ninja_*\n")
        run(self.haz("first run", cached=0))
        # Ninja must find its own outputs.
        subprocess.run([tools.ninja(), "-C", root, "-j2", "--quiet"], check=True)
        # What has just been written proves nothing yet.
        workspace.rest()
        run(self.haz("second run"))
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "All"]):
            who = ["-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "gc.auto=0"]
            subprocess.run(["git", *who, *words], cwd=root, check=True)
        workspace.rest()

    def haz(self, name: str, cached: int | None = None, prepare: Callable[[], None] | None = None) -> Command:
        """Run everything, of which so many tasks must come from the cache: all, if nothing is said."""
        wanted = f"Tasks: {self.tasks} completed"
        hits = self.tasks if cached is None else cached
        wanted += f" ({hits} cached)\n" if hits else "\n"

        def check(done: Run) -> None:
            assert wanted in (done.out + done.err).decode(), (done.out + done.err)[-300:]

        return Command(name, [tools.HAZ, *ALL], " ".join(("haz", *ALL)), self.root, check, prepare or (lambda: None))

    def says(self, text: str, *words: str) -> Command:
        """Run another command of haz, which must say this."""

        def check(done: Run) -> None:
            assert text in done.out.decode(), done.out[-300:]

        return Command(f"haz {words[0]}", [tools.HAZ, *words], " ".join(("haz", *words)), self.root, check)

    def git(self) -> Command:
        def check(done: Run) -> None:
            assert b"nothing to commit" in done.out, done.out[-300:]

        return Command("git status", ["git", "status"], "git status", self.root, check)

    def ninja(self) -> Command:
        def check(done: Run) -> None:
            assert b"no work to do" in done.out, done.out[-300:]

        return Command("ninja", [tools.ninja(), "-j2"], "ninja -j2", self.root, check)

    def outputs(self) -> list[str]:
        return [f"projects/{name}/out" for name in sorted(os.listdir(f"{self.root}/projects"))]


def python() -> Command:
    return Command("python", [sys.executable, "-I", "-c", "pass"], "python -I -c pass")


def nothing(place: Place, runs: int) -> None:
    """The same tree, nothing to do."""
    title = f"Nothing to do, {place.tasks} tasks, {folders(place)} folders a project"
    show(title, place.haz("haz"), place.git(), runs)
    show(title, place.haz("haz"), place.ninja(), runs)


def folders(place: Place) -> int:
    return sum(1 for _ in os.walk(f"{place.root}/projects/{workspace.name_of(0)}"))


def questions(place: Place, runs: int) -> None:
    """Commands that look at the whole workspace and run nothing; each is answered once before it counts."""
    for command in (
        place.says(f"{place.tasks} task(s) validated", "check"),
        place.says("p00001:build", "query"),
        place.says("p00001:build", "list"),
        place.says("p00001:build", "run", "--workspace", "--dry-run"),
        place.says("haz ", "--version"),
    ):
        show(f"{command.shown}, {place.tasks} tasks", command, python(), runs)


def unknown(place: Place, runs: int) -> None:
    """No snapshot of the configuration: every file is read."""

    def forget() -> None:
        if os.path.exists(f"{place.root}/.haz/state/workspace-v1"):
            os.unlink(f"{place.root}/.haz/state/workspace-v1")

    command = place.says("p00001:build", "list")._replace(prepare=forget)
    show(f"First load, {place.tasks} tasks", command, python(), runs)
    run(place.haz("haz"))


def leaf(place: Place, runs: int) -> None:
    """One source file of a project on which none builds."""
    number = iter(range(1, 10**6))
    source = f"{place.root}/projects/{workspace.name_of(place.tasks // 3 - 1)}/src/d0/f000.txt"

    def edit() -> None:
        workspace.rest()
        with open(source, "a", encoding="utf-8") as file:
            file.write(f"{next(number)} {os.getpid()}\n")

    def settle() -> None:
        workspace.rest()
        run(place.haz("haz"))

    changed = place.haz("one file changed", cached=place.tasks - 3, prepare=edit)
    pair = show("One leaf file changed", changed, place.haz("no-op", prepare=settle), runs)
    walls = [median(one.wall * 1000 for one in some) for some in (pair.runs_a, pair.runs_b)]
    print(f"One leaf file changed: {walls[0] - walls[1]:.0f} ms more than a no-op, its three tasks included\n")
    subprocess.run(["git", "checkout", "-q", "."], cwd=place.root, check=True)


def deleted(place: Place, runs: int) -> None:
    """All outputs are gone: they come from the store."""
    kept, away = f"{place.root}.kept", f"{place.root}.away"
    number = iter(range(10**6))
    for path in place.outputs():
        shutil.copytree(f"{place.root}/{path}", f"{kept}/{path}")

    def put_away() -> str:
        # Renamed and not removed: some file systems are slow to make files for minutes after so many were removed.
        target = f"{away}/{next(number)}"
        os.makedirs(target)
        return target

    def remove() -> None:
        workspace.rest()
        run(place.haz("haz"))
        target = put_away()
        for path in place.outputs():
            os.rename(f"{place.root}/{path}", f"{target}/{path.replace('/', '-')}")

    def restored(done: Run) -> None:
        counts.check(done)
        for path in place.outputs():
            assert sum(os.stat(f"{place.root}/{path}/{name}").st_size for name in os.listdir(f"{place.root}/{path}"))

    def clear() -> None:
        if os.path.lexists(copy):
            os.rename(copy, f"{put_away()}/copy")

    copy = f"{place.root}.copy"
    counts = place.haz("haz", prepare=remove)
    cp = Command("cp -r", ["cp", "-r", kept, copy], "cp -r OUTPUTS COPY", prepare=clear)
    show(f"All hits, {place.tasks} outputs of {OUTPUT} bytes deleted", counts._replace(check=restored), cp, runs)


ROWS: dict[str, Callable[[Place, int], None]] = {
    "nothing": nothing,
    "questions": questions,
    "unknown": unknown,
    "leaf": leaf,
    "deleted": deleted,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; all if none is named")
    parser.add_argument("--projects", type=int, default=2000)
    parser.add_argument("--files", type=int, default=25, help="source files of each project")
    parser.add_argument("--directories", type=int, default=4, help="folders of each project with source files")
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    if unknown_rows := set(options.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown_rows))}")
    with tempfile.TemporaryDirectory(prefix="haz-bench-") as home:
        place = Place(f"{home}/w", options.projects, options.files, directories=options.directories)
        for row in options.rows or ROWS:
            ROWS[row](place, options.runs)


if __name__ == "__main__":
    main()
