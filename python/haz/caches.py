"""The cache of a workspace as a whole: looked into, cleaned, checked, and carried to other machines."""

from __future__ import annotations

import errno
import os
import shutil

from haz import _core
from haz.app import cache_directory
from haz.cache.collect import Inspection, clean, plan_cleaning, verify
from haz.discovery import bearing
from haz.errors import FileSystemError, LoadError, UsageError
from haz.resolution import Resolver, resolve_all
from haz.workspace import load_tolerant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from haz.cache.collect import Cleaning, Verification
    from haz.cache.transfer import Transferred
    from haz.model import Reference, Workspace


class Cache:
    """Everything here may be done while hazes run: at worst they miss what they would have found a moment before."""

    def __init__(self, workspace: Workspace, project: str | None = None) -> None:
        """`project` is what `~` stands for."""
        self._workspace = workspace
        self._project = project

    @classmethod
    def of(cls, directory: str) -> Cache:
        """Return the cache of the workspace that `directory` lies in. Raises `LoadError`.

        A file of a project may be broken: the workspace's own settings are needed only (04 §14 C6).
        """
        workspace, problems = load_tolerant(directory)
        if workspace is None:
            raise LoadError(tuple(problem for problem in problems if problem.severity == "error"))
        return cls(workspace, bearing(workspace, directory))

    @property
    def path(self) -> str:
        """The absolute path of the cache, which may not exist yet."""
        return cache_directory(self._workspace)

    def inspect(self) -> Inspection:
        """Look at all entries and blobs, without reading what is in the latter. Raises `FileSystemError`."""
        inspection = Inspection(self.path)
        if inspection.troubles:
            raise FileSystemError("read", inspection.troubles[0].path, None, inspection.troubles[0].reason)
        return inspection

    def clean(
        self, *, soft: bool = False, max_age: int | None = None, max_size: int | None = None, dry_run: bool = False
    ) -> Cleaning:
        """Remove what is corrupt or left behind (`soft`), what is old, and what is too much; return what went.

        `max_age` in seconds since the last use, `max_size` in bytes; by default as `cache.clean` of the workspace says.
        With `dry_run` return what would go. Raises `UsageError` when there is nothing to do.
        """
        settings = self._workspace.settings
        age = settings.clean_max_age if max_age is None else max_age
        size = settings.clean_max_size if max_size is None else max_size
        if not soft and age is None and size is None:
            raise UsageError("at least one mode is needed: --soft, --max-age DURATION or --max-size BYTES")
        inspection = Inspection(self.path, self._workspace.root)
        planned = plan_cleaning(inspection, soft=soft, max_age=age, max_size=size)
        return planned if dry_run else clean(planned)

    def clear(self) -> None:
        """Remove the whole cache, and nothing else. Raises `FileSystemError`."""
        cache = self.path
        try:
            if os.path.islink(cache):
                os.unlink(cache)
            elif os.path.lexists(cache):
                # Moved away first: who runs meanwhile sees a whole cache or none, and its stores start a new one.
                doomed = os.path.join(os.path.dirname(cache), _core.unique_name())
                # Nor does who cleans take it for something that was left behind long ago.
                os.utime(cache)
                os.rename(cache, doomed)
                _remove(doomed)
        except OSError as error:
            reason = error.strerror or str(error)
            raise FileSystemError("remove", error.filename or cache, error.errno, reason) from error

    def verify(self, *, repair: bool = False) -> Verification:
        """Read every manifest and every blob, and compare them with their digests; `repair` removes what is corrupt."""
        return verify(Inspection(self.path), repair=repair)

    def export(
        self, file: str, references: Iterable[Reference] = (), complain: Callable[[str], None] | None = None
    ) -> Transferred:
        """Write the results of the tasks, or all, to one tar file; `complain` hears of what cannot be exported.

        Raises `ResolutionError`, `TransferError`.
        """
        from haz.cache.transfer import export  # noqa: PLC0415 - tarfile is slow to import

        references = tuple(references)
        wanted = resolve_all(Resolver(self._workspace), references, self._project) if references else None
        entries = (entry.manifest for entry in Inspection(self.path).sound)
        chosen = [manifest for manifest in entries if manifest and (wanted is None or manifest.task in wanted)]
        return export(self.path, chosen, file, complain or _ignore)

    def import_(self, file: str, complain: Callable[[str], None] | None = None) -> Transferred:
        """Take in what `export` has written; all that is read is checked, and `complain` hears of what is refused.

        Raises `TransferError`.
        """
        from haz.cache.transfer import import_  # noqa: PLC0415

        return import_(self.path, file, complain or _ignore)


def _remove(folder: str) -> None:
    """Remove a folder that has been moved away. What was under way then may still add to it, and only that."""
    while os.path.lexists(folder):
        try:
            shutil.rmtree(folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.ENOENT):
                raise


def _ignore(line: str) -> None:
    """Hear nothing: who wants to know passes `complain`."""
