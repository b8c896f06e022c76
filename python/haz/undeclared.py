"""Products of predecessors that a task seems to read, though they are no inputs: it would be stale (02 §10.5).

haz does not see what a process opens. What it sees is the action, and a word there that names an output is no accident.
"""

from __future__ import annotations

import os

from haz import _core
from haz.model import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from haz.checks import Facts
    from haz.diagnostics import Diagnostic
    from haz.graph import TaskGraph
    from haz.model import TaskId, TaskSpec


def undeclared_products(facts: Facts) -> Iterator[Diagnostic]:
    """One warning for each predecessor, at the first path that the action names."""
    graph = facts.graph
    writers = _core.PatternSet([[p.listed for p in graph.specs[task].outputs] for task in graph.nodes])
    owners: dict[str, list[TaskId]] = {}
    for task in graph.nodes:
        for folder in _folders(graph.specs[task]):
            owners.setdefault(folder, []).append(task)
    for spec in facts.tasks:
        if not graph.hard_predecessors[spec.id] or not spec.cache:
            continue
        before: set[TaskId] | None = None
        told: set[TaskId] = set()
        for path in _paths(facts, spec):
            producers = [graph.nodes[number] for number in writers.matching(path)]
            producers += owners.get(path, ())
            if not producers or spec.id in producers or _is_read(facts, spec, path):
                continue
            before = _all_before(graph, spec.id) if before is None else before
            for producer in producers:
                if producer in before and producer not in told:
                    told.add(producer)
                    message = f"{spec.id}: the action names {path}, which {producer} writes, but it is no input"
                    hint = f'a change there would go unnoticed: add `{{from: "{producer}"}}` to `inputs`'
                    yield facts.warn("chk::013", spec, message, hint, "inputs")


def fruitless_inputs(facts: Facts) -> Iterator[Diagnostic]:
    """`from:` a task that declares no outputs."""
    for spec in facts.tasks:
        for reference in spec.inputs_from:
            named = facts.named(reference, spec.id.project)
            if named and not any(facts.graph.specs[task].outputs for task in named):
                message = f"{spec.id}: `from: {reference.text}` adds no inputs: {named[0]} declares no outputs"
                hint = "list its outputs there, or write a dependency that is no input to `deps`"
                yield facts.warn("chk::014", spec, message, hint, "inputs")


def _all_before(graph: TaskGraph, task: TaskId) -> set[TaskId]:
    found: set[TaskId] = set()
    stack = [task]
    while stack:
        for predecessor in graph.hard_predecessors[stack.pop()]:
            if predecessor not in found:
                found.add(predecessor)
                stack.append(predecessor)
    return found


def _paths(facts: Facts, spec: TaskSpec) -> list[str]:
    """Return the workspace paths that words of the action could mean, in order."""
    import re  # noqa: PLC0415 - `haz check` only

    action = spec.action
    text = "\0".join(action.argv) if isinstance(action, Command) else action.script
    found = []
    for word in dict.fromkeys(re.split(r"[\s\0\"'`=;<>|&(){}$,:]+", text)):
        if not word:
            continue
        if word.startswith("/"):
            path = os.path.normpath(word).removeprefix(facts.root) if word.startswith(f"{facts.root}/") else ""
        else:
            path = os.path.normpath(f"{spec.root or '/'}/{word}".replace("//", "/"))
        if len(path) > 1:
            found.append(path)
    return found


def _folders(spec: TaskSpec) -> set[str]:
    """Return the folders that are the task's own: what a pattern spells below the project."""
    found = set()
    for pattern in spec.outputs:
        if pattern.exclude or pattern.literal or not pattern.anchored.startswith(f"{spec.root}/"):
            continue
        end = min((at for at in map(pattern.anchored.find, "*?[{\\") if at >= 0), default=0)
        folder = pattern.anchored[:end].rpartition("/")[0]
        if len(folder) > len(spec.root):
            found.add(folder)
    return found


def _is_read(facts: Facts, spec: TaskSpec, path: str) -> bool:
    if any(reader.id == spec.id for reader in facts.readers(path)):
        return True
    return any(not p.exclude and p.anchored.startswith(f"{path}/") for p in spec.inputs)
