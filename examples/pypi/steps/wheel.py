"""Build the wheel of the package in the current directory into `dist/`: `wheel.py LEFT_OUT...`.

The build happens in a copy without the top-level names in LEFT_OUT. So it cannot dirty the sources, and it fails when
it needs a file that the task does not declare as an input.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def main(left_out: list[str]) -> None:
    os.umask(0o022)  # the modes of generated files are part of the wheel
    with tempfile.TemporaryDirectory(prefix="wheel-") as folder:
        source, built = Path(folder, "source"), Path(folder, "built")
        here = str(Path.cwd())
        shutil.copytree(here, source, ignore=lambda at, names: set(left_out).intersection(names) if at == here else ())
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--skip-dependency-check"]
        run = subprocess.run(
            [*build, "--outdir", str(built), str(source)],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if run.returncode != 0:
            sys.stderr.buffer.write(run.stdout)
            sys.exit(run.returncode)
        (wheel,) = built.iterdir()
        dist = Path("dist")
        dist.mkdir(exist_ok=True)
        for old in dist.glob("*.whl"):
            old.unlink()
        shutil.copyfile(wheel, dist / wheel.name)
    content = (dist / wheel.name).read_bytes()
    print(f"{wheel.name} sha256:{hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main(sys.argv[1:])
