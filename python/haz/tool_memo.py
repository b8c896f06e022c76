"""What tools have answered, kept from run to run where the user says that the program alone decides (`memo: true`).

`<root>/.haz/state/tools-v1`; losing it costs one question per tool. An answer is used only for the same program by real
path and `stat`, with the same arguments, environment and working directory.
"""

from __future__ import annotations

import os
import time

from haz import _core
from haz.cache.formats import TOOLS, TOOLS_MAGIC
from haz.cache.key import frame
from haz.errors import FileSystemError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Pairs = Sequence[tuple[str, str]]

DEFAULT_PATH = "/bin:/usr/bin"
# Nanoseconds. A program that was changed less than this before it was asked may change again within one tick of its
# clock; so its answer is not kept (the rule of the stat cache).
RACY = 2_000_000_000
# Days after which an answer that nobody has asked for goes.
KEEP = 14
DAY = 86_400


class ToolMemo:
    """The kept answers of one workspace under one hash function. `root` is its absolute path."""

    def __init__(self, root: str, algorithm: str) -> None:
        self._root = root
        self._algorithm = algorithm
        self._path = f"{root}/{TOOLS}"
        self._today = int(time.time()) // DAY
        self._rows: dict[str, list[object]] = self._read()
        self._changed = False

    def name(self, argv: Sequence[str], environment: Pairs) -> str | None:
        """Identify a question, or None when the program cannot be looked at or is too young to be trusted."""
        program = _locate(argv[0], dict(environment).get("PATH"), self._root)
        try:
            real = os.path.realpath(program, strict=True) if program is not None else ""
            status = os.stat(real)
        except OSError:
            return None
        if max(status.st_mtime_ns, status.st_ctime_ns) > time.time_ns() - RACY:
            return None
        state = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        rows = [
            (os.fsencode(real), *(str(number).encode() for number in state)),
            tuple(map(os.fsencode, argv)),
            tuple(os.fsencode(text) for pair in environment for text in pair),
            (os.fsencode(self._root), self._algorithm.encode()),
        ]
        return _core.digest_bytes(frame(rows)).hex()

    def get(self, name: str) -> bytes | None:
        row = self._rows.get(name)
        if row is None:
            return None
        if row[1] != self._today:
            row[1] = self._today
            self._changed = True
        return bytes.fromhex(str(row[0]))

    def put(self, name: str, answer: bytes) -> None:
        self._rows[name] = [answer.hex(), self._today]
        self._changed = True

    def save(self) -> None:
        """Replace the file, if there is something new. One that cannot be written stays as it is."""
        if not self._changed:
            return
        rows = {name: row for name, row in self._rows.items() if self._today - int(str(row[1])) <= KEEP}
        body = _core.json_dumps(rows)
        try:
            _core.publish(self._path, b"%s%s\n%s" % (TOOLS_MAGIC, _core.digest_bytes(body).hex().encode(), body))
        except FileSystemError:
            return

    def _read(self) -> dict[str, list[object]]:
        try:
            with open(self._path, "rb", buffering=0) as file:
                head, _, body = file.read().partition(b"\n")
            if head != TOOLS_MAGIC + _core.digest_bytes(body).hex().encode():
                return {}
            rows = _core.json_loads(body)
            return {
                name: [digest, day]
                for name, (digest, day) in rows.items()
                if len(bytes.fromhex(digest)) == 32 and day >= 0
            }
        except (OSError, ValueError, TypeError, AttributeError):
            # Absent, torn or altered: every tool is asked.
            return {}


def _locate(program: str, path: str | None, root: str) -> str | None:
    """Find a program as the spawn will: with a `/` in it from `root`, else on the PATH."""
    if "/" in program:
        return os.path.join(root, program)
    for directory in (DEFAULT_PATH if path is None else path).split(":"):
        candidate = os.path.join(root, directory, program)
        if os.access(candidate, os.X_OK) and os.path.isfile(candidate):
            return candidate
    return None
