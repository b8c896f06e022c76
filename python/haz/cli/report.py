"""Errors as a person sees them on stderr, and the exit codes they lead to."""

from __future__ import annotations

import sys

from haz import env
from haz.errors import LoadError, ResolutionError
from haz.streams import Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from haz.diagnostics import Diagnostic
    from haz.env import ColourChoice
    from haz.errors import HazError


class Colour:
    """What `--color` said, for the messages of a command line that has been parsed only in part."""

    choice: ColourChoice = "auto"


class Form:
    """Whether `--format json` was given: then errors are an array of diagnostics on stderr (D14)."""

    json = False


def usage_error(message: str) -> int:
    """Print the one line of a usage error (spec 04 §2.3)."""
    say(f"Error: {' '.join(message.split())}\n")
    return 2


def say(text: str) -> None:
    """Print lines on stderr. What somebody typed may be in them: control characters must not reach the terminal."""
    if not text.isprintable():
        # Bytes that are no text go out as they are.
        text = "".join(
            char if char.isprintable() or char == "\n" or "\udc80" <= char <= "\udcff" else ascii(char)[1:-1]
            for char in text
        )
    Writer(2).text(text)


def show(diagnostics: Sequence[Diagnostic], header: str | None) -> None:
    """Draw diagnostics on stderr; nothing for none."""
    if not diagnostics:
        return
    from haz.render import render  # noqa: PLC0415 - needed on failure only

    Writer(2).text(
        render(
            diagnostics,
            header=header,
            colour=env.colour(Colour.choice, 2),
            ascii_only=env.ascii_only(2),
            narrated=env.narrated(),
            width=env.width(2),
        )
    )


def report_error(error: HazError) -> int:
    """Print an error with its causes and hint; returns its exit code."""
    write = say
    if Form.json:
        from haz._core import json_dumps  # noqa: PLC0415 - needed on failure only
        from haz.render import as_json  # noqa: PLC0415

        Writer(2)(json_dumps(as_json(error.diagnostics)) + b"\n")
        return error.exit_code
    if isinstance(error, LoadError):
        show(error.diagnostics, error.header)
    elif isinstance(error, ResolutionError):
        write(f"Error: {error}\n")
        for message in error.messages:
            write(f"  - {message}\n")
    else:
        write(f"Error: {error}\n")
        cause = error.__cause__
        while cause is not None:
            told = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
            if told not in str(error):
                write(f"  caused by: {cause}\n")
            cause = cause.__cause__
    if error.hint:
        write(f"  help: {error.hint}\n")
    return error.exit_code


def internal_error() -> int:
    """Print the traceback of the exception being handled as what it is: a defect of haz."""
    import traceback  # noqa: PLC0415 - needed on failure only

    write = Writer(2).text
    write("Error: haz ran into a defect of its own; please report the lines below.\n")
    write(traceback.format_exc())
    write(f"haz on Python {sys.version.split()[0]}, {sys.platform}\n")
    return 2


def finish(*writers: Writer) -> int:
    """Return 2 when a report could not be written, else 0. A full disk is told, a reader that has gone is not."""
    for writer in writers:
        if isinstance(writer.error, BrokenPipeError):
            return 2
        if writer.error is not None:
            Writer(2).text(f"Error: cannot write to standard output: {writer.error.strerror}\n")
            return 2
    return 0
