"""Proving that files make a workspace before they are written, and writing all of them or none."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile

from haz import _core
from haz.errors import HazError, LoadError
from haz.graph_build import build
from haz.workspace import load, with_sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

WORKSPACE_FILE = ".haz/workspace.yml"


class ExistingWorkspaceError(HazError):
    """`.haz` is already there, whatever it is (AUX-002)."""

    code = "haz::init::exists"


class InitError(HazError):
    """The files cannot be planned or written; nothing was changed."""

    code = "haz::init::failed"

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def refuse_existing(root: str) -> None:
    """Raise `ExistingWorkspaceError` when there is a `.haz`, be it a link to nothing."""
    marker = os.path.join(root, ".haz")
    if os.path.lexists(marker):
        raise ExistingWorkspaceError(f"refusing to touch the existing workspace {marker}")


def prove(root: str, texts: Mapping[str, str], kept: Iterable[str] = ()) -> None:
    """Load the workspace that the files would make, with its graph, from a copy of them. Raises `LoadError`.

    `kept` are paths of files that are there already, and take part.
    """
    with tempfile.TemporaryDirectory(prefix="haz-init-") as place:
        copy = os.path.realpath(place)
        for path in kept:
            with open(os.path.join(root, path), "rb") as file:
                _core.publish(os.path.join(copy, path), file.read())
        for path, text in texts.items():
            _core.publish(os.path.join(copy, path), text.encode())
        try:
            problems = build(load(copy), _core.PatternSet)[1]
        except LoadError as error:
            problems = error.diagnostics
        problems = tuple(problem for problem in with_sources(problems) if problem.severity == "error")
    if problems:
        spoken = tuple(
            problem.replace(
                message=problem.message.replace(copy, root.rstrip("/")),
                span=None if problem.span is None else problem.span.replace(file=_moved(problem.span.file, copy, root)),
                related=tuple(span.replace(file=_moved(span.file, copy, root)) for span in problem.related),
            )
            for problem in problems
        )
        raise LoadError(spoken, "what would be written does not make a workspace; nothing was written")


def _moved(path: str, copy: str, root: str) -> str:
    return root.rstrip("/") + path.removeprefix(copy) if path.startswith(copy) else path


def write(root: str, texts: Mapping[str, str]) -> None:
    """Write new files in their order, or leave everything as it was (AUX-006). Raises `InitError`.

    Each appears whole, under its name, and is on the disk before the next one is begun.
    """
    files: list[str] = []
    directories: list[str] = []
    try:
        for path, text in texts.items():
            target = os.path.join(root, path)
            _make_directories(os.path.dirname(target), directories)
            _create(target, text.encode())
            files.append(target)
    except BaseException as error:
        left = _remove(files, directories)
        if not isinstance(error, OSError):
            raise
        name = error.filename if error.filename is not None else root
        hint = f"these could not be removed again: {', '.join(left)}" if left else "nothing was changed"
        raise InitError(f"cannot write {name}: {error.strerror}", hint) from error


def _make_directories(path: str, made: list[str]) -> None:
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for directory in reversed(missing):
        os.mkdir(directory)
        made.append(directory)
        _sync(os.path.dirname(directory))


def _create(target: str, data: bytes) -> None:
    """Write a file that must not be there yet."""
    directory, name = os.path.split(target)
    temporary = os.path.join(directory, f".{name}.tmp-{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _put(temporary, target)
    finally:
        # It is gone where it has got its name.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
    _sync(directory)


def _put(temporary: str, target: str) -> None:
    if os.path.lexists(target):
        raise FileExistsError(17, "File exists", target)
    os.rename(temporary, target)


def _sync(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(files: list[str], directories: list[str]) -> list[str]:
    """Take back what was made, newest first; returns what is left."""
    left = []
    for remove, paths in ((os.unlink, files), (os.rmdir, directories)):
        for path in reversed(paths):
            try:
                remove(path)
            except OSError:
                left.append(path)
    return left
