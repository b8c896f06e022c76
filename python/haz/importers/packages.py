"""What the JavaScript tools share: the packages of a workspace, who needs whom, and who runs their scripts."""

from __future__ import annotations

from haz._record import Record
from haz.importers.documents import Document, ManifestError, strings
from haz.importers.records import Note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from haz.importers.records import Key
    from haz.importers.tree import Tree

FIELDS = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
LOCKS = {
    "pnpm-lock.yaml": "pnpm",
    "yarn.lock": "yarn",
    "bun.lock": "bun",
    "bun.lockb": "bun",
    "package-lock.json": "npm",
    "npm-shrinkwrap.json": "npm",
}
MANAGERS = ("npm", "pnpm", "yarn", "bun")


class Package(Record):
    """A member of the workspace; `needs` are the paths of members that it depends on."""

    path: str
    name: str
    manifest: Document
    needs: tuple[str, ...] = ()

    @property
    def scripts(self) -> dict[str, str]:
        return {name: text for name, text in self.manifest.table("scripts").items() if isinstance(text, str)}


class Packages:
    """All packages of a workspace by path, the root's under ""."""

    def __init__(self, root: Document, members: Iterable[Package], manager: str) -> None:
        self.root = root
        self.manager = manager
        listed = {package.path: package for package in members}
        by_name = {package.name: path for path, package in listed.items()}
        self.by_path = {
            path: package.replace(needs=tuple(_needs(package, by_name))) for path, package in sorted(listed.items())
        }
        self.by_name = by_name

    def run(self, script: str) -> tuple[str, ...]:
        return (self.manager, "run", script)

    def upstream(self, path: str, task: str) -> list[Key]:
        """Name a task in every package that a package depends on, whether they have it or not."""
        return [(other, task) for other in self.by_path[path].needs]

    def providers(self, path: str, tasks: frozenset[str]) -> list[Key]:
        """Find a task in the packages that a package depends on, through those that lack it to what they need."""
        found: dict[Key, None] = {}
        seen = {path}
        queue = list(self.by_path[path].needs)
        for other in queue:
            if other in seen:
                continue
            seen.add(other)
            own = sorted(tasks.intersection(self.by_path[other].scripts))
            found.update(dict.fromkeys((other, name) for name in own))
            if not own:
                queue += self.by_path[other].needs
        return list(found)


def _needs(package: Package, by_name: dict[str, str]) -> list[str]:
    names = dict.fromkeys(name for field in FIELDS for name in package.manifest.table(field))
    return [by_name[name] for name in names if name in by_name and by_name[name] != package.path]


def read(tree: Tree, source: str, notes: list[Note], *, manager: str | None = None) -> Packages:
    """Find the members by `pnpm-workspace.yaml` or the `workspaces` of the root manifest."""
    root = tree.required("/package.json", tree.json, source)
    listing = tree.yaml("/pnpm-workspace.yaml")
    if listing is not None and manager in (None, "pnpm"):
        patterns = listing.texts("packages")
    else:
        declared = root.get("workspaces")
        patterns = strings(declared.get("packages") if isinstance(declared, dict) else declared)
    members = [_package(tree, path) for path in tree.matching(patterns, "package.json")]
    members.append(Package("", root.text("name") or "root", root))
    _refuse_twins(members)
    return Packages(root, members, manager or _manager(tree, root, notes))


def _package(tree: Tree, path: str) -> Package:
    manifest = tree.json(f"{path}/package.json")
    assert manifest is not None
    return Package(path, manifest.text("name") or path.rpartition("/")[2], manifest)


def _refuse_twins(members: list[Package]) -> None:
    seen: dict[str, Package] = {}
    for package in members:
        other = seen.setdefault(package.name, package)
        if other is not package and package.path and other.path:
            message = f"two packages are named `{package.name}`: {other.manifest.path} and {package.manifest.path}"
            raise ManifestError(message, "no package manager takes such a workspace: rename one of the two")


def _manager(tree: Tree, root: Document, notes: list[Note]) -> str:
    """By the manifest, else by the lock file, else npm."""
    declared = (root.text("packageManager") or "").partition("@")[0]
    if declared in MANAGERS:
        return declared
    found = dict.fromkeys(manager for lock, manager in LOCKS.items() if tree.is_file(f"/{lock}"))
    if len(found) > 1:
        notes.append(Note("", f"several lock files were found, for {', '.join(found)}: the first is taken"))
    if tree.is_file("/pnpm-workspace.yaml"):
        return "pnpm"
    return next(iter(found), "npm")


def lock_files(tree: Tree) -> list[str]:
    return [f"/{lock}" for lock in LOCKS if tree.is_file(f"/{lock}")]
