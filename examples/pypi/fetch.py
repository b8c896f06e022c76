"""Lay out well-known PyPI packages as one haz workspace: `python fetch.py [WORKSPACE] [--downloads DIR]`.

The standard library and pip are all it needs. pip talks to the index, so its own configuration (`pip config`, `PIP_*`)
decides where that is; every file is checked against a pinned sha256. Running it again makes the sources pristine and
leaves wheels, cache and build tools alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import venv
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

HERE = Path(__file__).resolve().parent
PYTHON = "../../.tools/venv/bin/python"
RUFF = "../../.tools/venv/bin/ruff"
ATTEMPTS = 3

# Made by the tasks; everything else in a package's folder comes from its source distribution.
MADE = ("dist", "out")
# Top-level names that no wheel is made from.
MANUALS = ("docs", "documentation", "examples")
SUITES = ("test", "test_six.py", "testing", "tests")

WORKSPACE = """\
projects: ["/packages/*"]
env:
  override:
    PYTHONDONTWRITEBYTECODE: "1"
    PYTHONHASHSEED: "0"
"""

# pytest looks for its settings in every parent folder; this ends the search inside the workspace.
PYTEST = "[pytest]\n"


def pip(python: Path, *arguments: str) -> None:
    """Run pip; networks have bad moments, wrong hashes stay wrong."""
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *arguments]
    for attempt in range(1, ATTEMPTS + 1):
        run = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if run.returncode == 0:
            return
        final = attempt == ATTEMPTS or "DO NOT MATCH THE HASHES" in run.stdout
        sys.stderr.write(run.stdout)
        if final:
            sys.exit(f"fetch.py: pip {arguments[0]} failed (attempt {attempt} of {ATTEMPTS}); see its messages above")
        pause = 2 * attempt
        print(f"fetch.py: pip {arguments[0]} failed, attempt {attempt} of {ATTEMPTS}; again in {pause} s", flush=True)
        time.sleep(pause)


def make_tools(folder: Path) -> Path:
    """The virtual environment with everything that builds, checks and tests; made anew when its pins changed."""
    pins = HERE / "requirements.txt"
    python = folder / "bin" / "python"
    stamp = folder / "made-from"
    made_from = sha256(pins) + "\n" + sys.version
    if not (stamp.is_file() and stamp.read_text(encoding="utf-8") == made_from):
        venv.create(folder, clear=True, with_pip=True)
        pip(python, "install", "--quiet", "--no-deps", "--require-hashes", "--requirement", str(pins))
        stamp.write_text(made_from, encoding="utf-8")
    return python


def download(python: Path, packages: list[dict[str, Any]], downloads: Path) -> dict[str, Path]:
    """The source distribution of every package by sha256, fetched unless it is there already."""
    downloads.mkdir(parents=True, exist_ok=True)
    missing = [package for package in packages if package["sha256"] not in digests(downloads)]
    if missing:
        pins = (f"{p['name']}=={p['version']} --hash=sha256:{p['sha256']}\n" for p in missing)
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as requirements:
            requirements.writelines(pins)
            requirements.flush()
            # pip asks each package for its metadata; the backends in the tools answer, so nothing else is fetched.
            source_only = ["--no-deps", "--no-binary", ":all:", "--no-build-isolation", "--require-hashes"]
            pip(python, "download", *source_only, "--dest", str(downloads), "--requirement", requirements.name)
    return digests(downloads)


def digests(folder: Path) -> dict[str, Path]:
    return {sha256(path): path for path in folder.iterdir() if path.is_file()}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def unpack(archive: Path, target: Path) -> None:
    """Replace the sources in `target` by those of the archive; keep what tasks made."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unpacking-") as folder:
        with tarfile.open(archive) as tar:
            # Python 3.11.4 brought filters; older ones unpack the same files, whose hash is pinned.
            tar.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
            tar.extractall(folder)
        (root,) = Path(folder).iterdir()
        for old in target.iterdir():
            if old.name not in MADE:
                shutil.rmtree(old) if old.is_dir() else old.unlink()
        for new in root.iterdir():
            new.rename(target / new.name)


def tasks(package: dict[str, Any], needed: list[str], folder: Path) -> dict[str, Any]:
    """The package's tasks. `needed`: the packages behind its wheel, in alphabetical order; `folder`: its sources."""
    manuals = [name for name in MANUALS if (folder / name).is_dir()]
    suites = [name for name in SUITES if (folder / name).exists()]
    left_out = ["haz.yml", *MADE, *manuals, *suites]
    others = [f"/packages/{name}/dist/*.whl" for name in needed]
    beside = [PYTHON, "../../steps/with_wheels.py", "dist", *(f"../{name}/dist" for name in needed), "--"]
    inputs = [*others, "/requirements.txt", "/steps/with_wheels.py"]
    deps = ["~:build", *(f"{name}:build" for name in needed)]
    every = {
        "build": {
            "command": [PYTHON, "../../steps/wheel.py", *left_out],
            "inputs": ["**", *excluded(left_out), "/requirements.txt", "/steps/wheel.py"],
            "outputs": ["dist/*.whl"],
            # No debug information: it would name the temporary folder of the build.
            "env": {"override": {"SOURCE_DATE_EPOCH": "315532800", "CFLAGS": "-g0"}},
        },
        "unpack-check": {
            # -S: only the wheels and the standard library are there to import from.
            "command": [*beside, PYTHON, "-S", "../../steps/imported.py", "out/imported.txt", *package["imports"]],
            "inputs": ["dist/*.whl", *inputs, "/steps/imported.py"],
            "outputs": ["out/imported.txt"],
            "deps": deps,
        },
        "lint": {
            "command": [RUFF, "check", "--no-cache", "--config", "../../lint.toml", "."],
            "inputs": ["**/*.{py,pyi}", *excluded(MADE), "/requirements.txt", "/lint.toml"],
        },
    }
    if "tests" in package:
        # The wheel is tested, not the sources: -P and append keep the sources behind it on sys.path. What differs
        # between two runs, times and temporary folders, stays out of the output: -qq, --disable-warnings.
        pytest = [PYTHON, "-P", "-m", "pytest", "-qq", "--disable-warnings", "--import-mode", "append"]
        pytest += ["-p", "no:cacheprovider", *package["tests"]]
        every["test"] = {
            "command": [*beside, *pytest],
            "inputs": [
                "**",
                *excluded(["haz.yml", "out", *manuals, *package.get("touched", ())]),
                *inputs,
                "/pytest.ini",
            ],
            "deps": ["~:unpack-check", *deps],
        }
    return every


def excluded(names: Iterable[str]) -> list[str]:
    return [f"!{name}" if "." in name else f"!{name}/**" for name in names]


def behind(name: str, packages: dict[str, dict[str, Any]]) -> set[str]:
    """Every package that the named one needs, directly or through others."""
    direct = packages[name].get("needs", [])
    return set(direct).union(*(behind(other, packages) for other in direct))


def yaml(value: dict[str, Any], indent: str = "") -> str:
    """Mappings in block style, everything below in JSON, which YAML contains."""
    lines = []
    for key, item in value.items():
        if isinstance(item, dict):
            lines.append(f"{indent}{key}:\n{yaml(item, indent + '  ')}")
        elif isinstance(item, list) and len(json.dumps(item)) > 100:
            lines.append(f"{indent}{key}:\n" + "".join(f"{indent}  - {json.dumps(entry)}\n" for entry in item))
        else:
            lines.append(f"{indent}{key}: {json.dumps(item)}\n")
    return "".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path, nargs="?", default=HERE / "workspace")
    parser.add_argument("--downloads", type=Path, help="where archives are kept (default: .fetched beside WORKSPACE)")
    arguments = parser.parse_args()
    workspace = arguments.workspace.resolve()
    downloads = (arguments.downloads or workspace.parent / ".fetched").resolve()

    packages = {p["name"]: p for p in tomllib.loads((HERE / "packages.toml").read_text(encoding="utf-8"))["package"]}
    python = make_tools(workspace / ".tools" / "venv")
    archives = download(python, list(packages.values()), downloads)

    for name in ("requirements.txt", "lint.toml"):
        shutil.copyfile(HERE / name, workspace / name)
    shutil.copytree(HERE / "steps", workspace / "steps", dirs_exist_ok=True, ignore=lambda *_: {"__pycache__"})
    count = 0
    for name, package in packages.items():
        folder = workspace / "packages" / name
        unpack(archives[package["sha256"]], folder)
        described = {"name": name, "tasks": tasks(package, sorted(behind(name, packages)), folder)}
        (folder / "haz.yml").write_text(yaml(described), encoding="utf-8")
        count += len(described["tasks"])
    (workspace / "pytest.ini").write_text(PYTEST, encoding="utf-8")
    (workspace / ".haz").mkdir(exist_ok=True)
    (workspace / ".haz" / "workspace.yml").write_text(WORKSPACE, encoding="utf-8")
    print(f"{len(packages)} packages with {count} tasks in {workspace}")


if __name__ == "__main__":
    main()
