"""What an earlier result left behind goes on a hit; what the user made stays (O9, CACHE-023)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.space import Space

WORDS = "mkdir -p d/sub; for w in $(cat in); do echo $w > d/$w; echo $w > d/sub/$w; done"


def words(space: Space, outputs: str = '["d/**"]', script: str = f"rm -rf d; {WORDS}") -> None:
    space.project("lib", f"gen: {{inputs: [in], outputs: {outputs}, shell: '{script}'}}")
    for text in ("one", "two", "one"):
        space.write("lib/in", text)
        space.run("lib:gen").ok()


def made(space: Space) -> set[str]:
    return {path.removeprefix("lib/d/") for path in space.files("lib/d")}


def test_files_of_another_result_are_removed_on_a_hit(space: Space) -> None:
    """CACHE-023, O9."""
    words(space)
    assert made(space) == {"one", "sub/one"}


def test_the_next_hit_removes_what_the_last_one_restored(space: Space) -> None:
    """CACHE-023, O9."""
    words(space)
    space.write("lib/in", "two")
    assert space.run("lib:gen").ok().cached == {"lib:gen"}
    assert made(space) == {"two", "sub/two"}


def test_what_was_lost_and_restored_is_removed_later(space: Space) -> None:
    """O9."""
    words(space)
    (space.root / "lib/d/one").unlink()
    space.run("lib:gen").ok()
    space.write("lib/in", "two")
    space.run("lib:gen").ok()
    assert made(space) == {"two", "sub/two"}


def test_what_a_failed_run_has_made_is_removed_on_a_hit(space: Space) -> None:
    """O9."""
    words(space, script=f"rm -rf d; {WORDS}; ! grep -q bad in")
    space.write("lib/in", "bad")
    assert space.run("lib:gen").code == 1
    space.write("lib/in", "one")
    assert space.run("lib:gen").ok().cached == {"lib:gen"}
    assert made(space) == {"one", "sub/one"}


def test_what_a_run_without_the_cache_has_made_is_removed_on_a_hit(space: Space) -> None:
    """O9."""
    words(space, script=WORDS)
    space.write("lib/in", "three")
    space.run("--no-cache", "lib:gen").ok()
    space.write("lib/in", "one")
    space.run("lib:gen").ok()
    assert made(space) == {"one", "sub/one"}


def test_a_directory_that_only_the_pattern_spells_goes_with_its_last_file(space: Space) -> None:
    """O9."""
    words(space, script="mkdir -p d/$(cat in)/deep; echo x > d/$(cat in)/deep/f")
    assert sorted(os.listdir(space.root / "lib/d")) == ["one"]


def test_the_directory_that_the_pattern_names_stays(space: Space) -> None:
    """O9."""
    words(space, script="mkdir -p d; rm -f d/*; grep -q one in || echo x > d/f")
    assert os.listdir(space.root / "lib/d") == []


def test_clean_false_keeps_them(space: Space) -> None:
    """O9."""
    words(space, '{paths: ["d/**"], clean: false}')
    assert made(space) == {"one", "sub/one", "two", "sub/two"}


def test_a_file_that_the_user_put_there_stays(space: Space) -> None:
    """O9."""
    space.write("lib/d/mine", "mine")
    words(space, script=WORDS)
    space.write("lib/d/later", "mine too")
    for text in ("two", "one"):
        space.write("lib/in", text)
        space.run("lib:gen").ok()
    assert {"mine", "later"} < made(space)


def test_a_file_of_the_user_that_a_task_has_replaced_stays(space: Space) -> None:
    """A formatter writes files anew; that does not make them its own. O9."""
    space.project("lib", "fmt: {inputs: [in], outputs: ['src/**'], shell: 'for f in src/*; do cp $f t; mv t $f; done'}")
    space.write("lib/src/a", "a")
    for text in ("one", "two"):
        space.write("lib/in", text)
        space.write(f"lib/src/{text}", text)
        space.run("lib:fmt").ok()
    space.write("lib/in", "one")
    assert space.run("lib:fmt").ok().cached == {"lib:fmt"}
    assert set(space.files("lib/src")) == {"lib/src/a", "lib/src/one", "lib/src/two"}


def test_a_file_of_the_task_that_the_user_has_changed_stays(space: Space) -> None:
    """O9."""
    words(space)
    space.write("lib/d/one", "edited")
    space.write("lib/in", "two")
    space.run("lib:gen").ok()
    assert space.read("lib/d/one") == b"edited"


def test_a_file_of_another_task_in_the_same_directory_stays(space: Space) -> None:
    """O9."""
    space.project("other", "gen: {inputs: [in], outputs: ['/lib/d/**'], shell: 'mkdir -p ../lib/d; cp in ../lib/d/o'}")
    space.write("other/in", "x")
    space.run("other:gen").ok()
    words(space, script=WORDS)
    assert "o" in made(space)


def test_nothing_is_removed_through_a_link(space: Space) -> None:
    """O9, O19."""
    words(space, script=WORDS)
    (space.root / "lib/d").rename(space.root / "lib/elsewhere")
    (space.root / "lib/d").symlink_to("elsewhere")
    space.write("lib/in", "two")
    space.run("lib:gen").ok()
    assert (space.root / "lib/elsewhere/one").exists()


def test_outputs_that_are_declared_no_longer_stay(space: Space) -> None:
    """O9, D3."""
    words(space)
    space.write("lib/haz.yml", "name: lib\ntasks: {gen: {inputs: [in], outputs: ['e/**'], shell: 'mkdir -p e'}}\n")
    for _ in range(2):
        space.run("lib:gen").ok()
    assert made(space) == {"one", "sub/one"}


def test_a_record_that_cannot_be_read_removes_nothing(space: Space) -> None:
    """O9."""
    words(space)
    (space.root / ".haz/state/produced-v1/lib.gen").write_bytes(b"haz-produced 1 \n{")
    space.write("lib/in", "two")
    space.run("lib:gen").ok()
    assert made(space) == {"one", "sub/one", "two", "sub/two"}


def test_a_record_that_cannot_be_written_is_a_warning(space: Space) -> None:
    """D5, O9."""
    space.write(".haz/state", "in the way")
    space.project("lib", "gen: {outputs: ['d/**'], shell: 'mkdir -p d; echo > d/f'}")
    assert "[lib:gen] warning: what it has made was not noted" in space.run("lib:gen").ok().err


def test_a_dry_run_and_why_remove_nothing(space: Space) -> None:
    """O9."""
    words(space)
    space.write("lib/in", "two")
    space.run("--dry-run", "lib:gen").ok()
    space.haz("why", "lib:gen").ok()
    assert made(space) == {"one", "sub/one"}
