"""Say what a task's cache key is made of, what the cache has for it, and what changed since it last ran.

See also: haz run --dry-run --explain, a line for each task of a run; haz runs show, what became of them.
"""

import os

from haz import _core
from haz.api import load
from haz.app import cache_directory, explain
from haz.cli import values
from haz.cli.declare import Annotated, Argument, Option
from haz.cli.report import finish
from haz.errors import UsageError
from haz.history import files
from haz.reasons import newest_first
from haz.resolution import Resolver, resolve_one
from haz.streams import Writer
from haz.why import report_text, report_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.model import TaskId, Workspace

# Digits of a key: the fewest that are taken for one, and all.
SHORTEST, FULL = 4, 64


def key_of_result(workspace: "Workspace", task: "TaskId", wanted: str) -> bytes:
    """Return the key that is meant: the start of one of the task's in the cache, or of the id of a run."""
    keys = [manifest.key for manifest in newest_first(cache_directory(workspace), task)]
    found = [key for key in keys if len(wanted) >= SHORTEST and key.hex().startswith(wanted.lower())]
    if len(found) > 1:
        raise UsageError(f"--against: '{wanted}' is the start of {len(found)} keys of {task}")
    if found:
        return found[0]
    if len(wanted) == FULL and set(wanted.lower()) <= set("0123456789abcdef"):
        return bytes.fromhex(wanted)
    started_at, run_id = files.find(workspace.root, wanted)
    run = files.read(workspace.root, started_at, run_id)
    end = None if run is None else run.tasks.get(str(task))
    if end is None or end.key is None:
        raise files.HistoryError(f"run {run_id} has no key of {task}", f"`haz runs show {run_id}` tells what it has")
    return bytes.fromhex(end.key)


def command(
    task: Annotated[str, Argument(metavar="TASK", completes="tasks", help="One task: P:T, or ~:T in a project.")],
    against: Annotated[
        str | None,
        Option("--against", metavar="KEY|RUN", help="Compare with this entry, or with what a run of haz had."),
    ] = None,
    form: Annotated[str, Option("--format", metavar="FMT", choices=("plain", "json"), help="plain or json.")] = "plain",
    color: Annotated[
        str, Option("--color", metavar="WHEN", choices=values.COLOURS, help="auto, always or never; for messages.")
    ] = "auto",
) -> int:
    chosen = values.output_format(form)
    values.colour(color)
    (reference,) = values.references([task])
    loaded = load(os.getcwd()).loaded
    chosen_task = resolve_one(Resolver(loaded.workspace), reference, loaded.bearing)
    key = None if against is None else key_of_result(loaded.workspace, chosen_task, against)
    explanation = explain(loaded, chosen_task, key)
    out, err = Writer(1), Writer(2)
    if chosen == "json":
        out(_core.json_dumps(report_value(explanation)) + b"\n")
    else:
        out.text(report_text(explanation))
    if explanation.problem is not None:
        err.text(f"Error: {explanation.problem}\n")
        return 2
    return finish(out)
