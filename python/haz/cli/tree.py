"""The tree of commands. A module is imported when its command is asked for."""

from __future__ import annotations

from haz.cli.declare import Command, Group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# In the order of `haz --help`. Each is a module of this package.
NAMES = (
    "run",
    "affected",
    "list",
    "graph",
    "query",
    "why",
    "verify",
    "check",
    "cache",
    "runs",
    "init",
    "schema",
    "completion",
    "man",
)


def command(name: str) -> Command:
    """Return one of `NAMES`, or the hidden one that completes words."""
    module: Any = __import__(f"haz.cli.{name}", fromlist=("command",))
    text = module.__doc__ or ""
    group = getattr(module, "application", None)
    if not isinstance(group, Group):
        return Command((name,), text, module.command)
    subcommands = {
        sub: Command((name, sub), function.__doc__ or "", function) for sub, function in group.functions.items()
    }
    return Command((name,), text, group.function, subcommands)


def every() -> Mapping[str, Command]:
    """Return the whole tree; imports every module of it."""
    return {name: command(name) for name in NAMES}
