"""uv workspaces: `[tool.uv.workspace]`, and dependencies that `[tool.uv.sources]` finds in the workspace."""

from __future__ import annotations

import re

from haz import _core
from haz._record import Record
from haz.importers.documents import Document, strings
from haz.importers.records import NETWORK, Imported, Note, Project, Task
from haz.importers.tree import absolute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.importers.records import Key
    from haz.importers.tree import Tree

PASSED = (
    *NETWORK,
    "UV_CACHE_DIR",
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "UV_PYTHON",
    "UV_PYTHON_INSTALL_DIR",
    "UV_OFFLINE",
)
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
# Tasks of other programs, each in a language of its own.
_RUNNERS = (
    ("tool", "poe", "tasks"),
    ("tool", "taskipy", "tasks"),
    ("tool", "pdm", "scripts"),
    ("tool", "hatch", "envs"),
)


class Member(Record):
    """A package; `needs` are the paths of members that its sources name."""

    path: str
    name: str
    manifest: Document
    declared: frozenset[str]
    """All its requirements, of whatever group, normalised."""
    needs: tuple[str, ...] = ()


def read(tree: Tree) -> Imported:
    root = tree.required("/pyproject.toml", tree.toml, "uv")
    notes: list[Note] = []
    paths = tree.matching(
        root.texts("tool", "uv", "workspace", "members"),
        "pyproject.toml",
        excluded=root.texts("tool", "uv", "workspace", "exclude"),
    )
    listed = [_member(tree, path) for path in ["", *(path for path in paths if path)]]
    members = _linked(listed, root, notes)
    reached = _closure(members)
    tasks: list[Task] = []
    for member in members.values():
        tasks += _tasks(tree, member, members[""], reached[member.path], notes)
        for keys in _RUNNERS:
            for name in member.manifest.table(*keys):
                place = member.manifest.place(*keys, name)
                notes.append(Note(place, f"`{keys[1]}` task `{name}`: a language of its own"))
    worked = {task.key[0] for task in tasks}
    projects = [
        Project(m.path, m.name, ("python",), _described(m)) for m in members.values() if m.path or m.path in worked
    ]
    return Imported(tuple(projects), tuple(tasks), tuple(notes), passed=PASSED)


def _described(member: Member) -> str:
    text = member.manifest.text("project", "description") or ""
    # What `uv init` writes for somebody to fill in.
    return "" if text == "Add your description here" else text


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _member(tree: Tree, path: str) -> Member:
    manifest = tree.toml(f"{path}/pyproject.toml")
    assert manifest is not None
    lists = [manifest.get("project", "dependencies"), manifest.get("tool", "uv", "dev-dependencies")]
    lists += manifest.table("project", "optional-dependencies").values()
    lists += [_group(manifest, group) for group in manifest.table("dependency-groups")]
    names = (_NAME.match(text) for texts in lists for text in strings(texts))
    declared = frozenset(normalised(name[0]) for name in names if name is not None)
    name = manifest.text("project", "name") or path.rpartition("/")[2] or "root"
    return Member(path, name, manifest, declared)


def _group(manifest: Document, name: str, depth: int = 0) -> list[str]:
    """List the requirements of a group, and of those that it includes."""
    found: list[str] = []
    listed = manifest.get("dependency-groups", name)
    for one in listed if isinstance(listed, list) and depth < 10 else ():
        if isinstance(one, str):
            found.append(one)
        elif isinstance(one, dict) and isinstance(one.get("include-group"), str):
            found += _group(manifest, one["include-group"], depth + 1)
    return found


def _linked(listed: list[Member], root: Document, notes: list[Note]) -> dict[str, Member]:
    by_name = {normalised(member.name): member.path for member in listed}
    paths = {member.path for member in listed}
    found = {}
    for member in listed:
        needs: dict[str, None] = {}
        # Sources of the root hold for every member that has none of its own for the same package.
        sources = {**root.table("tool", "uv", "sources"), **member.manifest.table("tool", "uv", "sources")}
        for name, source in sources.items():
            for one in source if isinstance(source, list) else [source]:
                if not isinstance(one, dict) or normalised(name) not in member.declared:
                    continue
                place = member.manifest.place("tool", "uv", "sources", name)
                path = by_name.get(normalised(name)) if one.get("workspace") is True else None
                if isinstance(one.get("path"), str):
                    path = absolute(member.path, one["path"])
                if path in paths:
                    needs[path] = None
                elif one.get("workspace") is True or "path" in one:
                    notes.append(Note(place, f"source `{name}`: it is no member of the workspace"))
        needs.pop(member.path, None)
        found[member.path] = member.replace(needs=tuple(needs))
    return found


def _closure(members: dict[str, Member]) -> dict[str, tuple[str, ...]]:
    """Map each member to all members that it needs, directly or not, itself first."""
    found = {}
    for path in members:
        queue = dict.fromkeys([path])
        pending = [path]
        for at in pending:
            fresh = [other for other in members[at].needs if other not in queue]
            queue.update(dict.fromkeys(fresh))
            pending += fresh
        found[path] = tuple(queue)
    return found


def _tasks(tree: Tree, member: Member, root: Member, reached: tuple[str, ...], notes: list[Note]) -> list[Task]:
    manifest, path = member.manifest, member.path
    shared = tuple(f for f in ("/pyproject.toml", "/uv.lock", "/.python-version") if tree.is_file(f))
    tasks = []
    if manifest.get("build-system") and manifest.get("tool", "uv", "package") is not False:
        # All wheels of a workspace are put into the `dist` of its root.
        built = f"/dist/{re.sub(r'[-_.]+', '_', member.name).lower()}-*"
        build = _task(member, "build", ("uv", "build", "--package", member.name), shared, (path,))
        needs: tuple[Key, ...] = tuple((other, "build") for other in member.needs)
        tasks.append(build.replace(outputs=(f"{built}.whl", f"{built}.tar.gz"), deps=needs))
    run = ("uv", "run", "--package", member.name)
    options = _declares("pytest", member)
    if _has_tests(tree, path):
        if options is not None:
            tasks.append(_task(member, "test", (*run, *options, "pytest"), shared, reached))
        else:
            reason = "only the root declares pytest" if "pytest" in root.declared else "pytest is not declared"
            notes.append(Note(manifest.path, f"tests of {member.name}: {reason}: no task `test`"))
    own = [f"{path}/{name}" for name in ("ruff.toml", ".ruff.toml") if tree.is_file(f"{path}/{name}")]
    above = [f"/{name}" for name in ("ruff.toml", ".ruff.toml") if tree.is_file(f"/{name}")]
    here = own or manifest.get("tool", "ruff") is not None
    if here or above or root.manifest.get("tool", "ruff") is not None:
        options = _declares("ruff", member)
        if options is not None:
            tasks.append(_task(member, "lint", (*run, *options, "ruff", "check"), (*shared, *above), (path,)))
        elif here:
            place = own[0][1:] if own else manifest.place("tool", "ruff")
            notes.append(Note(place, f"ruff is configured, but {member.name} does not declare it: no task `lint`"))
    return tasks


def _task(
    member: Member, name: str, command: tuple[str, ...], files: tuple[str, ...], directories: tuple[str, ...]
) -> Task:
    made = (
        f"!{_core.escape_pattern(directory)}/**/{other}/**"
        for directory in directories
        for other in ("__pycache__", ".venv", ".*_cache")
    )
    return Task(
        (member.path, name),
        command=command,
        inputs=(*files, *made),
        directories=directories,
        tools=("uv",),
        gitignore=True,
        inherits=False,
    )


def _declares(tool: str, member: Member) -> tuple[str, ...] | None:
    """Return the options with which `uv run --package` installs a tool; None when the member does not declare it."""
    manifest = member.manifest

    def has(value: object) -> bool:
        found = (_NAME.match(text) for text in strings(value))
        return any(name is not None and normalised(name[0]) == tool for name in found)

    if has(manifest.get("project", "dependencies")) or has(manifest.get("tool", "uv", "dev-dependencies")):
        return ()
    defaults = manifest.get("tool", "uv", "default-groups")
    for group in manifest.table("dependency-groups"):
        if has(_group(manifest, group)):
            installed = defaults == "all" or group in (strings(defaults) or ("dev",))
            return () if installed else ("--group", group)
    for extra, listed in manifest.table("project", "optional-dependencies").items():
        if has(listed):
            return ("--extra", extra)
    return None


def _has_tests(tree: Tree, path: str) -> bool:
    """Look for test modules; at the root not among those of the members."""
    starts = [f"{path}/{name}" for name in ("tests", "test", "src")] if not path else [path]
    return any(
        name.endswith(".py") and (name.startswith("test_") or name.endswith("_test.py"))
        for start in starts
        if tree.is_directory(start)
        for _, files in tree.directories(start)
        for name in files
    )
