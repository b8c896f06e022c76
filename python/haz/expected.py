"""What a run would do, as far as the cache can tell, and how long tasks took: the weights of shards."""

from __future__ import annotations

from haz import _core
from haz._record import Record
from haz.app import RunOptions, cache_directory, run_context
from haz.cache import formats
from haz.cache.store import Hit
from haz.errors import BuildKeyFailed, FileSystemError, UsageError
from haz.events import RunObserver
from haz.history import files as history
from haz.model import TaskId
from haz.run_task import cache_lookup_phase
from haz.shard import HIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any, Literal

    from haz.app import Loaded
    from haz.graph import TaskGraph
    from haz.model import StreamHashes


class Expectation(Record):
    """`result` is what a lookup would find, None where that was not asked; `duration` in milliseconds, if known."""

    result: Literal["hit", "miss"] | None = None
    duration: int | None = None


def expectations(loaded: Loaded, tasks: Collection[TaskId], *, look_up: bool) -> dict[TaskId, Expectation]:
    """Say of each task how long it took when it last ran, and with `look_up` whether it would be restored.

    `tasks` must be closed over hard predecessors. Nothing is run but version queries, and nothing is written. What
    depends on a task that has to run counts as a miss, since its key is not known.
    """
    seconds = history.durations(loaded.workspace.root, tasks)
    found = {task: Expectation(None, int(seconds[task] * 1000) if task in seconds else None) for task in tasks}
    if not look_up or not tasks:
        return found
    graph, queue = loaded.graph.restrict(tasks), _core.Queue()
    spill = f"{cache_directory(loaded.workspace)}/{formats.SPILL}"
    processes = _core.Processes(queue, loaded.workspace.settings.hash, spill)
    ctx = run_context(loaded.workspace, graph.specs, queue, processes, RunObserver(), RunOptions())
    order = _order(graph)
    ctx.files.fingerprint(1, [ctx.input_specs[task] for task in order])
    inputs = dict(zip(order, queue.wait()[0][2], strict=True))
    streams: dict[TaskId, StreamHashes] = {}
    for task in order:
        needed = graph.hard_predecessors[task]
        duration = found[task].duration
        result: Literal["hit", "miss"] = "miss"
        if all(one in streams for one in needed):
            try:
                lookup = cache_lookup_phase(ctx, task, inputs[task], [(one, streams[one]) for one in needed])
            except BuildKeyFailed:
                # The run will tell what is wrong with it.
                lookup = None
            if lookup is not None and isinstance(lookup.found, Hit):
                manifest = lookup.found.manifest
                streams[task], result = manifest.streams, "hit"
                duration = manifest.duration if duration is None else duration
        found[task] = Expectation(result, duration)
    return found


def _order(graph: TaskGraph) -> list[TaskId]:
    waiting = {task: len(graph.hard_predecessors[task]) for task in graph.nodes}
    order = [task for task, count in waiting.items() if count == 0]
    for task in order:
        for successor in graph.hard_successors[task]:
            waiting[successor] -= 1
            if waiting[successor] == 0:
                order.append(successor)
    return order


def read_durations(path: str) -> dict[TaskId, int]:
    """Read weights in milliseconds: from what `haz affected --format json` or `haz run --report` wrote.

    Raises `FileSystemError`, `UsageError`.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise FileSystemError("read", path, error.errno, error.strerror or str(error)) from error
    try:
        value = _core.json_loads(data)
        rows = value["tasks"]
        if isinstance(rows, dict):
            # A report: what came from the cache there says nothing about running it.
            rows = [{"task": name, **row} for name, row in rows.items() if row.get("source") != "hit"]
        return {TaskId(*_name(row)): _weight(row) for row in rows if _is_known(row)}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        hint = "write it with `haz affected --format json` or `haz run --report FILE`"
        raise UsageError(f"--shard-durations {path}: not a list of durations: {error}", hint) from error


def _is_known(row: dict[str, Any]) -> bool:
    return row.get("expected") == "hit" or row.get("duration") is not None


def _name(row: dict[str, Any]) -> tuple[str, str]:
    project, task = row["task"].split(":")
    return project, task


def _weight(row: dict[str, Any]) -> int:
    if row.get("expected") == "hit":
        return HIT
    duration = row["duration"]
    if type(duration) is not int or duration < 0:
        raise ValueError(f"the duration of {row['task']} is {duration!r}, not a number of milliseconds")
    return duration
