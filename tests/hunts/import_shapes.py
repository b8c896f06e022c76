"""Hunt: manifests of any shape end in files that load or in an error of haz, never in a defect.

`python -m tests.hunts.import_shapes 2000 [SEED]` takes workspaces of `tests/fixtures/import`, replaces values in their
manifests by others, and imports them.
"""

from __future__ import annotations

import copy
import json
import random
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from haz.errors import HazError, LoadError
from haz.importers import documents
from haz.init.imported import plan
from tests.archive import IMPORTS, unpack, unpacked

ODD: list[Any] = [
    None, True, 0, -1, "", "x", "^", "^:", "#", ":", "~:build", "../..", "**", "a{b", "@group(x)", "$X", "é \u202e", "{projectRoot}",
    [], [None], ["x"], [["x"]], [{"target": 1}], {}, {"a": None}, {"x": ["y"]}, {"target": "build"}, {"workspace": True}, "x" * 200,
]  # fmt: skip


def read(path: str, text: str) -> Any:
    """The values of a manifest; None when it is none."""
    if path.endswith(".json"):
        return documents.json_with_comments(path, text).data
    if path.endswith((".yml", ".yaml")):
        return yaml.safe_load(text)
    return tomllib.loads(text) if path.endswith(".toml") else None


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container with each of its keys."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from places(value[key])


def toml(value: Any, chance: random.Random) -> str:
    """TOML of what JSON can say, with inline tables; what it cannot say is left out."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v, chance)}" for k, v in value.items() if v is not None) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(item, chance) for item in value if item is not None) + "]"
    return json.dumps(value)


def bent(path: str, text: str, chance: random.Random) -> str:
    value = copy.deepcopy(read(path, text))
    if not isinstance(value, dict):
        lines = text.splitlines(keepends=True)
        chance.shuffle(lines)
        return "".join(lines)
    for _ in range(chance.randint(1, 3)):
        container, key = chance.choice(list(places(value)) or [(value, "x")])
        container[key] = copy.deepcopy(chance.choice(ODD))
    if path.endswith(".toml"):
        return "\n".join(f"{json.dumps(k)} = {toml(v, chance)}" for k, v in value.items() if v is not None) + "\n"
    return json.dumps(value, indent=1)


def attempt(seed: int) -> str:
    """One import; returns how it ended."""
    chance = random.Random(seed)
    archive = chance.choice(sorted(IMPORTS.glob("*.txtar")))
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        unpack(archive, root)
        files = unpacked(archive.read_text())
        for path in chance.sample(sorted(files), min(len(files), 2)):
            (root / path).write_text(bent(path, files[path], chance))
        try:
            plan(place, archive.stem)
        except LoadError as error:
            raise AssertionError(f"{archive.stem}: what was planned does not load: {error.diagnostics}") from error
        except HazError as error:
            return f"refused: {type(error).__name__}"
    return "imported"


def hunt(count: int, first: int = 0) -> dict[str, int]:
    ends: dict[str, int] = {}
    for seed in range(first, first + count):
        try:
            end = attempt(seed)
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise
        ends[end] = ends.get(end, 0) + 1
    return ends


if __name__ == "__main__":
    found = hunt(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    sys.stdout.write(f"{found}\n")
