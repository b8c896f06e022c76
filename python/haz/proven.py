"""Files of `.haz/state` that are believed for as long as the facts in them hold: what was understood, what was found.

Each is a line that names the format, a digest of what it was made for, one of all of it, the facts with their length
before them, and a payload. Nobody decodes what another version of haz or Python has written, or what is not from
this disk.
"""

from __future__ import annotations

import os
import sys

from haz import _core
from haz.cache.formats import MARKER, PROJECT_FILE, SEEN_NAMES
from haz.errors import FileSystemError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.discovery import Root


def read(root: Root, name: str, magic: bytes, made_for: object) -> _core.Proven | None:
    """Return the file `name` below `root`: a digest of the whole, and its payload.

    None unless all of it still holds; never raises. `made_for` is what it follows from besides the disk, and told apart
    by its `repr`.
    """
    head = _head(root, magic, made_for)
    return _core.Proven.read(root.path, f"{root.path}/{name}", head, _of_this_disk(root), SEEN_NAMES)


def write(root: Root, name: str, magic: bytes, made_for: object, facts: bytes, payload: bytes) -> bytes | None:
    """Write such a file; returns the digest, or None where it cannot be written: all is done anew each time there."""
    head = _head(root, magic, made_for)
    body = len(facts).to_bytes(8, "little") + facts + payload
    identity = _core.digest_bytes(head + body)
    try:
        _core.publish(f"{root.path}/{name}", head + identity + body)
    except FileSystemError:
        return None
    return identity


def _of_this_disk(root: Root) -> bytes:
    """Return how the facts begin: with the state of the file that makes this a workspace, as in all that was traced.

    Whoever wants us to believe a file that came with a repository has to guess when it would be checked out.
    """
    path = os.fsencode(f"{root.path}/{MARKER if root.explicit else PROJECT_FILE}")
    return b"\0" + len(path).to_bytes(4, "little") + path + b"\0"


def _head(root: Root, magic: bytes, made_for: object) -> bytes:
    whole = repr((root.path, root.explicit, sys.version, made_for))
    return magic + _core.digest_bytes(whole.encode("utf-8", "surrogatepass"))
