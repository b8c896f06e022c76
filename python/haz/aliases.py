"""Whether a file can have several paths in a workspace, apart from links: then paths do not tell who reads what."""

from __future__ import annotations

import os
import sys

MOUNTS = "/proc/self/mountinfo"


def one_path_each(root: str, mounts: str = MOUNTS) -> bool:
    """Whether names differ as their bytes do in `root`, and nothing is mounted below it. In doubt they do not."""
    if sys.platform != "linux":
        return False
    try:
        with open(mounts, "rb") as file:
            lines = file.read().splitlines()
        here = os.lstat(f"{root}/.haz")
    except OSError:
        return False
    try:
        if os.path.samestat(here, os.lstat(f"{root}/.HAZ")):
            return False
    except FileNotFoundError:
        pass
    except OSError:
        return False
    below = os.path.realpath(os.fsencode(root)).rstrip(b"/") + b"/"
    return not any(_unescaped(line.split(b" ")[4]).startswith(below) for line in lines)


def _unescaped(text: bytes) -> bytes:
    r"""Undo what the kernel does to blanks and backslashes in its tables: `\040`."""
    head, *rest = text.split(b"\\")
    return head + b"".join(bytes([int(part[:3], 8)]) + part[3:] for part in rest)
