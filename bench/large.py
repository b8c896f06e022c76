"""Tells what 1 GiB in and out costs in memory and time, beside `cp` and `b3sum`: `python -m bench.large [MIB]`.

Each line is one run of haz in a fresh workspace or on a cache that has the result: its wall time and CPU seconds, by
how much its largest resident set exceeds that of the same run with a file of 1 KiB, and the ratio of its wall time to
that of `cp FILE COPY` and a BLAKE3 of the copy on the same disk. The input is hashed, the task copies it (`cp
--reflink=never`, part of haz's time), and the output is copied into the store and read back.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HAZ = [sys.executable, "-m", "haz"]
TASK = "name: lib\ntasks:\n  t: {command: [cp, --reflink=never, in, out], inputs: [in], outputs: [out]}\n"
HASH = "import sys, blake3; h = blake3.blake3(max_threads=blake3.blake3.AUTO); h.update_mmap(sys.argv[1])"
KIB = 1024


def fill(path: Path, mib: int) -> None:
    """Write bytes that no file system can shrink."""
    with path.open("wb") as file:
        for _ in range(mib):
            file.write(os.urandom(KIB * KIB))


def workspace(place: Path, mib: int) -> Path:
    (place / ".haz").mkdir(parents=True)
    (place / "lib").mkdir()
    (place / ".haz/workspace.yml").write_text("projects: [/lib]\ncache: {max_size: none}\n")
    (place / "lib/haz.yml").write_text(TASK)
    if mib:
        fill(place / "lib/in", mib)
    else:
        (place / "lib/in").write_bytes(os.urandom(KIB))
    return place


def run(*command: object, cwd: Path) -> tuple[float, float, int]:
    """Return wall seconds, CPU seconds of the process and its children, and its own largest resident set in KiB."""
    started = time.perf_counter()
    words, quiet = [str(word) for word in command], subprocess.DEVNULL
    process = subprocess.Popen(words, cwd=cwd, stdout=quiet, stderr=quiet)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} failed")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def runs(place: Path) -> dict[str, tuple[float, float, int]]:
    found = {"store": run(*HAZ, "run", "--workspace", cwd=place)}
    found["hit, in place"] = run(*HAZ, "run", "--workspace", cwd=place)
    (place / "lib/out").unlink()
    found["hit, restored"] = run(*HAZ, "run", "--workspace", cwd=place)
    return found


def main(mib: int) -> None:
    base = Path(tempfile.mkdtemp(dir="."))
    try:
        small = runs(workspace(base / "small", 0))
        large = workspace(base / "large", mib)
        copy, _, _ = run("cp", "--reflink=never", "in", "copy", cwd=large / "lib")
        digest, _, _ = run(sys.executable, "-c", HASH, "copy", cwd=large / "lib")
        (large / "lib/copy").unlink()
        sys.stdout.write(f"{mib} MiB, load {os.getloadavg()[0]:.1f}; cp {copy:.2f} s, b3sum {digest:.2f} s\n")
        for name, (wall, cpu, peak) in runs(large).items():
            growth = (peak - small[name][2]) / KIB
            ratio = wall / (copy + digest)
            sys.stdout.write(f"{name:14} {wall:6.2f} s wall {cpu:6.2f} s CPU {growth:+6.1f} MiB {ratio:5.2f} x\n")
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1024)
