"""Options of `haz run` and `haz affected`: tasks by what has changed, and their division among machines."""

from __future__ import annotations

from haz._record import Record
from haz.cli.declare import Annotated, Option
from haz.errors import UsageError
from haz.names import counted
from haz.plan import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.affected import OnUnknown, Selection
    from haz.api import Scope, Workspace
    from haz.model import Reference, TaskGroup, TaskId

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
Exclude = Annotated[
    list[str] | None,
    Option(
        "--exclude",
        metavar="WHAT",
        completes="exclusions",
        help="Not WHAT: tasks (P:T, ^:T, …), a project, or [TAG]; what other tasks need is run all the same. "
        "May be given several times.",
    ),
]
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


class Changed(Record):
    """Which changes count, as `Workspace.affected` takes it."""

    since: str | None = None
    merge_base: bool = False
    staged: bool = False


class Shard(Record):
    """Part `number` of `count`, from 1."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


class Choice(Record):
    """The options, checked."""

    references: tuple[Reference, ...]
    scope: Scope
    changed: Changed | None = None
    dependents: bool = False
    on_unknown: OnUnknown = "error"
    shard: Shard | None = None
    durations: str | None = None
    exclude: tuple[Reference | TaskGroup, ...] = ()


def changed(
    *,
    git_changed: bool,
    git_staged: bool,
    since: str | None,
    merge_base: bool,
) -> Changed | None:
    """Check the git filters (spec 04 §2.3)."""
    if git_changed + git_staged + (since is not None) > 1:
        raise UsageError("the git-changeset filters are mutually exclusive")
    if merge_base and since is None:
        raise UsageError("--merge-base needs --git-changed-since")
    return Changed(since, merge_base, git_staged) if git_changed or git_staged or since is not None else None


def choice(
    references: tuple[Reference, ...],
    wanted: Changed | None,
    *,
    every: bool,
    workspace: bool,
    dependents: bool,
    on_unknown: str | None,
    exclude: tuple[Reference | TaskGroup, ...],
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
    scope: Scope = "workspace" if workspace else "all" if every else "none"
    return Choice(references, scope, wanted, dependents, _on_unknown(on_unknown), mine, durations, exclude)


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

    whole: Plan
    tasks: tuple[TaskId, ...]
    selection: Selection | None = None
    note: str | None = None
    partition: str | None = None

    @property
    def plan(self) -> Plan:
        """The plan, cut down to the tasks."""
        mine = frozenset(self.tasks)
        seeds = tuple(task for task in self.whole.seeds if task in mine)
        return Plan(seeds, {task: self.whole.reasons[task] for task in self.tasks}, self.whole.excluded)


def chosen(space: Workspace, wanted: Choice) -> Chosen:
    """Choose the tasks. Raises `ResolutionError`, `VcsError`, and what reading the durations raises."""
    notes = []
    selection = None
    if wanted.changed is None:
        whole = space.plan(wanted.references, scope=wanted.scope, exclude=wanted.exclude)
        verb = "asked for"
    else:
        selection = space.affected(
            wanted.references,
            scope=wanted.scope,
            since=wanted.changed.since,
            merge_base=wanted.changed.merge_base,
            staged=wanted.changed.staged,
            with_dependents=wanted.dependents,
            on_unknown=wanted.on_unknown,
            exclude=wanted.exclude,
        )
        whole, verb = selection.plan, "affected"
        if selection.warning is not None:
            notes.append(f"warning: {selection.warning}")
        if not whole.tasks and not whole.excluded:
            notes.append(f"nothing affected ({counted(selection.changed, 'changed path')})")
    if not whole.tasks and whole.excluded:
        notes.append(f"nothing {verb} but what is excluded ({counted(len(whole.excluded), 'task')})")
    tasks, mark = whole.tasks, None
    if wanted.shard is not None:
        from haz.api import read_durations  # noqa: PLC0415 - few runs are divided

        known = {} if wanted.durations is None else read_durations(wanted.durations)
        cut = space.divide(tasks, wanted.shard.count, known)
        mine = cut.parts[wanted.shard.number - 1]
        notes.append(f"shard {wanted.shard}: {len(mine)} of {len(tasks)} tasks (partition {cut.mark})")
        tasks, mark = mine, cut.mark
    return Chosen(whole, tasks, selection, "".join(f"{note}\n" for note in notes) or None, mark)
