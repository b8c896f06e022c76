"""What a run rests on, listened to: the inputs of its tasks, and the files that declare them."""

from __future__ import annotations

from haz import _core
from haz._record import Record
from haz.cache.formats import MARKER, PROJECT_FILE
from haz.config import parse
from haz.config.parse import Source
from haz.errors import HazError
from haz.lockfiles import FILES
from haz.workspace import OVERLAYS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from haz.graph import TaskGraph
    from haz.model import TaskId, Workspace

    Listed = tuple[str, bool, bool] | tuple[str, bool, bool, int]

# Seconds without a further sign after which changes are complete: a save, a checkout and a build are many of them.
QUIET = 0.05
# Seconds after which they are told even so.
LONGEST = 2.0
# What the system lets a user have, and what is enough for most.
LIMITS = {"fs.inotify.max_user_watches": 1 << 20, "fs.inotify.max_user_instances": 1024}


class Watched(Record):
    """Where changes matter: `patterns` of inputs and project files, `files`, and `names` wherever patterns lead."""

    root: str
    patterns: tuple[tuple[Listed, ...], ...]
    files: tuple[str, ...]
    names: tuple[str, ...]

    def declares(self, path: str) -> bool:
        """Whether a path matters otherwise than as an input."""
        directory, _, name = path.rpartition("/")
        return path in self.files or f"{directory}/" in self.files or name in self.names


def watched(workspace: Workspace, graph: TaskGraph, tasks: Iterable[TaskId]) -> Watched:
    """Say which files decide what the tasks come to. Reads the declaration of the workspace."""
    specs = [graph.specs[task] for task in tasks]
    # A dict for a set with an order.
    patterns: dict[tuple[Listed, ...], None] = dict.fromkeys(
        tuple(pattern.listed for pattern in spec.inputs) for spec in specs if spec.inputs
    )
    patterns[_project_files(workspace)] = None
    files = {f"/{MARKER}", f"/{OVERLAYS}/"}
    files.update(f"{project.root}/{PROJECT_FILE}" for project in workspace.projects.values())
    names = {PROJECT_FILE}
    for spec in specs:
        files.update(tool.file for tool in spec.tools if tool.file is not None)
        if spec.gitignore:
            names.add(".gitignore")
        for kind in spec.locks:
            lock, manifest = FILES[kind]
            directory = spec.root
            files.update(f"{spec.root}/{name}" for name in (lock, manifest) if name)
            while directory:
                directory = directory.rpartition("/")[0]
                files.add(f"{directory}/{lock}")
    return Watched(workspace.root, tuple(patterns), tuple(sorted(files)), tuple(sorted(names)))


def _project_files(workspace: Workspace) -> tuple[Listed, ...]:
    """Return patterns for the files of projects that there may be one day."""
    path = f"{workspace.root.rstrip('/')}/{MARKER}"
    try:
        with open(path, "rb") as file:
            declared = parse.workspace(Source(path, file.read()))
    except OSError:
        return ()  # an implicit workspace, or one whose end the next load will tell
    listed = () if declared is None else declared.projects
    return tuple((f"{p.text.rstrip('/')}/{PROJECT_FILE}", p.literal, p.exclude) for p in listed)


class Watching:
    """Listens from its construction to `close()`. Raises `FileSystemError`, with a hint, when the system refuses.

    `problems` say why changes may go unheard, as the last `wait` has learnt.
    """

    def __init__(self, what: Watched) -> None:
        self.what = what
        self.problems: list[str] = []
        self._queue = _core.Queue()
        try:
            self._watch = _core.Watch(what.root, _core.PatternSet(what.patterns), what.files, what.names)
        except HazError as error:
            for limit, enough in LIMITS.items():
                if limit in str(error):
                    error.hint = f"`sysctl -w {limit}={enough}` raises it, as root, until the next start"
            raise

    def wait(self, timeout: float | None = None) -> tuple[str, ...]:
        """Wait at most `timeout` seconds for changes and until no more come; return the paths, sorted.

        Empty when the time ran out, or there are `problems` alone. One that ends in `/` stands for everything below
        it, `/` for everything.
        The wait lets no Python signal handler run.
        """
        found: set[str] = set()
        self.problems = []
        while not (found or self.problems):
            self._watch.tell(self._queue, 0)
            if not self._queue.wait(timeout):
                return ()
            found = self._settled()
        return tuple(sorted(found))

    def _settled(self) -> set[str]:
        from time import monotonic  # noqa: PLC0415 - a built-in, but nobody else here needs it

        found: set[str] = set()
        end = monotonic() + LONGEST
        while True:
            paths, problems = self._watch.take()
            found.update(paths)
            self.problems += problems
            self._watch.tell(self._queue, 0)
            if monotonic() >= end or not self._queue.wait(QUIET):
                return found

    def interrupt(self, queue: _core.Queue) -> None:
        """Push `("changed", 0, None)` to a queue with the next change; at once when there is one."""
        self._watch.tell(queue, 0)

    def close(self) -> None:
        """Hear nothing any more."""
        self._watch.close()
