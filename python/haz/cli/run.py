"""Run tasks and everything they need.

See also: haz list, what there is to run; haz why, why a task would run; haz runs show, why it did.
"""

import os

from haz import _core, env
from haz.api import RunOptions, load
from haz.cli import changes, values
from haz.cli.declare import Annotated, Argument, Option, Words
from haz.cli.dry_run import plan_text, plan_value
from haz.cli.once import Asked, run_once
from haz.cli.report import finish
from haz.errors import UsageError
from haz.streams import Writer


def command(
    tasks: Annotated[
        list[str] | None,
        Argument(
            metavar="TASK…",
            completes="tasks",
            help="What to run: P:T, ~:T, ^:T, ^~:T, [TAG]:T, [TAG]~:T. Default: ~:default.",
        ),
    ] = None,
    every: Annotated[
        bool, Option("--all", help="All tasks of the project here, or of all projects outside of one.")
    ] = False,
    workspace: Annotated[bool, Option("--workspace", help="All tasks of all projects.")] = False,
    dry_run: Annotated[bool, Option("--dry-run", help="Print what would run, and run nothing.")] = False,
    explain: Annotated[
        bool, Option("--explain", help="Say why the cache has nothing for a task; with --dry-run, run nothing.")
    ] = False,
    git_changed: changes.GitChanged = False,
    git_staged: changes.GitStaged = False,
    git_changed_since: changes.GitChangedSince = None,
    merge_base: changes.MergeBase = False,
    on_unknown: changes.OnUnknownBase = None,
    affected_dependents: changes.Dependents = False,
    exclude: changes.Exclude = None,
    shard: changes.ShardOption = None,
    shard_durations: changes.ShardDurations = None,
    output_mode: Annotated[
        str | None,
        Option(
            "--output-mode",
            metavar="MODE",
            choices=("live", "buffered"),
            help="live: line by line; buffered: task by task.",
        ),
    ] = None,
    jobs: Annotated[str | None, Option("-j", "--jobs", metavar="N", help="At most N tasks at a time.")] = None,
    fail_fast: Annotated[bool, Option("--fail-fast", help="Start nothing more after the first failure.")] = False,
    keep_going: Annotated[
        bool, Option("--keep-going", help="Run all that does not need what failed (default).")
    ] = False,
    timeout: Annotated[
        str | None,
        Option("--timeout", metavar="D", help="End each attempt after D (90s, 5m, none), whatever its task says."),
    ] = None,
    retries: Annotated[
        str | None,
        Option("--retries", metavar="N", help="Repeat what fails up to N times, whatever its task says."),
    ] = None,
    no_retries: Annotated[bool, Option("--no-retries", help="Repeat nothing.")] = False,
    order: Annotated[
        str | None,
        Option(
            "--order",
            metavar="ORDER",
            choices=("canonical", "critical-path"),
            help="Of ready tasks: canonical, or critical-path by earlier runs.",
        ),
    ] = None,
    force: Annotated[bool, Option("--force", help="Run everything, and store the results anew.")] = False,
    no_cache: Annotated[bool, Option("--no-cache", help="Neither look results up nor store them.")] = False,
    cache: Annotated[
        str | None,
        Option(
            "--cache",
            metavar="MODE",
            choices=("rw", "read", "write", "off"),
            help="rw (default); read: store nothing; write: as --force; off: as --no-cache.",
        ),
    ] = None,
    no_stat_cache: Annotated[
        bool, Option("--no-stat-cache", help="Read every input file, also those that look unchanged.")
    ] = False,
    report: Annotated[
        str | None,
        Option("--report", metavar="FILE", completes="files", help="Write a summary of the run to FILE, as JSON."),
    ] = None,
    form: Annotated[
        str,
        Option(
            "--format",
            metavar="FMT",
            choices=("plain", "json"),
            help="json: the summary, or the plan, on stdout; task output goes to stderr.",
        ),
    ] = "plain",
    quiet: Annotated[bool, Option("-q", "--quiet", help="No lines for what goes as it should.")] = False,
    verbose: Annotated[bool, Option("-v", "--verbose", help="Tell the command of each task that is run.")] = False,
    color: Annotated[
        str, Option("--color", metavar="WHEN", choices=values.COLOURS, help="auto, always or never.")
    ] = "auto",
    watch: Annotated[
        bool, Option("--watch", help="When that is done, wait for changes, and run what they affect; until Ctrl-C.")
    ] = False,
    arguments: Annotated[tuple[str, ...], Words(help="Given to the tasks that are named; part of their keys.")] = (),
) -> int:
    wanted = changes.changed(
        git_changed=git_changed, git_staged=git_staged, since=git_changed_since, merge_base=merge_base
    )
    chosen_mode = values.output_mode(output_mode)
    chosen_colour = values.colour(color)
    wants_json = values.output_format(form, ("plain", "json")) == "json"
    cap = values.at_least_one("--jobs N", jobs)
    limit = values.limit(timeout)
    extra = values.extra_attempts(retries, off=no_retries)
    chosen_order = values.order(order)
    references = values.references(tasks)
    choice = changes.choice(
        references,
        wanted,
        every=every,
        workspace=workspace,
        dependents=affected_dependents,
        on_unknown=on_unknown,
        exclude=values.exclusions(exclude),
        part=shard,
        durations=shard_durations,
    )
    if references and wanted is not None:
        raise UsageError("git-changeset filters cannot be combined with positional tasks", "`haz affected` can do it")
    policy = values.policy(cache, force=force, off=no_cache)
    if keep_going and fail_fast:
        raise UsageError("--keep-going and --fail-fast are mutually exclusive")
    if quiet and verbose:
        raise UsageError("--quiet and --verbose are mutually exclusive")

    asked = Asked(
        choice,
        RunOptions(
            output_mode=chosen_mode,
            jobs=cap,
            policy=policy,
            fail_fast=fail_fast,
            arguments=arguments,
            timeout=limit,
            retries=extra,
            order=chosen_order,
            stat_cache=not no_stat_cache,
        ),
        # One decision for the lines of a run: they go to both streams.
        colour=env.colour(chosen_colour, 1) and env.colour(chosen_colour, 2),
        ascii_only=env.ascii_only(2),
        explain=explain,
        quiet=quiet,
        verbose=verbose,
        report=report,
        wants_json=wants_json,
    )
    if watch:
        from haz.cli.watch import keep_running  # noqa: PLC0415 - only when asked for

        if dry_run or wants_json:
            raise UsageError(f"--watch and {'--dry-run' if dry_run else '--format json'} are mutually exclusive")
        if policy in ("write", "off"):
            raise UsageError("--watch runs what has changed, which the cache tells: it needs a cache that is read")
        return keep_running(asked)

    space = load(os.getcwd())
    chosen = changes.chosen(space, choice)
    planned = chosen.plan
    out, err = Writer(1), Writer(2)
    err.text(chosen.note or "")
    if dry_run:
        options = asked.options_for(planned, space)
        predictions = space.forecast(planned, options=options) if explain else None
        if wants_json:
            out(_core.json_dumps(plan_value(planned, predictions)) + b"\n")
        else:
            out.text(plan_text(planned.tasks, predictions))
        return finish(out)
    if not planned.tasks and not wants_json:
        return 0
    done = run_once(asked, space, planned, out, err)
    return done.exit_code or finish(out)
