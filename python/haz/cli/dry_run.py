"""What `haz run --dry-run` prints (EXEC-030): the plan, and with `--explain` what the cache has for it."""

from __future__ import annotations

from haz.names import counted
from haz.streams import valid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from haz.forecast import Prediction
    from haz.model import TaskId
    from haz.plan import Plan

# Each kind with the word for several.
KINDS = {"hit": "hits", "miss": "misses", "unknown": "unknown", "error": "errors"}


def plan_text(tasks: Iterable[TaskId], predictions: Mapping[TaskId, Prediction] | None = None) -> str:
    """Render the plan; with predictions each task has its own behind it, and their numbers are the last line."""
    lines = []
    counts = dict.fromkeys(KINDS, 0)
    for task in tasks:
        note = ""
        if predictions is not None:
            found = predictions[task]
            counts[found.kind] += 1
            note = f": {found.kind}" + (f", {found.reason}" if found.reason else "")
        lines.append(f"  - {task}{note}\n")
    if not lines:
        return "would run 0 tasks.\n"
    head = "would run 1 task:\n" if len(lines) == 1 else f"would run {len(lines)} tasks:\n"
    tail = (
        ""
        if predictions is None
        else ", ".join(counted(n, kind, KINDS[kind]) for kind, n in counts.items() if n) + "\n"
    )
    return head + "".join(lines) + tail


def plan_value(plan: Plan, predictions: Mapping[TaskId, Prediction] | None = None) -> dict[str, Any]:
    """Return the same as data, with why each task is in the plan."""
    rows = []
    for task, reason in plan.reasons.items():
        row: dict[str, Any] = {"task": str(task), "because": {"kind": reason.kind}}
        if reason.by is not None:
            row["because"]["by"] = str(reason.by)
        if reason.path is not None:
            row["because"]["path"] = valid(reason.path)
        if predictions is not None:
            row["cache"] = {"kind": predictions[task].kind, "reason": predictions[task].reason}
        rows.append(row)
    return {"version": 1, "excluded": [str(task) for task in plan.excluded], "tasks": rows}
