"""Writes the build of a workspace for the tools of npm and for go-task; `bench.workspace` does it for haz and ninja.

Each tool is configured as its manual recommends for speed; bench/README.md says how, and why.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from bench import workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.workspace import Project

SOURCES = "src/*/*.txt"
# What the tools keep in the workspace; git, and what asks git, need not look at it.
IGNORED = (
    "/projects/*/out/",
    "/projects/*/.turbo/",
    "/node_modules",
    "/.haz/",
    "/.turbo/",
    "/.nx/",
    "/.moon/*/",
    "/.task/",
    "/.ninja_log",
    "/.ninja_deps",
)
IGNORE_FILE = "".join(f"{line}\n" for line in IGNORED)


def _write(path: str, content: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)


def _json(path: str, value: Any) -> None:
    _write(path, json.dumps(value, indent=2) + "\n")


def below(project: Project) -> list[str]:
    """Return the projects whose builds the build of this one reads."""
    return [other for task in project.tasks for other, _ in task.needs if other != project.name]


def write_turbo(root: str, projects: list[Project], npm: str) -> None:
    """Write npm workspaces with the scripts in `package.json`; `npm` is the version that runs them."""
    build, test, lint = projects[0].tasks
    tasks = {
        build.name: {"dependsOn": ["^build"], "inputs": [SOURCES], "outputs": [build.output]},
        test.name: {"dependsOn": ["build"], "inputs": [SOURCES], "outputs": [test.output]},
        lint.name: {"inputs": [SOURCES], "outputs": [lint.output]},
    }
    _json(f"{root}/turbo.json", {"tasks": tasks})
    manager = {"packageManager": f"npm@{npm}", "workspaces": ["projects/*"]}
    _json(f"{root}/package.json", {"name": "workspace", "private": True, **manager})
    packages: dict[str, Any] = {"": {"name": "workspace", "workspaces": ["projects/*"]}}
    for project in projects:
        own = {
            "name": project.name,
            "version": "0.0.0",
            "dependencies": dict.fromkeys(below(project), "*"),
        }
        scripts = {task.name: task.script for task in project.tasks}
        _json(f"{root}/{project.directory}/package.json", {**own, "scripts": scripts})
        packages[project.directory] = own
        packages[f"node_modules/{project.name}"] = {"resolved": project.directory, "link": True}
    _write(f"{root}/.npmrc", "update-notifier=false\naudit=false\nfund=false\n")
    _json(f"{root}/package-lock.json", {"name": "workspace", "lockfileVersion": 3, "packages": packages})


def write_nx(root: str, projects: list[Project]) -> None:
    """Write a `project.json` for each project; what a task reads of others is named by their sources (`^sources`)."""
    build, test, lint = projects[0].tasks
    kept = {"cache": True}
    _json(
        f"{root}/nx.json",
        {
            "analytics": False,
            "neverConnectToCloud": True,
            "defaultBase": "main",
            "namedInputs": {"sources": ["{projectRoot}/" + SOURCES]},
            "targetDefaults": {
                build.name: {**kept, "dependsOn": ["^build"], "inputs": ["sources", "^sources"]},
                test.name: {**kept, "dependsOn": ["build"], "inputs": ["sources", "^sources"]},
                lint.name: {**kept, "inputs": ["sources"]},
            },
        },
    )
    _json(f"{root}/package.json", {"name": "workspace", "private": True})
    for project in projects:
        targets = {
            task.name: {
                "executor": "nx:run-commands",
                "options": {"command": task.script, "cwd": "{projectRoot}"},
                "outputs": ["{projectRoot}/" + task.output],
            }
            for task in project.tasks
        }
        own = {"name": project.name, "implicitDependencies": below(project), "targets": targets}
        _json(f"{root}/{project.directory}/project.json", own)


def write_moon(root: str, projects: list[Project], *, daemon: bool = False) -> None:
    """Write a `moon.yml` for each project, with dependencies as `^:build`."""
    settings = {
        "projects": ["projects/*"],
        "daemon": daemon,
        # Not `vcs`, the default: that asks git up to three times for each project in a run with nothing to do.
        "hasher": {"walkStrategy": "glob"},
        "telemetry": False,
        "versionConstraint": ">=2",
        "vcs": {"client": "git", "defaultBranch": "main"},
    }
    _json(f"{root}/.moon/workspace.yml", settings)
    needs = {"build": ["^:build"], "test": ["~:build"], "lint": []}
    for project in projects:
        tasks = {
            task.name: {
                "script": task.script,
                "deps": needs[task.name],
                "inputs": [SOURCES],
                "outputs": [task.output],
            }
            for task in project.tasks
        }
        _json(f"{root}/{project.directory}/moon.yml", {"dependsOn": below(project), "tasks": tasks})


def write_task(root: str, projects: list[Project]) -> None:
    """Write a Taskfile that includes those of the projects; go-task compares checksums, its default."""
    includes = {p.name: {"taskfile": f"./{p.directory}/Taskfile.yml", "dir": f"./{p.directory}"} for p in projects}
    every = [f"{project.name}:{task.name}" for project in projects for task in project.tasks]
    _json(
        f"{root}/Taskfile.yml",
        # In the first file alone: otherwise every task that others share is looked at once for each of them.
        {"version": "3", "run": "once", "includes": includes, "tasks": {"default": {"deps": every}}},
    )
    for project in projects:
        tasks = {
            task.name: {
                "deps": [name if other == project.name else f":{other}:{name}" for other, name in task.needs],
                "cmds": [task.script],
                "sources": [SOURCES, *(f"../{other}/out/{name}.txt" for other, name in task.needs)],
                "generates": [task.output],
            }
            for task in project.tasks
        }
        _json(f"{root}/{project.directory}/Taskfile.yml", {"version": "3", "tasks": tasks})


def writers(npm: str) -> dict[str, Callable[[str, list[Project]], None]]:
    """Return what writes each tree. That of a daemon is its own: it watches, and must not see what others do.

    `git` is the workspace of haz once more: nothing ever changes there.
    """
    return {
        "haz": workspace.write_haz,
        "git": workspace.write_haz,
        "ninja": workspace.write_ninja,
        "turbo": lambda root, projects: write_turbo(root, projects, npm),
        "nx": write_nx,
        "nx-daemon": write_nx,
        "moon": write_moon,
        "moon-daemon": lambda root, projects: write_moon(root, projects, daemon=True),
        "task": write_task,
    }
