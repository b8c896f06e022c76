"""Changes to files as Python hears of them: events of a queue, and workspace paths."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

from haz import _core
from haz.errors import FileSystemError
from tests.boundary.children import DEADLINE

EVERYTHING = _core.PatternSet([[("/**", False, False)]])


def told(watch: _core.Watch, path: str) -> list[str]:
    queue = _core.Queue()
    found: list[str] = []
    while path not in found:
        watch.tell(queue, 7)
        assert queue.wait(DEADLINE) == [("changed", 7, None)], found
        paths, problems = watch.take()
        assert problems == []
        found += paths
    return found


def test_a_change_is_an_event_once_until_it_is_asked_for_again(tmp_path: Path) -> None:
    watch = _core.Watch(str(tmp_path), EVERYTHING, [], [])
    queue = _core.Queue()
    watch.tell(queue, 3)
    (tmp_path / "a").write_text("")
    assert queue.wait(DEADLINE) == [("changed", 3, None)]
    # Not taken yet, so that it is told at once.
    watch.tell(queue, 4)
    assert queue.wait(DEADLINE) == [("changed", 4, None)]
    assert "/a" in told(watch, "/a")


def test_a_path_that_is_no_text_comes_as_python_writes_it(tmp_path: Path) -> None:
    watch = _core.Watch(str(tmp_path), EVERYTHING, [], [])
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).write_text("")
    told(watch, "/\udcff")


def test_files_may_be_private_and_names_are_anywhere(tmp_path: Path) -> None:
    (tmp_path / ".haz").mkdir()
    (tmp_path / "lib").mkdir()
    patterns = _core.PatternSet([[("/lib/*.c", False, False)]])
    watch = _core.Watch(str(tmp_path), patterns, ["/.haz/workspace.yml"], [".gitignore"])
    for path in ("lib/other", ".haz/workspace.yml", "lib/.gitignore", "lib/a.c"):
        (tmp_path / path).write_text("")
    assert set(told(watch, "/lib/a.c")) == {"/.haz/workspace.yml", "/lib/.gitignore", "/lib/a.c"}


def listening() -> int:
    """How many descriptors of this process hear of files."""
    return sum(os.path.realpath(f"/proc/self/fd/{one}").endswith("inotify") for one in os.listdir("/proc/self/fd"))


def test_what_was_closed_hears_nothing_and_leaves_nothing_open(tmp_path: Path) -> None:
    gc.collect()
    before = listening()
    watch = _core.Watch(str(tmp_path), EVERYTHING, [], [])
    assert listening() == before + 1
    watch.close()
    watch.close()
    (tmp_path / "a").write_text("")
    assert watch.take() == ([], [])
    dropped = _core.Watch(str(tmp_path), EVERYTHING, [], [])
    del dropped
    assert listening() == before


def test_a_workspace_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileSystemError, match=r"cannot find .*: No such file"):
        _core.Watch(str(tmp_path / "none"), EVERYTHING, [], [])
