"""Puts the parts together: load, graph, plan, run, report. The CLI and the Python API use nothing below this."""

from __future__ import annotations

import gc
import os
import time

from haz import _core
from haz._record import Record
from haz.cache import formats
from haz.cache.produced import Ledger
from haz.cache.store import Store
from haz.errors import FileSystemError, LoadError
from haz.events import RunObserver
from haz.exit_code import exit_code_for
from haz.graph_build import build
from haz.history import files as history
from haz.loop import Loop
from haz.model import Retries
from haz.observers.buffered import BufferedObserver
from haz.observers.fanout import FanOut
from haz.observers.live import LiveObserver
from haz.observers.presenter import Presenter
from haz.run_task import Host, RunContext, child_environment, now_ms, patterns_of
from haz.schedule import Schedule
from haz.supervise import KILL
from haz.tools import fingerprints
from haz.workspace import bearing, load, with_sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Literal

    from haz.cache.manifest import Manifest
    from haz.checks import Examination
    from haz.graph import TaskGraph
    from haz.model import OutputMode, TaskId, TaskSpec, Workspace
    from haz.outcome import RunGraphOutcome
    from haz.ports import Processes
    from haz.run_task import CachePolicy
    from haz.why import Explanation

GRAPH_HEADER = "task-graph construction failed"


class RunOptions(Record):
    """How to run what was planned. None means: as the workspace says.

    `arguments` are given to the tasks of `arguments_for`, and enter their keys. `timeout` in seconds and `retries`
    (extra attempts) hold for every task of the run; 0 switches them off. Without `stat_cache` every file is read.
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


class RunReport(Record):
    """What a run came to: its outcome, wall time in seconds, the processes it started, and the signal that ended it."""

    outcome: RunGraphOutcome
    duration: float
    spawned: int
    signalled: int | None

    @property
    def exit_code(self) -> int:
        return exit_code_for(self.outcome, self.signalled)


class Loaded(Record):
    """A valid workspace with its graph, seen from a directory. `bearing` is the project that contains it, if any."""

    workspace: Workspace
    graph: TaskGraph
    bearing: str | None


def open_workspace(directory: str) -> Loaded:
    """Load and validate the workspace that `directory` lies in. Raises `LoadError` with everything that is wrong."""
    workspace = load(directory)
    graph, problems = build(workspace, _core.PatternSet)
    if problems:
        header = f"{GRAPH_HEADER}: {len(problems)} error(s) during DAG construction"
        raise LoadError(with_sources(problems), header)
    # All of this stays until the end: the garbage collector need not look at it again.
    gc.freeze()
    return Loaded(workspace, graph, bearing(workspace, directory))


def examine(directory: str) -> Examination:
    """Check the workspace that `directory` is in, from the environment of this process."""
    from haz.checks import examine as examined  # noqa: PLC0415 - no run needs it

    return examined(directory, Host.of_this_process())


def cache_directory(workspace: Workspace) -> str:
    configured = workspace.settings.cache_dir
    return f"{workspace.root}/.haz/cache" if configured is None else os.path.join(workspace.root, configured)


def execute(
    loaded: Loaded,
    tasks: Sequence[TaskId],
    options: RunOptions,
    observers: Sequence[RunObserver],
    complain: Callable[[str], None],
) -> RunReport:
    """Run the given tasks, which must be closed over hard predecessors. Takes the process's signals while it lasts."""
    workspace, settings = loaded.workspace, loaded.workspace.settings
    graph = overridden(loaded.graph.restrict(tasks), options)
    queue = _core.Queue()
    spill = f"{cache_directory(workspace)}/{formats.SPILL}"
    processes = CountedProcesses(_core.Processes(queue, settings.hash, spill))
    processes.adopt_orphans()
    observer = FanOut(observers, complain)
    ctx = run_context(workspace, graph, queue, processes, observer, options)
    patterns = ctx.patterns
    tasks_in_order = list(ctx.input_specs)

    def consumers_of(path: str) -> list[TaskId]:
        # The input lists come first in the set, so that a number below the count of tasks is a task.
        return [tasks_in_order[number] for number in patterns.matching(path) if number < len(tasks_in_order)]

    order = options.order or settings.order
    schedule = Schedule(
        graph,
        options.jobs or settings.concurrency or len(os.sched_getaffinity(0)),
        settings.tag_caps,
        consumers_of=consumers_of,
        order=order,
        durations=history.durations(workspace.root, graph.nodes) if order == "critical-path" else None,
        fail_fast=options.fail_fast,
    )

    def leave(code: int) -> None:
        processes.kill_descendants(KILL)
        os._exit(code)

    loop = Loop(ctx, schedule, queue, grace=settings.cancel_grace, leave=leave, suspend=_core.suspend)
    started = time.monotonic()
    _core.deliver_signals(queue)
    try:
        observer.on_run_started(len(graph.nodes))
        if settings.remote is not None:
            observer.on_warning(None, "`remote` is not supported by this version: the local cache alone is used")
        loop.run()
    finally:
        # The loop has asked what was left to end (D13); after a defect of ours nobody has, and there is no time to ask.
        processes.kill_descendants(KILL)
        _core.deliver_signals(None)
    keep_out_of_git(workspace)
    if processes.spawned:
        collect(workspace, observer)
    report = RunReport(schedule.outcome(), time.monotonic() - started, processes.spawned, loop.signalled)
    observer.on_run_finished(report.outcome, report.duration, report.signalled)
    if options.policy != "off":
        ctx.files.save_stat_cache()
    return report


def run_context(
    workspace: Workspace,
    graph: TaskGraph,
    queue: _core.Queue,
    processes: Processes,
    observer: RunObserver,
    options: RunOptions,
) -> RunContext:
    """Build the adapters of a run of the tasks of `graph`, and evaluate the tools that their keys name."""
    cache, algorithm = cache_directory(workspace), workspace.settings.hash
    host = Host.of_this_process()
    patterns, input_specs, output_specs = patterns_of(graph.specs)
    remembered = formats.stat_cache(cache, algorithm) if options.stat_cache else None
    files = _core.Tree(queue, workspace.root, algorithm, patterns, stat_cache=remembered)
    blobs = _core.Blobs(queue, workspace.root, formats.blobs_directory(cache, algorithm), algorithm, files)
    environments = {task: child_environment(spec, host) for task, spec in graph.specs.items() if spec.tools}
    return RunContext(
        root=workspace.root,
        algorithm=algorithm,
        specs=graph.specs,
        files=files,
        patterns=patterns,
        input_specs=input_specs,
        output_specs=output_specs,
        processes=processes,
        store=Store(cache, algorithm, blobs),
        observer=observer,
        ledger=Ledger(workspace.root),
        host=host,
        created_at=now_ms(),
        policy=options.policy,
        tools=fingerprints(graph.specs, workspace.root, algorithm, environments),
        arguments=dict.fromkeys(options.arguments_for, options.arguments) if options.arguments else {},
        locks=_core.FileLocks(queue, formats.locks_directory(workspace.root)),
    )


def explain(loaded: Loaded, task: TaskId) -> Explanation:
    """Explain the key and the lookup of one task (`haz why`); runs nothing but version queries, writes nothing."""
    from haz.cache.collect import Inspection  # noqa: PLC0415 - no run needs it
    from haz.why import closure, explain_task  # noqa: PLC0415

    workspace, queue = loaded.workspace, _core.Queue()
    graph = loaded.graph.restrict(closure(loaded.graph, task))
    spill = f"{cache_directory(workspace)}/{formats.SPILL}"
    processes = _core.Processes(queue, workspace.settings.hash, spill)
    ctx = run_context(workspace, graph, queue, processes, RunObserver(), RunOptions())

    def entries_of(wanted: TaskId) -> list[Manifest]:
        found = [entry.manifest for entry in Inspection(cache_directory(workspace)).sound if entry.manifest]
        found = [manifest for manifest in found if manifest.task == wanted]
        return sorted(found, key=lambda manifest: manifest.created_at, reverse=True)

    return explain_task(ctx, loaded.graph, task, queue, entries_of)


def collect(workspace: Workspace, observer: RunObserver) -> None:
    """Hold the cache to `cache.max_age` and `cache.max_size`, after a run that may have made it grow."""
    age, size = workspace.settings.cache_max_age, workspace.settings.cache_max_size
    if age is None and size is None:
        return
    from haz.cache.collect import Inspection, clean, plan_cleaning  # noqa: PLC0415 - few runs need it

    inspection = Inspection(cache_directory(workspace))
    clean(
        plan_cleaning(inspection, max_age=age, max_size=size),
        lambda trouble: observer.on_warning(None, f"automatic collection: {trouble}"),
    )


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
    """The core's processes, counted: a run reports how many it started."""

    def __init__(self, processes: _core.Processes) -> None:
        self._processes = processes
        self.spawned = 0
        self.signal = processes.signal
        self.end = processes.end
        self.dismiss = processes.dismiss
        self.abandon = processes.abandon
        self.adopt_orphans = processes.adopt_orphans
        self.kill_descendants = processes.kill_descendants

    def spawn(self, token: int, argv: Sequence[str], env: _core.Environment, cwd: str) -> int:
        pid = self._processes.spawn(token, argv, env, cwd)
        self.spawned += 1
        return pid


def output_observer(
    mode: OutputMode, *, colour: bool, out: Callable[[bytes], None], err: Callable[[bytes], None]
) -> RunObserver:
    """Return the observer that shows task output in the given mode (EXEC-016)."""
    kind = LiveObserver if mode == "live" else BufferedObserver
    return kind(Presenter(colour=colour), out, err)
