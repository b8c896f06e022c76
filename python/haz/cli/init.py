"""Make the current directory a workspace."""

import os

from haz import _core
from haz.cli.declare import Annotated, Option
from haz.errors import HazError, UsageError


class ExistingWorkspaceError(HazError):
    """`.haz` is already there, whatever it is (AUX-002)."""

    code = "haz::init::exists"


def command(
    yes: Annotated[bool, Option("--yes", help="Write an empty workspace without asking anything.")] = False,
) -> int:
    here = os.getcwd()
    marker = f"{here}/.haz"
    if os.path.lexists(marker):
        raise ExistingWorkspaceError(f"refusing to touch the existing workspace {marker}")
    if not yes:
        raise UsageError("choosing projects on the terminal is not available in this version: use --yes")
    _core.publish(f"{marker}/workspace.yml", b"projects: []\n")
    return 0
