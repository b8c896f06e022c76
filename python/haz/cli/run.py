"""Run tasks and everything they need."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from haz import __version__, env
from haz._core import PatternSet
from haz.app import RunOptions, cache_directory, execute, open_workspace, output_observer
from haz.cli import values
from haz.cli.report import finish
from haz.errors import UsageError
from haz.observers.history import HistoryObserver
from haz.observers.ledger import Ledger
from haz.observers.presenter import Presenter
from haz.plan import Request, plan
from haz.streams import Writer

NAME = "run"


def command(
    tasks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TASK…", help="What to run: P:T, ~:T, ^:T, ^~:T, [TAG]:T, [TAG]~:T. Default: ~:default."
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="All tasks of the project here, or of all projects outside of one.")
    ] = False,
    workspace: Annotated[bool, typer.Option("--workspace", help="All tasks of all projects.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would run, and run nothing.")] = False,
    output_mode: Annotated[
        str | None, typer.Option("--output-mode", metavar="MODE", help="live: line by line; buffered: task by task.")
    ] = None,
    jobs: Annotated[str | None, typer.Option("-j", "--jobs", metavar="N", help="At most N tasks at a time.")] = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Start nothing more after the first failure.")] = False,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Run all that does not need what failed (default).")
    ] = False,
    timeout: Annotated[
        str | None,
        typer.Option(
            "--timeout", metavar="D", help="End each attempt after D (90s, 5m, none), whatever its task says."
        ),
    ] = None,
    retries: Annotated[
        str | None,
        typer.Option("--retries", metavar="N", help="Repeat what fails up to N times, whatever its task says."),
    ] = None,
    no_retries: Annotated[bool, typer.Option("--no-retries", help="Repeat nothing.")] = False,
    order: Annotated[
        str | None,
        typer.Option("--order", metavar="ORDER", help="Of ready tasks: canonical, or critical-path by earlier runs."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Run everything, and store the results anew.")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Neither look results up nor store them.")] = False,
    cache: Annotated[
        str | None,
        typer.Option(
            "--cache", metavar="MODE", help="rw (default); read: store nothing; write: as --force; off: as --no-cache."
        ),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say of each task that the cache has not, what has changed.")
    ] = False,
    no_stat_cache: Annotated[
        bool, typer.Option("--no-stat-cache", help="Read every input file, also those that look unchanged.")
    ] = False,
    report: Annotated[
        str | None, typer.Option("--report", metavar="FILE", help="Write a summary of the run to FILE, as JSON.")
    ] = None,
    color: Annotated[str, typer.Option("--color", metavar="WHEN", help="auto, always or never.")] = "auto",
) -> int:
    chosen_mode = values.output_mode(output_mode)
    chosen_colour = values.colour(color)
    cap = values.at_least_one("--jobs N", jobs)
    limit = values.limit(timeout)
    extra = values.extra_attempts(retries, off=no_retries)
    chosen_order = values.order(order)
    references = values.references(tasks)
    if every and workspace:
        raise UsageError("--all and --workspace are mutually exclusive")
    if references and (every or workspace):
        flag = "--all" if every else "--workspace"
        raise UsageError(f"`{flag}` cannot be combined with positional tasks")
    policy = values.policy(cache, force=force, off=no_cache)
    if keep_going and fail_fast:
        raise UsageError("--keep-going and --fail-fast are mutually exclusive")

    loaded = open_workspace(os.getcwd())
    request = Request(
        references=references,
        scope="workspace" if workspace else "all" if every else "none",
        bearing=loaded.bearing,
    )
    planned = plan(loaded.workspace, loaded.graph, request, PatternSet)
    out, err = Writer(1), Writer(2)
    if dry_run:
        out.text(dry_run_text([str(task) for task in planned.tasks]))
        return finish(out)
    if not planned.tasks:
        return 0
    # One decision for the lines of a run: they go to both streams.
    presenter_colour = env.colour(chosen_colour, 1) and env.colour(chosen_colour, 2)
    mode = chosen_mode or loaded.workspace.settings.output_mode
    options = RunOptions(
        output_mode=mode,
        jobs=cap,
        policy=policy,
        fail_fast=fail_fast,
        timeout=limit,
        retries=extra,
        order=chosen_order,
        stat_cache=not no_stat_cache,
    )

    presenter = Presenter(colour=presenter_colour)
    reasons = None
    if explain:
        from haz.reasons import Reasons  # noqa: PLC0415 - only when asked for

        reasons = Reasons(
            cache_directory(loaded.workspace),
            loaded.workspace.settings.hash,
            lambda task, reason: err.text(presenter.miss(task, reason)),
        )
        options = options.replace(missed=reasons.missed)

    def complain(line: str) -> None:
        err.text(line + "\n")

    observers = [
        output_observer(mode, colour=presenter_colour, out=out, err=err),
        HistoryObserver(loaded.workspace.root, __version__, sys.argv[1:], complain),
    ]
    ledger = Ledger()
    if report is not None:
        observers.append(ledger)
    done = execute(loaded, planned.tasks, options, observers, complain)
    err.text(presenter.epilogue(done.outcome.counts(), done.duration))
    if reasons is not None:
        err.text(reasons.epilogue())
    err.text(presenter.flaky(done.outcome.outcomes.values()))
    err.text(presenter.violations(done.outcome.invariant_violations))
    err.text(presenter.advice(done.outcome.task_errors, loaded.graph.specs))
    if report is not None:
        from haz.report import write_report  # noqa: PLC0415 - only when asked for

        write_report(report, done, ledger)
    return done.exit_code or finish(out)


def dry_run_text(tasks: list[str]) -> str:
    """Render the plan of a dry run (EXEC-030)."""
    if not tasks:
        return "would run 0 tasks.\n"
    head = "would run 1 task:" if len(tasks) == 1 else f"would run {len(tasks)} tasks:"
    return "".join(f"{line}\n" for line in (head, *(f"  - {task}" for task in tasks)))
