"""`package-lock.json`, versions 2 and 3: which package lies where, as Node finds them."""

from __future__ import annotations

from haz import _core
from haz.lockfiles import Unsliceable, line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Table = dict[str, Any]

MODULES = "node_modules"
NEEDS = ("dependencies", "optionalDependencies", "peerDependencies")
# Said of a package with regard to the whole tree: other projects change it.
RELATIVE = ("dev", "devOptional", "extraneous", "optional", "peer")


class NpmLock:
    def __init__(self, data: bytes) -> None:
        document = _core.json_loads(data)
        self._version = document["lockfileVersion"]
        if self._version not in (2, 3):
            raise Unsliceable(f"version {self._version!r} of package-lock.json is not known")
        self._packages: dict[str, Table] = document["packages"]

    def slice(self, project: str) -> list[str]:
        """Follow what the project and the root declare: programs of the root are on the path of every project."""
        roots = {project, ""}
        if missing := sorted(root for root in roots if root not in self._packages):
            raise Unsliceable(f"`{missing[0] or '/'}` is not a package of it")
        found = dict.fromkeys(sorted(roots))
        queue = list(found)
        for place in queue:
            package = self._packages[place]
            names: dict[str, None] = {}
            for key in (*NEEDS, "devDependencies") if place in roots else NEEDS:
                names.update(dict.fromkeys(package.get(key, ())))
            targets = [self._find(place, name) for name in names]
            if package.get("link"):
                targets.append(package["resolved"])
            for target in targets:
                if target is not None and target not in found:
                    if target not in self._packages:
                        raise Unsliceable(f"the link to `{target}` leads nowhere")
                    found[target] = None
                    queue.append(target)
        return [f"package-lock.json {self._version}", *sorted(self._line(place, place in roots) for place in found)]

    def _find(self, place: str, name: str) -> str | None:
        """Return where a package finds another, or None where it would not: optional ones may be left out."""
        for directory in _upwards(place):
            found = f"{directory}/{MODULES}/{name}".lstrip("/")
            if found in self._packages:
                return found
        return None

    def _line(self, place: str, whole: bool) -> str:
        package = self._packages[place]
        left_out = RELATIVE if whole else (*RELATIVE, "devDependencies")
        entry = {key: value for key, value in package.items() if key not in left_out}
        if not place:
            # Which other projects there are is none of this one's business.
            entry.pop("workspaces", None)
        return line(place or ".", package.get("version", "-"), entry)


def _upwards(place: str) -> Iterator[str]:
    """Yield the directories that Node looks into for `node_modules`, the nearest first."""
    parts = place.split("/") if place else []
    for length in range(len(parts), -1, -1):
        if not length or parts[length - 1] != MODULES:
            yield "/".join(parts[:length])
