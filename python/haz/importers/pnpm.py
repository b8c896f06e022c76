"""pnpm-workspace.yaml, and the scripts of its packages; all else as in `npm`."""

from __future__ import annotations

from haz.importers import npm
from haz.importers.records import Note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.importers.records import Imported
    from haz.importers.tree import Tree

# Where packages come from; they say nothing about tasks.
_ABOUT_PACKAGES = ("packages", "catalog", "catalogs", "overrides", "onlyBuiltDependencies", "patchedDependencies")


def read(tree: Tree) -> Imported:
    listing = tree.required("/pnpm-workspace.yaml", tree.yaml, "pnpm")
    found = npm.from_packages(tree, "pnpm", "pnpm")
    notes = [
        Note(listing.place(key), f"`{key}`: a setting of pnpm, which goes on to hold for it")
        for key in listing.data
        if key not in _ABOUT_PACKAGES
    ]
    return found.replace(notes=(*found.notes, *notes))
