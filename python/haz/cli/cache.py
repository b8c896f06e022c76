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
    info_text,
    plan_cleaning,
    verify,
)
from haz.cli import transfer, values
from haz.cli.declare import Annotated, Group, Option
from haz.cli.report import finish
from haz.errors import FileSystemError, LoadError, UsageError
from haz.streams import Writer
from haz.workspace import load_tolerant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.model import Workspace

application = Group()


def _workspace() -> "Workspace":
    # A file of another project may be broken: the cache needs the workspace's own settings only (04 §14 C6).
    workspace, problems = load_tolerant(os.getcwd())
    if workspace is None:
        raise LoadError(tuple(problem for problem in problems if problem.severity == "error"))
    return workspace


@application.command("info")
def info() -> int:
    """Count entries and bytes; change nothing."""
    inspection = Inspection(cache_directory(_workspace()))
    if inspection.troubles:
        raise FileSystemError("read", inspection.troubles[0].path, None, inspection.troubles[0].reason)
    out = Writer(1)
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
) -> int:
    """Remove entries that are corrupt, old or too many."""
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
    out.text(cleaning_text(done, dry_run=dry_run))
    for trouble in troubles:
        err.text(f"cache clean: {trouble}\n")
    return 2 if troubles else finish(out)


@application.command("verify")
def verify_command(
    repair: Annotated[bool, Option("--repair", help="Remove what is corrupt: it becomes a miss.")] = False,
) -> int:
    """Read every manifest and every blob, and compare them with their digests."""
    inspection = Inspection(cache_directory(_workspace()))
    found = verify(inspection)
    out, err = Writer(1), Writer(2)
    left = 0
    for file, defect in found.defects:
        err.text(f"{file}: {defect}\n")
        if repair:
            try:
                os.unlink(file)
                continue
            except OSError as error:
                err.text(f"{file}: cannot remove: {error.strerror}\n")
        left += 1
    for trouble in inspection.troubles:
        err.text(f"cache verify: {trouble}\n")
    removed = len(found.defects) - left
    note = f", {removed} removed" if repair else ""
    out.text(f"{found.entries} entries, {found.blobs} blobs: {len(found.defects)} defect(s){note}\n")
    return 2 if left or inspection.troubles else finish(out)


application.command("export")(transfer.export_command)
application.command("import")(transfer.import_command)
