"""`haz init --yes` (spec 04 §11.1, §11.2)."""

from __future__ import annotations

import pytest

from tests.space import Space


def test_yes_writes_one_file_with_exact_bytes_and_says_nothing(space: Space) -> None:
    """AUX-001, AUX-007."""
    done = space.haz("init", "--yes").ok()
    assert (done.out, done.err) == ("", "")
    assert space.files() == {".haz/workspace.yml": (0o644, b"projects: []\n")}
    assert space.haz("check").ok().out == "0 task(s) validated.\n"


def test_yes_warns_of_what_it_hides(space: Space) -> None:
    """AUX-007, 04 §14 B13: it used to hide a project, and to leave a workspace, without a word."""
    own = b"name: top\ntasks: {}\n"
    space.write("haz.yml", own)
    done = space.haz("init", "--yes").ok()
    assert (done.out, done.err) == ("", f"warning: {space.root}/haz.yml is a project only when `projects` lists `/`\n")
    assert space.files() == {".haz/workspace.yml": (0o644, b"projects: []\n"), "haz.yml": (0o644, own)}
    (space.root / "inner").mkdir()
    done = space.haz("init", "--yes", cwd="inner").ok()
    outer = f"lies in the workspace {space.root}, which does not see it from now on\n"
    assert (done.out, done.err) == ("", f"warning: {space.root}/inner {outer}")
    assert (space.root / "inner/.haz/workspace.yml").read_bytes() == b"projects: []\n"


@pytest.mark.parametrize("kind", ["directory", "file", "dangling link"])
def test_an_existing_haz_is_refused_untouched(space: Space, kind: str) -> None:
    """AUX-002."""
    target = space.root / ".haz"
    if kind == "directory":
        target.mkdir()
    elif kind == "file":
        target.write_text("mine")
    else:
        target.symlink_to("nowhere")
    done = space.haz("init", "--yes")
    assert done.code == 2
    assert "existing workspace" in done.err
    assert str(target) in done.err
    assert not (space.root / ".haz/workspace.yml").exists()
