"""Small graphs and workspaces for tests, written as compactly as they are drawn."""

from __future__ import annotations

from haz.graph import TaskGraph
from haz.model import (
    Command,
    CompletedRecord,
    ExitStatus,
    Mutex,
    Origin,
    Pattern,
    ProjectSpec,
    Reference,
    Settings,
    StreamHashes,
    TaskId,
    TaskSpec,
    Workspace,
)

STREAMS = StreamHashes(b"o" * 32, b"e" * 32)


def task_id(text: str) -> TaskId:
    """`p:t`, or `t` for a task of the project `p`."""
    project, colon, task = text.partition(":")
    return TaskId(project, task) if colon else TaskId("p", project)


def ids(*texts: str) -> tuple[TaskId, ...]:
    return tuple(map(task_id, texts))


def spec(text: str, *, mutex: str | None = None, tags: tuple[str, ...] = (), **fields: object) -> TaskSpec:
    """`mutex` is `name` (exclusive) or `name?` (shared)."""
    lock = None
    if mutex is not None:
        lock = Mutex(mutex.rstrip("?"), "shared" if mutex.endswith("?") else "exclusive")
    return TaskSpec(task_id(text), "/p", tags, Command(("true",)), mutex=lock, **fields)


def graph(
    *tasks: str | TaskSpec,
    hard: dict[str, str] | None = None,
    soft: dict[str, str] | None = None,
    producers: dict[str, str] | None = None,
) -> TaskGraph:
    """Edges as `{"task": "predecessor predecessor"}`."""
    specs = {one.id: one for one in (spec(task) if isinstance(task, str) else task for task in tasks)}
    edges = [
        {task_id(task): tuple(sorted(map(task_id, names.split()))) for task, names in (kind or {}).items()}
        for kind in (hard, soft, producers)
    ]
    return TaskGraph(dict(sorted(specs.items())), *edges)


def fresh(task: TaskId, *outputs: str, state: str = "succeeded", code: int | None = 0, attempts=()) -> CompletedRecord:
    return CompletedRecord(task, "fresh_run", state, ExitStatus(code=code), STREAMS, outputs, attempts)


def hit(task: TaskId, *outputs: str) -> CompletedRecord:
    return CompletedRecord(task, "cache_hit", "succeeded", None, STREAMS, outputs)


def failed(task: TaskId) -> CompletedRecord:
    return fresh(task, state="failed", code=7)


def signalled(task: TaskId) -> CompletedRecord:
    return fresh(task, state="cancelled")


# --- Workspaces ------------------------------------------------------------------------------------------------------


def reference(text: str, line: int = 1) -> Reference:
    origin = Origin("/ws/haz.yml", line, 9)
    head, _, task = text.rpartition(":")
    if head == "~":
        return Reference("bearing", task, None, text, origin)
    if head == "^":
        return Reference("everywhere", task, None, text, origin)
    if head == "^~":
        return Reference("siblings", task, None, text, origin)
    if head.endswith("]~"):
        return Reference("tag_siblings", task, head[1:-2], text, origin)
    if head.startswith("["):
        return Reference("tag", task, head[1:-1], text, origin)
    return Reference("project", task, head, text, origin)


def pattern(text: str, root: str) -> Pattern:
    exclude = text.startswith("!")
    text = text.removeprefix("!")
    anchored = text if text.startswith("/") else f"{root}/{text}"
    return Pattern(text, anchored, not any(mark in text for mark in "*?[{\\"), exclude)


def workspace(projects: dict[str, dict[str, dict]], tags: dict[str, str] | None = None) -> Workspace:
    """`{"project": {"task": {"inputs": […], "outputs": […], "deps": […], "weak": […], …}}}`; roots are `/project`."""
    made = {}
    for number, (name, tasks) in enumerate(sorted(projects.items())):
        root = f"/{name}"
        own = tuple((tags or {}).get(name, "").split())
        origin = Origin(f"/ws{root}/haz.yml", 1, 1)
        specs = {}
        for task, body in tasks.items():
            rest = dict(body)
            specs[task] = TaskSpec(
                TaskId(name, task),
                root,
                own,
                Command(("true",)),
                inputs=tuple(pattern(text, root) for text in rest.pop("inputs", ())),
                outputs=tuple(pattern(text, root) for text in rest.pop("outputs", ())),
                deps=tuple(reference(text, number) for text in rest.pop("deps", ())),
                weak_deps=tuple(reference(text, number) for text in rest.pop("weak", ())),
                origin=Origin(origin.file, number + 2, 3),
                **rest,
            )
        made[name] = ProjectSpec(name, root, own, specs, origin)
    return Workspace("/ws", True, Settings(), made)
