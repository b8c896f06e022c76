"""The quick parser reads what it accepts exactly as typer does; what it is not sure of it declines."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from haz.cli import main, quick, tree
from haz.cli.declare import Command
from haz.errors import UsageError

TREE = tree.every()
ODD = [
    *(
        "",
        "-",
        "--",
        "-h",
        "--help",
        "-V",
        "--version",
        "-C",
        "--directory",
        "--directory=.",
        ".",
        "-j4",
        "-j=4",
        "--jobs=",
    ),
    *("--bogus", "-x", "--all=true", "-1", "a b", "a=b", "-C.", "--dir=."),
]


def leaves(commands: dict[str, Command]) -> list[Command]:
    return [
        leaf for c in commands.values() for leaf in ([c] if not c.subcommands else [c, *leaves(dict(c.subcommands))])
    ]


LEAVES = leaves(dict(TREE))


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    """Command lines that are mostly right: words of one command, with something odd in between now and then."""
    command = draw(st.sampled_from(LEAVES))
    value = st.sampled_from(["lib:build", "json", "4", "a=b", "=", "plain", "auto", "latest", "é"])
    pieces: list[list[str]] = []
    for parameter in draw(st.lists(st.sampled_from(command.parameters), max_size=4)) if command.parameters else []:
        if parameter.kind == "switch":
            pieces.append([draw(st.sampled_from(parameter.declared.names))])
        elif parameter.is_option:
            name, text = draw(st.sampled_from(parameter.declared.names)), draw(value)
            joined = f"{name}{text}" if not name.startswith("--") and draw(st.booleans()) else f"{name}={text}"
            pieces.append([joined] if draw(st.booleans()) else [name, text])
        elif parameter.kind == "words":
            pieces.append(["--", *draw(st.lists(st.one_of(value, st.sampled_from(ODD)), max_size=3))])
        else:
            pieces.append([draw(value)])
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        pieces.insert(draw(st.integers(0, len(pieces))), [draw(st.sampled_from(ODD))])
    before = draw(
        st.sampled_from(
            [
                [],
                [],
                [],
                ["-C", "."],
                ["--directory=."],
                ["--root", "."],
                ["--root=x"],
                ["--version"],
                ["-h"],
                ["bogus"],
            ]
        )
    )
    return [*before, *command.path, *(word for piece in pieces for word in piece)]


@settings(max_examples=400)
@given(lines())
@example(["run", "--", "a:t"])
@example(["run", "a:t", "--", "--all", "--", "-x"])
@example(["run", "a:t", "--"])
@example(["runs", "--format", "json", "show"])
@example(["why"])
@example(["schema", "a", "b"])
@example(["run", "--exclude", "a", "lib:build", "--exclude=b"])
@example(["affected", "--exclude", "a", "--exclude", "-x"])
def test_what_the_quick_parser_accepts_it_reads_as_typer_does(words: list[str]) -> None:
    quickly = quick.parse(words)
    if quickly is None:
        return
    slowly = main.parse(words)
    assert isinstance(slowly, quick.Call), words
    assert quickly.function is slowly.function
    assert quickly.given == slowly.given
    assert (quickly.directory, quickly.root) == (slowly.directory, slowly.root)


@settings(max_examples=200)
@given(lines(), st.sampled_from(ODD))
def test_typer_never_runs_what_is_wrong(words: list[str], odd: str) -> None:
    """04 §2.3: exit 2 for a mistake; 0 is only for help and the version."""
    try:
        slowly = main.parse([*words, odd])
    except UsageError:
        return
    assert isinstance(slowly, quick.Call) or slowly in (0, 2)


@pytest.mark.parametrize("command", LEAVES, ids=lambda command: " ".join(command.path))
def test_the_plain_form_of_every_command_is_parsed_quickly(command: Command) -> None:
    if command.function is None:
        assert quick.parse(command.path) is None
        return
    words = list(command.path)
    for parameter in command.parameters:
        words += {
            "switch": list(parameter.declared.names[-1:]),
            "value": [*parameter.declared.names[-1:], "v"],
            "values": [*parameter.declared.names[-1:], "v"],
            "words": [],
        }.get(parameter.kind, ["lib:build"])
    call = quick.parse(words)
    assert call is not None
    assert call.function is command.function
    assert call.given.keys() == {parameter.field for parameter in command.parameters if parameter.kind != "words"}


@pytest.mark.parametrize(
    "words", [["--version"], ["run", "--dry-run", "--all", "-j2"], ["query", "--tasks", "x"], ["-C", ".", "check"]]
)
def test_a_plain_command_line_imports_neither_typer_nor_the_modules_of_other_commands(space, words: list[str]) -> None:
    space.project("lib", "t: {command: [echo]}")
    script = f"import sys; from haz.__main__ import main; import haz.cli; haz.cli.run_command_line({words!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=space.root, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split("\n")[-2].split())
    assert not {"typer", "click", "rich", "typing", "re", "json", "inspect"} & loaded
    commands = {name for name in tree.NAMES if f"haz.cli.{name}" in loaded}
    assert commands == {name for name in tree.NAMES if name in words}
