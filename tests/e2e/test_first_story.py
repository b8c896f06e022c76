"""The main job, told with real processes: run, cached run, change, restore."""

from __future__ import annotations

import os
import signal

import pytest

from tests.eager import settle
from tests.repository import Repository
from tests.space import EAGER, Space, living

COPY = """
    build:
      command: [sh, -c, "cat in.txt > out.txt; echo built"]
      inputs: [in.txt]
      outputs: [out.txt]
    pack:
      deps: ["~:build"]
      shell: tr a-z A-Z < out.txt > packed.txt
      inputs: [out.txt]
      outputs: [packed.txt]
"""


@pytest.fixture
def built(space: Space) -> Space:
    space.project("lib", COPY)
    space.write("lib/in.txt", "hello\n")
    assert space.run("--workspace").ok().ran == {"lib:build", "lib:pack"}
    return space


def test_a_second_run_starts_no_process_and_replays_the_output(built: Space) -> None:
    """CACHE-015, EXEC-017: nothing has changed, so nothing runs."""
    again = built.run("--workspace").ok()
    assert again.cached == {"lib:build", "lib:pack"}
    assert again.spawned == 0
    assert again.out == "[lib:build] built\n"
    assert "Tasks: 2 completed (2 cached)" in again.err


def test_an_output_in_place_is_left_untouched_by_a_hit(built: Space) -> None:
    """CACHE-019, D4."""
    before = (built.root / "lib/out.txt").stat()
    built.run("--workspace").ok()
    after = (built.root / "lib/out.txt").stat()
    assert (before.st_ino, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_ino,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )


def test_deleted_outputs_come_back_with_their_bytes_and_modes(space: Space) -> None:
    """CACHE-013, CACHE-023."""
    space.project(
        "lib", 'make: {shell: "echo run > tool; chmod 751 tool; mkdir -p d; echo x > d/y", outputs: [tool, "d/**"]}'
    )
    space.run("--workspace").ok()
    made = space.files("lib")
    (space.root / "lib/tool").unlink()
    (space.root / "lib/d/y").unlink()
    (space.root / "lib/d").rmdir()
    assert space.run("--workspace").ok().spawned == 0
    assert space.files("lib") == made


def test_a_tampered_output_is_put_right(built: Space) -> None:
    built.write("lib/packed.txt", "HELLP\n")
    assert built.run("--workspace").ok().spawned == 0
    assert built.read("lib/packed.txt") == b"HELLO\n"


def test_touching_a_file_changes_nothing(built: Space) -> None:
    """CACHE-006: content counts, times do not."""
    os.utime(built.root / "lib/in.txt")
    assert built.run("--workspace").ok().spawned == 0


def test_one_changed_byte_runs_what_depends_on_it_and_nothing_else(built: Space) -> None:
    built.project("other", "t: {command: [echo, same]}")
    built.run("--workspace").ok()
    built.write("lib/in.txt", "hallo\n")
    changed = built.run("--workspace").ok()
    assert changed.ran == {"lib:build", "lib:pack"}
    assert changed.cached == {"other:t"}


def test_a_successor_stays_cached_when_its_predecessor_prints_and_makes_the_same(built: Space) -> None:
    """DAG-017: streams, and declared inputs, are all that a successor sees of its predecessors."""
    built.write("lib/haz.yml", (built.root / "lib/haz.yml").read_text().replace("cat in.txt >", "cat  in.txt >"))
    assert built.run("--workspace").ok().ran == {"lib:build"}


def test_two_projects_with_the_same_command_do_not_share_a_hit(space: Space) -> None:
    """02 §10.2, 03 §15 C1, D3: the place of a task is part of its key."""
    for name in ("a", "b"):
        space.project(name, 't: {shell: "pwd > out.txt", outputs: [out.txt]}')
    assert space.run("a:t").ok().ran == {"a:t"}
    assert space.run("b:t").ok().ran == {"b:t"}
    assert space.read("b/out.txt").endswith(b"/b\n")


def test_adding_an_output_is_a_miss(space: Space) -> None:
    """02 §10.3, D3."""
    space.project("lib", 't: {shell: "echo 1 > one; echo 2 > two", outputs: [one]}')
    space.run("--workspace").ok()
    space.write("lib/haz.yml", (space.root / "lib/haz.yml").read_text().replace("[one]", "[one, two]"))
    assert space.run("--workspace").ok().ran == {"lib:t"}
    (space.root / "lib/two").unlink()
    assert space.run("--workspace").ok().spawned == 0
    assert space.read("lib/two") == b"2\n"


def test_an_executable_bit_is_part_of_the_key(built: Space) -> None:
    """02 §10.11, D3."""
    (built.root / "lib/in.txt").chmod(0o755)
    assert "lib:build" in built.run("--workspace").ok().ran


@pytest.mark.parametrize("mode", ["live", "buffered"])
def test_silence_and_bytes_that_are_not_text_replay_equal(space: Space, mode: str) -> None:
    """EXEC-016, EXEC-017: the first run and the replay are the same bytes in the same mode."""
    space.project(
        "lib",
        r"""
        silent: {command: ["true"]}
        odd: {shell: "printf 'a\\r\\nb\\377\\n\\npartial'; printf 'err1\\nerrp' >&2"}
        """,
    )
    first = space.run("--workspace", "--output-mode", mode, "-j1").ok()
    again = space.run("--workspace", "--output-mode", mode, "-j1").ok()
    assert again.spawned == 0
    assert first.raw_out == again.raw_out
    live = b"[lib:odd] a\r\n[lib:odd] b\xff\n[lib:odd] \n[lib:odd] partial\n"
    assert first.raw_out == (live if mode == "live" else b"a\r\nb\xff\n\npartial")
    plain = [line for line in first.raw_err.split(b"\n") if b"err" in line]
    assert plain == ([b"[lib:odd] err1", b"[lib:odd] errp"] if mode == "live" else [b"err1", b"errp"])
    assert [line for line in again.raw_err.split(b"\n") if b"err" in line] == plain


def test_output_appears_while_the_task_still_runs(space: Space) -> None:
    """03 §15 D1, D6: live mode is live. The task waits for a file that is only written after its first line was seen."""
    os.mkfifo(space.root / "gate")
    space.project("lib", 't: {shell: "echo one; cat ../gate; echo two"}')
    running = space.start("run", "lib:t")
    running.wait_for("[lib:t] one")
    (space.root / "gate").write_text("opened\n")
    assert running.end().out == "[lib:t] one\n[lib:t] opened\n[lib:t] two\n"


def test_three_hundred_megabytes_of_output_cost_little_memory(space: Space) -> None:
    """03 §15 D2, D6: neither the fresh run nor the replay keeps the stream in memory."""
    space.project(
        "lib", 'quiet: {command: ["true"]}\nloud: {shell: "head -c 300000000 /dev/zero | tr \'\\\\0\' x | fold -w 99"}'
    )

    def peak(task: str) -> int:
        script = (
            "import os, resource, subprocess, sys\n"
            "with open(os.devnull, 'w') as null:\n"
            f"    subprocess.run([sys.executable, '-m', 'haz', 'run', 'lib:{task}'], stdout=null, stderr=null, check=True)\n"
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)\n"
        )
        import subprocess
        import sys

        return int(
            subprocess.run([sys.executable, "-c", script], cwd=space.root, capture_output=True, check=True).stdout
        )

    base = peak("quiet")
    assert peak("loud") - base < 100
    assert space.run("lib:loud").ok().cached == {"lib:loud"}
    assert peak("loud") - base < 100


def test_ctrl_c_ends_the_run_and_everything_it_started(space: Space) -> None:
    """EXEC-012..015: exit 130, no child left, nothing stored, and the next run starts afresh."""
    space.project(
        "lib",
        """
        slow: {shell: "echo started; sleep 300 & sleep 300"}
        after: {deps: ["~:slow"], command: ["true"]}
        """,
    )
    running = space.start("run", "lib:after", env={"LC_ALL": "C-haz-marker-ctrl-c"})
    running.wait_for("started")
    assert living("C-haz-marker-ctrl-c")
    running.signal(signal.SIGINT)
    ended = running.end()
    assert ended.code == 130
    assert living("C-haz-marker-ctrl-c") == []
    assert "[lib:slow] ! cancelled in " in ended.err
    assert "[lib:after] - cancelled (upstream lib:slow cancelled)" in ended.err
    assert "Tasks: 0 completed, 2 cancelled" in ended.err
    assert [path for path in space.files(".haz") if "entries" in path or "tmp" in path] == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGQUIT, 131)])
def test_other_signals_end_the_run_with_their_own_code(space: Space, number: int, code: int) -> None:
    """EXEC-021, 03 §7.1."""
    space.project("lib", 'slow: {shell: "echo started; sleep 300"}')
    running = space.start("run", "lib:slow")
    running.wait_for("started")
    running.signal(number)
    assert running.end().code == code


def test_a_second_ctrl_c_does_not_wait_for_the_grace(space: Space) -> None:
    """03 §15 E1, D13."""
    space.project("lib", """stubborn: {shell: "trap 'echo asked' TERM; echo started; while :; do sleep 0.05; done"}""")
    space.settings("execution: {cancel_grace: 600}\n")
    running = space.start("run", "lib:stubborn")
    running.wait_for("started")
    running.signal()
    running.wait_for("asked")
    running.signal()
    assert running.end().code == 130


def test_a_grandchild_that_keeps_the_pipe_does_not_hold_up_a_cancelled_run(space: Space) -> None:
    """03 §15 D4: after the grace and the kill nobody waits for a pipe that a stranger holds."""
    space.project("lib", """t: {shell: "setsid sh -c 'trap : TERM; sleep 30; sleep 30' & echo started; sleep 300"}""")
    space.settings("execution: {cancel_grace: 0.1}\n")
    running = space.start("run", "lib:t", env={"LC_ALL": "C-haz-marker-setsid"})
    running.wait_for("started")
    running.signal()
    assert running.end().code == 130
    assert living("C-haz-marker-setsid") == []


def test_what_haz_keeps_for_itself_is_ignored_by_git(built: Space) -> None:
    import subprocess

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=built.root, capture_output=True, text=True, check=True).stdout

    git("init", "-q")
    shown = git("status", "--porcelain", "--untracked-files=all").splitlines()
    assert [line for line in shown if ".haz/" in line] == ["?? .haz/workspace.yml"]


def test_what_the_first_run_of_tasks_without_outputs_keeps_is_ignored_by_git(space: Space) -> None:
    """The folder of what was understood is made after the last task; it used to be left to `git add`."""
    space.command = EAGER
    space.project("lib", "t: {command: [echo, done]}")
    Repository.new(space.root).commit()
    settle(space.root)
    space.run("--workspace").ok()
    assert Repository(space.root).status() == set()
    assert (space.root / ".haz/state/workspace-v1").is_file()
