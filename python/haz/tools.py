"""Tools in the key (D7): what a program says of its version, or a file's content, each evaluated once per run."""

from __future__ import annotations

import os

from haz import _core
from haz.cache.key import frame
from haz.errors import BuildKeyError, FileSystemError, ProcessError, SpawnError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from haz.model import TaskId, TaskSpec, Tool
    from haz.tool_memo import ToolMemo

    Fingerprint = tuple[str, bytes]
    Evaluation = tuple[tuple[str, ...], tuple[tuple[str, str], ...]]

# A version query that takes longer than this hangs.
SECONDS = 30.0
KILL = 9


class ToolFailed(BuildKeyError):  # noqa: N818 - named like the other variants of the field
    """A tool could not say what it is; the tasks that name it cannot have a key."""

    def __init__(self, label: str, reason: str) -> None:
        super().__init__(f"cannot fingerprint tool `{label}`: {reason}")
        self.label = label
        self.reason = reason


def fingerprints(
    specs: Mapping[TaskId, TaskSpec],
    root: str,
    algorithm: str,
    environments: Mapping[TaskId, list[tuple[str, str]]],
    *,
    memo: bool = True,
    keep: bool = True,
) -> dict[TaskId, list[Fingerprint] | ToolFailed]:
    """Evaluate the tools of all tasks, in parallel, equal ones once; tasks without tools are left out.

    `environments` are those of the tasks' children: a tool is looked up on the PATH that the task will see. A command
    runs in the workspace root; what it prints on both streams is its fingerprint, an exit code other than 0 a failure.
    Without `memo` nothing is remembered from earlier runs, without `keep` nothing for later ones.
    """
    users = {task: spec.tools for task, spec in specs.items() if spec.tools}
    if not users:
        return {}
    commands: dict[Evaluation, bytes | ToolFailed] = {}
    paths: dict[str, bytes | ToolFailed] = {}
    for task, tools in users.items():
        for tool in tools:
            if tool.command is not None:
                commands[tool.command, tuple(environments[task])] = b""
            elif tool.file is not None:
                paths[tool.file] = b""
    if memo and any(tool.memo for tools in users.values() for tool in tools):
        from haz.tool_memo import ToolMemo  # noqa: PLC0415 - few tools have it

        trusted = {tool.command for tools in users.values() for tool in tools if tool.memo}
        _run_remembered(commands, trusted, ToolMemo(root, algorithm), root, algorithm, keep=keep)
    else:
        _run(commands, root, algorithm)
    for path, digest in zip(paths, _core.digest_files([root + path for path in paths], algorithm), strict=True):
        paths[path] = ToolFailed(path, str(digest)) if isinstance(digest, FileSystemError) else digest
    return {task: _of(tools, tuple(environments[task]), commands, paths) for task, tools in users.items()}


def _of(
    tools: tuple[Tool, ...],
    environment: tuple[tuple[str, str], ...],
    commands: dict[Evaluation, bytes | ToolFailed],
    paths: dict[str, bytes | ToolFailed],
) -> list[Fingerprint] | ToolFailed:
    found = []
    for tool in tools:
        if tool.command is not None:
            label, value = " ".join(tool.command), commands[tool.command, environment]
        else:
            assert tool.file is not None
            label, value = tool.file, paths[tool.file]
        if isinstance(value, ToolFailed):
            return value
        found.append((label, value))
    return found


def _run_remembered(
    commands: dict[Evaluation, bytes | ToolFailed],
    trusted: set[tuple[str, ...] | None],
    memo: ToolMemo,
    root: str,
    algorithm: str,
    *,
    keep: bool,
) -> None:
    """Fill in what is known from earlier runs, and ask for the rest."""
    # Named before they are asked: a program that is replaced meanwhile is not the one that has answered.
    names = {one: memo.name(*one) for one in commands if one[0] in trusted}
    known = {one: answer for one, name in names.items() if name is not None and (answer := memo.get(name)) is not None}
    asked: dict[Evaluation, bytes | ToolFailed] = {one: b"" for one in commands if one not in known}
    _run(asked, root, algorithm)
    for one, answered in asked.items():
        name = names.get(one)
        if name is not None and isinstance(answered, bytes):
            memo.put(name, answered)
    commands.update(known)
    commands.update(asked)
    if keep:
        memo.save()


def _run(commands: dict[Evaluation, bytes | ToolFailed], root: str, algorithm: str) -> None:
    if not commands:
        return
    queue = _core.Queue()
    processes = _core.Processes(queue, algorithm, f"{root}/.haz/cache/spill")
    running: dict[int, Evaluation] = {}
    waiting = list(commands)
    while waiting or running:
        while waiting and len(running) < 2 * (os.cpu_count() or 1):
            evaluation = waiting.pop()
            argv, environment = evaluation
            token = len(commands) - len(waiting)
            try:
                processes.spawn(token, argv, _core.Environment(environment), root)
            except ProcessError as error:
                commands[evaluation] = ToolFailed(" ".join(argv), str(error))
                continue
            running[token] = evaluation
        if not running:
            continue
        events = queue.wait(SECONDS)
        for kind, token, payload in events:
            if kind == "exit" and token in running:
                evaluation = running.pop(token)
                commands[evaluation] = _answer(" ".join(evaluation[0]), payload, algorithm)
        if not events:
            for token, evaluation in running.items():
                processes.signal(token, KILL)
                processes.abandon(token)
                commands[evaluation] = ToolFailed(" ".join(evaluation[0]), f"no answer within {SECONDS:g}s")
            return


def _answer(label: str, finished: Any, algorithm: str) -> bytes | ToolFailed:
    if finished.error is not None and finished.error[0] == "spawn":
        return ToolFailed(label, str(SpawnError(label, finished.error[1])))
    if finished.error is not None:
        return ToolFailed(label, f"{finished.error[0]}: {finished.error[1]}")
    if finished.code != 0:
        end = f"exit {finished.code}" if finished.code is not None else f"signal {finished.signal}"
        return ToolFailed(label, f"it ended with {end}")
    return _core.digest_bytes(frame([(finished.stdout[0], finished.stderr[0])]), algorithm)
