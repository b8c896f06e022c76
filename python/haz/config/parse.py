"""The text of a configuration file to a declaration, strictly; what is wrong is in the `diagnostics` of its source."""

from __future__ import annotations

from haz import _core
from haz.config import _overlay, _project, _workspace
from haz.config._nodes import Source
from haz.diagnostics import Diagnostic
from haz.errors import YamlError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz._core import Node
    from haz.config.declarations import OverlayDeclaration, ProjectDeclaration, WorkspaceDeclaration

__all__ = ["Source", "overlay", "project", "workspace"]

# What usually is behind a reason that YAML's own terms make hard to understand.
HINTS = (
    ("anchor", 'a text that starts with `*` or `&` must be quoted: "*.c"'),
    ("tabs disallowed", "indent with spaces"),
    ("mapping values are not allowed", "check the indentation; a text that contains `: ` must be quoted"),
    ("unexpected character", "a text that starts with this character must be quoted"),
    ("unknown escape", "in double quotes `\\` starts an escape; use single quotes for patterns with `\\`"),
    ("did not find expected '-'", "check the indentation; a text that starts with `[` or `{` must be quoted"),
    ("expected ',' or", "check brackets and quotes; a text that starts with `[` or `{` must be quoted"),
    ("a second document", "remove the line `---`"),
)


def workspace(source: Source) -> WorkspaceDeclaration | None:
    root = _document(source)
    return None if root is None else _workspace.workspace(source, root)


def project(source: Source) -> ProjectDeclaration | None:
    root = _document(source)
    return None if root is None else _project.project(source, root)


def overlay(source: Source, name: str) -> OverlayDeclaration | None:
    root = _document(source)
    return None if root is None else _overlay.overlay(source, root, name)


def _document(source: Source) -> Node | None:
    """CFG-003."""
    try:
        root = _core.yaml_parse(source.data)
    except YamlError as error:
        place = source.span_at(error.line, error.column)
        hint = next((hint for sign, hint in HINTS if sign in error.reason), None)
        source.diagnostics.append(Diagnostic("haz::cfg::yaml", error.reason, place, hint))
        return None
    if root.kind != "mapping":
        what = "empty" if root.kind == "null" else "a list" if root.kind == "sequence" else "a single value"
        source.report("cfg::yaml", f"the file must be a mapping of keys to values, not {what}", root)
        return None
    return root
