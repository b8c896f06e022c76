"""One diagnostic: what is wrong, where, why, and what to do. Rendering is the CLI's; the code table is `codes.py`'s."""

from __future__ import annotations

from haz._record import Record


class Span(Record):
    """A place in a file. 1-based line and column in characters; `length` in characters on that line, at least 1.

    `source` holds the line itself and one line of context on each side as `(number, text)`, when the file is known.
    """

    file: str
    line: int
    column: int
    length: int = 1
    label: str = "here"
    source: tuple[tuple[int, str], ...] = ()


class Diagnostic(Record):
    """One problem, complete enough to be printed or serialised without looking anything up again.

    `code` is `haz::cfg::021`, `haz::dsc::016`, `haz::dag::014`, …. `message` is one line; a shape error ends with its
    key path as ``(at `tasks.build.command`)``. `related` are further places with their own labels: the first of two
    duplicates, each task of a collision.
    """

    code: str
    message: str
    span: Span | None = None
    help: str | None = None
    causes: tuple[str, ...] = ()
    related: tuple[Span, ...] = ()
    task: str | None = None
    severity: str = "error"
