"""List the tasks that have the given properties."""

import os

from haz.app import open_workspace
from haz.cli import values
from haz.cli.declare import Annotated, Option
from haz.cli.report import finish
from haz.errors import UsageError
from haz.query import Filters, QueryError, as_json, plain, report, run_query
from haz.streams import Writer


def _either(positive: bool, negative: bool, what: str) -> bool | None:
    if positive and negative:
        raise UsageError(f"--has-{what} and --no-{what} are mutually exclusive")
    return True if positive else False if negative else None


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
    form: Annotated[str, Option("--format", metavar="FMT", help="plain or json.")] = "plain",
) -> int:
    chosen = values.output_format(form)
    filters = Filters(
        tags=tags,
        projects=projects,
        tasks=tasks,
        inputs=inputs,
        outputs=outputs,
        child_of=child_of,
        parent_of=parent_of,
        depends_on=depends_on,
        ancestor_of=ancestor_of,
        has_deps=_either(has_deps, no_deps, "deps"),
        has_inputs=_either(has_inputs, no_inputs, "inputs"),
        has_outputs=_either(has_outputs, no_outputs, "outputs"),
        mutex=mutex,
    )
    loaded = open_workspace(os.getcwd())
    try:
        found = run_query(loaded.graph, filters, loaded.bearing)
    except QueryError as error:
        Writer(2).text(report(error.problems) + "\n")
        return error.exit_code
    out = Writer(1)
    out.text(plain(found) if chosen == "plain" else as_json(loaded.graph, found))
    return finish(out)
