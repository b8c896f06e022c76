"""The terminal form of `haz init`, through a real pseudo terminal and an emulator that knows what is on its screen."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from typing import TYPE_CHECKING

import pyte
import pytest

from tests.space import HAZ, SECONDS, Space

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

UP, DOWN, RIGHT, LEFT, ESCAPE, ENTER, CTRL_C = b"\x1b[A", b"\x1b[B", b"\x1b[C", b"\x1b[D", b"\x1b", b"\r", b"\x03"


class Form:
    """`haz init` on a terminal of its own."""

    def __init__(self, space: Space, columns: int = 80, lines: int = 24, **env: str) -> None:
        self.space = space
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.code: int | None = None
        self.pid, self.descriptor = pty.fork()
        if not self.pid:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            os.chdir(space.root)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
            kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "LC_ALL")}
            given = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "GIT_CONFIG_GLOBAL": "/dev/null", **env}
            os.execvpe(HAZ[0], [*HAZ, "init"], {**kept, **given})
        self.modes = termios.tcgetattr(self.descriptor)

    def _read(self, seconds: float) -> bool:
        """Take what has come; whether there may be more."""
        if not select.select([self.descriptor], [], [], seconds)[0]:
            raise AssertionError(f"nothing more came:\n{self.text}\n{self.raw[-500:]!r}")
        try:
            data = os.read(self.descriptor, 65536)
        except OSError:
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)

    def until(self, holds: Callable[[], bool]) -> Form:
        deadline = time.monotonic() + SECONDS
        while not holds():
            if not self._read(max(0.0, deadline - time.monotonic())):
                raise AssertionError(f"it ended too early:\n{self.text}\n{self.raw!r}")
        return self

    def shows(self, *texts: str) -> Form:
        return self.until(lambda: all(text in self.text for text in texts))

    def press(self, *keys: bytes) -> Form:
        os.write(self.descriptor, b"".join(keys))
        return self

    def resize(self, columns: int, lines: int) -> Form:
        self.screen.resize(lines, columns)
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        return self

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    def end(self) -> str:
        """Wait for the end; returns what was printed after the form was left. The terminal must be as before."""
        while self._read(SECONDS):
            pass
        self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.pid = 0
        assert termios.tcgetattr(self.descriptor) == self.modes
        before, left, after = self.raw.rpartition(b"\x1b[?1049l")
        assert left or b"\x1b[?1049h" not in before
        return re.sub(r"\x1b\[[?0-9;]*[a-z]", "", after.decode())

    def close(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.descriptor)


@pytest.fixture
def open_form(space: Space) -> Iterator[Callable[..., Form]]:
    forms: list[Form] = []

    def opened(**given: object) -> Form:
        form = Form(space, **given)
        forms.append(form)
        return form

    for path in ("apps/site/src", "apps/shop", "lib", ".cache/deep", "dist/out"):
        (space.root / path).mkdir(parents=True)
    space.write(".gitignore", "dist/\n")
    space.write("lib/file.txt", "no directory")
    yield opened
    for form in forms:
        form.close()


@pytest.fixture
def form(open_form: Callable[..., Form]) -> Form:
    return open_form().shows("[ Commit selection (0 projects) ]")


def test_the_tree_shows_directories_and_hides_what_git_ignores(form: Form, space: Space) -> None:
    """AUX-003."""
    assert form.screen.display[0].strip() == "haz init — select the projects of this workspace"
    assert [line.rstrip() for line in form.screen.display[1:8]] == [
        f" cwd: {space.root}"[:80],
        " □ ▼ /",
        " □   ▶ apps",
        " □   ▶ lib",
        "",
        "  [ Commit selection (0 projects) ]",
        "",
    ]
    form.press(b"h").shows("hidden directories are shown", "▶ .cache", "▶ dist")
    form.press(b"H").shows("hidden directories are hidden")
    assert ".cache" not in form.text
    form.press(b"q")
    assert (form.end(), form.code) == ("", 0)


def test_selecting_committing_and_confirming_writes_what_was_shown(form: Form, space: Space) -> None:
    """AUX-005, AUX-006: three states, one confirmation, and a workspace that loads."""
    form.press(DOWN, RIGHT).shows("▼ apps", "▶ site")
    form.press(b" ").shows("■   ▼ apps    (project)", "(1 project)")
    form.press(b" ").shows("▣   ▼ apps    (projects parent)", "(2 projects)")
    form.press(DOWN, DOWN, DOWN, b" ").shows("■   ▶ lib", "(3 projects)")
    form.press(ENTER).shows(
        '- "/apps/*"', "- /lib", "/apps/site  site", "/apps/shop  shop", "/lib  lib", "Write these files?"
    )
    assert not (space.root / ".haz").exists()
    form.press(b"x", b"?", b" ").press(b"y")
    assert form.end() == "wrote .haz/workspace.yml and 3 new haz.yml\r\n"
    assert form.code == 0
    assert space.read(".haz/workspace.yml") == b'projects:\n  - "/apps/*"\n  - /lib\n'
    assert space.read("apps/site/haz.yml") == b"name: site\ntasks: {}\n"
    assert set(space.files()) == {
        ".gitignore",
        "lib/file.txt",
        ".haz/workspace.yml",
        "apps/site/haz.yml",
        "apps/shop/haz.yml",
        "lib/haz.yml",
    }
    space.haz("check").ok()
    assert space.haz("query", "--projects", "site").code == 0


def test_a_directory_without_directories_is_no_projects_parent(form: Form) -> None:
    """AUX-004, the first refusal: a bell, and the step is skipped."""
    form.press(DOWN, DOWN, b" ").shows("■   ▶ lib    (project)")
    form.press(b" ").shows("no subdirectories", "□   ▶ lib")
    assert b"\x07" in form.raw
    form.press(RIGHT).shows("no subdirectories")
    form.press(UP).until(lambda: "no subdirectories" not in form.text)
    form.press(CTRL_C)
    assert (form.end(), form.code) == ("", 130)


def test_below_a_projects_parent_nothing_is_selected(form: Form) -> None:
    """AUX-004, the second refusal; and what was selected below before is gone for good."""
    form.press(DOWN, RIGHT, DOWN, b" ").shows("■     ▶ shop    (project)")
    form.press(UP, b" ", b" ").shows("▣   ▼ apps", "□     ▶ shop")
    form.press(DOWN, b" ").shows("projects-parent", "□     ▶ shop")
    assert b"\x07" in form.raw
    form.press(UP, b" ").shows("□   ▼ apps", "□     ▶ shop", "(0 projects)")
    form.press(ESCAPE)
    assert (form.end(), form.code) == ("", 0)


def test_collapsing_keeps_what_is_selected_below(form: Form) -> None:
    form.press(DOWN, RIGHT, DOWN, b" ", UP, LEFT).shows("▶ apps", "(1 project)")
    form.press(RIGHT).shows("■     ▶ shop")
    form.press(CTRL_C)
    form.end()


def test_the_button_is_part_of_the_way_and_space_does_nothing_there(form: Form) -> None:
    form.press(UP).until(lambda: form.screen.buffer[6][2].reverse)
    form.press(b" ", RIGHT, LEFT, DOWN).until(lambda: form.screen.buffer[2][1].reverse)
    form.press(UP, ENTER).shows("projects: []", "no new haz.yml")
    form.press(b"y")
    assert form.end() == "wrote .haz/workspace.yml and 0 new haz.yml\r\n"


def test_the_help_is_closed_by_any_key_which_does_nothing_else(form: Form) -> None:
    form.press(b"?").shows("any key closes this page")
    form.press(b"q").shows("[ Commit selection")
    form.press(b"?").shows("any key closes this page")
    form.press(CTRL_C)
    assert (form.end(), form.code) == ("", 130)


@pytest.mark.parametrize(
    ("keys", "code"), [(b"n", 0), (b"N", 0), (b"q", 0), (b"Q", 0), (ESCAPE, 0), (CTRL_C, 130)], ids=repr
)
def test_the_confirmation_can_be_declined(form: Form, space: Space, keys: bytes, code: int) -> None:
    """AUX-008."""
    form.press(DOWN, b" ", ENTER).shows("Write these files?")
    form.press(keys)
    assert (form.end(), form.code) == ("", code)
    assert set(space.files()) == {".gitignore", "lib/file.txt"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
@pytest.mark.parametrize("confirming", [False, True], ids=["tree", "confirmation"])
def test_a_signal_leaves_the_terminal_as_it_was(form: Form, space: Space, number: int, confirming: bool) -> None:
    """O13 of 04 §14."""
    if confirming:
        form.press(DOWN, b" ", ENTER).shows("Write these files?")
    os.kill(form.pid, number)
    assert (form.end(), form.code) == ("", 128 + number)
    assert set(space.files()) == {".gitignore", "lib/file.txt"}


def test_another_size_is_another_frame(form: Form) -> None:
    form.press(DOWN, RIGHT, b" ").shows("■   ▼ apps    (project)")
    form.resize(40, 9).until(
        lambda: "expand" not in form.screen.display[8][30:] and "↑↓ move" in form.screen.display[8]
    )
    assert "■   ▼ apps    (project)" in form.text
    # Three lines are left for the tree: they go with the focus.
    form.press(DOWN, DOWN, DOWN).shows("▶ lib")
    assert " ▼ /" not in form.text
    form.resize(80, 24).shows(" ▼ /", "q quit")
    form.press(b"q")
    form.end()


def test_a_narrow_terminal_drops_the_label_and_nothing_else(open_form: Callable[..., Form]) -> None:
    form = open_form(columns=20).shows("▶ apps")
    form.press(DOWN, b" ").shows("■   ▶ apps")
    assert "(project)" not in form.text
    form.press(b"q")
    form.end()


def test_no_color_keeps_glyphs_and_focus(open_form: Callable[..., Form]) -> None:
    form = open_form(NO_COLOR="1").shows("▶ apps")
    form.press(DOWN, b" ").shows("■   ▶ apps    (project)")
    cells = [cell for line in form.screen.buffer.values() for cell in line.values()]
    assert {cell.fg for cell in cells} == {"default"}
    assert form.screen.buffer[3][1].reverse
    form.press(b"q")
    form.end()


def test_colours_tell_projects_and_parents_apart(open_form: Callable[..., Form]) -> None:
    form = open_form(COLORTERM="truecolor").shows("▶ apps")
    form.press(DOWN, b" ").shows("■   ▶ apps")
    assert form.screen.buffer[3][1].fg == "green"
    form.press(b" ").shows("▣   ▶ apps")
    assert form.screen.buffer[3][1].fg == "cyan"
    form.press(b"h").shows("▶ dist")
    assert form.screen.buffer[5][5].fg == "cc6600"
    form.press(b"q")
    form.end()


def test_a_terminal_without_unicode_gets_ascii(open_form: Callable[..., Form]) -> None:
    form = open_form(LC_ALL="C").shows("> apps")
    form.press(DOWN, b" ").shows("#   > apps    (project)")
    assert form.text.isascii()
    form.press(b"q")
    form.end()


def test_a_dumb_terminal_is_refused(open_form: Callable[..., Form], space: Space) -> None:
    form = open_form(TERM="dumb")
    assert "use --yes" in form.end()
    assert form.code == 2
    assert not (space.root / ".haz").exists()


def test_without_a_terminal_there_is_a_hint(space: Space) -> None:
    """11.3."""
    done = space.haz("init")
    assert done.code == 2
    assert "use --yes" in done.err
    assert space.files() == {}


def test_an_existing_workspace_is_refused_before_the_screen(open_form: Callable[..., Form], space: Space) -> None:
    """AUX-002."""
    space.write(".haz/mine", "")
    form = open_form()
    assert "existing workspace" in form.end()
    assert form.code == 2
    assert b"1049h" not in form.raw


def test_an_error_is_told_when_the_terminal_is_back(form: Form, space: Space) -> None:
    """AUX-005: no name can be derived."""
    (space.root / "lib/___").mkdir()
    form.press(DOWN, DOWN, RIGHT).shows("▶ ___")
    form.press(DOWN, b" ", ENTER)
    after = form.end()
    assert "could not derive a valid project name from the directory /lib/___" in after
    assert form.code == 2
    assert not (space.root / ".haz").exists()


def test_what_cannot_be_written_is_taken_back_and_told(form: Form, space: Space) -> None:
    form.press(DOWN, b" ", ENTER).shows("Write these files?")
    (space.root / ".haz").write_text("somebody was faster")
    form.press(b"y")
    assert "cannot write" in form.end()
    assert form.code == 2
    assert set(space.files()) == {".gitignore", "lib/file.txt", ".haz"}
