"""What the command line of haz demands beyond typer: no repeated options, no option value that looks like an option."""

from __future__ import annotations

from typing import Any

from typer._click.exceptions import UsageError
from typer.core import TyperCommand, TyperGroup

from haz.cli import tree, version
from haz.names import nearest

HELP = ("-h", "--help")
VERSION = ("-V", "--version")


class StrictCommand(TyperCommand):
    """A command that refuses what spec 04 §2.2 refuses."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        args = help_or_version(ctx, args)
        refuse(self.params, ctx, args)
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        # typer puts what must be given into braces, which manuals use for alternatives.
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]


class CommandWithWords(StrictCommand):
    """A command that takes the words behind `--` as they are, when an argument stands before it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        at = args.index("--") if "--" in args else len(args)
        if at == len(args) or refuse(self.params, ctx, args[:at]) == 0:
            return super().parse_args(ctx, args)
        rest = super().parse_args(ctx, args[:at])
        ctx.params["arguments"] = tuple(args[at + 1 :])
        return rest

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[-- ARGS…]"]


class StrictGroup(TyperGroup):
    """A command with subcommands that refuses the same of its own options, those before the subcommand."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        first = next((at for at, word in enumerate(args) if word in self.commands), len(args))
        own = help_or_version(ctx, args[:first])
        if own != args[:first]:
            return super().parse_args(ctx, own)
        refuse(self.params, ctx, own)
        if not args and not self.invoke_without_command:
            raise UsageError(f"a command is needed: {', '.join(self.list_commands(ctx))}", ctx=ctx)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        names = super().list_commands(ctx)
        return sorted(names, key=tree.NAMES.index) if ctx.parent is None else names

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = args[0]
        if name in self.commands:
            return super().resolve_command(ctx, args)
        if name.startswith("-"):
            raise UsageError(f"no such option: {name}", ctx=ctx)
        # `haz help` and `haz version` are what other programs call it.
        own = (*HELP, *VERSION) if ctx.parent is None else HELP
        near = f"--{name}" if f"--{name}" in own else nearest(name, self.commands)
        meant = f"did you mean '{near}'?" if near else f"there are {', '.join(self.list_commands(ctx))}"
        raise UsageError(f"'{name}' is no command of `{ctx.command_path}`; {meant}", ctx=ctx)


def help_or_version(ctx: Any, args: list[str]) -> list[str]:
    """Return the option for help alone where it is among the options; print the version where that one is, and end.

    Both win over mistakes. The version of a command is that of the program.
    """
    options = args[: args.index("--")] if "--" in args else args
    if any(word in VERSION for word in options):
        ctx.exit(version())
    return next(([word] for word in options if word in HELP), args)


def refuse(params: list[Any], ctx: Any, args: list[str]) -> int:
    """Raise a usage error for an option that is repeated, and for one whose value looks like an option.

    Returns the number of arguments that are no options, up to `--`.
    """
    takes_value: dict[str, bool] = {}
    several = {parameter.opts[0] for parameter in params if getattr(parameter, "multiple", False)}
    for parameter in params:
        if parameter.param_type_name == "option":
            takes_value.update(dict.fromkeys(parameter.opts, not getattr(parameter, "is_flag", False)))
    seen: set[str] = set()
    positional = 0
    words = iter(range(len(args)))
    for at in words:
        word = args[at]
        if word == "--":
            break
        name, given, _ = word.partition("=")
        positional += not name.startswith("-") or name == "-"
        if not name.startswith("-") or name not in takes_value:
            continue
        first = next(parameter.opts[0] for parameter in params if name in parameter.opts)
        if first in seen and first not in several:
            raise UsageError(f"{name} cannot be used multiple times", ctx=ctx)
        seen.add(first)
        if takes_value[name] and not given:
            following = args[at + 1] if at + 1 < len(args) else None
            if following is None or (following.startswith("-") and following != "-"):
                metavar = next(p.make_metavar(ctx) for p in params if name in p.opts)
                raise UsageError(f"{name} needs a value: {name} {metavar}", ctx=ctx)
            next(words, None)
    return positional
