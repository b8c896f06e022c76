"""Values of options, checked before any file is read (spec 04 §2.3)."""

from __future__ import annotations

import os

from haz.cli.report import Colour, Form
from haz.errors import UsageError
from haz.names import either, identifier_problem, nearest
from haz.references import parse, parse_exclusion

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from haz.env import ColourChoice
    from haz.model import OutputMode, Reference, TaskGroup
    from haz.run_task import CachePolicy


COLOURS = ("auto", "always", "never")


def colour(text: str) -> ColourChoice:
    """Check `--color`, and let it hold for all messages from here on."""
    choices: tuple[ColourChoice, ...] = ("auto", "always", "never")
    for choice in choices:
        if text == choice:
            Colour.choice = choice
            return choice
    raise UsageError(f"unknown colour choice '{text}', expected auto, always or never")


def one_of(what: str, text: str, choices: tuple[str, ...]) -> str:
    """Check the value of an option that has names for values."""
    if text in choices:
        return text
    raise UsageError(f"unknown {what} '{text}', expected {', '.join(choices[:-1])} or {choices[-1]}")


def output_mode(text: str | None) -> OutputMode | None:
    modes: tuple[OutputMode, ...] = ("live", "buffered")
    for mode in modes:
        if text == mode:
            return mode
    return None if text is None else one_of("output mode", text, modes)  # type: ignore[return-value]


def at_least_one(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise UsageError(f"{option}: '{text}' is not a whole number of at least 1")
    return int(text)


def age(option: str, text: str | None) -> int | None:
    """Check a duration in whole seconds (CFG-034)."""
    try:
        if text is None:
            return None
        from haz.config import _values as grammar  # noqa: PLC0415 - few commands are given one

        return grammar.age(text)
    except ValueError as error:
        raise UsageError(f"{option}: '{text}' is not a duration: {error}", "for example 30d, 12h or 1w2d") from error


def size(option: str, text: str | None) -> int | None:
    """Check a number of bytes (CFG-035)."""
    try:
        if text is None:
            return None
        from haz.config import _values as grammar  # noqa: PLC0415 - as above

        return grammar.size(text)
    except ValueError as error:
        raise UsageError(f"{option}: '{text}' is not a size: {error}", "for example 1024, 500MB or 2GiB") from error


def policy(text: str | None, *, force: bool, off: bool) -> CachePolicy:
    """Check `--cache MODE` together with `--force` and `--no-cache`, which are two of its modes."""
    policies: dict[str, CachePolicy] = {"rw": "read-write", "read": "read", "write": "write", "off": "off"}
    if force and off:
        raise UsageError("--force and --no-cache are mutually exclusive")
    meant: CachePolicy | None = "write" if force else "off" if off else None
    if text is None:
        return meant or "read-write"
    chosen = policies.get(text)
    if chosen is None:
        raise UsageError(f"unknown cache mode '{text}', expected rw, read, write or off")
    if meant not in (None, chosen):
        raise UsageError(f"--cache {text} and {'--force' if force else '--no-cache'} contradict each other")
    return chosen


def order(text: str | None) -> Literal["canonical", "critical-path"] | None:
    choices: tuple[Literal["canonical", "critical-path"], ...] = ("canonical", "critical-path")
    for choice in choices:
        if text == choice:
            return choice
    if text is None:
        return None
    raise UsageError(f"unknown order '{text}', expected canonical or critical-path")


def limit(text: str | None) -> float | None:
    """Parse `--timeout` as the key `timeout` (spec 03 §13.2); 0 stands for `none`."""
    if text is None:
        return None
    if text == "none":
        return 0.0
    from haz.config._shared import positive  # noqa: PLC0415 - the grammar of configuration: most runs need none

    try:
        return positive(text)
    except ValueError as error:
        hint = "write seconds, a duration such as `250ms`, `90s`, `5m` or `2h`, or `none`"
        raise UsageError(f"--timeout D: '{text}' is no duration: {error}", hint) from error


def extra_attempts(text: str | None, *, off: bool) -> int | None:
    """Parse `--retries`; `off` is `--no-retries`."""
    if text is None:
        return 0 if off else None
    if off:
        raise UsageError("--retries and --no-retries are mutually exclusive")
    if not (text.isascii() and text.isdigit() and len(text) < 9 and int(text) <= 100):
        raise UsageError(f"--retries N: '{text}' is not a whole number of 0 to 100")
    return int(text)


def output_format(text: str, choices: tuple[str, ...] = ("plain", "json")) -> str:
    """Check `--format`; from here on errors are told in that form too."""
    Form.json = one_of("output format", text, choices) == "json"
    return text


def references(texts: list[str] | None) -> tuple[Reference, ...]:
    """Parse task references; a bare word gets a hint (spec 04 §5.1)."""
    parsed = []
    for text in texts or ():
        try:
            parsed.append(parse(text))
        except ValueError as error:
            raise UsageError(f"{error}{_meant(text)}") from None
    return tuple(parsed)


def exclusions(texts: list[str] | None) -> tuple[Reference | TaskGroup, ...]:
    """Parse what `--exclude` names."""
    parsed = []
    for text in texts or ():
        try:
            parsed.append(parse_exclusion(text))
        except ValueError as error:
            several = "; give --exclude once for each" if "," in text else ""
            raise UsageError(f"--exclude: {error}{several or _meant(text)}") from None
    return tuple(parsed)


def _meant(word: str) -> str:
    """Say how a bare word could have been meant, as far as the workspace can be read."""
    home = os.environ.get("HOME", "")
    if home and word.startswith(f"{home}:"):
        return f"; the shell has made this of `~{word[len(home) :]}`: put it into quotes"
    if identifier_problem(word) is not None:
        return ""
    from haz.outline import outline  # noqa: PLC0415 - only after a mistake

    found = outline(os.getcwd())
    if not found.projects:
        return f"; did you mean '~:{word}'?"
    names = dict.fromkeys(task for project in found.projects for task in project.tasks)
    for project in found.projects:
        if project.name == word and project.tasks and word not in names:
            tasks = either([f"{word}:{task}" for task in project.tasks])
            return f"; '{word}' is a project: did you mean {tasks}?"
    near = nearest(word, names)
    owners = [project.name for project in found.projects if near in project.tasks]
    if near is None:
        return "; write PROJECT:TASK (`haz list --workspace` tells which there are)"
    return f"; did you mean {either(['~:' + near] if found.bearing in owners else [f'{o}:{near}' for o in owners])}?"
