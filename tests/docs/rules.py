"""Which test guards which rule: `python -m tests.docs.rules` prints each id with the tests that name it.

A test names a rule by its id (`EXEC-014`, `O21`, `D11`, or a range such as `CFG-009..012`) in its own text; a test
without any takes those of its class, then those of its module.
"""

from __future__ import annotations

import ast
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).parents[2]
TABLE = ROOT / "docs" / "rules.md"
FAMILY = r"\b(DISC|CFG|ID|PATH|REF|DAG|MUTEX|CACHE|EXEC|AUX|QRY)-(\d{3})(?:(?:\.\.|…)(?:\1-)?(\d{3}))?"
SINGLE = r"(?<![\w.-])(D(?:1[0-4]|[1-9])|O(?:[12]\d|3[0-2]|[1-9]))(?![\w-])"
SHOWN = 3
RUST_TEST = re.compile(r"\bfn (\w+)\(")


def ids(text: str) -> set[str]:
    found = set(re.findall(SINGLE, text))
    for family, first, last in re.findall(FAMILY, text):
        found |= {f"{family}-{number:03}" for number in range(int(first), int(last or first) + 1)}
    return found


def order(rule: str) -> tuple[int, str, int]:
    families = ("ID", "DISC", "CFG", "PATH", "REF", "DAG", "MUTEX", "EXEC", "CACHE", "AUX", "QRY", "D", "O")
    family, _, number = rule.rpartition("-")
    family, number = (family, number) if family else (rule[0], rule[1:])
    return families.index(family), family, int(number)


def python_tests(path: pathlib.Path) -> dict[str, set[str]]:
    """Ids that each test of a file names; those of a class are named `Class.test`."""
    source = path.read_text()
    module = ast.parse(source)
    found: dict[str, set[str]] = {}

    def own(node: ast.FunctionDef) -> set[str]:
        lines = source.splitlines()
        start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        # A marker comment right above belongs to the test.
        while start > 1 and lines[start - 2].strip().startswith("#"):
            start -= 1
        return ids("\n".join(lines[start - 1 : node.end_lineno]))

    def visit(body: list[ast.stmt], prefix: str, inherited: set[str]) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef):
                visit(node.body, f"{node.name}.", ids(ast.get_docstring(node) or "") or inherited)
            elif isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
                found[prefix + node.name] = own(node) or inherited

    visit(module.body, "", ids(ast.get_docstring(module) or ""))
    return found


def rust_tests(path: pathlib.Path) -> dict[str, set[str]]:
    found = {}
    for piece in re.split(r"#\[test\]", path.read_text())[1:]:
        name = RUST_TEST.search(piece)
        if name is not None:
            found[name[1]] = ids(piece)
    return found


def tests() -> dict[str, set[str]]:
    """`file::test` -> the ids it names."""
    found = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if path.parent != pathlib.Path(__file__).parent:
            found.update({f"{path.relative_to(ROOT)}::{test}": named for test, named in python_tests(path).items()})
    for path in sorted((ROOT / "rust").rglob("*.rs")):
        found.update({f"{path.relative_to(ROOT)}::{test}": named for test, named in rust_tests(path).items()})
    return found


def by_rule() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for test, named in tests().items():
        for rule in named:
            found.setdefault(rule, []).append(test)
    return {rule: found[rule] for rule in sorted(found, key=order)}


def table() -> list[tuple[str, str, str]]:
    """`(id, meaning, guard)` of each row of docs/rules.md."""
    rows = re.findall(r"^\| `([^`]+)` \| (.*?) \| ?(.*?) ?\|$", TABLE.read_text(), re.MULTILINE)
    return [(rule, says, guard) for rule, says, guard in rows]


def guards(text: str) -> list[str]:
    """Return the tests that a guard names."""
    return re.findall(r"`([^`]+::[^`]+)`", text)


def write() -> None:
    """Fill the last column: named tests that still hold stay, and where none does some that name the rule come in."""
    found = by_rule()
    lines = []
    for line in TABLE.read_text().splitlines():
        match = re.match(r"\| `([^`]+)` \| (.*?) \| ?(.*?) ?\|$", line)
        if match is None or not found.get(match[1]):
            lines.append(line)
            continue
        rule, says, guard = match.groups()
        kept = [test for test in guards(guard) if test in found[rule]] or best(found[rule], tests())
        lines.append(f"| `{rule}` | {says} | {'<br>'.join(f'`{test}`' for test in kept)} |")
    TABLE.write_text("\n".join(lines) + "\n")


def best(candidates: list[str], named: dict[str, set[str]]) -> list[str]:
    """Choose those that are about few rules: they say the most about this one."""
    return sorted(sorted(candidates, key=lambda test: (len(named[test]), test))[:SHOWN])


def main(arguments: list[str]) -> None:
    if arguments == ["--write"]:
        write()
        return
    for rule, named in by_rule().items():
        sys.stdout.write(f"{rule}\n" + "".join(f"  {test}\n" for test in named))


if __name__ == "__main__":
    main(sys.argv[1:])
