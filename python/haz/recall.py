"""The tasks that need no look: up to date when an earlier run ended, and nothing they rest on has changed since.

`Checkpoint` in the core keeps the facts. This module decides which tasks may be recorded at all, and turns what still
holds into the records that a lookup and a restore would have come to.
"""

from __future__ import annotations

import os
from itertools import repeat

from haz import _core
from haz._uncollected import uncollected
from haz.cache import formats
from haz.errors import FileSystemError, StoreError
from haz.graph import pattern_lists
from haz.model import CompletedRecord, StreamHashes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from haz.cache.manifest import Manifest
    from haz.cache.produced import File, Produced
    from haz.graph import TaskGraph
    from haz.model import TaskId, TaskSpec
    from haz.outcome import RunGraphOutcome
    from haz.ports import Locks
    from haz.run_task import RunContext

    Content = tuple[bytes, bytes]

# Streams are replayed from memory: a task that wrote more is looked up, and so is what would take the sum beyond.
LONGEST_STREAM = 1 << 16
MOST_REPLAYED = 16 << 20


class Recall:
    """The checkpoint of a workspace for one run.

    `identity` is that of the configuration, `graph` the one of the whole workspace: tasks are recorded by their places
    in it. `cache` is the cache directory.
    """

    def __init__(self, root: str, identity: bytes, graph: TaskGraph, cache: str, algorithm: str) -> None:
        self._root = root
        self._graph = graph
        self._cache = cache
        self._algorithm = algorithm
        self._numbers = {task: number for number, task in enumerate(graph.nodes)}
        whole = b"\0".join((identity, os.fsencode(cache), algorithm.encode(), formats.platform().encode()))
        self._checkpoint = _core.Checkpoint(root, f"{root}/{formats.CHECKPOINT}", _core.digest_bytes(whole))

    @uncollected
    def unchanged(
        self,
        tasks: Sequence[TaskId],
        looked_up: Collection[TaskId],
        host: Mapping[str, str],
        open_blobs: Callable[[], _core.Blobs],
        locks: Locks,
        warn: Callable[[TaskId, str], None],
    ) -> tuple[dict[TaskId, CompletedRecord], dict[TaskId, Content]]:
        """Return the records of those tasks of a run that need no look, and the streams of those that wrote anything.

        Those that are to be `looked_up` are none of them, and neither is what comes after them. Outputs that are
        gone are put back where nothing else has changed, under `locks`; `warn` hears of trouble with that.
        """
        if not len(self._checkpoint):
            return {}, {}
        nodes = self._graph.nodes
        others = [self._numbers[task] for task in looked_up]
        wanted = [self._numbers[task] for task in tasks if task not in looked_up]
        blobs: _core.Blobs | None = None
        restoring = True
        while True:
            numbers, keys, streams, outputs, missing, is_disjoint = self._checkpoint.unchanged(
                wanted, others, host, restoring
            )
            contents: dict[TaskId, Content] = {}
            refused: set[int] = set()
            replayed = 0
            # Most tasks write nothing: their streams are one value, and so is what their records say of it.
            hashes = {stream: StreamHashes(stream[0], stream[2]) for stream in set(streams)}
            if any(stream[1] or stream[3] for stream in hashes):
                blobs = blobs or open_blobs()
                for number, stream in zip(numbers, streams, strict=True):
                    if stream[1] or stream[3]:
                        replayed += stream[1] + stream[3]
                        content = self._streams(blobs, stream) if replayed <= MOST_REPLAYED else None
                        if content is None:
                            refused.add(number)
                        else:
                            contents[nodes[number]] = content
            if refused:
                # What comes after them has to be looked up as well.
                wanted = [number for number in wanted if number not in refused]
                others += refused
                continue
            if not is_disjoint:
                # The run has to find out who was first (EXEC-020).
                return {}, {}
            chosen = [nodes[number] for number in numbers]
            # In columns: nothing of Python is done between two of them.
            records = map(
                CompletedRecord,
                chosen,
                repeat("cache_hit"),
                repeat("succeeded"),
                repeat(None),
                map(hashes.__getitem__, streams),
                outputs,
                repeat(()),
                repeat(1),
                keys,
                repeat(False),
            )
            found = dict(zip(chosen, records, strict=True))
            if not missing:
                return found, contents
            blobs = blobs or open_blobs()
            if self._put_back(found, missing, blobs, locks, warn):
                return found, contents
            restoring = False

    def _put_back(
        self,
        found: Mapping[TaskId, CompletedRecord],
        missing: Sequence[tuple[int, list[int]]],
        blobs: _core.Blobs,
        locks: Locks,
        warn: Callable[[TaskId, str], None],
    ) -> bool:
        """Restore what is missing of these tasks; whether all of it is there now."""
        from haz.aliases import one_path_each  # noqa: PLC0415 - a run with nothing to do imports none of this
        from haz.cache.produced import NOT_NOTED, Ledger, Produced, is_cleaned, made_by_restore  # noqa: PLC0415
        from haz.neighbours import lock_name  # noqa: PLC0415

        if not one_path_each(self._root):
            return False
        nodes, specs, ledger = self._graph.nodes, self._graph.specs, Ledger(self._root)
        notes: dict[int, Produced] = {}
        # One list for all tasks, and a look at their notes: to decode a task takes as long as to put its outputs back.
        outputs = pattern_lists(specs, 1)
        for number, _ in missing:
            task = nodes[number]
            if all(literal for _, literal, _, _ in outputs[number]):
                continue
            key = found[task].key
            noted = ledger.read(task)
            if key is not None and noted.mark.startswith(f"{key.hex()}-"):
                notes[number] = noted
            elif is_cleaned(specs[task]):
                return False
        try:
            # Nobody else runs them meanwhile, and would take what appears for an output of his own.
            if not locks.share(0, [lock_name(nodes[number]) for number, _ in missing]):
                return False
            done = self._checkpoint.put_back(blobs, missing)
            if done:
                # Before the locks are free: who gets one next must see that files have changed.
                locks.note()
            for number in notes.keys() & set(done):
                record = found[nodes[number]]
                paths = record.materialised_outputs
                files = made_by_restore(notes[number], None, _states(self._root, paths), set(paths))
                try:
                    ledger.renew(nodes[number], Produced(notes[number].mark, files))
                except StoreError as error:
                    warn(nodes[number], NOT_NOTED.format(error))
        finally:
            locks.release(0)
        return len(done) == len(missing)

    def _streams(self, blobs: _core.Blobs, streams: tuple[bytes, int, bytes, int]) -> Content | None:
        contents = []
        for digest, size in (streams[:2], streams[2:]):
            if size > LONGEST_STREAM:
                return None
            try:
                content = blobs.read(digest, 0, size) if size else b""
            except FileSystemError:
                return None
            if size and _core.digest_bytes(content, self._algorithm) != digest:
                return None
            contents.append(content)
        return contents[0], contents[1]

    def record(self, ctx: RunContext, outcome: RunGraphOutcome) -> None:
        """Write down what this run found or left up to date. Trouble costs the next run time, and is not told."""
        if outcome.invariant_violations or not ctx.kept or ctx.blobs is None:
            return
        outcomes = outcome.outcomes
        # One after the other: the core makes its own of each.
        candidates = (
            self._candidate(ctx, task, entry, outcomes)
            for task, entry in ctx.kept.items()
            if all(type(outcomes.get(other)) is CompletedRecord for other in self._graph.before(task)[0])
        )
        try:
            self._checkpoint.record(ctx.blobs, candidates, ctx.host)
        except FileSystemError:
            return

    def _candidate(self, ctx: RunContext, task: TaskId, kept: Kept, ended: Mapping[TaskId, Any]) -> tuple[Any, ...]:
        graph, numbers = self._graph, self._numbers
        key, inputs, streams, rows = kept
        environment = ctx.specs[task].environment
        names = sorted(set(environment.from_host).difference(name for name, _ in environment.override))
        needed, wished, _ = graph.before(task)
        heard = [(numbers[other], ended[other].streams) for other in needed]
        hard = [(number, (streams.stdout, streams.stderr)) for number, streams in heard]
        soft = [numbers[other] for other in wished]
        lists = (ctx.input_specs[task], ctx.output_specs[task])
        entry = formats.entry_path(self._cache, self._algorithm, key)
        return numbers[task], lists, (hard, soft), names, key, inputs, entry, streams, rows


def _states(root: str, paths: Iterable[str]) -> Iterator[File]:
    for path in paths:
        try:
            found = os.lstat(root + path)
        except OSError:
            continue
        yield path, found.st_ino, found.st_size, found.st_mtime_ns


if TYPE_CHECKING:
    Kept = tuple[bytes, bytes, list[tuple[bytes, int]], list[tuple[Any, ...]]]


def kept(manifest: Manifest) -> Kept | None:
    """Return what a checkpoint needs of an entry: key, digest of the inputs in it, streams, and rows of outputs.

    None when the parts of the key, which nothing else rests on, were altered.
    """
    from haz.cache.store import core_row  # noqa: PLC0415 - a run with nothing to do has none of it

    try:
        inputs = bytes.fromhex(manifest.parts["inputs"]["digest"])
    except (KeyError, TypeError, ValueError):
        return None
    if len(inputs) != len(manifest.key):
        return None
    rows = [core_row(row) for row in manifest.outputs]
    streams = [(manifest.stdout.digest, manifest.stdout.size), (manifest.stderr.digest, manifest.stderr.size)]
    return manifest.key, inputs, streams, rows


def is_recallable(spec: TaskSpec) -> bool:
    """Whether files, variables and predecessors are all that the key is made of."""
    return spec.cache and not (spec.persistent or spec.gitignore or spec.tools or spec.locks or spec.environment.secret)
