"""Two commands in turn, A B A B …, and the ratio of each pair: whatever disturbs the machine disturbs both.

Every run is checked: the exit code here, and what really happened by the `check` of the command. A fast wrong answer
ends the bench.
"""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from statistics import median
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RUNS = 11


class Run(NamedTuple):
    """One run of a command. Times in seconds, memory in bytes: the largest of the process and all it waited for."""

    wall: float
    user: float
    system: float
    memory: int
    out: bytes
    err: bytes

    @property
    def cpu(self) -> float:
        return self.user + self.system


def accept(_run: Run) -> None:
    """Check nothing but the exit code."""


class Command(NamedTuple):
    """`shown` is the command line for readers; `prepare` goes before each run, untimed; `check` asserts.

    `env` is laid over the environment of the bench.
    """

    name: str
    argv: list[str]
    shown: str
    cwd: str | None = None
    check: Callable[[Run], None] = accept
    prepare: Callable[[], None] = lambda: None
    env: Mapping[str, str] = MappingProxyType({})


class Pair(NamedTuple):
    """All runs of two commands, in the order in which they ran."""

    title: str
    a: Command
    b: Command
    runs_a: list[Run]
    runs_b: list[Run]
    load: tuple[float, float]

    def ratios(self, of: Callable[[Run], float]) -> list[float]:
        """A divided by B, pair by pair."""
        return [of(a) / of(b) for a, b in zip(self.runs_a, self.runs_b, strict=True)]


class BenchError(Exception):
    """A command did not do what the bench measures."""


def environment() -> dict[str, str]:
    """Return the environment of the commands: without the settings of Python, of which `PYTHONDONTWRITEBYTECODE` alone
    makes the start of haz half as dear again.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def run(command: Command) -> Run:
    """Run a command once. Raises `BenchError` when it fails or its check does."""
    command.prepare()
    env = environment() | dict(command.env)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(
            command.argv, cwd=command.cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        done = Run(wall, usage.ru_utime, usage.ru_stime, usage.ru_maxrss * 1024, out.read(), err.read())
    if process.returncode != 0:
        tail = (done.out + done.err)[-2000:].decode(errors="replace")
        raise BenchError(f"{command.shown}: exit {process.returncode}\n{tail}")
    try:
        command.check(done)
    except AssertionError as error:
        raise BenchError(f"{command.shown}: not what the bench measures: {error}") from error
    return done


def compare(title: str, a: Command, b: Command, runs: int = RUNS) -> Pair:
    """Run both once unmeasured, then `runs` times in turn."""
    run(a)
    run(b)
    before = os.getloadavg()[0]
    runs_a, runs_b = [], []
    for _ in range(runs):
        # The output is checked by now; keeping it would make every later child look as large as this process.
        runs_a.append(run(a)._replace(out=b""))
        runs_b.append(run(b)._replace(out=b""))
    return Pair(title, a, b, runs_a, runs_b, (before, os.getloadavg()[0]))


def table(pair: Pair) -> str:
    """Render a pair as Markdown."""
    before, after = pair.load
    lines = [
        f"**{pair.title}** - {len(pair.runs_a)} runs each in turn after a warm-up; load {before:.1f} to {after:.1f}",
        "",
        "| | wall ms (min-max) | user ms | sys ms | max RSS MiB |",
        "| --- | --- | --- | --- | --- |",
    ]
    for command, runs in ((pair.a, pair.runs_a), (pair.b, pair.runs_b)):
        walls = [one.wall * 1000 for one in runs]
        lines.append(
            f"| {command.name} | {median(walls):.1f} ({min(walls):.1f}-{max(walls):.1f})"
            f" | {median(one.user * 1000 for one in runs):.1f} | {median(one.system * 1000 for one in runs):.1f}"
            f" | {memory_text(runs)} |"
        )
    wall, cpu = pair.ratios(lambda one: one.wall), pair.ratios(lambda one: one.cpu)
    both = f"{pair.a.name} / {pair.b.name}"
    lines += [
        f"| **{both}** | **{median(wall):.2f}** ({min(wall):.2f}-{max(wall):.2f}) | {median(cpu):.2f} user + sys | | |",
        "",
        f"{pair.a.name}: `{pair.a.shown}`<br>",
        f"{pair.b.name}: `{pair.b.shown}`",
        "",
    ]
    return "\n".join(lines)


def memory_text(runs: list[Run]) -> str:
    """Median memory; a child starts as a copy of this process, below whose own size nothing can be told."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    used = median(one.memory for one in runs)
    return f"{used / 2**20:.0f}" if used > own else f"≤ {own / 2**20:.0f}"


def show(title: str, a: Command, b: Command, runs: int = RUNS) -> Pair:
    """Compare and print."""
    pair = compare(title, a, b, runs)
    print(table(pair), flush=True)
    return pair
