"""What `haz check` found, and the same again while nothing that it looked at has changed.

`<root>/.haz/state/check-v1` holds the warnings of a workspace without errors, with the facts about the disk and the
variables that they follow from. It is written where a run has been before, and believed as a snapshot is.
"""

from __future__ import annotations

import marshal
import os

from haz import _core, proven
from haz._record import Record
from haz.cache.formats import EXAMINED, EXAMINED_MAGIC
from haz.diagnostics import Diagnostic, Span
from haz.discovery import project_at

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
    found = proven.read(root, EXAMINED, EXAMINED_MAGIC, _made_for(version))
    if found is None:
        return None
    names, values, projects, warnings = marshal.loads(found.part(0, len(found)))  # noqa: S302 - checked, and proven
    if values != _values(names, host):
        return None
    home = project_at(root.path, {place: name for name, place, _ in projects}, directory)
    return Examination(projects, home, (), (), (*root.warnings, *map(_unpacked, warnings)))


def save(
    root: Root, found: Examination, names: Iterable[str], host: Mapping[str, str], version: str, trace: Trace
) -> None:
    """Leave what was found for later; nothing where it proves nothing, or where no run has been.

    `names` are the variables that count, `trace` is of all that was looked at.
    """
    is_sound = found.projects is not None and not found.file_errors and not found.graph_errors
    if not is_sound or not os.path.isdir(os.path.dirname(f"{root.path}/{EXAMINED}")):
        return
    facts = trace.facts(root.path)
    if facts is not None:
        names = sorted(names)
        warnings = [_packed(warning) for warning in found.warnings[len(root.warnings) :]]
        row: Any = (names, _values(names, host), found.projects, warnings)
        proven.write(root, EXAMINED, EXAMINED_MAGIC, _made_for(version), facts, marshal.dumps(row))


def _made_for(version: str) -> tuple[object, ...]:
    # Who may execute what is a question of the user.
    return (version, os.geteuid(), os.getegid(), Diagnostic._fields, Span._fields)


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
