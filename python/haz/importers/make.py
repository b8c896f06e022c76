"""Makefiles: their phony targets. Nothing is run, so variables, functions and includes are not known."""

from __future__ import annotations

import re

from haz._record import Record
from haz.importers.documents import ManifestError
from haz.importers.records import Imported, Note, Project, Task
from haz.importers.tree import absolute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from haz.importers.records import Key
    from haz.importers.tree import Tree

NAMES = ("GNUmakefile", "makefile", "Makefile")
PASSED = ("MAKEFLAGS", "CC", "CXX", "CFLAGS", "CXXFLAGS", "LDFLAGS")
REMARK = (
    "None of these is cached: make knows which files are stale, haz does not know which they are. List `inputs` and "
    "`outputs` of a task, and drop its `cache: false`. One runs at a time, since they may need the same files."
)
_RULE = re.compile(r"^([^\s:=#][^:=#]*?)\s*::?(?!=)\s*([^=;#]*?)\s*(?:;\s*(.*))?(?:#.*)?$")
_LITERAL = re.compile(r"[\w./@+-]+")
_DIRECTIVE = re.compile(
    r"-?include\b|sinclude\b|ifn?eq\b|ifn?def\b|else\b|endif\b|define\b|endef\b|export\b|unexport\b|vpath\b|override\b"
)
_RECURSIVE = re.compile(r"[@+-]*\s*\$[({]MAKE[)}]\s+(?:-C|--directory=?)\s*([\w./-]+)((?:\s+[\w.-]+)*)\s*")


class Rule(Record):
    """One target of one rule."""

    target: str
    needs: tuple[str, ...]
    recipe: tuple[str, ...]
    line: int


def read(tree: Tree) -> Imported:
    files: dict[str, str] = {}
    for path, names in tree.directories():
        name = next((name for name in NAMES if name in names), None)
        if name is not None:
            files[path] = f"{path}/{name}"
    if not files:
        raise ManifestError(
            f"there is no Makefile in {tree.root or '/'} or below", "--from make reads it: run it where it is"
        )
    notes: list[Note] = []
    projects, tasks = [], []
    for path, file in files.items():
        found = _tasks(path, file[1:], tree.text(file) or "", files, notes)
        if found or path == "":
            projects.append(Project(path, path.rpartition("/")[2] or "root", remark=REMARK if found else ""))
            tasks += found
    return Imported(tuple(projects), tuple(tasks), tuple(notes), passed=PASSED)


def _tasks(path: str, file: str, text: str, files: dict[str, str], notes: list[Note]) -> list[Task]:
    rules: dict[str, Rule] = {}
    phony: set[str] = set()
    for rule in _rules(file, text, notes):
        if rule.target == ".PHONY":
            phony.update(rule.needs)
        elif not rule.target.startswith("."):
            before = rules.get(rule.target, rule.replace(needs=(), recipe=()))
            rules[rule.target] = before.replace(needs=(*before.needs, *rule.needs), recipe=before.recipe or rule.recipe)
    chosen = {
        name: rule for name, rule in rules.items() if (name in phony if phony else "/" not in name and "." not in name)
    }
    left = [name for name in rules if name not in chosen]
    if left:
        shown = ", ".join(left[:5]) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
        notes.append(Note(file, f"files that make itself makes when a task needs them: {shown}"))
    return [_task(path, name, rule, chosen, files) for name, rule in chosen.items()]


def _task(path: str, name: str, rule: Rule, chosen: dict[str, Rule], files: dict[str, str]) -> Task:
    """Turn a rule into `make NAME`; one that only calls others into their tasks, which haz can run side by side."""
    own: list[Key] = [(path, need) for need in rule.needs if need in chosen]
    below: list[Key] = []
    for line in rule.recipe:
        called = _RECURSIVE.fullmatch(line)
        target = absolute(path, called[1]) if called else None
        if called is None or target not in files:
            below = []
            break
        below += [(target, goal) for goal in called[2].split()]
        if not called[2].split():
            below = []
            break
    only_calls = (bool(below) or not rule.recipe) and len(own) == len(rule.needs) and bool(own or below)
    if only_calls:
        return Task((path, name), command=("true",), deps=(*own, *below), cache=False)
    return Task((path, name), command=("make", name), mutex="~:make", cache=False)


def _rules(file: str, text: str, notes: list[Note]) -> Iterator[Rule]:
    """Yield the rules whose targets are written out; tell of the others."""
    targets: list[str] = []
    needs: tuple[str, ...] = ()
    recipe: list[str] = []
    start = 0
    for number, line in [*_logical(text), (0, "end:")]:
        if line.startswith("\t"):
            recipe.append(line.strip())
            continue
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        for target in targets:
            yield Rule(target, needs, tuple(recipe), start)
        targets, recipe = [], []
        if _DIRECTIVE.match(stripped):
            word = stripped.split()[0]
            if word not in ("endif", "endef", "else", "export", "unexport"):
                notes.append(Note(f"{file}:{number}", f"`{word}`: what it adds or leaves out is not known"))
            continue
        found = _RULE.match(stripped)
        if found is None or not number:
            continue
        targets = [word for word in found[1].split() if _LITERAL.fullmatch(word)]
        needs = tuple(word for word in found[2].replace("|", " ").split())
        recipe, start = [found[3].strip()] if found[3] else [], number
        if len(targets) < len(found[1].split()):
            notes.append(Note(f"{file}:{number}", f"`{stripped[:60]}`: a target with variables or a pattern"))


def _logical(text: str) -> Iterator[tuple[int, str]]:
    """Join lines that end in a backslash; yields the number of the first."""
    whole, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        start = start or number
        if line.endswith("\\"):
            whole += line[:-1] + " "
            continue
        yield start, whole + line
        whole, start = "", 0
    if whole:
        yield start, whole
