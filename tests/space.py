"""A small folder in which tests lay out a workspace and run the real `haz`, so that a test reads like a story."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

HAZ = [sys.executable, "-m", "haz"]
# A haz whose checkpoints count at once.
EAGER = [sys.executable, "-P", str(Path(__file__).with_name("eager.py"))]
SECONDS = 60


class Result:
    """What one `haz` process left behind: exit code, both streams as text, and for `run` its report."""

    def __init__(self, code: int, out: bytes, err: bytes, report: Path) -> None:
        self.code = code
        self.raw_out = out
        self.raw_err = err
        self.out = out.decode(errors="surrogateescape")
        self.err = err.decode(errors="surrogateescape")
        self.report = json.loads(report.read_bytes()) if report.exists() else {}

    def tasks(self, outcome: str, source: str | None = None) -> set[str]:
        """Names of the tasks that ended so."""
        found = self.report["tasks"].items()
        return {name for name, end in found if end["outcome"] == outcome and source in (None, end.get("source"))}

    @property
    def ran(self) -> set[str]:
        """Tasks that were really run, and succeeded."""
        return self.tasks("succeeded", "fresh")

    @property
    def cached(self) -> set[str]:
        return self.tasks("succeeded", "hit")

    @property
    def spawned(self) -> int:
        return self.report["spawned"]

    def ok(self) -> Result:
        assert self.code == 0, f"exit {self.code}\n{self.out}\n{self.err}"
        return self


class Space:
    """A workspace under construction. Paths are relative to its root. `command` is what runs as haz."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.command = HAZ
        self._runs = 0

    def write(self, path: str, text: str | bytes) -> Path:
        """Write a file; text is dedented."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, bytes):
            target.write_bytes(text)
        else:
            target.write_text(textwrap.dedent(text).lstrip("\n"))
        return target

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def project(self, path: str, tasks: str, name: str | None = None) -> None:
        """Write a `haz.yml` with the given tasks, and list the project in the workspace file."""
        body = textwrap.indent(textwrap.dedent(tasks).strip("\n"), "  ")
        self.write(f"{path}/haz.yml", f"name: {name or path.rsplit('/', 1)[-1]}\ntasks:\n{body}\n")
        listing = self.root / ".haz/workspace.yml"
        if not listing.exists():
            self.write(".haz/workspace.yml", "projects:\n")
        text = listing.read_text()
        head, _, rest = text.partition("projects:\n")
        listing.write_text(f"{head}projects:\n  - /{path}\n{rest}")

    def settings(self, text: str) -> None:
        """Append settings to the workspace file."""
        listing = self.root / ".haz/workspace.yml"
        if not listing.exists():
            self.write(".haz/workspace.yml", "projects:\n")
        listing.write_text(listing.read_text() + textwrap.dedent(text).lstrip("\n"))

    def _prepare(self, arguments: tuple[str, ...]) -> tuple[list[str], Path]:
        self._runs += 1
        report = self.root.parent / f"{self.root.name}-report-{self._runs}.json"
        extra = ["--report", str(report)] if arguments[:1] == ("run",) and "--dry-run" not in arguments else []
        return [*self.command, *arguments[:1], *extra, *arguments[1:]], report

    def haz(self, *arguments: str, cwd: str = ".", env: dict[str, str] | None = None) -> Result:
        """Run `haz` to its end."""
        command, report = self._prepare(arguments)
        done = subprocess.run(
            command,
            cwd=self.root / cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr, report)

    def run(self, *arguments: str, cwd: str = ".", env: dict[str, str] | None = None) -> Result:
        return self.haz("run", *arguments, cwd=cwd, env=env)

    def start(self, *arguments: str, env: dict[str, str] | None = None, merged: bool = False) -> Running:
        """Start `haz` and go on. With `merged` both its streams are one, as on a terminal."""
        command, report = self._prepare(arguments)
        process = subprocess.Popen(
            command,
            cwd=self.root,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merged else subprocess.PIPE,
        )
        return Running(process, report)

    def files(self, path: str = ".") -> dict[str, tuple[int, bytes]]:
        """Every file below a folder with its mode and bytes."""
        found = {}
        for file in sorted((self.root / path).rglob("*")):
            if file.is_file():
                found[str(file.relative_to(self.root))] = (file.stat().st_mode & 0o7777, file.read_bytes())
        return found


class Running:
    """A `haz` process that has not ended yet."""

    def __init__(self, process: subprocess.Popen[bytes], report: Path) -> None:
        self.process = process
        self._report = report
        self._seen = b""

    def wait_for(self, text: str) -> None:
        """Read standard output until a line holds the text."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._seen += line
            if text.encode() in line:
                return
        raise AssertionError(f"{text!r} never came:\n{self._seen!r}\n{self.process.communicate()[1]!r}")

    def signal(self, number: int = signal.SIGINT) -> None:
        self.process.send_signal(number)

    def end(self) -> Result:
        out, err = self.process.communicate(timeout=SECONDS)
        return Result(self.process.returncode, self._seen + out, err, self._report)


def living(marker: str) -> list[int]:
    """Processes whose environment holds the marker (Linux)."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if marker.encode() in environment:
                found.append(int(entry.name))
    return found
