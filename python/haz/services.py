"""When a persistent task is ready: a line of its output, a port that answers, or a command that succeeds (`ready:`)."""

from __future__ import annotations

from haz.errors import ProcessError, SpawnError
from haz.supervise import KILL

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    import socket
    from collections.abc import Callable
    from typing import Any

    from haz.model import Ready, TaskId, TaskSpec
    from haz.run_task import RunContext

# Seconds between two tries.
CONNECT_EVERY = 0.05
ASK_EVERY = 0.1
# A line that never ends is searched by its end only.
LONGEST_LINE = 1 << 16


class Services:
    """The persistent tasks of a run from their start until they are ready or late. Times are those of the loop's clock.

    `serves` hears which task is ready, `late` which token must be ended because its task is not.
    """

    def __init__(
        self,
        ctx: RunContext,
        clock: Callable[[], float],
        next_token: Callable[[], int],
        serves: Callable[[TaskId], None],
        late: Callable[[int], None],
    ) -> None:
        self._ctx = ctx
        self._clock = clock
        self._next_token = next_token
        self._serves = serves
        self._late = late
        self._waits: dict[int, Wait] = {}
        # Commands that ask whether a task is ready: their tokens, with that of the task.
        self._probes: dict[int, int] = {}
        self._excuses: dict[TaskId, str] = {}

    def start(self, token: int, spec: TaskSpec) -> None:
        """Begin to wait for a task that was just spawned."""
        if spec.ready is None:
            self._serves(spec.id)
        else:
            self._waits[token] = Wait(spec, spec.ready, self._clock())

    def forget(self, token: int) -> None:
        """Wait no longer: the process has ended, or is being ended."""
        wait = self._waits.pop(token, None)
        if wait is not None and wait.door is not None:
            wait.door.close()
        for probe in [probe for probe, owner in self._probes.items() if owner == token]:
            try:
                self._ctx.processes.end(probe, KILL)
            except ProcessError as error:
                self._ctx.observer.on_warning(None, str(error))

    def excuse(self, task: TaskId) -> str:
        """Say why a task that was late was not ready."""
        return self._excuses[task]

    def dues(self) -> list[float]:
        """When `tick` has something to do."""
        return [wait.deadline if wait.next is None else min(wait.next, wait.deadline) for wait in self._waits.values()]

    def tick(self, now: float) -> None:
        """Do what has become due."""
        for token, wait in list(self._waits.items()):
            if now >= wait.deadline:
                self._give_up(token, f"not ready after {wait.ready.timeout:g}s")
            elif wait.next is not None and now >= wait.next:
                self._try(token, wait, now)

    def hear(self, token: int, stream: int, chunk: bytes) -> None:
        """Look for the line in what stream 1 or 2 of a task brought."""
        wait = self._waits.get(token)
        if wait is not None and wait.found(stream, chunk):
            self._up(token)

    def heard(self, kind: str, token: int, payload: Any) -> bool:
        """Take an event of a command that asks; False when it is about something else."""
        if token not in self._probes:
            return False
        if kind == "exit":
            owner = self._probes.pop(token)
            wait = self._waits.get(owner)
            if wait is not None and payload.code == 0:
                self._up(owner)
            elif wait is not None and payload.error is not None and payload.error[0] == "spawn":
                assert wait.ready.command is not None
                self._give_up(owner, f"not ready: {SpawnError(wait.ready.command[0], payload.error[1])}")
            elif wait is not None:
                wait.next = self._clock() + ASK_EVERY
            payload.close()
        return True

    def _try(self, token: int, wait: Wait, now: float) -> None:
        wait.next = None
        if wait.door is not None:
            if wait.door.opens():
                self._up(token)
            else:
                wait.next = now + CONNECT_EVERY
        elif wait.ready.command is not None:
            probe = self._next_token()
            env, cwd = self._ctx.host.of_child(wait.spec), self._ctx.root + wait.spec.root
            try:
                self._ctx.processes.spawn(probe, wait.ready.command, env, cwd)
            except ProcessError as error:
                self._give_up(token, f"not ready: {error}")
            else:
                self._probes[probe] = token

    def _up(self, token: int) -> None:
        task = self._waits[token].spec.id
        self.forget(token)
        self._serves(task)

    def _give_up(self, token: int, excuse: str) -> None:
        self._excuses[self._waits[token].spec.id] = excuse
        self.forget(token)
        self._late(token)


class Wait:
    """One task that is not ready yet; `next` is when to try again."""

    __slots__ = ("_pattern", "_rest", "deadline", "door", "next", "ready", "spec")

    def __init__(self, spec: TaskSpec, ready: Ready, now: float) -> None:
        self.spec = spec
        self.ready = ready
        self.deadline = now + ready.timeout
        self.next = now if ready.line is None else None
        self.door = None if ready.port is None else Door(ready.port)
        self._pattern: re.Pattern[str] | None = None
        self._rest = {1: b"", 2: b""}
        if ready.line is not None:
            import re  # noqa: PLC0415 - 9 ms, for this sign only

            self._pattern = re.compile(ready.line)

    def found(self, stream: int, chunk: bytes) -> bool:
        """Whether a line has come; an unfinished last line counts as it is."""
        if self._pattern is None:
            return False
        *lines, rest = (self._rest[stream] + chunk).split(b"\n")
        self._rest[stream] = rest[-LONGEST_LINE:]
        return any(self._pattern.search(line.decode(errors="replace").rstrip("\r")) for line in (*lines, rest))


class Door:
    """A TCP port of this machine. Each try begins a connection, and looks at it when the next one is due."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._tries: list[socket.socket] = []

    def opens(self) -> bool:
        """Whether somebody listens. Servers that call their address `localhost` listen on either of the two."""
        import socket  # noqa: PLC0415 - slow to import, for this sign only

        opened = any(map(_connected, self._tries))
        self.close()
        if opened:
            return True
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            try:
                new = socket.socket(family)
            except OSError:
                continue  # a machine without that family
            self._tries.append(new)
            new.setblocking(False)
            new.connect_ex((address, self._port))
        opened = any(map(_connected, self._tries))
        if opened:
            self.close()
        return opened

    def close(self) -> None:
        for one in self._tries:
            one.close()
        self._tries.clear()


def _connected(one: socket.socket) -> bool:
    try:
        # A connection of a port to itself, which the system may make while nobody listens, is none.
        return bool(one.getpeername() != one.getsockname())
    except OSError:
        return False
