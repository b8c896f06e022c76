"""Whether a task makes the same of the same inputs every time (`haz verify`): it is run again and again, and compared.

Nothing is stored. Outputs are kept aside as the cache would keep them, in a folder that goes in the end.
"""

from __future__ import annotations

import os
import tempfile

from haz import _core
from haz._record import Record
from haz.app import RunOptions, cache_directory, execute
from haz.cache import formats
from haz.cache.explain import explain
from haz.cache.manifest import explain_parts
from haz.cache.produced import Ledger, Produced, emptied_directories
from haz.errors import HazError
from haz.events import RunObserver
from haz.model import CompletedRecord
from haz.reasons import summary
from haz.run_task import patterns_of
from haz.why import closure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import IO, Any

    from haz.app import Loaded
    from haz.cache.produced import File
    from haz.cache.store import Miss
    from haz.model import TaskId
    from haz.run_task import TaskLookup

CHUNK = 1 << 20
# Bytes shown from where two contents differ.
CONTEXT = 40


class NotVerified(HazError):  # noqa: N818 - read as a sentence
    """There was nothing to compare. `exit_code` is that of the run that ended it."""

    code = "haz::verify"

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]


class Deviation(Record):
    """In which run (from 2) what was not as in the first: a path, `stdout`, `stderr` or `key`; `detail` says how."""

    run: int
    what: str
    detail: str

    def __str__(self) -> str:
        return f"{self.what}: run {self.run}: {self.detail}"


class _Watcher(RunObserver):
    """Keeps the streams, the end and the key of one task of one run."""

    def __init__(self, task: TaskId, folder: str, algorithm: str) -> None:
        self._task = task
        self._algorithm = algorithm
        self.paths = {name: f"{folder}/{name}" for name in ("stdout", "stderr")}
        self._files: dict[str, IO[bytes]] = {name: open(path, "wb") for name, path in self.paths.items()}  # noqa: SIM115
        self.parts: dict[str, Any] = {}

    def on_attempt_finished(self, task: TaskId, *_: object) -> None:
        if task == self._task:
            # Of several attempts the last one counts.
            for file in self._files.values():
                file.seek(0)
                file.truncate()

    def on_stdout(self, task: TaskId, chunk: bytes) -> None:
        if task == self._task:
            self._files["stdout"].write(chunk)

    def on_stderr(self, task: TaskId, chunk: bytes) -> None:
        if task == self._task:
            self._files["stderr"].write(chunk)

    def missed(self, task: TaskId, lookup: TaskLookup, _: Miss) -> None:
        if task == self._task:
            self.parts = explain_parts(lookup.sections, self._algorithm)

    def close(self) -> None:
        for file in self._files.values():
            file.close()


class _Outputs:
    """The outputs of one task on disk: taken stock of, kept aside, and removed where the task has made them itself."""

    def __init__(self, loaded: Loaded, task: TaskId, folder: str) -> None:
        self.root, self._spec = loaded.workspace.root, loaded.graph.specs[task]
        self._task = task
        self._algorithm = loaded.workspace.settings.hash
        self._folder = folder
        self._patterns, _, numbers = patterns_of({task: self._spec})
        self._number = numbers[task]
        self._ledger = Ledger(self.root)
        # What a task writes into files may hold its secrets, and is not shown then.
        self.has_secrets = bool(self._spec.environment.secret)
        self._own: set[File] = set(self._ledger.read(task).files)
        self._before: set[File] = set()

    def _core(self) -> tuple[_core.Queue, _core.Tree, _core.Blobs]:
        # A new one for each run: nothing that was known of an earlier one is believed.
        queue = _core.Queue()
        tree = _core.Tree(queue, self.root, self._algorithm, self._patterns)
        return queue, tree, _core.Blobs(queue, self.root, f"{self._folder}/blobs", self._algorithm, tree)

    def clean(self) -> None:
        """Remove what a hit may remove, and the outputs without a pattern, which every run must write."""
        _, tree, _ = self._core()
        doomed = [file[0] for file in tree.survey_now(self._number) if file in self._own]
        doomed += [p.anchored for p in self._spec.outputs if p.literal and not p.exclude]
        for path in doomed:
            try:
                os.unlink(self.root + path)
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                continue
        directories = emptied_directories(self._spec.outputs, self._spec.root, doomed)
        for directory in sorted(directories, key=len, reverse=True):
            try:
                os.rmdir(self.root + directory)
            except OSError:
                continue
        self._before = set(tree.survey_now(self._number))

    def take(self) -> dict[str, tuple[Any, ...]]:
        """Keep the outputs of a run aside; their rows by path."""
        queue, tree, blobs = self._core()
        self._own = set(tree.survey_now(self._number)) - self._before
        blobs.collect(1, self._patterns, self._number, None)
        ((_, _, answer),) = queue.wait()
        if isinstance(answer, tuple):
            raise NotVerified(f"the outputs of {self._task} cannot be read: {answer[1]}: {answer[2]}")
        return {row[1]: (row[0], *row[2:]) for row in answer}

    def settle(self) -> None:
        """Note that what lies there now was made by the task."""
        self._ledger.write(self._task, Produced("", tuple(sorted(self._own))))

    def pieces(self, digest: bytes) -> Iterator[bytes]:
        _, _, blobs = self._core()
        offset = 0
        while chunk := blobs.read(digest, offset, CHUNK):
            yield chunk
            offset += len(chunk)


def verify(
    loaded: Loaded, task: TaskId, repeat: int, observers: Sequence[RunObserver], complain: Callable[[str], None]
) -> list[Deviation]:
    """Run the task `repeat` times, its dependencies as `haz run` does, and compare all runs with the first.

    Raises `NotVerified` when a run does not succeed.
    """
    if loaded.graph.specs[task].persistent:
        raise NotVerified(f"{task} is persistent: it has no result that could be compared")
    # It is never looked up and never stored, while its dependencies come from the cache. This is another configuration
    # than the one that is known: what is known of that does not hold, and nothing of this is to be remembered.
    specs = {**loaded.graph.specs, task: loaded.graph.specs[task].replace(cache=False)}
    changed = loaded.replace(graph=loaded.graph.with_specs(specs), identity=None, trace=None)
    spill = f"{cache_directory(loaded.workspace)}/{formats.SPILL}"
    os.makedirs(spill, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=spill, prefix=f"{_core.unique_name()}-") as folder:
        outputs = _Outputs(loaded, task, folder)
        first: tuple[_Watcher, dict[str, tuple[Any, ...]]] | None = None
        found: list[Deviation] = []
        for number in range(1, repeat + 1):
            outputs.clean()
            os.mkdir(f"{folder}/{number}")
            watcher = _Watcher(task, f"{folder}/{number}", loaded.workspace.settings.hash)
            _run(changed, task, number, watcher, observers, complain)
            rows = outputs.take()
            if first is None:
                first = watcher, rows
            else:
                found += _compared(number, first, (watcher, rows), outputs)
        outputs.settle()
    return found


def _run(
    loaded: Loaded,
    task: TaskId,
    number: int,
    watcher: _Watcher,
    observers: Sequence[RunObserver],
    complain: Callable[[str], None],
) -> None:
    options = RunOptions(missed=watcher.missed)
    try:
        done = execute(loaded, closure(loaded.graph, task), options, [watcher, *observers], complain)
    finally:
        watcher.close()
    end = done.outcome.outcomes.get(task)
    if done.exit_code or not isinstance(end, CompletedRecord):
        raise NotVerified(
            f"run {number} of {task} did not succeed, so there is nothing to compare", done.exit_code or 1
        )


def _compared(
    run: int,
    first: tuple[_Watcher, dict[str, tuple[Any, ...]]],
    other: tuple[_Watcher, dict[str, tuple[Any, ...]]],
    outputs: _Outputs,
) -> Iterator[Deviation]:
    differences = explain(first[0].parts, other[0].parts)
    if differences:
        yield Deviation(run, "key", f"the inputs were not the same any more: {summary(differences)}")
    before, after = first[1], other[1]
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if old == new:
            continue
        if old is None or new is None:
            yield Deviation(run, path, "missing" if new is None else "not there in run 1")
        elif old[0] != new[0]:
            yield Deviation(run, path, f"a {new[0]}, in run 1 a {old[0]}")
        elif old[0] != "file":
            yield Deviation(run, path, f"{new[1:]}, in run 1 {old[1:]}")
        else:
            if old[1] != new[1]:
                pieces = outputs.pieces(old[1]), outputs.pieces(new[1])
                yield Deviation(run, path, _first_difference(*pieces, shown=not outputs.has_secrets))
            if old[3] != new[3]:
                yield Deviation(run, path, f"mode {new[3]:04o}, in run 1 {old[3]:04o}")
    for stream in ("stdout", "stderr"):
        detail = _first_difference(_pieces(first[0].paths[stream]), _pieces(other[0].paths[stream]))
        if detail:
            yield Deviation(run, stream, detail)


def _pieces(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _first_difference(old: Iterator[bytes], new: Iterator[bytes], *, shown: bool = True) -> str:
    """Say where two contents part, and what stands there; empty when they do not. Pieces are of equal sizes."""
    offset, tail = 0, b""
    while True:
        one, other = next(old, b""), next(new, b"")
        if one != other:
            at = next(
                (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
            )
            if not shown:
                return f"differs from byte {offset + at} on"
            lead = (tail + one[:at])[-CONTEXT // 2 :].rpartition(b"\n")[2]
            there, here = (_shown(lead + piece[at : at + CONTEXT // 2]) for piece in (one, other))
            return f"differs from byte {offset + at} on: {here}, in run 1 {there}"
        if not one:
            return ""
        offset += len(one)
        tail = one[-CONTEXT // 2 :]


def _shown(data: bytes) -> str:
    text = data.partition(b"\n")[0].decode(errors="backslashreplace")
    return '"' + "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text) + '"'
