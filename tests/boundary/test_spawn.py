"""What a child gets, and what is told when it cannot be started (spec 03 §4.1)."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from haz.errors import NonAbsoluteCwd, SpawnError
from tests.boundary.children import ENV, PYTHON, Children

SHOW_ARGV = "import os, sys; sys.stdout.buffer.write(b'\\0'.join(map(os.fsencode, sys.argv[1:])))"


def tool(path: Path, text: str = "#!/bin/sh\necho $0\n", mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_a_child_that_exits_tells_its_code(children: Children, code: int) -> None:
    """EXEC-009."""
    finished, _ = children.run("/bin/sh", "-c", f"exit {code}")
    assert (finished.code, finished.signal, finished.error) == (code, None, None)


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGSEGV", "SIGHUP"])
def test_a_child_that_a_signal_ended_tells_its_number(children: Children, name: str) -> None:
    """EXEC-009."""
    number = getattr(signal, name)
    finished, _ = children.run("/bin/sh", "-c", f"kill -{int(number)} $$")
    assert (finished.code, finished.signal) == (None, number)


def test_arguments_arrive_verbatim(children: Children) -> None:
    arguments = ["", "a b", "*", "$HOME", "'\"\\", "ünï", "\udcff\udc80", "-x", ""]
    _, output = children.run(PYTHON, "-c", SHOW_ARGV, *arguments)
    assert output.split(b"\0") == [os.fsencode(argument) for argument in arguments]


def test_argv_0_is_the_program_as_written(children: Children) -> None:
    _, output = children.run("cat", "/proc/self/cmdline")
    assert output == b"cat\0/proc/self/cmdline\0"


def test_the_environment_is_exactly_what_was_given(children: Children) -> None:
    """CACHE-008."""
    env = [("B", "2"), ("A", ""), ("BYTES", "\udcfe"), ("E", "x=y"), ("B", "last wins")]
    _, output = children.run("/bin/cat", "/proc/self/environ", env=env)
    assert output == b"A=\0BYTES=\xfe\0E=x=y\0B=last wins\0"


def test_an_empty_environment_stays_empty(children: Children) -> None:
    _, output = children.run("/bin/cat", "/proc/self/environ", env=[])
    assert output == b""


def test_standard_input_is_dev_null(children: Children) -> None:
    finished, output = children.run("/bin/sh", "-c", "cat; readlink /proc/self/fd/0")
    assert (finished.code, output) == (0, b"/dev/null\n")


def test_no_descriptor_but_the_three_is_inherited(children: Children) -> None:
    """O-D6: an inheritable descriptor of haz must not leak."""
    read, write = os.pipe()
    try:
        os.set_inheritable(read, True)
        os.set_inheritable(write, True)
        script = (
            "import os; print([n for n in map(int, os.listdir('/proc/self/fd')) if os.path.exists(f'/dev/fd/{n}')])"
        )
        _, output = children.run(PYTHON, "-c", script)
        assert json.loads(output) == [0, 1, 2]
    finally:
        os.close(read)
        os.close(write)


def test_a_haz_without_standard_streams_still_connects_those_of_a_child(tmp_path: Path) -> None:
    script = f"""
import os, sys
sys.path[:0] = {[os.path.dirname(__file__)]!r}
from tests.boundary.children import Children
for descriptor in (0, 1, 2):
    os.close(descriptor)
children = Children({str(tmp_path)!r})
finished, output = children.run("/bin/sh", "-c", "cat; echo out; echo err >&2")
os._exit(0 if (finished.code, output, children.output(1, 2)) == (0, b"out\\n", b"err\\n") else 1)
"""
    assert subprocess.run([PYTHON, "-c", script], check=False).returncode == 0


def test_the_child_leads_a_group_of_its_own_in_the_same_session(children: Children) -> None:
    pid = children.spawn(1, PYTHON, "-c", "import os; print(os.getpid(), os.getpgrp(), os.getsid(0))")
    children.finished(1)
    assert list(map(int, children.output(1).split())) == [pid, pid, os.getsid(0)]


def test_signal_mask_and_dispositions_are_the_default_ones(children: Children) -> None:
    ours = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGTERM})
    try:
        _, output = children.run("/bin/cat", "/proc/self/status")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        signal.signal(signal.SIGUSR1, ours)
    status = dict(line.split(":\t") for line in output.decode().splitlines() if line.startswith("Sig"))
    # glibc keeps 32 and 33 for itself; nobody ignores them.
    assert [int(status[name], 16) for name in ("SigBlk", "SigIgn", "SigCgt")] == [0, 0, 0]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == blocked


def test_the_working_directory_is_the_one_given(children: Children, tmp_path: Path) -> None:
    _, output = children.run("/bin/pwd", "-P", cwd=str(tmp_path))
    assert output == os.fsencode(os.path.realpath(tmp_path)) + b"\n"


def test_a_program_is_looked_up_on_the_path_of_the_child(children: Children, tmp_path: Path) -> None:
    """O-D7."""
    found = tool(tmp_path / "bin" / "mytool")
    _, output = children.run("mytool", env=[("PATH", f"/nowhere:{found.parent}")])
    assert output.decode() == f"{found}\n"


def test_a_relative_program_starts_at_the_working_directory_and_keeps_its_name(
    children: Children, tmp_path: Path
) -> None:
    tool(tmp_path / "sub" / "tool")
    _, output = children.run("./sub/tool", cwd=str(tmp_path))
    assert output == b"./sub/tool\n"


def test_without_a_path_the_system_directories_are_searched(children: Children) -> None:
    finished, _ = children.run("true", env=[])
    assert finished.code == 0


def refusal(children: Children, *argv: str, env: list[tuple[str, str]] = ENV, cwd: str = "/") -> str:
    """Why a program cannot be started, whether that is known at once or when its child has ended."""
    children.events.clear()
    known = None
    try:
        children.spawn(1, *argv, env=env, cwd=cwd)
    except SpawnError as error:
        known = error
    if known is not None:
        assert known.program == (argv[0] if argv else "")
        return known.reason
    finished = children.finished(1)
    assert (finished.code, finished.signal) == (None, None)
    assert finished.error is not None
    kind, reason = finished.error
    assert kind == "spawn"
    return reason


def test_a_program_that_is_not_found_is_refused(children: Children, tmp_path: Path) -> None:
    assert refusal(children, "no-such-tool") == "not found in PATH"
    assert refusal(children, "no-such-tool", env=[]).startswith("not found in PATH (its environment has none")
    assert refusal(children, "./gone", cwd=str(tmp_path)) == f"{tmp_path}/./gone does not exist"


def test_a_program_that_may_not_run_is_refused(children: Children, tmp_path: Path) -> None:
    locked = tool(tmp_path / "locked", mode=0o644)
    assert refusal(children, str(locked)) == "permission denied"
    assert refusal(children, "locked", env=[("PATH", str(tmp_path))]) == f"permission denied ({locked})"
    assert refusal(children, str(tmp_path)) == "permission denied: it is a directory"


def test_a_script_without_an_interpreter_is_refused(children: Children, tmp_path: Path) -> None:
    plain = tool(tmp_path / "plain", "echo hello\n")
    assert refusal(children, str(plain)) == "not executable: no #! line (Exec format error)"
    broken = tool(tmp_path / "broken", "#!/no/such/interpreter\n")
    assert refusal(children, str(broken)) == "the interpreter of its #! line does not exist"


def test_a_working_directory_that_cannot_be_entered_is_refused(children: Children, tmp_path: Path) -> None:
    gone, file = tmp_path / "gone", tool(tmp_path / "file")
    for program in ("/bin/true", "true", "./true"):
        assert refusal(children, program, cwd=str(gone)) == f"working directory {gone} does not exist"
        assert refusal(children, program, cwd=str(file)) == f"working directory {file} is not a directory"
    with pytest.raises(NonAbsoluteCwd):
        children.spawn(1, "true", cwd="relative")


def test_a_nul_byte_is_refused_wherever_it_stands(children: Children) -> None:
    assert refusal(children, "tr\0ue") == "the program name contains a NUL byte"
    assert refusal(children, "true", "a", "b\0") == "argument 2 contains a NUL byte"
    assert refusal(children, "true", cwd="/\0") == "the working directory contains a NUL byte"
    assert refusal(children, "true", env=[("A", "\0")]) == "environment variable A contains a NUL byte"


def test_what_cannot_be_a_command_or_an_environment_is_refused(children: Children) -> None:
    assert refusal(children) == "the command is empty"
    assert refusal(children, "") == "the program name is empty"
    assert refusal(children, "true", env=[("A=B", "")]) == '"A=B" cannot name an environment variable'
    assert refusal(children, "/bin/echo", "x" * (1 << 22)) == "arguments and environment are too long"


def test_a_refused_spawn_leaves_nothing_behind(children: Children, tmp_path: Path) -> None:
    plain = tool(tmp_path / "plain", "echo hello\n")
    refusal(children, str(plain))
    gc.collect()  # the objects of earlier tests, kept by tracebacks, would close descriptors meanwhile
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(20):
        refusal(children, str(plain))
    gc.collect()
    assert sorted(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    assert not children.processes.signal(1, signal.SIGTERM)
    assert children.queue.wait(0) == []


def test_many_children_started_at_once_each_run_their_own_command(children: Children) -> None:
    for token in range(1, 201):
        children.spawn(token, "/bin/echo", str(token))
    for token in range(1, 201):
        assert children.finished(token).code == 0
        assert children.output(token) == b"%d\n" % token


def test_a_program_that_was_just_written_is_not_held_open_by_a_child_that_is_starting(
    children: Children, tmp_path: Path
) -> None:
    """Else executing it fails: text file busy."""
    with open("/bin/true", "rb") as original:
        code = original.read()
    for token in range(1, 201, 2):
        program = tmp_path / f"program{token}"
        with program.open("wb") as file:
            file.write(code)
            program.chmod(0o755)
            file.flush()
            children.spawn(token, "/bin/true")
        children.spawn(token + 1, str(program))
    for token in range(1, 201):
        finished = children.finished(token)
        assert (finished.code, finished.error) == (0, None)


def test_a_child_can_be_ended_at_once_whether_it_has_executed_or_not(children: Children) -> None:
    for token in range(1, 51):
        children.spawn(token, "/bin/sleep", "1000")
        number = (signal.SIGTERM, signal.SIGKILL, signal.SIGQUIT)[token % 3]
        assert children.processes.end(token, number)
        assert children.finished(token).signal == number


def test_the_children_that_are_just_starting_are_descendants(children: Children) -> None:
    pids = {children.spawn(token, "/bin/sleep", "1000") for token in range(1, 21)}
    assert set(children.processes.descendants()) == pids
    assert children.processes.kill_descendants(signal.SIGKILL) == 20
    for token in range(1, 21):
        assert children.finished(token).signal == signal.SIGKILL


def test_a_token_in_use_is_refused_and_free_again_after_the_exit(children: Children) -> None:
    children.spawn(1, "/bin/cat", "/dev/zero")
    assert refusal(children, "true") == "token 1 is in use"
    children.processes.signal(1, signal.SIGKILL)
    assert children.finished(1).signal == signal.SIGKILL
    assert children.run("true")[0].code == 0
