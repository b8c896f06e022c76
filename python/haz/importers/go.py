"""go.work: the modules of a Go workspace, and which of them requires or replaces which."""

from __future__ import annotations

import re

from haz import _core
from haz._record import Record
from haz.importers.records import NETWORK, Imported, Note, Project, Task
from haz.importers.tree import absolute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from haz.importers.tree import Tree

PASSED = (*NETWORK, "GOPATH", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOTOOLCHAIN", "GOPRIVATE")
_OUTSIDE = "it leads to no module of the workspace"


class Module(Record):
    path: str
    name: str
    needs: tuple[str, ...] = ()


def read(tree: Tree) -> Imported:
    text = tree.required("/go.work", tree.text, "go")
    notes: list[Note] = []
    used, replaced = [], {}
    for line, words in directives(text):
        if words[0] == "use" and len(words) > 1:
            path = absolute("", words[1])
            if tree.is_file(f"{path}/go.mod"):
                used.append(path)
            else:
                notes.append(Note(f"go.work:{line}", f"`use {words[1]}`: there is no go.mod"))
        elif words[0] == "replace":
            replaced.update(_replacement("", words))
        elif words[0] not in ("go", "toolchain", "godebug"):
            notes.append(Note(f"go.work:{line}", f"`{words[0]}`: go goes on to read it"))
    modules = _modules(tree, used, replaced, notes)
    tasks: list[Task] = []
    for module in modules.values():
        tasks += _tasks(tree, module, modules)
    projects = [Project(m.path, _short(m, modules), ("go",), f"module {m.name}") for m in modules.values()]
    return Imported(tuple(projects), tuple(tasks), tuple(notes), passed=PASSED)


def directives(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the directives of go.work or go.mod with their lines, those of a block one by one."""
    block = ""
    for number, line in enumerate(text.splitlines(), 1):
        words = re.findall(r'"[^"]*"|`[^`]*`|[()]|[^\s()"`]+', line.partition("//")[0])
        words = [word.strip('"`') for word in words]
        if not words:
            continue
        if block:
            if words == [")"]:
                block = ""
            else:
                yield number, [block, *words]
        elif words[-1:] == ["("]:
            block = words[0]
        else:
            plain = [word for word in words if word not in ("(", ")")]
            if plain:
                yield number, plain


def _replacement(base: str, words: list[str]) -> dict[str, str]:
    """Map a module to the directory that stands for it: `replace name [version] => ./path`."""
    if len(words) > 3 and words[-2] == "=>" and words[-1].startswith(("./", "../")):
        return {words[1]: absolute(base, words[-1])}
    return {}


def _modules(tree: Tree, used: list[str], replaced: dict[str, str], notes: list[Note]) -> dict[str, Module]:
    read = {}
    for path in sorted(set(used)):
        name = path.rpartition("/")[2] or "root"
        required: list[tuple[int, str]] = []
        local = dict(replaced)
        for line, words in directives(tree.text(f"{path}/go.mod") or ""):
            if words[0] == "module" and len(words) > 1:
                name = words[1]
            elif words[0] == "require" and len(words) > 1:
                required.append((line, words[1]))
            elif words[0] == "replace":
                local.update(_replacement(path, words))
        read[path] = name, required, local
    by_name = {name: path for path, (name, _, _) in read.items()}
    found = {}
    for path, (name, required, local) in read.items():
        needs: dict[str, None] = {}
        for line, other in required:
            target = local.get(other) or by_name.get(other)
            if target in read and target != path:
                needs[target] = None
            elif target is not None and target != path:
                notes.append(Note(f"{path[1:]}/go.mod:{line}".lstrip("/"), f"`replace {other}`: {_OUTSIDE}"))
        found[path] = Module(path, name, tuple(needs))
    return found


def _short(module: Module, modules: dict[str, Module]) -> str:
    """Name a module by the end of its name (not its major version), as far as that is unique."""

    def end(name: str) -> str:
        parts = [part for part in name.split("/") if not re.fullmatch(r"v\d+", part)] or [name]
        return parts[-1]

    own = end(module.name)
    return own if [end(other.name) for other in modules.values()].count(own) == 1 else module.name


def _tasks(tree: Tree, module: Module, modules: dict[str, Module]) -> list[Task]:
    read = dict.fromkeys([module.path])
    queue = [*module.needs]
    for path in queue:
        read[path] = None
        queue += [other for other in modules[path].needs if other not in queue]
    # A module within another is none of its files, unless it is used as well.
    nested = [
        f"!{_core.escape_pattern(other)}/**"
        for other in modules
        for path in read
        if other not in read and other.startswith(f"{path}/")
    ]
    shared = tuple(name for name in ("/go.work", "/go.work.sum") if tree.is_file(name))
    build = Task(
        (module.path, "build"),
        # With a single main package go would write a program beside it, if it were not told where to.
        command=("go", "build", "-o", "/dev/null", "./..."),
        inputs=(*shared, *nested),
        directories=tuple(read),
        deps=tuple((other, "build") for other in module.needs),
        tools=(("go", "version"),),
        gitignore=True,
        inherits=False,
    )
    test = build.replace(key=(module.path, "test"), command=("go", "test", "./..."), deps=())
    tested = any(name.endswith("_test.go") for _, files in tree.directories(module.path) for name in files)
    return [build, test] if tested else [build]
