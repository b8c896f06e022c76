"""Outputs that are gone come back without another look where nothing else has changed.

Each story is told on twins as in `test_unchanged`: one knows what was, the other one has to look everything up.
"""

from __future__ import annotations

import random
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from haz import _core
from haz.aliases import one_path_each
from haz.app import RunOptions, open_workspace, recall_of
from haz.cache import formats
from haz.errors import StoreError
from haz.host import Host
from haz.run_task import cache_lookup_phase
from tests.e2e.test_unchanged import Twin
from tests.eager import eager, settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

# Apart from each other: who reads the names in a directory has to look when one comes back, as have its neighbours.
LIB = """\
name: lib
tasks:
  gen:
    shell: mkdir -p dist && cat src/a > dist/a.js && cat src/b > dist/b.js && echo gen
    inputs: [src/a, src/b]
    outputs: [dist/a.js, dist/b.js]
  zed: {shell: mkdir -p dist && cat src/z > dist/z.js, inputs: [src/z], outputs: [dist/z.js]}
  all:
    shell: 'rm -rf many; for w in $(cat src/words); do mkdir -p many/$w; echo $w > many/$w/f; done'
    inputs: [src/words]
    outputs: ['many/**']
  use:
    shell: 'cat dist/*.js > sum; echo used'
    inputs: ['dist/*.js']
    outputs: [sum]
    deps: ['~:gen']
    weakDeps: ['~:zed']
  last: {shell: cat sum, inputs: [sum], deps: ['~:use', '~:all']}
"""
FILES = {
    "lib/haz.yml": LIB,
    "lib/src/a": "a\n",
    "lib/src/b": "b\n",
    "lib/src/z": "z\n",
    "lib/src/words": "x y\n",
    "texts/haz.yml": """\
name: texts
tasks:
  top: {shell: cat *.txt, inputs: ['*.txt'], weakDeps: ['~:text']}
  text: {shell: cat src/a > new.txt, inputs: [src/a], outputs: [new.txt]}
""",
    "texts/src/a": "text\n",
    "texts/old.txt": "old\n",
    "links/haz.yml": """\
name: links
tasks:
  far: {shell: 'cat by/*.js | tr a-z A-Z > far', inputs: ['by/*.js'], outputs: [far], weakDeps: ['lib:gen', 'lib:zed']}
  turn: {shell: ln -sfn ../lib/dist/a.js turn, inputs: [src/a], outputs: [turn], deps: ['lib:gen']}
  turned: {shell: cat turn, inputs: [turn], deps: ['~:turn']}
""",
    "links/src/a": "a\n",
}
OUTPUTS = (
    *("lib/dist", "lib/dist/a.js", "lib/dist/z.js", "lib/many", "lib/many/x", "lib/many/x/f", "lib/sum"),
    *("texts/new.txt", "links/turn", "links/far"),
)


def _lay_out(twin: Twin) -> None:
    shutil.rmtree(twin.root)
    twin.write(".haz/workspace.yml", "projects: [/*]\n")
    for path, text in FILES.items():
        twin.write(path, text)
    (twin.root / "links/by").symlink_to("../lib/dist")


def begin(home: Path) -> tuple[Twin, Twin]:
    """Twins in which everything has run."""
    both = Twin(home / "quick/ws"), Twin(home / "slow/ws")
    for twin in both:
        _lay_out(twin)
        twin.run()
        twin.run()
    return both


@pytest.fixture
def twins(tmp_path: Path) -> Iterator[tuple[Twin, Twin]]:
    with eager():
        yield begin(tmp_path)


def _remove(*paths: str) -> Callable[[Twin], None]:
    def remove(twin: Twin) -> None:
        for path in paths:
            place = twin.root / path
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place)
            else:
                place.unlink()

    return remove


def _same(twins: tuple[Twin, Twin]) -> None:
    quick, slow = twins
    for _ in range(2):
        slow.forget()
        assert quick.run() == slow.run(stat_cache=False)
        assert quick.files() == slow.files()


@pytest.mark.parametrize(
    ("paths", "looked"),
    [
        (("lib/dist", "lib/many", "lib/sum", "links/turn"), {"links:far", "links:turned"}),
        (("lib/sum", "lib/dist"), {"links:far", "links:turned"}),
        (("lib/many",), set()),
        (("lib/sum",), set()),
        (("lib/dist/a.js", "lib/dist/b.js"), {"lib:use", "lib:last", "links:far", "links:turned"}),
        (("texts/new.txt",), {"texts:top"}),
    ],
    ids=lambda value: " ".join(sorted(value)),
)
def test_what_is_missing_is_put_back_and_few_tasks_are_looked_up(
    twins: tuple[Twin, Twin], monkeypatch: pytest.MonkeyPatch, paths: tuple[str, ...], looked: set[str]
) -> None:
    """CACHE-017, EXEC-017: those that read by a link, or the names in a directory that gets one back."""
    quick, slow = twins
    for twin in twins:
        settle(twin.root)
        _remove(*paths)(twin)
    slow.forget()
    wanted = slow.run(stat_cache=False)
    with _lookups(monkeypatch) as seen:
        assert quick.run() == wanted
    assert seen == looked
    assert quick.files() == slow.files()
    _same(twins)


def _run(*tasks: str) -> Callable[[Twin], None]:
    return lambda twin: (twin.run(*tasks), twin.run(*tasks), settle(twin.root))[-1]


def _edit(path: str, text: str) -> Callable[[Twin], None]:
    return lambda twin: (settle(twin.root), twin.write(path, text))[-1]


def _copy_blob(twin: Twin) -> None:
    _damage(twin, b"a\n", b"A\n")


def _damage(twin: Twin, content: bytes, other: bytes) -> None:
    digest = _core.digest_bytes(content).hex()
    blob = twin.root / ".haz/cache/blobs-v1/blake3" / digest[:2] / digest
    blob.chmod(0o644)
    blob.write_bytes(other)


@contextmanager
def _lookups(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Name the tasks that are looked up meanwhile."""
    seen: set[str] = set()

    def look(ctx: Any, task: Any, *rest: Any) -> Any:
        seen.add(str(task))
        return cache_lookup_phase(ctx, task, *rest)

    with monkeypatch.context() as patched:
        patched.setattr("haz.loop.cache_lookup_phase", look)
        yield seen


STORIES: dict[str, list[Callable[[Twin], Any]]] = {
    "the reader is of an earlier state": [
        _edit("lib/src/a", "A\n"),
        _run("lib:gen"),
        _remove("lib/dist"),
    ],
    "the reader is of a later state": [
        _edit("lib/src/a", "A\n"),
        _run("lib:gen", "lib:zed", "lib:use"),
        _edit("lib/src/a", "a\n"),
        _run("lib:gen"),
        _remove("lib/dist"),
    ],
    "what nobody remade was removed before": [
        _remove("lib/dist/z.js"),
        _run("lib:gen", "lib:use"),
        _remove("lib/dist"),
    ],
    "what others do not know of comes back where they look": [
        _remove("lib/dist/z.js"),
        _run("lib:gen", "lib:use"),
    ],
    "what others do not know of comes back where they look by a link": [
        _remove("lib/dist/z.js"),
        _run("lib:gen", "links:far"),
    ],
    "what others do not know of comes back where they look by a link, for what they lack": [
        _remove("lib/dist/z.js"),
        _run("lib:gen", "links:far"),
        _remove("links/far"),
    ],
    "a text that others do not know of comes back": [
        _remove("texts/new.txt"),
        _run("texts:top"),
    ],
    "a directory that others do not know of comes back": [
        _remove("lib/dist", "lib/sum"),
        _edit(
            "lib/haz.yml",
            LIB.replace("    deps: ['~:gen']\n    weakDeps: ['~:zed']", "    weakDeps: ['~:gen', '~:zed']"),
        ),
        _run("lib:use"),
        _run("lib:gen"),
        _run("lib:zed"),
        _remove("lib/dist"),
    ],
    "a stranger in the directory goes too": [
        _edit("lib/dist/strange.js", "strange\n"),
        _run(),
        _remove("lib/dist"),
    ],
    "a stranger that nobody reads goes too": [
        _edit("lib/dist/strange.css", "strange\n"),
        _run(),
        _remove("lib/dist"),
    ],
    "a file has taken the place of the directory": [_remove("lib/dist"), _edit("lib/dist", "file\n")],
    "a directory has taken the place of a file": [_remove("lib/sum"), _edit("lib/sum/f", "file\n")],
    "a link has taken the place of the directory": [
        _remove("lib/dist"),
        lambda twin: ((twin.root / "lib/else").mkdir(), (twin.root / "lib/dist").symlink_to("else")),
    ],
    "an input has changed as well": [_remove("lib/dist", "lib/many", "lib/sum"), _edit("lib/src/a", "A\n")],
    "another input is gone": [_remove("lib/dist", "lib/src/z")],
    "a content is damaged": [_remove("lib/dist"), _copy_blob],
    "the contents are gone": [
        _remove("lib/dist", "lib/many"),
        lambda twin: shutil.rmtree(twin.root / ".haz/cache/blobs-v1"),
    ],
    "what was produced is forgotten": [
        _remove("lib/many"),
        lambda twin: shutil.rmtree(twin.root / ".haz/state/produced-v1"),
        lambda twin: twin.run(),
        _edit("lib/src/words", "x\n"),
    ],
    "what was put back is removed when it is out of date": [
        _remove("lib/many"),
        lambda twin: twin.run(),
        _edit("lib/src/words", "x\n"),
        lambda twin: twin.run(),
        _edit("lib/src/words", "x y\n"),
        lambda twin: twin.run(),
        _edit("lib/src/words", "x\n"),
    ],
    "a part of a whole is gone": [_remove("lib/many/x")],
    "the workspace is moved": [
        _remove("lib/dist"),
        lambda twin: twin.root.rename(twin.root.with_name("moved")),
        lambda twin: setattr(twin, "root", twin.root.with_name("moved")),
    ],
    "a command fails without what is missing": [
        _edit("lib/haz.yml", LIB.replace("echo used", "test -e dist/z.js")),
        _run(),
        _remove("lib/dist"),
    ],
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_what_is_put_back_is_what_a_full_look_would_have_made(
    twins: tuple[Twin, Twin], story: list[Callable[[Twin], Any]]
) -> None:
    """CACHE-023."""
    for twin in twins:
        settle(twin.root)
        for step in story:
            step(twin)
    _same(twins)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_removed_edited_and_run_in_parts_ends_as_by_a_full_look(
    twins: tuple[Twin, Twin], seed: int
) -> None:
    """CACHE-023; `python -m tests.hunts.put_back` tells many more such stories."""
    tell(twins, random.Random(seed), 8)


def tell(twins: tuple[Twin, Twin], choice: random.Random, steps: int) -> None:
    """Do things at random to both twins, and compare them after each run."""
    names = [
        f"{path.split('/')[0]}:{line.strip().split(':')[0]}"
        for path, text in FILES.items()
        for line in text.splitlines()
        if path.endswith("haz.yml") and line.startswith("  ") and line[2] != " "
    ]
    for _ in range(steps):
        kind = choice.choice(("remove", "remove", "edit", "run", "run some"))
        paths = choice.sample(OUTPUTS, choice.randint(1, 4))
        source, text = (
            choice.choice(("lib/src/a", "lib/src/b", "lib/src/z", "lib/src/words", "texts/src/a", "links/src/a")),
            choice.choice(("a\n", "b\n", "x y\n")),
        )
        tasks = choice.sample(names, choice.randint(1, 5))
        if "links:turned" in tasks:
            # Only by way of it does it come after `lib:gen`, which would write what it reads at the same time.
            tasks.append("links:turn")
        ends = []
        for twin in twins:
            settle(twin.root)
            if kind == "remove":
                for path in paths:
                    if (twin.root / path).is_symlink() or (twin.root / path).exists():
                        _remove(path)(twin)
            elif kind == "edit":
                twin.write(source, text)
            if kind != "edit":
                if twin is twins[1]:
                    twin.forget()
                ends.append(twin.run(*(() if kind != "run some" else tasks), stat_cache=twin is twins[0]))
        assert len(ends) < 2 or ends[0] == ends[1], (kind, paths, tasks)
        assert twins[0].files() == twins[1].files(), (kind, paths, tasks)
    _same(twins)


MANY = 70


@pytest.mark.parametrize("damaged", [False, True], ids=["sound", "one is damaged"])
def test_what_many_tasks_had_in_few_directories_comes_back_as_by_a_full_look(
    twins: tuple[Twin, Twin], monkeypatch: pytest.MonkeyPatch, damaged: bool
) -> None:
    """CACHE-017, CACHE-023: they share more locks than are taken one by one, and directories that lie in each other."""
    quick, slow = twins
    places = ["o", "o/deep/er", "other"]
    tasks = "".join(
        f"  t{number}: {{shell: 'mkdir -p {place} && echo {number} > {place}/{number}', outputs: [{place}/{number}]}}\n"
        for number, place in enumerate(places[number % 3] for number in range(MANY))
    )
    for twin in twins:
        twin.write("many/haz.yml", f"name: many\ntasks:\n{tasks}")
        twin.run()
        _run()(twin)
        _remove("many/o", "many/other")(twin)
        if damaged:
            _damage(twin, b"7\n", b"8\n")
    with _lookups(monkeypatch) as seen:
        ended = quick.run()[0]
    assert bool(seen) == damaged
    ran = {task for task, end in ended.items() if "cache_hit" not in end}
    assert ran == ({"many:t7"} if damaged else set())
    slow.forget()
    slow.run(stat_cache=False)
    assert quick.files() == slow.files()
    assert (quick.root / "many/o/deep/er/7").read_text() == "7\n"
    _same(twins)


class _Refusing:
    """Locks that somebody else has."""

    def __init__(self) -> None:
        self.released: list[int] = []

    def share(self, token: int, names: Sequence[str]) -> bool:
        return "task.lib.gen" not in names

    def release(self, token: int) -> None:
        self.released.append(token)


def test_nothing_is_put_back_while_somebody_else_runs_the_task(twins: tuple[Twin, Twin]) -> None:
    """EXEC-007: his are the outputs that appear now."""
    quick, _ = twins
    _remove("lib/dist")(quick)
    loaded = open_workspace(str(quick.root))
    recall = recall_of(loaded, loaded.identity, RunOptions())
    assert recall is not None
    locks = _Refusing()

    def blobs() -> _core.Blobs:
        queue = _core.Queue()
        tree = _core.Tree(queue, str(quick.root), "blake3", _core.PatternSet([]))
        directory = formats.blobs_directory(f"{quick.root}/.haz/cache", "blake3")
        return _core.Blobs(queue, str(quick.root), directory, "blake3", tree)

    found, _ = recall.unchanged(loaded.graph.nodes, (), Host.of_this_process(), blobs, locks, pytest.fail)  # type: ignore[arg-type]
    assert {"lib:gen", "lib:use"}.isdisjoint(map(str, found))
    assert not (quick.root / "lib/dist").exists()
    assert locks.released


def test_what_cannot_be_noted_of_it_is_told(twins: tuple[Twin, Twin], monkeypatch: pytest.MonkeyPatch) -> None:
    """O9: a later hit would leave a stale file."""
    quick, _ = twins
    _remove("lib/many")(quick)
    told: list[str] = []

    def refuse(*_: object) -> None:
        raise StoreError("no room")

    monkeypatch.setattr("haz.cache.produced.Ledger.renew", refuse)
    monkeypatch.setattr(
        "tests.e2e.test_unchanged.Diary.on_warning", lambda _, task, text: told.append(f"{task}: {text}")
    )
    assert quick.run()[0]["lib:all"].startswith("succeeded cache_hit")
    assert told == ["lib:all: what it has made was not noted, so it will not be removed: no room"]
    assert (quick.root / "lib/many/x/f").read_text() == "x\n"


def test_paths_tell_files_apart_unless_something_is_mounted_below_or_names_are_folded(tmp_path: Path) -> None:
    root = tmp_path / "a b"
    (root / ".haz").mkdir(parents=True)
    table = tmp_path / "mounts"
    line = "36 35 98:0 / {} rw,noatime master:1 - ext4 /dev/root rw\n"

    def ask(place: str) -> bool:
        table.write_text(line.format("/") + line.format(place))
        return one_path_each(str(root), str(table))

    escaped = str(root).replace(" ", r"\040")
    assert ask(f"{escaped}-other/x")
    assert ask(escaped)
    assert not ask(f"{escaped}/lib/node_modules")
    assert not one_path_each(str(root), str(tmp_path / "none"))
    assert not one_path_each(str(tmp_path), str(table)), "a root without haz's own folder tells nothing"
    (root / ".HAZ").symlink_to(".haz")
    assert ask("/x")
    (root / ".HAZ").unlink()
    (root / ".haz").rmdir()
    (root / ".haz").touch()
    (root / ".HAZ").hardlink_to(root / ".haz")
    assert not ask("/x"), "both names are one file"
