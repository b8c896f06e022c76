"""Show which task comes before which.

See also: haz query --format dot, of tasks with given properties.
"""

import os

from haz import _core, graph_text
from haz.api import load
from haz.cli import values
from haz.cli.common import MessageColour
from haz.cli.declare import Annotated, Argument, Option
from haz.cli.report import finish
from haz.errors import UsageError
from haz.streams import Writer


def command(
    tasks: Annotated[
        list[str] | None,
        Argument(
            metavar="TASK…",
            completes="tasks",
            help="Which tasks, with all that they need. Default: those of the project here, or all.",
        ),
    ] = None,
    workspace: Annotated[bool, Option("--workspace", help="All tasks of all projects.")] = False,
    form: Annotated[
        str,
        Option(
            "--format", metavar="FMT", choices=("plain", "json", "dot", "mermaid"), help="plain, json, dot or mermaid."
        ),
    ] = "plain",
    color: MessageColour = "auto",
) -> int:
    chosen = values.output_format(form, ("plain", "json", "dot", "mermaid"))
    values.colour(color)
    references = values.references(tasks)
    if references and workspace:
        raise UsageError("`--workspace` cannot be combined with positional tasks")
    space = load(os.getcwd())
    found = space.plan(references, scope="none" if references else "workspace" if workspace else "all").tasks
    out = Writer(1)
    if chosen == "json":
        out(_core.json_dumps(graph_text.as_value(space.graph, found)) + b"\n")
    else:
        render = {"plain": graph_text.plain, "dot": graph_text.dot, "mermaid": graph_text.mermaid}[chosen]
        out.text(render(space.graph, found))
    return finish(out)
