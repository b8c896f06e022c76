"""What a task has made, by what lay there before and after (O9)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from haz.cache.produced import NOTHING, PAGE, Ledger, Produced, emptied_directories, made_by_restore, made_by_run
from haz.errors import StoreError
from haz.model import Pattern, TaskId

if TYPE_CHECKING:
    from collections.abc import Callable

OLD, NEW, OTHER = ("/d/a", 1, 1, 1), ("/d/a", 2, 1, 2), ("/d/b", 3, 1, 1)
TASK = TaskId("lib", "gen")


def test_what_was_not_there_before_a_run_is_the_task_s_own() -> None:
    """O9."""
    assert made_by_run(NOTHING, [OLD], [OLD, OTHER]) == (OTHER,)


def test_what_a_run_rewrites_stays_whose_it_was() -> None:
    """O9."""
    assert made_by_run(NOTHING, [OLD], [NEW]) == ()
    assert made_by_run(Produced("", (OLD,)), [OLD], [NEW]) == (NEW,)


def test_what_the_user_has_changed_is_the_task_s_own_no_more() -> None:
    """O9."""
    assert made_by_run(Produced("", (OLD,)), [NEW], [NEW]) == ()


def test_what_a_restore_puts_where_nothing_was_is_the_task_s_own() -> None:
    """O9."""
    assert made_by_restore(NOTHING, [OTHER], [NEW, OTHER], {"/d/a", "/d/b"}) == (NEW,)
    assert made_by_restore(NOTHING, [], [NEW, OTHER], {"/d/a"}) == (NEW,)


def test_what_is_put_there_again_stays_whose_it_was() -> None:
    """O9."""
    assert made_by_restore(Produced("", (OLD,)), None, [NEW, OTHER], {"/d/a", "/d/b"}) == (NEW,)


@pytest.mark.parametrize(
    ("pattern", "root", "path", "directories"),
    [
        ("/lib/d/**", "/lib", "/lib/d/x/y/f", ["/lib/d/x", "/lib/d/x/y"]),
        ("/lib/d/**", "/lib", "/lib/d/f", []),
        ("/lib/*/f", "/lib", "/lib/d/f", ["/lib/d"]),
        ("/**", "/lib", "/lib/d/f", ["/lib/d"]),
        ("/**/f", "", "/f", []),
        ("/l\\[b/d/*/f", "/l[b", "/l[b/d/x/f", ["/l[b/d", "/l[b/d/x"]),
        ("/lib/e/**", "/lib", "/lib/d/x/f", []),
    ],
)
def test_only_directories_that_a_pattern_spells_may_go(
    pattern: str, root: str, path: str, directories: list[str]
) -> None:
    """O9."""
    assert emptied_directories([Pattern(pattern, pattern, literal=False)], root, [path]) == directories


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """O9."""
    ledger, written = Ledger(str(tmp_path)), Produced("ab-1", (OLD, ("/d/\udcff", 2**63, 0, -1)))
    assert ledger.read(TASK) == NOTHING
    ledger.write(TASK, written)
    assert ledger.read(TASK) == written
    assert ledger.lies_there(TASK, "ab-1")
    assert not ledger.lies_there(TASK, "ab-12")
    assert not ledger.lies_there(TASK, "ab-")


def test_a_record_of_the_same_length_is_renewed_where_it_lies(tmp_path: Path) -> None:
    """O9."""
    ledger = Ledger(str(tmp_path))
    ledger.write(TASK, Produced("ab-1", (OLD, OTHER)))
    place = tmp_path / ".haz/state/produced-v1/lib.gen"
    inode = place.stat().st_ino
    renewed = Produced("ab-1", (NEW, OTHER))
    ledger.renew(TASK, renewed)
    assert (ledger.read(TASK), place.stat().st_ino) == (renewed, inode)


def _is_copied(place: Path) -> None:
    (place.parent / "copy").hardlink_to(place)


def _is_a_link(place: Path) -> None:
    place.rename(place.parent / "copy")
    place.symlink_to("copy")


def _is_a_pipe(place: Path) -> None:
    place.unlink()
    os.mkfifo(place)


@pytest.mark.parametrize("becomes", [Path.unlink, _is_copied, _is_a_link, _is_a_pipe])
def test_a_record_that_is_no_file_of_its_own_is_replaced(tmp_path: Path, becomes: Callable[[Path], None]) -> None:
    """O9: a workspace that was copied by links keeps its own."""
    ledger, first, renewed = Ledger(str(tmp_path)), Produced("ab-1", (OLD,)), Produced("ab-1", (NEW,))
    ledger.write(TASK, first)
    place = tmp_path / ".haz/state/produced-v1/lib.gen"
    before = place.read_bytes()
    becomes(place)
    ledger.renew(TASK, renewed)
    assert ledger.read(TASK) == renewed
    assert place.is_file()
    assert not place.is_symlink()
    copy = place.parent / "copy"
    assert not copy.exists() or copy.read_bytes() == before


@pytest.mark.parametrize("count", [1, 2, PAGE // len(str(OLD))])
def test_a_record_of_another_length_or_a_large_one_is_replaced(tmp_path: Path, count: int) -> None:
    """O9."""
    ledger = Ledger(str(tmp_path))
    ledger.write(TASK, Produced("ab-1", tuple((f"/d/{n:04}", 1, 1, 1) for n in range(count))))
    place = tmp_path / ".haz/state/produced-v1/lib.gen"
    inode = place.stat().st_ino
    renewed = Produced("ab-1", tuple((f"/d/{n:04}", 2 if count > 2 else 22, 1, 1) for n in range(count)))
    ledger.renew(TASK, renewed)
    assert ledger.read(TASK) == renewed
    assert place.stat().st_ino != inode


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"haz-produced 2 x\n{}",
        b'haz-produced 1 x\n{"task":["lib","gen"]}',
        b'haz-produced 1 x\n{"task":["Lib","gen"],"files":[]}',
        b'haz-produced 1 x\n{"task":["lib","gen"],"files":[["/d/a",1,2]]}',
        b'haz-produced 1 x\n{"task":["lib","gen"],"files":[["/d/a","1x",2,3]]}',
        b'haz-produced 1 \xff\n{"task":["lib","gen"],"files":[]}',
        b"haz-produced 1 x\n[]",
    ],
)
def test_a_strange_record_is_none(tmp_path: Path, text: bytes) -> None:
    """O9."""
    place = tmp_path / ".haz/state/produced-v1"
    place.mkdir(parents=True)
    (place / "lib.gen").write_bytes(text)
    assert Ledger(str(tmp_path)).read(TASK) == NOTHING


def test_a_record_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """D5."""
    (tmp_path / ".haz").write_text("in the way")
    with pytest.raises(StoreError):
        Ledger(str(tmp_path)).write(TASK, NOTHING)
    with pytest.raises(StoreError):
        Ledger(str(tmp_path)).renew(TASK, NOTHING)
