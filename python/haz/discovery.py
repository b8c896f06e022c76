"""Where a workspace is, and which directories of it are projects. Reads directories, never writes (DISC-030)."""

from __future__ import annotations

import os
import time

from haz import _core
from haz._record import Record
from haz.cache.formats import MARKER, MISNAMED_FILE, PROJECT_FILE, SEEN_NAMES
from haz.diagnostics import Diagnostic
from haz.errors import LoadError, PatternError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from haz.config.declarations import PatternDeclaration
    from haz.config.parse import Source
    from haz.model import Workspace

HIDDEN = frozenset({".git", ".haz"})


class Root(Record):
    """A found workspace: its absolute, physical root, and whether `.haz/workspace.yml` made it one."""

    path: str
    explicit: bool
    warnings: tuple[Diagnostic, ...] = ()


class Place(Record):
    """A directory that is a project: workspace path ("" for the workspace root), and the entry that selected it."""

    root: str
    entry: PatternDeclaration


class Trace:
    """What loading a workspace has looked at, as questions for `_core.ask_facts`.

    `whole` says that these are all that count: a project behind a symbolic link is not answered for by them.
    `started` (nanoseconds since the epoch) is before the first look: what changed since may have been seen or not.
    """

    __slots__ = ("_way", "looks", "started", "whole")

    def __init__(self, root: str) -> None:
        self.looks: list[tuple[str, str]] = []
        self.whole = True
        self.started = time.time_ns()
        self._way = {root}

    def listed(self, path: str) -> None:
        """Note that the directory `path` was listed."""
        self._way.add(path)
        self.looks.append(("places", path))

    def way(self, path: str) -> None:
        """Note that the directory `path` below the root was reached, and through no link."""
        while path not in self._way and len(path) > 1:
            self._way.add(path)
            self.looks.append(("stands", path))
            path = os.path.dirname(path)

    def facts(self, root: str) -> bytes | None:
        """Ask all again, for answers that held all the time. None where they prove nothing, or not yet."""
        return _core.ask_facts(root, list(dict.fromkeys(self.looks)), SEEN_NAMES, self.started) if self.whole else None


def find_root(start: str) -> Root:
    """Find the workspace that `start` is in. D1, DISC-001..004.

    The nearest directory with `.haz/workspace.yml` wins over any repository below it; only without one does the
    innermost repository with a `haz.yml` beside its `.git` count. A directory that may not be looked at is passed
    over with a warning (O27). Raises `LoadError`.
    """
    try:
        path = os.path.realpath(start, strict=True)
        if not os.path.isdir(path):
            raise NotADirectoryError(20, "Not a directory", start)
    except OSError as error:
        message = f"workspace discovery failed: cannot use {start}: {error.strerror}"
        raise LoadError((Diagnostic("haz::dsc::003", message),)) from error
    warnings: list[Diagnostic] = []
    implicit: str | None = None
    stray: str | None = None
    bare: str | None = None
    for directory in _upwards(path):
        if _exists(os.path.join(directory, MARKER), warnings):
            return Root(directory, True, tuple(warnings))
        if stray is None and os.path.isdir(os.path.join(directory, ".haz")):
            stray = directory
        if implicit is None and _is_repository(os.path.join(directory, ".git"), warnings):
            if _exists(os.path.join(directory, PROJECT_FILE), warnings):
                implicit = directory
            elif bare is None:
                bare = directory
    if implicit is not None:
        return Root(implicit, False, tuple(warnings))
    made = "`haz init` does it, also from what other tools know: `haz init --from TOOL`"
    hint = f"create `{MARKER}` at the top of the workspace ({made}), or a `haz.yml` beside `.git`"
    if stray is not None:
        hint = f"{os.path.join(stray, '.haz')} has no `workspace.yml`; {hint}"
        if os.path.lexists(os.path.join(stray, ".haz/workspace.yaml")):
            hint = f"rename {os.path.join(stray, '.haz/workspace.yaml')} to `workspace.yml`"
    elif bare is not None:
        hint = f"{bare} is a repository without a `haz.yml`; {hint}"
    message = f"workspace discovery failed: no workspace in {path} or any directory above it"
    causes = tuple(warning.message for warning in warnings)
    raise LoadError((Diagnostic("haz::dsc::001", message, help=hint, causes=causes),))


def project_at(root: str, names: Mapping[str, str], directory: str) -> str | None:
    """Name the deepest project that `directory` is in; `names` are those of the projects, by their workspace paths."""
    try:
        here = os.path.realpath(directory, strict=True)
    except OSError:
        return None
    base = "" if root == "/" else root
    path = "" if here == root else here[len(base) :] if here.startswith(f"{base}/") else None
    # Project roots are physical since they were loaded, so only the directory had to be resolved.
    while path is not None:
        if path in names:
            return names[path]
        path = path.rpartition("/")[0] if path else None
    return None


def bearing(workspace: Workspace, cwd: str) -> str | None:
    """Name the project that `cwd` is in: of nested ones the deepest. None outside of all. EXEC-022."""
    return project_at(workspace.root, {project.root: name for name, project in workspace.projects.items()}, cwd)


def _upwards(path: str) -> Iterator[str]:
    while True:
        yield path
        parent = os.path.dirname(path)
        if parent == path:
            return
        path = parent


def _exists(path: str, warnings: list[Diagnostic]) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        _passed_over(path, error, warnings)
        return False
    return True


def _is_repository(path: str, warnings: list[Diagnostic]) -> bool:
    """`.git` is a directory, or the file of a worktree or submodule."""
    try:
        mode = os.stat(path).st_mode & 0o170000
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        _passed_over(path, error, warnings)
        return False
    return mode in (0o040000, 0o100000)


def _passed_over(path: str, error: OSError, warnings: list[Diagnostic]) -> None:
    message = f"cannot look at {path}: {error.strerror}"
    warnings.append(Diagnostic("haz::dsc::003", message, severity="warning"))


# --- `projects` ------------------------------------------------------------------------------------------------------


class _Expansion:
    """One expansion of `projects`. DISC-005..009, DISC-020..022, D2."""

    def __init__(self, root: str, source: Source, trace: Trace) -> None:
        self.root = root
        self.source = source
        self.trace = trace
        self.base = "" if root == "/" else root
        self.places: dict[str, tuple[Place, str]] = {}
        """Canonical workspace path -> place, and the path by which it was reached."""

    def report(self, code: str, message: str, entry: PatternDeclaration, hint: str | None = None) -> None:
        self.source.report(f"dsc::{code}", message, entry.node, help=hint)

    def literal(self, entry: PatternDeclaration) -> None:
        path = self.root if entry.text == "/" else self.base + entry.text
        try:
            real = os.path.realpath(path, strict=True)
            is_directory = os.path.isdir(real)
        except (FileNotFoundError, NotADirectoryError):
            self.report("017", f"project `{entry.text}` does not exist", entry, f"create {path}, or remove the entry")
            return
        except OSError as error:
            self.report("022", f"cannot look at {path}: {error.strerror}", entry)
            return
        if not is_directory:
            self.report("018", f"project `{entry.text}` is not a directory", entry)
        elif self.canonical(real) is None:
            self.report("020", f"project `{entry.text}` leads out of the workspace, to {real}", entry)
        else:
            self.trace.whole &= real == path
            self.trace.way(path)
            self.add(entry, "" if entry.text == "/" else entry.text, real)

    def canonical(self, real: str) -> str | None:
        """Return the workspace path of a physical path; None when it lies outside."""
        if real == self.root:
            return ""
        return real[len(self.base) :] if real.startswith(self.base + "/") else None

    def add(self, entry: PatternDeclaration, reached: str, real: str) -> None:
        root = self.canonical(real)
        if root is None:
            return
        known = self.places.get(root)
        if known is not None:
            place, before = known
            if before == reached and place.entry is not entry:
                self._twice(place.entry, entry, root)
            return
        if root and _path_problem(root) is not None:
            self.report("026", f"the directory `{root}` cannot be a project: {_path_problem(root)}", entry)
            return
        self.places[root] = Place(root, entry), reached

    def _twice(self, first: PatternDeclaration, second: PatternDeclaration, root: str) -> None:
        self.source.report(
            "dsc::019",
            f"`{first.text}` and `{second.text}` both select the project `{root or '/'}`",
            second.node,
            help=f'remove one of the two, or exclude the directory from the pattern with "!{root or "/"}"',
            label="selected again here",
            related=(self.source.span(first.node, "selected here"),),
        )

    def glob(self, entry: PatternDeclaration, exclusions: list[PatternDeclaration]) -> None:
        try:
            wanted = _core.PatternSet([[(entry.text, False, False)]])
            excluded = _core.PatternSet([[(other.text, other.literal, False) for other in exclusions]])
        except PatternError as error:
            self.report("016", f"`{entry.text}` cannot be used: {error.reason}", entry)
            return
        found = False
        walk = _Walk(self, entry)
        for path, real in walk.directories():
            if wanted.matching(path):
                found = True
                if excluded.matching(path):
                    continue
                if self.canonical(real) is None:
                    self.report("020", f"`{path}` leads out of the workspace, to {real}", entry)
                elif not HIDDEN.intersection(real[len(self.base) :].split("/")) and real != self.root:
                    self.add(entry, path, real)
        for path in walk.misnamed:
            if wanted.matching(path) and not excluded.matching(path):
                message = f"`{path}` is no project: its file is named `haz.yaml`, not `haz.yml`"
                self.source.report("chk::008", message, entry.node, help="rename it", severity="warning")
        if not found:
            self.report(
                "016",
                f"`{entry.text}` matches no directory with a `haz.yml`",
                entry,
                "a pattern selects the directories that hold a `haz.yml`; check its spelling, or remove it",
            )


class _Walk:
    """The directories that one glob can match and that hold a `haz.yml`."""

    def __init__(self, expansion: _Expansion, entry: PatternDeclaration) -> None:
        self.expansion = expansion
        self.entry = entry
        segments = entry.text[1:].split("/")
        fixed = 0
        while fixed < len(segments) and not any(special in segments[fixed] for special in "*?[{\\"):
            fixed += 1
        self.start = "".join("/" + segment for segment in segments[:fixed])
        # A brace may hold a `/`: then neither depth nor prefixes can be told from the segments.
        spans_segments = any("/" in part.partition("}")[0] for part in entry.text.split("{")[1:])
        self.depth = None if spans_segments or "**" in segments else len(segments)
        self.prefixes: list[_core.PatternSet] = []
        if not spans_segments:
            for count in range(fixed + 1, len(segments) + 1):
                if segments[count - 1] == "**":
                    break
                self.prefixes.append(_core.PatternSet([[("/" + "/".join(segments[:count]), False, False)]]))
        self.fixed = fixed
        self.linked: set[str] = set()
        self.misnamed: list[str] = []
        """Directories that were passed over although they hold a `haz.yaml` (O28)."""

    def directories(self) -> Iterator[tuple[str, str]]:
        """Yield `(path as walked, physical path)`."""
        top = self.expansion.base + self.start or "/"
        real = os.path.realpath(top)
        trace = self.expansion.trace
        trace.whole &= real == top
        if os.path.isdir(real):
            trace.way(top)
        else:
            trace.looks.append(("absent", top))
        if self.expansion.canonical(real) is not None and os.path.isdir(real):
            if self.start:
                yield from self._candidate(self.start, real)
            yield from self._below(self.start, real, self.fixed)

    def _candidate(self, path: str, real: str) -> Iterator[tuple[str, str]]:
        if _is_file(os.path.join(real, PROJECT_FILE)):
            yield path, real
            return
        self.expansion.trace.looks.append(("absent", os.path.join(real, PROJECT_FILE)))
        if os.path.lexists(os.path.join(real, MISNAMED_FILE)):
            self.misnamed.append(path)

    def _below(self, path: str, real: str, depth: int) -> Iterator[tuple[str, str]]:
        if self.depth is not None and depth >= self.depth:
            return
        try:
            with os.scandir(real) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            message = f"cannot list `{path or '/'}`: {error.strerror}; it was passed over"
            self.expansion.source.report("dsc::022", message, self.entry.node, severity="warning")
            return
        self.expansion.trace.listed(real)
        level = depth - self.fixed
        for entry in listed:
            name = entry.name
            child = f"{path}/{name}"
            if name in HIDDEN or not (entry.is_symlink() or _is_directory(entry)):
                continue
            if level < len(self.prefixes) and not self.prefixes[level].matching(child):
                continue
            target = os.path.join(real, name)
            if not _is_directory(entry):
                # It may lead to a directory one day, without a trace here.
                self.expansion.trace.looks.append(("leads" if os.path.exists(target) else "dangling", target))
                continue
            if entry.is_symlink():
                target = os.path.realpath(target)
                self.expansion.trace.whole = False
            elif self.depth is not None and depth + 1 >= self.depth:
                self.expansion.trace.way(target)
            yield from self._candidate(child, target)
            if entry.is_symlink():
                # Outside is not entered; inside, each target once, so that links in circles come to an end.
                if self.expansion.canonical(target) is None or target in self.linked:
                    continue
                self.linked.add(target)
            yield from self._below(child, target, depth + 1)


def expand(root: str, source: Source, entries: tuple[PatternDeclaration, ...], trace: Trace) -> list[Place]:
    """Expand `projects` to places, in the order of the entries and of path bytes. What is wrong goes to `source`."""
    expansion = _Expansion(root, source, trace)
    # Patterns never select the root, so `!/` has nothing to add; and it is no pattern.
    exclusions = [entry for entry in entries if entry.exclude and entry.text != "/"]
    for entry in entries:
        if entry.exclude:
            continue
        if entry.literal:
            expansion.literal(entry)
        else:
            expansion.glob(entry, exclusions)
    return [place for place, _ in expansion.places.values()]


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_file(path: str) -> bool:
    try:
        return os.stat(path).st_mode & 0o170000 != 0o040000
    except OSError:
        # A `haz.yml` that is there and cannot be read is a project whose file is broken, not no project.
        return os.path.lexists(path)


def _path_problem(root: str) -> str | None:
    """PATH-002 for a project's own directory."""
    try:
        root.encode()
    except UnicodeEncodeError:
        return "its path is not UTF-8"
    try:
        _core.check_pattern(_core.escape_pattern(root))
    except PatternError as error:
        return error.reason
    return None
