"""List the tasks that have the given properties.

Expressions: atoms joined by ! & | and parentheses, as in 'c & !slow'; in names, * stands for any characters and ? for
one. See also: haz list, haz graph.
"""

import os

from haz import env, graph_text
from haz.api import load
from haz.cli import values
from haz.cli.declare import Annotated, Option
from haz.cli.report import finish, say
from haz.errors import UsageError
from haz.query import QueryError, as_json, plain, report
from haz.streams import Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.api import Workspace
    from haz.model import TaskId


def _either(positive: bool, negative: bool, what: str) -> bool | None:
    if positive and negative:
        raise UsageError(f"--has-{what} and --no-{what} are mutually exclusive")
    return True if positive else False if negative else None


def _row(space: "Workspace", task: "TaskId") -> tuple[str, ...]:
    spec = space.tasks[task]
    deps = " ".join(map(str, space.graph.hard_predecessors[task]))
    return str(task), " ".join(sorted(spec.tags)), deps, spec.description or ""


def command(
    tags: Annotated[str | None, Option("--tags", metavar="EXPR", help="Tags of the project.")] = None,
    projects: Annotated[str | None, Option("--projects", metavar="EXPR", help="Names of projects.")] = None,
    tasks: Annotated[str | None, Option("--tasks", metavar="EXPR", help="Names of tasks.")] = None,
    inputs: Annotated[
        str | None, Option("--inputs", metavar="EXPR", help="Patterns that an input pattern can meet.")
    ] = None,
    outputs: Annotated[
        str | None, Option("--outputs", metavar="EXPR", help="Patterns that an output pattern can meet.")
    ] = None,
    child_of: Annotated[
        str | None, Option("--child-of", metavar="EXPR", help="A direct dependency: name:N, project:P, tag:G.")
    ] = None,
    parent_of: Annotated[str | None, Option("--parent-of", metavar="EXPR", help="A direct dependant.")] = None,
    depends_on: Annotated[str | None, Option("--depends-on", metavar="EXPR", help="A dependency at any depth.")] = None,
    ancestor_of: Annotated[
        str | None, Option("--ancestor-of", metavar="EXPR", help="A dependant at any depth.")
    ] = None,
    has_deps: Annotated[bool, Option("--has-deps", help="Declares `deps`.")] = False,
    no_deps: Annotated[bool, Option("--no-deps", help="Declares none.")] = False,
    has_inputs: Annotated[bool, Option("--has-inputs", help="Declares `inputs`.")] = False,
    no_inputs: Annotated[bool, Option("--no-inputs", help="Declares none.")] = False,
    has_outputs: Annotated[bool, Option("--has-outputs", help="Declares `outputs`.")] = False,
    no_outputs: Annotated[bool, Option("--no-outputs", help="Declares none.")] = False,
    mutex: Annotated[bool, Option("--mutex", help="Has a mutex.")] = False,
    workspace: Annotated[bool, Option("--workspace", help="Of all projects, wherever this is.")] = False,
    form: Annotated[
        str,
        Option(
            "--format",
            metavar="FMT",
            choices=("plain", "json", "table", "dot", "mermaid"),
            help="plain, json, table, dot or mermaid.",
        ),
    ] = "plain",
    color: Annotated[
        str, Option("--color", metavar="WHEN", choices=values.COLOURS, help="auto, always or never.")
    ] = "auto",
) -> int:
    chosen = values.output_format(form, ("plain", "json", "table", "dot", "mermaid"))
    colour = values.colour(color)
    has = (
        _either(has_deps, no_deps, "deps"),
        _either(has_inputs, no_inputs, "inputs"),
        _either(has_outputs, no_outputs, "outputs"),
    )
    space = load(os.getcwd())
    try:
        found = space.query(
            tags=tags,
            projects=projects,
            tasks=tasks,
            inputs=inputs,
            outputs=outputs,
            child_of=child_of,
            parent_of=parent_of,
            depends_on=depends_on,
            ancestor_of=ancestor_of,
            has_deps=has[0],
            has_inputs=has[1],
            has_outputs=has[2],
            mutex=mutex,
            workspace=workspace,
        )
    except QueryError as error:
        if chosen == "json":
            raise
        say(report(error.problems) + "\n")
        return error.exit_code
    out = Writer(1)
    if chosen == "json":
        out.text(as_json(space.graph, found))
    elif chosen == "table":
        from haz.cli.table import table  # noqa: PLC0415 - rich is slow to import

        out.text(
            table(
                ("TASK", "TAGS", "DEPS", "DESCRIPTION"),
                [_row(space, task) for task in found],
                colour=env.colour(colour, 1),
            )
        )
    else:
        render = {"dot": graph_text.dot, "mermaid": graph_text.mermaid}.get(chosen)
        out.text(plain(found) if render is None else render(space.graph, found))
    return finish(out)
