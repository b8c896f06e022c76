"""Validate the whole workspace, and report everything that is wrong with it, or looks so, at once.

See also: haz list and haz graph, what the workspace holds; haz schema, for editors.
"""

import os

from haz.api import check
from haz.cli import values
from haz.cli.declare import Annotated, Option
from haz.cli.report import finish, show
from haz.errors import GRAPH_HEADER, UsageError, header
from haz.streams import Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.examined import Examination


def command(
    every: Annotated[
        bool, Option("--all", help="Count the tasks of the project here, or all outside of one (default).")
    ] = False,
    workspace: Annotated[bool, Option("--workspace", help="Count the tasks of all projects.")] = False,
    strict: Annotated[bool, Option("--strict", help="Fail on warnings too.")] = False,
    output: Annotated[
        str,
        Option(
            "--format",
            metavar="FORMAT",
            choices=("plain", "json"),
            help="plain, or json: all errors and warnings as one array.",
        ),
    ] = "plain",
    as_json: Annotated[bool, Option("--json", help="Short for --format json.")] = False,
    color: Annotated[
        str, Option("--color", metavar="WHEN", choices=values.COLOURS, help="auto, always or never.")
    ] = "auto",
) -> int:
    if every and workspace:
        raise UsageError("--all and --workspace are mutually exclusive")
    values.colour(color)
    wants_json = values.output_format(output) == "json" or as_json
    found = check(os.getcwd())
    failed = bool(found.file_errors or found.graph_errors or (strict and found.warnings))
    out = Writer(1)
    if wants_json:
        out.text(_json(found))
    else:
        show(found.file_errors, header(len(found.file_errors)))
        show(found.graph_errors, GRAPH_HEADER)
        show(found.warnings, None)
        if not failed:
            out.text(f"{_count(found, workspace)} task(s) validated.\n")
    return finish(out) or (2 if failed else 0)


def _count(found: "Examination", every: bool) -> int:
    wanted = None if every else found.bearing
    return sum(tasks for name, _, tasks in found.projects or () if wanted in (None, name))


def _json(found: "Examination") -> str:
    import json  # noqa: PLC0415 - only where it is asked for

    from haz.render import as_json  # noqa: PLC0415

    data = as_json((*found.file_errors, *found.graph_errors, *found.warnings))
    # Names that are not UTF-8 would become lone surrogates, which strict readers of JSON refuse.
    return json.dumps(data, indent=2, ensure_ascii=False).encode(errors="replace").decode() + "\n"
