"""A folder as one text: after each line `-- path --` comes the content of that file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

IMPORTS = Path(__file__).parent / "fixtures/import"
_HEAD = re.compile(r"^-- (.+) --\n", re.MULTILINE)


def unpacked(text: str) -> dict[str, str]:
    _, *parts = _HEAD.split(text)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def packed(files: Mapping[str, str]) -> str:
    return "".join(f"-- {path} --\n{text}" for path, text in files.items())


def unpack(archive: Path, root: Path) -> None:
    """Write the files of an archive below a directory."""
    for path, text in unpacked(archive.read_text()).items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
