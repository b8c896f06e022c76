"""Patterns and command lines of other tools in the words of haz."""

from __future__ import annotations

import re
import shlex

from haz import _core
from haz.importers.tree import absolute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.importers.tree import Tree

_EXTENDED = re.compile(r"([?@+])\(([^()]*)\)")
_GLOB = re.compile(r"[*?\[{\\]")
# What only a shell understands.
_SHELL = re.compile(r"[|&;<>()$`\\\"'*?\[\]#~=%{}!\n]")
# Programs that are not looked for among the packages of the workspace.
# fmt: off
_ELSEWHERE = frozenset((
    "npm", "npx", "pnpm", "pnpx", "yarn", "bun", "bunx", "node", "deno", "cargo", "rustc", "go", "python",
    "python3", "pip", "uv", "uvx", "poetry", "make", "cmake", "docker", "git", "bash", "sh", "zsh", "echo",
    "true", "false", "rm", "cp", "mv", "mkdir", "cat", "cd", "test", "exit", "moon", "nx", "turbo", "bundle",
    "ruby", "java", "gradle", "mvn",
))
# fmt: on
# Names that every tool takes for directories.
_DIRECTORIES = frozenset(
    (
        "build",
        "cjs",
        "coverage",
        "dist",
        "docs",
        "esm",
        "generated",
        "lib",
        "out",
        "public",
        "reports",
        "target",
        "types",
    )
)


def translated(pattern: str) -> str:
    """Write the bash alternatives `?(x)`, `@(a|b)` and `+(a|b)` (taken once) as `{…}`, `**` within a name as `*`."""

    def alternatives(found: re.Match[str]) -> str:
        return "{" + found[2].replace("|", ",") + ("," if found[1] == "?" else "") + "}"

    text = _EXTENDED.sub(alternatives, pattern)
    return "/".join(part if part == "**" else re.sub(r"\*{2,}", "*", part) for part in text.split("/"))


def anchored(project: str, pattern: str) -> str:
    """Write a pattern of a project, with or without `!`, as a workspace path."""
    mark, text = ("!", pattern[1:]) if pattern.startswith("!") else ("", pattern)
    base = _core.escape_pattern(project) if is_glob(text) and project else project
    return mark + absolute(base, translated(text))


def is_glob(pattern: str) -> bool:
    return _GLOB.search(pattern) is not None


def fixed(pattern: str) -> str:
    """Return the directories at the beginning of a pattern that hold no special character, with a final slash."""
    return _GLOB.split(pattern, maxsplit=1)[0].rpartition("/")[0] + "/"


def beginning(pattern: str) -> str:
    """Return a pattern up to its first special character; of an `optional` path the path itself."""
    head, _, name = pattern.rpartition("/")
    whole = name.startswith("{") and name.endswith("}") and not is_glob(name[1:-1]) and "," not in name
    return f"{head}/{name[1:-1]}" if whole else _GLOB.split(pattern, maxsplit=1)[0]


def optional(path: str) -> str:
    """Write a path so that it need not be there: a pattern of one alternative."""
    head, _, name = path.rpartition("/")
    return path if is_glob(path) else f"{_core.escape_pattern(head)}/{{{name}}}"


def read(tree: Tree, pattern: str) -> list[str]:
    """Write what another tool reads: a file, a directory, or nothing where there is none yet."""
    if pattern.startswith("!") or is_glob(pattern):
        return [pattern]
    if tree.is_file(pattern) and not pattern.rpartition("/")[2].startswith(".env"):
        return [pattern]
    return [f"{_core.escape_pattern(pattern)}/**"] if tree.is_directory(pattern) else [optional(pattern)]


def written(tree: Tree, pattern: str) -> list[str]:
    """Write what another tool may write: a name without an ending is a file or a directory, and none must be made."""
    mark, text = ("!", pattern[1:]) if pattern.startswith("!") else ("", pattern)
    if is_glob(text):
        return [pattern]
    name = text.rpartition("/")[2]
    whole = f"{mark}{_core.escape_pattern(text)}/**"
    if name.startswith(".") or name in _DIRECTORIES or tree.is_directory(text):
        return [whole]
    return [mark + optional(text)] if "." in name or tree.is_file(text) else [whole, mark + optional(text)]


def action(tree: Tree, project: str, line: str, *, at_root: bool = False) -> tuple[tuple[str, ...] | None, str | None]:
    """Turn a command line into `command` or, where it takes a shell, `shell`.

    In a JavaScript workspace programs are looked for in `node_modules` too, as its tools do.
    """
    steps = []
    up = "/".join([".."] * project.count("/"))
    if at_root and up:
        steps.append(f"cd {up}")
    words = shlex.split(line, comments=False) if not _SHELL.search(line) else []
    program = (words or line.split() or [""])[0]
    if tree.is_file("/package.json") and program not in _ELSEWHERE and "/" not in program:
        places = ["$PWD/node_modules/.bin"]
        if up and not at_root:
            places.append(f"$PWD/{up}/node_modules/.bin")
        steps.append(f'PATH="{":".join(places)}:$PATH"')
    if words and not steps:
        return tuple(words), None
    return None, " && ".join([*steps, line])
