"""What `haz check` found, and the same again while nothing that it looked at has changed.

`<root>/.haz/state/check-v1` holds the warnings of a workspace without errors, with the facts about the disk and the
variables that they follow from. It is written where a run has been before, and believed as a snapshot is.
"""

from __future__ import annotations

import marshal
import os
import sys

from haz import _core
from haz._record import Record
from haz.cache.formats import EXAMINED, EXAMINED_MAGIC
from haz.diagnostics import Diagnostic, Span
from haz.discovery import SEEN_NAMES, project_at
from haz.errors import FileSystemError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from haz.discovery import Root, Trace


class Examination(Record):
    """What there is to say about a workspace, the errors of files and those of the graph apart (spec 04 §8).

    `projects` are name, workspace path and count of tasks of each; None where there is no workspace.
    """

    projects: tuple[tuple[str, str, int], ...] | None
    bearing: str | None
    file_errors: tuple[Diagnostic, ...]
    graph_errors: tuple[Diagnostic, ...]
    warnings: tuple[Diagnostic, ...]


def load(root: Root, directory: str, host: Mapping[str, str], version: str) -> Examination | None:
    """Return what was found in the workspace at `root`, if all that it follows from is the same. Never raises."""
    try:
        with open(f"{root.path}/{EXAMINED}", "rb", buffering=0) as file:
            data = file.read()
    except OSError:
        return None
    start = len(EXAMINED_MAGIC) + 32
    body = data[start:]
    if data[:start] != EXAMINED_MAGIC + _core.digest_bytes(body):
        return None
    made_for, names, values, facts, projects, warnings = marshal.loads(body)  # noqa: S302 - checked above
    if made_for != _made_for(root, version) or values != _values(names, host):
        return None
    if not _core.facts_hold(root.path, facts, SEEN_NAMES):
        return None
    home = project_at(root.path, {place: name for name, place, _ in projects}, directory)
    return Examination(projects, home, (), (), (*root.warnings, *map(_unpacked, warnings)))


def save(
    root: Root, found: Examination, names: Iterable[str], host: Mapping[str, str], version: str, trace: Trace
) -> None:
    """Leave what was found for later; nothing where it proves nothing, or where no run has been.

    `names` are the variables that count, `trace` is of all that was looked at. Trouble costs the next check time.
    """
    path = f"{root.path}/{EXAMINED}"
    if found.projects is None or found.file_errors or found.graph_errors or not os.path.isdir(os.path.dirname(path)):
        return
    facts = trace.facts(root.path)
    if facts is None:
        return
    names = sorted(names)
    warnings = [_packed(warning) for warning in found.warnings[len(root.warnings) :]]
    row: Any = (_made_for(root, version), names, _values(names, host), facts, found.projects, warnings)
    body = marshal.dumps(row)
    try:
        _core.publish(path, EXAMINED_MAGIC + _core.digest_bytes(body) + body)
    except FileSystemError:
        return


def _made_for(root: Root, version: str) -> tuple[object, ...]:
    fields = Diagnostic._fields, Span._fields
    return (root.path, root.explicit, version, sys.version, os.geteuid(), os.getegid(), fields)


def _values(names: Iterable[str], host: Mapping[str, str]) -> bytes:
    """Return a digest: values of variables are nobody's business."""
    rows = [f"{name}={host[name]}" if name in host else name for name in names]
    return _core.digest_bytes("\0".join(rows).encode(errors="surrogateescape"))


def _packed(warning: Diagnostic) -> list[Any]:
    row = [getattr(warning, field) for field in Diagnostic._fields]
    return [_columns(value) if isinstance(value, Span) else value for value in row[:5]] + [
        [_columns(span) for span in warning.related],
        *row[6:],
    ]


def _columns(span: Span) -> list[Any]:
    return [getattr(span, field) for field in Span._fields]


def _unpacked(row: list[Any]) -> Diagnostic:
    code, message, span, hint, causes, related, *others = row
    spans = tuple(Span(*columns) for columns in related)
    return Diagnostic(code, message, None if span is None else Span(*span), hint, causes, spans, *others)
