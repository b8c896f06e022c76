"""The tree of commands as typer has it: for help, for mistakes, and for every form that `quick` declines."""

from __future__ import annotations

import inspect
import io
from contextlib import redirect_stdout
from typing import Annotated, Any

import typer
from typer._click.exceptions import NoSuchOption
from typer.exceptions import TyperException

from haz.cli import tree
from haz.cli.parsing import CommandWithWords, StrictCommand, StrictGroup
from haz.cli.quick import Call
from haz.cli.report import finish, usage_error
from haz.errors import UsageError
from haz.names import nearest
from haz.streams import Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from haz.cli.declare import Command, Function, Parameter

CONTEXT = {"help_option_names": ["-h", "--help"], "terminal_width": 100}
HELP = "A task runner for large monorepos: in order, in parallel, and never twice."


def parse(words: Sequence[str]) -> Call | int:
    """Parse a command line; an exit code where there is nothing left to do, as after `--help`.

    A mistake becomes one line on stderr (spec 04 §2.3).
    """
    printed = io.StringIO()
    place: dict[str, str | None] = {}
    try:
        with redirect_stdout(printed):
            result = parser().main(list(words), prog_name="haz", standalone_mode=False, obj=place)
    except NoSuchOption as error:
        near = nearest(error.option_name, error.possibilities or ())
        return usage_error(f"no such option: {error.option_name}{f'; did you mean {near}?' if near else ''}")
    except TyperException as error:
        return usage_error(error.format_message() if hasattr(error, "format_message") else str(error))
    # Help goes out as all other output does, so that what becomes of it is known.
    out = Writer(1)
    out.text(printed.getvalue())
    if isinstance(result, Call):
        return finish(out) or result.replace(**place)
    return finish(out) or (result if isinstance(result, int) else 0)


def parser() -> typer.core.TyperGroup:
    """Return the parser of the whole command line."""
    application = typer.Typer(
        name="haz",
        cls=StrictGroup,
        help=HELP,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=CONTEXT,
    )
    application.callback()(_top)
    for name, command in tree.every().items():
        _add(application, name, command)
    group = typer.main.get_command(application)
    assert isinstance(group, typer.core.TyperGroup)
    return group


def _top(
    context: typer.Context,
    directory: Annotated[
        str | None, typer.Option("-C", "--directory", metavar="DIR", help="Behave as if started in DIR.")
    ] = None,
    root: Annotated[
        str | None, typer.Option("--root", metavar="DIR", help="The same, and DIR must be the top of a workspace.")
    ] = None,
    version: Annotated[  # noqa: ARG001 - handled before anything else
        bool, typer.Option("-V", "--version", help="Print the version.")
    ] = False,
) -> None:
    context.obj.update(directory=directory, root=root)


def _add(application: typer.Typer, name: str, command: Command) -> None:
    if not command.subcommands:
        assert command.function is not None
        typed = _typed(command.function, command.parameters)
        takes_words = any(parameter.kind == "words" for parameter in command.parameters)
        kind = CommandWithWords if takes_words else StrictCommand
        application.command(name, help=command.help, cls=kind, context_settings=CONTEXT)(typed)
        return
    group = typer.Typer(cls=StrictGroup, add_completion=False, rich_markup_mode=None)
    if command.function is not None:
        group.callback(invoke_without_command=True)(_bare(command.function, command.parameters))
    for sub, subcommand in command.subcommands.items():
        _add(group, sub, subcommand)
    application.add_typer(group, name=name, help=command.help, context_settings=CONTEXT)


def _typed(function: Function, parameters: Sequence[Parameter]) -> Callable[..., Call]:
    """Return a function with a signature that typer can read, and that tells what was understood."""
    defaults = {parameter.field: parameter.default for parameter in parameters}

    def typed(**given: Any) -> Call:
        # What was not given is left to the function itself: it is the same for whoever parses.
        return Call(function, {f: value for f, value in given.items() if value not in (None, [], defaults[f])})

    _sign(typed, [_parameter(parameter) for parameter in parameters if parameter.kind != "words"])
    return typed


def _bare(function: Function, parameters: Sequence[Parameter]) -> Callable[..., Call | None]:
    """Return the same for the function of a group, which is called only when no subcommand is."""
    understood = _typed(function, parameters)

    def bare(context: typer.Context, **given: Any) -> Call | None:
        call = understood(**given)
        if context.invoked_subcommand is None:
            return call
        for parameter in parameters:
            if parameter.field in call.given:
                raise UsageError(f"{parameter.declared.names[0]} goes after the name of the subcommand")
        return None

    first = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    _sign(bare, [first, *(_parameter(parameter) for parameter in parameters)])
    return bare


def _parameter(parameter: Parameter) -> inspect.Parameter:
    declared, annotation, default = parameter.declared, parameter.type, parameter.default
    info: Any
    if parameter.is_option:
        info = typer.Option(*declared.names, metavar=declared.metavar or None, help=declared.help)
    else:
        info = typer.Argument(metavar=declared.metavar, help=declared.help, show_default=False)
        default = inspect.Parameter.empty if parameter.kind == "one" else default
    return inspect.Parameter(
        parameter.field, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[annotation, info]
    )


def _sign(function: Any, parameters: list[inspect.Parameter]) -> None:
    function.__signature__ = inspect.Signature(parameters)
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
