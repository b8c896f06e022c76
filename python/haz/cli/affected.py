"""List the tasks that changed files affect, and run nothing."""

import os

from haz import _core
from haz.api import load
from haz.cli import changes, values
from haz.cli.common import MessageColour
from haz.cli.declare import Annotated, Argument, Option
from haz.cli.report import finish
from haz.errors import UsageError
from haz.streams import Writer, valid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from haz.api import Workspace
    from haz.cli.changes import Choice, Chosen
    from haz.plan import Reason


def command(
    tasks: Annotated[
        list[str] | None,
        Argument(metavar="TASK…", completes="tasks", help="Only these; see `haz run`. Default: as with --all."),
    ] = None,
    every: Annotated[
        bool, Option("--all", help="Tasks of the project here, or of all projects outside of one (default).")
    ] = False,
    workspace: Annotated[bool, Option("--workspace", help="Tasks of all projects.")] = False,
    git_changed: changes.GitChanged = False,
    git_staged: changes.GitStaged = False,
    git_changed_since: changes.GitChangedSince = None,
    merge_base: changes.MergeBase = False,
    on_unknown: changes.OnUnknownBase = None,
    affected_dependents: changes.Dependents = False,
    exclude: changes.Exclude = None,
    shard: changes.ShardOption = None,
    shard_durations: changes.ShardDurations = None,
    look_up: Annotated[bool, Option("--lookup", help="With --format json: say what the cache would restore.")] = False,
    form: Annotated[str, Option("--format", metavar="FMT", choices=("plain", "json"), help="plain or json.")] = "plain",
    color: MessageColour = "auto",
) -> int:
    wanted = changes.changed(
        git_changed=git_changed, git_staged=git_staged, since=git_changed_since, merge_base=merge_base
    )
    chosen_form = values.output_format(form)
    values.colour(color)
    if look_up and chosen_form != "json":
        raise UsageError("--lookup needs --format json: lines have no room for what it finds")
    choice = changes.choice(
        values.references(tasks),
        wanted or changes.Changed(),
        every=every,
        workspace=workspace,
        dependents=affected_dependents,
        on_unknown=on_unknown,
        exclude=values.exclusions(exclude),
        part=shard,
        durations=shard_durations,
    )
    space = load(os.getcwd())
    chosen = changes.chosen(space, choice)
    out, err = Writer(1), Writer(2)
    err.text(chosen.note or "")
    if chosen_form == "json":
        out(_core.json_dumps(report_value(space, choice, chosen, look_up=look_up)) + b"\n")
    else:
        mine = frozenset(chosen.tasks)
        out.text("".join(f"{task}\n" for task in chosen.whole.seeds if task in mine))
    return finish(out)


def report_value(space: "Workspace", choice: "Choice", chosen: "Chosen", *, look_up: bool) -> "dict[str, Any]":
    """Return the list as data: docs/cli/affected.md has its schema."""
    expected = space.expectations(chosen.tasks, look_up=look_up)
    plan, selection = chosen.whole, chosen.selection
    seeds = frozenset(plan.seeds)
    return {
        "version": 1,
        "base": None if selection is None else selection.base,
        "complete": selection is None or selection.warning is None,
        "shard": None
        if choice.shard is None
        else {"number": choice.shard.number, "count": choice.shard.count, "partition": chosen.partition},
        "projects": sorted({task.project for task in chosen.tasks if task in seeds}),
        "excluded": [str(task) for task in plan.excluded],
        "tasks": [
            {
                "task": str(task),
                "project": task.project,
                "name": task.task,
                "affected": task in seeds,
                "reason": reason_value(plan.reasons[task]),
                "duration": expected[task].duration,
                "expected": expected[task].result,
            }
            for task in chosen.tasks
        ],
    }


def reason_value(reason: "Reason") -> "dict[str, Any]":
    value: dict[str, Any] = {"kind": reason.kind}
    if reason.path is not None:
        value["path"] = valid(reason.path)
    if reason.by is not None:
        value["by"] = str(reason.by)
    return value
