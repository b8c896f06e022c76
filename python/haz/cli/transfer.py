"""`haz cache export` and `haz cache import`."""

import os

from haz import _core
from haz.api import open_cache
from haz.cli import values
from haz.cli.common import Format, MessageColour, speech
from haz.cli.declare import Annotated, Argument, Option
from haz.cli.report import finish
from haz.errors import UsageError
from haz.names import counted
from haz.streams import Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.cache.transfer import Transferred


def export_command(
    tasks: Annotated[
        list[str] | None,
        Argument(metavar="TASK…", completes="tasks", help="Whose results; without any, all that the cache has."),
    ] = None,
    output: Annotated[
        str | None, Option("-o", "--output", metavar="FILE", completes="files", help="Where to write them.")
    ] = None,
    form: Format = "plain",
    color: MessageColour = "auto",
) -> int:
    """Write results to one tar file, for `haz cache import` on another machine."""
    chosen_form = speech(form, color)
    if output is None:
        raise UsageError("-o FILE is needed: where to write the results")
    references = values.references(tasks)
    err = Writer(2)
    done = open_cache(os.getcwd()).export(output, references, lambda line: err.text(f"cache export: {line}\n"))
    return _tell("exported", done, chosen_form)


def import_command(
    file: Annotated[str, Argument(metavar="FILE", completes="files", help="What `haz cache export` has written.")],
    form: Format = "plain",
    color: MessageColour = "auto",
) -> int:
    """Take in results of another machine; all that is read is checked."""
    chosen_form = speech(form, color)
    err = Writer(2)
    done = open_cache(os.getcwd()).import_(file, lambda line: err.text(f"cache import: {line}\n"))
    return _tell("imported", done, chosen_form)


def _tell(verb: str, done: "Transferred", form: str) -> int:
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
