"""One tree for each tool below one root, all with the same sources, and what is done to them between runs."""

from __future__ import annotations

import glob
import json
import os
import random
import re
import subprocess
from typing import TYPE_CHECKING

from bench import workspace
from bench.peers import writers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.workspace import Project, Task

# From the directory of a project: beside the trees, so that nobody watches or ignores it.
JOURNAL = "../../../ran"
NOTED = re.compile(r"p\d{5}:(?:build|test|lint)")


def describe(projects: int, files: int, fan_in: int) -> list[Project]:
    """Describe the workspace of the peers: nothing waits for what it does not read, because the keys of some tools hold
    whatever a task waits for, and every task notes that it ran.
    """
    return workspace.describe(projects, files, fan_in=fan_in, lint_waits=False, journal=JOURNAL)


def label(project: str, task: str) -> str:
    return f"{project}:{task}"


def dependents(projects: list[Project], name: str) -> set[str]:
    """Return `name` and all projects whose builds read its build, directly or through others."""
    found = {name}
    for project in projects:  # each builds on lower ones only
        if found.intersection(writers.below(project)):
            found.add(project.name)
    return found


def low_level(projects: list[Project]) -> str:
    """Return the project whose dependents come closest to a tenth of all projects; the lowest of several."""
    tenth = len(projects) / 10
    return min(projects, key=lambda one: abs(len(dependents(projects, one.name)) - 1 - tenth)).name


def out_of_date(projects: list[Project], changed: str) -> set[str]:
    """Return the tasks that must run after a source of `changed` has changed: whoever reads it, or what they make."""
    stale: set[tuple[str, str]] = set()
    for project in projects:
        for task in project.tasks:
            if project.name == changed or stale.intersection(workspace.reads(task)):
                stale.add((project.name, task.name))
    return {label(*task) for task in stale}


class Trees:
    """The trees below `root`; `random` content is a function of how many edits there have been."""

    def __init__(self, root: str, projects: list[Project]) -> None:
        self.root = os.path.realpath(root)
        self.projects = projects
        self.tasks: dict[str, tuple[Project, Task]] = {
            label(project.name, task.name): (project, task) for project in projects for task in project.tasks
        }
        self._edits = os.path.join(self.root, "edits.json")

    def place(self, tree: str) -> str:
        return os.path.join(self.root, tree)

    def home(self) -> str:
        """Return a HOME for all tools, so that no settings of the user count."""
        path = os.path.join(self.root, "home")
        os.makedirs(path, exist_ok=True)
        return path

    def write(self, trees: Iterable[str], npm: str, modules: str) -> None:
        """Write those of the trees that are not there; each is a git repository in which all is committed."""
        write = writers.writers(npm)
        for tree in trees:
            place = self.place(tree)
            if os.path.exists(os.path.join(place, ".git", "complete")):
                continue
            workspace.lay_out(place, self.projects)
            write[tree](place, self.projects)
            with open(os.path.join(place, ".gitignore"), "w", encoding="utf-8") as file:
                file.write(writers.IGNORE_FILE)
            if tree.startswith("nx"):
                # Nx runs only where it finds itself among the modules of the workspace.
                os.symlink(modules, os.path.join(place, "node_modules"))
            identity = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
            for words in (["init", "-q", "-b", "main"], ["add", "-A"], [*identity, "commit", "-q", "-m", "Sources"]):
                subprocess.run(["git", *words], cwd=place, check=True, env={**os.environ, "HOME": self.home()})
            with open(os.path.join(place, ".git", "complete"), "wb"):
                pass

    def edit(self, tree: str, project: str) -> None:
        """Give the first source of a project new content."""
        count = self._count_edits()
        one = next(one for one in self.projects if one.name == project)
        source, size = next(iter(one.sizes.items()))
        with open(os.path.join(self.place(tree), one.directory, source), "wb") as file:
            file.write(random.Random(f"{project} {count}").randbytes(size))

    def _count_edits(self) -> int:
        count = 0
        if os.path.exists(self._edits):
            with open(self._edits, encoding="utf-8") as file:
                count = json.load(file)
        with open(self._edits, "w", encoding="utf-8") as file:
            json.dump(count + 1, file)
        return count

    def put_away(self, tree: str, patterns: Iterable[str]) -> None:
        """Take away what matches. It is not removed: ext4 avoids inodes that were just freed, and looking for others
        takes longer than what is measured.
        """
        trash = os.path.join(self.root, "trash", str(self._count_edits()))
        os.makedirs(trash)
        for pattern in patterns:
            for path in glob.glob(pattern, root_dir=self.place(tree), include_hidden=True):
                os.rename(os.path.join(self.place(tree), path), os.path.join(trash, path.replace("/", "_")))

    def outputs(self, tree: str) -> dict[str, bytes | None]:
        """Return what each task has made; `None` for what is not there."""
        return {
            name: _content(os.path.join(self.place(tree), project.directory, task.output))
            for name, (project, task) in self.tasks.items()
        }

    def forget_runs(self) -> None:
        """Empty the journal."""
        path = os.path.join(self.root, "ran")
        if os.path.exists(path):
            os.unlink(path)

    def ran(self) -> list[str]:
        """Return the tasks that ran since the journal was emptied, sorted, each as often as it ran.

        The shell of go-task writes the end of a line by itself: two names can come before two ends.
        """
        return sorted(NOTED.findall((_content(os.path.join(self.root, "ran")) or b"").decode()))


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
