"""Look into the cache, clean it, and check it.

See also: haz why, what the cache has for a task; haz run --force and --no-cache.
"""

import os

from haz import _core
from haz.api import open_cache
from haz.cache.text import cleaning_text, cleaning_value, info_text, info_value
from haz.cli import transfer, values
from haz.cli.common import Format, MessageColour, speech
from haz.cli.declare import Annotated, Group, Option
from haz.cli.report import finish
from haz.names import counted
from haz.streams import Writer, valid

application = Group()


@application.command("info")
def info(form: Format = "plain", color: MessageColour = "auto") -> int:
    """Count entries and bytes; change nothing."""
    chosen = speech(form, color)
    inspection = open_cache(os.getcwd()).inspect()
    out = Writer(1)
    if chosen == "json":
        out(_core.json_dumps(info_value(inspection)) + b"\n")
    else:
        out.text(info_text(inspection))
    return finish(out)


@application.command("path")
def path(form: Format = "plain", color: MessageColour = "auto") -> int:
    """Print where the cache is."""
    chosen = speech(form, color)
    where = open_cache(os.getcwd()).path
    out = Writer(1)
    if chosen == "json":
        out(_core.json_dumps({"version": 1, "path": valid(where)}) + b"\n")
    else:
        out.text(where + "\n")
    return finish(out)


@application.command("clear")
def clear(form: Format = "plain", color: MessageColour = "auto") -> int:
    """Remove the whole cache, and nothing else."""
    chosen = speech(form, color)
    cache = open_cache(os.getcwd())
    cache.clear()
    out = Writer(1)
    if chosen == "json":
        out(_core.json_dumps({"version": 1, "cleared": valid(cache.path)}) + b"\n")
    else:
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
    color: MessageColour = "auto",
) -> int:
    """Remove entries that are corrupt, old or too many."""
    chosen = speech(form, color)
    age = values.age("--max-age", max_age)
    size = values.size("--max-size", max_size)
    done = open_cache(os.getcwd()).clean(soft=soft, max_age=age, max_size=size, dry_run=dry_run)
    out, err = Writer(1), Writer(2)
    if chosen == "json":
        out(_core.json_dumps(cleaning_value(done, dry_run=dry_run)) + b"\n")
    else:
        out.text(cleaning_text(done, dry_run=dry_run))
    for trouble in done.troubles:
        err.text(f"cache clean: {trouble}\n")
    return 2 if done.troubles else finish(out)


@application.command("verify")
def verify_command(
    repair: Annotated[bool, Option("--repair", help="Remove what is corrupt: it becomes a miss.")] = False,
    form: Format = "plain",
    color: MessageColour = "auto",
) -> int:
    """Read every manifest and every blob, and compare them with their digests."""
    chosen = speech(form, color)
    found = open_cache(os.getcwd()).verify(repair=repair)
    out, err = Writer(1), Writer(2)
    for defect in found.defects:
        err.text(f"{defect.file}: {defect.what}\n")
        if defect.kept is not None:
            err.text(f"{defect.file}: cannot remove: {defect.kept}\n")
    for trouble in found.troubles:
        err.text(f"cache verify: {trouble}\n")
    if chosen == "json":
        rows = [
            {"file": valid(defect.file), "defect": valid(defect.what), "removed": defect.removed}
            for defect in found.defects
        ]
        value = {"version": 1, "entries": found.entries, "blobs": found.blobs, "defects": rows}
        out(_core.json_dumps(value) + b"\n")
    else:
        note = f", {len(found.defects) - found.left} removed" if repair else ""
        checked = f"{counted(found.entries, 'entry', 'entries')}, {counted(found.blobs, 'blob')}"
        out.text(f"{checked}: {counted(len(found.defects), 'defect')}{note}\n")
    return 2 if found.left or found.troubles else finish(out)


application.command("export")(transfer.export_command)
application.command("import")(transfer.import_command)
