"""nx.json and project.json: targets with their defaults, named inputs, and the dependencies that nx can see."""

from __future__ import annotations

import re

from haz._record import Record
from haz.importers import npm, packages, patterns
from haz.importers.documents import Document, shaped, strings
from haz.importers.records import Imported, Note, Project, Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from haz.importers.packages import Package
    from haz.importers.records import Key
    from haz.importers.tree import Tree

RUNS = frozenset({"nx:run-commands", "@nrwl/workspace:run-commands", "@nx/workspace:run-commands"})
SCRIPTS = frozenset({"nx:run-script", "@nrwl/workspace:run-script", "@nx/workspace:run-script"})
NOTHING = "nx:noop"
# fmt: off
_SETTINGS = frozenset((
    "$schema", "targetDefaults", "namedInputs", "tasksRunnerOptions", "extends", "defaultBase", "affected",
))
# fmt: on
# fmt: off
_TARGET = frozenset((
    "executor", "command", "script", "options", "configurations", "defaultConfiguration", "dependsOn", "inputs",
    "outputs", "cache", "continuous", "metadata",
))
# fmt: on
# fmt: off
_OPTIONS = frozenset((
    "command", "commands", "script", "cwd", "env", "args", "parallel", "color", "readyWhen",
))
# fmt: on
_CODE = (".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".vue", ".svelte")
_SHAPE: dict[str, type] = {
    **dict.fromkeys(("executor", "command", "defaultConfiguration"), str),
    **dict.fromkeys(("options", "configurations"), dict),
    **dict.fromkeys(("dependsOn", "inputs", "outputs"), list),
    **dict.fromkeys(("cache", "continuous"), bool),
}
_OPTION_SHAPE: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("command", "cwd", "script"), str),
    "commands": list,
    "env": dict,
    "args": (str, list),
}
_IMPORTED = re.compile(r"""(?:\bfrom|\bimport|\brequire\s*\(|\bimport\s*\()\s*['"]([^'"\n]+)['"]""")


class Nx(Record):
    """A project of nx; `document` holds its targets under `at`."""

    path: str
    name: str
    package: Package | None
    document: Document | None
    needs: tuple[str, ...] = ()


def read(tree: Tree) -> Imported:
    return _Workspace(tree, tree.required("/nx.json", tree.json, "nx")).imported()


class _Workspace:
    def __init__(self, tree: Tree, root: Document) -> None:
        self.tree = tree
        self.root = root
        self.notes: list[Note] = []
        self.packages = packages.read(tree, "nx", self.notes) if tree.is_file("/package.json") else None
        self.projects = self._projects()
        self._link()
        self.locks = tuple(packages.lock_files(tree))
        runner = root.table("tasksRunnerOptions", "default", "options")
        self.cacheable = strings(runner.get("cacheableOperations"))
        self._missing: dict[str, None] = {}

    def imported(self) -> Imported:
        tasks: list[Task] = []
        for project in self.projects.values():
            tasks += [self._task(project, name, *target) for name, target in self._targets(project).items()]
        for key in self.root.data:
            if key not in _SETTINGS:
                what = "targets that plugins infer are not known" if key == "plugins" else "a setting of nx"
                self.notes.append(Note(self.root.place(key), f"`{key}`: {what}"))
        found = [
            Project(p.path, p.name, self._tags(p), (p.document.text("description") if p.document else "") or "")
            for p in self.projects.values()
        ]
        return Imported(tuple(found), tuple(tasks), tuple(self.notes), passed=npm.PASSED)

    def _tags(self, project: Nx) -> tuple[str, ...]:
        own = project.document.texts("tags") if project.document else ()
        return (*own, *(project.package.manifest.texts("nx", "tags") if project.package else ()))

    def _projects(self) -> dict[str, Nx]:
        listed = self.packages.by_path if self.packages else {}
        found = {}
        for path, files in self.tree.directories():
            package = listed.get(path)
            if "project.json" in files:
                document = self.tree.json(f"{path}/project.json")
                assert document is not None
                name = document.text("name") or (package.name if package else path.rpartition("/")[2] or "root")
                found[path] = Nx(path, name, package, document)
            elif package is not None and (path or package.manifest.get("nx") is not None):
                found[path] = Nx(path, package.manifest.text("nx", "name") or package.name, package, None)
        return found

    # --- Dependencies between projects -------------------------------------------------------------------------------

    def _link(self) -> None:
        self.by_name = {project.name: path for path, project in self.projects.items()}
        aliases = self._aliases()
        for path, project in self.projects.items():
            needs: dict[str, None] = {}
            if self.packages and project.package:
                needs.update(dict.fromkeys(self.packages.by_path[path].needs))
            implicit = list(project.document.texts("implicitDependencies") if project.document else ())
            implicit += project.package.manifest.texts("nx", "implicitDependencies") if project.package else ()
            for name in implicit:
                other = self.by_name.get(name.removeprefix("!"))
                if other is None or name == "*":
                    place = project.document.place("implicitDependencies") if project.document else ""
                    self.notes.append(Note(place, f"implicit dependency `{name}`: there is no such project"))
                elif name.startswith("!"):
                    needs.pop(other, None)
                else:
                    needs[other] = None
            if aliases:
                needs.update(dict.fromkeys(self._imports(path, aliases)))
            needs.pop(path, None)
            self.projects[path] = project.replace(needs=tuple(other for other in needs if other in self.projects))
        if aliases:
            self.notes.append(Note("", "dependencies were also found by searching the code for imports of `paths`"))

    def _aliases(self) -> dict[str, str]:
        """Map the names under which code imports projects to their paths, by `paths` of the TypeScript settings."""
        for name in ("/tsconfig.base.json", "/tsconfig.json"):
            document = self.tree.json(name)
            if document is None:
                continue
            base = document.text("compilerOptions", "baseUrl") or "."
            found = {}
            for alias, places in document.table("compilerOptions", "paths").items():
                for place in strings(places)[:1]:
                    owner = self._owner(patterns.anchored("", f"{base}/{place}"))
                    if owner is not None:
                        found[alias] = owner
            if found:
                return found
        return {}

    def _owner(self, file: str) -> str | None:
        """Return the deepest project that a file lies in."""
        return max((path for path in self.projects if path and file.startswith(f"{path}/")), key=len, default=None)

    def _imports(self, path: str, aliases: dict[str, str]) -> Iterator[str]:
        plain = {alias: other for alias, other in aliases.items() if "*" not in alias}
        starts = {alias.partition("*")[0]: other for alias, other in aliases.items() if "*" in alias}
        for directory, files in self.tree.directories(path):
            if directory != path and directory in self.projects:
                continue
            for name in files:
                if name.endswith(_CODE) and self._owner(f"{directory}/{name}") in (path, None):
                    for module in _IMPORTED.findall(self.tree.text(f"{directory}/{name}") or ""):
                        if module in plain:
                            yield plain[module]
                        yield from (other for start, other in starts.items() if module.startswith(start))

    # --- Targets -----------------------------------------------------------------------------------------------------

    def _targets(self, project: Nx) -> dict[str, tuple[dict[str, Any], str]]:
        found: dict[str, tuple[dict[str, Any], str]] = {}
        if project.package:
            manifest = project.package.manifest
            scripts = npm.scripts(project.package, self.notes)
            included = manifest.get("nx", "includedScripts")
            for name in scripts:
                if included is None or name in strings(included):
                    run: dict[str, Any] = {"executor": "nx:run-script", "options": {"script": name}}
                    found[name] = run, manifest.place("scripts", name)
            for name, target in manifest.table("nx", "targets").items():
                found[name] = (
                    {**found.get(name, ({},))[0], **shaped(target, {})[0]},
                    manifest.place("nx", "targets", name),
                )
        if project.document:
            for name, target in project.document.table("targets").items():
                place = project.document.place("targets", name)
                found[name] = {**found.get(name, ({},))[0], **shaped(target, {})[0]}, place
        defaults = self.root.table("targetDefaults")
        merged = {}
        for name, (given, place) in found.items():
            target, wrong = shaped(given, _SHAPE)
            default = shaped(defaults.get(target.get("executor", "")) or defaults.get(name), _SHAPE)[0]
            options, more = shaped({**default.get("options", {}), **target.get("options", {})}, _OPTION_SHAPE)
            self.notes += [
                Note(place, f"`{key}` of {project.name}:{name}: nx knows no such value") for key in wrong + more
            ]
            merged[name] = {**default, **target, "options": options}, place
        return merged

    def _task(self, project: Nx, name: str, target: dict[str, Any], place: str) -> Task:
        command, shell = self._action(project, name, target, place)
        runs = command is not None or shell is not None
        cache = target.get("cache")
        cached = cache is True if cache is not None else name in self.cacheable
        inputs, directories, hashed, tools = self._inputs(project, target, place if runs and cached else "")
        outputs = [
            pattern
            for text in strings(target.get("outputs"))
            for out in [self._filled(project, text, target["options"])]
            if out is not None
            for pattern in patterns.written(self.tree, out)
        ]
        deps = [key for one in target.get("dependsOn") or () for key in self._dependency(project, one, place)]
        given = target["options"].get("env", {})
        override = tuple((key, str(value)) for key, value in given.items() if key.isidentifier())
        if runs:
            for key in target:
                if key not in _TARGET:
                    self.notes.append(Note(place, f"`{key}` of {project.name}:{name}: haz has no such thing"))
        persistent = target.get("continuous") is True or "readyWhen" in target["options"]
        return Task(
            (project.path, name),
            command=command,
            shell=shell,
            inputs=tuple(inputs),
            directories=tuple(directories),
            outputs=tuple(outputs),
            deps=tuple(deps),
            from_host=tuple(hashed),
            override=override,
            tools=tuple(tools),
            cache=cached and command != ("true",),
            persistent=persistent,
            gitignore=True,
        )

    def _action(
        self, project: Nx, name: str, target: dict[str, Any], place: str
    ) -> tuple[tuple[str, ...] | None, str | None]:
        """Say what a target does; neither where an executor does it."""
        options = target["options"]
        configurations = target.get("configurations", {})
        default = shaped(configurations.get(target.get("defaultConfiguration", "")), _OPTION_SHAPE)[0]
        options = target["options"] = {**options, **default}
        others = [key for key in configurations if key != target.get("defaultConfiguration")]
        executor = target.get("executor") or ("nx:run-commands" if target.get("command") else "")
        label = f"{project.name}:{name}"
        if executor == NOTHING or (not executor and target.get("dependsOn")):
            return ("true",), None
        if executor in SCRIPTS:
            manager = self.packages.manager if self.packages else "npm"
            return (manager, "run", str(options.get("script") or name)), None
        if executor not in RUNS:
            what = f"the executor `{executor}` is a program of nx" if executor else "nothing says what it does"
            self.notes.append(Note(place, f"{label}: {what}"))
            return None, None
        if others:
            self.notes.append(Note(place, f"{label}: the configurations {', '.join(others)} are not carried over"))
        listed = [target.get("command") or options.get("command")]
        listed += [one.get("command") if isinstance(one, dict) else one for one in options.get("commands") or ()]
        lines = [line for line in listed if isinstance(line, str)]
        arguments = options.get("args")
        if arguments:
            given = [arguments] if isinstance(arguments, str) else [str(one) for one in arguments]
            lines = [" ".join([line, *given]) for line in lines]
        unknown = [key for key in options if key not in _OPTIONS]
        if unknown:
            self.notes.append(Note(place, f"{label}: options that its commands do not get: {', '.join(unknown)}"))
        if len(lines) > 1 and options.get("parallel") is not False:
            self.notes.append(Note(place, f"{label}: its {len(lines)} commands run one after the other"))
        script = self._filled(project, " && ".join(lines), options, is_path=False)
        if not script:
            self.notes.append(Note(place, f"{label}: its command needs what only nx knows"))
            return None, None
        # Commands of nx start at the root, or where `cwd` says.
        where = self._filled(project, str(options.get("cwd") or "."), options, is_path=False) or "."
        where = patterns.anchored("", where)
        if where == project.path:
            return patterns.action(self.tree, project.path, script)
        if where:
            script = f"cd {where[1:]} && {script}"
        return patterns.action(self.tree, project.path, script, at_root=True)

    def _filled(self, project: Nx, text: str, options: dict[str, Any], *, is_path: bool = True) -> str | None:
        """Fill in the tokens of nx; None where one is not known."""
        mark, rest = ("!", text[1:]) if is_path and text.startswith("!") else ("", text)
        tokens = {
            "workspaceRoot": "." if not is_path else "",
            "projectRoot": project.path[1:] or ".",
            "projectName": project.name,
        }

        def fill(found: re.Match[str]) -> str:
            token = found[1]
            if token in tokens:
                return tokens[token]
            value = options.get(token.removeprefix("options.")) if token.startswith("options.") else None
            return str(value) if isinstance(value, str | int) else found[0]

        filled = re.sub(r"\{([A-Za-z]+(?:\.\w+)?)\}", fill, rest)
        if re.search(r"\{(args|options|projectRoot|workspaceRoot)\b", filled):
            return None
        return patterns.anchored("", mark + filled) if is_path else filled

    def _dependency(self, project: Nx, given: Any, place: str) -> list[Key]:
        if isinstance(given, str):
            if given.startswith("^"):
                return [(other, given[1:]) for other in project.needs]
            owner, colon, target = given.rpartition(":")
            if colon and owner in self.by_name:
                return [(self.by_name[owner], target)]
            return [(project.path, given)]
        if not isinstance(given, dict) or not isinstance(given.get("target"), str):
            return []
        target = given["target"]
        chosen = given.get("projects")
        if given.get("dependencies") or chosen == "dependencies":
            return [(other, target) for other in project.needs]
        found = []
        for name in strings(chosen) or ("self",):
            if name in ("self", "{self}"):
                found.append((project.path, target))
            elif name in self.by_name:
                found.append((self.by_name[name], target))
            else:
                self.notes.append(Note(place, f"`dependsOn`: there is no project `{name}`"))
        return found

    # --- Inputs ------------------------------------------------------------------------------------------------------

    def _inputs(
        self, project: Nx, target: dict[str, Any], place: str
    ) -> tuple[list[str], list[str], list[str], list[str | tuple[str, ...]]]:
        """Return patterns, directories, variables and tools that decide whether a target runs again."""
        inputs: dict[str, None] = dict.fromkeys(("/nx.json", *self.locks))
        directories: dict[str, None] = {}
        hashed: dict[str, None] = {}
        tools: dict[str | tuple[str, ...], None] = {}
        given = target.get("inputs")
        for owner, one in self._expanded(project, given if isinstance(given, list) else ["default", "^default"], ()):
            if isinstance(one, dict):
                if isinstance(one.get("env"), str):
                    hashed[one["env"]] = None
                elif isinstance(one.get("runtime"), str):
                    tools[("sh", "-c", one["runtime"])] = None
                elif "externalDependencies" not in one and "dependentTasksOutputFiles" not in one and place:
                    self.notes.append(Note(place, f"the input {one} is not carried over"))
                continue
            pattern = self._filled(owner, one, target["options"]) if isinstance(one, str) else None
            if pattern is None or pattern.startswith(("/..", "!/..")):
                if place:
                    self.notes.append(Note(place, f"the input `{one}` is not carried over"))
            elif pattern == f"{owner.path}/**/*":
                directories[owner.path] = None
            else:
                inputs.update(dict.fromkeys(patterns.read(self.tree, pattern)))
        return list(inputs), list(directories), list(hashed), list(tools)

    def _expanded(self, project: Nx, given: Iterable[Any], within: tuple[str, ...]) -> Iterator[tuple[Nx, Any]]:
        """Replace named inputs by what they stand for, of the project itself or (`^`) of all that it depends on."""
        for one in given:
            entry = one
            if isinstance(entry, dict) and isinstance(entry.get("fileset"), str):
                entry = entry["fileset"]
            if isinstance(entry, dict) and isinstance(entry.get("input"), str):
                entry = ("^" if entry.get("dependencies") or entry.get("projects") == "dependencies" else "") + entry[
                    "input"
                ]
            if not isinstance(entry, str):
                yield project, entry
            elif entry.startswith("^"):
                for other in self._all_needs(project):
                    yield from self._expanded(other, [entry[1:]], within)
            elif "/" in entry or entry.startswith(("{", "!")):
                yield project, entry
            elif entry not in within:
                yield from self._expanded(project, self._named(project, entry), (*within, entry))

    def _named(self, project: Nx, name: str) -> list[Any]:
        for document, keys in (
            (project.document, ("namedInputs", name)),
            (project.package.manifest if project.package else None, ("nx", "namedInputs", name)),
            (self.root, ("namedInputs", name)),
        ):
            found = document.get(*keys) if document else None
            if isinstance(found, list):
                return found
        if name != "default" and name not in self._missing:
            self._missing[name] = None
            self.notes.append(Note(self.root.path, f"the named input `{name}` is not defined: all files are read"))
        return ["{projectRoot}/**/*"]

    def _all_needs(self, project: Nx) -> list[Nx]:
        queue = list(project.needs)
        for path in queue:
            queue += [other for other in self.projects[path].needs if other not in queue]
        return [self.projects[path] for path in dict.fromkeys(queue) if path != project.path]
