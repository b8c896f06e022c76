"""What `haz query` prints (QRY-008)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from haz.graph import TaskGraph
    from haz.model import TaskId


def plain(tasks: Iterable[TaskId]) -> str:
    """One `project:task` line each; nothing for none."""
    return "".join(f"{task}\n" for task in tasks)


def as_json(graph: TaskGraph, tasks: Iterable[TaskId]) -> str:
    """One line with an array of objects; consumers may rely on `project`, `tags` and `task`."""
    import json  # noqa: PLC0415 - 15 ms that only this format pays

    rows = []
    for task in tasks:
        spec = graph.specs[task]
        rows.append(
            {
                "project": task.project,
                "tags": sorted(spec.tags),
                "task": task.task,
                "id": str(task),
                "root": spec.root or "/",
                "deps": [str(predecessor) for predecessor in graph.hard_predecessors[task]],
                "inputs": [("!" if pattern.exclude else "") + pattern.text for pattern in spec.inputs],
                "outputs": [("!" if pattern.exclude else "") + pattern.text for pattern in spec.outputs],
            }
        )
    return json.dumps(rows, separators=(",", ":")) + "\n"
