"""Import modules and write down which distributions were there: `imported.py FILE MODULE...`."""

import importlib
import sys
from importlib.metadata import distributions
from pathlib import Path


def main(file: str, modules: list[str]) -> None:
    for module in modules:
        importlib.import_module(module)
    lines = sorted(f"{dist.metadata['Name']} {dist.version}" for dist in distributions())
    lines += [f"import {module}" for module in modules]
    Path(file).parent.mkdir(exist_ok=True)
    Path(file).write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(modules)} imported, {len(lines) - len(modules)} installed")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
