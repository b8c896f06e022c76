"""Files of `.haz/state` that are believed for as long as the facts in them hold: what was understood, what was found.

Each is a line that names the format, a digest of what it was made for, one of all of it, the facts with their length
before them, and a payload. Nobody decodes what another version of haz or Python has written, or what is not from
this disk.
"""

from __future__ import annotations

import os
import sys

from haz import _core
from haz.discovery import MARKER, PROJECT_FILE, SEEN_NAMES
from haz.errors import FileSystemError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.discovery import Root


def read(root: Root, name: str, magic: bytes, made_for: object) -> tuple[bytes, bytes] | None:
    """Return a digest of the whole file `name` below `root`, and its payload.

    None unless all of it still holds; never raises. `made_for` is what it follows from besides the disk, and told apart
    by its `repr`.
    """
    try:
        with open(f"{root.path}/{name}", "rb", buffering=0) as file:
            data = file.read()
    except OSError:
        return None
    head = _head(root, magic, made_for)
    body = len(head) + 32
    if data[: len(head)] != head or _core.digest_bytes(head + data[body:]) != data[len(head) : body]:
        return None
    start = body + 8
    end = start + int.from_bytes(data[body:start], "little")
    facts = data[start:end]
    if not _is_of_this_disk(facts, root) or not _core.facts_hold(root.path, facts, SEEN_NAMES):
        return None
    return data[len(head) : body], data[end:]


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


def _is_of_this_disk(facts: bytes, root: Root) -> bool:
    """Whether the state of the file that makes this a workspace comes first, as in all that was traced.

    Whoever wants us to believe a file that came with a repository has to guess when it would be checked out.
    """
    path = os.fsencode(f"{root.path}/{MARKER if root.explicit else PROJECT_FILE}")
    return facts.startswith(b"\0" + len(path).to_bytes(4, "little") + path + b"\0")


def _head(root: Root, magic: bytes, made_for: object) -> bytes:
    whole = repr((root.path, root.explicit, sys.version, made_for))
    return magic + _core.digest_bytes(whole.encode("utf-8", "surrogatepass"))
