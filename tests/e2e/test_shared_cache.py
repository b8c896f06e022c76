"""One cache for several clones of a workspace, at different places and at once."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.space import Space

if TYPE_CHECKING:
    from pathlib import Path

TASKS = "\n".join(
    f't{n}: {{shell: "cat in > o{n}; echo {n} >> o{n}", inputs: [in], outputs: [o{n}]}}' for n in range(20)
)


def clones(space: Space, tmp_path: Path) -> tuple[Space, Space, dict[str, str]]:
    space.project("lib", TASKS)
    space.write("lib/in", "text")
    other = tmp_path / "elsewhere" / "deeper" / "clone"
    shutil.copytree(space.root, other)
    return space, Space(other), {"HAZ_CACHE_DIR": str(tmp_path / "cache")}


def test_clones_share_what_one_of_them_has_stored(space: Space, tmp_path: Path) -> None:
    """D3, D4: `HAZ_CACHE_DIR` is the user's choice, and the key says nothing of places."""
    one, two, env = clones(space, tmp_path)
    assert len(one.run("--workspace", env=env).ok().ran) == 20
    assert len(two.run("--workspace", env=env).ok().cached) == 20
    assert two.read("lib/o7") == one.read("lib/o7") == b"text7\n"
    assert not (one.root / ".haz/cache").exists()


def test_clones_may_run_at_once(space: Space, tmp_path: Path) -> None:
    """D4, D5, spec 02 §10.15: no locks are shared, and nobody fails."""
    one, two, env = clones(space, tmp_path)
    for text in "abc":
        running = []
        for clone in (one, two):
            clone.write("lib/in", text)
            running.append(clone.start("run", "--workspace", env=env))
        for process in running:
            done = process.end().ok()
            assert "warning" not in done.err
        assert one.read("lib/o3") == two.read("lib/o3") == f"{text}3\n".encode()
    assert one.haz("cache", "verify", env=env).ok().err == ""


def test_a_cache_directory_is_of_the_workspace_or_of_the_home(space: Space, tmp_path: Path) -> None:
    """D7: a leading `/` is the workspace root, `~/` the user's home."""
    space.project("lib", 't: {shell: "true"}')
    space.settings("cache: {dir: /kept/here}\n")
    space.run("--workspace").ok()
    assert (space.root / "kept/here/entries-v1").is_dir()
    listing = space.root / ".haz/workspace.yml"
    listing.write_text(listing.read_text().replace("/kept/here", "~/haz"))
    space.run("--workspace", env={"HOME": str(tmp_path)}).ok()
    assert (tmp_path / "haz/entries-v1").is_dir()
