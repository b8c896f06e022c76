"""The text of a task reference (spec 01 §8) to a value. What it resolves to is `resolution.py`'s."""

from __future__ import annotations

from haz.model import Reference, TaskGroup
from haz.names import identifier_problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.model import Origin, ReferenceKind


class ReferenceSyntaxError(ValueError):
    """A text is no reference; `reason` says why without repeating it, `hint` what may have been meant."""

    def __init__(self, text: str, reason: str, hint: str | None = None) -> None:
        super().__init__(f"invalid task reference `{text}`: {reason}")
        self.text = text
        self.reason = reason
        self.hint = hint


def parse(text: str, origin: Origin | None = None) -> Reference:
    """Parse a reference. REF-001..008; a trailing `?` makes it optional (O15).

    Raises `ReferenceSyntaxError`.
    """
    body = text.removesuffix("?")
    if not body:
        raise ReferenceSyntaxError(text, "reference is empty")
    kind: ReferenceKind
    name: str | None = None
    if body.startswith("~:"):
        kind, task = "bearing", body[2:]
    elif body.startswith("^~:"):
        kind, task = "siblings", body[3:]
    elif body.startswith("^:"):
        kind, task = "everywhere", body[2:]
    elif body.startswith("["):
        kind, name, task = _tag(text, body)
        _identifier(text, "tag", name)
    else:
        name, colon, task = body.partition(":")
        if not colon:
            hint = None if identifier_problem(body) else f"did you mean `~:{body}`?"
            raise ReferenceSyntaxError(text, "no `:` separator", hint)
        kind = "project"
        _identifier(text, "project", name)
    _identifier(text, "task", task)
    return Reference(kind, task, name, text, origin, body != text)


def parse_exclusion(text: str) -> Reference | TaskGroup:
    """Parse what can be left out of a run: a reference; or a project or `[tag]`, which mean all of their tasks.

    Raises `ReferenceSyntaxError`.
    """
    if ":" in text or not text.removesuffix("?"):
        return parse(text)
    if text.startswith("["):
        if not text.endswith("]"):
            hint = "write `[tag]` for all of its tasks, `[tag]:task` or `[tag]~:task`"
            raise ReferenceSyntaxError(text, "tag reference malformed", hint)
        _identifier(text, "tag", text[1:-1])
        return TaskGroup("tag", text[1:-1], text)
    _identifier(text, "project", text)
    return TaskGroup("project", text, text)


def _tag(text: str, body: str) -> tuple[ReferenceKind, str, str]:
    tag, bracket, rest = body[1:].partition("]")
    if bracket and rest.startswith(":"):
        return "tag", tag, rest[1:]
    if bracket and rest.startswith("~:"):
        return "tag_siblings", tag, rest[2:]
    raise ReferenceSyntaxError(text, "tag reference malformed", "write `[tag]:task` or `[tag]~:task`")


def _identifier(text: str, what: str, name: str) -> None:
    problem = identifier_problem(name)
    if problem is not None:
        tag = name.removeprefix("#")
        is_tag = what == "project" and tag != name and identifier_problem(tag) is None
        hint = f"did you mean `[{tag}]:{text.partition(':')[2]}`?" if is_tag else None
        raise ReferenceSyntaxError(text, f"invalid {what} name: {problem}", hint)
