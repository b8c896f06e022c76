"""Directories in which other tools keep what is theirs: packages, compiled files, caches (O18)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from haz.model import Pattern

# What must be in the directory, or beside it, for a name that people use too.
_IN = {"venv": ("pyvenv.cfg",), "target": ("CACHEDIR.TAG",)}
_BESIDE = {"target": ("Cargo.toml", "pom.xml", "build.sbt")}
# fmt: off
NAMES = frozenset((
    ".angular", ".build-cache", ".bundle", ".cache", ".ccache", ".dart_tool", ".eggs", ".gradle", ".hypothesis",
    ".mypy_cache", ".nox", ".nx", ".parcel-cache", ".pytest_cache", ".ruff_cache", ".stack-work", ".terraform",
    ".tox", ".turbo", ".venv", ".zig-cache", "__pycache__", "bower_components", "dist-newstyle", "node_modules",
    "target", "venv", "zig-cache",
))
# fmt: on
_SKIPPED = frozenset({".git", ".haz"})
_GLOB = "*?[{\\"
_SAMPLES = 40
_LOOKED_AT = 400


class Foreign:
    """Finds such directories below what patterns can reach. Each directory of the workspace is listed once."""

    def __init__(self, root: str, files_in: Callable[[str], dict[str, bool | None]]) -> None:
        """`files_in` lists a directory (host path): names, and whether each is a directory (None for links)."""
        self._root = root
        self._files_in = files_in
        self._seen: set[str] = set()

    def named_in(self, pattern: Pattern) -> str | None:
        """Return the directory (workspace path, up to it as written) that the text of a pattern names."""
        segments = pattern.anchored.split("/")
        for number, segment in enumerate(segments[:-1]):
            if segment in NAMES:
                above = "/".join(segments[:number])
                plain = pattern.literal or not any(special in above for special in _GLOB)
                if self._is_foreign(above, segment) if plain else segment not in _BESIDE | _IN:
                    return f"{above}/{segment}"
        return None

    def below(self, patterns: Iterable[Pattern]) -> Iterator[str]:
        """Yield such directories below the fixed beginnings of all patterns that go down to any depth."""
        starts = set()
        for pattern in patterns:
            if not pattern.literal and not pattern.exclude and "**" in pattern.anchored:
                start = pattern.anchored
                for special in _GLOB:
                    start = start.partition(special)[0]
                starts.add(start.rpartition("/")[0])
        for start in sorted(starts):
            yield from self._search(start)

    def samples(self, directory: str) -> Iterator[str]:
        """Yield some files below a directory, of each ending one: enough to see whether patterns reach it."""
        endings: set[str] = set()
        looked = 0
        queue = [directory]
        for path in queue:
            for name, is_directory in self._files_in(self._root + path).items():
                looked += 1
                if looked > _LOOKED_AT or len(endings) > _SAMPLES:
                    return
                ending = name.rpartition(".")[2]
                if is_directory:
                    queue.append(f"{path}/{name}")
                elif ending not in endings:
                    endings.add(ending)
                    yield f"{path}/{name}"

    def _is_foreign(self, above: str, name: str) -> bool:
        if name not in _IN:
            return True
        inside = self._files_in(f"{self._root}{above}/{name}")
        beside = self._files_in(f"{self._root}{above}")
        return any(sign in inside for sign in _IN[name]) or any(sign in beside for sign in _BESIDE.get(name, ()))

    def _search(self, start: str) -> list[str]:
        """Search without following links: what they lead to is found where it is."""
        if start in self._seen or NAMES.intersection(start.split("/")):
            return []
        found: list[str] = []
        queue = [start]
        for path in queue:
            self._seen.add(path)
            for name, is_directory in self._files_in(self._root + path).items():
                if not is_directory or name in _SKIPPED or f"{path}/{name}" in self._seen:
                    continue
                if name in NAMES and self._is_foreign(path, name):
                    found.append(f"{path}/{name}")
                else:
                    queue.append(f"{path}/{name}")
        return found
