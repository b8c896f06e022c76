"""One task's life: key, lookup, restore or run, store (EXEC-007, seeds 001 and 002).

The phases that wait are generators: each submits work under its token and `yield`s for the events of that token, as
`(kind, payload)`. Whoever drives them - the loop of a run, or `run_task` for a single one - owns the queue. No phase
knows of caps, mutexes or other tasks.
"""

from __future__ import annotations

import time

from haz import _core
from haz._record import Record
from haz.cache.key import Section, key_of, sections
from haz.cache.manifest import Blob, DirectoryRow, Manifest, explain_parts
from haz.cache.produced import (
    NOT_NOTED,
    NOTHING,
    Produced,
    emptied_directories,
    is_cleaned,
    made_by_restore,
    made_by_run,
    mark_of,
)
from haz.cache.store import Hit, Miss, output_rows
from haz.errors import (
    BuildKeyError,
    BuildKeyFailed,
    CapturedStreamReadFailed,
    FileSystemError,
    InputContentReadFailed,
    InputNotARegularFile,
    InputPatternResolutionFailed,
    MaterialisedOutputPathInvalid,
    OutputDeclaredButNotProduced,
    OutputModeReadFailed,
    OutputNotARegularFile,
    OutputPatternResolutionFailed,
    ProcessError,
    RestoreError,
    RestoreFailed,
    SpawnError,
    SpawnFailed,
    StoreError,
    StoreFailed,
    WaitError,
    WaitFailed,
)
from haz.graph import pattern_lists
from haz.ignored import without_ignored
from haz.model import Command, CompletedRecord, ExitStatus, StreamHashes
from haz.recall import is_recallable, kept
from haz.redaction import hidden_texts
from haz.slices import names_of_slices, remember, with_slices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from typing import Any, Literal

    from haz._core import Blobs, Finished, Inputs, PatternSet
    from haz.cache.manifest import Row
    from haz.cache.produced import File, Ledger
    from haz.events import RunObserver
    from haz.host import Host
    from haz.model import RunState, TaskId, TaskRun, TaskSpec
    from haz.ports import Events, Files, Locks, Processes, Store
    from haz.recall import Kept
    from haz.supervise import Supervision

    CachePolicy = Literal["read-write", "read", "write", "off"]
    Phase = Generator[None, tuple[str, Any], CompletedRecord]


OWN_PATH = (
    "the output {} holds the absolute path of this workspace, so the stored result is not right in another one "
    "(`cache: {{paths: allow}}` silences this)"
)
OTHER_RESULT = (
    "another run had stored a different result for the same inputs ({}): the task is not deterministic, or reads more "
    "than it declares"
)
NOT_LOOKED_UP = Miss(b"", "not looked up")
SUCCESS = ExitStatus(0)


class RunContext(Record):
    """What all tasks of one run share, read-only.

    `patterns` holds the input lists of all tasks of the run, then their output lists, each at its number in
    `input_specs` and `output_specs`. `host` is the invoking environment, `arguments` the `-- ARGS` per task,
    `created_at` the start of the run in milliseconds since the epoch. Without `locks` other processes are not heeded,
    without a `ledger` of what tasks have made nothing is removed on a hit. In `kept`, if it is there, the run notes the
    entries whose outputs are in place, for a checkpoint that is written with `blobs`.
    """

    root: str
    algorithm: str
    specs: Mapping[TaskId, TaskSpec]
    files: Files
    patterns: PatternSet
    input_specs: Mapping[TaskId, int]
    output_specs: Mapping[TaskId, int]
    processes: Processes
    store: Store
    observer: RunObserver
    host: Host
    created_at: int
    policy: CachePolicy = "read-write"
    arguments: Mapping[TaskId, tuple[str, ...]] = {}
    tools: Mapping[TaskId, Sequence[tuple[str, bytes]] | BuildKeyError] = {}
    locks: Locks | None = None
    ledger: Ledger | None = None
    kept: dict[TaskId, Kept] | None = None
    blobs: Blobs | None = None
    missed: Callable[[TaskId, TaskLookup, Miss], None] | None = None
    """Told of each lookup that found nothing, with the parts of the key (`haz run --explain`)."""

    def reads_cache(self, spec: TaskSpec) -> bool:
        return spec.cache and not spec.persistent and self.policy in ("read-write", "read")

    def writes_cache(self, spec: TaskSpec) -> bool:
        return spec.cache and not spec.persistent and self.policy in ("read-write", "write")


class TaskLookup(Record):
    """What the lookup found: the task's spec and key, the labelled parts of the key, and the entry, if there is one.

    Without a cache (`policy` is `off`) there is no key.
    """

    spec: TaskSpec
    key: bytes | None
    sections: tuple[Section, ...]
    inputs: Inputs
    found: Hit | Miss


def cache_lookup_phase(
    ctx: RunContext, task: TaskId, inputs: Inputs, streams: Sequence[tuple[TaskId, StreamHashes]]
) -> TaskLookup:
    """EXEC-007 step 1: derive the key and consult the store. Raises `BuildKeyFailed`.

    `streams` are those of the direct hard predecessors in canonical order.
    """
    spec = ctx.specs[task]
    tools = ctx.tools.get(task, ())
    try:
        raise_input_error(inputs)
        if spec.gitignore:
            inputs = without_ignored(ctx.root, spec, inputs, ctx.algorithm)
        if spec.locks:
            inputs = with_slices(
                ctx.root, spec, inputs, ctx.algorithm, lambda text: ctx.observer.on_warning(task, text)
            )
        if isinstance(tools, BuildKeyError):
            raise tools
        if ctx.policy == "off":
            # Nobody will look for the result, and nobody will find it: a fifth of haz's own time for nothing.
            return TaskLookup(spec, None, (), inputs, NOT_LOOKED_UP)
        parts = sections(
            spec,
            algorithm=ctx.algorithm,
            inputs=inputs,
            predecessors=[predecessor for predecessor, _ in streams],
            streams=dict(streams),
            host=ctx.host,
            arguments=ctx.arguments.get(task, ()),
            tools=tools,
        )
    except BuildKeyError as error:
        raise BuildKeyFailed(error) from error
    key = key_of(parts, ctx.algorithm)
    if ctx.reads_cache(spec):
        found = ctx.store.lookup(key)
        if isinstance(found, Hit):
            reason = strange_outputs(ctx, task, found)
            if reason is not None:
                found = Miss(key, "corrupt entry", reason)
    else:
        found = Miss(key, "not cached" if not spec.cache else "not looked up")
    lookup = TaskLookup(spec, key, parts, inputs, found)
    if ctx.missed is not None and isinstance(found, Miss):
        ctx.missed(task, lookup, found)
    return lookup


def strange_outputs(ctx: RunContext, task: TaskId, hit: Hit) -> str | None:
    """Say why these cannot be the outputs of the task: the key fixes the patterns, so a manifest was tampered with."""
    paths = [row.path for row in hit.manifest.outputs]
    foreign = ctx.patterns.first_foreign(ctx.output_specs[task], paths) if paths else None
    if foreign is not None:
        return f"{foreign} is not an output of the task"
    literals = {p.anchored for p in ctx.specs[task].outputs if p.literal and not p.exclude}
    missing = min(literals.difference(paths), default=None)
    return None if missing is None else f"the output {missing} is not in it"


def raise_input_error(inputs: Inputs) -> None:
    """Raise the `BuildKeyError` that the resolution of inputs ended in, if it did."""
    if inputs.error is None:
        return
    kind, path, reason = inputs.error
    if kind == "read":
        raise InputContentReadFailed(path, reason)
    if kind == "not_regular":
        raise InputNotARegularFile(path)
    raise InputPatternResolutionFailed(path, reason)


def restore_from_hit(ctx: RunContext, task: TaskId, token: int, hit: Hit) -> Phase:
    """EXEC-007 step 2: outputs in place, streams replayed (EXEC-017). Raises `RestoreFailed`, with nothing replayed."""
    manifest, ledger = hit.manifest, _ledger_of(ctx, task)
    paths = files_of(manifest.outputs)
    spec = ctx.specs[task]
    known, before = NOTHING, None
    leftovers: list[File] = []
    if ledger is not None and not ledger.lies_there(task, mark_of(manifest)):
        known = ledger.read(task)
        before = yield from _survey(ctx, task, token)
        leftovers = _leftovers(ctx, task, known, set(paths))
    directories = emptied_directories(spec.outputs, spec.root, [file[0] for file in leftovers])
    patterns = ctx.patterns if spec.clean else None
    ctx.store.restore(token, hit, leftovers, directories, patterns, ctx.output_specs[task])
    _, payload = yield
    if isinstance(payload, str):
        raise RestoreFailed(RestoreError(payload))
    written, _, contents, _ = payload
    if ledger is not None and (written or before is not None):
        known = ledger.read(task) if before is None else known
        after = yield from _survey(ctx, task, token)
        _note(ctx, task, Produced(mark_of(manifest), made_by_restore(known, before, after, set(paths))))
    for blob, content, emit in (
        (manifest.stdout, contents[0], ctx.observer.on_stdout),
        (manifest.stderr, contents[1], ctx.observer.on_stderr),
    ):
        if content is not None:
            emit(task, content)
            continue
        try:
            for chunk in ctx.store.read_stream(blob):
                emit(task, chunk)
        except FileSystemError as error:
            raise RestoreFailed(RestoreError(str(error))) from error
    _remember(ctx, spec, manifest)
    return CompletedRecord(
        task,
        "cache_hit",
        "succeeded",
        None,
        manifest.streams,
        paths,
        key=manifest.key,
    )


def _remember(ctx: RunContext, spec: TaskSpec, manifest: Manifest) -> None:
    if ctx.kept is not None and is_recallable(spec) and not ctx.arguments.get(spec.id):
        entry = kept(manifest)
        if entry is not None:
            ctx.kept[spec.id] = entry


def _ledger_of(ctx: RunContext, task: TaskId) -> Ledger | None:
    return ctx.ledger if is_cleaned(ctx.specs[task]) else None


def _leftovers(ctx: RunContext, task: TaskId, known: Produced, kept: set[str]) -> list[File]:
    """Return what the task has made and an entry does not have, of what its patterns still match."""
    number = ctx.output_specs[task]
    return [f for f in known.files if f[0] not in kept and ctx.patterns.first_foreign(number, [f[0]]) is None]


def _survey(ctx: RunContext, task: TaskId, token: int) -> Generator[None, tuple[str, Any], list[File]]:
    ctx.files.survey(token, ctx.output_specs[task])
    _, seen = yield
    files: list[File] = seen
    return files


def _note(ctx: RunContext, task: TaskId, produced: Produced) -> None:
    assert ctx.ledger is not None
    try:
        ctx.ledger.write(task, produced)
    except StoreError as error:
        ctx.observer.on_warning(task, NOT_NOTED.format(error))


def action_argv(ctx: RunContext, spec: TaskSpec) -> list[str]:
    """Return the exact process image of a task (spec 01 §5.3); `-- ARGS` become arguments, or `$1…` of a script."""
    extra = ctx.arguments.get(spec.id, ())
    if isinstance(spec.action, Command):
        return [*spec.action.argv, *extra]
    return [spec.action.shell, "-c", spec.action.script, *((spec.action.shell, *extra) if extra else ())]


def run_fresh(
    ctx: RunContext,
    task: TaskId,
    token: int,
    lookup: TaskLookup,
    child: Supervision,
    earlier: Sequence[TaskRun] = (),
) -> Phase:
    """EXEC-007 step 3: one attempt, from spawn to store. Raises the other variants of `RunTaskError`.

    `child` is the supervision of the attempt; whoever drives this performs its commands. `earlier` are the attempts
    that failed before this one.
    """
    spec, ledger = lookup.spec, _ledger_of(ctx, task)
    # At once, and not by an event: a task that waits here could be cancelled before it has a process.
    before = [] if ledger is None else ctx.files.survey_now(ctx.output_specs[task])
    started = time.monotonic()
    try:
        ctx.processes.spawn(
            token,
            action_argv(ctx, spec),
            ctx.host.of_child(spec),
            ctx.root + spec.root,
            hidden_texts(spec.environment.secret, ctx.host),
        )
    except ProcessError as error:
        raise SpawnFailed(error) from error
    while True:
        kind, payload = yield
        if kind == "output":
            number, chunk = payload
            (ctx.observer.on_stdout if number == 1 else ctx.observer.on_stderr)(task, chunk)
        elif kind == "exit":
            break
    finished: Finished = payload
    if ledger is None:
        return (yield from _conclude(ctx, task, token, lookup, child, finished, started, earlier))[0]
    # A failed attempt has made files too.
    after = yield from _survey(ctx, task, token)
    files = made_by_run(ledger.read(task), before, after)
    mark = ""
    try:
        record, mark = yield from _conclude(ctx, task, token, lookup, child, finished, started, earlier)
    finally:
        _note(ctx, task, Produced(mark, files))
    return record


def _conclude(
    ctx: RunContext,
    task: TaskId,
    token: int,
    lookup: TaskLookup,
    child: Supervision,
    finished: Finished,
    started: float,
    earlier: Sequence[TaskRun],
) -> Generator[None, tuple[str, Any], tuple[CompletedRecord, str]]:
    """Judge an attempt that has ended and keep what it made. Returns its record, and the mark of the stored entry."""
    if finished.error is not None:
        what, reason = finished.error
        if what == "spawn":
            raise SpawnFailed(SpawnError(action_argv(ctx, lookup.spec)[0], reason))
        if what == "wait":
            wait_error = WaitError(None, reason)
            raise WaitFailed(wait_error) from wait_error
        raise CapturedStreamReadFailed("stdout" if what == "stdout" else "stderr", reason)

    status = SUCCESS if finished.code == 0 else ExitStatus(finished.code, finished.signal)
    streams = StreamHashes(finished.stdout[0], finished.stderr[0])
    if lookup.spec.persistent:
        finished.close()
        state: RunState = (
            "cancelled" if child.reason == "cancel" else "succeeded" if child.reason == "stop" else "failed"
        )
        return CompletedRecord(task, "fresh_run", state, status, streams, persistent=True), ""
    if child.reason == "cancel":
        return CompletedRecord(task, "fresh_run", "cancelled", status, streams, key=lookup.key), ""
    if child.reason == "timeout" or not status.success:
        return CompletedRecord(task, "fresh_run", "failed", status, streams, key=lookup.key), ""

    duration = int((time.monotonic() - started) * 1000)
    outputs, mark = yield from _keep(ctx, task, token, lookup, finished, duration, earlier)
    finished.close()
    return CompletedRecord(task, "fresh_run", "succeeded", status, streams, outputs, key=lookup.key), mark


def _keep(
    ctx: RunContext,
    task: TaskId,
    token: int,
    lookup: TaskLookup,
    finished: Finished,
    duration: int,
    earlier: Sequence[TaskRun],
) -> Generator[None, tuple[str, Any], tuple[tuple[str, ...], str]]:
    """Resolve the outputs of a success and store it. Store trouble is a warning (D5).

    Returns the output paths, and the mark of the entry if there is one.
    """
    spec = lookup.spec
    storing = ctx.writes_cache(spec)
    if storing and earlier and not (spec.retries and spec.retries.cache):
        reason = f"it took {len(earlier) + 1} attempts (`retries: {{cache: true}}` stores such a result)"
        ctx.observer.on_warning(task, f"the result was not stored: {reason}")
        storing = False
    if storing and finished.lost is not None:
        ctx.observer.on_warning(task, f"the result was not stored: {finished.lost}")
        storing = False
    if not storing and not spec.outputs:
        return (), ""
    if not storing:
        paths = yield from _resolve_outputs(ctx, task, token)
        _note_nothing_made(ctx, spec, paths)
        return paths, ""
    ctx.store.collect(token, ctx.patterns, ctx.output_specs[task], finished)
    kind, payload = yield
    own_path = None
    if kind == "own_path":
        own_path = payload
        kind, payload = yield
    if isinstance(payload, tuple):
        raise_output_error(payload)
        path = f"{payload[1]} " if payload[2].startswith("cannot be restored") else ""
        ctx.observer.on_warning(task, f"the result was not stored: {path}{payload[2]}")
        return files_of(output_rows(payload[3])), ""
    rows = output_rows(payload)
    paths = files_of(rows)
    _note_nothing_made(ctx, spec, paths)
    for path in paths:
        if not path.startswith("/") or "//" in path or any(part in (".", "..") for part in path.split("/")):
            raise MaterialisedOutputPathInvalid(path, "it does not name a place in the workspace")
    if spec.inputs or spec.locks:
        ctx.files.fingerprint(token, [ctx.input_specs[task]])
        _, (after,) = yield
        if spec.gitignore:
            after = without_ignored(ctx.root, spec, after, ctx.algorithm)
        try:
            after = with_slices(ctx.root, spec, after, ctx.algorithm)
        except BuildKeyError as error:
            ctx.observer.on_warning(task, f"the result was not stored: {error}")
            return paths, ""
        changed = changed_inputs(lookup.inputs, after, {*(row.path for row in rows), *names_of_slices(spec, paths)})
        if changed:
            ctx.observer.on_warning(task, f"the result was not stored: {changed} changed while the task ran")
            return paths, ""
    assert lookup.key is not None
    manifest = Manifest(
        key=lookup.key,
        algorithm=ctx.algorithm,
        task=task,
        created_at=ctx.created_at,
        duration=duration,
        stdout=Blob(*finished.stdout),
        stderr=Blob(*finished.stderr),
        outputs=rows,
        parts=explain_parts(lookup.sections, ctx.algorithm),
        attempts=tuple(earlier),
    )
    try:
        difference = ctx.store.publish(manifest)
    except StoreError as error:
        # The command and its outputs are fine: an uncached success, not a failure (03 §3.6, D5).
        ctx.observer.on_warning(task, f"the result was not stored: {StoreFailed(error)}")
        return paths, ""
    _remember(ctx, spec, manifest)
    if spec.locks:
        remember(ctx.root, spec, ctx.algorithm, lambda text: ctx.observer.on_warning(task, text))
    if own_path is not None:
        ctx.observer.on_warning(task, OWN_PATH.format(own_path))
    if difference is not None:
        ctx.observer.on_warning(task, OTHER_RESULT.format(difference))
    return paths, mark_of(manifest)


def _note_nothing_made(ctx: RunContext, spec: TaskSpec, paths: tuple[str, ...]) -> None:
    """O32: a pattern may match nothing, but a task none of whose patterns does is hardly what was meant."""
    wanted = [pattern.text for pattern in spec.outputs if not pattern.exclude]
    if wanted and not paths:
        ctx.observer.on_warning(spec.id, f"no file matches its outputs: {', '.join(wanted)}")


def _resolve_outputs(ctx: RunContext, task: TaskId, token: int) -> Generator[None, tuple[str, Any], tuple[str, ...]]:
    """Hold a task that is not stored to its declared outputs."""
    ctx.files.outputs(token, ctx.output_specs[task])
    _, found = yield
    if isinstance(found, tuple):
        raise_output_error(found)
    return tuple(found)


def raise_output_error(payload: tuple[Any, ...]) -> None:
    """Raise the `RunTaskError` that a failed collection stands for; return when only the store was at fault."""
    kind, path, reason = payload[:3]
    if kind == "not_produced":
        raise OutputDeclaredButNotProduced(path)
    if kind == "not_regular":
        raise OutputNotARegularFile(path)
    if kind == "mode":
        raise OutputModeReadFailed(path, reason)
    if kind != "store":
        raise OutputPatternResolutionFailed(path, reason)


def changed_inputs(before: Inputs, after: Inputs, own: set[str]) -> str | None:
    """Name an input that is not what the key was made of, other than an output of the task itself (EXEC-018)."""
    if after.error is not None:
        return f"input {after.error[1]}"
    if after.digest == before.digest:
        # Changed and changed back: the task may have read either content.
        paths = sorted(set(after.rewritten_since(before)) - own)
    else:
        difference = set(before.rows()) ^ set(after.rows())
        paths = sorted({path for path, _, _ in difference} - own)
    return f"input {paths[0]}" if paths else None


def files_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return the paths of outputs that are files or links."""
    return tuple([row.path for row in rows if type(row) is not DirectoryRow])


def run_task(
    ctx: RunContext,
    task: TaskId,
    events: Events,
    streams: Sequence[tuple[TaskId, StreamHashes]] = (),
    grace: float = 5.0,
) -> CompletedRecord:
    """Run one task by itself, start to end: lookup, then restore or run (seed 001). Raises `RunTaskError`.

    Does no cap, mutex, retry or cancel work; a restore that fails is a miss (CACHE-020).
    """
    from haz.supervise import Supervision  # noqa: PLC0415 - the loop brings its own

    token = 1
    started = time.monotonic()
    ctx.observer.on_task_started(task)
    ctx.files.fingerprint(token, [ctx.input_specs[task]])
    ((_, _, (inputs,)),) = events.wait()
    lookup = cache_lookup_phase(ctx, task, inputs, streams)
    record: CompletedRecord | None = None
    if isinstance(lookup.found, Hit):
        try:
            record = _drive(restore_from_hit(ctx, task, token, lookup.found), events)
        except RestoreFailed as error:
            ctx.observer.on_warning(task, f"the cached result was not restored: {error}")
    if record is None:
        child = Supervision(time.monotonic(), None, grace)
        record = _drive(run_fresh(ctx, task, token, lookup, child), events)
    ctx.observer.on_task_finished(task, record, time.monotonic() - started)
    return record


def _drive(phase: Phase, events: Events) -> CompletedRecord:
    try:
        next(phase)
        while True:
            for kind, _, payload in events.wait():
                phase.send((kind, payload))
    except StopIteration as end:
        record: CompletedRecord = end.value
        return record


def patterns_of(specs: Mapping[TaskId, TaskSpec]) -> tuple[PatternSet, dict[TaskId, int], dict[TaskId, int]]:
    """Compile the inputs of all tasks, then their outputs; returns the set and the numbers of both for each task."""
    count = len(specs)
    return (
        _core.PatternSet(pattern_lists(specs, 0) + pattern_lists(specs, 1)),
        {task: number for number, task in enumerate(specs)},
        {task: count + number for number, task in enumerate(specs)},
    )
