"""What a command accepts, declared by the signature of the function that it calls.

One declaration feeds all who need it: the quick parser (`quick`), typer (`main`), shell completion and the man page.
Built-ins only: most command lines are parsed without typer, which takes longer to import than such a run takes.

A module of commands does without `from __future__ import annotations`: its annotations are read, not only checked.
"""

from __future__ import annotations

from haz._record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Annotated, Any

    Function = Callable[..., int]
else:

    class Annotated:
        """Stands in for `typing.Annotated`: importing `typing` takes half as long as starting Python."""

        def __class_getitem__(cls, items: tuple[Any, Any]) -> tuple[Any, Any]:
            return items


__all__ = ["Annotated", "Argument", "Command", "Group", "Option", "Parameter", "Words", "parameters"]


class Option:
    """An option: its names, and for one that takes a value the `metavar`. A `bool` parameter is a switch.

    One that is `list[str]` may be given several times, any other once. `choices` are the values there are, else
    `completes` says what a value is: `tasks`, `exclusions`, `files` or `runs`.
    """

    def __init__(
        self,
        *names: str,
        help: str,  # noqa: A002 - as typer calls it
        metavar: str = "",
        choices: tuple[str, ...] = (),
        completes: str = "",
    ) -> None:
        self.names = names
        self.help = help
        self.metavar = metavar
        self.choices = choices
        self.completes = completes


class Argument:
    """A positional argument; `list[str]` takes any number. `choices` and `completes` are as for an option."""

    names: tuple[str, ...] = ()

    def __init__(self, *, metavar: str, help: str, choices: tuple[str, ...] = (), completes: str = "") -> None:  # noqa: A002
        self.metavar = metavar
        self.help = help
        self.choices = choices
        self.completes = completes


class Words:
    """The words behind `--`, when an argument stands before it; else `--` only ends the options, as everywhere."""

    names: tuple[str, ...] = ()
    metavar = "-- ARGS"
    choices: tuple[str, ...] = ()

    def __init__(self, *, help: str) -> None:  # noqa: A002
        self.help = help


class Parameter(Record):
    """One parameter of a command. `kind` is one of switch, value, values, one, optional, many and words."""

    field: str
    kind: str
    declared: Option | Argument | Words
    type: Any
    default: Any = None

    @property
    def is_option(self) -> bool:
        return self.kind in ("switch", "value", "values")


class Command(Record):
    """A command: the words that call it, what it is for, and its function; or a group of `subcommands`.

    A group with a function can be called without a subcommand.
    """

    path: tuple[str, ...]
    help: str
    function: Function | None
    subcommands: Mapping[str, Command] = {}

    @property
    def summary(self) -> str:
        """The first sentence of the help."""
        return self.help.split("\n")[0]

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return () if self.function is None else parameters(self.function)


class Group:
    """Collects the subcommands of a module, as `typer.Typer` would."""

    def __init__(self, function: Function | None = None) -> None:
        self.function = function
        self.functions: dict[str, Function] = {}

    def command(self, name: str) -> Callable[[Function], Function]:
        """Register the function that is decorated; its docstring is the help."""

        def register(function: Function) -> Function:
            self.functions[name] = function
            return function

        return register


def parameters(function: Function) -> tuple[Parameter, ...]:
    """Read the parameters of a command's function, in order."""
    code = function.__code__
    names = code.co_varnames[: code.co_argcount]
    defaults = dict(zip(reversed(names), reversed(function.__defaults__ or ()), strict=False))
    found = []
    for name in names:
        kind, declared = function.__annotations__[name]
        found.append(Parameter(name, _kind(kind, declared, name in defaults), declared, kind, defaults.get(name)))
    return tuple(found)


def _kind(of: Any, declared: Any, has_default: bool) -> str:
    if isinstance(declared, Words):
        return "words"
    if isinstance(declared, Option):
        return "switch" if of is bool else "value" if _is_text(of) else "values"
    if not _is_text(of):
        return "many"
    return "optional" if has_default else "one"


def _is_text(of: Any) -> bool:
    return of is str or of == (str | None)
