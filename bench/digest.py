"""How fast file contents become digests: the core's `digest_files` in one process, beside b3sum."""

from __future__ import annotations

import argparse
import os
import random
import tempfile
from hashlib import sha256
from statistics import median

from bench import tools
from bench.pair import RUNS, Command, Pair, Run, show

MIB = 1 << 20
# Prints what b3sum prints, so that both do the same work and can be compared line by line; its stderr says how long the
# call itself took, which a resident haz would pay, without the start of Python.
PROGRAM = (
    "import sys, time; from haz._core import digest_files; paths = {paths}; start = time.perf_counter(); "
    "digests = digest_files(paths); print(time.perf_counter() - start, file=sys.stderr); "
    "sys.stdout.write(''.join(f'{{digest.hex()}}  {{path}}\\n' for path, digest in zip(paths, digests)))"
)
FROM_ARGUMENTS = PROGRAM.format(paths="sys.argv[1:]")
FROM_STDIN = PROGRAM.format(paths="sys.stdin.read().split('\\0')[:-1]")


class SameLines:
    """Checks that both commands print one digest per file, and the same ones."""

    def __init__(self, files: int) -> None:
        self._files = files
        self._digest = b""

    def __call__(self, run: Run) -> None:
        lines = sorted(run.out.splitlines())
        assert len(lines) == self._files, f"{len(lines)} digests of {self._files} files"
        digest = sha256(b"\n".join(lines)).digest()
        self._digest = self._digest or digest
        assert digest == self._digest, "the two commands disagree"


def large(root: str, files: int, size: int, runs: int) -> None:
    chance = random.Random(1)
    names = [f"large{i}" for i in range(files)]
    for name in names:
        with open(f"{root}/{name}", "wb") as file:
            file.writelines(chance.randbytes(MIB) for _ in range(size // MIB))
    same = SameLines(files)
    haz = Command(
        "haz core", [tools.PYTHON, "-I", "-c", FROM_ARGUMENTS, *names], "python -I -c DIGEST_FILES large*", root, same
    )
    other = Command("b3sum", [tools.b3sum(), *names], "b3sum large*", root, same)
    pair = show(f"Digest {files * size // MIB} MiB in {files} files, page cache warm", haz, other, runs)
    tell_the_call(pair)
    for command, done in ((pair.a, pair.runs_a), (pair.b, pair.runs_b)):
        print(f"{command.name}: {files * size / median(one.wall for one in done) / 1e9:.1f} GB/s<br>")
    print()


def tell_the_call(pair: Pair) -> None:
    calls = [float(one.err) * 1000 for one in pair.runs_a]
    print(f"`digest_files` itself: {median(calls):.1f} ms ({min(calls):.1f}-{max(calls):.1f})<br>")


def small(root: str, files: int, runs: int) -> None:
    chance = random.Random(1)
    for i in range(files):
        path = f"{root}/small/d{i // 100:03}/f{i:05}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(chance.randbytes(chance.randrange(1024, 8193)))
    same = SameLines(files)
    find = "find small -type f -print0"
    haz = Command(
        "haz core",
        ["sh", "-c", f'{find} | "$0" -I -c "$1"', tools.PYTHON, FROM_STDIN],
        f"{find} | python -I -c DIGEST_FILES",
        root,
        same,
    )
    xargs = "xargs -0 -P2 -n512"
    other = Command(
        "xargs b3sum", ["sh", "-c", f'{find} | {xargs} "$0"', tools.b3sum()], f"{find} | {xargs} b3sum", root, same
    )
    tell_the_call(show(f"Digest {files} files of 1-8 KiB, page cache warm", haz, other, runs))
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--mib", type=int, default=1024, help="total size of the large files")
    parser.add_argument("--pieces", type=int, default=4, help="number of the large files")
    parser.add_argument("--files", type=int, default=20_000, help="number of the small files; 0: only large ones")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="haz-bench-") as root:
        large(root, options.pieces, options.mib // options.pieces * MIB, options.runs)
        if options.files:
            small(root, options.files, options.runs)


if __name__ == "__main__":
    main()
