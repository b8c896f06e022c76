"""What the files say, before projects, overlays and defaults meet: the answers of `parse.py`."""

from __future__ import annotations

from haz._record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz._core import Node
    from haz.config._nodes import Source
    from haz.model import Command, MutexMode, Origin, Ready, Reference, Retries, Settings, Shell


class EnvironmentDeclaration(Record):
    """One `env:`. `passed` is None where `pass` is not given."""

    from_host: tuple[str, ...] = ()
    override: tuple[tuple[str, str], ...] = ()
    passed: tuple[str, ...] | None = None
    secret: tuple[str, ...] = ()


class PatternDeclaration(Record):
    """An entry of a pattern list, not yet seen from a project. `text` is without the `!` of an exclusion."""

    text: str
    literal: bool
    exclude: bool
    node: Node


class ToolDeclaration(Record):
    """An entry of `tools`; `file` is still as written."""

    command: tuple[str, ...] | None
    file: str | None
    memo: bool = False


class GivenTimeout(Record):
    """A `timeout` that was written; None switches off what the workspace sets."""

    value: float | None


class GivenRetries(Record):
    """A `retries` that was written; None switches off what the workspace sets."""

    value: Retries | None


class TaskDeclaration(Record):
    """One task body. `action` is None when the body declares none that is valid; that was reported."""

    name: str
    source: Source
    key: Node
    action: Command | Shell | None
    inputs: tuple[PatternDeclaration, ...]
    outputs: tuple[PatternDeclaration, ...]
    deps: tuple[Reference, ...]
    weak_deps: tuple[Reference, ...]
    mutex: tuple[str, MutexMode, bool] | None
    """Name, mode, and whether its scope is the project."""
    env: EnvironmentDeclaration
    cache: bool
    clean: bool
    gitignore: bool | None
    timeout: GivenTimeout | None
    retries: GivenRetries | None
    tools: tuple[ToolDeclaration, ...]
    persistent: bool
    ready: Ready | None
    description: str | None
    origin: Origin
    locks: tuple[str, ...] = ()
    inputs_from: tuple[Reference, ...] = ()


class ProjectDeclaration(Record):
    """One `haz.yml`."""

    name: str
    source: Source
    key: Node
    tags: tuple[str, ...]
    description: str | None
    env: EnvironmentDeclaration
    tasks: dict[str, TaskDeclaration]
    origin: Origin


class OverlayDeclaration(Record):
    """One `.haz/tasks/*.yml`. No `tags_filter` is the empty one."""

    name: str
    source: Source
    tags_filter: tuple[str, ...]
    filter_node: Node | None
    priority: int
    tasks: dict[str, TaskDeclaration]


class WorkspaceDeclaration(Record):
    """`.haz/workspace.yml`, or the defaults of an implicit workspace."""

    settings: Settings
    projects: tuple[PatternDeclaration, ...] = ()
    source: Source | None = None
    env: EnvironmentDeclaration = EnvironmentDeclaration()
    timeout: float | None = None
    retries: Retries | None = None
    gitignore: bool = False
    cap_nodes: tuple[tuple[str, Node], ...] = ()
    """The keys of `concurrency.tags`."""
