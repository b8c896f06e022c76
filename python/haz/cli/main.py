"""The tree of commands."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from haz import __version__
from haz.cli import cache, check, init, query, run, runs, schema, verify, why
from haz.cli.parsing import StrictCommand
from haz.errors import UsageError
from haz.streams import Writer

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

application = typer.Typer(
    name="haz",
    help="A task runner for large monorepos: in order, in parallel, and never twice.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=CONTEXT,
)


def _version(wanted: bool) -> None:
    if wanted:
        Writer(1).text(f"haz {__version__}\n")
        raise typer.Exit


@application.callback()
def top(
    directory: Annotated[
        str | None, typer.Option("-C", "--directory", metavar="DIR", help="Behave as if started in DIR.")
    ] = None,
    version: Annotated[  # noqa: ARG001 - eager: handled before anything else
        bool, typer.Option("-V", "--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    if directory is not None:
        try:
            os.chdir(directory)
        except OSError as error:
            raise UsageError(f"cannot change to directory {directory}: {error.strerror}") from error
    try:
        os.getcwd()
    except OSError as error:
        raise UsageError(
            f"the current directory is gone: {error.strerror}", "change to a directory that exists, or use -C DIR"
        ) from error


for module in (run, check, why, verify, query, init, schema):
    application.command(module.NAME, help=module.__doc__, cls=StrictCommand, context_settings=CONTEXT)(module.command)
application.add_typer(runs.application, name=runs.NAME, help=runs.SUMMARY, context_settings=CONTEXT)


application.add_typer(cache.application, name=cache.NAME, context_settings=CONTEXT)


def command() -> typer.core.TyperGroup:
    """Return the parser of the whole command line."""
    group = typer.main.get_command(application)
    assert isinstance(group, typer.core.TyperGroup)
    return group
