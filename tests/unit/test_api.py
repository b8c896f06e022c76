"""haz as a library: the same engine, in somebody else's process."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import haz
from tests.repository import Repository
from tests.space import Space


@pytest.fixture
def workspace(space: Space) -> Space:
    space.project(
        "lib",
        """
        build: {command: [echo, built], description: Build}
        test: {command: [echo, tested], deps: ["~:build"]}
        fail: {command: ["false"]}
        sleep: {command: [sleep, "60"], outputs: [never]}
        """,
    )
    return space


class Watcher(haz.RunObserver):
    def __init__(self) -> None:
        self.started: list[str] = []
        self.output: dict[str, bytes] = {}

    def on_task_started(self, task: haz.TaskId) -> None:
        self.started.append(str(task))

    def on_stdout(self, task: haz.TaskId, chunk: bytes) -> None:
        self.output[str(task)] = self.output.get(str(task), b"") + chunk


def test_importing_haz_imports_nothing_else() -> None:
    script = "import sys; import haz; print(*[n for n in sys.modules if n.startswith('haz')]); print(haz.load.__name__)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "haz\nload\n"


def test_every_public_name_is_there_and_nothing_else_is() -> None:
    for name in haz.__all__:
        assert getattr(haz, name).__name__ == name
    assert set(haz.__all__) <= set(dir(haz))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        haz.nothing  # noqa: B018


def test_a_workspace_tells_what_it_holds(workspace: Space) -> None:
    opened = haz.load(workspace.root / "lib")
    assert opened.root == str(workspace.root)
    assert opened.bearing == "lib"
    assert list(opened.projects) == ["lib"]
    assert opened.tasks[haz.TaskId("lib", "build")].description == "Build"
    assert opened.query(has_deps=True) == (haz.TaskId("lib", "test"),)
    assert opened.query(child_of="name:build") == (haz.TaskId("lib", "test"),)
    assert [str(task) for task in opened.plan(["lib:test"]).tasks] == ["lib:build", "lib:test"]
    assert opened.plan(scope="workspace").seeds == tuple(opened.tasks)
    assert opened.why("~:build").label == "miss: no entry"


def test_a_run_reports_what_became_of_every_task(workspace: Space) -> None:
    opened, watcher = haz.load(workspace.root), Watcher()
    report = opened.run(["lib:test", haz.TaskId("lib", "fail")], observer=watcher)
    assert report.exit_code == 1
    assert report.spawned == 3
    assert {str(task): record.state for task, record in report.outcome.outcomes.items()} == {
        "lib:build": "succeeded",
        "lib:fail": "failed",
        "lib:test": "succeeded",
    }
    assert watcher.started[0] in ("lib:build", "lib:fail")
    assert watcher.output["lib:test"] == b"tested\n"


def test_the_same_workspace_can_be_run_again(workspace: Space) -> None:
    opened = haz.load(workspace.root)
    assert opened.run(["lib:test"]).outcome.counts().cached == 0
    again = opened.run(opened.plan(["lib:test"]))
    assert (again.spawned, again.outcome.counts().cached, again.exit_code) == (0, 2, 0)
    assert {found.kind for found in opened.forecast(["lib:test"]).values()} == {"hit"}


def test_the_command_line_finds_what_the_library_has_stored(workspace: Space) -> None:
    haz.load(workspace.root).run(["lib:test"])
    assert workspace.run("lib:test").ok().cached == {"lib:build", "lib:test"}


def test_an_error_is_a_haz_error_with_diagnostics(workspace: Space) -> None:
    opened = haz.load(workspace.root)
    for ask, code in (
        (lambda: opened.run(["lib:nothing"]), "haz::ref::unresolved"),
        (lambda: opened.run(["nothing"]), "haz::cli::usage"),
        (lambda: opened.run("lib:build"), "haz::cli::usage"),
        (lambda: opened.query(tags="("), "haz::qry::expression"),
        (lambda: haz.load("/"), "haz::dsc::001"),
    ):
        with pytest.raises(haz.HazError) as caught:
            ask()
        assert [problem.code for problem in caught.value.diagnostics] == [code]
    workspace.write("lib/haz.yml", "name: lib\ntasks: [\n")
    with pytest.raises(haz.LoadError) as broken:
        haz.load(workspace.root)
    assert broken.value.diagnostics[0].span is not None


def caught_signals() -> list[str]:
    """What this process handles, as the kernel knows it (Linux)."""
    status = Path("/proc/self/status")
    return [line for line in status.read_text().splitlines() if line.startswith("SigCgt")] if status.exists() else []


def test_signals_and_foreign_children_are_left_alone(workspace: Space) -> None:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGTSTP)}
    native = caught_signals()
    bystander = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        haz.load(workspace.root).run(["lib:test"])
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    assert {number: signal.getsignal(number) for number in handlers} == handlers
    assert caught_signals() == native


def test_several_threads_run_several_workspaces_at_a_time(tmp_path) -> None:
    spaces = [Space(tmp_path / name) for name in "abcd"]
    for space in spaces:
        space.project("lib", "\n".join(f"t{n}: {{command: [echo, '{n}']}}" for n in range(20)))

    def run(space: Space) -> int:
        return haz.load(space.root).run(["^:t3", "^:t7", "^:t11"], options=haz.RunOptions(jobs=2)).exit_code

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(run, spaces * 2)) == [0] * 8


def test_an_asyncio_program_runs_tasks_in_a_thread(workspace: Space) -> None:
    async def program() -> int:
        report = await asyncio.to_thread(haz.load(workspace.root).run, ["lib:test"])
        return report.exit_code

    assert asyncio.run(program()) == 0


class Started(haz.RunObserver):
    """Sets an event when a task is about to be spawned."""

    def __init__(self, then) -> None:
        self.then = then

    def on_miss(self, task: haz.TaskId, reason: str) -> None:
        self.then()


def test_a_run_can_be_cancelled_from_outside(workspace: Space) -> None:
    cancel = threading.Event()
    report = haz.load(workspace.root).run(["lib:sleep"], observer=Started(cancel.set), cancel=cancel)
    assert report.signalled == signal.SIGINT
    assert report.outcome.counts().cancelled == 1


def test_ctrl_c_in_the_main_thread_ends_the_tasks_and_is_raised(workspace: Space) -> None:
    script = """
import os, signal, haz
class Interrupt(haz.RunObserver):
    def on_miss(self, task, reason):
        import threading
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    def on_run_finished(self, outcome, duration, signalled):
        print("ended", signalled, outcome.counts().cancelled)
try:
    haz.load(".").run(["lib:sleep"], observer=Interrupt())
except KeyboardInterrupt:
    print("raised")
"""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=workspace.root, capture_output=True, text=True, check=False, timeout=50
    )
    assert done.stdout == "ended 2 1\nraised\n", done.stderr
    assert time.monotonic() - started < 40


def test_an_observer_that_raises_is_dropped_and_told(workspace: Space) -> None:
    told: list[str] = []

    def broken() -> None:
        raise ValueError("no")

    report = haz.load(workspace.root).run(["lib:build"], observer=[Started(broken)], complain=told.append)
    assert report.exit_code == 0
    assert told == ["observer Started was dropped: ValueError('no')"]


def test_two_threads_in_one_workspace_run_a_task_once(workspace: Space) -> None:
    workspace.project("slow", 't: {shell: "sleep 0.3; echo x >> count; touch done", outputs: [done]}')
    with ThreadPoolExecutor(2) as threads:
        reports = list(threads.map(lambda _: haz.load(workspace.root).run(["slow:t"]), range(2)))
    assert [report.exit_code for report in reports] == [0, 0]
    assert sum(report.spawned for report in reports) == 1
    assert workspace.read("slow/count") == b"x\n"


def test_what_git_says_has_changed_chooses_tasks(workspace: Space) -> None:
    repository = Repository(workspace.root)
    repository.git("init")
    repository.commit("all")
    opened = haz.load(workspace.root)
    assert opened.affected(scope="workspace").plan.tasks == ()
    workspace.write("lib/haz.yml", workspace.read("lib/haz.yml") + b"# changed\n")
    changed = opened.affected(["lib:test"])
    assert [str(task) for task in changed.plan.seeds] == ["lib:test"]
    assert (changed.changed, changed.warning) == (1, None)
    with pytest.raises(haz.UnknownBase, match="no-such-branch"):
        opened.affected(scope="workspace", since="no-such-branch")
    everything = opened.affected(scope="workspace", since="no-such-branch", on_unknown="all")
    assert everything.plan.seeds == tuple(opened.tasks)
    assert "everything counts as changed" in (everything.warning or "")
    for wrong in ({"merge_base": True}, {"staged": True, "since": "HEAD"}):
        with pytest.raises(haz.UsageError, match="`staged` excludes `since`, and `merge_base` needs it"):
            opened.affected(**wrong)  # type: ignore[arg-type]


def test_a_plan_can_be_divided_by_what_is_expected_of_its_tasks(workspace: Space) -> None:
    opened = haz.load(workspace.root)
    tasks = opened.plan(["lib:test", "lib:fail"]).tasks
    opened.run(["lib:test"])
    expected = opened.expectations(tasks, look_up=True)
    assert {str(task): found.result for task, found in expected.items()} == {
        "lib:build": "hit",
        "lib:test": "hit",
        "lib:fail": "miss",
    }
    assert all(found.result is None for found in opened.expectations(tasks, look_up=False).values())
    parts = opened.divide(tasks, 2, dict.fromkeys(tasks, 10)).parts
    assert sorted(map(len, parts)) == [1, 2]


def test_the_cache_is_at_hand_even_where_a_project_is_broken(workspace: Space, tmp_path: Path) -> None:
    opened = haz.load(workspace.root)
    opened.run(["lib:test"])
    exported = opened.cache.export(str(tmp_path / "all.tar"))
    assert exported.entries == 2
    workspace.write("lib/haz.yml", "name: [")
    cache = haz.open_cache(workspace.root)
    assert cache.path == str(workspace.root / ".haz/cache")
    assert len(cache.inspect().sound) == 2
    assert (cache.verify().entries, cache.verify().left) == (2, 0)
    with pytest.raises(haz.UsageError, match="at least one mode is needed"):
        cache.clean()
    assert len(cache.clean(max_size=0, dry_run=True).evicted) == 2
    assert len(cache.inspect().sound) == 2
    assert len(cache.clean(max_size=0).evicted) == 2
    assert cache.inspect().sound == []
    assert cache.import_(str(tmp_path / "all.tar")).entries == 2
    cache.clear()
    assert not Path(cache.path).exists()


def test_a_broken_entry_is_told_and_removed_when_it_is_asked_for(workspace: Space) -> None:
    opened = haz.load(workspace.root)
    opened.run(["lib:build"])
    (entry,) = opened.cache.inspect().sound
    Path(entry.path).write_bytes(b"nothing")
    (defect,) = opened.cache.verify().defects
    assert (defect.file, defect.removed) == (entry.path, False)
    found = opened.cache.verify(repair=True)
    assert (found.defects[0].removed, found.left) == (True, 0)
    assert not Path(entry.path).exists()


def test_the_history_and_all_that_is_wrong_need_no_valid_workspace(workspace: Space) -> None:
    haz.load(workspace.root).run(["lib:test"])
    runs = haz.Runs(workspace.root)
    assert list(runs) == []
    workspace.haz("run", "lib:test").ok()
    workspace.write("lib/haz.yml", "name: [")
    (listed,) = runs
    found = runs.find()
    assert (found.id, set(found.tasks)) == (listed.id, {"lib:build", "lib:test"})
    with pytest.raises(haz.HistoryError, match="there is no run 'zz'"):
        runs.find("zz")
    assert [problem.code for problem in haz.check(workspace.root).file_errors] == ["haz::cfg::yaml"]
    with pytest.raises(haz.LoadError):
        haz.Runs("/")


def test_a_task_is_verified_and_compared_with_what_it_was(workspace: Space) -> None:
    workspace.project("odd", "clock: {shell: date +%N}")
    opened = haz.load(workspace.root)
    assert opened.verify("lib:build") == []
    watcher = Watcher()
    (deviation,) = opened.verify("odd:clock", observer=watcher)
    assert (deviation.run, deviation.what) == (2, "stdout")
    assert watcher.started == ["odd:clock"] * 2
    with pytest.raises(haz.NotVerified, match="did not succeed"):
        opened.verify("lib:fail")
    with pytest.raises(haz.UsageError, match="at least 2"):
        opened.verify("lib:build", 1)


def test_a_miss_can_be_compared_with_a_given_result(workspace: Space) -> None:
    opened = haz.load(workspace.root)
    opened.run(["lib:build"])
    key = opened.why("lib:build").key.hex()
    workspace.write("lib/haz.yml", workspace.read("lib/haz.yml").replace(b"echo, built", b"echo, other"))
    changed = haz.load(workspace.root).why("lib:build", against=key[:8])
    assert changed.label == "miss: no entry"
    assert changed.against is not None
    with pytest.raises(haz.HistoryError):
        opened.why("lib:build", against="zz")
