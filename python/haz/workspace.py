"""Find a workspace, read its files, and answer with what they mean as a whole."""

from __future__ import annotations

import os

from haz import discovery
from haz.config import merge, parse, resolve
from haz.config.declarations import WorkspaceDeclaration
from haz.config.parse import Source
from haz.diagnostics import Diagnostic
from haz.discovery import MARKER, PROJECT_FILE, Place, find_root
from haz.errors import LoadError
from haz.model import Command, Settings, Workspace
from haz.names import identifier_problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.config.declarations import OverlayDeclaration, ProjectDeclaration
    from haz.diagnostics import Span

__all__ = ["bearing", "find_root", "load", "load_tolerant"]

OVERLAYS = ".haz/tasks"
# Stands in for an action that was reported as wrong; no such workspace is ever run.
_BROKEN = Command(())


def load(start: str) -> Workspace:
    """Load the workspace that `start` is in.

    Raises `LoadError` with everything that is wrong with any of its files.
    """
    workspace, diagnostics = load_tolerant(start)
    errors = tuple(problem for problem in diagnostics if problem.severity == "error")
    if errors or workspace is None:
        raise LoadError(errors, f"{len(errors)} configuration error(s) found" if len(errors) > 1 else None)
    return workspace


def load_tolerant(start: str) -> tuple[Workspace | None, tuple[Diagnostic, ...]]:
    """Load what can be loaded, and tell everything that is wrong or doubtful, in the order of the files.

    The workspace is None when there is none, or when its settings cannot be read. With errors it may lack projects
    and must not be run; it serves to check what is left.
    """
    try:
        root = find_root(start)
    except LoadError as error:
        return None, error.diagnostics
    loader = _Loader(root)
    workspace = loader.load()
    return workspace, (*root.warnings, *loader.diagnostics)


def bearing(workspace: Workspace, cwd: str) -> str | None:
    """Name the project that `cwd` is in: of nested ones the deepest. None outside of all. EXEC-022."""
    try:
        here = os.path.realpath(cwd, strict=True)
    except OSError:
        return None
    best: tuple[int, str] | None = None
    for name, project in workspace.projects.items():
        root = os.path.realpath(workspace.root + project.root)
        inside = here == root or here.startswith(root if root.endswith("/") else root + "/")
        if inside and (best is None or len(root) > best[0]):
            best = len(root), name
    return None if best is None else best[1]


class _Loader:
    """One load: the diagnostics of every phase add up, none hides a later one (O12)."""

    def __init__(self, root: discovery.Root) -> None:
        self.root = root.path
        self.explicit = root.explicit
        self.diagnostics: list[Diagnostic] = []

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
                places = discovery.expand(self.root, source, settings.projects)
            self.diagnostics += source.diagnostics
        placed = self._projects(list(places), source)
        overlays = self._overlays()
        if settings is None:
            return None
        self._warn_about_silence(settings, placed, overlays)
        return self._assemble(settings, placed, overlays)

    def _read(self, path: str, code: str, span: Span | None = None) -> Source | None:
        try:
            with open(path, "rb", buffering=0, opener=_open_file) as file:
                return Source(path, file.read())
        except OSError as error:
            message = f"cannot read {path}: {error.strerror}"
            self.diagnostics.append(Diagnostic(f"haz::{code}", message, span))
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
            span = None if place is None or settings is None else settings.span(place.entry.node, "selected here")
            source = self._read(f"{self.root}{root}/{PROJECT_FILE}", "dsc::023", span)
            if source is None:
                continue
            declared = parse.project(source)
            if declared is not None:
                first = by_name.setdefault(declared.name, declared)
                if first is declared:
                    found.append((declared, root))
                    _warn_about_case(declared, by_fold)
                else:
                    _refuse_name(declared, first)
            self.diagnostics += source.diagnostics
        return found

    def _overlays(self) -> list[OverlayDeclaration]:
        """CFG-023..026, O28."""
        directory = os.path.join(self.root, OVERLAYS)
        try:
            with os.scandir(directory) as entries:
                listed = sorted(entries, key=lambda entry: os.fsencode(entry.name))
        except FileNotFoundError:
            return []
        except OSError as error:
            message = f"cannot list the overlays in {directory}: {error.strerror}"
            self.diagnostics.append(Diagnostic("haz::dsc::033", message))
            return []
        overlays = []
        for entry in listed:
            name = entry.name.removesuffix(".yml")
            reason = _overlay_problem(entry)
            if reason is not None:
                message = f"{entry.path} is not read as an overlay: {reason}"
                self.diagnostics.append(Diagnostic("haz::cfg::050", message, severity="warning"))
                continue
            source = self._read(entry.path, "dsc::034")
            if source is not None:
                overlay = parse.overlay(source, name)
                if overlay is not None:
                    overlays.append(overlay)
                self.diagnostics += source.diagnostics
        return overlays

    def _assemble(
        self,
        settings: WorkspaceDeclaration,
        placed: list[tuple[ProjectDeclaration, str]],
        overlays: list[OverlayDeclaration],
    ) -> Workspace:
        placed = sorted(placed, key=lambda pair: pair[0].name)
        tasks, collisions = merge.effective([declared for declared, _ in placed], overlays)
        self.diagnostics += collisions
        projects = {}
        for (declared, root), effective in zip(placed, tasks, strict=True):
            projects[declared.name] = resolve.project(declared, root, effective, settings, _BROKEN)
        return Workspace(self.root, self.explicit, settings.settings, projects)

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


def _open_file(path: str, flags: int) -> int:
    """Open what can be read to an end; a FIFO would be waited for, and a device never ends."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if os.fstat(descriptor).st_mode & 0o170000 in (0o100000, 0o040000):
        return descriptor
    os.close(descriptor)
    raise OSError(22, "Not a regular file")


def _overlay_problem(entry: os.DirEntry[str]) -> str | None:
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
