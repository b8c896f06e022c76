"""What `--help` of every command prints, and the manual page: `python -m tests.docs.pins` writes both anew."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from haz.cli import tree
from haz.cli.man import page

ROOT = Path(__file__).parents[2]
HELP = ROOT / "tests/docs/help.txt"
MAN = ROOT / "docs/man/haz.1"
ASK = "import sys; from haz.cli import run_command_line\nfor path in {paths!r}:\n    print('$ haz', *path, '--help', flush=True); run_command_line([*path, '--help']); print(flush=True)"


def paths() -> list[tuple[str, ...]]:
    """Every command and subcommand, the program itself first."""
    found: list[tuple[str, ...]] = [()]
    for command in tree.every().values():
        found += [command.path, *(sub.path for sub in command.subcommands.values())]
    return found


def help_text() -> str:
    ask = [sys.executable, "-c", ASK.format(paths=paths())]
    return subprocess.run(ask, capture_output=True, text=True, check=True).stdout


def main() -> None:
    HELP.write_text(help_text())
    MAN.parent.mkdir(exist_ok=True)
    MAN.write_text(page())


if __name__ == "__main__":
    main()
