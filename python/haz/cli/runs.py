"""What earlier runs did, and why (spec 03 §13.7)."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from haz import _core, env
from haz.cli import values
from haz.cli.parsing import StrictCommand, StrictGroup
from haz.cli.report import finish
from haz.errors import UsageError
from haz.history import files
from haz.history.text import list_json, list_text, show_json, show_text
from haz.streams import Writer
from haz.workspace import find_root

NAME = "runs"
SUMMARY = "List the runs that are remembered, newest first; `haz runs show` explains one."

application = typer.Typer(cls=StrictGroup, add_completion=False, rich_markup_mode=None)

Format = Annotated[str, typer.Option("--format", metavar="FMT", help="plain or json.")]


@application.callback(invoke_without_command=True)
def overview(context: typer.Context, output: Format = "plain") -> int:
    if context.invoked_subcommand is not None:
        if output != "plain":
            raise UsageError("--format goes after the name of the subcommand")
        return 0
    chosen = values.output_format(output)
    # Only the place is needed: a workspace that cannot be loaded has a history all the same.
    runs = list(files.logs(find_root(os.getcwd()).path, whole=False))
    out = Writer(1)
    if chosen == "json":
        out(_core.json_dumps(list_json(runs)) + b"\n")
    else:
        out.text(list_text(runs))
    return finish(out)


@application.command("show", cls=StrictCommand, help="Explain a run: what became of each task, and why.")
def show(
    run: Annotated[
        str, typer.Argument(metavar="[ID|latest]", help="An id of `haz runs`, or the start of it or of its last part.")
    ] = "latest",
    output: Format = "plain",
    color: Annotated[str, typer.Option("--color", metavar="WHEN", help="auto, always or never.")] = "auto",
) -> int:
    chosen = values.output_format(output)
    colour = values.colour(color)
    root = find_root(os.getcwd()).path
    started_at, run_id = files.find(root, run)
    found = files.read(root, started_at, run_id)
    if found is None:
        raise files.HistoryError(f"the log of run {run_id} is gone, or is no file", "`haz runs` lists what is there")
    out = Writer(1)
    if chosen == "json":
        out(_core.json_dumps(show_json(found)) + b"\n")
    else:
        out.text(show_text(found, colour=env.colour(colour, 1)))
    return finish(out)
