"""`haz run --watch`: runs, waits for changes, and runs what they affect (04 §14 C1)."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING

import pytest

from tests.repository import Repository
from tests.space import SECONDS, Space

if TYPE_CHECKING:
    from collections.abc import Iterator

WAITING = "Ctrl-C ends it"


class Session:
    """A `haz run --watch` that goes on. `told` are the lines since the last question."""

    def __init__(self, space: Space, *arguments: str) -> None:
        self.running = space.start("run", "--watch", *arguments, merged=True)
        self.process = self.running.process
        # A line that never comes must not hold up everything.
        self._timer = Timer(SECONDS, self.process.kill)
        self._timer.start()

    def until(self, text: str = WAITING) -> list[str]:
        """Read lines up to one with the text."""
        assert self.process.stdout is not None
        told = []
        for line in self.process.stdout:
            told.append(line.decode().rstrip("\n"))
            if text in told[-1]:
                return told
        raise AssertionError(f"{text!r} never came:\n" + "\n".join(told))

    @property
    def report(self) -> dict[str, str]:
        """The tasks of the last run that had any news, with what they came to."""
        tasks = json.loads(self.running._report.read_bytes())["tasks"]
        return {n: end["source"] if end["outcome"] == "succeeded" else end["outcome"] for n, end in tasks.items()}

    def end(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        assert self.process.stdout is not None
        self.process.stdout.read()
        return self.process.wait(SECONDS)

    def close(self) -> None:
        self._timer.cancel()
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@pytest.fixture
def sessions() -> Iterator[list[Session]]:
    every: list[Session] = []
    yield every
    for session in every:
        session.close()


@pytest.fixture
def story(space: Space) -> Space:
    """`lib:build` reads sources; `lib:test` and `app:count` what it makes. Each notes in `log/` that it ran."""
    space.write("log/.keep", "")
    space.project(
        "lib",
        """
        build: {shell: 'cat src/*.txt > all.txt; echo b >> ../log/build', inputs: ["src/*.txt"], outputs: [all.txt]}
        test: {shell: 'echo t >> ../log/test; grep -c good all.txt', deps: ["~:build"], inputs: [all.txt]}
        """,
    )
    space.project(
        "app",
        """
        count: {shell: 'wc -l < ../lib/all.txt > n', deps: ["lib:build"], inputs: [/lib/all.txt], outputs: [n]}
        lint: {shell: 'echo fine', inputs: ["*.py"]}
        """,
    )
    space.write("lib/src/a.txt", "good\n")
    space.write("app/main.py", "1\n")
    return space


def begin(sessions: list[Session], space: Space, *arguments: str) -> Session:
    session = Session(space, *arguments)
    sessions.append(session)
    return session


def times(space: Space, task: str) -> int:
    return len(space.read(f"log/{task}").split())


def test_a_change_runs_what_it_affects_and_tells_of_nothing_else(story: Space, sessions: list[Session]) -> None:
    session = begin(sessions, story, "--workspace")
    session.until()
    assert set(session.report.values()) == {"fresh"}
    story.write("app/main.py", "2\n")
    told = session.until()
    assert told[:2] == ["", "changed: /app/main.py"]
    assert [line for line in told if line.startswith("[")] == ["[app:lint] fine", *told[3:4]]
    assert session.report == {"app:count": "hit", "app:lint": "fresh", "lib:build": "hit", "lib:test": "hit"}
    story.write("lib/src/a.txt", "good\ngood\n")
    session.until()
    assert session.report == {"app:count": "fresh", "app:lint": "hit", "lib:build": "fresh", "lib:test": "fresh"}
    assert story.read("app/n").strip() == b"2"
    assert session.end() == 130


def test_what_is_excluded_is_neither_run_nor_listened_for(story: Space, sessions: list[Session]) -> None:
    session = begin(sessions, story, "--workspace", "--exclude", "lib:test", "--exclude", "^:lint")
    assert session.until()[-1].startswith("watching 2 tasks")
    assert session.report == {"app:count": "fresh", "lib:build": "fresh"}
    story.write("app/main.py", "2\n")
    story.write("lib/src/a.txt", "good\ngood\n")
    assert "changed: /lib/src/a.txt" in session.until()
    assert session.report == {"app:count": "fresh", "lib:build": "fresh"}


def test_what_tasks_write_is_no_change_even_when_one_has_failed(story: Space, sessions: list[Session]) -> None:
    story.write("lib/src/a.txt", "bad\n")
    session = begin(sessions, story, "--workspace")
    session.until()
    assert session.report["lib:test"] == "failed"
    # A second change is answered next, so that no run can have come in between.
    story.write("app/main.py", "2\n")
    assert "changed: /app/main.py" in session.until()
    assert times(story, "test") == 2
    story.write("lib/src/a.txt", "good\n")
    assert "changed: /lib/src/a.txt" in session.until()
    assert session.report["lib:test"] == "fresh"
    assert times(story, "test") == 3


def test_contents_of_before_come_from_the_cache_and_are_told(story: Space, sessions: list[Session]) -> None:
    session = begin(sessions, story, "--workspace")
    session.until()
    story.write("lib/src/a.txt", "good\ngood\n")
    session.until()
    story.write("lib/src/a.txt", "good\n")
    told = session.until()
    assert any(line.startswith("[lib:test] ◉ cached") for line in told)
    assert "[lib:test] 1" in told
    assert story.read("app/n").strip() == b"1"
    assert times(story, "build") == 2


def test_a_file_is_heard_in_a_directory_that_is_new_or_behind_a_link(space: Space, sessions: list[Session]) -> None:
    space.project("lib", 'show: {shell: "cat $(find -L src -name \'*.c\' | sort)", inputs: ["src/**/*.c"]}')
    space.write("lib/src/a.c", "a\n")
    space.write("elsewhere/one/l.c", "link\n")
    session = begin(sessions, space, "--workspace")
    session.until()
    space.write("lib/src/deep/er/b.c", "new\n")
    assert "[lib:show] new" in session.until()
    (space.root / "lib/src/link").symlink_to("../../elsewhere/one")
    assert "[lib:show] link" in session.until()
    space.write("elsewhere/one/l.c", "otherwise\n")
    assert "[lib:show] otherwise" in session.until()
    shutil.rmtree(space.root / "lib/src/deep")
    assert "[lib:show] new" not in session.until()


def test_a_mistake_in_the_configuration_is_told_and_waits_to_be_mended(story: Space, sessions: list[Session]) -> None:
    session = begin(sessions, story, "--workspace")
    session.until()
    good = story.read("app/haz.yml").decode()
    story.write("app/haz.yml", good + "  wrong: {command: 7}\n")
    assert any("haz::cfg::021" in line for line in session.until("haz::cfg::021"))
    # Nothing is lost meanwhile.
    story.write("lib/src/a.txt", "good\ngood\n")
    session.until("haz::cfg::021")
    story.write("app/haz.yml", good + "  more: {shell: echo more}\n")
    told = session.until()
    assert "[app:more] more" in told
    assert story.read("app/n").strip() == b"2"


def test_a_new_project_takes_part(space: Space, sessions: list[Session]) -> None:
    space.write(".haz/workspace.yml", 'projects: ["/packages/*"]\n')
    space.write("packages/one/haz.yml", "name: one\ntasks:\n  t: {shell: echo one}\n")
    session = begin(sessions, space, "--workspace")
    session.until()
    elsewhere = space.write("elsewhere/two/haz.yml", "name: two\ntasks:\n  t: {shell: cat in, inputs: [in]}\n").parent
    space.write("elsewhere/two/in", "two\n")
    elsewhere.rename(space.root / "packages/two")
    assert "[two:t] two" in session.until()
    space.write("packages/two/in", "three\n")
    assert "[two:t] three" in session.until()


def test_an_overlay_and_settings_of_the_workspace_are_heard(story: Space, sessions: list[Session]) -> None:
    session = begin(sessions, story, "--workspace")
    session.until()
    story.write(".haz/tasks/all.yml", "tasks:\n  hello: {shell: echo hello}\n")
    told = session.until()
    assert "[app:hello] hello" in told
    assert "[lib:hello] hello" in told
    story.settings("env: {override: {MODE: fast}}\n")
    told = session.until()
    assert "changed: /.haz/workspace.yml" in told
    assert "[lib:hello] hello" in told


# A task that shows its input, and then waits to be let go.
SLOW = "cat in; read -r _ < ../go"


def change_during_a_run(space: Space, session: Session) -> None:
    """Edit the input of `lib:slow` while it runs; returns when it has run with that, and nothing more is due."""
    session.until("[lib:slow] first")
    space.write("lib/in", "second\n")
    space.write("go", "\n")
    session.until("[lib:slow] second")
    space.write("go", "\n")
    session.until()


def test_a_change_during_a_run_is_followed_by_another_run(space: Space, sessions: list[Session]) -> None:
    os.mkfifo(space.root / "go")
    space.project("lib", f'slow: {{shell: "{SLOW}", inputs: [in]}}')
    space.write("lib/in", "first\n")
    session = begin(sessions, space, "lib:slow")
    change_during_a_run(space, session)
    assert session.end() == 130


def test_a_change_is_not_lost_behind_tasks_that_are_never_cached_or_have_failed(
    space: Space, sessions: list[Session]
) -> None:
    os.mkfifo(space.root / "go")
    space.project(
        "lib",
        f"""
        gen: {{shell: 'echo generated > made', cache: false, outputs: [made]}}
        bad: {{shell: 'echo bad > worse; false', inputs: [made], outputs: [worse]}}
        slow:
          deps: ["~:gen"]
          weakDeps: ["~:bad"]
          shell: '{SLOW}'
          inputs: [in, made, "wors*"]
        """,
    )
    space.write("lib/in", "first\n")
    change_during_a_run(space, begin(sessions, space, "--workspace"))


def test_a_task_that_changes_its_own_inputs_is_told_of_and_left_alone(space: Space, sessions: list[Session]) -> None:
    space.write("log/.keep", "")
    space.project("lib", 'odd: {shell: "echo x >> ../log/odd; wc -l < ../log/odd > src/n", inputs: ["src/**"]}')
    space.write("lib/src/a", "")
    session = begin(sessions, space, "lib:odd")
    told = session.until("waiting for another change")
    assert any(line == "warning: lib:odd: the inputs are other ones after each run (/lib/src/n)" for line in told), told
    ran = times(space, "odd")
    space.write("lib/src/a", "1")
    session.until("changed: /lib/src/a")
    session.until("waiting for another change")
    assert times(space, "odd") == 2 * ran


def test_a_server_that_is_asked_for_begins_anew_with_what_it_rests_on(space: Space, sessions: list[Session]) -> None:
    space.project(
        "web",
        """
        build: {shell: 'cat src/* > page', inputs: ["src/**"], outputs: [page]}
        serve:
          persistent: true
          shell: 'echo "serves $(cat page)"; while :; do sleep 0.02; done'
          deps: ["~:build"]
          inputs: [page]
        other: {shell: 'echo other', inputs: ["*.py"]}
        """,
    )
    space.write("web/src/a", "one\n")
    space.write("web/main.py", "")
    session = begin(sessions, space, "web:serve", "web:other")
    session.until("serves one")
    space.write("web/src/a", "two\n")
    told = session.until("serves two")
    assert any("[web:serve] ! cancelled" in line for line in told)
    assert any(line.startswith("changed: ") and "/web/src/a" in line for line in told)
    assert not any("serves one" in line for line in told)
    # A save that changes nothing leaves it alone: the next line is about the next change.
    space.write("web/src/a", "two\n")
    space.write("web/main.py", "1")
    told = session.until("serves two")
    assert any(line.startswith("changed: /web/main.py") for line in told)
    assert sum(line.startswith("changed: ") for line in told) == 1
    assert session.end() == 130


def test_with_a_changeset_filter_it_waits_until_something_is_affected(story: Space, sessions: list[Session]) -> None:
    repository = Repository.new(story.root)
    story.write(".gitignore", "log/\nall.txt\nn\n.haz/*/\n")
    repository.commit("all")
    session = begin(sessions, story, "--workspace", "--git-changed")
    assert "nothing affected (0 changed paths)" in session.until()
    story.write("app/main.py", "2\n")
    told = session.until()
    assert "[app:lint] fine" in told
    assert set(session.report) == {"app:lint"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_while_it_waits_and_while_a_task_runs(
    space: Space, sessions: list[Session], number: int
) -> None:
    space.project("lib", 'slow: {shell: "echo at work; test -e fast || sleep 1000", inputs: [in]}')
    space.write("lib/in", "")
    space.write("lib/fast", "")
    waiting = begin(sessions, space, "lib:slow")
    waiting.until()
    assert waiting.end(number) == 128 + number
    (space.root / "lib/fast").unlink()
    space.write("lib/in", "1")
    at_work = begin(sessions, space, "lib:slow")
    at_work.until("at work")
    assert at_work.end(number) == 128 + number


def test_two_that_watch_run_each_task_once(story: Space, sessions: list[Session]) -> None:
    both = [begin(sessions, story, "--workspace") for _ in range(2)]
    for session in both:
        session.until()
    for number in range(1, 4):
        story.write("lib/src/a.txt", "good\n" * (number + 1))
        for session in both:
            session.until(f"[lib:test] {number + 1}")
            session.until()
        assert times(story, "build") == times(story, "test") == number + 1


LAST_MOMENT = """
import os, signal, sys
import haz
from haz import _core

_core.install_signal_handlers()


class Observer(haz.RunObserver):
    def on_task_finished(self, task, record, duration):
        os.kill(os.getpid(), signal.SIGTERM)


space = haz.load(".")
code = space.run_as_program(space.plan(["lib:t"]), haz.RunOptions(), [Observer()], print).exit_code
if code == 0:
    # It was not handed over while the run went on, so it ends the process.
    signal.pause()
sys.exit(code)
"""


def test_a_signal_in_the_last_moment_of_a_run_is_not_lost(space: Space) -> None:
    """Nobody waits for events any more, and what follows a run must not begin."""
    space.project("lib", "t: {shell: echo done}")
    for _ in range(10):
        done = subprocess.run([sys.executable, "-c", LAST_MOMENT], cwd=space.root, timeout=SECONDS, check=False)
        assert done.returncode == 128 + signal.SIGTERM


def test_many_runs_leave_no_descriptor_and_no_thread_behind(story: Space, sessions: list[Session]) -> None:
    session = begin(sessions, story, "--workspace")
    session.until()

    def held() -> tuple[int, int]:
        own = Path("/proc") / str(session.process.pid)
        return len(list((own / "fd").iterdir())), len(list((own / "task").iterdir()))

    for number in range(3):
        story.write("lib/src/a.txt", f"good {number}\n")
        session.until()
    descriptors, threads = held()
    for number in range(15):
        story.write("lib/src/a.txt", f"good again {number}\n")
        session.until()
    assert held()[0] == descriptors
    # Those of the last run may be about to end.
    assert held()[1] < threads + 15


def test_only_runs_with_news_are_remembered(story: Space, sessions: list[Session]) -> None:
    session = begin(sessions, story, "--workspace")
    session.until()
    story.write("lib/src/a.txt", "good\n")  # the same
    story.write("app/main.py", "2\n")
    session.until()
    session.end()
    assert len(json.loads(story.haz("runs", "--format", "json").ok().out)["runs"]) == 2


@pytest.mark.parametrize(
    ("arguments", "tokens"),
    [
        (("--dry-run",), ("--watch", "--dry-run", "mutually exclusive")),
        (("--format", "json"), ("--watch", "--format json", "mutually exclusive")),
        (("--force",), ("--watch", "a cache that is read")),
        (("--no-cache",), ("--watch", "a cache that is read")),
    ],
)
def test_what_makes_no_sense_with_it_is_refused(story: Space, arguments: tuple[str, ...], tokens: tuple[str]) -> None:
    done = story.haz("run", "--watch", "--workspace", *arguments)
    assert done.code == 2
    assert all(token in done.err for token in tokens), done.err


def test_the_first_load_must_succeed(story: Space) -> None:
    story.write("app/haz.yml", "name: app\ntasks: []\n")
    done = story.haz("run", "--watch", "--workspace")
    assert done.code == 2
    assert "haz::cfg::" in done.err


def test_the_end_of_the_workspace_ends_it(story: Space, sessions: list[Session]) -> None:
    session = begin(sessions, story, "--workspace")
    session.until()
    shutil.rmtree(story.root)
    session.until("Error: cannot read current working directory")
    assert session.process.wait(SECONDS) == 2


def test_a_workspace_that_is_moved_is_followed(story: Space, sessions: list[Session]) -> None:
    session = begin(sessions, story, "--workspace")
    session.until()
    away = Space(story.root.rename(story.root.with_name("away")))
    away.write("app/main.py", "2\n")
    assert "[app:lint] fine" in session.until()
    away.write("lib/src/a.txt", "good\ngood\n")
    assert "[lib:test] 2" in session.until()


def test_a_limit_of_the_system_is_told_with_what_raises_it(story: Space) -> None:
    """All instances that a user may have are taken."""
    libc = ctypes.CDLL(None, use_errno=True)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    taken = []
    try:
        while (one := libc.inotify_init1(os.O_CLOEXEC)) >= 0:
            taken.append(one)
        assert ctypes.get_errno() == errno.EMFILE
        done = story.haz("run", "--watch", "--workspace")
    finally:
        for one in taken:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert done.code == 2
    assert "the user's limit of inotify instances (fs.inotify.max_user_instances) is reached" in done.err
    assert "help: `sysctl -w fs.inotify.max_user_instances=" in done.err
