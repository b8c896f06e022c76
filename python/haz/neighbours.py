"""The other haz processes of a workspace: what a run takes and gives back so that they do not get in each other's way.

A task that is to be spawned takes the lock of the task, then the one of its mutex. Both are given back together, after
the result is stored. A hit that is restored shares the lock of the task while that takes. See docs/architecture.md,
"Between processes", for why nobody waits in a circle.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from haz.events import RunObserver
    from haz.model import TaskId, TaskSpec
    from haz.ports import Locks

NEVER = -1
UNPROTECTED = "other haz processes are not kept out"


def lock_name(task: TaskId) -> str:
    """Name the lock of a task."""
    return f"task.{task.project}.{task.task}"


def lock_names(spec: TaskSpec) -> list[tuple[str, bool]]:
    """Name the locks of a task in the order in which they are taken, and say which are exclusive.

    Identifiers hold no `.`, so that no two of the names are equal (ID-001, MUTEX-001).
    """
    names = [(lock_name(spec.id), True)]
    mutex = spec.mutex
    if mutex is not None:
        owner = "" if mutex.project is None else f"{mutex.project}."
        names.append((f"mutex.{owner}{mutex.name}", mutex.mode == "exclusive"))
    return names


class Neighbours:
    """Which locks each task has or awaits.

    `_pending` has the tokens whose lock has not come yet. `_foreign` counts the looks at which another process had
    changed files; it is compared with what it was when a task's inputs were asked for.
    """

    def __init__(self, locks: Locks, observer: RunObserver, next_token: Callable[[], int]) -> None:
        self._locks = locks
        self._observer = observer
        self._next_token = next_token
        self._tokens: dict[TaskId, list[int]] = {}
        self._away: set[TaskId] = set()
        self._told: dict[TaskId, int | None] = {}
        self._warned: set[str] = set()
        self._asked: dict[TaskId, int] = {}
        self._pending: dict[int, TaskId] = {}
        self._foreign = 0

    def asks(self, task: TaskId) -> None:
        """Note that the inputs of a task are about to be read, or were and still hold."""
        self._asked[task] = self._foreign

    def acquire(self, spec: TaskSpec) -> bool:
        """Ask for the locks of a task that it has not; False when there is one that has to be waited for."""
        tokens = self._tokens.setdefault(spec.id, [])
        for name, exclusive in lock_names(spec)[len(tokens) :]:
            token = self._next_token()
            tokens.append(token)
            if not self._locks.acquire(token, name, exclusive):
                self._pending[token] = spec.id
                return False
        return True

    def stays_away(self, task: TaskId) -> bool:
        """Whether no other process runs a task, nor begins to before `release`: its outputs may be written then.

        If one does, what was looked up is outdated, whether that process comes to tell of its result or not.
        """
        token = self._next_token()
        if self._locks.share(token, [lock_name(task)]):
            self._tokens[task] = [token]
            return True
        self._asked[task] = NEVER
        return False

    def is_outdated(self, task: TaskId) -> bool:
        """Whether another process has changed files since the inputs of a task were asked for."""
        return self._asked[task] != self._foreign

    def waits(self, token: int, pid: int | None) -> TaskId | None:
        """Note a `waiting` event. Returns the task that has to wait, if it still wants the lock."""
        task = self._pending.get(token)
        if task is not None:
            self._away.add(task)
            if self._told.get(task, 0) != pid:
                self._observer.on_waiting(task, pid)
            self._told[task] = pid
        return task

    def locked(self, token: int, error: str | None) -> tuple[TaskId, bool] | None:
        """Note a `locked` event. Returns the task, and whether its key was derived before another process was done."""
        task = self._pending.pop(token, None)
        if task is None:
            return None
        if error is not None and error not in self._warned:
            self._warned.add(error)
            self._observer.on_warning(None, f"{UNPROTECTED}: {error}")
        # Who had to wait reads everything anew: a holder that was killed has noted nothing, and may have written.
        waited = task in self._away
        self._away.discard(task)
        return task, waited or self.is_outdated(task)

    @property
    def busy(self) -> bool:
        """Whether a lock is being taken, and nobody had to wait for it so far: a spawn is near."""
        return len(self._pending) > len(self._away)

    def awaits(self, task: TaskId) -> bool:
        """Whether a lock of the task has not come yet."""
        return task in self._pending.values()

    def release(self, task: TaskId) -> None:
        """Give back what the task has, and stop waiting for what it has not."""
        for token in self._tokens.pop(task, ()):
            self._locks.release(token)
            self._pending.pop(token, None)
        self._away.discard(task)
        self._told.pop(task, None)

    def note(self) -> None:
        """Tell the others that files have changed, or that a result was stored."""
        self._locks.note()

    def look(self) -> bool:
        """Whether another process has changed files since the last look."""
        changed = self._locks.changed()
        self._foreign += changed
        return changed
