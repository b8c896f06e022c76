"""The command line: commands, one file each; errors become texts and exit codes here and nowhere else."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from haz.cli.quick import Call


# Of `haz run`: nothing is asked of a checkpoint, or much less.
_NO_CHECKPOINT = frozenset(
    (
        "--no-cache",
        "--force",
        "--no-stat-cache",
        "--dry-run",
        "--git-changed",
        "--git-staged",
        "--help",
        "-h",
        # Its answers would be those of the first moment, however late they are taken.
        "--watch",
    )
)


def run_command_line(arguments: Sequence[str]) -> int:
    """Run one command line; returns its exit code (EXEC-021). Nothing is raised, whatever happens."""
    from haz.cli.report import internal_error, report_error, usage_error  # noqa: PLC0415 - imports inside the `try`
    from haz.errors import HazError  # noqa: PLC0415

    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            # As bytes: how Python keeps those that are no text means nothing to who typed them.
            shown = repr(argument.encode(errors="surrogateescape"))[1:]
            return usage_error(f"argument {shown} is not UTF-8")
    try:
        # Not `list(…)`: that is a module of this package once it was imported.
        if [*arguments] in (["--version"], ["-V"]):
            return version()
        look_ahead(arguments)
        if arguments and arguments[0] == "__complete":
            from haz.cli import complete  # noqa: PLC0415

            return complete.main(arguments[1:])
        from haz.cli import quick  # noqa: PLC0415

        call: Call | int | None = quick.parse(arguments)
        if call is None:
            from haz.cli import main  # noqa: PLC0415 - slow to import, and seldom needed

            call = main.parse(arguments)
        return call if isinstance(call, int) else invoke(call)
    except HazError as error:
        return report_error(error)
    except KeyboardInterrupt:
        return 130
    except Exception:  # noqa: BLE001 - a defect of haz itself: exit 2, never a bare traceback
        return internal_error()


def look_ahead(arguments: Sequence[str]) -> None:
    """Let other threads ask the disk what a run of everything will want to know, while this one still imports.

    A guess: it costs time where nobody takes the answers, and is never wrong.
    """
    if arguments[:1] == ["run"] and "--workspace" in arguments and not _NO_CHECKPOINT.intersection(arguments):
        from haz._core import look_ahead  # noqa: PLC0415
        from haz.cache.formats import CHECKPOINT, SEEN_NAMES, SNAPSHOT  # noqa: PLC0415

        look_ahead(".", CHECKPOINT, SNAPSHOT, SEEN_NAMES)


def invoke(call: Call) -> int:
    """Call a command's function in the directory that the command line names."""
    enter(call.directory, call.root)
    return call.function(**call.given)


def version() -> int:
    """Print the version."""
    from haz import __version__  # noqa: PLC0415
    from haz.cli.report import finish  # noqa: PLC0415
    from haz.streams import Writer  # noqa: PLC0415

    out = Writer(1)
    out.text(f"haz {__version__}\n")
    return finish(out)


def enter(directory: str | None, root: str | None = None) -> None:
    """Change to the directory of `-C` or `--root`, and make sure that there is a current one (04 §2.5).

    That of `--root` must be the top of a workspace. Raises `UsageError`, `LoadError`.
    """
    import os  # noqa: PLC0415

    from haz.errors import UsageError  # noqa: PLC0415

    if directory is not None and root is not None:
        raise UsageError("-C and --root are mutually exclusive")
    wanted = root if directory is None else directory
    if wanted is not None:
        try:
            os.chdir(wanted)
        except OSError as error:
            raise UsageError(f"cannot change to directory {wanted!r}: {error.strerror}") from None
    try:
        here = os.getcwd()
    except OSError as error:
        raise UsageError(
            f"cannot read current working directory: {error.strerror}",
            "change to a directory that exists, or use -C DIR",
        ) from None
    if root is not None:
        from haz.workspace import find_root  # noqa: PLC0415 - seldom asked for

        found = find_root(here).path
        if found != os.path.realpath(here):
            raise UsageError(f"--root: {here} is not the top of a workspace, but lies in that of {found}")
