"""Looks for processes that outlive haz: random trees of processes, haz ended at a random moment in every way there is.

    python -m tests.hunts.orphans [RUNS [SEED]]

After each run no process with the run's marker may live, the exit code is that of the signal, and haz works again.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.space import HAZ, Space, living

DAEMON = """
import os, signal, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.chdir("/")
os.closerange(0, 64)
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
time.sleep(300)
"""

# What a task leaves running; `$D` is the file of the daemon above.
BRANCHES = (
    "sleep 300 &",
    "sleep 300 > /dev/null 2>&1 &",
    "(trap '' INT TERM HUP; sleep 300; sleep 300) &",
    "(trap '' INT TERM HUP; while :; do sleep 0.01; done) > /dev/null 2>&1 &",
    "setsid sleep 300 &",
    "setsid sleep 300 > /dev/null 2>&1 &",
    "setsid sh -c 'trap \"\" TERM; sleep 300 & wait; sleep 300' > /dev/null 2>&1 &",
    "(setsid sh -c 'sleep 300 & exec sleep 300' &)",
    "(setsid sh -c '(sleep 300 > /dev/null 2>&1 &) ; exit 0' &)",
    "python3 -S -E $D",
    "sh -c 'kill -STOP $$' &",
)
TRUNKS = ("exit 0", "exit 3", "wait", "exec sleep 300", "trap 'echo asked' TERM; while :; do sleep 0.02; done")
# What is sent to haz, each with a pause of seconds before the next.
ENDS = (
    (signal.SIGINT,),
    (signal.SIGTERM,),
    (signal.SIGHUP,),
    (signal.SIGQUIT,),
    (signal.SIGINT, signal.SIGINT),
    (signal.SIGINT, signal.SIGTERM, signal.SIGINT),
    (signal.SIGKILL,),
    (signal.SIGKILL,),
    (signal.SIGINT, signal.SIGKILL),
    (signal.SIGTSTP, signal.SIGKILL),
)


class Hunt:
    """One workspace, whose tasks are written anew for each run."""

    def __init__(self, root: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.space = Space(root)
        self.daemon = self.space.write("daemon.py", DAEMON)
        self.seed = seed

    def plant(self, marker: str) -> list[str]:
        """Write tasks; returns their scripts."""
        scripts = []
        for _ in range(self.random.randint(1, 4)):
            branches = self.random.choices(BRANCHES, k=self.random.randint(0, 4))
            scripts.append("\n".join((*branches, self.random.choice(TRUNKS))).replace("$D", str(self.daemon)))
        tasks = "".join(
            f"  t{number}:\n    cache: false\n    timeout: {self.random.choice(('0.2', '300'))}\n"
            f"    env: {{override: {{HAZ_HUNT: {marker}}}}}\n    shell: |\n"
            + "".join(f"      {line}\n" for line in script.splitlines())
            for number, script in enumerate(scripts)
        )
        self.space.write("lib/haz.yml", f"name: lib\ntasks:\n{tasks}  ok: {{command: ['true'], cache: false}}\n")
        self.space.write(
            ".haz/workspace.yml",
            "projects: [/lib]\nconcurrency: {default: 4}\nexecution: {cancel_grace: 0.3}\n",
        )
        return scripts

    def run(self, number: int) -> str | None:
        """One run; returns what is wrong."""
        marker = f"hunt-{os.getpid()}-{self.seed}-{number}"
        scripts = self.plant(marker)
        ends = self.random.choice(ENDS)
        pause = self.random.uniform(0.0, 0.8)
        haz = subprocess.Popen(
            [*HAZ, "run", "--all"],
            cwd=self.space.root / "lib",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            preexec_fn=listen,  # noqa: PLW1509 - no threads here
        )
        story = f"run {number}, after {pause:.3f} s {[end.name for end in ends]}:\n" + "\n--\n".join(scripts)
        for end in ends:
            try:
                haz.wait(pause)
                break
            except subprocess.TimeoutExpired:
                haz.send_signal(end)
            pause = self.random.uniform(0.0, 0.3)
        try:
            _, err = haz.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            left = [command_line(pid) for pid in living(marker)]
            haz.send_signal(signal.SIGKILL)
            return f"haz {haz.pid} hangs, with {left}: {story}\n{haz.communicate()[1].decode()}"
        code = haz.returncode if haz.returncode >= 0 else 128 - haz.returncode
        killed = signal.SIGKILL in ends or ends.count(signal.SIGINT) + ends.count(signal.SIGTERM) > 2
        left = self.gone(marker, 10.0 if killed else 0.0)
        if left:
            return f"{left} live on: {story}\n{err.decode()}"
        if code not in {0, 1, *(128 + end for end in ends)}:
            return f"exit code {code}: {story}\n{err.decode()}"
        again = self.space.haz("run", "lib:ok")
        return None if again.code == 0 else f"the next run fails: {story}\n{again.err}"

    def gone(self, marker: str, patience: float) -> list[str]:
        """Wait until nothing with the marker lives; returns what does after all."""
        deadline = time.monotonic() + patience
        while True:
            left = living(marker)
            if not left or time.monotonic() >= deadline:
                return [command_line(pid) for pid in left]


def listen() -> None:
    """A shell starts background jobs with some of these ignored, `nohup` with another, and haz respects that."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def command_line(pid: int) -> str:
    try:
        return f"{pid} {Path(f'/proc/{pid}/cmdline').read_bytes()!r}"
    except OSError:
        return f"{pid}, which has gone since"


def hunt(root: Path, runs: int, seed: int) -> list[str]:
    """Return what went wrong in `runs` runs."""
    chase = Hunt(root, seed)
    return [wrong for number in range(runs) if (wrong := chase.run(number)) is not None]


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 30)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        wrong = hunt(Path(place).resolve(), runs, seed)
    end = f"{runs} runs with seed {seed} in {time.monotonic() - started:.0f} s, {len(wrong)} went wrong"
    sys.stdout.write("\n\n".join((*wrong, end)) + "\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
