"""List the runs that are remembered, newest first; `haz runs show` explains one.

See also: haz why, what a task's key is made of; haz run --report, the summary of a run as JSON.
"""

# Spec 03 §13.7.

import os

from haz import _core, env
from haz.api import Runs
from haz.cli import values
from haz.cli.common import Format, MessageColour, speech
from haz.cli.declare import Annotated, Argument, Group, Option
from haz.cli.report import finish
from haz.history.text import list_json, list_text, show_json, show_text
from haz.streams import Writer


def overview(output: Format = "plain", color: MessageColour = "auto") -> int:
    chosen = speech(output, color)
    # Only the place is needed: a workspace that cannot be loaded has a history all the same.
    runs = list(Runs(os.getcwd()))
    out = Writer(1)
    if chosen == "json":
        out(_core.json_dumps(list_json(runs)) + b"\n")
    else:
        out.text(list_text(runs))
    return finish(out)


application = Group(overview)


@application.command("show")
def show(
    run: Annotated[
        str,
        Argument(
            metavar="[ID|latest]", completes="runs", help="An id of `haz runs`, or the start of it or of its last part."
        ),
    ] = "latest",
    output: Format = "plain",
    color: Annotated[
        str, Option("--color", metavar="WHEN", choices=values.COLOURS, help="auto, always or never.")
    ] = "auto",
) -> int:
    """Explain a run: what became of each task, and why."""
    chosen = values.output_format(output)
    colour = values.colour(color)
    found = Runs(os.getcwd()).find(run)
    out = Writer(1)
    if chosen == "json":
        out(_core.json_dumps(show_json(found)) + b"\n")
    else:
        out.text(show_text(found, colour=env.colour(colour, 1), ascii_only=env.ascii_only(1)))
    return finish(out)
