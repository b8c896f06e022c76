"""Say what a task's cache key is made of, what the cache has for it, and what changed since it last ran.

See also: haz run --dry-run --explain, a line for each task of a run; haz runs show, what became of them.
"""

import os

from haz import _core
from haz.api import load
from haz.cli import values
from haz.cli.common import MessageColour
from haz.cli.declare import Annotated, Argument, Option
from haz.cli.report import finish
from haz.streams import Writer
from haz.why import report_text, report_value


def command(
    task: Annotated[str, Argument(metavar="TASK", completes="tasks", help="One task: P:T, or ~:T in a project.")],
    against: Annotated[
        str | None,
        Option("--against", metavar="KEY|RUN", help="Compare with this entry, or with what a run of haz had."),
    ] = None,
    form: Annotated[str, Option("--format", metavar="FMT", choices=("plain", "json"), help="plain or json.")] = "plain",
    color: MessageColour = "auto",
) -> int:
    chosen = values.output_format(form)
    values.colour(color)
    (reference,) = values.references([task])
    explanation = load(os.getcwd()).why(reference, against=against)
    out, err = Writer(1), Writer(2)
    if chosen == "json":
        out(_core.json_dumps(report_value(explanation)) + b"\n")
    else:
        out.text(report_text(explanation))
    if explanation.problem is not None:
        err.text(f"Error: {explanation.problem}\n")
        return 2
    return finish(out)
