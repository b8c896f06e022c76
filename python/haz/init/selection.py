"""From a selection of directories to the files of a workspace (AUX-005). Reads directories, writes nothing."""

from __future__ import annotations

import os
import re

from haz import _core
from haz._record import Record
from haz.errors import FileSystemError
from haz.init.text import project_body, workspace_body
from haz.init.write import WORKSPACE_FILE, InitError
from haz.names import MAX_IDENTIFIER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    State = Literal["project", "parent"]

PROJECT_FILE = "haz.yml"


class Chosen(Record):
    """A selected directory: workspace path ("" for the root), and what it is.

    `children` are the names of the directories below a `parent` that become projects.
    """

    path: str
    state: State
    children: tuple[str, ...] = ()


class Plan(Record):
    """What would be written. `texts` maps paths below the root to contents; the workspace file is the last."""

    entries: tuple[str, ...]
    new: tuple[tuple[str, str], ...]
    """Workspace path and name of each project that gets a `haz.yml`."""
    kept: tuple[str, ...]
    """Paths below the root of the `haz.yml` that are there, and will be part of the workspace."""
    texts: dict[str, str]


def project_roots(selection: Iterable[Chosen]) -> list[str]:
    """Return the directories that become projects, each once, sorted by bytes."""
    roots = set()
    for chosen in selection:
        if chosen.state == "project":
            roots.add(chosen.path)
        else:
            roots.update(f"{chosen.path}/{name}" for name in chosen.children)
    return sorted(roots, key=os.fsencode)


def plan(root: str, selection: Iterable[Chosen]) -> Plan:
    """Plan the files for a selection in the directory `root`. Raises `InitError`, `FileSystemError`."""
    selection = list(selection)
    entries = sorted({_entry(chosen) for chosen in selection}, key=os.fsencode)
    new: list[tuple[str, str]] = []
    kept: dict[str, None] = {}
    names: dict[str, str] = {}
    for path in project_roots(selection):
        file = f"{path}/{PROJECT_FILE}"[1:]
        if os.path.lexists(os.path.join(root, file)):
            kept[file] = None
            continue
        name = project_name(os.path.basename(root + path), path or "/")
        if name in names:
            message = f"two directories would be projects of the name `{name}`: {names[name]} and {path or '/'}"
            raise InitError(message, f"select one of them, or give one a {PROJECT_FILE} with another `name` first")
        names[name] = path or "/"
        new.append((path, name))
    for chosen in selection:
        if chosen.state == "parent":
            kept.update(dict.fromkeys(_selected_too(root, chosen)))
    texts = {f"{path}/{PROJECT_FILE}"[1:]: project_body(name) for path, name in new}
    texts[WORKSPACE_FILE] = workspace_body(entries)
    return Plan(tuple(entries), tuple(new), tuple(kept), texts)


def project_name(base: str, directory: str) -> str:
    """Derive the name of a project from the name of its directory."""
    text = re.sub(r"-{2,}", "-", re.sub(r"[^A-Za-z0-9_-]", "-", base))
    text = re.sub(r"^[^A-Za-z0-9]+", "", text)
    if not 1 <= len(text) <= MAX_IDENTIFIER:
        message = f"could not derive a valid project name from the directory {directory}: `{text}`"
        raise InitError(message, f"names have 1 to {MAX_IDENTIFIER} characters and start with a letter or digit")
    return text


def _entry(chosen: Chosen) -> str:
    try:
        chosen.path.encode()
    except UnicodeEncodeError as error:
        raise InitError(f"the name of the directory {chosen.path!r} is not UTF-8", "rename it") from error
    escaped = _core.escape_pattern(chosen.path)
    return f"{escaped}/*" if chosen.state == "parent" else escaped or "/"


def _selected_too(root: str, chosen: Chosen) -> list[str]:
    """List the `haz.yml` that the glob of a projects parent matches although nobody looked at them."""
    directory = root + chosen.path or "/"
    try:
        names = sorted(os.listdir(directory))
    except OSError as error:
        raise FileSystemError("list", directory, error.errno, error.strerror or str(error)) from error
    files = [f"{chosen.path}/{name}/{PROJECT_FILE}"[1:] for name in names if name not in (".git", ".haz")]
    return [file for file in files if os.path.isfile(os.path.join(root, file))]
