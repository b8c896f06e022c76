"""Typed readers of YAML nodes.

A reader that meets the wrong shape reports it and answers None: nothing stops at the first error (O12).
"""

from __future__ import annotations

from haz.diagnostics import Diagnostic, Span
from haz.model import Origin
from haz.names import nearest, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    from haz._core import Node

    T = TypeVar("T")

    Fields = dict[str, tuple[Node, Node]]


class Source:
    """One configuration file, and what is wrong with it."""

    __slots__ = ("_lines", "data", "diagnostics", "path", "task")

    def __init__(self, path: str, data: bytes) -> None:
        self.path = path
        self.data = data
        self.diagnostics: list[Diagnostic] = []
        self.task: str | None = None
        """`project:task` of the body that is being read."""
        self._lines: list[str] | None = None

    def origin(self, node: Node) -> Origin:
        return Origin(self.path, node.line, node.column)

    def span(self, node: Node, label: str = "here") -> Span:
        """Return the place of a node; of one that covers several lines, its first."""
        line, column = node.line, node.column
        length = node.end_column - column if node.end_line == line else len(self._text(line)) + 1 - column
        return self.span_at(line, column, length, label)

    def span_at(self, line: int, column: int, length: int = 1, label: str = "here") -> Span:
        last = len(self._all())
        if line > last + self.data.endswith((b"\n", b"\r")):
            # The parser puts a value that is not there after the end of a file that does not end in a line break.
            line, column = max(1, last), len(self._text(last)) + 1
        context = tuple((n, self._text(n)) for n in (line - 1, line, line + 1) if 0 < n <= len(self._all()))
        return Span(self.path, line, column, max(1, length), label, context)

    def report(
        self,
        code: str,
        message: str,
        node: Node | None = None,
        *,
        at: str = "",
        help: str | None = None,  # noqa: A002 - the name of the field
        label: str = "here",
        related: tuple[Span, ...] = (),
        severity: str = "error",
    ) -> None:
        """Add a diagnostic. `code` without its `haz::` prefix, `at` the dotted key path."""
        text = f"{message} (at `{at}`)" if at else message
        span = self.span(node, label) if node is not None else None
        self.diagnostics.append(
            Diagnostic(f"haz::{code}", text, span, help, (), related, self.task, severity),
        )

    def _all(self) -> list[str]:
        if self._lines is None:
            text = self.data.decode("utf-8", "replace").removeprefix("\ufeff")
            self._lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
            if self._lines[-1] == "":
                self._lines.pop()
        return self._lines

    def _text(self, line: int) -> str:
        lines = self._all()
        return lines[line - 1] if 0 < line <= len(lines) else ""


class Rule:
    """What every report about one place needs: the code, the key path, and the help that belongs to it."""

    __slots__ = ("at", "code", "help", "source")

    def __init__(self, source: Source, code: str, at: str, help: str | None = None) -> None:  # noqa: A002
        self.source = source
        self.code = code
        self.at = at
        self.help = help

    def refuse(self, message: str, node: Node, *, label: str = "here", related: tuple[Span, ...] = ()) -> None:
        self.source.report(self.code, message, node, at=self.at, help=self.help, label=label, related=related)

    def wrong_shape(self, expected: str, node: Node) -> None:
        self.refuse(f"expected {expected}, found {describe(node)}", node, label=f"expected {expected}")

    def item(self, index: int) -> Rule:
        return Rule(self.source, self.code, f"{self.at}[{index}]", self.help)

    def key(self, name: str) -> Rule:
        return Rule(self.source, self.code, f"{self.at}.{name}" if self.at else name, self.help)


def describe(node: Node) -> str:
    kind = node.kind
    if kind == "sequence":
        return "a list"
    if kind == "mapping":
        return "a mapping"
    if kind == "null":
        return "nothing"
    text: str = node.value
    return f'"{text}"' if len(text) <= 40 else f'"{text[:37]}…"'


def fields(rule: Rule, node: Node, keys: tuple[str, ...], what: str, nullable: tuple[str, ...] = ()) -> Fields | None:
    """Read a mapping with fixed keys.

    Keys without a value are absent (but for `nullable`), `x-…` keys are the user's.
    """
    if node.kind == "null":
        return {}
    if node.kind != "mapping":
        rule.wrong_shape("a mapping", node)
        return None
    found: Fields = {}
    meant: Fields = {}
    for key, value in node.value:
        name = key.value
        if name in keys:
            if value.kind != "null" or name in nullable:
                found[name] = key, value
        elif name is None or not name.startswith("x-"):
            guess = _unknown(rule, key, keys, what)
            if guess is not None and value.kind != "null":
                meant[guess] = key, value
    # A misspelt key was reported; reading on as if it were right spares the reader what would only follow from it.
    return {**meant, **found} if meant else found


def _unknown(rule: Rule, key: Node, keys: tuple[str, ...], what: str) -> str | None:
    """Report a key, and return the one that was probably meant."""
    name = "" if key.value is None else key.value
    meant = nearest(name, keys)
    legal = ", ".join(sorted(keys))
    rule.source.report(
        "cfg::004",
        f"unknown key `{name}` in {what}",
        key,
        at=f"{rule.at}.{name}" if rule.at else name,
        help=f"the keys of {what} are: {legal}; keys that start with `x-` are free for your own use",
        label="unknown key" if meant is None else f"did you mean `{meant}`?",
    )
    return meant


def pairs(rule: Rule, node: Node) -> list[tuple[str, Node, Node]] | None:
    """Read a mapping whose keys are names of the user's choice."""
    if node.kind == "null":
        return []
    if node.kind != "mapping":
        rule.wrong_shape("a mapping", node)
        return None
    return [("" if key.value is None else key.value, key, value) for key, value in node.value]


def text(rule: Rule, node: Node) -> str | None:
    if node.kind == "scalar":
        value: str = node.value
        return value
    rule.wrong_shape("a string", node)
    return None


def texts(
    rule: Rule, node: Node, other: Callable[[Rule, Node], bool] | None = None
) -> list[tuple[int, str, Node]] | None:
    """Read a list of strings; None when it is no list, else the indices and values of its good elements.

    An element that is no string is for `other`, if it takes it.
    """
    if node.kind == "null":
        return []
    if node.kind != "sequence":
        rule.wrong_shape("a list of strings", node)
        return None
    found = []
    for index, item in enumerate(node.value):
        if item.kind == "scalar":
            found.append((index, item.value, item))
        elif other is None or not other(rule.item(index), item):
            _not_a_text(rule.item(index), item)
    return found


def _not_a_text(rule: Rule, item: Node) -> None:
    line = rule.source.span(item)
    written = dict(line.source).get(line.line, "")[line.column - 1 :]
    if item.kind == "null" and written.startswith("!"):
        # `- !/a` is YAML for "nothing, with the tag !/a": tell what to write instead.
        entry = written.split()[0].rstrip(",]}")
        rule.help = f'quote an entry that starts with `!`: "{entry}"'
    elif written.startswith("["):
        rule.help = "quote an entry that starts with `[`, or YAML reads it as a list"
    elif written.startswith("{"):
        rule.help = "quote an entry that starts with `{`, or YAML reads it as a mapping"
    rule.wrong_shape("a string", item)


def unique_names(
    rule: Rule, node: Node, what: str, problem: Callable[[str], str | None]
) -> list[tuple[str, Node]] | None:
    """Read a list of names, each once."""
    found = texts(rule, node)
    if found is None:
        return None
    good: dict[str, Node] = {}
    for index, name, item in found:
        wrong = problem(name)
        if wrong is not None:
            rule.item(index).refuse(f"{quoted(name)} is not a valid {what}: {wrong}", item)
        elif name in good:
            refuse_duplicate(rule.item(index), what, name, item, good[name])
        else:
            good[name] = item
    return list(good.items())


def refuse_duplicate(rule: Rule, what: str, name: str, node: Node, first: Node) -> None:
    rule.source.report(
        rule.code,
        f"{what} `{name}` is listed twice",
        node,
        at=rule.at,
        help="remove one of the two",
        label="again here",
        related=(rule.source.span(first, "first here"),),
    )


def boolean(rule: Rule, node: Node) -> bool | None:
    if node.kind == "scalar" and node.plain:
        value = node.value
        if value in ("true", "True", "TRUE"):
            return True
        if value in ("false", "False", "FALSE"):
            return False
    rule.wrong_shape("`true` or `false`", node)
    return None


def converted(rule: Rule, node: Node, what: str, convert: Callable[[str], T]) -> T | None:
    """Read a scalar that `convert` turns into a value; its `ValueError` is the reason told."""
    if node.kind != "scalar":
        rule.wrong_shape(what, node)
        return None
    try:
        return convert(node.value)
    except ValueError as error:
        rule.refuse(f"{describe(node)} is not {what}: {error}", node, label=f"expected {what}")
        return None


def choice(rule: Rule, node: Node, options: Iterable[str]) -> str | None:
    value = text(rule, node)
    options = tuple(options)
    if value is None or value in options:
        return value
    listed = " or ".join(f"`{option}`" for option in options)
    rule.refuse(f"expected {listed}, found {describe(node)}", node, label=f"expected {listed}")
    return None
