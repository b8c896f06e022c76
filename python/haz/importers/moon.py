"""moon: the projects of .moon/workspace.yml, their moon.yml, and the tasks that they inherit."""

from __future__ import annotations

import re
import shlex

from haz._record import Record
from haz.importers import npm, packages, patterns
from haz.importers.documents import Document, shaped, strings
from haz.importers.records import Imported, Note, Project, Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from haz.importers.records import Key
    from haz.importers.tree import Tree

# fmt: off
_TASK = frozenset((
    "command", "args", "script", "inputs", "outputs", "deps", "env", "options", "description", "local",
    "preset", "extends", "type", "toolchain", "platform", "toolchains", "tags",
))
# fmt: on
# fmt: off
_OPTIONS = frozenset((
    "cache", "persistent", "retryCount", "timeout", "mutex", "runFromWorkspaceRoot", "runInCI", "mergeArgs",
    "mergeDeps", "mergeEnv", "mergeInputs", "mergeOutputs", "merge", "outputStyle", "shell", "unixShell",
    "windowsShell", "internal", "cacheLifetime", "cacheKey", "inferInputs",
))
# fmt: on
# fmt: off
_WORKSPACE = frozenset((
    "$schema", "projects", "vcs", "extends", "versionConstraint", "telemetry",
))
# fmt: on
_SHAPE: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("script", "description", "preset", "extends"), str),
    **dict.fromkeys(("command", "args"), (str, list)),
    **dict.fromkeys(("inputs", "outputs", "deps"), list),
    **dict.fromkeys(("env", "options"), dict),
}
_OPTION_SHAPE: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("retryCount", "timeout"), int),
    **dict.fromkeys(("mutex", "merge", "mergeArgs", "mergeDeps", "mergeEnv", "mergeInputs", "mergeOutputs"), str),
}
_TOKEN = re.compile(r"@(group|globs|files|dirs|root|in|out|envs|meta)\(([\w-]+)\)")


class Moon(Record):
    """A project of moon; `document` is its moon.yml, empty when it has none."""

    path: str
    id: str
    document: Document
    needs: tuple[str, ...] = ()


def read(tree: Tree) -> Imported:
    return _Workspace(tree, tree.required("/.moon/workspace.yml", tree.yaml, "moon")).imported()


class _Workspace:
    def __init__(self, tree: Tree, root: Document) -> None:
        self.tree = tree
        self.root = root
        self.notes: list[Note] = []
        self.packages = packages.read(tree, "moon", self.notes) if tree.is_file("/package.json") else None
        self.projects = self._projects()
        self._link()
        manifests = ["/package.json"] if self.packages else []
        self.shared = (*manifests, *packages.lock_files(tree))
        self.inherited = self._task_files()

    def imported(self) -> Imported:
        tasks: list[Task] = []
        for project in self.projects.values():
            for name, (task, document, implicit) in self._tasks(project).items():
                tasks.append(self._task(project, name, task, document, implicit))
        for key in self.root.data:
            if key not in _WORKSPACE:
                self.notes.append(Note(self.root.place(key), f"`{key}`: a setting of moon"))
        found = [
            Project(p.path, p.id, p.document.texts("tags"), p.document.text("project", "description") or "")
            for p in self.projects.values()
        ]
        return Imported(tuple(found), tuple(tasks), tuple(self.notes), passed=npm.PASSED if self.packages else ())

    # --- Projects ----------------------------------------------------------------------------------------------------

    def _projects(self) -> dict[str, Moon]:
        given = self.root.get("projects")
        globs: list[str] = []
        sources: dict[str, str] = {}
        if isinstance(given, list):
            globs = list(strings(given))
        elif isinstance(given, dict):
            nested = isinstance(given.get("globs"), list) or isinstance(given.get("sources"), dict)
            globs = list(strings(given.get("globs"))) if nested else []
            table = shaped(given.get("sources") if nested else given, {})[0]
            sources = {name: path for name, path in table.items() if isinstance(path, str)}
        found: dict[str, Moon] = {}
        for name, place in sources.items():
            path = patterns.anchored("", place)
            if self.tree.is_directory(path) and not path.startswith("/.."):
                found[path] = self._project(path, name)
            else:
                self.notes.append(Note(self.root.place("projects"), f"project `{name}`: there is no {path[1:]}"))
        for path in self.tree.matching((glob.removesuffix("/moon.yml") for glob in globs), None):
            found.setdefault(path, self._project(path, path.rpartition("/")[2] or "root"))
        return dict(sorted(found.items()))

    def _project(self, path: str, name: str) -> Moon:
        document = self.tree.yaml(f"{path}/moon.yml") or Document(f"{path}/moon.yml"[1:], {}, {})
        return Moon(path, document.text("id") or name, document)

    def _link(self) -> None:
        self.by_id = {project.id: path for path, project in self.projects.items()}
        for path, project in self.projects.items():
            needs: dict[str, None] = {}
            listed = project.document.get("dependsOn")
            for given in listed if isinstance(listed, list) else ():
                name = given.get("id") if isinstance(given, dict) else given
                if isinstance(name, str) and name in self.by_id:
                    needs[self.by_id[name]] = None
                else:
                    place = project.document.place("dependsOn")
                    self.notes.append(Note(place, f"`dependsOn: {name}`: there is no such project"))
            if self.packages and path in self.packages.by_path:
                needs.update(dict.fromkeys(self.packages.by_path[path].needs))
            needs.pop(path, None)
            self.projects[path] = project.replace(needs=tuple(other for other in needs if other in self.projects))

    # --- Tasks -------------------------------------------------------------------------------------------------------

    def _task_files(self) -> dict[str, Document]:
        """Find the files of inherited tasks by the name of what inherits them; those for all under ``."""
        found = {}
        for name in ("/.moon/tasks.yml", "/.moon/tasks/all.yml"):
            document = self.tree.yaml(name)
            if document is not None:
                found[""] = document
        if self.tree.is_directory("/.moon/tasks"):
            for directory, files in self.tree.directories("/.moon/tasks"):
                for name in files:
                    document = self.tree.yaml(f"{directory}/{name}") if name.endswith(".yml") else None
                    if document is not None and name != "all.yml":
                        if document.get("inheritedBy") is not None:
                            place = document.place("inheritedBy")
                            self.notes.append(Note(place, "`inheritedBy`: the name of the file decides instead"))
                        found[name.removesuffix(".yml")] = document
        return found

    def _tasks(self, project: Moon) -> dict[str, tuple[dict[str, Any], Document, list[Any]]]:
        """Merge what a project inherits with what it defines."""
        own = project.document
        kinds = [own.text("language"), own.text("layer") or own.text("type")]
        names = ["", *(kind for kind in kinds if kind)]
        if all(kinds):
            names.append(f"{kinds[0]}-{kinds[1]}")
        names += [f"tag-{tag}" for tag in own.texts("tags")]
        filters = own.table("workspace", "inheritedTasks")
        excluded, included = strings(filters.get("exclude")), filters.get("include")
        renamed = filters.get("rename") if isinstance(filters.get("rename"), dict) else {}
        found: dict[str, tuple[dict[str, Any], Document, list[Any]]] = {}
        for name in names:
            document = self.inherited.get(name)
            if document is None:
                continue
            given_to_all = document.get("implicitInputs"), document.get("implicitDeps")
            implicit = [given if isinstance(given, list) else [] for given in given_to_all]
            for task, given in document.table("tasks").items():
                body = self._shaped(given, document.place("tasks", task))
                if task in excluded or (included is not None and task not in strings(included)):
                    continue
                before = found.get(task)
                key = (renamed or {}).get(task, task)
                found[key] = (_merged(before[0], body) if before else body), document, implicit
        for task, given in own.table("tasks").items():
            place = own.place("tasks", task)
            body = self._shaped(given, place)
            if "extends" in body:
                base = self._shaped(own.table("tasks", body["extends"]), place) or found.get(body["extends"], ({},))[0]
                body = _merged(base, {**body, "extends": None})
            before = found.get(task)
            found[task] = (_merged(before[0], body) if before else body), own, (before[2] if before else [[], []])
        return found

    def _shaped(self, given: Any, place: str) -> dict[str, Any]:
        task, wrong = shaped(given, _SHAPE)
        task["options"], more = shaped(task.get("options"), _OPTION_SHAPE)
        self.notes += [Note(place, f"`{key}`: moon knows no such value") for key in wrong + more]
        return task

    def _task(self, project: Moon, name: str, task: dict[str, Any], document: Document, implicit: list[Any]) -> Task:
        place = document.place("tasks", name)
        label = f"{project.id}:{name}"
        options = task["options"]
        for key, known, value in [
            *((key, _TASK, task[key]) for key in task),
            *((key, _OPTIONS, options[key]) for key in options),
        ]:
            if key not in known and value not in (None, False):
                self.notes.append(Note(place, f"`{key}` of {label}: haz has no such thing"))
        persistent = options.get("persistent") is True or task.get("local") is True
        persistent = persistent or task.get("preset") in ("server", "watcher")
        cache = options.get("cache") is not False and not persistent
        command, shell = self._action(project, name, task, options, place)
        aggregate = command == ("true",)
        inputs, directories, hashed = self._inputs(project, task, [*implicit[0]], place)
        outputs = []
        for given in task.get("outputs") or ():
            text = (
                given
                if isinstance(given, str)
                else (given.get("glob") or given.get("file"))
                if isinstance(given, dict)
                else None
            )
            if not isinstance(text, str) or "@" in text:
                self.notes.append(Note(place, f"the output {given} of {label} is not carried over"))
                cache = False
            elif text.strip("/").endswith("node_modules"):
                self.notes.append(Note(place, f"{label}: `{text}` is no output for a cache: it runs every time"))
                cache = False
            else:
                outputs += patterns.written(
                    self.tree, patterns.anchored(project.path, self._filled(project, name, text))
                )
        deps = [
            key
            for given in (*(task.get("deps") or ()), *implicit[1])
            for key in self._dependency(project, given, place, label)
        ]
        environment = {**project.document.table("env"), **(task.get("env") or {})}
        return Task(
            (project.path, name),
            command=command,
            shell=shell,
            comment=task.get("description") or "",
            inputs=() if aggregate else tuple(inputs),
            directories=() if aggregate else tuple(directories),
            outputs=tuple(outputs),
            deps=tuple(deps),
            from_host=tuple(hashed),
            override=tuple((key, str(value)) for key, value in environment.items() if key.isidentifier()),
            mutex=_identifier(options.get("mutex")),
            timeout=str(options["timeout"]) if isinstance(options.get("timeout"), int) else None,
            retries=options["retryCount"] if isinstance(options.get("retryCount"), int) else 0,
            cache=cache and not aggregate,
            persistent=persistent,
            gitignore=True,
        )

    def _action(
        self, project: Moon, name: str, task: dict[str, Any], options: dict[str, Any], place: str
    ) -> tuple[tuple[str, ...] | None, str | None]:
        script = task.get("script")
        given = task.get("command")
        words = [str(word) for word in given] if isinstance(given, list) else [str(given)] if given else []
        arguments = task.get("args")
        more = [arguments] if isinstance(arguments, str) else [str(word) for word in arguments or ()]
        if not isinstance(given, list) and not isinstance(arguments, list):
            line = " ".join([*words, *more])
        else:
            line = " ".join(
                [
                    *(words if not isinstance(given, list) else map(_quoted, words)),
                    *(map(_quoted, more) if isinstance(arguments, list) else more),
                ]
            )
        if isinstance(script, str):
            line = script.strip()
        if not line or line in ("noop", "no-op", "nop"):
            return ("true",), None
        line = self._filled(project, name, line)

        def expand(found: re.Match[str]) -> str:
            group = self._group(project, found[2])
            if found[1] not in ("group", "globs", "files", "dirs", "root") or not group:
                self.notes.append(
                    Note(place, f"{project.id}:{name}: `{found[0].strip()}` in its command is not carried over")
                )
                return ""
            return found[0][: found[0].index("@")] + " ".join(group)

        line = re.sub(f" ?{_TOKEN.pattern}", expand, line)
        return patterns.action(self.tree, project.path, line, at_root=options.get("runFromWorkspaceRoot") is True)

    def _filled(self, project: Moon, name: str, text: str) -> str:
        up = "/".join([".."] * project.path.count("/")) or "."
        values = {
            "workspaceRoot": up,
            "projectRoot": ".",
            "projectSource": project.path[1:] or ".",
            "projectName": project.id,
            "project": project.id,
            "taskName": name,
            "task": name,
            "target": f"{project.id}:{name}",
        }
        pattern = r"\$(" + "|".join(sorted(values, key=len, reverse=True)) + r")\b"
        return re.sub(pattern, lambda found: values[found[1]], text)

    def _group(self, project: Moon, name: str) -> tuple[str, ...]:
        own = project.document.texts("fileGroups", name)
        shared = next((texts for doc in self.inherited.values() if (texts := doc.texts("fileGroups", name))), ())
        return own or shared

    def _inputs(
        self, project: Moon, task: dict[str, Any], implicit: list[Any], place: str
    ) -> tuple[list[str], list[str], list[str]]:
        """Return patterns, directories and variables."""
        given = task.get("inputs")
        directories = [project.path] if given is None else []
        inputs: dict[str, None] = dict.fromkeys(self.shared)
        hashed: dict[str, None] = {}
        queue = [*(given if isinstance(given, list) else []), *implicit]
        for one in queue:
            text = (
                one if isinstance(one, str) else (one.get("glob") or one.get("file")) if isinstance(one, dict) else None
            )
            token = _TOKEN.fullmatch(text) if isinstance(text, str) else None
            if token is not None and token[1] in ("group", "globs", "files", "dirs"):
                queue += [entry for entry in self._group(project, token[2]) if entry not in queue]
            elif not isinstance(text, str) or token is not None or text.startswith("@"):
                self.notes.append(Note(place, f"the input {one} of {project.id} is not carried over"))
            elif text.startswith("$") and text[1:].isidentifier():
                hashed[text[1:]] = None
            elif text.startswith("$"):
                self.notes.append(Note(place, f"variable `{text}`: haz takes names only, list them one by one"))
            else:
                plain = text.removeprefix("glob://").removeprefix("file://")
                pattern = patterns.anchored(project.path, self._filled(project, "", plain))
                if pattern == f"{project.path}/**/*":
                    directories.append(project.path)
                else:
                    inputs.update(dict.fromkeys(patterns.read(self.tree, pattern)))
        return list(inputs), list(dict.fromkeys(directories)), list(hashed)

    def _dependency(self, project: Moon, given: Any, place: str, label: str) -> list[Key]:
        if isinstance(given, dict):
            if given.get("args") or given.get("env"):
                self.notes.append(
                    Note(place, f"{label}: a dependency with arguments or variables of its own is one without")
                )
            given = given.get("target")
        owner, _, target = str(given).rpartition(":")
        if owner in ("", "~"):
            return [(project.path, target)]
        if owner == "^":
            return [(other, target) for other in project.needs]
        if owner.startswith("#"):
            return [
                (p.path, target)
                for p in self.projects.values()
                if owner[1:] in p.document.texts("tags") and p != project
            ]
        if owner not in self.by_id:
            self.notes.append(Note(place, f"{label}: `{given}` names no project"))
            return []
        return [(self.by_id[owner], target)]


def _quoted(word: str) -> str:
    return word if _TOKEN.fullmatch(word) or "$" in word else shlex.quote(word)


def _identifier(given: Any) -> str | None:
    return re.sub(r"[^A-Za-z0-9_-]", "-", given) if isinstance(given, str) and given[:1].isalnum() else None


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Merge a task into the one that it inherits: lists are appended, unless an option says otherwise."""
    options = {**(base.get("options") or {}), **(over.get("options") or {})}
    merged = {**base, **{key: value for key, value in over.items() if value is not None}, "options": options}
    for key in ("args", "deps", "env", "inputs", "outputs"):
        old, new = base.get(key), over.get(key)
        if old is None or new is None:
            continue
        how = options.get(f"merge{key.capitalize()}") or options.get("merge") or "append"
        if isinstance(old, dict) and isinstance(new, dict):
            merged[key] = new if how == "replace" else {**old, **new}
        elif isinstance(old, list) and isinstance(new, list):
            merged[key] = {"replace": new, "prepend": [*new, *old], "preserve": old}.get(how, [*old, *new])
        elif how == "append" and isinstance(old, str) and isinstance(new, str):
            merged[key] = f"{old} {new}"
    return merged
