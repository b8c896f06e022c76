"""Whose inputs match what was written (EXEC-019)."""

from __future__ import annotations

from haz.graph import Specs, pattern_lists

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from haz.graph import Compile, Matcher
    from haz.model import TaskId, TaskSpec

# Neighbourhoods that are compiled by themselves. Whoever writes to more of them is better served by all at once.
MOST = 64


class Consumers:
    """The tasks of `specs` whose inputs match a workspace path, in canonical order. `compile_patterns` is `PatternSet`.

    Of a stored configuration only those are compiled that read something near the path; all, if it is not stored.
    """

    def __init__(self, specs: Mapping[TaskId, TaskSpec], compile_patterns: Compile, most: int = MOST) -> None:
        self._specs = specs
        self._compile = compile_patterns
        self._most = most
        self._near: dict[tuple[TaskId, ...], Matcher] = {}
        self._tasks: tuple[TaskId, ...] = ()
        self._all: Matcher | None = None

    def __call__(self, path: str) -> list[TaskId]:
        specs = self._specs
        if self._all is None and isinstance(specs, Specs):
            tasks = specs.near(path)
            matcher = self._near.get(tasks)
            if matcher is None and len(self._near) < self._most:
                lists = [[p.listed for p in specs[task].inputs] for task in tasks]
                matcher = self._near[tasks] = self._compile(lists)
            if matcher is not None:
                return [tasks[number] for number in matcher.matching(path)]
        if self._all is None:
            self._tasks = tuple(specs)
            self._all = self._compile(pattern_lists(specs, 0))
        return [self._tasks[number] for number in self._all.matching(path)]
