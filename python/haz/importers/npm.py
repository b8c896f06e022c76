"""The `workspaces` of package.json; of npm, yarn or bun, whichever the workspace uses. Scripts become tasks.

npm says neither what a script reads and writes nor what it needs, so nothing is cached, and only what a package
manager knows becomes a dependency: a script of a package needs the built packages that its package depends on.
"""

from __future__ import annotations

import re

from haz.importers import packages
from haz.importers.records import NETWORK, Imported, Note, Project, Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.importers.packages import Package, Packages
    from haz.importers.records import Key
    from haz.importers.tree import Tree

REMARK = (
    "None of these is cached: package.json does not say what a script reads and writes. "
    "List `inputs` and `outputs` of a task, and drop its `cache: false`."
)
PASSED = (*NETWORK, "NODE_OPTIONS", "npm_config_registry", "npm_config_cache", "COREPACK_HOME")
BUILD = frozenset({"build"})
# Run by the package manager itself at its own moments.
# fmt: off
_LIFECYCLE = frozenset((
    "preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare", "prepublishOnly",
    "prepack", "postpack", "preversion", "version", "postversion", "publish", "postpublish", "dependencies",
))
# fmt: on
_SERVERS = re.compile(r"(dev|start|serve|watch|preview|storybook)(:.*)?|.*:(watch|dev)")
_TIDY = re.compile(r"(clean|clear|reset)(:.*)?")
_STYLE = re.compile(r"(lint|format|fmt|prettier|style)(:.*)?")
# Root scripts that run scripts of members, which is what haz does.
_ORCHESTRATES = re.compile(
    r"--workspaces?\b|\s-ws?\b|\byarn workspaces?\b|\blerna\b|\bturbo\b|\bnx\b|\bmoon\b|\bwsrun\b|\brush\b|\blage\b"
    r"|\bpnpm\b.*(\s-r\b|--recursive|--filter|\s-F\b|\s-C\b)|\bbun\b.*--filter"
)


def read(tree: Tree) -> Imported:
    return from_packages(tree, "npm", None)


def from_packages(tree: Tree, source: str, manager: str | None) -> Imported:
    notes: list[Note] = []
    found = packages.read(tree, source, notes, manager=manager)
    projects, tasks = [], []
    for package in found.by_path.values():
        kept = scripts(package, notes)
        if package.path or kept:
            remark = REMARK if kept else ""
            projects.append(
                Project(
                    package.path, package.name, description=package.manifest.text("description") or "", remark=remark
                )
            )
        tasks += [_task(found, package, name, kept) for name in kept]
    return Imported(tuple(projects), tuple(tasks), tuple(notes), passed=PASSED)


def scripts(package: Package, notes: list[Note]) -> list[str]:
    kept = []
    scripts = package.scripts
    for name, text in scripts.items():
        place = package.manifest.place("scripts", name)
        hooked = next((name.removeprefix(p) for p in ("pre", "post") if name.removeprefix(p) in scripts), name)
        if name in _LIFECYCLE:
            notes.append(Note(place, f"script `{name}`: run by the package manager at moments of its own"))
        elif hooked != name and name.startswith(("pre", "post")):
            notes.append(Note(place, f"script `{name}`: the package manager runs it around `{hooked}`"))
        elif not package.path and _ORCHESTRATES.search(text):
            notes.append(Note(place, f"script `{name}`: it runs tasks of other packages, which is what haz does"))
        else:
            kept.append(name)
            if _SERVERS.fullmatch(name):
                notes.append(Note(place, f"script `{name}`: by its name it does not end, so it is `persistent`"))
    return kept


def _task(found: Packages, package: Package, name: str, kept: list[str]) -> Task:
    key = package.path, name
    deps: tuple[Key, ...] = ()
    weak: tuple[Key, ...] = ()
    if not _TIDY.fullmatch(name):
        built = tuple(found.providers(package.path, BUILD))
        own: tuple[Key, ...] = tuple((package.path, other) for other in kept if other in BUILD and name not in BUILD)
        deps, weak = ((), (*built, *own)) if _STYLE.fullmatch(name) else (built, own)
    persistent = _SERVERS.fullmatch(name) is not None
    return Task(key, command=found.run(name), deps=deps, weak=weak, cache=False, persistent=persistent)
