"""Options that many commands have in the same words."""

from haz.cli import values
from haz.cli.declare import Annotated, Option

Format = Annotated[str, Option("--format", metavar="FMT", choices=("plain", "json"), help="plain or json.")]
MessageColour = Annotated[
    str, Option("--color", metavar="WHEN", choices=values.COLOURS, help="auto, always or never; for messages.")
]


def speech(form: str, color: str) -> str:
    """Check both; they hold for messages too from here on. Returns the format."""
    values.colour(color)
    return values.output_format(form)
