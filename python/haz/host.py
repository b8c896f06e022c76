"""What a run takes from the process that it is in: the environment and the clock."""

from __future__ import annotations

import os
import time

from haz import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from haz.model import TaskSpec


class Host(dict[str, str]):
    """The invoking environment, which makes those of children. Values keep their bytes as surrogates (D12)."""

    __slots__ = ("_made",)

    def __init__(self, variables: Mapping[str, str] = {}) -> None:
        super().__init__(variables)
        self._made: dict[tuple[object, ...], _core.Environment] = {}

    @classmethod
    def of_this_process(cls) -> Host:
        # A plain dict: `os.environ` encodes and decodes at every look.
        return cls(os.environ)

    def of_child(self, spec: TaskSpec) -> _core.Environment:
        env = spec.environment
        declared = (env.from_host, env.override, env.passed, env.secret)
        made = self._made.get(declared)
        if made is None:
            made = self._made[declared] = _core.Environment(child_environment(spec, self))
        return made


def child_environment(spec: TaskSpec, host: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the child's whole environment by name: what is taken from the host, then `override` (CACHE-008)."""
    env = spec.environment
    values = {name: host[name] for name in (*env.passed, *env.from_host, *env.secret) if name in host}
    values.update(env.override)
    return sorted(values.items())


def now_ms() -> int:
    """Return the wall clock in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
