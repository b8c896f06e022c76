"""The values that every layer speaks of: tasks as declared, and what became of them in a run.

Everything here is immutable and compares by value. Paths are text as `os.fsdecode` gives it (bytes that are not UTF-8
survive as surrogates). A *workspace path* starts with `/` and is relative to the workspace root; a *project root* is a
workspace path, or the empty text for a project at the workspace root.
"""

from __future__ import annotations

from haz._record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    OutputMode = Literal["live", "buffered"]
    RunSource = Literal["cache_hit", "fresh_run"]
    RunState = Literal["succeeded", "failed", "cancelled"]
    MutexScope = Literal["workspace", "project"]
    MutexMode = Literal["exclusive", "shared"]
    EdgeKind = Literal["hard", "soft", "producer"]
    ReferenceKind = Literal["bearing", "project", "everywhere", "siblings", "tag", "tag_siblings"]
    TaskPhase = Literal["pending", "running", "succeeded", "failed", "timeout", "exhausted", "canceled"]


class TaskId(tuple[str, str]):
    """`(project, task)`. Sorts in canonical order (project bytes, then task bytes); prints as `project:task`."""

    __slots__ = ()

    def __new__(cls, project: str, task: str) -> TaskId:  # noqa: PYI034 - Self costs an import
        return tuple.__new__(cls, (project, task))

    @property
    def project(self) -> str:
        return self[0]

    @property
    def task(self) -> str:
        return self[1]

    def __str__(self) -> str:
        return f"{self[0]}:{self[1]}"

    def __repr__(self) -> str:
        return f"TaskId({self[0]!r}, {self[1]!r})"

    def __getnewargs__(self) -> tuple[str, str]:
        return self[0], self[1]


# --- What the files declare ------------------------------------------------------------------------------------------


class Origin(Record):
    """Where something was written: absolute file path, 1-based line and column (characters)."""

    file: str
    line: int
    column: int


class Pattern(Record):
    """One entry of `inputs` or `outputs` (spec 01 §9).

    `text` is as written, without the `!` of an exclusion. `anchored` is the same pattern as a workspace path, with the
    project root escaped (O22); the core compiles only this form.
    """

    text: str
    anchored: str
    literal: bool
    exclude: bool = False
    group: int = 0
    """0 for what the task itself lists; what comes from one predecessor (`from:`) shares a number."""

    @property
    def listed(self) -> tuple[str, bool, bool, int]:
        """The pattern as `haz._core.PatternSet` takes it."""
        return self.anchored, self.literal, self.exclude, self.group


class Command(Record):
    """`command:` - the process image is exactly `argv`."""

    argv: tuple[str, ...]


class Shell(Record):
    """`shell:` - the process image is `[shell, "-c", script]`."""

    shell: str
    script: str


class Mutex(Record):
    """`mutex:` (MUTEX-001, MUTEX-002). `project` is the owner's name for project scope, else None."""

    name: str
    mode: MutexMode
    project: str | None = None

    @property
    def scope(self) -> MutexScope:
        return "workspace" if self.project is None else "project"

    @property
    def key(self) -> tuple[str | None, str]:
        """What two mutexes must share to exclude each other."""
        return self.project, self.name


class Environment(Record):
    """The child's variables: `from_host` and `override` enter the cache key, `passed` (`env.pass`) does not.

    `secret` ones enter it as keyed hashes, and no stream shows their values.
    """

    from_host: tuple[str, ...] = ()
    override: tuple[tuple[str, str], ...] = ()
    passed: tuple[str, ...] = ()
    secret: tuple[str, ...] = ()


class Reference(Record):
    """A task reference as written (spec 01 §8). `name` is the project or the tag, where the form has one.

    An `optional` reference (trailing `?`) may name nothing (O15).
    """

    kind: ReferenceKind
    task: str
    name: str | None
    text: str
    origin: Origin | None = None
    optional: bool = False


class TaskGroup(Record):
    """All tasks of a project, or of the projects that carry a tag, as `--exclude` takes them; `text` as written."""

    kind: Literal["project", "tag"]
    name: str
    text: str


class Tool(Record):
    """An entry of `tools:` - exactly one of a command whose output, or a file whose content, enters the key."""

    command: tuple[str, ...] | None = None
    file: str | None = None
    memo: bool = False
    """Whether the program alone decides what the command prints."""


class Retries(Record):
    """`retries:` (spec 03 §13.2). Delays in seconds. `cache`: whether a success is stored that needed a retry."""

    max: int = 0
    delay: float = 0.2
    factor: float = 2.0
    max_delay: float = 30.0
    jitter: Literal["none", "full", "equal"] = "equal"
    on: tuple[str, ...] = ("failure", "timeout")
    exit_codes: tuple[int, ...] | None = None
    cache: bool = False


class Ready(Record):
    """`ready:` of a persistent task - exactly one of a line pattern, a TCP port and a command is given."""

    line: str | None = None
    port: int | None = None
    command: tuple[str, ...] | None = None
    timeout: float = 60.0


class TaskSpec(Record):
    """One effective task: the body that won the overlay merge, seen from the project that owns it."""

    id: TaskId
    root: str
    tags: tuple[str, ...]
    action: Command | Shell
    inputs: tuple[Pattern, ...] = ()
    outputs: tuple[Pattern, ...] = ()
    deps: tuple[Reference, ...] = ()
    weak_deps: tuple[Reference, ...] = ()
    mutex: Mutex | None = None
    environment: Environment = Environment()
    cache: bool = True
    clean: bool = True
    gitignore: bool = False
    timeout: float | None = None
    retries: Retries | None = None
    tools: tuple[Tool, ...] = ()
    persistent: bool = False
    ready: Ready | None = None
    description: str | None = None
    origin: Origin | None = None
    locks: tuple[str, ...] = ()
    """Kinds of lock files of which the project's part is an input: `uv`, `npm`, `cargo`."""
    inputs_from: tuple[Reference, ...] = ()
    """Predecessors whose outputs are inputs; `inputs` has their patterns."""


class ProjectSpec(Record):
    """One project. `root` is its workspace path, or the empty text for a project at the workspace root."""

    name: str
    root: str
    tags: tuple[str, ...]
    tasks: Mapping[str, TaskSpec]
    origin: Origin
    description: str | None = None


class Remote(Record):
    """`remote:` - a service that speaks the Remote Execution API. `cache` says what is done with its cache."""

    url: str
    instance: str = ""
    cache: Literal["read-write", "read-only", "off"] = "read-write"
    execution: bool = False


# Bytes; what a cache that nobody has set a limit for is held to.
CACHE_MAX_SIZE = 10 << 30


class Settings(Record):
    """What `.haz/workspace.yml` sets for every task; the defaults are those of an implicit workspace.

    `concurrency` is None for `auto`. Sizes in bytes, ages and the grace in seconds. `cache_dir` is a workspace path, or
    begins with `~/`. `cache_paths` tells of outputs that hold the workspace's own path.
    """

    hash: str = "blake3"
    clean_max_age: int | None = None
    clean_max_size: int | None = None
    cache_max_age: int | None = None
    cache_max_size: int | None = CACHE_MAX_SIZE
    cache_dir: str | None = None
    cache_compression: Literal["none", "zstd"] = "none"
    cache_paths: Literal["warn", "allow"] = "warn"
    concurrency: int | None = None
    tag_caps: dict[str, int] = {}  # noqa: RUF012 - records are immutable, and nobody writes to a default
    output_mode: OutputMode = "live"
    cancel_grace: float = 5.0
    order: Literal["canonical", "critical-path"] = "canonical"
    description: str | None = None
    remote: Remote | None = None


class Workspace(Record):
    """A loaded workspace: absolute root, settings, and the projects by name in canonical order."""

    root: str
    explicit: bool
    settings: Settings
    projects: Mapping[str, ProjectSpec]


# --- What became of them ---------------------------------------------------------------------------------------------


class ExitStatus(Record):
    """A decoded wait status: exactly one of `code` (0-255) and `signal` is given."""

    code: int | None = None
    signal: int | None = None

    @property
    def success(self) -> bool:
        return self.code == 0


class StreamHashes(Record):
    """Digests of the two captured streams; they feed the keys of hard successors (CACHE-007)."""

    stdout: bytes
    stderr: bytes


class TaskRun(Record):
    """One attempt at a task (seed 004). Times in milliseconds since the epoch; `finished_at` is None while it runs."""

    attempt: int
    phase: TaskPhase
    started_at: int
    finished_at: int | None = None
    error: str | None = None
    exit_code: int | None = None

    @property
    def is_active(self) -> bool:
        return self.finished_at is None


class CompletedRecord(Record):
    """A task that ran to its end or came from the cache. A hit has no exit status and no attempts.

    `key` is the cache key that it ran or was found under.
    A persistent one succeeded when haz stopped it, whatever its exit status.
    """

    task: TaskId
    source: RunSource
    state: RunState
    exit_status: ExitStatus | None
    streams: StreamHashes
    materialised_outputs: tuple[str, ...] = ()
    attempts: tuple[TaskRun, ...] = ()
    max_attempts: int = 1
    key: bytes | None = None
    persistent: bool = False


class UpstreamFailed(Record):
    """A transitive hard predecessor ended Failed; `upstream` is the root cause."""

    upstream: TaskId


class UpstreamErrored(Record):
    """The pipeline of a transitive hard predecessor broke; `upstream` is the root cause."""

    upstream: TaskId


class RuntimeCycle(Record):
    """The task is, or depends on, a member of an EXEC-019 cycle that had not started."""


class SkipRecord(Record):
    """A task that was never started (EXEC-011)."""

    task: TaskId
    cause: UpstreamFailed | UpstreamErrored | RuntimeCycle


class SignaledInFlight(Record):
    """A child existed and haz signalled it, whatever its exit status."""

    task: TaskId
    exit_status: ExitStatus
    streams: StreamHashes
    attempts: tuple[TaskRun, ...] = ()


class UpstreamCancelled(Record):
    """A hard descendant of a cancelled task; `upstream` is the root."""

    task: TaskId
    upstream: TaskId


class RunCancelled(Record):
    """The task was ready, waiting, or being looked up when admission stopped; no process was started."""

    task: TaskId
    attempts: tuple[TaskRun, ...] = ()


if TYPE_CHECKING:
    SkipCause = UpstreamFailed | UpstreamErrored | RuntimeCycle
    CancelledRecord = SignaledInFlight | UpstreamCancelled | RunCancelled
    RunOutcome = CompletedRecord | SkipRecord | CancelledRecord


class RuntimeCycleViolation(Record):
    """EXEC-019: files produced in this run close a cycle. `nodes` in canonical order."""

    nodes: tuple[TaskId, ...]
    offending_edge: tuple[TaskId, TaskId]


class OutputOverlap(Record):
    """EXEC-020: two tasks of this run wrote one path."""

    first_task: TaskId
    second_task: TaskId
    shared_path: str
