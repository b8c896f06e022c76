"""Puts the parts together: load, graph, plan, run, report. The CLI and the Python API use nothing below this."""

from __future__ import annotations

import gc
import os
import time

from haz import __version__, _core, snapshot
from haz._record import Record
from haz._uncollected import uncollected
from haz.cache import formats
from haz.discovery import bearing, find_root, project_at
from haz.errors import GRAPH_HEADER, BuildKeyFailed, FileSystemError, LoadError
from haz.events import RunObserver
from haz.exit_code import exit_code_for
from haz.history import files as history
from haz.host import Host, child_environment, now_ms
from haz.model import Retries
from haz.observers.fanout import FanOut
from haz.outcome import RunGraphOutcome
from haz.recall import Recall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from typing import Literal

    from haz._core import Inputs
    from haz.cache.manifest import Manifest
    from haz.cache.store import Miss
    from haz.discovery import Root, Trace
    from haz.examined import Examination
    from haz.forecast import Prediction
    from haz.graph import TaskGraph
    from haz.model import CompletedRecord, OutputMode, StreamHashes, TaskId, TaskSpec, Workspace
    from haz.ports import Processes, Standby
    from haz.recall import Content
    from haz.run_task import CachePolicy, RunContext, TaskLookup
    from haz.why import Explanation


class RunOptions(Record):
    """How to run what was planned. None means: as the workspace says.

    `arguments` are given to the tasks of `arguments_for`, and enter their keys. `timeout` in seconds and `retries`
    (extra attempts) hold for every task of the run; 0 switches them off. Without `stat_cache` every file is read.
    `missed` is told of each lookup that found nothing.
    """

    output_mode: OutputMode | None = None
    jobs: int | None = None
    policy: CachePolicy = "read-write"
    fail_fast: bool = False
    arguments: tuple[str, ...] = ()
    arguments_for: tuple[TaskId, ...] = ()
    timeout: float | None = None
    retries: int | None = None
    order: Literal["canonical", "critical-path"] | None = None
    stat_cache: bool = True
    missed: Callable[[TaskId, TaskLookup, Miss], None] | None = None


class RunReport(Record):
    """What a run came to: its outcome, wall time in seconds, the processes it started, and the signal that ended it.

    `superseded`: a change of files ended it, because it would have gone on.
    """

    outcome: RunGraphOutcome
    duration: float
    spawned: int
    signalled: int | None
    superseded: bool = False

    @property
    def exit_code(self) -> int:
        return exit_code_for(self.outcome, self.signalled)


class Loaded(Record):
    """A valid workspace with its graph, seen from a directory. `bearing` is the project that contains it, if any.

    It comes from the files, with a `trace` of what was read, or from a snapshot, which has an `identity`.
    """

    workspace: Workspace
    graph: TaskGraph
    bearing: str | None
    root: Root
    trace: Trace | None = None
    identity: bytes | None = None


def open_workspace(directory: str) -> Loaded:
    """Load and validate the workspace that `directory` lies in. Raises `LoadError` with everything that is wrong."""
    root = find_root(directory)
    known = snapshot.load(root, __version__)
    if known is not None:
        home = project_at(root.path, known.names, directory)
        return Loaded(known.workspace, known.graph, home, root, None, known.identity)
    from haz.graph_build import build  # noqa: PLC0415 - only where there is no snapshot
    from haz.workspace import load_at, with_sources  # noqa: PLC0415

    workspace, trace = load_at(root)
    graph, problems = build(workspace, _core.PatternSet)
    if problems:
        header = f"{GRAPH_HEADER}: {len(problems)} error(s) during DAG construction"
        raise LoadError(with_sources(problems), header)
    return Loaded(workspace, graph, bearing(workspace, directory), root, trace)


def examine(directory: str) -> Examination:
    """Check the workspace that `directory` is in, from the environment of this process."""
    from haz.checks import examine as examined  # noqa: PLC0415 - no run needs it

    return examined(directory, Host.of_this_process())


def cache_directory(workspace: Workspace) -> str:
    """Return where results are kept: as the user says with `HAZ_CACHE_DIR`, else as the workspace says."""
    own = os.environ.get("HAZ_CACHE_DIR", "")
    if own:
        return os.path.abspath(os.path.expanduser(own))
    configured = workspace.settings.cache_dir
    if configured is None:
        return f"{workspace.root}/.haz/cache"
    return os.path.expanduser(configured) if configured.startswith("~/") else workspace.root + configured


def execute(
    loaded: Loaded,
    tasks: Sequence[TaskId],
    options: RunOptions,
    observers: Sequence[RunObserver],
    complain: Callable[[str], None],
    *,
    cancelled: Callable[[], bool] | None = None,
    standby: Callable[[_core.Queue], Standby] | None = None,
) -> RunReport:
    """Run the given tasks, which must be closed over hard predecessors. Takes the process's signals while it lasts.

    With `cancelled` the run is a guest in somebody else's process: it ends when that says so or Ctrl-C raises
    `KeyboardInterrupt`, and touches neither signals nor children that it did not start. What `standby` makes of the
    run's events is asked whether to end a run that is for a persistent task, and so would go on.
    """
    started = time.monotonic()
    graph = overridden(loaded.graph.restrict(tasks), options)
    observer = FanOut(observers, complain)
    observer.on_run_started(len(graph.nodes))
    if loaded.workspace.settings.remote is not None:
        observer.on_warning(None, "`remote` is not supported by this version: the local cache alone is used")
    facts = None if loaded.trace is None else loaded.trace.facts(loaded.root.path)
    recall = recall_of(loaded, loaded.identity, options)
    unchanged, contents = ({}, {}) if recall is None else find_unchanged(loaded, recall, graph, options, observer)

    def tell() -> None:
        tell_unchanged(unchanged, contents, observer)

    if len(unchanged) == len(graph.nodes):
        tell()
        report, interrupted = RunReport(RunGraphOutcome(dict(unchanged), {}), 0.0, 0, None), False
    else:
        report, interrupted = run_changed(
            loaded, graph, unchanged, tell, options, observer, recall, facts, cancelled, standby
        )
    report = report.replace(duration=time.monotonic() - started)
    observer.on_run_finished(report.outcome, report.duration, report.signalled)
    if interrupted:
        raise KeyboardInterrupt
    return report


def recall_of(loaded: Loaded, identity: bytes | None, options: RunOptions) -> Recall | None:
    """Return the checkpoint of a workspace whose configuration is known under that identity."""
    if identity is None or options.policy not in ("read-write", "read") or not options.stat_cache:
        return None
    workspace = loaded.workspace
    return Recall(workspace.root, identity, loaded.graph, cache_directory(workspace), workspace.settings.hash)


def find_unchanged(
    loaded: Loaded, recall: Recall, graph: TaskGraph, options: RunOptions, observer: RunObserver
) -> tuple[dict[TaskId, CompletedRecord], dict[TaskId, Content]]:
    """Find the tasks that need no look, and what those of them have printed that printed anything."""
    workspace = loaded.workspace

    def blobs() -> _core.Blobs:
        algorithm, queue = workspace.settings.hash, _core.Queue()
        tree = _core.Tree(queue, workspace.root, algorithm, _core.PatternSet([]))
        directory = formats.blobs_directory(cache_directory(workspace), algorithm)
        return _core.Blobs(queue, workspace.root, directory, algorithm, tree)

    argued = [task for task in options.arguments_for if task in graph.specs] if options.arguments else ()
    locks = _core.FileLocks(_core.Queue(), formats.locks_directory(workspace.root))
    return recall.unchanged(graph.nodes, argued, Host.of_this_process(), blobs, locks, observer.on_warning)


@uncollected
def tell_unchanged(
    found: Mapping[TaskId, CompletedRecord], contents: Mapping[TaskId, Content], observer: RunObserver
) -> None:
    """Announce the tasks that need no look."""
    if not contents:
        if found:
            observer.on_tasks_unchanged([*found.values()])
        return
    silent: list[CompletedRecord] = []
    for task, record in found.items():
        content = contents.get(task)
        if content is None:
            silent.append(record)
            continue
        observer.on_tasks_unchanged(silent)
        silent = []
        observer.on_task_started(task)
        for chunk, emit in zip(content, (observer.on_stdout, observer.on_stderr), strict=True):
            if chunk:
                emit(task, chunk)
        observer.on_task_finished(task, record, 0.0)
    observer.on_tasks_unchanged(silent)


def run_changed(
    loaded: Loaded,
    graph: TaskGraph,
    unchanged: Mapping[TaskId, CompletedRecord],
    tell: Callable[[], None],
    options: RunOptions,
    observer: RunObserver,
    recall: Recall | None,
    facts: bytes | None,
    cancelled: Callable[[], bool] | None,
    standby: Callable[[_core.Queue], Standby] | None,
) -> tuple[RunReport, bool]:
    """Look up or run the tasks of a run that may have changed; `tell` tells of the others, while the first one runs.

    Returns what it came to, its duration left open, and whether Ctrl-C ended it as a guest.

    `facts` prove the configuration, if it was read from its files; else `recall` is its checkpoint, if it may have one.
    """
    # A run with nothing to do does not come here: what only others need is not imported before.
    from haz.consumers import Consumers  # noqa: PLC0415
    from haz.embedding import InterruptibleEvents  # noqa: PLC0415
    from haz.loop import Loop  # noqa: PLC0415
    from haz.redaction import too_short  # noqa: PLC0415
    from haz.schedule import Schedule  # noqa: PLC0415
    from haz.supervise import KILL  # noqa: PLC0415

    guest = cancelled is not None
    if not guest:
        # What was loaded stays until the end: the garbage collector need not look at it again.
        gc.freeze()
        gc.enable()
        _core.give_large_blocks_back()
    workspace, settings = loaded.workspace, loaded.workspace.settings
    queue = _core.Queue()
    spill = f"{cache_directory(workspace)}/{formats.SPILL}"
    processes = CountedProcesses(_core.Processes(queue, settings.hash, spill), guest=guest)
    processes.adopt_orphans()
    events = queue if cancelled is None else InterruptibleEvents(queue, cancelled)
    specs = {task: graph.specs[task] for task in graph.nodes if task not in unchanged} if unchanged else graph.specs
    ctx = run_context(workspace, specs, queue, processes, observer, options)
    secrets = {name: task for task, spec in specs.items() for name in spec.environment.secret}
    for name in too_short(secrets, ctx.host):
        observer.on_warning(None, f"the value of {name} is too short to be hidden where tasks print it")
    order = options.order or settings.order
    schedule = Schedule(
        graph,
        options.jobs or settings.concurrency or len(os.sched_getaffinity(0)),
        settings.tag_caps,
        consumers_of=Consumers(graph.specs, _core.PatternSet),
        order=order,
        durations=history.durations(workspace.root, graph.nodes) if order == "critical-path" else None,
        fail_fast=options.fail_fast,
        settled=unchanged,
    )

    def meanwhile() -> Iterator[None]:
        tell()
        yield
        schedule.prepare()
        yield
        from haz.cache import limits  # noqa: F401, PLC0415 - as everything that only the end of a run needs

    def leave(code: int) -> None:
        processes.kill_descendants(KILL)
        if guest:
            raise KeyboardInterrupt
        os._exit(code)

    loop = Loop(
        ctx,
        schedule,
        events,
        grace=settings.cancel_grace,
        leave=leave,
        suspend=_core.suspend,
        meanwhile=meanwhile(),
        standby=None if standby is None else standby(queue),
    )
    if not guest:
        _core.deliver_signals(queue)
    try:
        loop.run()
    finally:
        # The loop has asked what was left to end (D13); after a defect of ours nobody has, and there is no time to ask.
        processes.kill_descendants(KILL)
        if not guest:
            _core.deliver_signals(None)
    if not guest and loop.signalled is None:
        # One that came when the loop had nothing left to wait for.
        loop.signalled = next((token for kind, token, _ in queue.wait(0) if kind == "signal"), None)
    if processes.spawned:
        collect(workspace, ctx.store.added, observer)
    outcome = schedule.outcome()
    if options.policy != "off":
        ctx.files.save_stat_cache()
    if options.policy == "read-write" and loop.signalled is None and not loop.superseded:
        if facts is not None:
            identity = snapshot.save(loaded.root, __version__, facts, workspace, loaded.graph)
            _core.step("snapshot-kept")
            recall = recall_of(loaded, identity, options)
        if recall is not None:
            recall.record(ctx, outcome)
            _core.step("checkpoint-kept")
    # Last: what is kept above may have made one of the folders.
    keep_out_of_git(workspace)
    interrupted = isinstance(events, InterruptibleEvents) and events.interrupted
    return RunReport(outcome, 0.0, processes.spawned, loop.signalled, loop.superseded), interrupted


def run_context(
    workspace: Workspace,
    specs: Mapping[TaskId, TaskSpec],
    queue: _core.Queue,
    processes: Processes,
    observer: RunObserver,
    options: RunOptions,
    *,
    keep_answers: bool = True,
) -> RunContext:
    """Build the adapters of a run of these tasks, and evaluate the tools that their keys name.

    Without `keep_answers` nothing is written.
    """
    from haz.cache.produced import Ledger  # noqa: PLC0415 - as in `run_changed`
    from haz.cache.store import Store  # noqa: PLC0415
    from haz.run_task import RunContext, patterns_of  # noqa: PLC0415
    from haz.tools import fingerprints  # noqa: PLC0415

    settings = workspace.settings
    cache, algorithm = cache_directory(workspace), settings.hash
    host = Host.of_this_process()
    patterns, input_specs, output_specs = patterns_of(specs)
    remembered = formats.stat_cache(cache, algorithm) if options.stat_cache else None
    files = _core.Tree(queue, workspace.root, algorithm, patterns, stat_cache=remembered)
    compressed, own_path = settings.cache_compression == "zstd", settings.cache_paths == "warn"
    blobs = _core.Blobs(
        queue, workspace.root, formats.blobs_directory(cache, algorithm), algorithm, files, compressed, own_path
    )
    # No program needs a secret to say what it is.
    environments = {
        task: child_environment(spec.replace(environment=spec.environment.replace(secret=())), host)
        for task, spec in specs.items()
        if spec.tools
    }
    return RunContext(
        root=workspace.root,
        algorithm=algorithm,
        specs=specs,
        files=files,
        patterns=patterns,
        input_specs=input_specs,
        output_specs=output_specs,
        processes=processes,
        store=Store(cache, algorithm, blobs, compressed=compressed),
        observer=observer,
        ledger=Ledger(workspace.root),
        host=host,
        created_at=now_ms(),
        policy=options.policy,
        missed=options.missed,
        tools=fingerprints(specs, workspace.root, algorithm, environments, memo=options.stat_cache, keep=keep_answers),
        arguments=dict.fromkeys(options.arguments_for, options.arguments) if options.arguments else {},
        locks=_core.FileLocks(queue, formats.locks_directory(workspace.root)),
        kept={},
        blobs=blobs,
    )


def explain(loaded: Loaded, task: TaskId, against: bytes | None = None) -> Explanation:
    """Explain the key and the lookup of one task (`haz why`); runs nothing but version queries, writes nothing.

    `against` is the key of the entry to compare with, by default the newest other one of the task.
    """
    from haz.reasons import newest_first  # noqa: PLC0415 - no run needs it
    from haz.why import closure, explain_task  # noqa: PLC0415

    workspace, queue = loaded.workspace, _core.Queue()
    graph = loaded.graph.restrict(closure(loaded.graph, task))
    spill = f"{cache_directory(workspace)}/{formats.SPILL}"
    processes = _core.Processes(queue, workspace.settings.hash, spill)
    ctx = run_context(workspace, graph.specs, queue, processes, RunObserver(), RunOptions(), keep_answers=False)

    def entries_of(wanted: TaskId) -> list[Manifest]:
        return newest_first(cache_directory(workspace), wanted)

    return explain_task(ctx, loaded.graph, task, queue, entries_of, against)


def predict(loaded: Loaded, tasks: Sequence[TaskId], options: RunOptions) -> dict[TaskId, Prediction]:
    """Predict what a run of these tasks would find in the cache; runs nothing but version queries, writes nothing."""
    from haz.cache.collect import Inspection  # noqa: PLC0415 - no run needs it
    from haz.forecast import forecast  # noqa: PLC0415

    workspace, queue = loaded.workspace, _core.Queue()
    graph = loaded.graph.restrict(tasks)
    spill = f"{cache_directory(workspace)}/{formats.SPILL}"
    processes = _core.Processes(queue, workspace.settings.hash, spill)
    ctx = run_context(workspace, graph.specs, queue, processes, RunObserver(), options)
    newest: dict[TaskId, Manifest] = {}
    looked = False

    def entry_of(task: TaskId) -> Manifest | None:
        nonlocal looked
        if not looked:
            looked = True
            for entry in Inspection(cache_directory(workspace)).sound:
                manifest = entry.manifest
                if manifest and (manifest.task not in newest or newest[manifest.task].created_at < manifest.created_at):
                    newest[manifest.task] = manifest
        return newest.get(task)

    def reread(spec: TaskSpec, absent: Collection[str]) -> Inputs:
        kept = [(p.anchored, p.literal, p.exclude) for p in spec.inputs if not (p.literal and p.anchored in absent)]
        tree = _core.Tree(queue, workspace.root, workspace.settings.hash, _core.PatternSet([kept]))
        tree.fingerprint(1, [0])
        answer: Inputs = queue.wait()[0][2][0]
        return answer

    return forecast(ctx, graph, queue, entry_of, reread)


def keys(
    loaded: Loaded, tasks: Sequence[TaskId], options: RunOptions, ended: Mapping[TaskId, CompletedRecord]
) -> dict[TaskId, bytes | None]:
    """Derive the keys that tasks have on the disk as it is, after what others have come to.

    None for a task without one, since an input cannot be read. One that comes after a task which has not succeeded is
    left out. Runs nothing but version queries, writes nothing.
    """
    from haz.run_task import cache_lookup_phase  # noqa: PLC0415 - as in `run_changed`

    workspace, queue, specs = loaded.workspace, _core.Queue(), loaded.graph.specs
    streams: dict[TaskId, list[tuple[TaskId, StreamHashes]]] = {}
    for task in tasks:
        before = [one for one in loaded.graph.hard_predecessors[task] if not specs[one].persistent]
        records = [ended[one] for one in before if one in ended and ended[one].state == "succeeded"]
        if len(records) == len(before):
            streams[task] = [(record.task, record.streams) for record in records]
    chosen = {task: specs[task] for task in streams}
    processes = _core.Processes(queue, workspace.settings.hash, f"{cache_directory(workspace)}/{formats.SPILL}")
    # Nothing is looked up, and nobody is told.
    options = options.replace(policy="write", missed=None)
    ctx = run_context(workspace, chosen, queue, processes, RunObserver(), options, keep_answers=False)
    ctx.files.fingerprint(1, [ctx.input_specs[task] for task in chosen])
    found: dict[TaskId, bytes | None] = {}
    for task, inputs in zip(chosen, queue.wait()[0][2], strict=True):
        try:
            found[task] = cache_lookup_phase(ctx, task, inputs, streams[task]).key
        except BuildKeyFailed:
            found[task] = None
    return found


def collect(workspace: Workspace, added: int, observer: RunObserver) -> None:
    """Hold the cache to `cache.max_age` and `cache.max_size`, after a run that has `added` so many bytes."""
    from haz.cache.limits import hold  # noqa: PLC0415 - a run without processes does not need it

    troubles: list[str] = []
    hold(
        cache_directory(workspace),
        added,
        max_age=workspace.settings.cache_max_age,
        max_size=workspace.settings.cache_max_size,
        complain=lambda path, error: troubles.append(f"{path}: {error.strerror}"),
    )
    if troubles:
        more = f", and {len(troubles) - 1} more" if len(troubles) > 1 else ""
        observer.on_warning(None, f"automatic collection: cannot remove {troubles[0]}{more}")


def keep_out_of_git(workspace: Workspace) -> None:
    """Put a `.gitignore` into each folder that haz keeps for itself: nobody should have to list them."""
    for folder in (
        cache_directory(workspace),
        *(f"{workspace.root}/.haz/{name}" for name in ("runs", "locks", "state")),
    ):
        if os.path.isdir(folder) and not os.path.lexists(f"{folder}/.gitignore"):
            try:
                _core.publish(f"{folder}/.gitignore", b"*\n")
            except FileSystemError:
                return


def overridden(graph: TaskGraph, options: RunOptions) -> TaskGraph:
    """Give the tasks of a run the timeout and the retries of its command line; neither is in a cache key."""
    if options.timeout is None and options.retries is None:
        return graph
    specs: dict[TaskId, TaskSpec] = {}
    for task, spec in graph.specs.items():
        changes: dict[str, object] = {}
        # A persistent task is meant to go on, whatever the limit of the others is.
        if options.timeout is not None and not spec.persistent:
            changes["timeout"] = options.timeout or None
        if options.retries is not None:
            changes["retries"] = (spec.retries or Retries()).replace(max=options.retries) if options.retries else None
        specs[task] = spec.replace(**changes)
    return graph.with_specs(specs)


class CountedProcesses:
    """The core's processes, counted: a run reports how many it started.

    Those of a guest end with their groups: nobody can tell what left a group from the other children of the program.
    """

    def __init__(self, processes: _core.Processes, *, guest: bool) -> None:
        self._processes = processes
        self.spawned = 0
        self._tokens: list[int] = []
        self.signal = processes.signal
        self.end = processes.end
        self.abandon = processes.abandon
        self.dismiss = self._dismiss_none if guest else processes.dismiss
        self.adopt_orphans = self._adopt_none if guest else processes.adopt_orphans
        self.kill_descendants = self._kill_groups if guest else processes.kill_descendants
        self.members = processes.members

    def spawn(
        self,
        token: int,
        argv: Sequence[str],
        env: _core.Environment,
        cwd: str,
        secrets: Sequence[str] = (),
    ) -> int:
        pid = self._processes.spawn(token, argv, env, cwd, secrets)
        self.spawned += 1
        self._tokens.append(token)
        return pid

    def _dismiss_none(self, token: int, signum: int) -> int:  # noqa: ARG002 - it is what a guest can do
        return 0

    def _adopt_none(self) -> None:
        return

    def _kill_groups(self, signum: int) -> int:
        return sum(self._processes.signal(token, signum) for token in self._tokens)
