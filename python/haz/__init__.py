"""haz: a task runner for large monorepos. It runs each task in order, in parallel, and never twice for nothing.

As a library, see docs/api.md: `haz.load(directory)` opens a workspace. Names are imported when they are first used, so
that `import haz` costs next to nothing.
"""

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.api import Workspace, load
    from haz.app import RunOptions, RunReport
    from haz.diagnostics import Diagnostic, Span
    from haz.errors import HazError, LoadError, ResolutionError, RunTaskError, UsageError
    from haz.events import RunObserver
    from haz.forecast import Prediction
    from haz.model import CompletedRecord, SkipRecord, TaskId, TaskSpec
    from haz.plan import Plan
    from haz.query import QueryError
    from haz.why import Explanation

__all__ = [
    "CompletedRecord",
    "Diagnostic",
    "Explanation",
    "HazError",
    "LoadError",
    "Plan",
    "Prediction",
    "QueryError",
    "ResolutionError",
    "RunObserver",
    "RunOptions",
    "RunReport",
    "RunTaskError",
    "SkipRecord",
    "Span",
    "TaskId",
    "TaskSpec",
    "UsageError",
    "Workspace",
    "load",
]

_HOMES = {
    "api": "Workspace load",
    "app": "RunOptions RunReport",
    "diagnostics": "Diagnostic Span",
    "errors": "HazError LoadError ResolutionError RunTaskError UsageError",
    "events": "RunObserver",
    "forecast": "Prediction",
    "model": "CompletedRecord SkipRecord TaskId TaskSpec",
    "plan": "Plan",
    "query": "QueryError",
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
