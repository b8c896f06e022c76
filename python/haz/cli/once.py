"""One run, shown to the user: what `haz run` does, and `haz run --watch` again and again."""

from __future__ import annotations

import sys

from haz import __version__, _core
from haz._record import Record
from haz.observers.fanout import FanOut
from haz.observers.history import HistoryObserver
from haz.observers.ledger import Ledger
from haz.observers.modes import output_observer
from haz.observers.presenter import Presenter
from haz.observers.verbosity import CommandTeller, QuietPresenter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.api import RunOptions, Workspace
    from haz.app import RunReport
    from haz.cache.store import Miss
    from haz.cli.changes import Choice
    from haz.cli.watch import Follow
    from haz.events import RunObserver
    from haz.model import TaskId
    from haz.plan import Plan
    from haz.run_task import TaskLookup
    from haz.streams import Writer


class Asked(Record):
    """A request to run tasks, checked. What `options` leave open, the workspace says."""

    choice: Choice
    options: RunOptions
    colour: bool = False
    ascii_only: bool = False
    explain: bool = False
    quiet: bool = False
    verbose: bool = False
    report: str | None = None
    wants_json: bool = False

    def options_for(self, planned: Plan, space: Workspace) -> RunOptions:
        """Return the options of a run of these tasks."""
        options = self.options
        return options.replace(
            output_mode=options.output_mode or space.settings.output_mode,
            arguments_for=planned.seeds if options.arguments else (),
        )

    @property
    def presenter(self) -> Presenter:
        return (QuietPresenter if self.quiet else Presenter)(colour=self.colour, ascii_only=self.ascii_only)


def run_once(
    asked: Asked, space: Workspace, planned: Plan, out: Writer, err: Writer, follow: Follow | None = None
) -> RunReport:
    """Run the tasks and show it; with `follow`, what is news."""
    presenter = asked.presenter
    options = asked.options_for(planned, space)
    reasons = None
    if asked.explain:
        from haz.reasons import Reasons  # noqa: PLC0415 - only when asked for

        reasons = Reasons(
            space.cache.path,
            space.settings.hash,
            lambda task, reason: err.text(presenter.miss(task, reason)),
        )
    heard = [one.missed for one in (follow, reasons) if one is not None]

    def missed(task: TaskId, lookup: TaskLookup, miss: Miss) -> None:
        for tell in heard:
            tell(task, lookup, miss)

    def complain(line: str) -> None:
        err.text(line + "\n")

    mode = options.output_mode or "live"
    observers: list[RunObserver] = [
        output_observer(mode, presenter, err if asked.wants_json else out, err),
        HistoryObserver(space.root, __version__, sys.argv[1:], complain),
    ]
    if asked.verbose:
        told = dict.fromkeys(options.arguments_for, options.arguments)
        observers.append(CommandTeller(presenter, space.tasks, told, err.text))
    ledger = Ledger()
    if asked.report is not None or asked.wants_json:
        observers.append(ledger)
    if follow is not None:
        observers = [follow.observer(FanOut(observers, complain))]
    done = space.run_as_program(
        planned,
        options.replace(missed=missed) if heard else options,
        observers,
        complain,
        None if follow is None else follow.standby,
    )
    if follow is not None and not follow.has_news:
        return done
    err.text(presenter.epilogue(done.outcome.counts(), done.duration))
    if reasons is not None:
        err.text(reasons.epilogue())
    err.text(presenter.flaky(done.outcome.outcomes.values()))
    err.text(presenter.violations(done.outcome.invariant_violations))
    err.text(presenter.advice(done.outcome.task_errors, space.tasks))
    if asked.report is not None or asked.wants_json:
        from haz.report import report_value, write_report  # noqa: PLC0415 - only when asked for

        if asked.wants_json:
            out(_core.json_dumps(report_value(done, ledger)) + b"\n")
        if asked.report is not None:
            write_report(asked.report, done, ledger)
    return done
