"""`Cargo.lock`, versions 2 to 4: one resolution for all members of a workspace."""

from __future__ import annotations

from haz.lockfiles import Unsliceable, line, toml

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Table = dict[str, Any]


class CargoLock:
    def __init__(self, data: bytes) -> None:
        document = toml(data)
        self._version = document.get("version", 2)
        if self._version not in (2, 3, 4) or "metadata" in document:
            raise Unsliceable(f"version {document.get('version', 1)!r} of Cargo.lock is not known")
        self._by_name: dict[str, list[Table]] = {}
        for package in document.get("package", []):
            self._by_name.setdefault(package["name"], []).append(package)

    def slice(self, project: str) -> list[str]:
        """Follow all dependencies; the file does not tell those for development from others."""
        # Members of the workspace have no source.
        found = [one for one in self._by_name.get(project, ()) if "source" not in one]
        if not found:
            raise Unsliceable(f"`{project}` is not a member of it")
        seen = {id(one) for one in found}
        for package in found:
            for dependency in package.get("dependencies", ()):
                for one in self._matching(dependency):
                    if id(one) not in seen:
                        seen.add(id(one))
                        found.append(one)
        return [f"Cargo.lock {self._version}", *sorted(line(one["name"], one["version"], one) for one in found)]

    def _matching(self, dependency: str) -> list[Table]:
        """Return what `name`, `name version` or `name version (source)` means; the source lacks the exact commit."""
        name, _, rest = dependency.partition(" ")
        version, _, source = rest.partition(" ")
        matching = [
            one
            for one in self._by_name.get(name, ())
            if (not version or one["version"] == version)
            and (not source or one.get("source", "").partition("#")[0] == source[1:-1].partition("#")[0])
        ]
        if not matching:
            raise Unsliceable(f"the dependency `{dependency}` is not in it")
        return matching
