"""Workspaces on disk for tests."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pathlib


def write_tree(root: pathlib.Path, files: dict[str, str | bytes]) -> pathlib.Path:
    """Write files; a path that ends in `/` is a directory, a text `-> target` a symbolic link."""
    for path, text in files.items():
        place = root / path
        if path.endswith("/"):
            place.mkdir(parents=True, exist_ok=True)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, bytes):
            place.write_bytes(text)
        elif text.startswith("-> "):
            place.symlink_to(text.removeprefix("-> "))
        else:
            place.write_text(text)
    return root
