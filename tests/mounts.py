"""File systems of a test's own that are full, read-only, or another one, in namespaces that vanish with the test.

Where the kernel lets nobody have such namespaces, the same troubles come from what every system has: limits of file
sizes, permissions, and whatever other file system there is.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.space import HAZ

if TYPE_CHECKING:
    from tests.space import Space

# Proves that mounting is allowed too; then waits until nobody needs the namespaces any more.
HOLD = "mount -t tmpfs none /mnt && umount /mnt && echo ready && read -r _"
WITHOUT_PRIVILEGES = """
import ctypes, os, sys
if os.geteuid() == 0:
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        assert ctypes.CDLL(None).prctl(24, capability, 0, 0, 0) == 0  # PR_CAPBSET_DROP
os.execvp(sys.argv[1], sys.argv[1:])
"""
LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
os.execvp(sys.argv[2], sys.argv[2:])
"""


class Ground:
    """The ground that a workspace stands on. Its methods change what the workspace's haz meets from then on.

    Paths are relative to the workspace root. `has_mounts` tells whether the kernel makes the troubles.
    """

    def __init__(self, space: Space, *, mounts: bool = True) -> None:
        self._space = space
        self._holder: subprocess.Popen[bytes] | None = None
        self._restore: list[tuple[Path, int]] = []
        self._elsewhere: list[Path] = []
        words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", HOLD]
        if mounts and shutil.which("unshare") and shutil.which("nsenter"):
            pipe = subprocess.PIPE
            self._holder = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
            assert self._holder.stdout is not None
            if self._holder.stdout.readline() != b"ready\n":
                self._leave()
        self.has_mounts = self._holder is not None
        if self.has_mounts:
            space.command = self._inside(*HAZ)

    def full(self, path: str, size: int) -> str:
        """Let nothing be written at `path` beyond `size` bytes, as on a full disk. Returns what the system says then."""
        if self.has_mounts:
            self.shell(f"mkdir -p {path} && mount -t tmpfs -o size={size} none {path}")
            return "No space left on device"
        self._space.command = [sys.executable, "-c", LIMITED, str(size), *self._space.command]
        return "File too large"

    def read_only(self, path: str) -> str:
        """Let nothing be changed at `path` or below. Returns what the system says then."""
        if self.has_mounts:
            self.shell(f"mount --bind {path} {path} && mount -o remount,bind,ro {path}")
            return "Read-only file system"
        top = self._space.root / path
        for place in (top, *top.rglob("*")):
            if place.is_dir() and not place.is_symlink():
                self._restore.append((place, place.stat().st_mode))
                place.chmod(0o555)
        self._space.command = [sys.executable, "-c", WITHOUT_PRIVILEGES, *self._space.command]
        return "Permission denied"

    def other(self, path: str) -> None:
        """Put another file system, which is empty, at `path`."""
        if self.has_mounts:
            self.shell(f"mkdir -p {path} && mount -t tmpfs none {path}")
            return
        shared = "/dev/shm" if os.path.isdir("/dev/shm") else "/var/tmp"
        self._elsewhere.append(Path(tempfile.mkdtemp(dir=shared)))
        place = self._space.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(self._elsewhere[-1])

    def shell(self, script: str) -> str:
        """Run a script where haz runs; returns what it has written."""
        command = self._inside("sh", "-ec", script) if self.has_mounts else ["sh", "-ec", script]
        done = subprocess.run(command, cwd=self._space.root, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{shlex.join(command)}\n{done.stderr}"
        return done.stdout

    def _inside(self, *words: str) -> list[str]:
        """Return what runs `words` where paths mean what is mounted, the working directory as well."""
        assert self._holder is not None
        enter = ["nsenter", f"--target={self._holder.pid}", "--user", "--mount", "--preserve-credentials"]
        return [*enter, "sh", "-c", 'cd "$0" && exec "$@"', str(self._space.root), *words]

    def _leave(self) -> None:
        assert self._holder is not None
        self._holder.communicate()
        self._holder = None

    def close(self) -> None:
        """Give everything back."""
        if self._holder is not None:
            self._leave()
        for place, mode in self._restore:
            place.chmod(mode)
        for place in self._elsewhere:
            shutil.rmtree(place)
