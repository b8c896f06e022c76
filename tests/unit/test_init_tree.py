"""The tree of `haz init` and what a selection becomes, without a terminal (AUX-003..005)."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haz.errors import FileSystemError
from haz.init.folders import Folder, Folders
from haz.init.selection import Chosen, plan, project_name
from haz.init.tree import BUTTON, Tree
from haz.init.write import InitError, prove, write
from haz.workspace import load

SOME = {"": ["a", ".d", "b"], "/a": ["x", ".y"], "/a/x": ["deep"], "/.d": ["in"], "/b": []}


class Fake:
    """Directories by path; dot directories are hidden."""

    def __init__(self, listed: dict[str, list[str]] = SOME) -> None:
        self.listed = listed

    def below(self, path: str) -> list[Folder]:
        return [Folder(name, "dot" if name.startswith(".") else "") for name in sorted(self.listed.get(path, ()))]


def pressed(tree: Tree, *keys: str) -> Tree:
    for key in keys:
        assert tree.press(key) is None
    return tree


def names(tree: Tree) -> list[str]:
    return [row.name for row in tree.rows()]


def test_moving_wraps_over_rows_and_button() -> None:
    tree = pressed(Tree(Fake()), "up")
    assert tree.focus == BUTTON
    assert pressed(tree, "down").focus == ""
    assert pressed(tree, "down", "down", "down", "down").focus == ""


def test_a_root_may_be_a_project_and_a_projects_parent(tmp_path: Path) -> None:
    """O5 of 04 §14: the root as parent gave `//*`, as a project it failed."""
    (tmp_path / "one").mkdir()
    for keys, entry in (((" ",), "/"), ((" ", " "), "/*")):
        tree = pressed(Tree(Folders(str(tmp_path))), *keys)
        assert plan(str(tmp_path), tree.selection()).entries == (entry,)


def test_a_parent_clears_what_is_below_for_good_and_locks_it() -> None:
    tree = pressed(Tree(Fake()), "down", "right", "down", "right", " ")
    assert [(chosen.path, chosen.state) for chosen in tree.selection()] == [("/a/x", "project")]
    pressed(tree, "up", " ", " ")
    assert tree.selection() == [Chosen("/a", "parent", ("x",))]
    assert [row.locked for row in tree.rows()] == [False, False, True, True, False]
    pressed(tree, "down", " ")
    assert (tree.bell, "projects-parent" in tree.status) == (True, True)
    pressed(tree, "up", " ")
    assert tree.selection() == []


def test_hidden_directories_that_go_take_their_selection_and_say_so() -> None:
    """O13 of 04 §14: dropped silently."""
    tree = pressed(Tree(Fake()), "h", "down")
    assert (names(tree), tree.focus) == (["/", ".d", "a", "b"], "/.d")
    pressed(tree, " ", "h")
    assert (names(tree), tree.focus, tree.count()) == (["/", "a", "b"], "", 0)
    assert "1 selection dropped" in tree.status
    pressed(tree, "h")
    assert tree.count() == 0


def test_rows_that_stay_keep_state_and_expansion() -> None:
    tree = pressed(Tree(Fake()), "down", "right", "down", " ", "h")
    assert names(tree) == ["/", ".d", "a", ".y", "x", "b"]
    assert (tree.focus, tree.count()) == ("/a/x", 1)


def test_a_parent_whose_directories_are_all_hidden_is_none_any_more() -> None:
    tree = pressed(Tree(Fake({"": ["a"], "/a": [".x"]})), "h", "down", " ", " ")
    assert tree.selection() == [Chosen("/a", "parent", (".x",))]
    assert pressed(tree, "h").selection() == []


@given(st.lists(st.sampled_from(["up", "down", "left", "right", " ", "h", "?", "x"]), max_size=60))
def test_no_keys_lead_to_a_selection_that_contradicts_itself(keys: list[str]) -> None:
    tree = pressed(Tree(Fake()), *keys)
    assert tree.focus == BUTTON or tree.focus in {row.path for row in tree.rows()}
    chosen = tree.selection()
    for parent in (one for one in chosen if one.state == "parent"):
        assert parent.children
        assert not [one for one in chosen if one.path.startswith(f"{parent.path}/")]


def test_a_directory_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    tree = Tree(Folders(str(tmp_path)))
    (tmp_path / "gone").rmdir()
    tree.press("down")
    with pytest.raises(FileSystemError, match=r"cannot list .*gone: No such file"):
        tree.press("right")


def test_git_decides_what_is_ignored_by_the_file_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither nested files nor those of the repository count."""
    for path in ("out/in", "keep/out", "keep/nested", "logs/kept", ".dot"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "link").symlink_to("keep")
    (tmp_path / ".gitignore").write_text("/out\nlogs/*\n!logs/kept\n")
    (tmp_path / "keep/.gitignore").write_text("nested\n")
    (tmp_path / "user").write_text("kee*/nested\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    folders = Folders(str(tmp_path))
    assert folders.below("") == [
        Folder(".dot", "dot"),
        Folder("keep", ""),
        Folder("logs", ""),
        Folder("out", "ignored"),
    ]
    assert folders.below("/out") == [Folder("in", "ignored")]
    assert folders.below("/keep") == [Folder("nested", ""), Folder("out", "")]
    assert folders.below("/logs") == [Folder("kept", "")]
    (tmp_path / "config").write_text(f"[core]\n\texcludesFile = {tmp_path}/user\n")
    assert Folders(str(tmp_path)).below("/keep") == [Folder("nested", "ignored"), Folder("out", "")]


@pytest.mark.parametrize(
    ("base", "name"),
    [("My App", "My-App"), ("café", "caf-"), ("__lib", "lib"), ("a--b  c", "a-b-c"), ("x" * 64, "x" * 64)],
)
def test_names_are_derived_from_directories(base: str, name: str) -> None:
    """AUX-005."""
    assert project_name(base, "/d") == name


@pytest.mark.parametrize("base", ["___", "", "x" * 65, "é"])
def test_what_gives_no_name_is_told(base: str) -> None:
    with pytest.raises(InitError, match="could not derive a valid project name from the directory /d"):
        project_name(base, "/d")


def test_equal_names_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    """O5 of 04 §14."""
    for path in ("a/core", "b/core"):
        (tmp_path / path).mkdir(parents=True)
    both = [Chosen("/a/core", "project"), Chosen("/b/core", "project")]
    with pytest.raises(InitError, match="of the name `core`: /a/core and /b/core"):
        plan(str(tmp_path), both)
    (tmp_path / "a/core/haz.yml").write_text("name: other\n")
    found = plan(str(tmp_path), both)
    assert (found.new, found.kept) == ((("/b/core", "core"),), ("a/core/haz.yml",))


ODD = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=("C", "Zl", "Zp")),
    min_size=1,
    max_size=12,
)


@given(
    st.sets(ODD.filter(lambda name: name not in (".", "..", ".git", ".haz", "haz.yml")), min_size=1, max_size=4),
    st.data(),
)
def test_everything_that_is_written_loads(
    tmp_path_factory: pytest.TempPathFactory, odd: set[str], data: st.DataObject
) -> None:
    """O5 of 04 §14: names that YAML or a glob reads as something else."""
    root = tmp_path_factory.mktemp("w")
    chosen = []
    for name in sorted(odd):
        (root / name / "inner").mkdir(parents=True)
        state = data.draw(st.sampled_from(["project", "parent"]))
        chosen.append(Chosen(f"/{name}", state, ("inner",) if state == "parent" else ()))
    try:
        found = plan(str(root), chosen)
    except InitError:
        return
    prove(str(root), found.texts, found.kept)
    write(str(root), found.texts)
    roots = {project.root for project in load(str(root)).projects.values()}
    assert roots == {f"{one.path}/inner" if one.state == "parent" else one.path for one in chosen}


def test_what_a_glob_matches_besides_takes_part_in_the_proof(tmp_path: Path) -> None:
    """Its hidden directories with a `haz.yml` are projects too."""
    for path in ("p/shown", "p/.hidden"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "p/.hidden/haz.yml").write_text("name: shown\n")
    found = plan(str(tmp_path), [Chosen("/p", "parent", ("shown",))])
    assert found.kept == ("p/.hidden/haz.yml",)
    with pytest.raises(Exception, match="does not make a workspace"):
        prove(str(tmp_path), found.texts, found.kept)
