"""Puts the parts together: load, graph, plan, run, report. The CLI and the Python API use nothing below this."""

from __future__ import annotations

import os
import time

from haz import _core
from haz._record import Record
from haz.cache import formats
from haz.cache.store import Store
from haz.errors import LoadError
from haz.exit_code import exit_code_for
from haz.graph_build import build
from haz.loop import Loop
from haz.observers.buffered import BufferedObserver
from haz.observers.fanout import FanOut
from haz.observers.live import LiveObserver
from haz.observers.presenter import Presenter
from haz.run_task import RunContext, host_environment, now_ms, patterns_of
from haz.schedule import Schedule
from haz.supervise import KILL
from haz.workspace import bearing, load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from haz.events import RunObserver
    from haz.graph import TaskGraph
    from haz.model import OutputMode, TaskId, Workspace
    from haz.outcome import RunGraphOutcome
    from haz.run_task import CachePolicy

GRAPH_HEADER = "task-graph construction failed"


class RunOptions(Record):
    """How to run what was planned. None means: as the workspace says."""

    output_mode: OutputMode | None = None
    jobs: int | None = None
    policy: CachePolicy = "read-write"
    fail_fast: bool = False
    arguments: tuple[str, ...] = ()


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
        raise LoadError(problems, GRAPH_HEADER)
    return Loaded(workspace, graph, bearing(workspace, directory))


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
    graph = loaded.graph.restrict(tasks)
    cache = cache_directory(workspace)
    algorithm = settings.hash
    queue = _core.Queue()
    patterns, input_specs, output_specs = patterns_of(graph.specs)
    files = _core.Tree(queue, workspace.root, algorithm, patterns)
    blobs = _core.Blobs(queue, workspace.root, formats.blobs_directory(cache, algorithm), algorithm, files)
    processes = CountedProcesses(_core.Processes(queue, algorithm, f"{cache}/{formats.SPILL}"))
    processes.adopt_orphans()
    observer = FanOut(observers, complain)
    ctx = RunContext(
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
        host=host_environment(),
        created_at=now_ms(),
        policy=options.policy,
        arguments=dict.fromkeys(tasks, options.arguments) if options.arguments else {},
    )
    tasks_in_order = list(input_specs)

    def consumers_of(path: str) -> list[TaskId]:
        # The input lists come first in the set, so that a number below the count of tasks is a task.
        return [tasks_in_order[number] for number in patterns.matching(path) if number < len(tasks_in_order)]

    schedule = Schedule(
        graph,
        options.jobs or settings.concurrency or len(os.sched_getaffinity(0)),
        settings.tag_caps,
        consumers_of=consumers_of,
        order=settings.order,
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
        loop.run()
    finally:
        # The loop has asked what was left to end (D13); after a defect of ours nobody has, and there is no time to ask.
        processes.kill_descendants(KILL)
        _core.deliver_signals(None)
    report = RunReport(schedule.outcome(), time.monotonic() - started, processes.spawned, loop.signalled)
    observer.on_run_finished(report.outcome, report.duration)
    return report


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

    def spawn(self, token: int, argv: Sequence[str], env: Sequence[tuple[str, str]], cwd: str) -> int:
        pid = self._processes.spawn(token, argv, env, cwd)
        self.spawned += 1
        return pid


def output_observer(
    mode: OutputMode, *, colour: bool, out: Callable[[bytes], None], err: Callable[[bytes], None]
) -> RunObserver:
    """Return the observer that shows task output in the given mode (EXEC-016)."""
    kind = LiveObserver if mode == "live" else BufferedObserver
    return kind(Presenter(colour=colour), out, err)
