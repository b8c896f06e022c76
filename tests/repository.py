"""A git repository under construction, with no configuration but its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

WHO = {
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@b",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@b",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
    "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
}


def unconfigured() -> dict[str, str]:
    """Return the environment of this process without git's variables, and without the settings of machine and user."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return own | dict.fromkeys(("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "XDG_CONFIG_HOME"), os.devnull)


@pytest.fixture
def neutral(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Let no configuration of the machine in; returns the home directory that git then has."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (home / ".gitconfig").write_text('[init]\ndefaultBranch = main\n[protocol "file"]\nallow = always\n')
    return home


class Repository:
    """`git` in one directory; `write` and `commit` make history."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    @classmethod
    def new(cls, root: Path, **files: str) -> Repository:
        made = cls(root)
        made.git("init", "-q")
        for path, text in files.items():
            made.write(path, text)
        if files:
            made.commit()
        return made

    def git(self, *words: str | bytes, env: dict[str, str] | None = None) -> bytes:
        done = subprocess.run(
            ["git", *words], cwd=self.root, env={**os.environ, **WHO, **(env or {})}, capture_output=True, check=False
        )
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout

    def write(self, path: str | bytes, text: str | bytes = "") -> None:
        target = os.path.join(os.fsencode(self.root), os.fsencode(path))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())

    def remove(self, path: str) -> None:
        (self.root / path).unlink()

    def commit(self, message: str = "c") -> str:
        """Commit all that there is; returns the id."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD").decode().strip()

    def status(self, place: str = ".") -> set[str]:
        """What `git status` shows below a directory, from the top: the oracle of what has changed since `HEAD`.

        Not what was added to the index and is gone again: neither `HEAD` nor the directory has it.
        """
        out = self.git("status", "--porcelain", "-z", "-uall", "--no-renames", "--ignore-submodules=none", "--", place)
        return {os.fsdecode(row[3:]) for row in out.split(b"\0") if row and row[:2] != b"AD"}
