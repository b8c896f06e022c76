"""Options of `haz run` and `haz affected`: tasks by what has changed, and their division among machines."""

from __future__ import annotations

import os

from haz._record import Record
from haz.affected import select
from haz.cli.declare import Annotated, Option
from haz.errors import UsageError
from haz.names import counted
from haz.plan import Plan, Request
from haz.shard import Shard, partition, weights_of
from haz.vcs import Filter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.affected import OnUnknown, Selection
    from haz.app import Loaded
    from haz.model import Reference, TaskId

GitChanged = Annotated[
    bool, Option("--git-changed", help="Only tasks affected by what differs from HEAD, or is untracked.")
]
GitStaged = Annotated[bool, Option("--git-staged", help="Only tasks affected by what is staged.")]
GitChangedSince = Annotated[
    str | None,
    Option("--git-changed-since", metavar="REV", help="Only tasks affected by what differs from REV, or is untracked."),
]
MergeBase = Annotated[
    bool, Option("--merge-base", help="Compare with the commit at which HEAD left the history of REV.")
]
OnUnknownBase = Annotated[
    str | None,
    Option(
        "--on-unknown",
        metavar="WHAT",
        choices=("error", "all"),
        help="If the commit to compare with is not here: error (default), or all tasks.",
    ),
]
Dependents = Annotated[bool, Option("--affected-dependents", help="Add all that comes after affected tasks.")]
ShardOption = Annotated[
    str | None, Option("--shard", metavar="I/N", help="Only part I of N parts of about equal weight.")
]
ShardDurations = Annotated[
    str | None,
    Option(
        "--shard-durations",
        metavar="FILE",
        completes="files",
        help="Weigh by FILE, from `haz affected --format json` or `haz run --report`; the same for all parts.",
    ),
]


class Choice(Record):
    """The options, checked."""

    request: Request
    filter: Filter | None = None
    on_unknown: OnUnknown = "error"
    shard: Shard | None = None
    durations: str | None = None


def changed(
    *,
    git_changed: bool,
    git_staged: bool,
    since: str | None,
    merge_base: bool,
) -> Filter | None:
    """Check the git filters (spec 04 §2.3)."""
    if git_changed + git_staged + (since is not None) > 1:
        raise UsageError("the git-changeset filters are mutually exclusive")
    if merge_base and since is None:
        raise UsageError("--merge-base needs --git-changed-since")
    if since is not None:
        return Filter("since", since, merge_base)
    return Filter("changed") if git_changed else Filter("staged") if git_staged else None


def choice(
    references: tuple[Reference, ...],
    wanted: Filter | None,
    *,
    every: bool,
    workspace: bool,
    dependents: bool,
    on_unknown: str | None,
    part: str | None,
    durations: str | None,
) -> Choice:
    """Check what `changed` and the scope leave to be checked."""
    if every and workspace:
        raise UsageError("--all and --workspace are mutually exclusive")
    if references and (every or workspace):
        flag = "--all" if every else "--workspace"
        raise UsageError(f"`{flag}` cannot be combined with positional tasks")
    if wanted is None and (dependents or on_unknown is not None):
        flag = "--affected-dependents" if dependents else "--on-unknown"
        raise UsageError(f"{flag} needs a git-changeset filter such as --git-changed")
    mine = shard(part)
    if durations is not None and mine is None:
        raise UsageError("--shard-durations needs --shard")
    request = Request(references, "workspace" if workspace else "all" if every else "none", with_dependents=dependents)
    return Choice(request, wanted, _on_unknown(on_unknown), mine, durations)


def _on_unknown(text: str | None) -> OnUnknown:
    if text in (None, "error"):
        return "error"
    if text == "all":
        return "all"
    raise UsageError(f"--on-unknown: '{text}' is neither all nor error")


def shard(text: str | None) -> Shard | None:
    if text is None:
        return None
    words = text.split("/")
    if len(words) == 2 and all(word.isascii() and word.isdigit() and len(word) < 6 for word in words):
        number, count = map(int, words)
        if 1 <= number <= count <= 1000:
            return Shard(number, count)
    raise UsageError(f"--shard I/N: '{text}' is not a part, such as 1/3 for the first of three")


class Chosen(Record):
    """`tasks` are to be run; `note` is for standard error. `partition` names how shards were cut."""

    selection: Selection
    tasks: tuple[TaskId, ...]
    note: str | None = None
    partition: str | None = None

    @property
    def plan(self) -> Plan:
        """The plan, cut down to the tasks."""
        whole, mine = self.selection.plan, frozenset(self.tasks)
        return Plan(
            tuple(task for task in whole.seeds if task in mine), {task: whole.reasons[task] for task in self.tasks}
        )


def chosen(loaded: Loaded, wanted: Choice) -> Chosen:
    """Choose the tasks. Raises `ResolutionError`, `VcsError`, and what reading the durations raises."""
    request = wanted.request.replace(bearing=loaded.bearing)
    selection = select(loaded.workspace, loaded.graph, request, wanted.filter, wanted.on_unknown)
    tasks = selection.plan.tasks
    notes = [] if selection.warning is None else [f"warning: {selection.warning}"]
    if not tasks and wanted.filter is not None:
        notes.append(f"nothing affected ({counted(selection.changed, 'changed path')})")
    mark = None
    if wanted.shard is not None:
        from haz.expected import read_durations  # noqa: PLC0415 - few runs are divided

        known = {} if wanted.durations is None else read_durations(os.path.abspath(wanted.durations))
        cut = partition(loaded.graph, tasks, weights_of(tasks, known), wanted.shard.count)
        mine = cut.parts[wanted.shard.number - 1]
        notes.append(f"shard {wanted.shard}: {len(mine)} of {len(tasks)} tasks (partition {cut.mark})")
        tasks, mark = mine, cut.mark
    return Chosen(selection, tasks, "".join(f"{note}\n" for note in notes) or None, mark)
