"""Kill haz while it stores, restores, collects and takes notes; the next run must be right, and the cache sound.

`python -m tests.crash.kill_hunt 500` kills at random moments, `python -m tests.crash.kill_hunt steps` at every named
one (`rust/haz-core/src/steps.rs`); a test runs short forms of both.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.eager import settle
from tests.space import EAGER, Space

FILES = 12
TASKS = f"""
    make:
      shell: |
        rm -rf o; mkdir -p o/$(cat in); touch o/$(cat in)/of-$(cat in)
        for i in $(seq {FILES}); do head -c 50000 /dev/zero | tr '\\000' "$(cat in)" > o/f$i; done
      inputs: [in]
      outputs: [o]
    sum: {{deps: ["~:make"], shell: "cat o/f* | cksum > sum", inputs: ["o/**"], outputs: ["su[m]"]}}
"""
STEPS = (
    *("blob-staged", "blob-written", "blob-named", "publish-staged", "publish-written", "publish-named"),
    *("restore-made", "restore-filled", "restore-staged", "restore-named", "restore-removed"),
    *("log-written", "snapshot-kept", "checkpoint-kept"),
)
COLLECT = "collect-removed"


def lay_out(space: Space) -> None:
    """A workspace with three results in its cache, of which each run makes a snapshot and a checkpoint."""
    space.command = EAGER
    shutil.rmtree(space.root / ".haz", ignore_errors=True)
    space.project("lib", TASKS)
    for text in "012":
        space.write("lib/in", text)
        space.run("--workspace").ok()


def prepare(space: Space, text: str, *, cold: bool) -> None:
    """Let the next run restore what is in the cache (or, cold, store it), over what another result has left."""
    settle(space.root)
    space.write("lib/in", text)
    if cold:
        shutil.rmtree(space.root / ".haz/cache", ignore_errors=True)
        shutil.rmtree(space.root / ".haz/state", ignore_errors=True)


def hold_to_the_truth(space: Space, text: str) -> None:
    """Run again: right bytes, a sound cache, and nothing left behind but what the next `clean` removes."""
    space.run("--workspace").ok()
    outputs = {path: data for path, (_, data) in space.files("lib/o").items() if "/.haz-tmp-" not in path}
    expected = {f"lib/o/f{number}": text.encode() * 50000 for number in range(1, FILES + 1)}
    assert outputs == {**expected, f"lib/o/{text}/of-{text}": b""}
    joined = b"".join(outputs[path] for path in sorted(expected))
    assert space.read("lib/sum") == subprocess.run(["cksum"], input=joined, capture_output=True, check=True).stdout
    assert space.run("--workspace").ok().cached == {"lib:make", "lib:sum"}
    space.haz("cache", "verify").ok()
    space.haz("cache", "clean", "--soft").ok()
    left = [str(path) for path in space.root.rglob(".haz-tmp-*")]
    assert not left, left


def strike_at(space: Space, text: str, step: str, number: int, *, cold: bool) -> bool:
    """Kill haz at the `number`th passing of a step; whether it came that far."""
    prepare(space, text, cold=cold)
    # Only a run that has stored something collects.
    force = ["--force"] if step == COLLECT else []
    done = space.run("--workspace", *force, env={"HAZ_CRASH_AT": f"{step}:{number}"})
    struck = done.code == -signal.SIGKILL
    assert struck or done.code == 0, done.err
    if struck:
        hold_to_the_truth(space, text)
    return struck


def hunt_steps(space: Space, most: int = sys.maxsize) -> Counter[str]:
    """Kill at the named steps, each for the first `most` times that a run passes it; how often it was killed at each."""
    struck: Counter[str] = Counter()
    turn = 0
    moments = [(step, cold) for cold in (True, False) for step in STEPS]
    for step, cold in [*moments, (COLLECT, False)]:
        for number in range(1, most + 1):
            turn += 1
            if step == COLLECT:
                lay_out(space)
                space.settings("cache: {max_size: 60KB}\n")
                make_old(space)
            if not strike_at(space, str(turn % 3), step, number, cold=cold):
                break
            struck[step] += 1
    return struck


def make_old(space: Space) -> None:
    """Let all that is in the cache be of last week, and nothing known of its size, so that something has to go."""
    past = time.time() - 7 * 86400
    for path in (space.root / ".haz/cache").rglob("*"):
        if path.is_file():
            os.utime(path, (past, past))
    (space.root / ".haz/cache/size-v1").unlink(missing_ok=True)


def strike(space: Space, text: str, delay: float, *, cold: bool) -> bool:
    """Let haz work for `delay` seconds and kill it; whether it was still at work."""
    prepare(space, text, cold=cold)
    process = subprocess.Popen(
        [*space.command, "run", "--workspace"], cwd=space.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(delay)  # the moment of the blow is the subject
    process.kill()
    struck = process.wait() == -signal.SIGKILL
    hold_to_the_truth(space, text)
    return struck


def hunt(space: Space, blows: int, seed: int) -> int:
    """Kill at random moments; how many of the blows met a haz at work."""
    choice = random.Random(seed)
    struck = 0
    for number in range(blows):
        struck += strike(space, str(number % 3), choice.uniform(0.05, 0.5), cold=number % 3 == 0)
    return struck


if __name__ == "__main__":
    place = Space(Path(tempfile.mkdtemp()) / "ws")
    place.root.mkdir()
    lay_out(place)
    if sys.argv[1] == "steps":
        sys.stdout.write(f"{dict(hunt_steps(place))}\n")
    else:
        sys.stdout.write(f"{hunt(place, int(sys.argv[1]), seed=time.time_ns())} of {sys.argv[1]} met a haz at work\n")
