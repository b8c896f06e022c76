"""Looks for histories that the cache tells differently: random workspaces, edits and runs, once cached and once not.

    python -m tests.hunts.equivalence [HISTORIES [SEED]]

Two copies of a workspace live through the same edits and the same runs, one with the cache, one with `--no-cache`.
After every run the files of both (bytes, modes, links), the streams, the ends and the exit codes of all tasks must be
equal (CACHE-023). What a run without the cache leaves behind, and a hit need not, is told by two rules:

- A task that does not remove its old outputs itself, though their names depend on its inputs, gathers files. A hit
  removes those of other results (O9), so only what the last run wrote is compared there.
- A file below a task's patterns that the user made, changed or touched is the user's: a hit leaves it alone, where the
  task may have removed it. What another task reads is not touched: it would rightly see the difference.

Modes other than the executable bit of inputs are no part of a key, so the edits change no other bit.
"""

from __future__ import annotations

import os
import pickle
import random
import shutil
import stat
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from haz._core import PatternSet
from haz.app import RunOptions, execute, open_workspace
from haz.events import RunObserver
from haz.plan import Request, plan
from haz.references import parse
from tests.eager import eager, settle

WORDS = ("ash", "birch", "cedar", "elm")
NAMES = ("a", "b", "c")
TEXTS = ("ash\n", "birch cedar\n", "elm\n", "ash elm birch\n", "", "bad\n", "no newline")

# `IN` stands for the inputs as the shell spells them. Each script is a function of its declared inputs alone.
FAIL = 'case "$(cat IN 2>/dev/null)" in *bad*) echo broken >&2; exit 3;; esac'
KINDS = {
    # name: (outputs, script, whether it gathers files)
    "concat": ("[out/cat.N]", "mkdir -p out; cat IN > out/cat.N 2>/dev/null; echo made", False),
    "program": ("[prog.N]", "rm -f prog.N; (echo '#!/bin/sh'; cat IN) > prog.N 2>/dev/null; chmod 750 prog.N", False),
    "copies": ('["d.N/**"]', "rm -rf d.N; mkdir d.N; cp IN d.N/ 2>/dev/null; ls d.N", False),
    "words": (
        '["d.N/**"]',
        "rm -rf d.N; mkdir -p d.N/sub; for w in $(cat IN 2>/dev/null); do echo $w > d.N/$w; "
        "mkdir -p d.N/sub/$w; echo deep > d.N/sub/$w/f; done",
        False,
    ),
    "swept": (
        '["gen/*.N"]',
        "mkdir -p gen; rm -rf gen/*.N; for w in $(cat IN 2>/dev/null); do echo $w > gen/$w.N; done; ls gen/*.N >&2",
        False,
    ),
    "shapes": (
        '["s.N/**"]',
        'rm -rf s.N; case "$(cat IN 2>/dev/null)" in *ash*) mkdir -p s.N/x; echo 1 > s.N/x/y;; '
        "*elm*) mkdir s.N; echo 2 > s.N/x;; *birch*) mkdir s.N; ln -s nowhere s.N/x;; esac",
        False,
    ),
    "links": (
        '["l.N/**"]',
        "rm -rf l.N; mkdir l.N; for f in IN; do [ -e $f ] && ln -s ../$f l.N/${f##*/}; done; ln -s nowhere l.N/dangling",
        False,
    ),
    "partial": (
        '["p.N/**"]',
        f"rm -rf p.N; mkdir p.N; for w in $(cat IN 2>/dev/null); do echo $w > p.N/$w; done; {FAIL}",
        False,
    ),
    "gathers": (
        '["g.N/**"]',
        "mkdir -p g.N; for w in $(cat IN 2>/dev/null); do echo $w > g.N/$w; done; echo gathered",
        True,
    ),
    "keeps": (
        '{paths: ["k.N/**"], clean: false}',
        "mkdir -p k.N; for w in $(cat IN 2>/dev/null); do echo $w > k.N/$w; done",
        True,
    ),
    "streams": ("[]", f"cat IN 2>/dev/null; echo to-err >&2; {FAIL}", False),
    "variable": (
        '["v.N/**"]',
        'rm -rf v.N; mkdir v.N; echo "$HUNT" > v.N/v${HUNT:-none}; echo "[${HUNT-unset}]"',
        False,
    ),
}
# What each kind leaves where another task may read it, as a pattern from the project.
READABLE = {
    "concat": "out/cat.N",
    "copies": "d.N/**",
    "words": "d.N/**",
    "swept": "gen/*.N",
    "partial": "p.N/**",
    "links": "l.N/**",
    "variable": "v.N/**",
}


class Task:
    """One random task; `folder` is where its outputs are, `gathers` as in `KINDS`."""

    def __init__(self, dice: random.Random, project: str, number: int, earlier: list[Task]) -> None:
        self.project = project
        self.name = f"t{number}"
        self.kind = dice.choice(sorted(KINDS))
        outputs, script, self.gathers = KINDS[self.kind]
        chosen = dice.choice((["src/a"], ["src/b", "src/c"], ["src/*"], ["src/*"], ["src/[ab]"]))
        inputs = [f"src/[{item[-1]}]" if item[-1] in NAMES else item for item in chosen]
        if chosen == ["src/[ab]"]:
            inputs = ["!src/c", "src/*"]
        shell = " ".join(chosen)
        self.deps: list[str] = []
        self.reads: Task | None = None
        readable = [task for task in earlier if task.kind in READABLE]
        if readable and dice.random() < 0.5:
            self.reads = dice.choice(readable)
            pattern = READABLE[self.reads.kind].replace("N", self.reads.name)
            if "*" not in pattern:
                pattern = f"{pattern[:-1]}[{pattern[-1]}]"
            base = f"../{self.reads.project}/{pattern.rpartition('/')[0]}"
            # Where other tasks write too, only what is declared.
            without = f" -name '*.{self.reads.name}'" if self.reads.kind in {"concat", "swept"} else ""
            if dice.random() < 0.5:
                inputs.append(f"from {self.reads.project}:{self.reads.name}")
                if dice.random() < 0.5:
                    inputs.append(f"!/{self.reads.project}/{pattern.rpartition('/')[0]}/**/b*")
                    without += " ! -name 'b*'"
            else:
                inputs.append(f"/{self.reads.project}/{pattern}")
                self.deps.append(f"{self.reads.project}:{self.reads.name}")
            shell = f"$(find -L {base} -type f{without} 2>/dev/null | LC_ALL=C sort)" if dice.random() < 0.5 else shell
        elif earlier and dice.random() < 0.4:
            before = dice.choice(earlier)
            self.deps.append(f"{before.project}:{before.name}")
        fails = dice.random() < 0.25
        script = script + (f"; {FAIL}" if fails else "")
        self.script = script.replace("IN", shell).replace(".N", f".{self.name}")
        self.outputs = outputs.replace(".N", f".{self.name}")
        self.inputs = inputs
        self.cache = dice.random() < 0.95
        self.remark = 0

    @property
    def yaml(self) -> str:
        inputs = ", ".join(
            f'{{from: "{item[5:]}"}}' if item.startswith("from ") else f'"{item}"' for item in self.inputs
        )
        return (
            f"  {self.name}:\n    inputs: [{inputs}]\n    outputs: {self.outputs}\n"
            f"    deps: [{', '.join(self.deps)}]\n    cache: {str(self.cache).lower()}\n"
            f"    env: {{from_host: [HUNT]}}\n    shell: |\n      LC_ALL=C; export LC_ALL # {self.remark}\n"
            f"      {self.script}\n"
        )


class Diary(RunObserver):
    """What a run shows of each task."""

    def __init__(self) -> None:
        self.tasks: dict[str, list[Any]] = {}
        self.warnings: list[str] = []

    def _of(self, task: Any) -> list[Any]:
        return self.tasks.setdefault(str(task), [b"", b"", None])

    def on_stdout(self, task: Any, chunk: bytes) -> None:
        self._of(task)[0] += chunk

    def on_stderr(self, task: Any, chunk: bytes) -> None:
        self._of(task)[1] += chunk

    def on_task_finished(self, task: Any, record: Any, duration: float) -> None:
        status = record.exit_status
        self._of(task)[2] = (record.state, 0 if status is None else status.code)
        self._of(task).append(record.source)

    def on_task_skipped(self, task: Any, record: Any) -> None:
        self._of(task)[2] = repr(record)

    def on_task_errored(self, task: Any, error: Any, duration: float) -> None:
        self._of(task)[2] = str(error)

    def on_warning(self, task: Any, message: str) -> None:
        self.warnings.append(f"{task}: {message}")


def run(root: Path, tasks: list[str], policy: str, variable: str | None) -> tuple[int, Diary]:
    """Run tasks with the real engine in a process of its own, which has nothing to load."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            os.environ.pop("HUNT", None)
            if variable is not None:
                os.environ["HUNT"] = variable
            with eager():
                loaded = open_workspace(str(root))

                request = Request(tuple(parse(task) for task in tasks), "none" if tasks else "workspace", None)
                planned = plan(loaded.workspace, loaded.graph, request, PatternSet)
                diary = Diary()
                report = execute(loaded, planned.tasks, RunOptions(policy=policy), [diary], diary.warnings.append)  # type: ignore[arg-type]
            answer = pickle.dumps(("", (report.exit_code, diary)))
        except BaseException:  # noqa: BLE001 - the parent tells it
            answer = pickle.dumps((traceback.format_exc(), None))
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(answer)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    # What is edited from now on bears another time, so that what this run has recorded may be believed at once.
    settle(root)
    trouble, end = pickle.loads(data)
    assert not trouble, trouble
    return end  # type: ignore[no-any-return]


def files(root: Path) -> dict[str, tuple[str, int, bytes]]:
    """Every file and link but those of haz: kind, permission bits, bytes or target."""
    found = {}
    for place, folders, names in os.walk(root):
        if ".haz" in folders:
            folders.remove(".haz")
        for name in names + [folder for folder in folders if os.path.islink(f"{place}/{folder}")]:
            path = f"{place}/{name}"
            status = os.lstat(path)
            key = os.path.relpath(path, root)
            if stat.S_ISLNK(status.st_mode):
                found[key] = ("link", 0, os.fsencode(os.readlink(path)))
            else:
                found[key] = ("file", status.st_mode & 0o7777, Path(path).read_bytes())
    return found


def states(root: Path) -> dict[str, tuple[int, int]]:
    """What tells a file that a run has written from one that it has left alone."""
    found = {path: os.lstat(root / path) for path in files(root)}
    return {path: (status.st_ino, status.st_mtime_ns) for path, status in found.items()}


class History:
    """One random history. `story` says what happened, for whoever must look into it."""

    def __init__(self, place: Path, seed: int) -> None:
        self.dice = random.Random(seed)
        self.cached, self.plain = place / "cached", place / "plain"
        self.story: list[str] = []
        self.hits = 0
        self.users: set[str] = set()
        self.saved: list[dict[str, tuple[str, int, bytes]]] = []
        self.variable: str | None = None
        self.projects = [f"p{number}" for number in range(self.dice.choice((2, 2, 3, 4)))]
        self.tasks: list[Task] = []
        for project in self.projects:
            for number in range(self.dice.choice((1, 1, 2))):
                self.tasks.append(Task(self.dice, project, number, self.tasks))
        for root in self.roots:
            (root / ".haz").mkdir(parents=True)
            (root / ".haz/workspace.yml").write_text(f"projects: [{', '.join('/' + p for p in self.projects)}]\n")
            for project in self.projects:
                (root / project / "src").mkdir(parents=True)
        self.declare()
        for project in self.projects:
            for name in NAMES[: self.dice.randint(1, 3)]:
                self.write(f"{project}/src/{name}", self.dice.choice(TEXTS))
        self.save()

    @property
    def roots(self) -> tuple[Path, Path]:
        return self.cached, self.plain

    def declare(self) -> None:
        for project in self.projects:
            tasks = "".join(task.yaml for task in self.tasks if task.project == project)
            for root in self.roots:
                (root / project / "haz.yml").write_text(f"name: {project}\ntasks:\n{tasks}")
        if not self.story:
            self.story.extend(task.project + task.yaml for task in self.tasks)

    def write(self, path: str, text: str) -> None:
        for root in self.roots:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)

    def sources(self) -> list[str]:
        return sorted(path for path in files(self.plain) if "/src/" in path)

    def outputs(self) -> list[str]:
        return sorted(path for path in files(self.plain) if "/src/" not in path and not path.endswith("haz.yml"))

    def save(self) -> None:
        state = self.state()
        if state not in self.saved:
            self.saved.append(state)

    def state(self) -> dict[str, tuple[str, int, bytes]]:
        return {path: row for path, row in files(self.plain).items() if "/src/" in path}

    # --- Edits; each returns what it did, or None where there was nothing to do --------------------------------------

    def edit(self) -> str | None:
        path = f"{self.dice.choice(self.projects)}/src/{self.dice.choice(NAMES)}"
        if any(os.path.islink(root / path) for root in self.roots):
            return None
        text = self.dice.choice(TEXTS)
        self.write(path, text)
        return f"{path} = {text!r}"

    def delete(self) -> str | None:
        path = self._pick(self.sources())
        for root in self.roots:
            if path is not None:
                (root / path).unlink()
        return path

    def rename(self) -> str | None:
        path = self._pick(self.sources())
        if path is None:
            return None
        target = f"{path.rpartition('/')[0]}/{self.dice.choice(NAMES)}"
        for root in self.roots:
            (root / path).rename(root / target)
        return f"{path} to {target}"

    def chmod(self) -> str | None:
        path = self._pick([path for path in self.sources() if not (self.plain / path).is_symlink()])
        mode = self.dice.choice((0o644, 0o755))
        for root in self.roots:
            if path is not None:
                (root / path).chmod(mode)
        return None if path is None else f"{path} {mode:o}"

    def touch(self) -> str | None:
        outputs = [path for path in self.outputs() if not self.is_read(path)]
        path = self._pick([path for path in self.sources() + outputs if (self.plain / path).is_file()])
        for root in self.roots:
            if path is not None and (root / path).is_file():
                os.utime(root / path)
        if path is not None and "/src/" not in path:
            self.users.add(path)
        return path

    def link(self) -> str | None:
        path = f"{self.dice.choice(self.projects)}/src/{self.dice.choice(NAMES)}"
        target = self.dice.choice((*NAMES, "nowhere"))
        for root in self.roots:
            (root / path).unlink(missing_ok=True)
            (root / path).symlink_to(target)
        return f"{path} -> {target}"

    def revert(self) -> str | None:
        now = self.state()
        others = [state for state in self.saved if state != now]
        if not others:
            return None
        saved = self.dice.choice(others)
        for root in self.roots:
            for path in self.sources_of(root):
                (root / path).unlink()
            for path, (kind, mode, data) in saved.items():
                if kind == "link":
                    (root / path).symlink_to(os.fsdecode(data))
                else:
                    (root / path).write_bytes(data)
                    (root / path).chmod(mode)
        return "the sources"

    def sources_of(self, root: Path) -> list[str]:
        return [path for path in files(root) if "/src/" in path]

    def environment(self) -> str | None:
        self.variable = self.dice.choice((None, "", "one", "two"))
        return repr(self.variable)

    def action(self) -> str | None:
        task = self.dice.choice(self.tasks)
        task.remark = 1 - task.remark
        self.declare()
        return f"of {task.project}:{task.name}"

    def lose(self) -> str | None:
        """Outputs vanish: one, or a whole folder."""
        path = self._pick(self.outputs())
        if path is None:
            return None
        if self.dice.random() < 0.5 and path.count("/") > 1:
            path = "/".join(path.split("/")[:2])
        for root in self.roots:
            if (root / path).is_dir() and not (root / path).is_symlink():
                shutil.rmtree(root / path)
            else:
                (root / path).unlink(missing_ok=True)
        return path

    def tamper(self) -> str | None:
        """The user changes an output. What another task reads is left alone: it would rightly see the difference."""
        path = self._pick([path for path in self.outputs() if not self.is_read(path) and not self.is_gathered(path)])
        if path is None or not os.path.lexists(self.cached / path):
            return None
        # What a task writes over without removing it first would keep the mode, or be written through the link.
        replaces = "/out/cat" not in path
        how = self.dice.choice(("bytes", "mode", "link", "folder", "file") if replaces else ("bytes", "folder"))
        for root in self.roots:
            target = root / path
            if how == "file":
                (target.parent / "mine.txt").write_text("mine\n")
                continue
            if how == "mode":
                if not target.is_symlink():
                    target.chmod(0o600)
                continue
            if not target.is_dir() or target.is_symlink():
                target.unlink()
            if how == "bytes":
                target.write_text("tampered\n")
            elif how == "link":
                target.symlink_to("nowhere")
            else:
                target.mkdir()
        self.users |= {path, f"{path.rpartition('/')[0]}/mine.txt"}
        return f"{path} ({how})"

    def is_read(self, path: str) -> bool:
        """Whether a task may read what lies there, or may have to put a folder with it in place."""
        return any(
            task.reads is not None and path.startswith(f"{task.reads.project}/") and f".{task.reads.name}" in path
            for task in self.tasks
        )

    def is_gathered(self, path: str) -> bool:
        folders = (f"{task.project}/{task.kind[0]}.{task.name}/" for task in self.tasks if task.gathers)
        return path.startswith(tuple(folders))

    def _pick(self, paths: list[str]) -> str | None:
        return self.dice.choice(paths) if paths else None

    # --- The whole ---------------------------------------------------------------------------------------------------

    def live(self, steps: int) -> str | None:
        """Live through it; return what is wrong."""
        edits = [self.edit] * 8 + [self.delete, self.rename, self.chmod, self.touch, self.link, self.environment]
        edits += [self.action] + [self.lose] * 2 + [self.tamper] * 2
        for number in range(steps):
            # Going back to a state that is in the cache is what a history is about; the rest is to disturb it.
            back = [self.revert] if number > 1 and self.dice.random() < 0.5 else []
            others = self.dice.choice((0, 0, 0, 1)) if back else self.dice.choice((0, 1, 2, 3, 4))
            for change in back + self.dice.choices(edits, k=others if number else 0):
                done = change()
                if done is not None:
                    self.story.append(f"{change.__name__} {done}")
            self.save()
            chosen = [] if self.dice.random() < 0.85 else [self.dice.choice(self.tasks)]
            names = [f"{task.project}:{task.name}" for task in chosen]
            policy = self.dice.choices(("read-write", "write", "off"), (14, 1, 1))[0]
            self.story.append(f"run {names or 'all'} ({policy}), HUNT={self.variable!r}")
            before = states(self.plain)
            cached = run(self.cached, names, policy, self.variable)
            plain = run(self.plain, names, "off", self.variable)
            wrong = self.compare(cached, plain, before)
            if wrong:
                return wrong
        return None

    def compare(
        self, cached: tuple[int, Diary], plain: tuple[int, Diary], before: dict[str, tuple[int, int]]
    ) -> str | None:
        ends = [{task: end[:3] for task, end in diary.tasks.items()} for _, diary in (cached, plain)]
        self.hits += sum("cache_hit" in end for end in cached[1].tasks.values())
        if cached[0] != plain[0]:
            return f"exit code {cached[0]}, not {plain[0]}: {ends}"
        if ends[0] != ends[1]:
            return f"the tasks ended as {ends[0]}\nnot as {ends[1]}"
        here, there, after = files(self.cached), files(self.plain), states(self.plain)
        for path in sorted(here.keys() | there.keys()):
            if here.get(path) == there.get(path):
                continue
            if self.is_gathered(path) and (path not in there or before.get(path) == after[path]):
                continue
            if path in self.users and path not in there:
                continue
            return f"{path} is {here.get(path)}, not {there.get(path)}\nwarnings: {cached[1].warnings}"
        return None


def hunt(place: Path, histories: int, seed: int, steps: int = 8) -> tuple[list[str], int]:
    """Return what went wrong in so many histories, and how many hits there were."""
    wrong, hits = [], 0
    for number in range(seed, seed + histories):
        home = place / str(number)
        history = History(home, number)
        found = history.live(steps)
        hits += history.hits
        if found is not None:
            wrong.append("\n".join((f"--- seed {number} ---", *history.story, found)))
        shutil.rmtree(home)
    return wrong, hits


def main() -> None:
    histories = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 30)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        wrong, hits = hunt(Path(place).resolve(), histories, seed)
    end = f"{histories} histories from seed {seed} with {hits} hits in {time.monotonic() - started:.0f} s: {len(wrong)} wrong"
    sys.stdout.write("\n\n".join((*wrong, end)) + "\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
