"""`uv.lock`, version 1: one resolution for all members of a workspace."""

from __future__ import annotations

from haz.lockfiles import Unsliceable, line, toml

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Table = dict[str, Any]

LOCAL = ("editable", "virtual", "directory")


class UvLock:
    def __init__(self, data: bytes) -> None:
        document = toml(data)
        if document["version"] != 1:
            raise Unsliceable(f"version {document['version']!r} of uv.lock is not known")
        packages: list[Table] = document.pop("package", [])
        self._by_name: dict[str, list[Table]] = {}
        for package in packages:
            self._by_name.setdefault(package["name"], []).append(package)
        document.get("manifest", {}).pop("members", None)
        self._head = line("uv.lock", document["version"], document)

    def slice(self, project: str) -> list[str]:
        """Follow all extras and groups of the project, and of others the extras that are asked for."""
        name = _normal(project)
        roots = [one for one in self._by_name.get(name, ()) if any(key in one.get("source", {}) for key in LOCAL)]
        if not roots:
            raise Unsliceable(f"`{name}` is not a member of it")
        # The extras that are followed of each package, by identity; a package of the project's own is taken whole.
        extras: dict[int, set[str]] = {}
        found: list[Table] = []
        queue: list[tuple[Table, tuple[str, ...]]] = [(root, ()) for root in roots]
        for package, wanted in queue:
            known = extras.get(id(package))
            if known is None:
                known = extras[id(package)] = set()
                found.append(package)
                self._follow(queue, package.get("dependencies", []))
                if package in roots:
                    for group in ("optional-dependencies", "dev-dependencies"):
                        for dependencies in package.get(group, {}).values():
                            self._follow(queue, dependencies)
            for extra in sorted(set(wanted) - known):
                known.add(extra)
                if package not in roots:
                    self._follow(queue, package.get("optional-dependencies", {}).get(extra, []))
        lines = [
            line(one["name"], one.get("version", "-"), one if one in roots else _followed(one, extras[id(one)]))
            for one in found
        ]
        return [self._head, *sorted(lines)]

    def _follow(self, queue: list[tuple[Table, tuple[str, ...]]], dependencies: list[Table]) -> None:
        for dependency in dependencies:
            matching = [
                package
                for package in self._by_name.get(dependency["name"], ())
                if all(package.get(key) == dependency[key] for key in ("version", "source") if key in dependency)
            ]
            if not matching:
                raise Unsliceable(f"the dependency `{dependency['name']}` is not in it")
            queue += [(package, tuple(dependency.get("extra", ()))) for package in matching]


def _normal(name: str) -> str:
    """PEP 503."""
    for other in "_.":
        name = name.replace(other, "-")
    while "--" in name:
        name = name.replace("--", "-")
    return name.lower()


def _followed(package: Table, extras: set[str]) -> Table:
    """Leave out what matters only to whoever asks for it: other extras, groups for development, what was required."""
    kept = {key: value for key, value in package.items() if key not in ("dev-dependencies", "metadata")}
    optional = package.get("optional-dependencies", {})
    kept["optional-dependencies"] = {extra: optional[extra] for extra in extras if extra in optional}
    return kept
