"""Kill haz at random moments of storing and restoring; the next run must be right, and leave only hidden leftovers.

`python -m tests.crash.kill_hunt 200` hunts for long; a test runs a short form.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.space import HAZ, Space

FILES = 30
TASKS = f"""
    make:
      shell: |
        rm -rf o; mkdir o
        for i in $(seq {FILES}); do head -c 200000 /dev/zero | tr '\\000' "$(cat in)" > o/f$i; done
      inputs: [in]
      outputs: ["o/**"]
    sum: {{deps: ["~:make"], shell: "cat o/* | cksum > sum", inputs: ["o/**"], outputs: [sum]}}
"""


def lay_out(space: Space) -> None:
    space.project("lib", TASKS)
    for text in "012":
        space.write("lib/in", text)
        space.run("--workspace").ok()


def strike(space: Space, text: str, delay: float, *, cold: bool) -> None:
    """Let haz restore (or, cold, store) for `delay` seconds, kill it, and hold the next run to the truth."""
    space.write("lib/in", text)
    shutil.rmtree(space.root / "lib/o", ignore_errors=True)
    if cold:
        shutil.rmtree(space.root / ".haz/cache", ignore_errors=True)
    process = subprocess.Popen(
        [*HAZ, "run", "--workspace"], cwd=space.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(delay)  # the moment of the blow is the subject
    process.kill()
    process.wait()
    space.run("--workspace").ok()
    outputs = {path: data for path, (_, data) in space.files("lib/o").items() if "/.haz-tmp-" not in path}
    assert outputs == {f"lib/o/f{number}": text.encode() * 200000 for number in range(1, FILES + 1)}
    joined = b"".join(outputs[path] for path in sorted(outputs))
    assert space.read("lib/sum") == subprocess.run(["cksum"], input=joined, capture_output=True, check=True).stdout
    assert space.run("--workspace").ok().cached == {"lib:make", "lib:sum"}


def hunt(space: Space, blows: int, seed: int) -> None:
    choice = random.Random(seed)
    lay_out(space)
    for number in range(blows):
        strike(space, str(number % 3), choice.uniform(0.05, 0.5), cold=number % 3 == 0)


if __name__ == "__main__":
    hunt(Space(Path(tempfile.mkdtemp())), int(sys.argv[1]), seed=time.time_ns())
