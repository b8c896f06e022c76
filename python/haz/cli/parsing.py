"""What the command line of haz demands beyond typer: no repeated options, no option value that looks like an option."""

from __future__ import annotations

from typing import Any

from typer._click.exceptions import UsageError
from typer.core import TyperCommand, TyperGroup


class StrictCommand(TyperCommand):
    """A command that refuses what spec 04 §2.2 refuses."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        refuse(self.params, ctx, args)
        return super().parse_args(ctx, args)


class StrictGroup(TyperGroup):
    """A command with subcommands that refuses the same of its own options, those before the subcommand."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        first = next((at for at, word in enumerate(args) if word in self.commands), len(args))
        refuse(self.params, ctx, args[:first])
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in self.commands:
            raise UsageError(f"'{args[0]}' is no subcommand of {ctx.command_path}, expected {', '.join(self.commands)}")
        return super().resolve_command(ctx, args)


def refuse(params: list[Any], ctx: Any, args: list[str]) -> None:
    """Raise a usage error for an option that is repeated, and for one whose value looks like an option."""
    takes_value: dict[str, bool] = {}
    for parameter in params:
        if parameter.param_type_name == "option":
            takes_value.update(dict.fromkeys(parameter.opts, not getattr(parameter, "is_flag", False)))
    seen: set[str] = set()
    words = iter(range(len(args)))
    for at in words:
        word = args[at]
        if word == "--":
            break
        name, given, _ = word.partition("=")
        if not name.startswith("-") or name not in takes_value:
            continue
        if name in seen:
            raise UsageError(f"{name} cannot be used multiple times", ctx=ctx)
        seen.add(name)
        if takes_value[name] and not given:
            following = args[at + 1] if at + 1 < len(args) else None
            if following is None or (following.startswith("-") and following != "-"):
                metavar = next(p.make_metavar(ctx) for p in params if name in p.opts)
                raise UsageError(f"{name} needs a value: {name} {metavar}", ctx=ctx)
            next(words, None)
