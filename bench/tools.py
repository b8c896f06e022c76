"""Where the tools are that the benches run, and how those that are not part of the environment get here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOOLS = os.path.join(HERE, ".tools")
# The environment that runs the bench, not whatever comes first on the PATH.
BIN = os.path.dirname(sys.executable)
PYTHON = sys.executable
HAZ = os.path.join(BIN, "haz")
B3SUM_VERSION = "1.8.7"


def ninja() -> str:
    """Return the ninja of the environment. The PyPI package brings the program itself: no wrapper is timed."""
    path = os.path.join(BIN, "ninja")
    if not os.path.exists(path):
        sys.exit("bench: no ninja in this environment; ./dev setup installs it")
    return path


def b3sum() -> str:
    """Return b3sum, built into `bench/.tools` the first time."""
    path = os.path.join(TOOLS, "bin", "b3sum")
    installed = f"b3sum {B3SUM_VERSION}"
    if os.path.exists(path) and subprocess.check_output([path, "--version"], text=True).strip() == installed:
        return path
    if shutil.which("cargo") is None:
        sys.exit("bench: b3sum is not here, and there is no cargo on the PATH to install it with")
    install = ["cargo", "install", "--quiet", "--locked", "b3sum", "--version", B3SUM_VERSION, "--root", TOOLS]
    subprocess.run(install, check=True)
    return path
