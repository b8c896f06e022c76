"""The tree screen as a state machine: keys in, rows out (AUX-003, AUX-004). Knows no terminal."""

from __future__ import annotations

from haz._record import Record
from haz.init.selection import Chosen, project_roots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal, Protocol

    from haz.init.folders import Folder, Hidden
    from haz.init.selection import State

    class Lists(Protocol):
        """Lists the directories below a workspace path."""

        def below(self, path: str) -> list[Folder]: ...

    Outcome = Literal["confirm", "decline", "abort"]

BUTTON = "button"
"""The focus when it is on the button; else it is a workspace path."""
NO_SUBDIRECTORIES = "no subdirectories here"
LOCKED = "a projects-parent above decides about this directory"


class Directory:
    """One row. `children` is None until somebody looked."""

    def __init__(self, path: str, name: str, hidden: Hidden = "") -> None:
        self.path = path
        self.name = name
        self.hidden: Hidden = hidden
        self.expanded = False
        self.state: State | None = None
        self.children: list[Directory] | None = None


class Row(Record):
    """A visible directory as it is drawn."""

    path: str
    name: str
    depth: int
    expanded: bool
    state: State | None
    hidden: Hidden
    locked: bool


class Tree:
    """What is shown and selected. `bell` is whether the last key was refused, `status` why, or what it did."""

    def __init__(self, folders: Lists) -> None:
        self._folders = folders
        self._root = Directory("", "/")
        self._by_path = {"": self._root}
        self.show_hidden = False
        self.focus = ""
        self.help = False
        self.bell = False
        self.status = ""
        self._load(self._root)
        self._root.expanded = True

    # --- What there is to see ----------------------------------------------------------------------------------------

    def rows(self) -> list[Row]:
        return [
            Row(node.path, node.name, depth, node.expanded, node.state, node.hidden, locked)
            for node, depth, locked in self._visible()
        ]

    def _visible(self) -> Iterator[tuple[Directory, int, bool]]:
        queue = [(self._root, 0, False)]
        while queue:
            node, depth, locked = queue.pop()
            yield node, depth, locked
            if node.expanded:
                below = locked or node.state == "parent"
                queue += [(child, depth + 1, below) for child in reversed(node.children or ())]

    def selection(self) -> list[Chosen]:
        """Return what was chosen, in the order of the paths' bytes."""
        return [
            Chosen(node.path, node.state, tuple(child.name for child in node.children or ()))
            for node in self._loaded()
            if node.state is not None
        ]

    def count(self) -> int:
        return len(project_roots(self.selection()))

    def _loaded(self) -> Iterator[Directory]:
        queue = [self._root]
        while queue:
            node = queue.pop()
            yield node
            queue += reversed(node.children or ())

    # --- Keys --------------------------------------------------------------------------------------------------------

    def press(self, key: str) -> Outcome | None:
        """Take a key: a character, or `up`, `down`, `left`, `right`, `enter`, `escape`, `ctrl-c`."""
        self.bell, self.status = False, ""
        if key == "ctrl-c":
            return "abort"
        if self.help:
            self.help = False
            return None
        if key in ("q", "Q", "escape"):
            return "decline"
        if key == "enter":
            return "confirm"
        if key in ("up", "down"):
            self._move(1 if key == "down" else -1)
        elif key == "?":
            self.help = True
        elif key in ("h", "H"):
            self._toggle_hidden()
        elif self.focus != BUTTON:
            node = self._by_path[self.focus]
            if key == "right":
                self._expand(node)
            elif key == "left":
                node.expanded = False
            elif key == " ":
                self._cycle(node)
        return None

    def _refuse(self, status: str) -> None:
        self.bell, self.status = True, status

    def _move(self, by: int) -> None:
        places = [*(node.path for node, _, _ in self._visible()), BUTTON]
        self.focus = places[(places.index(self.focus) + by) % len(places)]

    def _expand(self, node: Directory) -> None:
        self._load(node)
        if node.children:
            node.expanded = True
        else:
            self._refuse(NO_SUBDIRECTORIES)

    def _cycle(self, node: Directory) -> None:
        """None → project → projects parent → none."""
        if any(above.state == "parent" for above in self._above(node)):
            self._refuse(LOCKED)
        elif node.state is None:
            node.state = "project"
        elif node.state == "parent":
            node.state = None
        else:
            self._load(node)
            if not node.children:
                node.state = None
                self._refuse(NO_SUBDIRECTORIES)
                return
            node.state = "parent"
            queue = [*node.children]
            for below in queue:
                below.state = None
                queue += below.children or ()

    def _above(self, node: Directory) -> Iterator[Directory]:
        path = node.path
        while path:
            path = path.rpartition("/")[0]
            yield self._by_path[path]

    # --- Directories -------------------------------------------------------------------------------------------------

    def _load(self, node: Directory) -> None:
        if node.children is None:
            node.children = self._read(node)

    def _read(self, node: Directory) -> list[Directory]:
        found = []
        for folder in self._folders.below(node.path):
            if self.show_hidden or not folder.hidden:
                path = f"{node.path}/{folder.name}"
                child = self._by_path.setdefault(path, Directory(path, folder.name))
                child.hidden = folder.hidden
                found.append(child)
        return found

    def _toggle_hidden(self) -> None:
        self.show_hidden = not self.show_hidden
        before = list(self._loaded())
        for node in before:
            if node.children is not None:
                node.children = self._read(node)
        stay = {node.path: node for node in self._loaded()}
        dropped = sum(node.state is not None for node in before if node.path not in stay)
        self._by_path = stay
        for node in stay.values():
            if not node.children:
                node.expanded = False
            # Else it would stand for nothing, and its glob for an error.
            if node.state == "parent" and not node.children:
                node.state = None
                dropped += 1
        if self.focus != BUTTON and self.focus not in {node.path for node, _, _ in self._visible()}:
            self.focus = ""
        self.status = f"hidden directories are {'shown' if self.show_hidden else 'hidden'}"
        if dropped:
            self.status += f"; {dropped} selection{'s' if dropped > 1 else ''} dropped with them"
