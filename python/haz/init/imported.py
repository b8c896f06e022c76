"""The files of a workspace, from the projects and tasks that an import found."""

from __future__ import annotations

import os

from haz import _core
from haz.config.resolve import DEFAULT_PASS
from haz.config.schema import document
from haz.importers import read
from haz.importers.settle import settle
from haz.importers.tree import Tree
from haz.init.text import comment, lines, workspace_body
from haz.init.write import InitError, prove

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from haz.importers.records import Imported, Note
    from haz.importers.settle import Ready, Settled
    from haz.init.text import Value

SCHEMAS = ".haz/schemas"


def files(found: Imported, projects: Sequence[Settled], source: str) -> dict[str, str]:
    """Map paths below the root to texts; `workspace.yml` is the last."""
    texts = {f"{SCHEMAS}/{kind}.json": document(kind) for kind in ("project", "workspace")}
    for project in projects:
        texts[f"{project.project.path}/haz.yml".lstrip("/")] = _project(project, found.passed)
    body = [_modeline("workspace", 1), *comment(f"Written by `haz init --from {source}`; it is yours from here on.")]
    body += workspace_body([_entry(project.project.path) for project in projects]).splitlines()
    if found.concurrency is not None:
        body += lines("concurrency", {"default": found.concurrency})
    env: dict[str, Value] = {}
    if found.from_host:
        env["from_host"] = found.from_host
    if found.passed:
        env["pass"] = tuple(dict.fromkeys((*DEFAULT_PASS, *found.passed)))
    if env:
        body += lines("env", env)
    texts[".haz/workspace.yml"] = "\n".join(body) + "\n"
    return texts


def _modeline(kind: str, depth: int) -> str:
    """Tell editors where the schema is: beside the workspace file, of the version of haz that wrote both."""
    up = "schemas" if kind == "workspace" else "../" * depth + SCHEMAS
    return f"# yaml-language-server: $schema={up}/{kind}.json"


def _entry(path: str) -> str:
    return path or "/"


def _project(settled: Settled, passed: Sequence[str]) -> str:
    project = settled.project
    body = [_modeline("project", project.path.count("/")), *lines("name", settled.name)]
    if project.description:
        body += lines("description", project.description)
    if settled.tags:
        body += lines("tags", settled.tags)
    if not settled.tasks:
        body += ["tasks: {}"]
    else:
        body += ["tasks:", *comment(project.remark, "  ")]
        for ready in settled.tasks:
            body += _task(ready, project.path, passed)
    return "\n".join(body) + "\n"


def _task(ready: Ready, path: str, passed: Sequence[str]) -> list[str]:
    task = ready.task
    body = [*comment(task.comment, "  "), f"  {ready.name}:"]

    def add(key: str, value: Value) -> None:
        body.extend(lines(key, value, "    "))

    if task.command:
        add("command", task.command)
    else:
        add("shell", task.shell or "")
    if ready.inputs:
        add("inputs", [_relative(pattern, path) for pattern in ready.inputs])
    if task.outputs:
        add("outputs", [_relative(pattern, path) for pattern in task.outputs])
    if ready.deps:
        add("deps", ready.deps)
    if ready.weak:
        add("weakDeps", ready.weak)
    if task.tools:
        add("tools", [tool if isinstance(tool, str) else {"command": tool} for tool in task.tools])
    env: dict[str, Value] = {}
    if task.from_host:
        env["from_host"] = task.from_host
    if task.override:
        env["override"] = dict(task.override)
    if task.passed:
        env["pass"] = tuple(dict.fromkeys((*DEFAULT_PASS, *passed, *task.passed)))
    if env:
        add("env", env)
    if task.mutex:
        add("mutex", task.mutex)
    if task.timeout:
        add("timeout", task.timeout)
    if task.retries:
        add("retries", task.retries)
    if task.persistent:
        add("persistent", value=True)
    elif not task.cache:
        add("cache", value=False)
    if ready.gitignore and ready.inputs:
        add("gitignore", value=True)
    return body


def _relative(pattern: str, path: str) -> str:
    """Write a workspace path as seen from the project where it lies in it."""
    mark, rest = ("!", pattern[1:]) if pattern.startswith("!") else ("", pattern)
    for prefix in dict.fromkeys((f"{path}/", f"{_core.escape_pattern(path)}/" if path else "/")):
        if rest.startswith(prefix):
            inner = rest[len(prefix) :]
            return f"{mark}./{inner}" if inner.startswith("!") else f"{mark}{inner}"
    return pattern


def plan(root: str, source: str) -> tuple[dict[str, str], tuple[Note, ...], tuple[int, int]]:
    """Read the manifests below a directory: the files to write, what to tell, and how many projects and tasks.

    The files are known to load. Raises `ManifestError`, `InitError`, `LoadError`.
    """
    found = read(source, Tree(root))
    settled, more = settle(found)
    texts = files(found, settled, source)
    there = [path for path in texts if os.path.lexists(os.path.join(root, path))]
    if there:
        listed = ", ".join(there[:5]) + (f" and {len(there) - 5} more" if len(there) > 5 else "")
        raise InitError(f"these files are already there: {listed}", "move them away; --from replaces nothing")
    prove(root, texts)
    notes = tuple(dict.fromkeys((*found.notes, *more)))
    return texts, notes, (len(settled), sum(len(project.tasks) for project in settled))
