"""haz in a terminal: Ctrl-Z, Ctrl-C, a closed window; a real shell with job control starts it."""

from __future__ import annotations

import os
import pty
import select
import signal
import termios
import time
from typing import TYPE_CHECKING

import pytest

from tests.boundary.children import process_state, wait_until_gone
from tests.space import HAZ, SECONDS, Space, living

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MARK = f"terminal-{os.getpid()}"
TICK = f'env: {{override: {{HAZ_MARK: {MARK}}}}}, cache: false, shell: "echo started; while ! [ -e stop ]; do sleep 0.02; done"'


class Terminal:
    """A pseudo terminal on which a shell runs a script."""

    def __init__(self, space: Space, script: str) -> None:
        self.seen = b""
        self.pid, self.descriptor = pty.fork()
        if not self.pid:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            os.chdir(space.root)
            os.execvp("bash", ["bash", "--norc", "-m", "-c", script.replace("HAZ", " ".join(HAZ))])

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + SECONDS
        while text.encode() not in self.seen:
            ready, _, _ = select.select([self.descriptor], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{text!r} never came:\n{self.seen.decode()}"
            try:
                self.seen += os.read(self.descriptor, 4096)
            except OSError:
                raise AssertionError(f"{text!r} never came:\n{self.seen.decode()}") from None
        self.seen = self.seen.partition(text.encode())[2]

    def type(self, keys: bytes) -> None:
        os.write(self.descriptor, keys)

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def states() -> set[str | None]:
    """How the processes of the tasks are."""
    return {process_state(pid) for pid in living(MARK)}


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    made: list[Terminal] = []
    yield made
    for terminal in made:
        terminal.close()
        os.kill(terminal.pid, signal.SIGKILL)
        os.waitpid(terminal.pid, 0)


def test_a_terminal_that_does_not_know_its_width_wraps_by_itself(space: Space, terminals: list[Terminal]) -> None:
    """D14: it used to be one of 0 columns, a word a line."""
    space.project("lib", "t: {command: [echo], inputs: 7}")
    terminals.append(Terminal(space, "LC_ALL=C.UTF-8 NO_COLOR=1 HAZ check"))
    terminals[0].wait_for(' expected a list of strings, found "7" (at `tasks.t.inputs`)')
    space.write("lib/haz.yml", "name: lib\ntasks: {t: {command: [echo]}}\n")
    terminals.append(Terminal(space, "NO_COLOR=1 HAZ list --format table"))
    terminals[1].wait_for("│ lib:t │")


@pytest.mark.parametrize(
    ("settings", "signs"),
    [("LC_ALL=C.UTF-8", "▸✓✗◉"), ("LC_ALL=C", ">+x="), ("TERM=linux", ">+x=")],
)
def test_the_signs_of_a_run_are_those_that_the_terminal_has(
    space: Space, terminals: list[Terminal], settings: str, signs: str
) -> None:
    """04 §14 C9: what tasks print is theirs."""
    space.project("lib", "a: {command: [echo, ✓]}\nb: {command: ['false']}\n")
    terminals.append(
        Terminal(space, f"export NO_COLOR=1 {settings}; HAZ run --all -j1 --verbose; HAZ run lib:a; HAZ runs show")
    )
    for line in ("{} echo", "✓", "{} done in", "{} failed in", "{} cached in", "{} cached in"):
        terminals[0].wait_for("] " + line.format(signs[0]))
        signs = signs[1:] if "{" in line and len(signs) > 1 else signs


def test_ctrl_z_stops_the_tasks_with_haz_and_fg_goes_on(space: Space, terminals: list[Terminal]) -> None:
    """And the terminal is what it was before: its modes, and in whose hands it is."""
    space.project("lib", f"t: {{{TICK}}}")
    script = "HAZ run lib:t; echo first $?; read line; fg; echo then $?; read line; echo read $line"
    terminal = Terminal(space, script)
    terminals.append(terminal)
    modes = termios.tcgetattr(terminal.descriptor)
    terminal.wait_for("started")
    terminal.type(b"\x1a")
    terminal.wait_for(f"first {128 + signal.SIGTSTP}")
    until(lambda: {"T"} <= states() <= {"T", "D"})
    terminal.type(b"\n")
    (space.root / "lib/stop").touch()
    terminal.wait_for("then 0")
    terminal.type(b"word\n")
    terminal.wait_for("read word")
    assert termios.tcgetattr(terminal.descriptor) == modes


def test_ctrl_c_reaches_haz_only_and_ends_everything(space: Space, terminals: list[Terminal]) -> None:
    space.project("lib", f"t: {{{TICK}}}")
    terminal = Terminal(space, "HAZ run lib:t; echo code $?")
    terminals.append(terminal)
    terminal.wait_for("started")
    terminal.type(b"\x03")
    terminal.wait_for("code 130")
    assert living(MARK) == []


def test_a_task_that_reads_the_terminal_can_still_be_ended(space: Space, terminals: list[Terminal]) -> None:
    """The terminal is not its own: the system stops it, and TERM continues it to its end."""
    space.project("lib", f'r: {{env: {{override: {{HAZ_MARK: {MARK}}}}}, shell: "echo started; read x < /dev/tty"}}')
    terminal = Terminal(space, "HAZ run lib:r; echo code $?")
    terminals.append(terminal)
    terminal.wait_for("started")
    until(lambda: {"T"} <= states() <= {"T", "D"})
    terminal.type(b"\x03")
    terminal.wait_for("code 130")


def test_closing_the_terminal_ends_everything(space: Space, terminals: list[Terminal]) -> None:
    """D13: a background job and a session of its own too."""
    stray = TICK.replace("echo started;", "sleep 300 & setsid sleep 300 & echo started;")
    space.project("lib", f"t: {{{stray}}}")
    terminal = Terminal(space, "HAZ run lib:t; exit")
    terminals.append(terminal)
    terminal.wait_for("started")
    children = living(MARK)
    assert len(children) >= 3
    terminal.close()
    for pid in children:
        wait_until_gone(pid)
