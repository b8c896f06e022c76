"""`haz cache export` and `haz cache import`."""

import os

from haz import _core
from haz.app import cache_directory
from haz.cache.collect import Inspection
from haz.cache.transfer import Transferred, export, import_
from haz.cli import values
from haz.cli.declare import Annotated, Argument, Option
from haz.cli.report import finish
from haz.errors import LoadError, ResolutionError, UsageError
from haz.names import counted
from haz.resolution import Resolver, Unresolved
from haz.streams import Writer
from haz.workspace import bearing, load_tolerant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.model import Reference, TaskId, Workspace


Format = Annotated[str, Option("--format", metavar="FMT", choices=("plain", "json"), help="plain or json.")]


def export_command(
    tasks: Annotated[
        list[str] | None,
        Argument(metavar="TASK…", completes="tasks", help="Whose results; without any, all that the cache has."),
    ] = None,
    output: Annotated[
        str | None, Option("-o", "--output", metavar="FILE", completes="files", help="Where to write them.")
    ] = None,
    form: Format = "plain",
) -> int:
    """Write results to one tar file, for `haz cache import` on another machine."""
    chosen_form = values.output_format(form)
    if output is None:
        raise UsageError("-o FILE is needed: where to write the results")
    references = values.references(tasks)
    workspace = _workspace()
    wanted = _resolved(workspace, references) if references else None
    cache = cache_directory(workspace)
    entries = (entry.manifest for entry in Inspection(cache).sound)
    chosen = [manifest for manifest in entries if manifest and (wanted is None or manifest.task in wanted)]
    err = Writer(2)
    done = export(cache, chosen, output, lambda line: err.text(f"cache export: {line}\n"))
    return _tell("exported", done, chosen_form)


def import_command(
    file: Annotated[str, Argument(metavar="FILE", completes="files", help="What `haz cache export` has written.")],
    form: Format = "plain",
) -> int:
    """Take in results of another machine; all that is read is checked."""
    chosen_form = values.output_format(form)
    err = Writer(2)
    done = import_(cache_directory(_workspace()), file, lambda line: err.text(f"cache import: {line}\n"))
    return _tell("imported", done, chosen_form)


def _tell(verb: str, done: Transferred, form: str) -> int:
    out = Writer(1)
    if form == "json":
        value = {"entries": done.entries, "blobs": done.blobs, "bytes": done.size}
        out(_core.json_dumps({"version": 1, **value, "known": done.known, "refused": done.refused}) + b"\n")
        return 2 if done.refused else finish(out)
    entries, blobs = counted(done.entries, "entry", "entries"), counted(done.blobs, "blob")
    out.text(f"{verb}: {entries}, {blobs}, {counted(done.size, 'byte')}\n")
    if done.known:
        out.text(f"already there: {counted(done.known, 'entry', 'entries')}\n")
    if done.refused:
        out.text(f"refused: {done.refused}\n")
    return 2 if done.refused else finish(out)


def _workspace() -> "Workspace":
    workspace, problems = load_tolerant(os.getcwd())
    if workspace is None:
        raise LoadError(tuple(problem for problem in problems if problem.severity == "error"))
    return workspace


def _resolved(workspace: "Workspace", references: "tuple[Reference, ...]") -> "set[TaskId]":
    resolver, here = Resolver(workspace), bearing(workspace, os.getcwd())
    found: set[TaskId] = set()
    wrong: list[str] = []
    for reference in references:
        tasks = resolver.resolve(reference, here)
        if isinstance(tasks, Unresolved):
            wrong.append(tasks.message)
        else:
            found.update(tasks)
    if wrong:
        raise ResolutionError(tuple(wrong))
    return found
