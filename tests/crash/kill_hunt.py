"""Kill haz while it stores, restores, collects and takes notes; the next run must be right, and the cache sound.

`python -m tests.crash.kill_hunt 500` kills at so many random moments at which it is at work, `python -m tests.crash.kill_hunt steps` at every named
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
from typing import Literal

from tests.eager import settle
from tests.space import EAGER, Space

Way = Literal["store", "restore", "put back"]

FILES = 12
TASKS = f"""
    make:
      shell: |
        rm -rf o; mkdir -p o/$(cat in); touch o/$(cat in)/of-$(cat in)
        for i in $(seq {FILES}); do head -c 50000 /dev/zero | tr '\\000' "$(cat in)" > o/f$i; done
      inputs: [in]
      outputs: [o]
    copy:
      shell: "rm -rf c; mkdir -p c/d; for i in $(seq {FILES}); do cp in c/f$i; head -c 50000 /dev/zero > c/d/z$i; done"
      inputs: [in]
      outputs: ["c/**"]
    sum: {{deps: ["~:make"], shell: "cat o/f* | cksum > sum", inputs: ["o/**"], outputs: ["su[m]"]}}
"""
STEPS = (
    *("blob-staged", "blob-written", "blob-named", "publish-staged", "publish-written", "publish-named"),
    *("restore-made", "restore-filled", "restore-staged", "restore-named", "restore-removed"),
    *("log-written", "snapshot-kept", "checkpoint-kept"),
)
COLLECT = "collect-removed"
WAYS: tuple[Way, ...] = ("store", "restore", "put back")


def lay_out(space: Space) -> None:
    """A workspace with three results in its cache, of which each run makes a snapshot and a checkpoint."""
    space.command = EAGER
    shutil.rmtree(space.root / ".haz", ignore_errors=True)
    space.project("lib", TASKS)
    for text in "012":
        space.write("lib/in", text)
        space.run("--workspace").ok()


def prepare(space: Space, text: str, way: Way) -> None:
    """Let the next run restore what is in the cache, or store it, over what another result has left, or put back."""
    settle(space.root)
    if way == "put back":
        for name in ("c", "o"):
            shutil.rmtree(space.root / "lib" / name)
        return
    space.write("lib/in", text)
    if way == "store":
        shutil.rmtree(space.root / ".haz/cache", ignore_errors=True)
        shutil.rmtree(space.root / ".haz/state", ignore_errors=True)


def hold_to_the_truth(space: Space) -> None:
    """Run again: right bytes, a sound cache, and nothing left behind but what the next `clean` removes."""
    text = space.read("lib/in").decode()
    space.run("--workspace").ok()
    copies = {path: data for path, (_, data) in space.files("lib/c").items() if "/.haz-tmp-" not in path}
    numbers = range(1, FILES + 1)
    zeros = {f"lib/c/d/z{number}": bytes(50000) for number in numbers}
    assert copies == {f"lib/c/f{number}": text.encode() for number in numbers} | zeros
    outputs = {path: data for path, (_, data) in space.files("lib/o").items() if "/.haz-tmp-" not in path}
    expected = {f"lib/o/f{number}": text.encode() * 50000 for number in range(1, FILES + 1)}
    assert outputs == {**expected, f"lib/o/{text}/of-{text}": b""}
    joined = b"".join(outputs[path] for path in sorted(expected))
    assert space.read("lib/sum") == subprocess.run(["cksum"], input=joined, capture_output=True, check=True).stdout
    assert space.run("--workspace").ok().cached == {"lib:copy", "lib:make", "lib:sum"}
    space.haz("cache", "verify").ok()
    space.haz("cache", "clean", "--soft").ok()
    left = [str(path) for path in space.root.rglob(".haz-tmp-*")]
    assert not left, left


def strike_at(space: Space, text: str, step: str, number: int, way: Way) -> bool:
    """Kill haz at the `number`th passing of a step; whether it came that far."""
    prepare(space, text, way)
    # Only a run that has stored something collects.
    force = ["--force"] if step == COLLECT else []
    done = space.run("--workspace", *force, env={"HAZ_CRASH_AT": f"{step}:{number}"})
    struck = done.code == -signal.SIGKILL
    assert struck or done.code == 0, done.err
    if struck:
        hold_to_the_truth(space)
    return struck


def hunt_steps(space: Space, most: int = sys.maxsize) -> Counter[str]:
    """Kill at the named steps, each for the first `most` times that a run passes it; how often it was killed at each."""
    struck: Counter[str] = Counter()
    turn = 0
    moments = [(step, way) for way in WAYS for step in STEPS]
    for step, way in [*moments, (COLLECT, WAYS[1])]:
        for number in range(1, most + 1):
            turn += 1
            if step == COLLECT:
                lay_out(space)
                space.settings("cache: {max_size: 60KB}\n")
                make_old(space)
            if not strike_at(space, str(turn % 3), step, number, way):
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


def strike(space: Space, text: str, delay: float, way: Way) -> bool:
    """Let haz work for `delay` seconds and kill it; whether it was still at work."""
    prepare(space, text, way)
    process = subprocess.Popen(
        [*space.command, "run", "--workspace"], cwd=space.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(delay)  # the moment of the blow is the subject
    process.kill()
    struck = process.wait() == -signal.SIGKILL
    hold_to_the_truth(space)
    return struck


def hunt(space: Space, wanted: int, seed: int) -> int:
    """Kill at random moments until so many blows have met a haz at work; how many did not."""
    choice = random.Random(seed)
    longest = dict.fromkeys(WAYS, 0.5)
    struck = missed = 0
    while struck < wanted:
        way = WAYS[(struck + missed) % 3]
        if strike(space, str(choice.randrange(3)), choice.uniform(0.02, longest[way]), way):
            struck += 1
            longest[way] *= 1.1
        else:
            missed += 1
            longest[way] *= 0.8
    return missed


if __name__ == "__main__":
    place = Space(Path(tempfile.mkdtemp()) / "ws")
    place.root.mkdir()
    lay_out(place)
    if sys.argv[1] == "steps":
        sys.stdout.write(f"{dict(hunt_steps(place))}\n")
    else:
        missed = hunt(place, int(sys.argv[1]), seed=time.time_ns())
        sys.stdout.write(f"killed {sys.argv[1]} times at work; {missed} blows came too late\n")
