"""Hunt for a traceback: signals while haz starts, at every millisecond after its process was made.

`python -m tests.hunts.early_signals [N]` sends N signals of each kind (20) at each millisecond from 0 to 60, and prints
how often each end was seen; `test_early_signals.py` runs a short form.
"""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter

import haz

KINDS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGQUIT: 131}
LAST = 60
# What pip writes into `bin/haz`.
SCRIPT = "from haz.__main__ import program\nprogram()\n"
PACKAGE = str(pathlib.Path(haz.__file__).parent)
OURS, PYTHONS = "traceback out of haz", "traceback from before haz's first line"


def _as_in_a_terminal() -> None:
    """A background job of a shell ignores SIGINT, and haz keeps what is ignored."""
    for kind in KINDS:
        signal.signal(kind, signal.SIG_DFL)


def end_of(kind: signal.Signals, delay: float, script: pathlib.Path) -> str:
    """Start haz, signal it after `delay` seconds, and say how it ended."""
    child = subprocess.Popen(
        [sys.executable, script, "--version"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        preexec_fn=_as_in_a_terminal,  # noqa: PLW1509 - no threads here
    )
    time.sleep(delay)
    os.kill(child.pid, kind)
    _, told = child.communicate()
    if told:
        return OURS if os.fsencode(PACKAGE) in told else PYTHONS
    if child.returncode == 0:
        return "was done"
    return "ended by the signal" if child.returncode in (KINDS[kind], -kind) else f"status {child.returncode}"


def hunt(count: int, delays: range) -> dict[str, Counter[str]]:
    """Return how often each end was seen, by the name of the signal."""
    found: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as place:
        script = pathlib.Path(place, "haz")
        script.write_text(SCRIPT)
        for kind in KINDS:
            found[kind.name] = Counter(end_of(kind, ms / 1000, script) for ms in delays for _ in range(count))
    return found


def main() -> int:
    found = hunt(int(sys.argv[1]) if len(sys.argv) > 1 else 20, range(LAST + 1))
    for name, ends in found.items():
        for end, count in ends.most_common():
            sys.stdout.write(f"{name} {count:6} {end}\n")
    return 1 if any(ends[OURS] for ends in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
