"""Print the JSON Schema of a kind of file, for editors, or of the diagnostics, for tools."""

from haz.cli.declare import Annotated, Argument
from haz.cli.report import finish
from haz.config.schema import KINDS, document
from haz.errors import UsageError
from haz.streams import Writer


def command(
    kind: Annotated[str, Argument(metavar="KIND", help=f"One of {', '.join(KINDS)}.", choices=KINDS)],
) -> int:
    if kind not in KINDS:
        raise UsageError(f"unknown schema '{kind}', expected {', '.join(KINDS)}")
    out = Writer(1)
    out.text(document(kind))
    return finish(out)
