"""What a project resolves to in the lock file of a package manager: the closure of what it declares, and no more.

`read` parses the text of a lock file; `slice` of what it returns gives lines that are equal exactly when nothing has
changed for the project. What cannot be told apart with certainty is `Unsliceable`: the whole file is right then.
"""

from __future__ import annotations

from haz import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    class Lock(Protocol):
        """A parsed lock file. `slice` takes the name of the project, for npm its path below the file's directory."""

        def slice(self, project: str) -> list[str]: ...


# Per kind: the name of the lock file, and of the file in which a project says what it is called.
FILES = {"uv": ("uv.lock", "pyproject.toml"), "npm": ("package-lock.json", ""), "cargo": ("Cargo.lock", "Cargo.toml")}


# What comes of reading a file that is not what its name says.
_SHAPES = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


class Unsliceable(ValueError):  # noqa: N818 - a property of the file
    """Why a lock file cannot be cut down to one project."""


def read(kind: str, data: bytes) -> Lock:
    """Parse a lock file. Raises `Unsliceable`."""
    from haz.lockfiles import cargo, npm, uv  # noqa: PLC0415 - few tasks ask for one

    readers: dict[str, Callable[[bytes], Lock]] = {"uv": uv.UvLock, "npm": npm.NpmLock, "cargo": cargo.CargoLock}
    try:
        return readers[kind](data)
    except Unsliceable:
        raise
    except _SHAPES as error:
        raise Unsliceable(f"it cannot be read: {error!r}") from error


def cut(lock: Lock, project: str) -> list[str]:
    """Return the lines of a project. Raises `Unsliceable`."""
    try:
        return lock.slice(project)
    except Unsliceable:
        raise
    except _SHAPES as error:
        raise Unsliceable(f"an entry has an unknown shape: {error!r}") from error


def project_name(kind: str, manifest: bytes) -> str:
    """Return the name that a project's manifest gives it. Raises `Unsliceable`."""
    name, table = FILES[kind][1], "project" if kind == "uv" else "package"
    try:
        found = toml(manifest)[table]["name"]
    except KeyError as error:
        raise Unsliceable(f"{name} has no `{table}.name`") from error
    except (ValueError, TypeError) as error:
        raise Unsliceable(f"{name} cannot be read: {error}") from error
    if not isinstance(found, str):
        raise Unsliceable(f"{name} has no `{table}.name`")
    return found


def toml(data: bytes) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415 - slow to import

    return tomllib.loads(data.decode())


def line(label: str, version: object, entry: object) -> str:
    """Return the line of one package: who it is for people, and a digest of all that the file says of it."""
    return f"{label} {version} {_core.digest_bytes(_core.json_dumps(_plain(entry))).hex()}"


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, (str, int, float)) else str(value)
