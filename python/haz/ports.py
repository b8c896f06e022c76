"""The seams where a second implementation exists: the native core, fakes in tests, and later remote workers.

Imported by type checkers only; at run time the objects of `haz._core` and `haz.cache.store` fit as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from haz._core import Environment, Finished, Inputs, PatternSet
from haz.cache.manifest import Blob, Manifest
from haz.cache.store import Hit, Miss

Event = tuple[str, int, Any]


class Events(Protocol):
    """Where a run learns what happened; see `_core.Queue`."""

    def wait(self, timeout: float | None = None) -> list[Event]: ...


class Processes(Protocol):
    """Children in process groups; see `_core.Processes`."""

    def spawn(
        self,
        token: int,
        argv: Sequence[str],
        env: Environment,
        cwd: str,
        secrets: Sequence[str] = (),
    ) -> int: ...
    def signal(self, token: int, signum: int) -> bool: ...
    def end(self, token: int, signum: int) -> bool: ...
    def members(self, token: int) -> list[int]: ...
    def dismiss(self, token: int, signum: int) -> int: ...
    def abandon(self, token: int) -> None: ...


class Files(Protocol):
    """Input files resolved and hashed in batches; see `_core.Tree`."""

    def fingerprint(self, token: int, specs: Sequence[int]) -> None: ...
    def save_stat_cache(self) -> bool: ...
    def outputs(self, token: int, spec: int) -> None: ...
    def survey(self, token: int, spec: int) -> None: ...
    def survey_now(self, spec: int) -> list[tuple[str, int, int, int]]: ...


class Locks(Protocol):
    """Locks between processes; see `_core.FileLocks`."""

    def acquire(self, token: int, name: str, exclusive: bool) -> bool: ...
    def share(self, token: int, names: Sequence[str]) -> bool: ...
    def release(self, token: int) -> None: ...
    def note(self) -> None: ...
    def changed(self) -> bool: ...


class Store(Protocol):
    """Results by key. Lookup never writes; submitted work is answered by events (see `haz.cache.store`)."""

    @property
    def added(self) -> int: ...
    def lookup(self, key: bytes) -> Hit | Miss: ...
    def restore(
        self,
        token: int,
        hit: Hit,
        leftovers: Sequence[tuple[str, int, int, int]] = (),
        directories: Sequence[str] = (),
        patterns: PatternSet | None = None,
        spec: int = 0,
    ) -> None: ...
    def read_stream(self, blob: Blob) -> Iterator[bytes]: ...
    def collect(self, token: int, patterns: PatternSet, spec: int, finished: Finished | None) -> None: ...
    def publish(self, manifest: Manifest) -> str | None: ...


class Standby(Protocol):
    """Says when a run that would go on for ever has to begin anew."""

    def arm(self) -> None:
        """Push an event of the kind `changed` once when that may be; now, if it may be already."""

    def outdated(self) -> bool:
        """Whether it is so."""


class Changes(Protocol):
    """What has changed in a workspace, with contents on both sides by workspace path; see `haz.vcs.Changeset`."""

    @property
    def paths(self) -> frozenset[str]: ...
    def before(self, path: str) -> bytes | None: ...
    def after(self, path: str) -> bytes | None: ...


__all__ = ["Changes", "Event", "Events", "Files", "Inputs", "Locks", "Processes", "Standby", "Store"]
