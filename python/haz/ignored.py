"""`gitignore: true` (D11): inputs without what git ignores. Git itself decides, so all its rules hold."""

from __future__ import annotations

import os

from haz import _core
from haz.errors import InputPatternResolutionFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from haz._core import Inputs
    from haz.model import TaskSpec

    Row = tuple[str, bytes, bool]

# What a hook or a caller may have set, and what would make git look at another repository than that of the workspace.
FOREIGN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")


class KeptInputs:
    """What is left of resolved inputs, with the digest that the core would have given it (docs/cache-key.md)."""

    error = None

    def __init__(self, rows: list[Row], algorithm: str, whole: Inputs) -> None:
        self._rows = rows
        self.whole = whole
        parts = [len(rows).to_bytes(4, "big")]
        for path, digest, executable in rows:
            raw = os.fsencode(path)
            parts += (digest, bytes((executable,)), len(raw).to_bytes(4, "big"), raw)
        self.digest = _core.digest_bytes(b"".join(parts), algorithm)

    def rows(self) -> list[Row]:
        return self._rows

    def rewritten_since(self, earlier: Inputs) -> list[str]:
        """See `_core.Inputs`. Both have the same digest, and so the same files."""
        kept = {path for path, _, _ in self._rows}
        whole: Inputs = getattr(earlier, "whole", earlier)
        return [path for path in self.whole.rewritten_since(whole) if path in kept]


def without_ignored(root: str, spec: TaskSpec, inputs: Inputs, algorithm: str) -> Inputs:
    """Leave out what git ignores; what is listed literally counts, and so does what git tracks.

    Outside of a repository nothing is ignored. Raises `InputPatternResolutionFailed` when git cannot be asked.
    """
    if not spec.gitignore or inputs.error is not None:
        return inputs
    rows = inputs.rows()
    literal = {pattern.anchored for pattern in spec.inputs if pattern.literal and not pattern.exclude}
    # What another task writes is an input on purpose, and hardly anybody keeps such files in git.
    borrowed = _core.PatternSet([[pattern.listed for pattern in spec.inputs if pattern.group]])
    asked = [path for path, _, _ in rows if path not in literal and not borrowed.matching(path)]
    ignored = _ignored(root, asked)
    if not ignored:
        return inputs
    return KeptInputs([row for row in rows if row[0] not in ignored], algorithm, inputs)  # type: ignore[return-value]


def _ignored(root: str, paths: Sequence[str]) -> set[str]:
    if not paths:
        return set()
    import subprocess  # noqa: PLC0415 - few tasks ask for it, and it is slow to import

    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    question = b"".join(b"." + os.fsencode(path) + b"\0" for path in paths)
    try:
        done = subprocess.run(
            ["git", "-C", root, "check-ignore", "-z", "--stdin"],
            input=question,
            capture_output=True,
            env=environment,
            check=False,
        )
    except OSError as error:
        raise InputPatternResolutionFailed("/", f"git cannot be asked what it ignores: {error.strerror}") from error
    if done.returncode == 128 and b"not a git repository" in done.stderr:
        return set()
    if done.returncode not in (0, 1):
        reason = done.stderr.decode(errors="replace").strip()
        raise InputPatternResolutionFailed("/", f"git cannot say what it ignores: {reason}")
    return {os.fsdecode(answer[1:]) for answer in done.stdout.split(b"\0") if answer}
