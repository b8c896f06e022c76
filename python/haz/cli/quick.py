"""Parses the plain form of a command line without typer, which costs 50 ms to import; declines everything else.

What it accepts it reads exactly as typer would (tests/property/test_quick.py compares them); help, mistakes and unusual
forms are typer's, which also has the words for them.
"""

from __future__ import annotations

from haz._record import Record
from haz.cli import tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from haz.cli.declare import Command, Function, Parameter


class Call(Record):
    """A command line that was understood: the function, what to give it, and the directory of `-C` or of `--root`.

    Left out is what has the value that it has without being given.
    """

    function: Function
    given: dict[str, Any]
    directory: str | None = None
    root: str | None = None


def parse(words: Sequence[str]) -> Call | None:
    """Understand a command line, or return None."""
    at, where = 0, None
    option, equals, value = words[0].partition("=") if words else ("", "", "")
    if option in ("--directory", "--root") and equals:
        at, where = 1, value
    elif option in ("-C", "--directory", "--root") and len(words) > 1 and _is_plain(words[1]):
        at, where = 2, words[1]
    if at == len(words) or words[at] not in tree.NAMES or where == "":
        return None
    command = tree.command(words[at])
    at += 1
    if at < len(words) and words[at] in command.subcommands:
        command = command.subcommands[words[at]]
        at += 1
    if command.function is None:
        return None
    given = _given(command, words[at:])
    if given is None:
        return None
    defaults = {parameter.field: parameter.default for parameter in command.parameters}
    place = {} if where is None else {"root" if option == "--root" else "directory": where}
    return Call(command.function, {f: value for f, value in given.items() if value != defaults[f]}, **place)


def _is_plain(word: str) -> bool:
    return word != "" and not word.startswith("-")


def _given(command: Command, words: Sequence[str]) -> dict[str, Any] | None:
    options: dict[str, Parameter] = {}
    argument = rest = None
    for parameter in command.parameters:
        for name in parameter.declared.names if parameter.is_option else ():
            options[name] = parameter
        if parameter.kind == "words":
            rest = parameter
        elif parameter.kind in ("one", "optional", "many"):
            argument = parameter
    given: dict[str, Any] = {}
    positional: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word == "--":
            if rest is None or not positional:
                return None
            given[rest.field] = tuple(words[at:])
            break
        if _is_plain(word):
            positional.append(word)
            continue
        # `-j4`; `-j=4` is the value `=4` to typer.
        attached = len(word) > 2 and word[1] != "-" and word[2] != "="
        name, equals, value = (word[:2], "=", word[2:]) if attached else word.partition("=")
        option = options.get(name)
        if option is None or (option.field in given and option.kind != "values"):
            return None
        if option.kind == "switch":
            if equals:
                return None
            given[option.field] = True
            continue
        if equals and not attached and not name.startswith("--"):
            return None
        if not equals:
            if at == len(words) or not _is_plain(words[at]):
                return None
            value = words[at]
            at += 1
        if not value:
            return None
        if option.kind == "values":
            given.setdefault(option.field, []).append(value)
        else:
            given[option.field] = value
    if argument is None:
        return None if positional else given
    if argument.kind == "many":
        if positional:
            given[argument.field] = positional
    elif len(positional) == 1:
        given[argument.field] = positional[0]
    elif positional or argument.kind == "one":
        return None
    return given
