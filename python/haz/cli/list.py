"""List tasks with their descriptions, or projects.

See also: haz query, by properties; haz graph, by what comes before what.
"""

import os

from haz import _core, env
from haz.api import load
from haz.cli import values
from haz.cli.declare import Annotated, Argument, Option
from haz.cli.report import finish
from haz.errors import UsageError
from haz.streams import Writer, valid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.api import Workspace
    from haz.model import TaskId


def command(
    tasks: Annotated[
        list[str] | None,
        Argument(
            metavar="TASK…",
            completes="tasks",
            help="Which tasks, as for `haz run`. Default: those of the project here, or all.",
        ),
    ] = None,
    workspace: Annotated[bool, Option("--workspace", help="All of all projects, wherever this is.")] = False,
    projects: Annotated[bool, Option("--projects", help="Projects instead of tasks.")] = False,
    form: Annotated[
        str, Option("--format", metavar="FMT", choices=("plain", "json", "table"), help="plain, json or table.")
    ] = "plain",
    color: Annotated[
        str, Option("--color", metavar="WHEN", choices=values.COLOURS, help="auto, always or never.")
    ] = "auto",
) -> int:
    chosen = values.output_format(form, ("plain", "json", "table"))
    colour = values.colour(color)
    references = values.references(tasks)
    if references and (workspace or projects):
        raise UsageError(f"`{'--workspace' if workspace else '--projects'}` cannot be combined with positional tasks")
    space = load(os.getcwd())
    heads: tuple[str, ...]
    if projects:
        names = [name for name in space.projects if workspace or space.bearing in (None, name)]
        heads = ("PROJECT", "ROOT", "TAGS", "TASKS", "DESCRIPTION")
    else:
        found = space.plan(references, scope="none" if references else "workspace" if workspace else "all").seeds
        heads = ("TASK", "DESCRIPTION")
    out = Writer(1)
    if chosen == "json":
        data = [_project_value(space, n) for n in names] if projects else [_task_value(space, t) for t in found]
        out(_core.json_dumps({"version": 1, "projects" if projects else "tasks": data}) + b"\n")
        return finish(out)
    rows: list[tuple[str, ...]]
    if projects:
        rows = [_project_row(space, name) for name in names]
    else:
        rows = [(str(task), space.tasks[task].description or "") for task in found]
    if chosen == "table":
        from haz.cli.table import table  # noqa: PLC0415 - rich is slow to import

        out.text(table(heads, rows, colour=env.colour(colour, 1)))
    else:
        out.text(columns(rows if rows and not projects else [heads, *rows] if rows else []))
    return finish(out)


def columns(rows: "list[tuple[str, ...]]") -> str:
    """Render rows in columns; each is as wide as it must be, nothing is cut."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "".join(f"{line}\n" for line in lines)


def _project_row(space: "Workspace", name: str) -> tuple[str, ...]:
    project = space.projects[name]
    tags = " ".join(sorted(project.tags))
    return name, project.root or "/", tags, str(len(project.tasks)), project.description or ""


def _project_value(space: "Workspace", name: str) -> dict[str, object]:
    project = space.projects[name]
    return {
        "name": name,
        "root": valid(project.root or "/"),
        "tags": sorted(project.tags),
        "tasks": sorted(project.tasks),
        "description": project.description,
    }


def _task_value(space: "Workspace", task: "TaskId") -> dict[str, object]:
    spec = space.tasks[task]
    return {
        "id": str(task),
        "project": task.project,
        "task": task.task,
        "root": valid(spec.root or "/"),
        "tags": sorted(spec.tags),
        "description": spec.description,
        "deps": [str(one) for one in space.graph.hard_predecessors[task]],
        "weakDeps": [str(one) for one in space.graph.soft_predecessors[task]],
        "cache": spec.cache,
        "persistent": spec.persistent,
    }
