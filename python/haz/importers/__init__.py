"""`haz init --from`: the manifests of other tools to projects, tasks and the dependencies between them.

Each source is a module with `read(tree) -> Imported`. It reads manifests and runs nothing; `settle` turns what all of
them found into what haz can load, and `haz.init.imported` into files.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.importers.records import Imported
    from haz.importers.tree import Tree

SOURCES = ("uv", "npm", "pnpm", "cargo", "go", "make", "turbo", "nx", "moon")


def read(source: str, tree: Tree) -> Imported:
    """Read the manifests of one of `SOURCES`. Raises `ManifestError`."""
    from importlib import import_module  # noqa: PLC0415 - the names of the sources are wanted more often than they

    module = import_module(f"haz.importers.{source}")
    found: Imported = module.read(tree)
    return found
