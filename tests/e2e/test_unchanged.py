"""A run with nothing to do by the checkpoint of an earlier one, and everything that tries to fool it.

Each story is told twice, on twins: one has a snapshot of the configuration and a checkpoint, the other one has neither and
looks everything up. Both must come to the same: outcomes, files, streams.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from haz import _core
from haz.app import RunOptions, execute, open_workspace
from haz.cache.formats import CHECKPOINT
from haz.errors import LoadError
from haz.events import RunObserver
from haz.plan import Request, plan
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
  never: {shell: echo never, cache: false}
""",
    "app/main": "main\n",
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

    def write(self, path: str, text: str) -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def run(self, *, stat_cache: bool = True) -> tuple[dict[str, str], dict[str, tuple[bytes, bytes]], int]:
        settle(self.root)
        diary = Diary()
        if self.looks_ahead:
            _core.look_ahead(str(self.root), CHECKPOINT)
        loaded = open_workspace(str(self.root))
        planned = plan(loaded.workspace, loaded.graph, Request(scope="workspace"), _core.PatternSet)
        options = RunOptions(stat_cache=stat_cache)
        report = execute(loaded, planned.tasks, options, [diary], self.complain, cancelled=_never)
        self.loaded_from_snapshot = loaded.identity is not None
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
        both = Twin(tmp_path / "quick", looks_ahead=request.param), Twin(tmp_path / "slow")
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


CHANGES: dict[str, Callable[[Twin], Any]] = {
    "nothing": lambda twin: None,
    "an input is edited": _rewrite("libs/one/src/a", "other\n"),
    "an input is edited behind its times": _replace_unseen,
    "an input is only touched": lambda twin: (twin.root / "libs/one/src/a").touch(),
    "an input is executable now": lambda twin: (twin.root / "libs/one/src/a").chmod(0o755),
    "two inputs change places": _swap,
    "an input is added": _rewrite("libs/one/src/deep/er/c", "c\n"),
    "an excluded file is added": _rewrite("libs/one/src/x.tmp", "c\n"),
    "an input is removed": lambda twin: (twin.root / "libs/one/src/deep/b").unlink(),
    "an empty folder is added": lambda twin: (twin.root / "libs/one/src/empty").mkdir(),
    "a folder becomes a link": lambda twin: (
        (twin.root / "libs/one/src/deep").rename(twin.root / "libs/one/moved"),
        (twin.root / "libs/one/src/deep").symlink_to("../moved"),
    ),
    "an output is edited": _rewrite("libs/one/out/all.txt", "tampered\n"),
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
    slow.forget()
    for _ in range(2):
        slow_end = slow.run(stat_cache=False)
        assert quick.run() == slow_end
        assert quick.files() == slow.files()


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
