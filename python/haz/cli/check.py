"""Validate the whole workspace, and report everything that is wrong with it at once."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from haz.app import open_workspace
from haz.cli import values
from haz.cli.report import finish
from haz.errors import UsageError
from haz.streams import Writer

NAME = "check"


def command(
    every: Annotated[
        bool, typer.Option("--all", help="Count the tasks of the project here, or all outside of one (default).")
    ] = False,
    workspace: Annotated[bool, typer.Option("--workspace", help="Count the tasks of all projects.")] = False,
    color: Annotated[str, typer.Option("--color", metavar="WHEN", help="auto, always or never.")] = "auto",
) -> int:
    if every and workspace:
        raise UsageError("--all and --workspace are mutually exclusive")
    values.colour(color)
    loaded = open_workspace(os.getcwd())
    projects = loaded.workspace.projects
    counted = projects.values() if workspace or loaded.bearing is None else (projects[loaded.bearing],)
    out = Writer(1)
    out.text(f"{sum(len(project.tasks) for project in counted)} task(s) validated.\n")
    return finish(out)
