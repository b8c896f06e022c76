"""Diagnostics as text and as plain data. Pure: what stream, terminal and environment ask for comes in as arguments."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from haz.diagnostics import Diagnostic, Span

_UNICODE = {
    "error": "×",  # noqa: RUF001
    "warning": "⚠",
    "cause": "├─▶ ",
    "last": "╰─▶ ",
    "bar": "│",
    "top": "╭─",
    "bottom": "╰────",
    "dots": "·",
    "line": "─",
    "tee": "┬",
    "hook": "╰── ",
}
_ASCII = {
    "error": "x",
    "warning": "!",
    "cause": "|-> ",
    "last": "`-> ",
    "bar": "|",
    "top": ",-",
    "bottom": "`----",
    "dots": ":",
    "line": "^",
    "tee": "|",
    "hook": "`-- ",
}
_STYLES = {
    "error": "31",
    "warning": "33",
    "path": "1;4;36",
    "number": "2",
    "label": "1;35",
    "help": "36",
}
_TAB = "    "


def render(
    diagnostics: Sequence[Diagnostic],
    *,
    header: str | None = None,
    colour: bool = False,
    width: int | None = None,
    ascii_only: bool = False,
    narrated: bool = False,
) -> str:
    """Draw diagnostics (spec 04 §13.3), or with `narrated` tell them in words (13.4). Ends with an empty line.

    Lines are wrapped only where `width` (columns) is given, and then between words only: paths, ids and references
    stay whole. With a `header` each report is introduced by what it is.
    """
    pen = _Pen(colour, width, ascii_only)
    blocks = [] if header is None else [f"{header}\n"]
    for diagnostic in diagnostics:
        lines = list(_narrated(diagnostic) if narrated else pen.drawing(diagnostic))
        if header is not None:
            lines[0] = f"{'Warning' if diagnostic.severity == 'warning' else 'Error'}: {lines[0]}"
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks) + "\n"


def as_json(diagnostics: Iterable[Diagnostic]) -> list[dict[str, object]]:
    """Diagnostics as plain data (spec 04 §13.5); what is not known is None."""
    return [
        {
            "code": diagnostic.code,
            "severity": diagnostic.severity,
            "message": diagnostic.message,
            "causes": list(diagnostic.causes),
            "help": diagnostic.help,
            **_span_data(diagnostic.span),
            "task": diagnostic.task,
            "related": [_span_data(span) for span in diagnostic.related],
        }
        for diagnostic in diagnostics
    ]


def _span_data(span: Span | None) -> dict[str, object]:
    if span is None:
        return dict.fromkeys(("file", "line", "column", "length", "label"))
    file = span.file.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return {"file": file, "line": span.line, "column": span.column, "length": span.length, "label": span.label}


class _Pen:
    def __init__(self, colour: bool, width: int | None, ascii_only: bool) -> None:
        self.colour = colour
        self.width = width
        self.signs = _ASCII if ascii_only else _UNICODE

    def paint(self, style: str, text: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.colour else text

    def drawing(self, diagnostic: Diagnostic) -> Iterable[str]:
        signs = self.signs
        kind = "warning" if diagnostic.severity == "warning" else "error"
        yield self.paint(kind, diagnostic.code)
        yield ""
        bar = f"  {self.paint(kind, signs['bar'])} "
        yield from self.wrapped(f"  {self.paint(kind, signs[kind])} ", bar, _visible(diagnostic.message), 4)
        for number, cause in enumerate(diagnostic.causes, 1):
            last = number == len(diagnostic.causes)
            sign = self.paint(kind, signs["last" if last else "cause"])
            yield from self.wrapped(f"  {sign}", "      " if last else bar + "  ", _visible(cause), 6)
        for span in (diagnostic.span, *diagnostic.related):
            if span is not None:
                yield from self.frame(span)
        if diagnostic.help:
            first = f"  {self.paint('help', 'help:')} "
            for line in diagnostic.help.split("\n"):
                yield from self.wrapped(first, "        ", _visible(line), 8)
                first = "        "

    def frame(self, span: Span) -> Iterable[str]:
        signs = self.signs
        digits = max((len(str(number)) for number, _ in span.source), default=1)
        margin = " " * (digits + 2)
        place = self.paint("path", f"{_visible(span.file)}:{span.line}:{span.column}")
        yield f"{margin}{signs['top']}[{place}]"
        for number, text in span.source:
            yield f" {self.paint('number', str(number).rjust(digits))} {signs['bar']} {_shown(text)}".rstrip()
            if number == span.line:
                yield from self.underline(margin, span, text)
        yield f"{margin}{signs['bottom']}"

    def underline(self, margin: str, span: Span, text: str) -> Iterable[str]:
        signs = self.signs
        indent = " " * _columns(_shown(text[: span.column - 1]))
        length = max(1, _columns(_shown(text[span.column - 1 : span.column - 1 + span.length])))
        half = (length - 1) // 2
        line = signs["line"] * half + signs["tee"] + signs["line"] * (length - 1 - half)
        dots = f"{margin}{signs['dots']} {indent}"
        yield f"{dots}{self.paint('label', line)}"
        yield f"{dots}{' ' * half}{self.paint('label', signs['hook'] + _visible(span.label))}"

    def wrapped(self, first: str, other: str, text: str, indent: int) -> Iterable[str]:
        """Wrap at spaces; a word that is too long stays whole."""
        if self.width is None or indent + len(text) <= self.width:
            yield f"{first}{text}"
            return
        line = ""
        # The clause with the key path is one word.
        for word in text.replace("(at `", "(at\u00a0`").split(" "):
            if line and indent + len(line) + 1 + len(word) > self.width:
                yield f"{first}{line}".replace("\u00a0", " ")
                first, line = other, word
            else:
                line = f"{line} {word}" if line else word
        yield f"{first}{line}".replace("\u00a0", " ")


def _narrated(diagnostic: Diagnostic) -> Iterable[str]:
    yield _visible(diagnostic.message)
    yield f"    Diagnostic severity: {diagnostic.severity}"
    for cause in diagnostic.causes:
        yield f"    Caused by: {_visible(cause)}"
    for span in (diagnostic.span, *diagnostic.related):
        if span is None:
            continue
        yield f"Begin snippet for {_visible(span.file)} starting at line {span.line}, column {span.column}"
        for number, text in span.source:
            yield f"snippet line {number}: {_shown(text)}"
            if number == span.line:
                end = span.column + span.length - 1
                columns = f"columns {span.column} to {end}" if end > span.column else f"column {span.column}"
                yield f"    label at line {number}, {columns}: {_visible(span.label)}"
    if diagnostic.help:
        text = "\n".join(_visible(line) for line in diagnostic.help.split("\n"))
        yield f"diagnostic help: {text}"
    yield f"diagnostic code: {diagnostic.code}"


def _visible(text: str) -> str:
    """Escape what could steer a terminal or cannot be encoded."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def _shown(text: str) -> str:
    """Make a source line safe to print, one column for each thing that cannot be seen."""
    text = text.replace("\t", _TAB)
    return text if text.isprintable() else "".join(char if char.isprintable() else "\ufffd" for char in text)


def _columns(text: str) -> int:
    """Terminal columns of a text."""
    if text.isascii():
        return len(text)
    import unicodedata  # noqa: PLC0415 - rare

    width = 0
    for character in text:
        if not unicodedata.combining(character):
            width += 2 if unicodedata.east_asian_width(character) in "WF" else 1
    return width
