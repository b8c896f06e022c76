"""Looks for what many haz processes do to each other: all run one workspace while its cache is cleaned and cleared.

    python -m tests.hunts.together [ROUNDS [PROCESSES [SEED]]]

In each round the inputs change, often back to what they were before, and then all processes run everything at the same
time, beside one that loops `cache clean` and one that loops `cache clear`. No run may fail, leave a result unstored, or
leave or show a byte that is not what the inputs make.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from pathlib import Path

from haz.__main__ import main as haz

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

WORDS = ("ash", "birch", "cedar")
# Outputs appear whole: a run that finds its cache cleared makes them again while another one may read them.
PROJECT = """name: lib
tasks:
  one: {shell: "cat src/a src/b > one.tmp; mv one.tmp one; echo made one", inputs: ["src/*"], outputs: [one]}
  two: {shell: "tr a-z A-Z < one > two.tmp; mv two.tmp two; cat two", inputs: [{from: "~:one"}], outputs: [two]}
  many:
    shell: "rm -rf many; mkdir many; for w in $(cat src/a); do echo $w > many/$w; done; ls many"
    inputs: [src/a]
    outputs: ["many/**"]
  big:
    shell: "for i in 1 2 3 4; do head -c 40000 /dev/zero; cat src/b; done > big.tmp; mv big.tmp big"
    inputs: [src/b]
    outputs: [big]
  last:
    shell: "cat two big > last.tmp; mv last.tmp last; cat two"
    inputs: [{from: "~:two"}, {from: "~:big"}]
    outputs: [last]
  loud: {shell: "cat src/a; cat src/b >&2", inputs: ["src/*"]}
"""
CLEANINGS = (["cache", "clean", "--soft", "--max-age", "0s"], ["cache", "clean", "--max-size", "50KB"])


def start(root: Path, words: list[str], log: Path) -> int:
    """Run one haz in a process of its own, which has nothing to import; both its streams go to the log."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.chdir(root)
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(file, 1)
        os.dup2(file, 2)
        sys.argv = ["haz", *words]
        code = haz() or 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 70
    finally:
        os._exit(code)


def loop(root: Path, commands: tuple[list[str], ...], log: Path, stop: int, mine: int) -> int:
    """Repeat commands, each in a process of its own, until the parent closes `mine`, the other end of the pipe `stop`.

    The exit code is the number of those that failed.
    """
    child = os.fork()
    if child:
        return child
    failed = 0
    try:
        os.close(mine)
        os.set_blocking(stop, False)
        while True:
            try:
                os.read(stop, 1)
                break
            except BlockingIOError:
                for words in commands:
                    _, status = os.waitpid(start(root, words, log), 0)
                    failed += status != 0
    finally:
        os._exit(min(failed, 99))


def expected(a: str, b: str) -> dict[str, bytes]:
    one = f"{a}\n{b}\n".encode()
    big = (bytes(40000) + f"{b}\n".encode()) * 4
    files = {"one": one, "two": one.upper(), "big": big, "last": one.upper() + big}
    return files | {f"many/{word}": f"{word}\n".encode() for word in a.split()}


def shows(a: str, b: str) -> list[str]:
    """Lines that each run shows, whether tasks run or come from the cache."""
    lines = [f"[lib:loud] {a}", f"[lib:loud] {b}", "[lib:one] made one"]
    lines += [f"[lib:{task}] {word.upper()}" for task in ("two", "last") for word in (a, b)]
    return lines + [f"[lib:many] {word}" for word in a.split()]


def wrong_bytes(root: Path, a: str, b: str) -> list[str]:
    wanted = expected(a, b)
    wrong = [f"{name} is wrong" for name, data in wanted.items() if (root / "lib" / name).read_bytes() != data]
    left = {f"many/{path.name}" for path in (root / "lib/many").iterdir()}
    # A cleared cache does not know any more what an earlier result has left behind; the script has removed it then.
    return wrong + [f"{name} should not be there" for name in sorted(left - wanted.keys())]


def complaints(log: Path, code: int, a: str, b: str) -> list[str]:
    text = log.read_text(errors="replace")
    found = [] if code == 0 else [f"exit {code}"]
    # That an entry vanished between lookup and restore may be told: it is a miss with a warning (D5).
    # So may be that a result is not kept whose inputs another process made anew meanwhile, its cache being cleared.
    # What is cleared while it is being stored may be refused too.
    refused = ("not stored: input", ": No such file or directory")
    told = [line for line in text.splitlines() if not any(words in line for words in refused)]
    found += [line for line in told if "Traceback" in line or "not stored" in line]
    shown = set(text.splitlines())
    found += [f"{line!r} is missing" for line in shows(a, b) if line not in shown]
    return [f"{line}\n{text}" for line in found]


def hunt(
    place: Path, rounds: int, processes: int, seed: int, tell: Callable[[str], object] = str
) -> tuple[list[str], int, int]:
    """Return what went wrong, how many tasks came from the cache, and how many ran."""
    dice = random.Random(seed)
    root = place / "ws"
    (root / ".haz").mkdir(parents=True)
    (root / "lib/src").mkdir(parents=True)
    (root / ".haz/workspace.yml").write_text("projects: [/lib]\n")
    (root / "lib/haz.yml").write_text(PROJECT)
    wrong: list[str] = []
    hits = ran = 0
    for number in range(rounds):
        a, b = " ".join(dice.sample(WORDS, dice.randint(1, 3))), dice.choice(WORDS)
        (root / "lib/src/a").write_text(f"{a}\n")
        (root / "lib/src/b").write_text(f"{b}\n")
        reading, writing = os.pipe()
        loops = [
            loop(root, CLEANINGS, place / "clean.log", reading, writing),
            loop(root, (["cache", "clear"],), place / "clear.log", reading, writing),
        ]
        os.close(reading)
        logs = [place / f"run-{index}.log" for index in range(processes)]
        children = {start(root, ["run", "--workspace", "--jobs", "2"], log): log for log in logs}
        found: list[str] = []
        for child, log in children.items():
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            found += complaints(log, code, a, b)
            text = log.read_text(errors="replace")
            hits += text.count("◉ cached")
            ran += text.count("✓ done")
        os.close(writing)
        for child, name in zip(loops, ("clean", "clear"), strict=True):
            failed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            if failed:
                found.append(f"{failed} times haz cache {name} failed:\n{(place / f'{name}.log').read_text()}")
        found += wrong_bytes(root, a, b)
        wrong += [f"--- round {number} of seed {seed}: {one}" for one in found]
        tell(f"round {number}: {ran} ran, {hits} hits, {len(wrong)} wrong\n")
    return wrong, hits, ran


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    processes = int(sys.argv[2]) if len(sys.argv) > 2 else 16
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 30)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        wrong, hits, ran = hunt(Path(place).resolve(), rounds, processes, seed, sys.stderr.write)
    took = time.monotonic() - started
    end = f"{rounds} rounds of {processes} from seed {seed}: {ran} tasks ran, {hits} hits, {took:.0f} s: {len(wrong)} wrong"
    sys.stdout.write("\n\n".join((*wrong[:10], end)) + "\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
