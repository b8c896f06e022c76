"""Declarations to tasks: defaults of workspace and project applied, patterns anchored at the project."""

from __future__ import annotations

from haz import _core
from haz.config._shared import EMPTY_ENV
from haz.model import Environment, Mutex, Pattern, ProjectSpec, TaskId, TaskSpec, Tool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.config.declarations import (
        EnvironmentDeclaration,
        PatternDeclaration,
        ProjectDeclaration,
        TaskDeclaration,
        WorkspaceDeclaration,
    )
    from haz.model import Command

DEFAULT_PASS = ("PATH", "HOME", "USER", "TMPDIR", "LANG", "LC_ALL", "TERM")


def environment(*layers: EnvironmentDeclaration) -> Environment:
    """Merge `env:` of workspace, project and task, the weakest first.

    `from_host` and `secret` add up; of two `override` of one name the nearer wins; the nearest `pass` replaces the
    others. A name has one part: what is written out (`override`) is no secret, and what is secret is nothing else.
    """
    from_host: dict[str, None] = {}
    override: dict[str, str] = {}
    passed: tuple[str, ...] = DEFAULT_PASS
    secret: dict[str, None] = {}
    for layer in layers:
        from_host.update(dict.fromkeys(layer.from_host))
        override.update(layer.override)
        secret.update(dict.fromkeys(layer.secret))
        if layer.passed is not None:
            passed = layer.passed
    return Environment(
        tuple(from_host) if not secret else tuple(name for name in from_host if name not in secret or name in override),
        tuple(sorted(override.items())),
        tuple(name for name in passed if name not in from_host and name not in override and name not in secret),
        tuple(name for name in secret if name not in override),
    )


def project(
    declared: ProjectDeclaration,
    root: str,
    tasks: dict[str, TaskDeclaration],
    defaults: WorkspaceDeclaration,
    placeholder: Command,
) -> ProjectSpec:
    """Build a project with its effective tasks in canonical order.

    A task without a valid action has been reported; it gets `placeholder`, so that the graph can still be checked.
    """
    prefix = _core.escape_pattern(root)
    base = environment(defaults.env, declared.env)
    specs = {}
    for name in sorted(tasks):
        task = tasks[name]
        env = base if task.env is EMPTY_ENV else environment(defaults.env, declared.env, task.env)
        mutex = task.mutex
        specs[name] = TaskSpec(
            TaskId(declared.name, name),
            root,
            declared.tags,
            task.action or placeholder,
            _anchor(task.inputs, root, prefix),
            _anchor(task.outputs, root, prefix),
            task.deps,
            task.weak_deps,
            None if mutex is None else Mutex(mutex[0], mutex[1], declared.name if mutex[2] else None),
            env,
            task.cache,
            task.clean,
            defaults.gitignore if task.gitignore is None else task.gitignore,
            defaults.timeout if task.timeout is None else task.timeout.value,
            defaults.retries if task.retries is None else task.retries.value,
            tuple(Tool(tool.command, anchored(tool.file, root), tool.memo) for tool in task.tools),
            task.persistent,
            task.ready,
            task.description,
            task.origin,
            task.locks,
            task.inputs_from,
        )
    return ProjectSpec(declared.name, root, declared.tags, specs, declared.origin, declared.description)


def anchored(path: str | None, root: str) -> str | None:
    """Return a literal path as a workspace path."""
    return path if path is None or path.startswith("/") else f"{root}/{path}"


def _anchor(patterns: tuple[PatternDeclaration, ...], root: str, prefix: str) -> tuple[Pattern, ...]:
    return tuple(
        Pattern(
            written.text,
            written.text if written.text.startswith("/") else f"{root if written.literal else prefix}/{written.text}",
            written.literal,
            written.exclude,
        )
        for written in patterns
    )
