"""Installs the pinned peers below `bench/.tools`, the first time and whenever a pin has changed."""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import subprocess
import sys
from typing import NamedTuple

from bench import tools

HERE = os.path.dirname(os.path.abspath(__file__))
PINS = ("package.json", "package-lock.json", ".npmrc", "requirements.txt")
PLACE = os.path.join(tools.TOOLS, "peers")
MODULES = os.path.join(PLACE, "node_modules")


class Programs(NamedTuple):
    """Where the programs are: those that are machine code, and what npm puts on the PATH to start them."""

    ninja: str
    turbo: str
    turbo_launcher: str
    nx: str
    moon: str
    moon_launcher: str
    task: str


def programs() -> Programs:
    """Return the programs, and install them if they are not here as pinned. Ends the bench where that is impossible."""
    stamp = os.path.join(PLACE, "pins.sha256")
    digest = hashlib.sha256(b"".join(_read(os.path.join(HERE, name)) for name in PINS)).hexdigest().encode()
    if not os.path.exists(stamp) or _read(stamp) != digest:
        _install()
        with open(stamp, "wb") as file:
            file.write(digest)
    return Programs(
        ninja=tools.ninja(),
        turbo=_only("@turbo/*/bin/turbo"),
        turbo_launcher=os.path.join(MODULES, ".bin", "turbo"),
        nx=os.path.join(MODULES, ".bin", "nx"),
        moon=_only("@moonrepo/core-*/moon"),
        moon_launcher=os.path.join(MODULES, ".bin", "moon"),
        task=os.path.join(PLACE, "python", "bin", "task"),
    )


def npm_version() -> str:
    """Return the version of the npm that runs the scripts of Turborepo."""
    return subprocess.check_output(["npm", "--version"], text=True, stderr=subprocess.DEVNULL).strip()


def _install() -> None:
    if shutil.which("npm") is None:
        sys.exit("bench: no npm on the PATH to install the peers with")
    shutil.rmtree(PLACE, ignore_errors=True)
    os.makedirs(PLACE)
    for name in PINS:
        shutil.copy(os.path.join(HERE, name), PLACE)
    # Not `npm ci`: it demands the packages of all platforms in the lock, which holds those of one. What a lock does not
    # hold is pinned by exact versions in the packages that it does hold. No scripts: nx would start its daemon.
    subprocess.run(["npm", "install", "--ignore-scripts", "--silent"], cwd=PLACE, check=True, stdout=sys.stderr)
    subprocess.run(
        [
            *(tools.PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"),
            *("--require-hashes", "--target", os.path.join(PLACE, "python"), "--requirement", "requirements.txt"),
        ],
        cwd=PLACE,
        check=True,
        stdout=sys.stderr,
    )


def _only(pattern: str) -> str:
    found = glob.glob(os.path.join(MODULES, pattern))
    if len(found) != 1:
        sys.exit(f"bench: {pattern} of the peers is there {len(found)} times, not once; remove {PLACE}")
    return found[0]


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
