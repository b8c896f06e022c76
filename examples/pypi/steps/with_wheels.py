"""Run a command beside installed wheels: `with_wheels.py DIST_FOLDER... -- COMMAND...`.

The wheels in the folders are installed, without their bytecode, into a temporary folder that is the command's
PYTHONPATH and is gone afterwards. Nothing is fetched: whatever is not in the folders is missing.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def main(arguments: list[str]) -> int:
    divider = arguments.index("--")
    folders, command = arguments[:divider], arguments[divider + 1 :]
    wheels = []
    for folder in folders:
        found = sorted(map(str, Path(folder).glob("*.whl")))
        if len(found) != 1:
            sys.exit(f"{folder}: expected one wheel, found {len(found)}")
        wheels += found
    with tempfile.TemporaryDirectory(prefix="wheels-") as site:
        install = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "install", "--quiet"]
        install += ["--root-user-action", "ignore", "--no-index", "--no-deps", "--no-compile", "--target", site]
        subprocess.run([*install, *wheels], check=True)
        return subprocess.run(command, check=False, env={**os.environ, "PYTHONPATH": site}).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
