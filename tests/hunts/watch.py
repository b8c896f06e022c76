"""Looks for a change that `haz run --watch` does not hear, or that it makes too much of.

    python -m tests.hunts.watch [STORIES [SEED]]

A story changes files at random beside a haz that watches: edits, renames, new and removed directories, links, tasks and
projects. After each step the outputs must become what the files ask for.
"""

from __future__ import annotations

import os
import random
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.space import HAZ, SECONDS, Space

STEPS = 12
PROJECTS = ("one", "two", "three")


def begin(root: Path) -> Space:
    space = Space(root)
    space.write(".haz/workspace.yml", 'projects: ["/packages/*"]\n')
    for name in PROJECTS:
        project(space, name)
        space.write(f"packages/{name}/src/a.txt", name)
    return space


def project(space: Space, name: str, extra: str = "") -> None:
    before = PROJECTS[PROJECTS.index(name) - 1]
    deps = "" if name == PROJECTS[0] else f'deps: ["{before}:build"], '
    reads = "" if name == PROJECTS[0] else f', "/packages/{before}/out.txt"'
    shell = f"find -L src -name '*.txt' | LC_ALL=C sort | xargs -r cat > out.txt; test ! -e ../{before}/out.txt || cat ../{before}/out.txt >> out.txt{extra}"
    if name == PROJECTS[0]:
        shell = f"find -L src -name '*.txt' | LC_ALL=C sort | xargs -r cat > out.txt{extra}"
    space.write(
        f"packages/{name}/haz.yml",
        f'name: {name}\ntasks:\n  build: {{shell: "{shell}", {deps}inputs: ["src/**/*.txt"{reads}], outputs: [out.txt]}}\n',
    )


def expected(space: Space) -> dict[str, bytes]:
    """What the outputs hold when everything is up to date."""
    found: dict[str, bytes] = {}
    for name in PROJECTS:
        home = space.root / "packages" / name
        files: list[bytes] = []
        for place, _, names in os.walk(home / "src", followlinks=True):
            files += [os.fsencode(os.path.join(place, one)) for one in names if one.endswith(".txt")]
        own = b"".join(Path(os.fsdecode(file)).read_bytes() for file in sorted(files))
        extra = b"extra\n" if "extra" in (home / "haz.yml").read_text() else b""
        before = PROJECTS[PROJECTS.index(name) - 1]
        found[name] = own + (b"" if name == PROJECTS[0] else found[before]) + extra
    return found


def step(space: Space, rng: random.Random, number: int) -> str:
    """Change something."""
    src = space.root / "packages" / rng.choice(PROJECTS) / "src"
    files = [path for path in src.rglob("*.txt") if path.is_file()]
    folders = [path for path in src.iterdir() if path.is_dir()] if src.is_dir() else []
    what = rng.choice(["edit", "edit", "new", "deep", "rename", "remove", "folder", "move", "link", "task", "swap"])
    src.mkdir(parents=True, exist_ok=True)
    if what == "edit" and files:
        rng.choice(files).write_text(f"edit {number}\n")
    elif what == "new":
        (src / f"n{number}.txt").write_text(f"new {number}\n")
    elif what == "deep":
        place = src / f"d{number}" / "e"
        place.mkdir(parents=True)
        (place / "f.txt").write_text(f"deep {number}\n")
    elif what == "rename" and files:
        one = rng.choice(files)
        one.rename(one.with_name(f"r{number}.txt"))
    elif what == "remove" and files:
        rng.choice(files).unlink()
    elif what == "folder" and folders:
        one = rng.choice(folders)
        one.unlink() if one.is_symlink() else shutil.rmtree(one)
    elif what == "move" and folders:
        one = rng.choice(folders)
        one.rename(one.with_name(f"m{number}"))
    elif what == "link":
        target = space.root / "aside" / str(number)
        target.mkdir(parents=True)
        (target / "l.txt").write_text(f"link {number}\n")
        (src / f"l{number}").symlink_to(os.path.relpath(target, src))
    elif what == "task":
        project(space, src.parent.name, rng.choice(["", "; echo extra >> out.txt"]))
    elif what == "swap" and (space.root / "aside").is_dir():
        # Through a link, where no pattern leads.
        for file in (space.root / "aside").rglob("l.txt"):
            file.write_text(f"swap {number}\n")
    else:
        return f"{what}: nothing to do"
    return f"{what} {src.parent.name}"


def differences(space: Space) -> list[str]:
    wanted = expected(space)
    wrong = []
    for name, content in wanted.items():
        out = space.root / "packages" / name / "out.txt"
        found = out.read_bytes() if out.is_file() else b"<nothing>"
        if found != content:
            wrong.append(f"{name}: {found!r} is not {content!r}")
    return wrong


def tell(space: Space, rng: random.Random) -> str | None:
    """Live through one story; what is wrong."""
    process = subprocess.Popen(
        [*HAZ, "run", "--workspace", "--watch"],
        cwd=space.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    said = b""
    try:
        told: list[str] = []
        for number in range(STEPS):
            for _ in range(rng.randrange(1, 4)):
                told.append(step(space, rng, number * 10 + len(told)))
            end = time.monotonic() + SECONDS / 4
            # A run tells when its tasks end, and by then the outputs are there.
            while (wrong := differences(space)) and select.select(
                [process.stdout], [], [], max(0.0, end - time.monotonic())
            )[0]:
                piece = os.read(process.stdout.fileno(), 1 << 16)
                said += piece
                if not piece:
                    return f"it has ended with {process.wait()} after {told}\n{said.decode()}"
            if wrong:
                return f"after {told}: {wrong}\n{said.decode()}"
    finally:
        process.terminate()
        process.communicate(timeout=SECONDS)
    return None


def main(stories: int, seed: int) -> int:
    wrong = 0
    for number in range(seed, seed + stories):
        with tempfile.TemporaryDirectory() as home:
            root = Path(home) / "ws"
            root.mkdir()
            problem = tell(begin(root), random.Random(number))
            if problem is not None:
                wrong += 1
                sys.stdout.write(f"seed {number}: {problem}\n")
        told = number - seed + 1
        if told % 20 == 0 or told == stories:
            sys.stdout.write(f"{told} stories from seed {seed}: {wrong} wrong\n")
            sys.stdout.flush()
    return int(wrong > 0)


if __name__ == "__main__":
    words = [int(word) for word in sys.argv[1:]]
    sys.exit(main(*(words + [100, 1][len(words) :])))
