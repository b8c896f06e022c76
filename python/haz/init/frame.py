"""What the terminal form of `haz init` shows, as styled lines: a function of its state and the size of the screen."""

from __future__ import annotations

from haz._record import Record
from haz.init.tree import BUTTON

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from haz.init.selection import Plan
    from haz.init.tree import Row, Tree

    Line = list[tuple[str, str]]
    """Pieces of a line, each with the names of its styles."""

TITLE = " haz init — select the projects of this workspace "
LABELS = {"project": "(project)", "parent": "(projects parent)", None: ""}
KEYS = "↑↓ move  → expand  ← collapse  Space cycle  Enter commit  ? help  q quit"
HELP = (
    "",
    " ↑ ↓      move; the button below the tree takes part",
    " → ←      expand and collapse a directory",
    " Space    none, then project, then projects parent, then none:",
    "          a project is a directory with tasks of its own;",
    "          a projects parent is one whose directories are all projects",
    " h        show or hide dot directories and what git ignores",
    " Enter    look at what would be written, and confirm it",
    " q Esc    leave without writing anything; so does Ctrl-C",
    "",
    " any key closes this page",
)


class Glyphs(Record):
    """How states are drawn, and what stands for characters that not every terminal has."""

    states: dict[str | None, str]
    opened: str
    closed: str
    others: dict[str, str] = {}  # noqa: RUF012 - never written to

    def plain(self, text: str) -> str:
        for character, written in self.others.items():
            text = text.replace(character, written)
        return text


UNICODE = Glyphs({None: "□", "project": "■", "parent": "▣"}, "▼", "▶")
ASCII = Glyphs(
    {None: ".", "project": "#", "parent": "%"}, "v", ">", {"—": "-", "↑": "Up", "↓": "Down", "→": "Right", "←": "Left"}
)


def tree_frame(tree: Tree, cwd: str, size: tuple[int, int], glyphs: Glyphs, width: Callable[[str], int]) -> list[Line]:
    """Draw the tree screen on `size` (columns, lines). `width` is the number of cells that a text takes."""
    columns, height = size
    if tree.help:
        return [[("title", glyphs.plain(TITLE))], *([("", glyphs.plain(text))] for text in HELP)][:height]
    rows = tree.rows()
    room = max(1, height - 6)
    # The focus is kept in the middle, as far as there is something to show on both sides of it.
    at = next((number for number, row in enumerate(rows) if row.path == tree.focus), len(rows))
    first = max(0, min(at - room // 2, len(rows) - room))
    count = tree.count()
    button = f"[ Commit selection ({count} project{'' if count == 1 else 's'}) ]"
    return [
        [("title", glyphs.plain(TITLE))],
        [("dim", f" cwd: {cwd}")],
        *(_row(row, row.path == tree.focus, columns, glyphs, width) for row in rows[first : first + room]),
        [],
        [("", "  "), ("focus" if tree.focus == BUTTON else "", button)],
        [("status", f" {tree.status}" if tree.status else "")],
        [("dim", glyphs.plain(f" {KEYS}"))],
    ]


def _row(row: Row, focused: bool, columns: int, glyphs: Glyphs, width: Callable[[str], int]) -> Line:
    style = {"project": "project", "parent": "parent", None: ""}[row.state]
    if row.hidden == "ignored":
        style = "ignored"
    elif row.hidden or row.locked:
        style = style or "dim"
    name = row.name.encode(errors="surrogateescape").decode(errors="replace")
    text = f" {glyphs.states[row.state]} {'  ' * row.depth}{glyphs.opened if row.expanded else glyphs.closed} {name}"
    label = f"    {LABELS[row.state]}" if row.state else ""
    if width(text + label) > columns:
        label = ""
    return [(f"{style} focus" if focused else style, text), ("dim", label)]


def plan_frame(plan: Plan, size: tuple[int, int], top: int, glyphs: Glyphs) -> list[Line]:
    """Draw the confirmation: the workspace file, each new project, and the question below."""
    body: list[Line] = [[("dim", " .haz/workspace.yml")]]
    body += [[("", f"   {line}")] for line in plan.texts[".haz/workspace.yml"].splitlines()]
    body += [[], [("dim", " new haz.yml" if plan.new else " no new haz.yml: every project has one")]]
    body += [[("", f"   {path or '/'}  "), ("project", name)] for path, name in plan.new]
    room = max(1, size[1] - 3)
    shown = body[scrolled(len(body), room, top) :][:room]
    more = " (↑↓ scroll)" if len(body) > room else ""
    return [
        [("title", glyphs.plain(" haz init — this is what would be written "))],
        *shown,
        [],
        [("status", glyphs.plain(f" Write these files?  y yes  n no{more}"))],
    ]


def scrolled(length: int, room: int, top: int) -> int:
    """Return the first line to show, so that the last page is full."""
    return max(0, min(top, length - room))
