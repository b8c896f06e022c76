"""Writes one and the same made-up workspace for every tool that a bench compares.

`describe` says what there is, `lay_out` writes the sources, and each entry of `WRITERS` writes the description of the
build for one tool. A further tool is one more function there: it gets the same commands, files and order. Equal
arguments give equal bytes.
"""

from __future__ import annotations

import json
import os
import random
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Task(NamedTuple):
    """`sources` and `output` are relative to the project, in which `script` runs; `needs` are `(project, task)`."""

    name: str
    script: str
    sources: list[str]
    output: str
    needs: list[tuple[str, str]]


class Project(NamedTuple):
    """`directory` is relative to the root of the workspace, `sizes` gives the bytes of each source file."""

    name: str
    directory: str
    sizes: dict[str, int]
    tasks: list[Task]


def describe(
    projects: int,
    files: int,
    directories: int = 4,
    fan_in: int = 3,
    seed: int = 1,
    *,
    lint_waits: bool = True,
    journal: str = "",
) -> list[Project]:
    """Describe projects of three tasks: `build` after the builds of `fan_in` lower ones, `test` and `lint` after it.

    Each has `files` sources of 1 to 8 KiB in `directories` folders; `build` and `lint` read those, `test` also reads
    what `build` wrote. Without `lint_waits`, `lint` hangs on nothing: some tools take whatever a task waits for as an
    input. A task appends its name to the file `journal`, a path from the directory of a project, if there is one.
    """
    chance = random.Random(seed)
    made = []
    for number in range(projects):
        sources = [f"src/d{i % directories}/f{i:03}.txt" for i in range(files)]
        lower = sorted(chance.sample(range(number), min(fan_in, number)))
        needs = [(name_of(other), "build") for other in lower]
        own = (name_of(number), "build")
        tasks = [
            Task("build", _script("out/build.txt", needs), sources, "out/build.txt", needs),
            Task("test", _script("out/test.txt", [own]), sources, "out/test.txt", [own]),
            Task("lint", _script("out/lint.txt", []), sources, "out/lint.txt", [own] if lint_waits else []),
        ]
        if journal:
            tasks = [t._replace(script=f"echo {own[0]}:{t.name} >> {journal} && {t.script}") for t in tasks]
        sizes = {source: chance.randrange(1024, 8193) for source in sources}
        made.append(Project(name_of(number), f"projects/{name_of(number)}", sizes, tasks))
    return made


def name_of(number: int) -> str:
    return f"p{number:05}"


def reads(task: Task) -> list[tuple[str, str]]:
    """Return those of `needs` whose output the task reads: all but those of `lint`."""
    return [] if task.name == "lint" else task.needs


def _script(output: str, builds: list[tuple[str, str]]) -> str:
    read = "".join(f" ../{project}/out/{task}.txt" for project, task in builds)
    return f"mkdir -p out && cat src/*/*.txt{read} | cksum > {output}"


def lay_out(root: str, projects: list[Project], seed: int = 1) -> None:
    """Write the source files."""
    chance = random.Random(seed)
    for project in projects:
        for source, size in project.sizes.items():
            path = f"{root}/{project.directory}/{source}"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            _write(path, chance.randbytes(size))


def _write(path: str, content: bytes | str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())


# --- One writer per tool ---------------------------------------------------------------------------------------------


def write_haz(root: str, projects: list[Project]) -> None:
    """Sources as a glob: haz is to notice files that come and go."""
    _write(f"{root}/.haz/workspace.yml", "projects: [/projects/*]\n")
    for project in projects:
        lines = [f"name: {project.name}", "tasks:"]
        for task in project.tasks:
            inputs = ["src/*/*.txt", *(f"/projects/{other}/out/{name}.txt" for other, name in reads(task))]
            lines += [
                f"  {task.name}:",
                f"    shell: {json.dumps(task.script)}",
                f"    inputs: {json.dumps(inputs)}",
                f"    outputs: {json.dumps([task.output])}",
            ]
            if task.needs:
                lines.append(f"    deps: {json.dumps([f'{other}:{name}' for other, name in task.needs])}")
        _write(f"{root}/{project.directory}/haz.yml", "\n".join(lines) + "\n")


def write_ninja(root: str, projects: list[Project]) -> None:
    """Sources one by one: ninja has no globs, and only stats what is listed. Needs that are not read are order-only."""
    directories = {project.name: project.directory for project in projects}
    outputs = {
        (project.name, task.name): f"{project.directory}/{task.output}"
        for project in projects
        for task in project.tasks
    }
    lines = ["rule sh", "  command = cd $directory && $script", ""]
    for project in projects:
        for task in project.tasks:
            listed = [f"{directories[project.name]}/{source}" for source in task.sources]
            listed += [outputs[need] for need in reads(task)]
            only_order = [outputs[need] for need in task.needs if need not in reads(task)]
            after = f" || {' '.join(only_order)}" if only_order else ""
            lines += [
                f"build {outputs[project.name, task.name]}: sh {' '.join(listed)}{after}",
                f"  directory = {project.directory}",
                f"  script = {task.script}",
            ]
    _write(f"{root}/build.ninja", "\n".join(lines) + "\n")


WRITERS: dict[str, Callable[[str, list[Project]], None]] = {"haz": write_haz, "ninja": write_ninja}


def generate(root: str, projects: list[Project]) -> None:
    """Write the sources, and the build of every tool over them."""
    lay_out(root, projects)
    for write in WRITERS.values():
        write(root, projects)


def rest() -> None:
    """Wait until files that were just written are old enough for their stamps to prove something."""
    time.sleep(2.1)


def nothing(root: str, tasks: int, kind: str) -> None:
    """Write tasks that do nothing and hang on nothing, a hundred to a project.

    `kind` is `argv`, `shell`, or `distinct`: the first with a variable of its own for each, so that no two share a key.
    """
    action = 'shell: "true"' if kind == "shell" else 'command: ["true"]'
    if kind == "distinct":
        action += "\n    env: {{override: {{NAME: {}}}}}"
    _write(f"{root}/.haz/workspace.yml", "projects: [/projects/*]\n")
    names = [f"t{i:05}" for i in range(tasks)]
    for start in range(0, tasks, 100):
        project = name_of(start // 100)
        body = "".join(f"  {name}:\n    {action.format(name)}\n" for name in names[start : start + 100])
        _write(f"{root}/projects/{project}/haz.yml", f"name: {project}\ntasks:\n{body}")
    # The outputs never come to be, so that every one is out of date each time.
    edges = "".join(f"build {name}: nothing\n" for name in names)
    _write(f"{root}/build.ninja", f"rule nothing\n  command = true\n{edges}")
