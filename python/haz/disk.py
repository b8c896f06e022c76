"""What `haz check` asks the disk and the environment, noted, so that all of it can be asked again at once."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from haz.discovery import Trace


class Disk:
    """Answers questions about files, and notes each in a trace. Paths are absolute."""

    def __init__(self, root: str, trace: Trace) -> None:
        self._inside = f"{root}/"
        self._trace = trace
        self._listed: dict[str, dict[str, bool | None]] = {}
        self._real: dict[str, str] = {}

    def files_in(self, directory: str) -> dict[str, bool | None]:
        """Names in a directory, and whether each is a directory; None for symbolic links.

        Empty when it cannot be listed: the run says so where it matters.
        """
        if directory not in self._listed:
            try:
                with os.scandir(directory) as entries:
                    self._listed[directory] = {entry.name: _kind(entry) for entry in entries}
            except OSError:
                self._listed[directory] = {}
            self._note("content", directory)
        return self._listed[directory]

    def exists(self, path: str) -> bool:
        """Whether it leads to something."""
        self._note("leads", path)
        return os.path.exists(path)

    def is_directory(self, path: str) -> bool:
        self._note("leads", path)
        return os.path.isdir(path)

    def is_program(self, path: str) -> bool:
        """Whether it leads to a file that this user may execute.

        Outside of the workspace the note is that it is there: images of whole systems keep times that prove nothing.
        """
        if path.startswith(self._inside):
            self._note("content", path)
        else:
            self._note("kept", os.path.realpath(path))
        return os.path.isfile(path) and os.access(path, os.X_OK)

    def real(self, directory: str) -> str:
        """Return its path without symbolic links."""
        if directory not in self._real:
            self._real[directory] = os.path.realpath(directory)
            self._note("leads", directory)
        return self._real[directory]

    def _note(self, kind: str, path: str) -> None:
        self._trace.looks.append((kind if os.path.exists(path) else "absent", path))


class Asked:
    """The environment of the process, with a note of each variable that was asked for."""

    def __init__(self, host: Mapping[str, str]) -> None:
        self._host = host
        self.names: dict[str, None] = {}

    def get(self, name: str) -> str | None:
        """Return the value of a variable; None where it is not set."""
        self.names[name] = None
        return self._host.get(name)


def _kind(entry: os.DirEntry[str]) -> bool | None:
    try:
        return None if entry.is_symlink() else entry.is_dir()
    except OSError:
        return None
