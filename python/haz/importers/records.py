"""What an import finds, whatever it was found in."""

from __future__ import annotations

from haz._record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    Key = tuple[str, str]
    """Directory of a project ("" for the root, else `/a/b`), and the name of the task in its own tool."""


# What programs that fetch packages need in many networks.
NETWORK = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE")


class Note(Record):
    """What could not be carried over, or was decided for the reader. `place` is `file:line`, `file` or empty."""

    place: str
    text: str


class Task(Record):
    """One task. Patterns are workspace-absolute, as in `/lib/src/**`; an exclusion is `!/lib/…`."""

    key: Key
    command: tuple[str, ...] | None = None
    shell: str | None = None
    """With neither, the task only stands for others: what depends on it depends on what it depends on."""
    comment: str = ""
    inputs: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    """Projects (directories) all of whose files are read, but for what tasks write there."""
    outputs: tuple[str, ...] = ()
    deps: tuple[Key, ...] = ()
    weak: tuple[Key, ...] = ()
    from_host: tuple[str, ...] = ()
    override: tuple[tuple[str, str], ...] = ()
    passed: tuple[str, ...] = ()
    """In addition to what haz passes anyway."""
    tools: tuple[str | tuple[str, ...], ...] = ()
    mutex: str | None = None
    timeout: str | None = None
    retries: int = 0
    cache: bool = True
    persistent: bool = False
    gitignore: bool = False
    inherits: bool = True
    """Whether it must run again when what its hard predecessors read has changed."""


class Project(Record):
    """A directory with a manifest. `name` is the one that its tool knows, of any characters."""

    path: str
    name: str
    tags: tuple[str, ...] = ()
    description: str = ""
    remark: str = ""
    """A comment about all tasks of the project."""


class Imported(Record):
    """All that a source found. `passed` and `from_host` hold for the whole workspace."""

    projects: tuple[Project, ...]
    tasks: tuple[Task, ...]
    notes: tuple[Note, ...]
    passed: tuple[str, ...] = ()
    from_host: tuple[str, ...] = ()
    concurrency: int | None = None
