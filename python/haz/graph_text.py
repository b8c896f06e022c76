"""A part of the task graph as edges, Graphviz (dot) or Mermaid. Pure functions; arrows lead from first to next."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from haz.graph import TaskGraph
    from haz.model import EdgeKind, TaskId

    Edge = tuple[TaskId, TaskId, EdgeKind]

_DOT = {"hard": "", "soft": " [style=dashed]", "producer": " [style=dotted]"}
_MERMAID = {"hard": "-->", "soft": "-.->", "producer": "-. files .->"}


def edges(graph: TaskGraph, tasks: Sequence[TaskId]) -> Iterator[Edge]:
    """Yield the edges among the given tasks, in canonical order; of two tasks the strongest one only."""
    kept = set(tasks)
    for task in tasks:
        successors = {
            *graph.hard_successors[task],
            *graph.soft_successors[task],
            *graph.producer_successors[task],
        }
        for successor in sorted((successors & kept) - {task}):
            yield task, successor, graph.edge_kind(task, successor)


def plain(graph: TaskGraph, tasks: Sequence[TaskId]) -> str:
    """Render a line per task, each with what comes right before it: `a:t <- b:t, c:t (soft)`."""
    before: dict[TaskId, list[str]] = {task: [] for task in tasks}
    for first, then, kind in edges(graph, tasks):
        before[then].append(f"{first}" if kind == "hard" else f"{first} ({kind})")
    return "".join(f"{task}{' <- ' if names else ''}{', '.join(names)}\n" for task, names in before.items())


def as_value(graph: TaskGraph, tasks: Sequence[TaskId]) -> dict[str, Any]:
    """Return the same as data."""
    return {
        "version": 1,
        "tasks": [str(task) for task in tasks],
        "edges": [{"from": str(first), "to": str(then), "kind": kind} for first, then, kind in edges(graph, tasks)],
    }


def dot(graph: TaskGraph, tasks: Sequence[TaskId]) -> str:
    """Render for Graphviz: soft edges dashed, edges by files alone dotted."""
    lines = ["digraph haz {", "  rankdir=LR;", "  node [shape=box];"]
    # Names are identifiers: nothing in them needs an escape.
    lines += [f'  "{task}";' for task in tasks]
    lines += [f'  "{first}" -> "{then}"{_DOT[kind]};' for first, then, kind in edges(graph, tasks)]
    return "\n".join([*lines, "}"]) + "\n"


def mermaid(graph: TaskGraph, tasks: Sequence[TaskId]) -> str:
    """Render for Mermaid, as Markdown readers draw it."""
    number = {task: f"t{at}" for at, task in enumerate(tasks)}
    lines = ["flowchart LR", *(f'  {number[task]}["{task}"]' for task in tasks)]
    lines += [f"  {number[first]} {_MERMAID[kind]} {number[then]}" for first, then, kind in edges(graph, tasks)]
    return "\n".join(lines) + "\n"
