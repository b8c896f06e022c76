"""Every error haz raises on purpose. Rust imports the native ones from here: Python owns the classes.

A `HazError` knows the exit code it leads to (EXEC-021), a stable code, and a hint where there is one to give.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar, Literal

    from haz.diagnostics import Diagnostic
    from haz.model import TaskId, TaskRun


GRAPH_HEADER = "task-graph construction failed"


def header(errors: int) -> str | None:
    """Introduce several errors of files (spec 04 §8); one stands alone."""
    return f"{errors} configuration error(s) found" if errors > 1 else None


class HazError(Exception):
    """Base of all. `str()` gives a one-line message; causes are chained by `raise … from …`."""

    exit_code: ClassVar[int] = 2
    code: ClassVar[str] = "haz::internal"
    hint: str | None = None

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Everything that is wrong, with places where they are known; at least one entry."""
        from haz.diagnostics import Diagnostic  # noqa: PLC0415 - of its own layer, and seldom asked for

        cause = self.__cause__
        return (Diagnostic(self.code, str(self), help=self.hint, causes=() if cause is None else (str(cause),)),)


class UsageError(HazError):
    """The command line is wrong (spec 04 §2.3)."""

    code = "haz::cli::usage"

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class LoadError(HazError):
    """The workspace cannot be used; `diagnostics` holds everything that is wrong with it, at least one entry.

    `header` is the sentence that introduces them, where the contract names one (spec 04 §8).
    """

    code = "haz::load"
    diagnostics: tuple[Diagnostic, ...] = ()

    def __init__(self, diagnostics: tuple[Diagnostic, ...], header: str | None = None) -> None:
        super().__init__(header or diagnostics[0].message)
        self.diagnostics = diagnostics
        self.header = header


class ResolutionError(HazError):
    """References of the command line name nothing that exists (spec 04 §5.2). One message per bad reference."""

    code = "haz::ref::unresolved"

    def __init__(self, messages: tuple[str, ...], hint: str | None = None) -> None:
        super().__init__("target resolution failed")
        self.messages = messages
        self.hint = hint

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        from haz.diagnostics import Diagnostic  # noqa: PLC0415 - of its own layer, and seldom asked for

        return tuple(Diagnostic(self.code, message, help=self.hint, causes=(str(self),)) for message in self.messages)


# --- Raised by the core ----------------------------------------------------------------------------------------------


class FileSystemError(HazError):
    """A file-system operation failed. `errno` is None when the cause is not the operating system's."""

    code = "haz::fs"

    def __init__(self, operation: str, path: str, errno: int | None, reason: str) -> None:
        super().__init__(f"cannot {operation} {path}: {reason}")
        self.operation = operation
        self.path = path
        self.errno = errno
        self.reason = reason


class PatternError(HazError):
    """A path pattern breaks spec 01 §9. `offset` counts characters from 0."""

    code = "haz::pattern"

    def __init__(self, pattern: str, reason: str, offset: int) -> None:
        super().__init__(f"invalid pattern {pattern!r}: {reason}")
        self.pattern = pattern
        self.reason = reason
        self.offset = offset


class YamlError(HazError):
    """A text is not one YAML document of the dialect of spec 01 §3. Line and column are 1-based, in characters."""

    code = "haz::cfg::yaml"

    def __init__(self, reason: str, line: int, column: int) -> None:
        super().__init__(f"{reason} (line {line}, column {column})")
        self.reason = reason
        self.line = line
        self.column = column


class ProcessError(HazError):
    """A process could not be started, signalled or reaped."""

    exit_code = 1
    code = "haz::exec::process"


class SpawnError(ProcessError):
    """The program could not be started: not found, not executable, bad working directory, fork failure."""

    def __init__(self, program: str, reason: str, errno: int | None = None) -> None:
        super().__init__(f'cannot start "{program}": {reason}')
        self.program = program
        self.reason = reason
        self.errno = errno


class NonAbsoluteCwd(ProcessError):
    """The working directory of a spawn plan is not absolute."""

    def __init__(self, cwd: str) -> None:
        super().__init__(f"working directory {cwd!r} is not absolute")
        self.cwd = cwd


class SignalError(ProcessError):
    """A signal could not be sent for another reason than the process being gone."""

    def __init__(self, signal: int, pid: int | None, reason: str) -> None:
        super().__init__(f"cannot send signal {signal} to process {pid}: {reason}")
        self.signal = signal
        self.pid = pid
        self.reason = reason


class WaitError(ProcessError):
    """A child could not be reaped."""

    def __init__(self, pid: int | None, reason: str) -> None:
        super().__init__(f"cannot wait for process {pid}: {reason}")
        self.pid = pid
        self.reason = reason


# --- One task's life (seed 000) --------------------------------------------------------------------------------------


class BuildKeyError(HazError):
    """A cache key could not be derived."""

    exit_code = 1
    code = "haz::exec::key"


class TaskNotInWorkspace(BuildKeyError):
    def __init__(self, task: TaskId) -> None:
        super().__init__(f"task {task} is not in the workspace")
        self.task = task


class PredecessorStreamsMissing(BuildKeyError):
    def __init__(self, predecessor: TaskId) -> None:
        super().__init__(f"the streams of predecessor {predecessor} are not known")
        self.predecessor = predecessor


class InputPatternResolutionFailed(BuildKeyError):
    def __init__(self, root: str, reason: str) -> None:
        super().__init__(f"cannot resolve inputs at {root}: {reason}")
        self.root = root
        self.reason = reason


class InputContentReadFailed(BuildKeyError):
    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"cannot read input {path}: {reason}")
        self.path = path
        self.reason = reason


class InputNotARegularFile(BuildKeyError):
    def __init__(self, path: str) -> None:
        super().__init__(f"input {path} is not a regular file")
        self.path = path


class RestoreError(HazError):
    """The outputs of an entry could not be put in place."""

    exit_code = 1
    code = "haz::cache::restore"


class StoreError(HazError):
    """A result could not be persisted."""

    exit_code = 1
    code = "haz::cache::store"


class RunTaskError(HazError):
    """The lifecycle of a task could not be carried through; the cause is chained where there is one (seed 000).

    A command that ran and failed is never a `RunTaskError`. `attempts` are those that the task had had, the one that
    broke included.
    """

    exit_code = 1
    code = "haz::exec::task"
    attempts: tuple[TaskRun, ...] = ()


class BuildKeyFailed(RunTaskError):
    def __init__(self, source: BuildKeyError) -> None:
        super().__init__(str(source))
        self.source = source
        self.__cause__ = source


class RestoreFailed(RunTaskError):
    def __init__(self, source: RestoreError) -> None:
        super().__init__(str(source))
        self.source = source
        self.__cause__ = source


class SpawnFailed(RunTaskError):
    hint = "correct the program's name, or install it where the task's PATH (`env.pass`, `env.override`) finds it"

    def __init__(self, source: ProcessError) -> None:
        super().__init__(str(source))
        self.source = source
        self.__cause__ = source


class WaitFailed(RunTaskError):
    def __init__(self, source: ProcessError) -> None:
        super().__init__(str(source))
        self.source = source
        self.__cause__ = source


class CapturedStreamReadFailed(RunTaskError):
    def __init__(self, stream: Literal["stdout", "stderr"], reason: str) -> None:
        super().__init__(f"cannot read {stream} of the task: {reason}")
        self.stream = stream
        self.reason = reason


class OutputPatternResolutionFailed(RunTaskError):
    def __init__(self, root: str, reason: str) -> None:
        super().__init__(f"cannot resolve outputs at {root}: {reason}")
        self.root = root
        self.reason = reason


class OutputModeReadFailed(RunTaskError):
    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"cannot read the mode of output {path}: {reason}")
        self.path = path
        self.reason = reason


class OutputNotARegularFile(RunTaskError):
    def __init__(self, path: str) -> None:
        super().__init__(f"output {path} is not a regular file")
        self.path = path


class OutputDeclaredButNotProduced(RunTaskError):
    hint = "let the command write it, or take it out of `outputs`"

    def __init__(self, path: str) -> None:
        super().__init__(f"declared output {path} was not produced")
        self.path = path


class StoreFailed(RunTaskError):
    def __init__(self, source: StoreError) -> None:
        super().__init__(str(source))
        self.source = source
        self.__cause__ = source


class MaterialisedOutputPathInvalid(RunTaskError):
    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"output path {path!r} is not a workspace path: {reason}")
        self.path = path
        self.reason = reason
