"""Buffered output (EXEC-016, spec 03 §9.3): each task's streams as two unbroken blocks when it ends."""

from __future__ import annotations

from haz.observers.output import OutputObserver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import FileIO

    from haz.model import TaskId
    from haz.observers.presenter import Presenter

IN_MEMORY = 8 << 20
PIECE = 1 << 20


class Block:
    """The bytes of one stream: up to 8 MiB in memory, what came before them in an unnamed temporary file (D6).

    Where that cannot be written any more, memory has to do: what a task says is not thrown away.
    """

    def __init__(self) -> None:
        self._memory = bytearray()
        self._file: FileIO | None = None
        self._is_full = False
        self.last = b""

    def add(self, chunk: bytes) -> None:
        if not chunk:
            return
        self.last = chunk[-1:]
        self._memory += chunk
        if len(self._memory) > IN_MEMORY and not self._is_full:
            self._spill()

    def _spill(self) -> None:
        import tempfile  # noqa: PLC0415 - rare, and slow to import

        written = 0
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by `pieces` or with the block
            with memoryview(self._memory) as view:
                while written < len(view):
                    written += self._file.write(view[written:]) or 0
        except OSError:
            self._is_full = True
        del self._memory[:written]

    def pieces(self) -> Iterator[bytes]:
        """Yield everything once, and forget it."""
        if self._file is not None:
            self._file.seek(0)
            while piece := self._file.read(PIECE):
                yield piece
            self._file.close()
            self._file = None
        if self._memory:
            yield bytes(self._memory)
        self._memory.clear()
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
