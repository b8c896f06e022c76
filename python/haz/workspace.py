"""Find a workspace, read its files, and answer with what they mean as a whole."""

from __future__ import annotations

import os

from haz import discovery
from haz._record import Record
from haz._uncollected import uncollected
from haz.cache.formats import MARKER, PROJECT_FILE
from haz.config import merge, parse, resolve
from haz.config.borrowed import with_borrowed_inputs
from haz.config.declarations import WorkspaceDeclaration
from haz.config.parse import Source
from haz.diagnostics import Diagnostic
from haz.discovery import Place, Trace, find_root
from haz.errors import LoadError, header
from haz.model import Command, Settings, Workspace
from haz.names import identifier_problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from haz.config.declarations import OverlayDeclaration, ProjectDeclaration
    from haz.diagnostics import Span

    Selected = tuple[Source, Place] | None

__all__ = ["Gaps", "Reading", "find_root", "load", "load_tolerant", "read", "with_sources"]

OVERLAYS = ".haz/tasks"
# Stands in for an action that was reported as wrong; no such workspace is ever run.
_BROKEN = Command(())
# Errors of a project or overlay after which tasks, tags or the right order of overlays may be missing.
_LOSSES = frozenset(f"haz::cfg::{number}" for number in ("006", "014", "015", "024", "025", "048"))


class Gaps(Record):
    """What errors may have kept from being loaded: an absence there proves nothing."""

    projects: bool = False
    """Projects, whose names are not known."""
    overlays: bool = False
    """Overlays, or tasks of them."""
    partial: frozenset[str] = frozenset()
    """Names of projects that may lack tasks or tags."""
    files: frozenset[str] = frozenset()
    """Every file with an error."""

    @property
    def any(self) -> bool:
        return self.projects or self.overlays or bool(self.partial)


class Reading(Record):
    """What the files of a workspace come to. `overlays` are those that could be read."""

    workspace: Workspace | None
    diagnostics: tuple[Diagnostic, ...]
    gaps: Gaps = Gaps()
    overlays: tuple[OverlayDeclaration, ...] = ()
    trace: Trace | None = None


def load(start: str) -> Workspace:
    """Load the workspace that `start` is in.

    Raises `LoadError` with everything that is wrong with any of its files.
    """
    return load_at(find_root(start))[0]


def load_at(root: discovery.Root) -> tuple[Workspace, Trace]:
    """Load the workspace at a root, and say what was looked at. Raises `LoadError`."""
    reading = read_at(root)
    errors = tuple(problem for problem in reading.diagnostics if problem.severity == "error")
    if errors or reading.workspace is None:
        raise LoadError(errors, header(len(errors)))
    assert reading.trace is not None
    return reading.workspace, reading.trace


def load_tolerant(start: str) -> tuple[Workspace | None, tuple[Diagnostic, ...]]:
    """Load what can be loaded, and tell everything that is wrong or doubtful, in the order of the files.

    The workspace is None when there is none, or when its settings cannot be read. With errors it may lack projects
    and must not be run; it serves to check what is left.
    """
    reading = read(start)
    return reading.workspace, reading.diagnostics


def read(start: str) -> Reading:
    """Read what `load_tolerant` answers, and what is known to be missing from it."""
    try:
        root = find_root(start)
    except LoadError as error:
        return Reading(None, error.diagnostics)
    return read_at(root)


@uncollected
def read_at(root: discovery.Root) -> Reading:
    """As `read`, of the workspace at a root."""
    loader = _Loader(root)
    workspace = loader.load()
    diagnostics = (*root.warnings, *loader.diagnostics)
    return Reading(workspace, diagnostics, loader.gaps(), tuple(loader.overlays), loader.trace)


def with_sources(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Add the lines of the files to places that know only line and column, as those of the graph do."""
    sources: dict[str, Source | None] = {}

    def complete(span: Span) -> Span:
        if span.source:
            return span
        if span.file not in sources:
            try:
                with open(span.file, "rb") as file:
                    sources[span.file] = Source(span.file, file.read())
            except OSError:
                sources[span.file] = None
        source = sources[span.file]
        return span if source is None else source.span_at(span.line, span.column, span.length, span.label)

    return tuple(
        problem.replace(
            span=None if problem.span is None else complete(problem.span),
            related=tuple(complete(span) for span in problem.related),
        )
        for problem in diagnostics
    )


class _Loader:
    """One load: the diagnostics of every phase add up, none hides a later one (O12)."""

    def __init__(self, root: discovery.Root) -> None:
        self.root = root.path
        self.explicit = root.explicit
        self.diagnostics: list[Diagnostic] = []
        self.overlays: list[OverlayDeclaration] = []
        self.trace = Trace(root.path)
        self._lacks_projects = False
        self._lacks_overlays = False
        self._partial: set[str] = set()

    def gaps(self) -> Gaps:
        wrong = {problem.span.file for problem in self.diagnostics if problem.severity == "error" and problem.span}
        return Gaps(self._lacks_projects, self._lacks_overlays, frozenset(self._partial), frozenset(wrong))

    def load(self) -> Workspace | None:
        if not self.explicit:
            declared = WorkspaceDeclaration(Settings())
            placed = self._projects([None])
            return self._assemble(declared, placed, [])
        source = self._read(os.path.join(self.root, MARKER), "dsc::005")
        settings = None if source is None else parse.workspace(source)
        places = []
        if source is not None:
            if settings is not None:
                places = discovery.expand(self.root, source, settings.projects, self.trace)
            self.diagnostics += source.diagnostics
            self._lacks_projects = any(_concerns_projects(problem) for problem in source.diagnostics)
        placed = self._projects(list(places), source)
        overlays = self.overlays = self._overlays()
        if settings is None:
            return None
        self._warn_about_silence(settings, placed, overlays)
        return self._assemble(settings, placed, overlays)

    def _read(self, path: str, code: str, selected: Selected = None) -> Source | None:
        self.trace.looks.append(("content", path))
        try:
            with open(path, "rb", buffering=0, opener=_open_file) as file:
                return Source(path, file.read())
        except OSError as error:
            message = f"cannot read {path}: {error.strerror}"
            misnamed = path.removesuffix(".yml") + ".yaml"
            hint = f"rename {misnamed}: the ending is `.yml`" if os.path.lexists(misnamed) else None
            span = None if selected is None else selected[0].span(selected[1].entry.node, "selected here")
            self.diagnostics.append(Diagnostic(f"haz::{code}", message, span, hint))
            return None

    def _projects(
        self, places: list[Place | None], settings: Source | None = None
    ) -> list[tuple[ProjectDeclaration, str]]:
        """DISC-008, DISC-010. A place of None is the workspace itself."""
        found: list[tuple[ProjectDeclaration, str]] = []
        by_name: dict[str, ProjectDeclaration] = {}
        by_fold: dict[str, str] = {}
        for place in places:
            root = "" if place is None else place.root
            selected = None if place is None or settings is None else (settings, place)
            source = self._read(f"{self.root}{root}/{PROJECT_FILE}", "dsc::023", selected)
            declared = None if source is None else parse.project(source)
            first = None if declared is None else by_name.setdefault(declared.name, declared)
            if declared is None or first is not declared:
                self._lacks_projects = True
            if declared is not None and first is declared:
                found.append((declared, root))
                _warn_about_case(declared, by_fold)
                if any(map(_loses, declared.source.diagnostics)):
                    self._partial.add(declared.name)
            elif declared is not None and first is not None:
                _refuse_name(declared, first)
            if source is not None:
                self.diagnostics += source.diagnostics
        return found

    def _overlays(self) -> list[OverlayDeclaration]:
        """CFG-023..026, O28."""
        directory = os.path.join(self.root, OVERLAYS)
        try:
            with os.scandir(directory) as entries:
                listed = sorted(entries, key=lambda entry: os.fsencode(entry.name))
        except FileNotFoundError:
            self.trace.looks.append(("absent", directory))
            return []
        except OSError as error:
            message = f"cannot list the overlays in {directory}: {error.strerror}"
            self.diagnostics.append(Diagnostic("haz::dsc::033", message))
            self._lacks_overlays = True
            return []
        overlays = []
        self.trace.looks.append(("content", directory))
        for entry in listed:
            name = entry.name.removesuffix(".yml")
            if entry.name.startswith(".") and not entry.name.endswith((".yml", ".yaml")):
                continue  # `.gitkeep` and the like are nobody's attempt at an overlay
            reason = _overlay_problem(entry)
            if reason is not None:
                message = f"{entry.path} is not read as an overlay: {reason}"
                self.diagnostics.append(Diagnostic("haz::cfg::050", message, severity="warning"))
                continue
            source = self._read(entry.path, "dsc::034")
            overlay = None if source is None else parse.overlay(source, name)
            if overlay is not None:
                overlays.append(overlay)
            if source is not None:
                self.diagnostics += source.diagnostics
            self._lacks_overlays |= overlay is None or any(map(_loses, overlay.source.diagnostics))
        return overlays

    def _assemble(
        self,
        settings: WorkspaceDeclaration,
        placed: list[tuple[ProjectDeclaration, str]],
        overlays: list[OverlayDeclaration],
    ) -> Workspace:
        placed = sorted(placed, key=lambda pair: pair[0].name)
        names = frozenset(declared.name for declared, _ in placed)
        tasks, collisions = merge.effective(
            [declared for declared, _ in placed],
            overlays,
            whole=not self._lacks_projects,
            unsettled=names if self._lacks_overlays else frozenset(self._partial),
        )
        self.diagnostics += collisions
        projects = {}
        for (declared, root), effective in zip(placed, tasks, strict=True):
            projects[declared.name] = resolve.project(declared, root, effective, settings, _BROKEN)
        return with_borrowed_inputs(Workspace(self.root, self.explicit, settings.settings, projects))

    def _warn_about_silence(
        self,
        settings: WorkspaceDeclaration,
        placed: list[tuple[ProjectDeclaration, str]],
        overlays: list[OverlayDeclaration],
    ) -> None:
        """Tell of overlays and caps that apply to nothing (O28)."""
        sources: list[Source] = []
        carried = {tag for declared, _ in placed for tag in declared.tags}
        for tag, node in settings.cap_nodes:
            if tag not in carried and settings.source is not None:
                source = Source(settings.source.path, settings.source.data)
                source.report("cfg::051", f"no project carries the tag `{tag}`", node, severity="warning")
                sources.append(source)
        for overlay in overlays:
            wanted = set(overlay.tags_filter)
            if overlay.filter_node is not None and not any(wanted <= set(declared.tags) for declared, _ in placed):
                source = Source(overlay.source.path, overlay.source.data)
                message = f"the overlay `{overlay.name}` applies to no project"
                source.report("cfg::051", message, overlay.filter_node, severity="warning")
                sources.append(source)
        for source in sources:
            self.diagnostics += source.diagnostics


def _concerns_projects(problem: Diagnostic) -> bool:
    """Whether an error in the settings may have kept projects out: an expansion, or `projects` itself."""
    codes = ("haz::dsc::", "haz::cfg::004", "haz::cfg::009", "haz::cfg::010")
    return problem.severity == "error" and problem.code.startswith(codes)


def _loses(problem: Diagnostic) -> bool:
    if problem.severity != "error":
        return False
    # A misspelt key at the top may be the one that holds everything; one in a body is that of a known task.
    at_top = "." not in problem.message.rpartition("(at `")[2]
    return problem.code in _LOSSES or (problem.code == "haz::cfg::004" and at_top)


def _open_file(path: str, flags: int) -> int:
    """Open what can be read to an end; a FIFO would be waited for, and a device never ends."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if os.fstat(descriptor).st_mode & 0o170000 in (0o100000, 0o040000):
        return descriptor
    os.close(descriptor)
    raise OSError(22, "Not a regular file")


def _overlay_problem(entry: os.DirEntry[str]) -> str | None:
    """Why a directory entry is no overlay."""
    if entry.is_symlink():
        return "it is a symbolic link"
    if not entry.is_file(follow_symlinks=False):
        return "it is not a file"
    if not entry.name.endswith(".yml"):
        return "its name does not end in `.yml`"
    wrong = identifier_problem(entry.name.removesuffix(".yml"))
    return None if wrong is None else f"its name is not valid: {wrong}"


def _refuse_name(declared: ProjectDeclaration, first: ProjectDeclaration) -> None:
    """CFG-012, DISC-010."""
    declared.source.report(
        "dsc::027",
        f"two projects are named `{declared.name}`: {first.source.path} and {declared.source.path}",
        declared.key,
        help="the name of a project is its address; choose another for one of the two",
        label="again here",
        related=(first.source.span(first.key, "first here"),),
    )


def _warn_about_case(declared: ProjectDeclaration, by_fold: dict[str, str]) -> None:
    """O31."""
    other = by_fold.setdefault(declared.name.casefold(), declared.name)
    if other != declared.name:
        declared.source.report(
            "cfg::052",
            f"the projects `{other}` and `{declared.name}` differ only in case",
            declared.key,
            severity="warning",
        )
