"""Buffered output (EXEC-016, spec 03 §9.3): each task's streams as two unbroken blocks when it ends."""

from __future__ import annotations

from haz.observers.output import OutputObserver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

    from haz.model import TaskId
    from haz.observers.presenter import Presenter

IN_MEMORY = 8 << 20
PIECE = 1 << 20


class Block:
    """The bytes of one stream: in memory up to 8 MiB, then in an unnamed temporary file (D6)."""

    def __init__(self) -> None:
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self.last = b""

    def add(self, chunk: bytes) -> None:
        if not chunk:
            return
        self.last = chunk[-1:]
        if self._file is None and len(self._memory) + len(chunk) > IN_MEMORY:
            import tempfile  # noqa: PLC0415 - rare, and slow to import

            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `pieces` or with the block
            self._file.write(self._memory)
            self._memory.clear()
        if self._file is None:
            self._memory += chunk
        else:
            self._file.write(chunk)

    def pieces(self) -> Iterator[bytes]:
        """Yield everything once, and forget it."""
        if self._file is None:
            if self._memory:
                yield bytes(self._memory)
            self._memory.clear()
        else:
            self._file.seek(0)
            while piece := self._file.read(PIECE):
                yield piece
            self._file.close()
            self._file = None
        self.last = b""


class BufferedObserver(OutputObserver):
    """Writes nothing of a task before it ends; blocks of different tasks never interleave."""

    def __init__(self, presenter: Presenter, out: Callable[[bytes], None], err: Callable[[bytes], None]) -> None:
        super().__init__(presenter, out, err)
        self._blocks: dict[TaskId, tuple[Block, Block]] = {}

    def on_task_started(self, task: TaskId) -> None:
        self._blocks[task] = (Block(), Block())

    def on_stdout(self, task: TaskId, chunk: bytes) -> None:
        if task in self._blocks:
            self._blocks[task][0].add(chunk)

    def on_stderr(self, task: TaskId, chunk: bytes) -> None:
        if task in self._blocks:
            self._blocks[task][1].add(chunk)

    def _flush(self, task: TaskId) -> None:
        blocks = self._blocks.get(task)
        if blocks is None:
            return
        for piece in blocks[0].pieces():
            self._out(piece)
        # Without this the summary line would be glued to an unfinished last line (03 §15 A4).
        unfinished = blocks[1].last not in (b"", b"\n")
        for piece in blocks[1].pieces():
            self._err(piece)
        if unfinished:
            self._err(b"\n")

    def _forget(self, task: TaskId) -> None:
        self._blocks.pop(task, None)
