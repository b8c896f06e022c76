"""A run with nothing to do by the checkpoint of an earlier one, and everything that tries to fool it.

Each story is told twice, on twins: one has a snapshot of the configuration and a checkpoint, the other one has neither and
looks everything up. Both must come to the same: outcomes, files, streams.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from haz import __version__, _core, snapshot
from haz.app import RunOptions, execute, open_workspace
from haz.cache.formats import CHECKPOINT, SEEN_NAMES, SNAPSHOT
from haz.consumers import Consumers
from haz.discovery import find_root
from haz.errors import LoadError
from haz.events import RunObserver
from haz.plan import Request, plan
from haz.recall import Recall
from tests.eager import eager, settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FILES = {
    ".haz/workspace.yml": "projects: [/libs/*, /app]\n",
    "libs/one/haz.yml": """\
name: one
tasks:
  build:
    shell: mkdir -p out && find -L src -type f ! -name '*.tmp' | sort | xargs cat > out/all.txt && cp lit out/lit && echo built one && echo ${FLAVOUR-none} >&2
    inputs: [src/**, lit, '!src/*.tmp']
    outputs: [out/all.txt, out/l*]
    env: {from_host: [PATH, FLAVOUR]}
  check: {shell: 'true', inputs: [out/all.txt], deps: ['~:build']}
""",
    "libs/one/src/a": "a\n",
    "libs/one/src/deep/b": "b\n",
    "libs/one/lit": "lit\n",
    "libs/one/out/.keep": "",
    "libs/two/haz.yml": """\
name: two
tasks:
  build: {shell: ln -sf ../../one/out/all.txt out/link, inputs: [src/*], outputs: [out/link], deps: ['one:build']}
""",
    "libs/two/src/x": "x\n",
    "libs/two/out/.keep": "",
    "app/haz.yml": """\
name: app
tasks:
  quiet: {command: ['true']}
  after: {shell: echo after, inputs: [main], weakDeps: ['two:build']}
  far: {shell: 'mkdir -p made/deep && cat far/away/f > made/deep/out && cat far/away/g* linked', inputs: [far/away/f, far/away/g*, linked], outputs: [made/deep/out]}
  never: {shell: echo never, cache: false}
""",
    "app/main": "main\n",
    "app/far/away/f": "f\n",
    "app/far/away/g": "g\n",
    "app/way/to/h": "h\n",
}


class Diary(RunObserver):
    def __init__(self) -> None:
        self.said: dict[str, tuple[bytes, bytes]] = {}
        self.ends: dict[str, str] = {}

    def on_stdout(self, task: Any, chunk: bytes) -> None:
        self._say(task, chunk, b"")

    def on_stderr(self, task: Any, chunk: bytes) -> None:
        self._say(task, b"", chunk)

    def _say(self, task: Any, out: bytes, err: bytes) -> None:
        if out or err:
            before = self.said.get(str(task), (b"", b""))
            self.said[str(task)] = (before[0] + out, before[1] + err)

    def on_task_finished(self, task: Any, record: Any, duration: float) -> None:
        assert str(task) not in self.ends, "one end each"
        self.ends[str(task)] = f"{record.state} {record.source} {record.materialised_outputs}"


def _never() -> bool:
    """A run of a guest: only a process that runs once may keep all that it has made (`gc.freeze`)."""
    return False


class Twin:
    def __init__(self, root: Path, *, looks_ahead: bool = False) -> None:
        self.root = root
        self.looks_ahead = looks_ahead
        for path, text in FILES.items():
            self.write(path, text)
        (root / "app/linked").symlink_to("way/to/h")
        (root / "libs/later").symlink_to("../later")

    def write(self, path: str, text: str) -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def run(
        self,
        *tasks: str,
        stat_cache: bool = True,
        arguments_for: str | None = None,
        loaded: Callable[[], object] | None = None,
    ) -> tuple[dict[str, str], dict[str, tuple[bytes, bytes]], int]:
        """Run these tasks, or all. `loaded` is called when the configuration has been read."""
        settle(self.root)
        diary = Diary()
        if self.looks_ahead:
            _core.look_ahead(str(self.root), CHECKPOINT, SNAPSHOT, SEEN_NAMES)
        found = open_workspace(str(self.root))
        if loaded is not None:
            loaded()
        planned = plan(found.workspace, found.graph, Request(scope="workspace"), _core.PatternSet).tasks
        if tasks:
            planned = tuple(task for task in planned if str(task) in tasks)
        argued = tuple(task for task in planned if str(task) == arguments_for)
        options = RunOptions(stat_cache=stat_cache, arguments=("word",) if argued else (), arguments_for=argued)
        report = execute(found, planned, options, [diary], self.complain, cancelled=_never)
        self.loaded_from_snapshot = found.identity is not None
        return diary.ends, diary.said, report.exit_code

    def complain(self, line: str) -> None:
        raise AssertionError(line)

    def forget(self) -> None:
        for name in ("workspace-v1", "checkpoint-v1"):
            (self.root / ".haz/state" / name).unlink(missing_ok=True)

    def files(self) -> dict[str, tuple[int, bytes]]:
        found = {}
        for place, folders, names in os.walk(self.root):
            folders[:] = [folder for folder in folders if folder != ".haz"]
            for name in names:
                path = Path(place, name)
                content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
                found[str(path.relative_to(self.root))] = (path.lstat().st_mode, content)
        return found


@pytest.fixture(params=[False, True], ids=["", "ahead"])
def twins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[tuple[Twin, Twin]]:
    monkeypatch.setenv("FLAVOUR", "plain")
    with eager():
        both = Twin(tmp_path / "quick/ws", looks_ahead=request.param), Twin(tmp_path / "slow/ws")
        for twin in both:
            twin.run()
            twin.run()
        yield both


def test_a_second_run_looks_nothing_up_and_says_the_same(
    twins: tuple[Twin, Twin], monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXEC-017, CACHE-023."""
    quick, slow = twins
    wanted = slow.run(stat_cache=False)
    monkeypatch.setattr("haz.cache.store.Store.lookup", _refuse)
    assert quick.run() == wanted
    assert quick.loaded_from_snapshot
    assert wanted[1]["one:build"] == (b"built one\n", b"plain\n")
    assert wanted[2] == 0


def _refuse(*_: object) -> None:
    raise AssertionError("looked up")


def _rewrite(path: str, text: str) -> Callable[[Twin], None]:
    return lambda twin: twin.write(path, text)


def _replace_unseen(twin: Twin) -> None:
    """Another content of the same size, with the old modification time."""
    place = twin.root / "libs/one/src/a"
    before = place.stat()
    place.write_text("A\n")
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))


def _retarget(twin: Twin) -> None:
    link = twin.root / "libs/two/out/link"
    link.unlink()
    link.symlink_to("elsewhere")


def _swap(twin: Twin) -> None:
    one, other = twin.root / "libs/one/src/a", twin.root / "libs/one/src/deep/b"
    one.rename(twin.root / "between")
    other.rename(one)
    (twin.root / "between").rename(other)


def _move(path: str, to: str) -> Callable[[Twin], None]:
    """Move something away, and leave a link."""

    def move(twin: Twin) -> None:
        place = twin.root / path
        place.rename(twin.root / to)
        place.symlink_to(os.path.relpath(twin.root / to, place.parent))

    return move


def _leave(path: str) -> Callable[[Twin], None]:
    """Move something out of the workspace, and leave a link."""

    def leave(twin: Twin) -> None:
        place, outside = twin.root / path, twin.root.with_name("outside")
        place.rename(outside)
        place.symlink_to(os.path.relpath(outside, place.parent))

    return leave


def _replace_by_older(path: str, text: str) -> Callable[[Twin], None]:
    """Move another file over one; size and times are those of the first."""

    def replace(twin: Twin) -> None:
        place, other = twin.root / path, twin.root / "other"
        other.write_text(text)
        shutil.copystat(place, other)
        assert other.stat().st_size == place.stat().st_size
        other.rename(place)

    return replace


def _through_a_hard_link(path: str, text: str) -> Callable[[Twin], None]:
    """Write a file by another of its names, and give it its time back."""

    def write(twin: Twin) -> None:
        place, name = twin.root / path, twin.root / "name"
        before = place.stat()
        name.hardlink_to(place)
        name.write_text(text)
        os.utime(name, ns=(before.st_atime_ns, before.st_mtime_ns))
        name.unlink()

    return write


def _exchange(one: str, other: str) -> Callable[[Twin], None]:
    def exchange(twin: Twin) -> None:
        (twin.root / one).rename(twin.root / "between")
        (twin.root / other).rename(twin.root / one)
        (twin.root / "between").rename(twin.root / other)

    return exchange


def _set_ahead(twin: Twin) -> None:
    """An edit under a clock that was ahead, and is right again."""
    place = twin.root / "libs/one/src/a"
    place.write_text("Z\n")
    os.utime(place, (4e9, 4e9))


def _nothing(twin: Twin) -> None:
    del twin


CHANGES: dict[str, Callable[[Twin], Any]] = {
    "nothing": _nothing,
    "an input is edited": _rewrite("libs/one/src/a", "other\n"),
    "an input is edited behind its times": _replace_unseen,
    "an input is only touched": lambda twin: (twin.root / "libs/one/src/a").touch(),
    "an input is executable now": lambda twin: (twin.root / "libs/one/src/a").chmod(0o755),
    "two inputs change places": _swap,
    "an input of the same size and time takes the place": _replace_by_older("libs/one/src/a", "A\n"),
    "an input is edited by another name": _through_a_hard_link("libs/one/src/a", "A\n"),
    "an input is edited while the clock is ahead": _set_ahead,
    "an input is of long ago": lambda twin: os.utime(twin.root / "libs/one/src/a", (1, 1)),
    "a literal input becomes a link": _move("libs/one/lit", "libs/one/moved"),
    "a literal input leaves": _leave("libs/one/lit"),
    "two folders change places": _exchange("libs/one/src/deep", "libs/two/src"),
    "a folder of inputs becomes a link": _move("libs/one/src", "libs/one/moved"),
    "a folder of inputs leaves": _leave("libs/one/src"),
    "a folder far above inputs becomes a link": _move("app/far", "app/moved"),
    "a folder far above inputs leaves": _leave("app/far"),
    "what a link leads through leaves": _leave("app/way"),
    "a folder of outputs becomes a link": _move("libs/one/out", "libs/one/moved"),
    "a folder of literal outputs becomes a link": _move("app/made", "app/moved"),
    "a folder far above literal outputs leaves": _leave("app/made"),
    "a project becomes a link": _move("libs/two", "moved"),
    "a listed project becomes a link": _move("app", "moved"),
    "a folder of projects becomes a link": _move("libs", "moved"),
    "two projects change places": _exchange("libs/one", "libs/two"),
    "an input is added": _rewrite("libs/one/src/deep/er/c", "c\n"),
    "an excluded file is added": _rewrite("libs/one/src/x.tmp", "c\n"),
    "an input is removed": lambda twin: (twin.root / "libs/one/src/deep/b").unlink(),
    "an empty folder is added": lambda twin: (twin.root / "libs/one/src/empty").mkdir(),
    "a folder becomes a link": lambda twin: (
        (twin.root / "libs/one/src/deep").rename(twin.root / "libs/one/moved"),
        (twin.root / "libs/one/src/deep").symlink_to("../moved"),
    ),
    "an output is edited": _rewrite("libs/one/out/all.txt", "tampered\n"),
    "an output of the same size and time takes the place": _replace_by_older("libs/one/out/lit", "LIT\n"),
    "an output is edited by another name": _through_a_hard_link("libs/one/out/lit", "LIT\n"),
    "an output is executable now": lambda twin: (twin.root / "libs/one/out/lit").chmod(0o755),
    "a literal output far away is edited": _rewrite("app/made/deep/out", "tampered\n"),
    "an output is removed": lambda twin: (twin.root / "libs/one/out/lit").unlink(),
    "all outputs are removed": lambda twin: shutil.rmtree(twin.root / "libs/one/out"),
    "an output link is turned": _retarget,
    "a file that an output pattern matches is added": _rewrite("libs/one/out/litter", "x\n"),
    "a command changes": lambda twin: twin.write(
        "libs/two/haz.yml", FILES["libs/two/haz.yml"].replace("ln -sf", "ln -nsf")
    ),
    "a project is added": _rewrite("libs/three/haz.yml", "name: three\ntasks: {build: {command: ['true']}}\n"),
    "a project is removed": lambda twin: (
        twin.write("app/haz.yml", FILES["app/haz.yml"].replace(", weakDeps: ['two:build']", "")),
        shutil.rmtree(twin.root / "libs/two"),
    ),
    "a project's file is moved away": lambda twin: (
        twin.write("app/haz.yml", FILES["app/haz.yml"].replace(", weakDeps: ['two:build']", "")),
        (twin.root / "libs/two/haz.yml").rename(twin.root / "libs/two/x.yml"),
    ),
    "a link that led nowhere leads to a project": lambda twin: twin.write(
        "later/haz.yml", "name: later\ntasks: {build: {command: ['true']}}\n"
    ),
    "a project's file of the same size and time takes the place": _replace_by_older(
        "app/haz.yml", FILES["app/haz.yml"].replace("echo after", "echo AFTER")
    ),
    "the settings change": _rewrite(".haz/workspace.yml", "projects: [/libs/*, /app]\ncache: {hash: sha256}\n"),
    "an overlay is added": _rewrite(".haz/tasks/lint.yml", "tasks: {lint: {shell: echo lint, inputs: [haz.yml]}}\n"),
    "the cache is cleared": lambda twin: shutil.rmtree(twin.root / ".haz/cache"),
    "the entries are cleared": lambda twin: shutil.rmtree(twin.root / ".haz/cache/entries-v1"),
    "the blobs are cleared": lambda twin: shutil.rmtree(twin.root / ".haz/cache/blobs-v1"),
    "what was produced is forgotten": lambda twin: shutil.rmtree(twin.root / ".haz/state/produced-v1"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_changes_is_noticed_as_by_a_full_look(
    twins: tuple[Twin, Twin], change: Callable[[Twin], object]
) -> None:
    """CACHE-023: a hit is always the same as running."""
    quick, slow = twins
    for twin in twins:
        settle(twin.root)
        change(twin)
    for _ in range(2):
        slow.forget()
        assert _end_of(quick) == _end_of(slow, stat_cache=False)
        assert quick.files() == slow.files()


def _end_of(twin: Twin, **options: Any) -> object:
    """What a run comes to, be it that the workspace is wrong now; the twins' names are the same."""
    try:
        return twin.run(**options)
    except LoadError as error:
        return [problem.message.replace(str(twin.root), "ROOT") for problem in error.diagnostics]


def test_what_a_task_has_heard_from_another_is_part_of_its_state(twins: tuple[Twin, Twin]) -> None:
    """CACHE-007: the other one is run alone meanwhile, and writes something else."""
    quick, slow = twins
    for twin in twins:
        twin.write(
            "app/haz.yml",
            "name: app\ntasks: {a: {shell: cat main, inputs: [main]}, b: {shell: echo b, deps: ['~:a']}, c: {shell: echo c, deps: ['~:b']}}\n",
        )
        twin.run()
        twin.run()
        twin.write("app/main", "other\n")
        twin.run("app:a")
    slow.forget()
    wanted = slow.run(stat_cache=False)
    assert wanted[0]["app:b"].startswith("succeeded fresh_run")
    assert quick.run() == wanted


def test_a_task_that_takes_arguments_is_awaited_by_its_soft_successors(twins: tuple[Twin, Twin]) -> None:
    """D8: it may write what they read."""
    _, slow = twins
    ends = []
    for twin in twins:
        twin.write(
            "app/haz.yml",
            "name: app\ntasks: {a: {shell: 'echo $1 >> main'}, b: {shell: cat main, inputs: [main], weakDeps: ['~:a']}}\n",
        )
        for _ in range(3):
            twin.run()
        if twin is slow:
            twin.forget()
        ends.append(twin.run(arguments_for="app:a"))
    assert ends[0] == ends[1]
    assert ends[0][1]["app:b"] == (b"main\n\nword\n", b"")


@pytest.mark.parametrize(
    "change",
    [
        _nothing,
        _rewrite("libs/three/haz.yml", "name: three\ntasks: {build: {command: ['true']}}\n"),
        _rewrite("libs/two/haz.yml", "name: two\ntasks: {build: {command: ['false'], cache: false}}\n"),
        _replace_by_older("app/haz.yml", FILES["app/haz.yml"].replace("echo after", "echo AFTER")),
        _exchange("libs/one", "libs/two"),
    ],
    ids=["nothing", "a new project", "an edit", "another file", "projects change places"],
)
def test_what_changes_between_reading_and_running_is_read_by_the_next_run(
    tmp_path: Path, change: Callable[[Twin], None]
) -> None:
    """However long that takes, what was read is not taken for what is there."""
    quick, slow = Twin(tmp_path / "quick/ws"), Twin(tmp_path / "slow/ws")
    _age(tmp_path)
    quick.run(loaded=lambda: (change(quick), _age(tmp_path)))
    slow.run(loaded=lambda: change(slow))
    slow.forget()
    assert quick.run() == slow.run()
    assert quick.loaded_from_snapshot == (change is _nothing)


def _age(directory: Path) -> None:
    """Return when what is written now counts as settled. The clock itself is awaited: no event tells."""
    probe = directory / "age"
    probe.write_bytes(b"")
    while (left := probe.stat().st_ctime_ns + 2_100_000_000 - time.time_ns()) > 0:
        time.sleep(left / 1e9)


@pytest.mark.parametrize("value", ["other", "", None])
def test_a_variable_of_the_host_is_a_change(
    twins: tuple[Twin, Twin], monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    """CACHE-008."""
    quick, slow = twins
    if value is None:
        monkeypatch.delenv("FLAVOUR")
    else:
        monkeypatch.setenv("FLAVOUR", value)
    wanted = slow.run(stat_cache=False)
    assert wanted[0]["one:build"].startswith("succeeded fresh_run")
    assert quick.run() == wanted


def test_a_configuration_that_breaks_is_told_and_one_that_comes_back_is_known(twins: tuple[Twin, Twin]) -> None:
    quick, _ = twins
    quick.write("app/haz.yml", "name: app\ntasks: {x: {shell: 1, commnd: y}}\n")
    with pytest.raises(LoadError):
        quick.run()
    quick.write("app/haz.yml", FILES["app/haz.yml"])
    ends, _, code = quick.run()
    assert code == 0
    assert "cache_hit" in ends["app:quiet"]


def test_no_part_of_a_snapshot_or_of_a_checkpoint_is_believed(twins: tuple[Twin, Twin]) -> None:
    """Every truncation, a flipped bit in every byte, and bytes too many."""
    quick, _ = twins
    root = find_root(str(quick.root))
    known = snapshot.load(root, __version__)
    assert known is not None
    cache = f"{root.path}/.haz/cache"

    def recorded() -> int:
        return len(Recall(root.path, known.identity, known.graph, cache, "blake3")._checkpoint)

    assert recorded() > 0
    choice = random.Random(6)
    for name, is_none in (
        ("workspace-v1", lambda: snapshot.load(root, __version__) is None),
        ("checkpoint-v1", lambda: recorded() == 0),
    ):
        place = quick.root / ".haz/state" / name
        whole = place.read_bytes()
        for at in range(len(whole)):
            place.write_bytes(whole[:at])
            assert is_none(), f"{name}: {at} bytes"
            altered = bytearray(whole)
            altered[at] ^= 1 << choice.randrange(8)
            place.write_bytes(altered)
            assert is_none(), f"{name}: another byte {at}"
        for more in (b"\0", whole):
            place.write_bytes(whole + more)
            assert is_none(), f"{name}: {len(more)} bytes too many"
        place.write_bytes(whole)
        assert not is_none()


def test_what_is_asked_of_a_snapshot_about_one_task_is_what_its_files_say(twins: tuple[Twin, Twin]) -> None:
    """EXEC-019 too: edges and readers are stored so that nobody has to decode those of all tasks."""
    quick, slow = twins
    (slow.root / SNAPSHOT).unlink()
    known, read = open_workspace(str(quick.root)).graph, open_workspace(str(slow.root)).graph
    assert isinstance(known, snapshot.StoredGraph)
    assert not isinstance(read, snapshot.StoredGraph)
    assert {task: known.before(task) for task in known.nodes} == {task: read.before(task) for task in read.nodes}
    for kind in ("hard", "soft", "producer"):
        for side in ("predecessors", "successors"):
            assert getattr(known, f"{kind}_{side}") == getattr(read, f"{kind}_{side}")
    quick_readers, slow_readers = (Consumers(graph.specs, _core.PatternSet) for graph in (known, read))
    for path in ("/libs/one/out/all.txt", "/libs/one/src/deep/b", "/app/far/away/g2", "/app/linked", "/none"):
        assert quick_readers(path) == slow_readers(path)


def test_a_snapshot_of_another_version_is_not_believed(
    twins: tuple[Twin, Twin], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is one of another Python, whose encoding of it nobody has to know."""
    root = find_root(str(twins[0].root))
    assert snapshot.load(root, "0.0.0") is None
    assert snapshot.load(root.replace(explicit=False), __version__) is None
    monkeypatch.setattr(sys, "version", "3.99")
    assert snapshot.load(root, __version__) is None


def test_a_snapshot_that_does_not_prove_the_workspace_s_own_file_is_not_believed(twins: tuple[Twin, Twin]) -> None:
    """A repository may bring one along, with commands that its `haz.yml` files do not have."""
    quick, _ = twins
    root = find_root(str(quick.root))
    known = snapshot.load(root, __version__)
    assert known is not None
    facts = _core.ask_facts(root.path, [("content", f"{root.path}/app/haz.yml")], [])
    assert facts
    for forged in (b"", facts):
        assert snapshot.save(root, __version__, forged, known.workspace, known.graph)
        assert snapshot.load(root, __version__) is None


@pytest.mark.parametrize("name", ["workspace-v1", "checkpoint-v1"])
@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda data: data[:-1] + bytes([data[-1] ^ 1]), lambda data: b""]
)
def test_a_damaged_file_is_as_none(twins: tuple[Twin, Twin], name: str, damage: Callable[[bytes], bytes]) -> None:
    quick, slow = twins
    place = quick.root / ".haz/state" / name
    place.write_bytes(damage(place.read_bytes()))
    assert quick.run() == slow.run(stat_cache=False)


def test_a_stream_that_is_damaged_in_the_store_is_run_again(twins: tuple[Twin, Twin]) -> None:
    """CACHE-016, D5."""
    for twin in twins:
        digest = _core.digest_bytes(b"built one\n").hex()
        blob = twin.root / ".haz/cache/blobs-v1/blake3" / digest[:2] / digest
        blob.chmod(0o644)
        blob.write_bytes(b"BUILT ONE\n")
    quick, slow = twins
    wanted = slow.run(stat_cache=False)
    assert wanted[1]["one:build"][0] == b"built one\n"
    assert quick.run() == wanted
