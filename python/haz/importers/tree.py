"""The directory that is imported: reading manifests, and finding the members of a workspace. Writes nothing."""

from __future__ import annotations

import os
import re

from haz import _core
from haz.errors import PatternError
from haz.importers import documents
from haz.importers.documents import ManifestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar

    from haz.importers.documents import Document

    T = TypeVar("T")

# Never a place of projects, whatever a pattern says.
SKIPPED = frozenset({".git", ".haz", "node_modules", ".venv", "__pycache__", ".nx", ".turbo", ".tox"})


class Tree:
    """Paths are workspace paths: "" for the root, else with a leading slash."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        self._read: dict[str, Document | None] = {}

    def is_file(self, path: str) -> bool:
        return os.path.isfile(self.root + path)

    def is_directory(self, path: str) -> bool:
        return os.path.isdir(f"{self.root}{path}/")

    def text(self, path: str) -> str | None:
        """Return the content of a file; None when there is none."""
        try:
            with open(self.root + path, "rb") as file:
                return file.read().decode()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise ManifestError(f"cannot read {path[1:]}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ManifestError(f"{path[1:]} is not UTF-8") from error

    def toml(self, path: str) -> Document | None:
        return self._document(path, documents.toml)

    def json(self, path: str) -> Document | None:
        return self._document(path, documents.json_with_comments)

    def yaml(self, path: str) -> Document | None:
        return self._document(path, documents.yaml)

    def _document(self, path: str, parse: Callable[[str, str], Document]) -> Document | None:
        if path not in self._read:
            text = self.text(path)
            self._read[path] = None if text is None else parse(path[1:], text)
        return self._read[path]

    def required(self, path: str, read: Callable[[str], T | None], source: str) -> T:
        """Read the manifest without which there is nothing to import."""
        found = read(path)
        if found is None:
            raise ManifestError(
                f"there is no {path[1:]} in {self.root or '/'}", f"--from {source} reads it: run it where it is"
            )
        return found

    def directories(self, below: str = "") -> Iterator[tuple[str, list[str]]]:
        """Yield each directory with the names of its files, sorted, the root first; links are not followed."""
        queue = [below]
        while queue:
            path = queue.pop()
            try:
                with os.scandir(f"{self.root}{path}/") as entries:
                    listed = sorted(entries, key=lambda entry: entry.name)
            except OSError:
                continue
            yield path, [entry.name for entry in listed if not entry.is_dir()]
            queue += [
                f"{path}/{entry.name}"
                for entry in reversed(listed)
                if entry.is_dir(follow_symlinks=False) and entry.name not in SKIPPED
            ]

    def matching(self, patterns: Iterable[str], manifest: str | None, *, excluded: Iterable[str] = ()) -> list[str]:
        """List the directories that some pattern selects and none excludes (`!` or `excluded`).

        Only those with a `manifest`, if one is named.
        """
        wanted: list[str] = []
        unwanted = [*excluded]
        for pattern in patterns:
            (unwanted if pattern.startswith("!") else wanted).append(pattern.removeprefix("!"))
        chosen = [_selector(pattern) for pattern in wanted]
        dropped = [(text, literal, False) for text, literal in map(_selector, unwanted)]
        literal = [text for text, is_literal in chosen if is_literal]
        globs = [text for text, is_literal in chosen if not is_literal]
        skip = _core.PatternSet([dropped])
        found = {
            path for path in literal if (self.is_file(f"{path}/{manifest}") if manifest else self.is_directory(path))
        }
        if globs:
            select = _core.PatternSet([[(text, False, False) for text in globs]])
            start = os.path.commonpath([_fixed(text) for text in globs]).rstrip("/")
            for path, files in self.directories(start):
                if (manifest is None or manifest in files) and path and select.matching(path):
                    found.add(path)
        return sorted(path for path in found if not path.startswith("/..") and not skip.matching(path or "/"))


def _selector(pattern: str) -> tuple[str, bool]:
    """Turn a pattern of directories into ours, and whether it is none."""
    text = absolute("", pattern)
    try:
        literal = text == "" or not _core.check_pattern(text)
    except PatternError as error:
        raise ManifestError(f"the workspace pattern `{pattern}` cannot be read: {error.reason}") from error
    return text, literal


def _fixed(pattern: str) -> str:
    return re.split(r"[*?\[{\\]", pattern, maxsplit=1)[0].rpartition("/")[0] or "/"


def absolute(project: str, path: str) -> str:
    """Join a path or pattern of a project to a workspace path, `.` and `..` resolved; "" is the root.

    What leads out of the root starts with `/..`, which is no path of any workspace.
    """
    parts = [] if path.startswith("/") else [part for part in project.split("/") if part]
    for part in path.split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "".join(f"/{part}" for part in parts)
