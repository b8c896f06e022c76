"""What could stand in place of the last word of a command line: the hidden `haz __complete WORD…`.

The scripts of `haz completion` call it with the words behind `haz`, the unfinished one last. Each line of the answer is
a word, a tab, and what it is. A word that ends in `:` or `=` wants to be continued; the single line `:files` or
`:directories` leaves the answer to the shell. Nothing that goes wrong is told: somebody is typing.
"""

from __future__ import annotations

import os

from haz.cli import tree
from haz.streams import Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from haz.cli.declare import Command, Parameter
    from haz.outline import Outline

    Words = Iterable[tuple[str, str]]

NAME = "__complete"
FILES, DIRECTORIES = ":files", ":directories"
IN_DIRECTORY = ("--directory=", "--root=")
_TOP = (
    ("-C", "Behave as if started in DIR."),
    ("--directory", "Behave as if started in DIR."),
    ("--root", "The same, and DIR must be the top of a workspace."),
    ("--version", "Print the version."),
    ("--help", "Show help."),
)


def main(words: Sequence[str]) -> int:
    """Answer one question of a shell."""
    out = Writer(1)
    try:
        seen: dict[str, str] = {}
        for word, says in candidates(list(words[:-1]), words[-1] if words else ""):
            seen.setdefault(word, says)
        out.text("".join(f"{word}\t{' '.join(says.split())}\n" for word, says in seen.items()))
    except Exception:  # noqa: BLE001 - a traceback in the middle of a line that is being typed helps nobody
        return 2
    return 0


def candidates(words: list[str], last: str) -> Words:
    """Return what begins with `last` and can follow `words`, with what it is."""
    found = _candidates(words, last)
    return [(word, says) for word, says in found if word.startswith(last) or word in (FILES, DIRECTORIES)]


def _candidates(words: list[str], last: str) -> Words:
    directory = "."
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option in ("-C", "--directory", "--root"):
            if not words:
                return [(DIRECTORIES, "")]
            directory = words.pop(0)
        elif option.startswith(IN_DIRECTORY):
            directory = option.partition("=")[2]
    if not words and last.startswith(IN_DIRECTORY):
        return [(DIRECTORIES, "")]
    if not words:
        commands = [(name, tree.command(name).summary) for name in tree.NAMES if name.startswith(last)]
        return _TOP if last.startswith("-") else commands
    if words[0] not in tree.NAMES:
        return ()
    command = tree.command(words.pop(0))
    if command.subcommands:
        if words and words[0] in command.subcommands:
            command = command.subcommands[words.pop(0)]
        elif not words and not last.startswith("-"):
            return [(name, sub.summary) for name, sub in command.subcommands.items()]
    return _of_command(command, words, last, directory)


def _of_command(command: Command, words: list[str], last: str, directory: str) -> Words:
    if "--" in words:
        return [(FILES, "")]
    options = {name: parameter for parameter in command.parameters for name in parameter.declared.names}
    given: set[str] = set()
    at = 0
    while at < len(words):
        name, equals, _ = words[at].partition("=")
        parameter = options.get(name)
        at += 1
        if parameter is not None:
            if parameter.kind != "values":
                given.add(parameter.field)
            if parameter.kind in ("value", "values") and not equals:
                if at == len(words):
                    return _values(parameter, directory, last)
                at += 1
    name, equals, _ = last.partition("=")
    if equals and name in options:
        found = _values(options[name], directory, last.partition("=")[2])
        # A shell completes files by itself, and knows what is behind the `=`.
        return [(value if value in (FILES, DIRECTORIES) else f"{name}={value}", says) for value, says in found]
    if last.startswith("-"):
        longest = {p.field: p for p in command.parameters if p.is_option and p.field not in given}
        return [*((p.declared.names[-1], p.declared.help) for p in longest.values()), ("--help", "Show help.")]
    argument = next((p for p in command.parameters if p.kind in ("one", "optional", "many")), None)
    return () if argument is None else _values(argument, directory, last)


def _values(parameter: Parameter, directory: str, last: str = "") -> Words:
    declared = parameter.declared
    if declared.choices:
        return [(choice, "") for choice in declared.choices]
    completes = getattr(declared, "completes", "")
    if completes == "files":
        return [(FILES, "")]
    if completes == "runs":
        return _runs(directory)
    if completes in ("tasks", "exclusions"):
        from haz.outline import outline  # noqa: PLC0415 - reads the workspace

        workspace = outline(os.path.abspath(directory))
        groups = _groups(workspace, last) if completes == "exclusions" and ":" not in last else ()
        return [*groups, *references(workspace, last)]
    return ()


def _groups(workspace: Outline, last: str) -> Iterator[tuple[str, str]]:
    """Yield what stands for all tasks of a project, or of those with a tag."""
    for project in workspace.projects:
        if last.startswith("["):
            yield from ((f"[{tag}]", "") for tag in project.tags)
        else:
            yield project.name, project.root or "/"


def _runs(directory: str) -> Words:
    from haz.history.files import ids  # noqa: PLC0415 - few commands need it
    from haz.workspace import find_root  # noqa: PLC0415

    root = find_root(os.path.abspath(directory)).path
    return [("latest", ""), *((f"{started}-{run}", "") for started, run in ids(root))]


def references(workspace: Outline, last: str) -> Iterator[tuple[str, str]]:
    """Yield task references: projects first, their tasks once a project is certain; other forms once they are begun."""
    head, colon, _ = last.partition(":")
    if head.startswith(("^", "[", "~")) and not last.startswith("~:"):
        yield from _wide(workspace, "~" in head, head)
        return
    if last.startswith("~:"):
        for project in workspace.projects:
            if project.name == workspace.bearing:
                yield from ((f"~:{task}", says) for task, says in project.tasks.items())
        return
    matching = [p for p in workspace.projects if (p.name == head if colon else p.name.startswith(head)) and p.tasks]
    if not colon and len(matching) > 1:
        for project in matching:
            yield f"{project.name}:", project.root or "/"
        return
    for project in matching:
        yield from ((f"{project.name}:{task}", says) for task, says in project.tasks.items())


def _wide(workspace: Outline, siblings: bool, head: str) -> Iterator[tuple[str, str]]:
    """Yield the forms for several projects, `^:t`, `^~:t`, `[g]:t` and `[g]~:t`, and `~:` itself."""
    if head == "~":
        yield "~:", workspace.bearing or ""
        return
    mark = "~" if siblings else ""
    for project in workspace.projects:
        for task, says in project.tasks.items():
            if head.startswith("["):
                for tag in project.tags:
                    yield f"[{tag}]{mark}:{task}", says
            else:
                yield f"^{mark}:{task}", says
