"""Live output (EXEC-016, spec 03 §9.2): each complete line at once, behind the prefix of its task."""

from __future__ import annotations

from haz.observers.output import OutputObserver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from haz.model import TaskId
    from haz.observers.presenter import Presenter

# A "line" that never ends must not be kept whole: past this many bytes it is cut, as a terminal would wrap it.
LONGEST_LINE = 1 << 20


class LiveObserver(OutputObserver):
    r"""Writes whole lines only; `\r` and bytes that are not UTF-8 pass through untouched."""

    def __init__(self, presenter: Presenter, out: Callable[[bytes], None], err: Callable[[bytes], None]) -> None:
        super().__init__(presenter, out, err)
        self._rest: dict[TaskId, tuple[bytearray, bytearray]] = {}

    def on_task_started(self, task: TaskId) -> None:
        self._rest[task] = (bytearray(), bytearray())

    def on_stdout(self, task: TaskId, chunk: bytes) -> None:
        if task in self._rest:
            self._lines(task, chunk, self._rest[task][0], self._out)

    def on_stderr(self, task: TaskId, chunk: bytes) -> None:
        if task in self._rest:
            self._lines(task, chunk, self._rest[task][1], self._err)

    def _lines(self, task: TaskId, chunk: bytes, rest: bytearray, write: Callable[[bytes], None]) -> None:
        end = chunk.rfind(b"\n")
        prefix = self._presenter.prefix(task).encode()
        if end >= 0:
            whole = bytes(rest) + chunk[:end]
            rest[:] = chunk[end + 1 :]
            write(prefix + whole.replace(b"\n", b"\n" + prefix) + b"\n")
        else:
            rest += chunk
        while len(rest) > LONGEST_LINE:
            write(prefix + bytes(rest[:LONGEST_LINE]) + b"\n")
            del rest[:LONGEST_LINE]

    def _flush(self, task: TaskId) -> None:
        for rest, write in zip(self._rest.get(task, ()), (self._out, self._err), strict=False):
            if rest:
                write(self._presenter.prefix(task).encode() + bytes(rest) + b"\n")
                rest.clear()

    def _forget(self, task: TaskId) -> None:
        self._rest.pop(task, None)
