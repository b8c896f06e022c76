"""Make the current directory a workspace."""

import os

from haz import _core
from haz.cli import values
from haz.cli.common import MessageColour
from haz.cli.declare import Annotated, Option
from haz.cli.report import finish
from haz.errors import LoadError, UsageError
from haz.importers import SOURCES
from haz.names import counted
from haz.streams import Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.importers.records import Note

NEXT = "\nNext: `haz list` shows the tasks, `haz run --workspace` runs them all.\n"
WITHOUT_TERMINAL = "use --yes for an empty workspace, or --from TOOL"


def command(
    yes: Annotated[bool, Option("--yes", help="Write an empty workspace without asking anything.")] = False,
    source: Annotated[
        str | None,
        Option(
            "--from",
            metavar="TOOL",
            choices=SOURCES,
            help=f"Write what the manifests of a tool say: {', '.join(SOURCES)}.",
        ),
    ] = None,
    dry_run: Annotated[bool, Option("--dry-run", help="With --from: print the files instead of writing them.")] = False,
    color: MessageColour = "auto",
) -> int:
    values.colour(color)
    if yes and source is not None:
        raise UsageError("--yes and --from are mutually exclusive")
    if dry_run and source is None:
        raise UsageError("--dry-run needs --from TOOL")
    if source is not None and source not in SOURCES:
        raise UsageError(f"unknown tool '{source}' in --from, expected {', '.join(SOURCES)}")
    from haz.init.write import WORKSPACE_FILE, refuse_existing  # noqa: PLC0415 - no other command needs it

    here = os.getcwd()
    refuse_existing(here)
    if source is not None:
        return _import(here, source, dry_run)
    if yes:
        _warn_of_outer(here)
        if os.path.lexists(os.path.join(here, "haz.yml")):
            Writer(2).text(f"warning: {here}/haz.yml is a project only when `projects` lists `/`\n")
        _core.publish(os.path.join(here, WORKSPACE_FILE), b"projects: []\n")
        return 0
    return _ask(here)


def _ask(here: str) -> int:
    """Let the user choose on the terminal (spec 04 §11.3..11.6)."""
    if not (os.isatty(0) and os.isatty(1)):
        raise UsageError("choosing projects needs a terminal on standard input and output", WITHOUT_TERMINAL)
    if os.environ.get("TERM", "dumb") == "dumb":
        raise UsageError(
            "choosing projects needs a terminal that can move its cursor; TERM says it cannot", WITHOUT_TERMINAL
        )
    from haz.init import screen  # noqa: PLC0415 - prompt_toolkit and asyncio are needed nowhere else
    from haz.init.flow import Flow  # noqa: PLC0415
    from haz.init.folders import Folders  # noqa: PLC0415
    from haz.init.tree import Tree  # noqa: PLC0415
    from haz.init.write import WORKSPACE_FILE, prove, write  # noqa: PLC0415

    flow = Flow("" if here == "/" else here, Tree(Folders("" if here == "/" else here)))
    end = screen.run(flow, here)
    if isinstance(end, int):
        return 128 + end
    if end != "write" or flow.plan is None:
        return 130 if end == "abort" else 0
    prove(here, flow.plan.texts, flow.plan.kept)
    _warn_of_outer(here)
    write(here, flow.plan.texts)
    out = Writer(1)
    out.text(f"wrote {WORKSPACE_FILE} and {len(flow.plan.new)} new haz.yml\n")
    return finish(out)


def _import(here: str, source: str, dry_run: bool) -> int:
    from haz.init.imported import SCHEMAS, plan  # noqa: PLC0415 - reading other tools' files is rare
    from haz.init.write import WORKSPACE_FILE, write  # noqa: PLC0415

    texts, notes, counts = plan(here, source)
    _warn_of_outer(here)
    out = Writer(1)
    if dry_run:
        for path, text in texts.items():
            shown = f"(the schema for editors, {len(text)} bytes)\n" if path.startswith(SCHEMAS) else text
            out.text(f"--- {path}\n{shown}\n")
    else:
        write(here, texts)
    made = f"the haz.yml of {counted(counts[0], 'project')} with {counted(counts[1], 'task')}"
    verb = "would write" if dry_run else "wrote"
    out.text(f"{verb} {WORKSPACE_FILE} and {made}\n")
    _tell(out, notes)
    if counts[1] and not dry_run:
        out.text(NEXT)
    return finish(out)


def _tell(out: Writer, notes: "tuple[Note, ...]") -> None:
    if notes:
        out.text("\nNot carried over, or decided for you:\n")
    for note in notes:
        out.text(f"  {note.place}: {note.text}\n" if note.place else f"  {note.text}\n")


def _warn_of_outer(here: str) -> None:
    from haz.workspace import find_root  # noqa: PLC0415

    try:
        outer = find_root(os.path.dirname(here))
    except LoadError:
        return
    if outer.explicit:
        Writer(2).text(f"warning: {here} lies in the workspace {outer.path}, which does not see it from now on\n")
