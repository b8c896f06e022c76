"""Help and manual are read before they change: `python -m tests.docs.pins` writes them anew."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from haz.cli import tree
from tests.docs import pins


def test_the_help_of_every_command_is_as_it_was_read() -> None:
    assert pins.help_text() == pins.HELP.read_text()


def test_the_manual_page_is_made_from_the_tree_of_commands() -> None:
    assert pins.page() == pins.MAN.read_text()


def test_the_manual_page_is_sound(space) -> None:
    """`haz man | man -l -` shows it; groff has nothing to complain of, where there is one."""
    text = space.haz("man").ok().out
    assert text == pins.page()
    for command in tree.NAMES:
        assert f".SS haz {command}" in text
    groff = shutil.which("groff")
    if groff is not None:
        done = subprocess.run(
            [groff, "-man", "-Tutf8", "-ww", "-z"], input=text, text=True, capture_output=True, check=True
        )
        assert done.stderr == ""


@pytest.mark.parametrize("path", pins.paths(), ids=" ".join)
def test_help_has_no_rule_ids_and_says_what_each_option_is_for(path: tuple[str, ...]) -> None:
    """04 §14 C5."""
    command = next(
        part for part in pins.HELP.read_text().split("$ haz ") if part.startswith(" ".join([*path, "--help"]) + "\n")
    )
    assert "-0" not in command
    assert all(len(line) <= 100 for line in command.splitlines())
