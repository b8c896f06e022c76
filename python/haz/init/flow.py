"""The way through the terminal form: tree, confirmation, result. Knows no terminal."""

from __future__ import annotations

from haz.init.selection import plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from haz.init.selection import Plan
    from haz.init.tree import Tree

    Result = Literal["write", "decline", "abort"]

_ANSWERS: dict[str, Result] = {
    "y": "write",
    "Y": "write",
    "n": "decline",
    "N": "decline",
    "q": "decline",
    "Q": "decline",
    "escape": "decline",
    "ctrl-c": "abort",
}


class Flow:
    """Takes keys until there is a result. `plan` is there as soon as a selection was committed."""

    def __init__(self, root: str, tree: Tree) -> None:
        self.root = root
        self.tree = tree
        self.plan: Plan | None = None
        self.top = 0

    def press(self, key: str) -> Result | None:
        """Take a key. Raises what listing directories and planning raise."""
        if self.plan is not None:
            self.top = max(0, self.top + {"down": 1, "up": -1}.get(key, 0))
            return _ANSWERS.get(key)
        outcome = self.tree.press(key)
        if outcome == "confirm":
            self.plan = plan(self.root, self.tree.selection())
            return None
        return outcome

    @property
    def bell(self) -> bool:
        return self.plan is None and self.tree.bell
