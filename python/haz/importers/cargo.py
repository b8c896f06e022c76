"""Cargo workspaces: members, and dependencies with a `path` to one of them."""

from __future__ import annotations

from haz import _core
from haz._record import Record
from haz.importers.records import NETWORK, Imported, Note, Project, Task
from haz.importers.tree import absolute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from haz.importers.documents import Document
    from haz.importers.tree import Tree

PASSED = (*NETWORK, "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN")
FIELDS = ("dependencies", "build-dependencies", "dev-dependencies")
REMARK = (
    "`build` is not cached: cargo keeps what it builds in one `target` for all crates, and knows best what is stale. "
    "`test` is: it reads the crate and the crates of the workspace that it depends on. Add what tests read elsewhere."
)


class Crate(Record):
    path: str
    name: str
    manifest: Document
    builds: tuple[str, ...] = ()
    """Paths of crates that it is built from."""
    tests: tuple[str, ...] = ()
    """Those of `dev-dependencies`."""


def read(tree: Tree) -> Imported:
    root = tree.required("/Cargo.toml", tree.toml, "cargo")
    notes: list[Note] = []
    crates = _crates(tree, root)
    crates = {path: _linked(crate, crates, root, notes) for path, crate in crates.items()}
    shared = [f"/{name}" for name in ("Cargo.toml", "Cargo.lock") if tree.is_file(f"/{name}")]
    shared += [
        f"/{n}" for n in ("rust-toolchain.toml", "rust-toolchain", ".cargo/config.toml") if tree.is_file(f"/{n}")
    ]
    config = tree.toml("/.cargo/config.toml")
    if config is not None:
        notes += [
            Note(config.place("alias", name), f"alias `{name}`: call it as `cargo {name}` in a task")
            for name in config.table("alias")
        ]
    projects, tasks = [], []
    for crate in crates.values():
        described = crate.manifest.text("package", "description") or ""
        projects.append(Project(crate.path, crate.name, ("rust",), " ".join(described.split()), REMARK))
        tasks += _tasks(crate, crates, tuple(shared))
    for table, what in (("package", "metadata"), ("workspace", "metadata")):
        notes += [
            Note(root.place(table, what, name), f"`{table}.metadata.{name}`: settings of another tool")
            for name in root.table(table, what)
        ]
    return Imported(tuple(projects), tuple(tasks), tuple(notes), passed=PASSED)


def _crates(tree: Tree, root: Document) -> dict[str, Crate]:
    excluded = root.texts("workspace", "exclude")
    found: dict[str, Crate] = {}
    queue = tree.matching(root.texts("workspace", "members"), "Cargo.toml", excluded=excluded)
    if root.get("package") is not None:
        queue.insert(0, "")
    left_out = [absolute("", path) for path in excluded]
    for path in queue:
        manifest = tree.toml(f"{path}/Cargo.toml")
        # A member with a workspace of its own is none of ours.
        if path in found or manifest is None or (path and manifest.get("workspace") is not None):
            continue
        if manifest.get("package") is None:
            continue
        found[path] = Crate(path, manifest.text("package", "name") or path.rpartition("/")[2], manifest)
        # Path dependencies below the root are members without being listed.
        for _, _, _, given in _dependencies(manifest):
            other = absolute(path, given["path"]) if isinstance(given.get("path"), str) else None
            inside = other is not None and not other.startswith("/..")
            if other is not None and inside and not any(f"{other}/".startswith(f"{out}/") for out in left_out):
                queue.append(other)
    return dict(sorted(found.items()))


def _dependencies(manifest: Document) -> Iterator[tuple[tuple[str, ...], str, str, dict[str, Any]]]:
    """Yield the keys of the table, which table it is, the name, and what is given, for all targets."""
    tables: list[tuple[tuple[str, ...], str]] = [((field,), field) for field in FIELDS]
    tables += [(("target", name, field), field) for name in manifest.table("target") for field in FIELDS]
    tables.append((("workspace", "dependencies"), "dependencies"))
    for keys, field in tables:
        for name, given in manifest.table(*keys).items():
            yield keys, field, name, given if isinstance(given, dict) else {}


def _linked(crate: Crate, crates: dict[str, Crate], root: Document, notes: list[Note]) -> Crate:
    builds: dict[str, None] = {}
    tests: dict[str, None] = {}
    for keys, field, name, given in _dependencies(crate.manifest):
        if keys[0] == "workspace":
            continue
        base, source = crate.path, given
        if given.get("workspace") is True:
            base, source = "", root.table("workspace", "dependencies", name)
        if not isinstance(source.get("path"), str):
            continue
        path = absolute(base, source["path"])
        if path in crates:
            (tests if field == "dev-dependencies" else builds)[path] = None
        else:
            place = crate.manifest.place(*keys, name)
            notes.append(Note(place, f"dependency `{name}`: its path leads to no member of the workspace"))
    for needed in (builds, tests):
        needed.pop(crate.path, None)
    return crate.replace(builds=tuple(builds), tests=tuple(tests))


def _tasks(crate: Crate, crates: dict[str, Crate], shared: tuple[str, ...]) -> list[Task]:
    build = crate.path, "build"
    read = dict.fromkeys([crate.path, *crate.tests])
    queue = [*crate.builds, *crate.tests]
    for path in queue:
        read[path] = None
        queue += [other for other in crates[path].builds if other not in queue]
    return [
        Task(
            build,
            command=("cargo", "build", "-p", crate.name),
            deps=tuple((other, "build") for other in crate.builds),
            cache=False,
        ),
        Task(
            (crate.path, "test"),
            command=("cargo", "test", "-p", crate.name),
            inputs=(*shared, *(f"!{_core.escape_pattern(path)}/target/**" for path in read)),
            directories=tuple(read),
            weak=(build,),
            tools=("cargo", "rustc"),
            gitignore=True,
            inherits=False,
        ),
    ]
