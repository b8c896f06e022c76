"""haz: a task runner for large monorepos. It runs each task in order, in parallel, and never twice for nothing.

As a library, see docs/api.md: `haz.load(directory)` opens a workspace. Names are imported when they are first used, so
that `import haz` costs next to nothing.
"""

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.affected import Selection
    from haz.api import Runs, Workspace, check, load, open_cache, read_durations
    from haz.app import RunOptions, RunReport
    from haz.cache.transfer import TransferError
    from haz.caches import Cache
    from haz.diagnostics import Diagnostic, Span
    from haz.errors import HazError, LoadError, ResolutionError, RunTaskError, UsageError
    from haz.events import RunObserver
    from haz.examined import Examination
    from haz.forecast import Prediction
    from haz.history.files import HistoryError
    from haz.model import CompletedRecord, SkipRecord, TaskId, TaskSpec
    from haz.plan import Plan
    from haz.query import QueryError
    from haz.vcs import UnknownBase, VcsError
    from haz.verify import Deviation, NotVerified
    from haz.why import Explanation

__all__ = [
    "Cache",
    "CompletedRecord",
    "Deviation",
    "Diagnostic",
    "Examination",
    "Explanation",
    "HazError",
    "HistoryError",
    "LoadError",
    "NotVerified",
    "Plan",
    "Prediction",
    "QueryError",
    "ResolutionError",
    "RunObserver",
    "RunOptions",
    "RunReport",
    "RunTaskError",
    "Runs",
    "Selection",
    "SkipRecord",
    "Span",
    "TaskId",
    "TaskSpec",
    "TransferError",
    "UnknownBase",
    "UsageError",
    "VcsError",
    "Workspace",
    "check",
    "load",
    "open_cache",
    "read_durations",
]

_HOMES = {
    "affected": "Selection",
    "api": "Runs Workspace check load open_cache read_durations",
    "app": "RunOptions RunReport",
    "cache.transfer": "TransferError",
    "caches": "Cache",
    "diagnostics": "Diagnostic Span",
    "errors": "HazError LoadError ResolutionError RunTaskError UsageError",
    "events": "RunObserver",
    "examined": "Examination",
    "forecast": "Prediction",
    "history.files": "HistoryError",
    "model": "CompletedRecord SkipRecord TaskId TaskSpec",
    "plan": "Plan",
    "query": "QueryError",
    "vcs": "UnknownBase VcsError",
    "verify": "Deviation NotVerified",
    "why": "Explanation",
}


def __getattr__(name: str) -> object:
    """Import a public name from where it lives, once (PEP 562)."""
    for module, names in _HOMES.items():
        if name in names.split():
            value: object = getattr(__import__(f"haz.{module}", fromlist=(name,)), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'haz' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
