"""turbo.json: the tasks of each package with their inputs, outputs, variables and dependencies."""

from __future__ import annotations

from haz.importers import documents, packages, patterns
from haz.importers.records import NETWORK, Imported, Note, Project, Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from haz.importers.documents import Document
    from haz.importers.packages import Package, Packages
    from haz.importers.records import Key
    from haz.importers.tree import Tree

DEFAULT = "$TURBO_DEFAULT$"
ROOT = "$TURBO_ROOT$"
PASSED = (*NETWORK, "NODE_OPTIONS", "npm_config_registry", "COREPACK_HOME")
# fmt: off
_CARRIED = frozenset((
    "cache", "dependsOn", "description", "dotEnv", "env", "inputs", "outputs", "passThroughEnv", "persistent",
    "outputLogs", "extends",
))
# fmt: on
# fmt: off
_GLOBAL = frozenset((
    "$schema", "tasks", "pipeline", "globalDependencies", "globalEnv", "globalPassThroughEnv", "globalDotEnv",
    "concurrency", "extends", "ui",
))
# fmt: on
_SHAPE: dict[str, type] = {
    **dict.fromkeys(("dependsOn", "inputs", "outputs", "env", "passThroughEnv", "dotEnv"), list),
    **dict.fromkeys(("cache", "persistent"), bool),
    "description": str,
}
# Variables that turbo adds when it sees a framework.
_FRAMEWORKS = {
    "next": "NEXT_PUBLIC_*",
    "vite": "VITE_*",
    "astro": "PUBLIC_*",
    "nuxt": "NUXT_*",
    "gatsby": "GATSBY_*",
    "react-scripts": "REACT_APP_*",
}


def read(tree: Tree) -> Imported:
    name = "/turbo.json" if tree.is_file("/turbo.json") or not tree.is_file("/turbo.jsonc") else "/turbo.jsonc"
    return _Turbo(tree, tree.required(name, tree.json, "turbo")).imported()


class _Turbo:
    def __init__(self, tree: Tree, root: Document) -> None:
        self.tree = tree
        self.root = root
        self.notes: list[Note] = []
        self.packages: Packages = packages.read(tree, "turbo", self.notes)
        self.key = "tasks" if root.get("tasks") is not None else "pipeline"
        for text in root.texts("globalDependencies"):
            if patterns.is_glob(text):
                place = root.place("globalDependencies")
                self.notes.append(Note(place, f"`{text}`: of what it matches, files that git ignores do not count"))
        shared = [f"/{root.path}", "/package.json", *packages.lock_files(tree)]
        for text in (*root.texts("globalDependencies"), *root.texts("globalDotEnv")):
            shared += patterns.read(tree, self._anchored("", text))
        self.shared = tuple(shared)

    def imported(self) -> Imported:
        tasks: list[Task] = []
        for package in self.packages.by_path.values():
            tasks += self._tasks(package)
            self._framework(package)
        for key in self.root.data:
            if key not in _GLOBAL:
                self.notes.append(Note(self.root.place(key), f"`{key}`: a setting of turbo"))
        real = {task.key[0] for task in tasks if task.command}
        found = self.packages.by_path.values()
        projects = [
            Project(p.path, p.name, description=p.manifest.text("description") or "")
            for p in found
            if p.path or p.path in real
        ]
        passed = self._variables(self.root.texts("globalPassThroughEnv"), self.root.place("globalPassThroughEnv"))
        hashed = self._variables(self.root.texts("globalEnv"), self.root.place("globalEnv"))
        limit = str(self.root.get("concurrency") or "")
        if limit and not limit.isdecimal():
            self.notes.append(Note(self.root.place("concurrency"), f"`concurrency: {limit}`: haz takes numbers only"))
        concurrency = int(limit) if limit.isdecimal() and int(limit) > 0 else None
        return Imported(
            tuple(projects), tuple(tasks), tuple(self.notes), (*PASSED, *passed), tuple(hashed), concurrency
        )

    def _tasks(self, package: Package) -> list[Task]:
        """Define what turbo would run; a name without a script stands for what it depends on."""
        generic: dict[str, tuple[dict[str, Any], str]] = {}
        for name, given in self.root.table(self.key).items():
            definition = self._shaped(given, self.root.place(self.key, name), package)
            owner, hash_, task = name.partition("#")
            if hash_ and owner not in self.packages.by_name and owner != "//" and package.path == "":
                place = self.root.place(self.key, name)
                self.notes.append(Note(place, f"`{name}`: there is no package `{owner}`"))
            mine = owner == package.name or (owner == "//" and not package.path)
            if hash_ and mine:
                generic[task] = definition, self.root.place(self.key, name)
            elif not hash_ and package.path and name not in generic:
                generic[name] = definition, self.root.place(self.key, name)
        own = self.tree.json(f"{package.path}/turbo.json") if package.path else None
        for name, given in (own.table(self.key) if own else {}).items():
            assert own is not None
            place = own.place(self.key, name)
            before = generic.get(name, ({}, ""))[0]
            generic[name] = {**before, **self._shaped(given, place, package)}, place
        unnamed = [name for name in package.scripts if name not in generic]
        if unnamed:
            place = package.manifest.place("scripts")
            self.notes.append(Note(place, f"scripts that turbo does not run: {', '.join(unnamed)}"))
        return [self._task(package, name, *defined, own) for name, defined in generic.items()]

    def _shaped(self, given: Any, place: str, package: Package) -> dict[str, Any]:
        definition, wrong = documents.shaped(given, _SHAPE)
        self.notes += [Note(place, f"`{key}` for {package.name}: turbo knows no such value") for key in wrong]
        return definition

    def _task(self, package: Package, name: str, definition: dict[str, Any], place: str, own: Document | None) -> Task:
        def texts(key: str) -> list[str]:
            value = definition.get(key)
            return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []

        runs = name in package.scripts
        if runs:
            self._tell(package, name, definition, place)
        path = package.path
        deps: list[Key] = []
        hashed = texts("env")
        for text in texts("dependsOn"):
            if text.startswith("$"):
                hashed.append(text[1:])
            else:
                deps += self._dependency(package, text, place if runs else "")
        inputs = [*self.shared, f"{path}/package.json", *([f"/{own.path}"] if own else [])]
        extra = [text for text in (*texts("inputs"), *texts("dotEnv")) if text != DEFAULT]
        for text in extra:
            inputs += patterns.read(self.tree, self._anchored(path, text))
        whole = not texts("inputs") or DEFAULT in texts("inputs")
        # Patterns that are listed count even for what git ignores, such as `.env*`.
        tracked = whole and all(text.startswith("!") for text in extra)
        outputs = [out for text in texts("outputs") for out in patterns.written(self.tree, self._anchored(path, text))]
        return Task(
            (path, name),
            command=self.packages.run(name) if runs else None,
            comment=definition.get("description") or "",
            inputs=tuple(inputs),
            directories=(path,) if whole else (),
            outputs=tuple(outputs),
            deps=tuple(deps),
            from_host=tuple(self._variables(hashed, place if runs else "")),
            passed=tuple(self._variables(texts("passThroughEnv"), place if runs else "")),
            cache=definition.get("cache") is not False,
            persistent=definition.get("persistent") is True,
            gitignore=tracked,
        )

    def _dependency(self, package: Package, text: str, place: str) -> list[Key]:
        if text.startswith("^"):
            return self.packages.upstream(package.path, text[1:])
        owner, hash_, task = text.partition("#")
        if not hash_:
            return [(package.path, text)]
        path = "" if owner == "//" else self.packages.by_name.get(owner)
        if path is None:
            if place:
                self.notes.append(Note(place, f"`dependsOn: {text}`: there is no package `{owner}`"))
            return []
        return [(path, task)]

    def _tell(self, package: Package, name: str, definition: dict[str, Any], place: str) -> None:
        for key in definition:
            if key not in _CARRIED:
                self.notes.append(Note(place, f"`{key}` of {package.name} `{name}`: haz has no such thing"))

    def _variables(self, names: Iterable[str], place: str) -> list[str]:
        found = []
        for name in names:
            plain = name.removeprefix("$")
            if plain.isidentifier():
                found.append(plain)
            elif place:
                self.notes.append(Note(place, f"variable `{name}`: haz takes names only, list them one by one"))
        return found

    def _framework(self, package: Package) -> None:
        for name, variables in _FRAMEWORKS.items():
            if any(name in package.manifest.table(field) for field in packages.FIELDS):
                place = package.manifest.path
                self.notes.append(
                    Note(place, f"{name}: turbo adds the variables {variables}; list yours in `from_host`")
                )

    def _anchored(self, path: str, text: str) -> str:
        mark, rest = ("!", text[1:]) if text.startswith("!") else ("", text)
        if rest.startswith(f"{ROOT}/"):
            return patterns.anchored("", mark + rest[len(ROOT) + 1 :])
        return patterns.anchored(path, text)
