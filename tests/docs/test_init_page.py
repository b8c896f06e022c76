"""The example of docs/cli/init.md is run, and what is printed is what the page says."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from haz.importers import SOURCES
from tests.space import HAZ, Space

PAGE = (Path(__file__).resolve().parents[2] / "docs/cli/init.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_every_command_of_the_page_prints_what_the_page_shows(space: Space) -> None:
    for block in blocks("toml"):
        head, _, body = block.partition("\n")
        space.write(head.removeprefix("# "), body)
    steps = [step for block in blocks("console") for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    assert len(steps) == 4
    for step in steps:
        command, _, shown = step.partition("\n")
        done = subprocess.run(
            ["bash", "-c", re.sub(r"^haz", " ".join(HAZ), command)],
            cwd=space.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            text=True,
        )
        assert done.stdout.replace(str(space.root), "/…").rstrip("\n") == shown.rstrip("\n"), command


def test_every_tool_has_a_row() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE.partition("does not become")[2], re.MULTILINE) == list(SOURCES)
