"""`--quiet` and `--verbose`: less and more of haz's own lines. What tasks print is shown either way."""

from __future__ import annotations

from haz.events import RunObserver
from haz.model import Command
from haz.observers.presenter import Presenter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from haz.model import CompletedRecord, TaskId, TaskSpec
    from haz.outcome import Counts


class QuietPresenter(Presenter):
    """Has no lines for what went as it should."""

    def completed(self, task: TaskId, record: CompletedRecord, duration: float) -> str:
        return "" if record.state == "succeeded" else super().completed(task, record, duration)

    def unchanged(self, records: Sequence[CompletedRecord]) -> str:  # noqa: ARG002 - nothing to say
        return ""

    def waiting(self, task: TaskId, pid: int | None) -> str:  # noqa: ARG002 - nothing to say
        return ""

    def ready(self, task: TaskId, duration: float) -> str:  # noqa: ARG002 - nothing to say
        return ""

    def epilogue(self, counts: Counts, duration: float) -> str:
        if counts.failed or counts.skipped or counts.cancelled:
            return super().epilogue(counts, duration)
        return ""


class CommandTeller(RunObserver):
    """Tells the command of each task that is run, and why it did not come from the cache."""

    def __init__(
        self,
        presenter: Presenter,
        specs: Mapping[TaskId, TaskSpec],
        arguments: Mapping[TaskId, tuple[str, ...]],
        say: Callable[[str], None],
    ) -> None:
        self._presenter = presenter
        self._specs = specs
        self._arguments = arguments
        self._say = say

    def on_miss(self, task: TaskId, reason: str) -> None:
        from shlex import join  # noqa: PLC0415 - only where it is asked for

        action = self._specs[task].action
        line = join(action.argv) if isinstance(action, Command) else " ".join(action.script.split())
        extra = self._arguments.get(task)
        words = f" {join(extra)}" if extra else ""
        self._say(f"{self._presenter.prefix(task)}{self._presenter.sign('▸')} {line}{words} (cache: {reason})\n")
