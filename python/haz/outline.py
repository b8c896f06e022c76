"""What a workspace holds by name, as far as its files can be read: for completing words while they are typed.

Nothing is validated and nothing reported. Reading 2,000 projects so takes a fifth of the time of loading them.
"""

from __future__ import annotations

import os

from haz._core import yaml_parse
from haz._record import Record
from haz._uncollected import uncollected
from haz.cache.formats import MARKER, PROJECT_FILE
from haz.config import parse
from haz.config.parse import Source
from haz.discovery import Trace, expand, find_root
from haz.errors import HazError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz._core import Node
    from haz.config.declarations import WorkspaceDeclaration

OVERLAYS = ".haz/tasks"
# Bytes that are read at a time.
CHUNK = 1 << 16


class ProjectOutline(Record):
    """A project by name: its root (a workspace path, or the empty text), its tags, and its tasks with descriptions."""

    name: str
    root: str
    tags: tuple[str, ...]
    tasks: dict[str, str]


class Outline(Record):
    """A workspace by names, projects in order. `bearing` is the project that the start lies in."""

    projects: tuple[ProjectOutline, ...]
    bearing: str | None


@uncollected
def outline(start: str) -> Outline:
    """Read the names of the workspace that `start` lies in; of what cannot be read there are none."""
    try:
        found = find_root(start)
    except HazError:
        return Outline((), None)
    root = found.path
    roots = [""]
    if found.explicit:
        marker = _read(f"{root}/{MARKER}")
        source = None if marker is None else Source(f"{root}/{MARKER}", marker)
        settings = None if source is None else parse.workspace(source)
        roots = [] if source is None or settings is None else _places(root, source, settings)
    overlays = _overlays(f"{root}/{OVERLAYS}")
    projects = sorted(
        filter(None, (_project(root, place, overlays) for place in roots)), key=lambda project: project.name
    )
    try:
        here = os.path.realpath(start)
    except OSError:
        here = "/"
    inside = [project for project in projects if f"{here}/".startswith(f"{root}{project.root}/")]
    return Outline(tuple(projects), max(inside, key=lambda project: len(project.root)).name if inside else None)


def _places(root: str, source: Source, settings: WorkspaceDeclaration) -> list[str]:
    return [place.root for place in expand(root, source, settings.projects, Trace(root))]


def _project(root: str, place: str, overlays: list[tuple[frozenset[str], dict[str, str]]]) -> ProjectOutline | None:
    top = _fields(_parsed(f"{root}{place}/{PROJECT_FILE}"))
    name = _text(top.get("name"))
    if name is None:
        return None
    tags = tuple(_texts(top.get("tags")))
    tasks = {}
    for wanted, more in overlays:
        if wanted <= set(tags):
            tasks.update(more)
    tasks.update(_tasks(top.get("tasks")))
    return ProjectOutline(name, place, tags, tasks)


def _overlays(directory: str) -> list[tuple[frozenset[str], dict[str, str]]]:
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(".yml"))
    except OSError:
        return []
    tops = [_fields(_parsed(f"{directory}/{name}")) for name in names]
    return [(frozenset(_texts(top.get("tagsFilter"))), _tasks(top.get("tasks"))) for top in tops]


def _tasks(node: Node | None) -> dict[str, str]:
    return {name: _described(body) for name, body in _fields(node).items()}


def _described(body: Node) -> str:
    for key, value in body.value if body.kind == "mapping" else ():
        if key.value == "description" and key.kind == "scalar":
            return _text(value) or ""
    return ""


def _read(path: str) -> bytes | None:
    # Not `open`: for files as small as these it takes twice as long.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        data = chunk = os.read(descriptor, CHUNK)
        while len(chunk) == CHUNK:
            chunk = os.read(descriptor, CHUNK)
            data += chunk
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return data


def _parsed(path: str) -> Node | None:
    data = _read(path)
    try:
        return None if data is None else yaml_parse(data)
    except HazError:
        return None


def _fields(node: Node | None) -> dict[str, Node]:
    if node is None or node.kind != "mapping":
        return {}
    return {key.value: value for key, value in node.value if key.kind == "scalar"}


def _text(node: Node | None) -> str | None:
    return node.value if node is not None and node.kind == "scalar" else None


def _texts(node: Node | None) -> list[str]:
    if node is None or node.kind != "sequence":
        return []
    return [text for text in map(_text, node.value) if text is not None]
