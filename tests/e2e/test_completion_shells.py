"""Completion in the shells themselves, driven as somebody drives them: by keys in a terminal. Needs bash, zsh and fish.

They are slow tests because two of the shells are seldom there; `.ci/run` installs them. None is skipped: a shell that is
missing is a failure.
"""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.space import HAZ, Space

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

# A word for each kind of place in a command line, and what a tab makes of it. The same in every shell.
LINES = [
    ("haz affe", "haz affected "),
    ("haz run --verb", "haz run --verbose "),
    ("haz run w", "haz run web:serve "),
    ("haz why lib:b", "haz why lib:build "),
    ("haz run web:serve lib:t", "haz run web:serve lib:test "),
    ('haz run "lib:t', 'haz run "lib:test" '),
    ("haz run '[c]:b", "haz run '[c]:build' "),
    ("haz run '^:s", "haz run '^:serve' "),
    ("haz -C lib run '~:b", "haz -C lib run '~:build' "),
    ("haz run --color=n", "haz run --color=never "),
    ("haz verify lib:build --format j", "haz verify lib:build --format json "),
    ("haz run --report my", r"haz run --report my\ file.json "),
    ("haz run --report=my", r"haz run --report=my\ file.json "),
    ("haz -C we", "haz -C web/"),
    ("haz --directory=we", "haz --directory=web/"),
    ("haz init --from ca", "haz init --from cargo "),
    ("haz runs show l", "haz runs show latest "),
]
# Where one is no prefix of all, what is common to them.
COMMON = [("haz run l", "haz run lib"), ("haz run lib:", "haz run lib:"), ("haz nothing ", "haz nothing ")]


@pytest.fixture
def workspace(space: Space) -> Space:
    space.write(
        "lib/haz.yml",
        "name: lib\ntags: [c]\ntasks:\n  build: {command: [x], description: 'Compile: all [$of] it'}\n  test: {command: [x]}\n",
    )
    space.write("libs/haz.yml", "name: libs\ntasks: {check: {command: [x]}}\n")
    space.write("web/haz.yml", "name: web\ntasks: {serve: {command: [x]}}\n")
    space.write(".haz/workspace.yml", "projects: [/lib, /libs, /web]\n")
    space.write("my file.json", "")
    space.write(".bin/haz", f'#!/bin/sh\nexec {shlex.join(HAZ)} "$@"\n').chmod(0o755)
    return space


def shell(name: str) -> str:
    found = shutil.which(name)
    assert found is not None, f"{name} is not installed"
    return found


class Terminal:
    """A shell in a terminal. Its key `^X^B` shows the line that is being typed, between `<<` and `>>`."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal

    def talk(self, keys: str, until: str) -> str:
        os.write(self._terminal, keys.encode())
        seen = ""
        deadline = time.monotonic() + 60
        while re.search(until, seen) is None:
            left = deadline - time.monotonic()
            assert left > 0, seen
            if select.select((self._terminal,), (), (), left)[0]:
                seen += os.read(self._terminal, 4096).decode(errors="replace")
        return seen

    def completed(self, line: str) -> str:
        """What a tab makes of a line."""
        seen = self.talk(f"{line}\t\x18\x02", "<<.*>>")
        found = re.search("<<(.*)>>", seen)
        assert found is not None
        self.talk("\x15echo go''on\n", r"\ngoon\r?\n")
        return found[1]


@contextmanager
def terminal(space: Space, words: list[str], first: str) -> Iterator[Terminal]:
    """Start a shell with the settings in `first`."""
    child, descriptor = pty.fork()
    if child == 0:
        os.chdir(space.root)
        path = f"{space.root / '.bin'}:{os.environ['PATH']}"
        home = str(space.root / ".bin")
        os.execve(words[0], words, {"PATH": path, "TERM": "dumb", "PS1": "> ", "HOME": home, "LC_ALL": "C.UTF-8"})
    opened = Terminal(descriptor)
    try:
        opened.talk(f"{first}; echo re''ady\n", r"\nready\r?\n")
        yield opened
    finally:
        os.write(descriptor, b"\x15exit\n")
        os.close(descriptor)
        os.waitpid(child, 0)


BASH = r"""eval "$(haz completion bash)"; show() { echo "<<$READLINE_LINE>>"; }; bind -x '"\C-x\C-b": show'"""
ZSH = r"""unset zle_bracketed_paste; autoload -U compinit; compinit -u -D; eval "$(haz completion zsh)"; setopt no_beep
show() { print -r -- "<<$BUFFER>>" }; zle -N show; bindkey '^X^B' show; bindkey '^U' kill-whole-line"""


def test_tabs_in_bash(workspace: Space) -> None:
    with terminal(workspace, [shell("bash"), "--norc", "--noprofile", "-i"], BASH) as bash:
        for line, wanted in LINES + COMMON:
            assert bash.completed(line) == wanted, line


@pytest.mark.parametrize("installed", ["evaluated", "in a folder of functions"])
def test_tabs_in_zsh(workspace: Space, installed: str) -> None:
    first = ZSH.replace("\n", "; ")
    if installed != "evaluated":
        first = 'haz completion zsh > .bin/_haz; fpath=("$PWD/.bin" $fpath); ' + first.replace(
            'eval "$(haz completion zsh)"; ', ""
        )
    with terminal(workspace, [shell("zsh"), "-f", "-i"], first) as zsh:
        for line, wanted in LINES + COMMON:
            assert zsh.completed(line) == wanted, line
        seen = zsh.talk("haz why lib:\t\x18\x02", "<<.*>>")
        assert "Compile: all [$of] it" in seen


def in_fish(space: Space, line: str) -> list[str]:
    """The candidates of fish, by its own command for that."""
    script = f"haz completion fish | source; complete -C {shlex.quote(line)}"
    environment = {"PATH": f"{space.root / '.bin'}:{os.environ['PATH']}", "HOME": str(space.root / ".bin")}
    fish = [shell("fish"), "--no-config", "-c", script]
    done = subprocess.run(fish, cwd=space.root, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_candidates_in_fish(workspace: Space) -> None:
    for line, wanted in LINES:
        head = line.rpartition(" ")[2].lstrip("\"'")
        last = re.split(r"(?<!\\) ", wanted.rstrip())[-1].replace("\\ ", " ").strip("\"'")
        (found,) = (row.split("\t")[0] for row in in_fish(workspace, line))
        assert (found, last.startswith(head)) == (last, True), line
    assert in_fish(workspace, "haz run l") == ["lib:\t/lib", "libs:\t/libs"]
    assert in_fish(workspace, "haz run lib:") == ["lib:build\tCompile: all [$of] it", "lib:test"]
    assert in_fish(workspace, "haz nothing ") == []
    assert in_fish(workspace, "haz run --report nothing") == []
    assert in_fish(workspace, "nowhere/haz run ") != ["lib:\t/lib", "libs:\t/libs", "web:\t/web"]
