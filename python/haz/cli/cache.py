"""Look into the cache, clean it, and check it.

See also: haz why, what the cache has for a task; haz run --force and --no-cache.
"""

import errno
import os
import shutil

from haz import _core
from haz.app import cache_directory
from haz.cache.collect import (
    Inspection,
    clean,
    cleaning_text,
    cleaning_value,
    info_text,
    info_value,
    plan_cleaning,
    verify,
)
from haz.cli import transfer, values
from haz.cli.declare import Annotated, Group, Option
from haz.cli.report import finish
from haz.errors import FileSystemError, LoadError, UsageError
from haz.names import counted
from haz.streams import Writer, valid
from haz.workspace import load_tolerant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.model import Workspace

application = Group()

Format = transfer.Format


def _workspace() -> "Workspace":
    # A file of another project may be broken: the cache needs the workspace's own settings only (04 §14 C6).
    workspace, problems = load_tolerant(os.getcwd())
    if workspace is None:
        raise LoadError(tuple(problem for problem in problems if problem.severity == "error"))
    return workspace


@application.command("info")
def info(form: Format = "plain") -> int:
    """Count entries and bytes; change nothing."""
    chosen = values.output_format(form)
    inspection = Inspection(cache_directory(_workspace()))
    if inspection.troubles:
        raise FileSystemError("read", inspection.troubles[0].path, None, inspection.troubles[0].reason)
    out = Writer(1)
    if chosen == "json":
        out(_core.json_dumps(info_value(inspection)) + b"\n")
    else:
        out.text(info_text(inspection))
    return finish(out)


@application.command("path")
def path() -> int:
    """Print where the cache is."""
    out = Writer(1)
    out.text(cache_directory(_workspace()) + "\n")
    return finish(out)


def _remove(folder: str) -> None:
    """Remove a folder that has been moved away. What was under way then may still add to it, and only that."""
    while os.path.lexists(folder):
        try:
            shutil.rmtree(folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.ENOENT):
                raise


@application.command("clear")
def clear() -> int:
    """Remove the whole cache, and nothing else."""
    cache = cache_directory(_workspace())
    try:
        if os.path.islink(cache):
            os.unlink(cache)
        elif os.path.lexists(cache):
            # Moved away first: who runs meanwhile sees a whole cache or none, and its stores start a new one.
            doomed = os.path.join(os.path.dirname(cache), _core.unique_name())
            # Nor does who cleans take it for something that was left behind long ago.
            os.utime(cache)
            os.rename(cache, doomed)
            _remove(doomed)
    except OSError as error:
        raise FileSystemError("remove", error.filename or cache, error.errno, error.strerror or str(error)) from error
    out = Writer(1)
    out.text("cache cleared.\n")
    return finish(out)


@application.command("clean")
def clean_command(
    soft: Annotated[bool, Option("--soft", help="Remove what is corrupt, and leftovers of killed runs.")] = False,
    max_age: Annotated[
        str | None, Option("--max-age", metavar="DURATION", help="Remove what was last used before, e.g. 30d.")
    ] = None,
    max_size: Annotated[
        str | None,
        Option("--max-size", metavar="BYTES", help="Remove the least recently used beyond, e.g. 2GiB."),
    ] = None,
    dry_run: Annotated[bool, Option("--dry-run", help="Say what would go, and remove nothing.")] = False,
    form: Format = "plain",
) -> int:
    """Remove entries that are corrupt, old or too many."""
    chosen = values.output_format(form)
    age = values.age("--max-age", max_age)
    size = values.size("--max-size", max_size)
    workspace = _workspace()
    settings = workspace.settings
    age = settings.clean_max_age if age is None else age
    size = settings.clean_max_size if size is None else size
    if not soft and age is None and size is None:
        raise UsageError("at least one mode is needed: --soft, --max-age DURATION or --max-size BYTES")
    inspection = Inspection(cache_directory(workspace), workspace.root)
    troubles = list(inspection.troubles)
    planned = plan_cleaning(inspection, soft=soft, max_age=age, max_size=size)
    out, err = Writer(1), Writer(2)
    done = planned if dry_run else clean(planned, troubles.append)
    if chosen == "json":
        out(_core.json_dumps(cleaning_value(done, troubles, dry_run=dry_run)) + b"\n")
    else:
        out.text(cleaning_text(done, dry_run=dry_run))
    for trouble in troubles:
        err.text(f"cache clean: {trouble}\n")
    return 2 if troubles else finish(out)


@application.command("verify")
def verify_command(
    repair: Annotated[bool, Option("--repair", help="Remove what is corrupt: it becomes a miss.")] = False,
    form: Format = "plain",
) -> int:
    """Read every manifest and every blob, and compare them with their digests."""
    chosen = values.output_format(form)
    inspection = Inspection(cache_directory(_workspace()))
    found = verify(inspection)
    out, err = Writer(1), Writer(2)
    rows = []
    for file, defect in found.defects:
        err.text(f"{file}: {defect}\n")
        rows.append({"file": valid(file), "defect": valid(defect), "removed": repair and _removed(file, err)})
    for trouble in inspection.troubles:
        err.text(f"cache verify: {trouble}\n")
    removed = sum(bool(row["removed"]) for row in rows)
    left = len(rows) - removed
    if chosen == "json":
        value = {"version": 1, "entries": found.entries, "blobs": found.blobs, "defects": rows}
        out(_core.json_dumps(value) + b"\n")
    else:
        note = f", {removed} removed" if repair else ""
        checked = f"{counted(found.entries, 'entry', 'entries')}, {counted(found.blobs, 'blob')}"
        out.text(f"{checked}: {counted(len(rows), 'defect')}{note}\n")
    return 2 if left or inspection.troubles else finish(out)


def _removed(file: str, err: Writer) -> bool:
    try:
        os.unlink(file)
    except OSError as error:
        err.text(f"{file}: cannot remove: {error.strerror}\n")
        return False
    return True


application.command("export")(transfer.export_command)
application.command("import")(transfer.import_command)
