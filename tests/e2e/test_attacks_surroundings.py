"""What surrounds a run may be odd: closed streams, a directory that is gone, files that are no files."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.space import HAZ, SECONDS

if TYPE_CHECKING:
    from tests.space import Space

SAY = 'say: {shell: "cat in > out; echo said; echo loud >&2", inputs: [in], outputs: [out]}'


def under_shell(space: Space, script: str) -> subprocess.CompletedProcess[bytes]:
    """Run a shell script in the workspace; its `$@` is haz."""
    return subprocess.run(
        ["sh", "-c", script, "sh", *HAZ], cwd=space.root, capture_output=True, timeout=SECONDS, check=False
    )


@pytest.mark.parametrize(("closed", "code"), [("<&-", 0), (">&-", 2), ("2>&-", 0), ("<&- >&- 2>&-", 2)])
def test_closed_streams_are_not_mistaken_for_files_of_our_own(space: Space, closed: str, code: int) -> None:
    """EXEC-021: what cannot be written is told, and written nowhere else."""
    space.project("lib", SAY)
    space.write("lib/in", "in\n")
    ended = under_shell(space, f'"$@" run lib:say {closed}')
    assert ended.returncode == code
    if closed == ">&-":
        assert b"cannot write to standard output: Bad file descriptor" in ended.stderr
    again = space.run("lib:say").ok()
    assert again.cached == {"lib:say"}
    assert (again.out, space.read("lib/out")) == ("[lib:say] said\n", b"in\n")


def test_a_current_directory_that_is_gone_is_told(space: Space) -> None:
    """DISC-001: no directory, no workspace; not a defect of haz."""
    space.project("lib", SAY)
    for arguments in ("run lib:say", "check", "init --yes"):
        ended = under_shell(space, f'mkdir gone; cd gone; rmdir ../gone; "$@" {arguments}')
        assert ended.returncode == 2
        assert ended.stderr.startswith(b"Error: cannot read current working directory"), ended.stderr
        assert b"-C DIR" in ended.stderr


@pytest.mark.parametrize("path", ["lib/haz.yml", ".haz/workspace.yml"])
def test_a_configuration_file_that_is_no_file_is_refused_without_waiting(space: Space, path: str) -> None:
    """haz::dsc::005, haz::dsc::023: a FIFO would be waited for, and a device read, for ever."""
    space.project("lib", SAY)
    for make in (os.mkfifo, lambda place: os.symlink("/dev/zero", place)):
        (space.root / path).unlink()
        make(space.root / path)
        ended = space.haz("check")
        assert ended.code == 2
        assert "Not a regular file" in ended.err
