"""The directories that the tree shows: which there are, and which are hidden unless asked for (AUX-003)."""

from __future__ import annotations

import os
import subprocess

from haz._record import Record
from haz.errors import FileSystemError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Hidden = Literal["", "dot", "ignored"]


class Folder(Record):
    """A directory below another. `hidden` says why it is not shown by default."""

    name: str
    hidden: Hidden


class Folders:
    """Lists directories of the tree below `root`; git's rules are those of `.gitignore` there and the user's own."""

    def __init__(self, root: str) -> None:
        from pathspec import GitIgnoreSpec  # noqa: PLC0415 - only the terminal form needs it

        self._root = root
        lines = [*_lines(_user_excludes(root)), *_lines(os.path.join(root, ".gitignore"))]
        self._ignored = GitIgnoreSpec.from_lines(lines)

    def below(self, path: str) -> list[Folder]:
        """List the directories of a workspace path, links left out, by the bytes of their names."""
        directory = self._root + path or "/"
        try:
            with os.scandir(directory) as entries:
                names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError as error:
            raise FileSystemError("list", directory, error.errno, error.strerror or str(error)) from error
        return [Folder(name, self._hidden(path, name)) for name in sorted(names, key=os.fsencode)]

    def _hidden(self, path: str, name: str) -> Hidden:
        if self._ignored.match_file(f"{path[1:]}/{name}/".lstrip("/")):
            return "ignored"
        return "dot" if name.startswith(".") else ""


def _user_excludes(root: str) -> str:
    """Return the path of git's global excludes, as git itself would."""
    try:
        done = subprocess.run(
            ["git", "config", "--type=path", "--get", "core.excludesFile"],
            cwd=root,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except OSError:
        return ""
    if done.returncode == 0:
        return os.fsdecode(done.stdout.rstrip(b"\n"))
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return os.path.join(home, "git/ignore")


def _lines(path: str) -> list[str]:
    """Read the lines of a file; a file that is not there, or cannot be read, has none, as for git."""
    try:
        with open(path, "rb") as file:
            return os.fsdecode(file.read()).splitlines()
    except OSError:
        return []
