"""Why tasks missed, a line each, by what has changed since their last result (`haz run --explain`)."""

from __future__ import annotations

from haz.cache.collect import Inspection
from haz.cache.explain import explain
from haz.cache.manifest import explain_parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from haz.cache.explain import Difference
    from haz.cache.manifest import Manifest
    from haz.cache.store import Miss
    from haz.model import TaskId
    from haz.run_task import TaskLookup

# In words for people: what of a key has changed.
SECTIONS = {
    "action": "the action changed",
    "inputs": "inputs changed",
    "outputs": "the outputs were declared otherwise",
    "predecessors": "output of dependencies changed",
    "environment": "variables changed",
    "tools": "tools changed",
    "place": "another place",
}


def newest_first(cache: str, task: TaskId) -> list[Manifest]:
    """Return the manifests of a task in the cache directory."""
    found = [entry.manifest for entry in Inspection(cache).sound if entry.manifest and entry.manifest.task == task]
    return sorted(found, key=lambda manifest: manifest.created_at, reverse=True)


class Reasons:
    """Tells the reason of the first miss of each task of a run, and counts them. `cache` is the cache directory."""

    def __init__(self, cache: str, algorithm: str, say: Callable[[TaskId, str], None]) -> None:
        self._cache = cache
        self._algorithm = algorithm
        self._say = say
        self._newest: dict[TaskId, Manifest] | None = None
        self._told: set[TaskId] = set()
        self.counts: dict[str, int] = {}

    def missed(self, task: TaskId, lookup: TaskLookup, miss: Miss) -> None:
        if task in self._told:
            return
        self._told.add(task)
        kind, detail = self._reason(task, lookup, miss)
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self._say(task, f"{kind}: {detail}" if detail else kind)

    def _reason(self, task: TaskId, lookup: TaskLookup, miss: Miss) -> tuple[str, str]:
        if miss.label != "no entry":
            return miss.label, miss.detail
        before = self._before(task)
        if before is None:
            return "no earlier result", ""
        differences = explain(before.parts, explain_parts(lookup.sections, self._algorithm))
        if not differences:
            # The entry that would have hit has gone since the index was made, or belongs to another hash function.
            return "no entry", ""
        return SECTIONS[differences[0].section], summary(differences)

    def _before(self, task: TaskId) -> Manifest | None:
        if self._newest is None:
            self._newest = {}
            for entry in Inspection(self._cache).sound:
                manifest = entry.manifest
                if manifest is None or manifest.algorithm != self._algorithm:
                    continue
                known = self._newest.get(manifest.task)
                if known is None or known.created_at < manifest.created_at:
                    self._newest[manifest.task] = manifest
        return self._newest.get(task)

    def epilogue(self) -> str:
        """Render the counts, the most frequent first; empty without a miss."""
        if not self.counts:
            return ""
        counts = sorted(self.counts.items(), key=lambda pair: (-pair[1], pair[0]))
        return f"Misses: {', '.join(f'{count} {kind}' for kind, count in counts)}\n"


def summary(differences: tuple[Difference, ...], most: int = 2) -> str:
    """Name the first of the differences, and how many more there are."""
    named = "; ".join(map(str, differences[:most]))
    more = len(differences) - most
    return f"{named}; and {more} more" if more > 0 else named
