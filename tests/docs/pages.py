"""Pages with examples: what they set up, what they run, and what that prints. `python -m tests.docs.pages PAGE…` writes
what is printed now into the pages.

A fenced block of files begins with `# path` (or `// path`, `<!-- path -->`); blocks of `console` hold commands behind
`$ ` with what a terminal shows, standard error first line by line in between, as it comes. A command that ends with
another code than 0 is as good as any other.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.repository import WHO, unconfigured
from tests.space import HAZ, Space

DOCS = Path(__file__).parents[2] / "docs"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What differs from run to run, and the padding of columns that follows from it.
VARYING = [
    (re.compile(r"\b\d{13}-[0-9a-f]{8}\b"), "ID"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "WHEN"),
    (re.compile(r"(?<=[ (])(\d+(ms|s|m|h) ?)+(?=[\s,)]|$)", re.MULTILINE), "TIME "),
    (re.compile(r"\b[0-9a-f]{64}\b"), "DIGEST"),
    (re.compile(r"\b[0-9a-f]{40}\b"), "COMMIT"),
    (re.compile(r"(?<=partition )[0-9a-f]{8}\b"), "MARK"),
    (re.compile(r"\b(?=\d*[a-f])[0-9a-f]{8}\b"), "KEY"),
    (re.compile(r" +"), " "),
    (re.compile(r" ?$", re.MULTILINE), ""),
]


def executed() -> list[Path]:
    """Every page whose examples are run here."""
    return [*sorted((DOCS / "cli").glob("*.md")), DOCS / "quick-start.md"]


def steady(text: str) -> str:
    for pattern, name in VARYING:
        text = pattern.sub(name, text)
    return text.rstrip("\n")


def files(text: str) -> list[tuple[str, str]]:
    """`(path, content)` of each block that is a file."""
    found = []
    for language, body in FENCE.findall(text):
        head, _, rest = body.partition("\n")
        named = re.fullmatch(r"(?:#|//) ([\w./-]+)", head)
        if named is not None and language not in ("console", "python"):
            found.append((named[1], rest))
    return found


def steps(text: str) -> list[tuple[str, str]]:
    """`(command, what it prints)` of each step."""
    found = []
    for language, body in FENCE.findall(text):
        if language == "console":
            for step in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                command, _, shown = step.partition("\n")
                found.append((command, shown))
    return found


def schemas(text: str) -> list[tuple[list[str], str]]:
    """`(commands, schema)` of each block of `json` behind a comment that names commands."""
    found = re.findall(r"^<!-- schema of: (.*?) -->\n```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [([command.strip() for command in commands.split(";")], schema) for commands, schema in found]


def shell(root: Path, command: str, *, err: bool = True) -> str:
    """Run a line as a terminal would; standard output is shown after standard error unless both are lines of a run."""
    script = f'haz() {{ {shlex.join(HAZ)} "$@"; }}\n{command}\n'
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=root,
        env=unconfigured() | WHO,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if err else subprocess.DEVNULL,
        check=False,
        text=True,
    )
    return done.stdout.replace(str(root.resolve()), "/path/to/workspace")


def lay_out(text: str, root: Path) -> Space:
    space = Space(root)
    for path, content in files(text):
        space.write(path, content)
    return space


def write(page: Path) -> None:
    text = page.read_text()
    with tempfile.TemporaryDirectory() as place:
        lay_out(text, Path(place))
        at = 0
        for command, shown in steps(text):
            printed = shell(Path(place), command)
            if printed and not printed.endswith("\n"):
                printed += "\n"
            old = f"$ {command}\n{shown}"
            new = old if steady(printed) == steady(shown) else f"$ {command}\n{printed}"
            at = text.index(old, at)
            text = text[:at] + new + text[at + len(old) :]
            at += len(new)
    page.write_text(text)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        write(Path(name))
