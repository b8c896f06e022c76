"""What a run would find in the cache, without running anything: `haz run --dry-run --explain`.

A hit is judged as the run itself would judge it, on the files as they would lie there by then: what earlier hits would
restore counts as restored. Whatever depends on the output of a task that would run is unknown until that has run.
"""

from __future__ import annotations

import os

from haz._record import Record
from haz.cache.explain import explain
from haz.cache.manifest import FileRow, LinkRow, explain_parts
from haz.cache.produced import is_cleaned, mark_of
from haz.cache.store import Hit
from haz.errors import BuildKeyFailed
from haz.ignored import KeptInputs
from haz.run_task import cache_lookup_phase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from typing import Literal

    from haz._core import Inputs
    from haz.cache.manifest import Manifest
    from haz.graph import TaskGraph
    from haz.model import StreamHashes, TaskId, TaskSpec
    from haz.ports import Events
    from haz.run_task import RunContext

    Content = tuple[bytes, bool]
    # What will be where a row of inputs is read: a file, or None where only the run itself can tell.
    Overlay = dict[str, tuple[TaskId, Content | None]]


# What is read through a link that a restore puts in place is not known before.
_LINK = (b"", False)


class Prediction(Record):
    """What a task would come to: `hit`, `miss` (it would run), `unknown` until others have run, or `error`.

    `reason` is empty for a hit. A task of kind `error` has an input that cannot be read, so that it has no key.
    """

    task: TaskId
    kind: Literal["hit", "miss", "unknown", "error"]
    reason: str = ""


def forecast(
    ctx: RunContext,
    graph: TaskGraph,
    events: Events,
    newest: Callable[[TaskId], Manifest | None],
    reread: Callable[[TaskSpec, Collection[str]], Inputs],
) -> dict[TaskId, Prediction]:
    """Predict a run of all tasks of `graph`, in canonical order. Writes nothing.

    `newest` gives the manifest of the newest entry of a task, which a miss is compared with; `reread` the inputs of a
    task without some of its literals, which do not exist yet.
    """
    tasks = list(ctx.specs)
    ctx.files.fingerprint(1, [ctx.input_specs[task] for task in tasks])
    answers = events.wait()[0][2]
    oracle = _Oracle(ctx, graph, dict(zip(tasks, answers, strict=True)), newest, reread)
    found = {task: oracle.predict(task) for task in _in_order(graph)}
    return {task: found[task] for task in tasks}


class _Oracle:
    def __init__(
        self,
        ctx: RunContext,
        graph: TaskGraph,
        inputs: dict[TaskId, Inputs],
        newest: Callable[[TaskId], Manifest | None],
        reread: Callable[[TaskSpec, Collection[str]], Inputs],
    ) -> None:
        self._ctx = ctx
        self._graph = graph
        self._tasks = list(ctx.specs)
        self._inputs = inputs
        self._newest = newest
        self._reread = reread
        self._streams: dict[TaskId, StreamHashes] = {}
        self._overlays: dict[TaskId, Overlay] = {}
        self._pending: dict[TaskId, set[TaskId]] = {}
        """Per task, what comes before it, would or might run, and writes files: weak dependencies lead to such."""

    def predict(self, task: TaskId) -> Prediction:
        found = self._predict(task)
        pending = self._before(task)
        if found.kind != "hit" and self._ctx.specs[task].outputs:
            pending.add(task)
        self._pending[task] = pending
        return found

    def _before(self, task: TaskId) -> set[TaskId]:
        graph = self._graph
        before = (*graph.hard_predecessors[task], *graph.soft_predecessors[task])
        return {writer for predecessor in before for writer in self._pending[predecessor]}

    def _predict(self, task: TaskId) -> Prediction:
        ctx, spec = self._ctx, self._ctx.specs[task]
        if not ctx.reads_cache(spec):
            persistent, never = "it goes on until the run ends", "`cache: false`"
            return Prediction(
                task, "miss", persistent if spec.persistent else never if not spec.cache else "the cache is not asked"
            )
        for predecessor in self._printing(task):
            if predecessor not in self._streams:
                return Prediction(task, "unknown", f"its key holds what {predecessor} prints, which has to run first")
        for writer in sorted(self._before(task) | set(self._graph.producer_predecessors[task])):
            if writer != task and writer not in self._streams and self._may_feed(writer, task):
                return Prediction(task, "unknown", f"it reads what {writer} writes, which has to run first")
        return self._look_up(task)

    def _printing(self, task: TaskId) -> list[TaskId]:
        """Return the predecessors whose output is part of the key: that of a server is not."""
        return [one for one in self._graph.hard_predecessors[task] if not self._ctx.specs[one].persistent]

    def _may_feed(self, writer: TaskId, reader: TaskId) -> bool:
        from haz.query.intersect import Automaton, TooIntricateError  # noqa: PLC0415 - only behind a weak dependency

        outputs = [Automaton(p.anchored, literal=p.literal) for p in self._ctx.specs[writer].outputs if not p.exclude]
        inputs = [Automaton(p.anchored, literal=p.literal) for p in self._ctx.specs[reader].inputs if not p.exclude]
        try:
            return any(written.meets(read) for written in outputs for read in inputs)
        except TooIntricateError:
            return True

    def _look_up(self, task: TaskId) -> Prediction:
        ctx, inputs, overlay = self._ctx, self._inputs[task], self._overlays.get(task, {})
        if overlay:
            if inputs.error is not None and inputs.error[1] in overlay:
                inputs = self._reread(ctx.specs[task], overlay)
            changed = _changed(inputs, overlay) if inputs.error is None else {}
            for path, content in changed.items():
                if content is None or content == _LINK:
                    return self._unsure(task, path)
            if changed:
                rows = {path: (path, digest, executable) for path, digest, executable in inputs.rows()}
                rows |= {path: (path, *content) for path, content in changed.items() if content is not None}
                ordered = sorted(rows.values(), key=lambda row: os.fsencode(row[0]))
                inputs = KeptInputs(ordered, ctx.algorithm, inputs)  # type: ignore[assignment]
        needed = [(one, self._streams[one]) for one in self._printing(task)]
        try:
            lookup = cache_lookup_phase(ctx, task, inputs, needed)
        except BuildKeyFailed as error:
            return Prediction(task, "error", str(error))
        if isinstance(lookup.found, Hit):
            manifest = lookup.found.manifest
            self._streams[task] = manifest.streams
            self._restored(task, manifest)
            return Prediction(task, "hit")
        before = self._newest(task)
        if before is None or before.key == lookup.key:
            return Prediction(task, "miss", lookup.found.label)
        assert lookup.key is not None
        differences = explain(before.parts, explain_parts(lookup.sections, ctx.algorithm))
        more = f" (and {len(differences) - 1} more)" if len(differences) > 1 else ""
        return Prediction(task, "miss", f"{differences[0]}{more}" if differences else lookup.found.label)

    def _unsure(self, task: TaskId, path: str) -> Prediction:
        return Prediction(
            task, "unknown", f"{path} is put in place or removed by {self._overlays[task][path][0]} first"
        )

    def _restored(self, task: TaskId, manifest: Manifest) -> None:
        """Note for all readers what a restore would put in place, and what it would remove."""
        paths = {row.path for row in manifest.outputs}
        for row in manifest.outputs:
            if isinstance(row, FileRow):
                self._lay(task, row.path, (row.digest, bool(row.mode & 0o100)))
            elif isinstance(row, LinkRow) and not _leads_to(self._ctx.root + row.path, row.target):
                self._lay(task, row.path, _LINK)
        ledger = self._ctx.ledger
        if ledger is None or not is_cleaned(self._ctx.specs[task]) or ledger.lies_there(task, mark_of(manifest)):
            return
        for path, *_ in ledger.read(task).files:
            if path not in paths:
                self._lay(task, path, None)

    def _lay(self, task: TaskId, path: str, content: Content | None) -> None:
        for number in self._ctx.patterns.matching(path):
            # The input lists come first in the set, so that a number below the count of tasks is a reader.
            if number < len(self._tasks):
                self._overlays.setdefault(self._tasks[number], {})[path] = (task, content)


def _leads_to(path: str, target: str) -> bool:
    try:
        return os.readlink(path) == target
    except OSError:
        return False


def _changed(inputs: Inputs, overlay: Overlay) -> dict[str, Content | None]:
    """Return what of an overlay differs from what was read."""
    present = {path: (digest, executable) for path, digest, executable in inputs.rows()}
    return {
        path: content
        for path, (_, content) in overlay.items()
        # What is to be removed and is not there changes nothing.
        if present.get(path) != content
    }


def _in_order(graph: TaskGraph) -> Iterable[TaskId]:
    """Yield the tasks so that each comes after all that it follows by any kind of edge."""
    before = {
        task: set(graph.hard_predecessors[task])
        .union(graph.soft_predecessors[task], graph.producer_predecessors[task])
        .difference((task,))
        for task in graph.nodes
    }
    missing = {task: len(predecessors) for task, predecessors in before.items()}
    after: dict[TaskId, list[TaskId]] = {}
    for task, predecessors in before.items():
        for predecessor in predecessors:
            after.setdefault(predecessor, []).append(task)
    ready = [task for task in graph.nodes if not missing[task]]
    for task in ready:
        for successor in after.get(task, ()):
            missing[successor] -= 1
            if not missing[successor]:
                ready.append(successor)
    return ready
