"""Where a workspace is, which directories are its projects, and which of them a directory belongs to."""

from __future__ import annotations

import os

import pytest

from haz import discovery, workspace
from haz.errors import LoadError
from tests.unit.files import write_tree

MARKER = ".haz/workspace.yml"


def roots(loaded):
    return {name: project.root for name, project in loaded.projects.items()}


def load(tmp_path, projects, files, start="."):
    write_tree(tmp_path, {MARKER: f"projects: {projects}\n", **files})
    return workspace.load(str(tmp_path / start))


# --- The root (D1) ---------------------------------------------------------------------------------------------------


def test_the_marker_is_found_from_any_directory_below(tmp_path):
    """DISC-001, DISC-004."""
    write_tree(tmp_path, {MARKER: "projects: []\n", "a/b/c/": ""})
    root = workspace.find_root(str(tmp_path / "a/b/c"))
    assert (root.path, root.explicit) == (str(tmp_path), True)


def test_an_outer_explicit_workspace_wins_over_an_inner_repository(tmp_path):
    """D1, O2: a submodule does not hijack discovery."""
    write_tree(tmp_path, {MARKER: "projects: [/sub]\n", "sub/.git/": "", "sub/haz.yml": "name: sub\n", "sub/src/": ""})
    assert workspace.find_root(str(tmp_path / "sub/src")).path == str(tmp_path)


def test_the_nearest_of_two_explicit_workspaces_wins(tmp_path):
    write_tree(tmp_path, {MARKER: "projects: []\n", "in/.haz/workspace.yml": "projects: []\n"})
    assert workspace.find_root(str(tmp_path / "in")).path == str(tmp_path / "in")


def test_a_repository_with_a_project_file_is_an_implicit_workspace(tmp_path):
    """DISC-003."""
    write_tree(tmp_path, {".git/": "", "haz.yml": "name: solo\ntasks: {t: {command: [x]}}\n", "src/deep/": ""})
    loaded = workspace.load(str(tmp_path / "src/deep"))
    assert (loaded.root, loaded.explicit, roots(loaded)) == (str(tmp_path), False, {"solo": ""})


def test_a_cache_folder_does_not_make_a_workspace_explicit(tmp_path):
    """D1, O1: the first cached run of an implicit workspace must not break the next."""
    write_tree(tmp_path, {".git": "gitdir: /x\n", "haz.yml": "name: solo\n", ".haz/cache/": ""})
    assert workspace.load(str(tmp_path)).explicit is False


def test_a_repository_without_a_project_file_is_passed_by(tmp_path):
    write_tree(tmp_path, {".git/": "", "haz.yml": "name: outer\n", "in/.git/": "", "in/x/": ""})
    assert workspace.find_root(str(tmp_path / "in/x")).path == str(tmp_path)


def test_a_pipe_named_git_is_no_repository(tmp_path):
    write_tree(tmp_path, {"haz.yml": "name: x\n"})
    os.mkfifo(tmp_path / ".git")
    with pytest.raises(LoadError, match="discovery failed"):
        workspace.find_root(str(tmp_path))


def test_without_a_workspace_the_report_says_what_was_nearly_one(tmp_path):
    """DISC-002."""
    write_tree(tmp_path, {"a/.haz/": "", "b/.git/": ""})
    for place, hint in (("a", "has no `workspace.yml`"), ("b", "without a `haz.yml`")):
        with pytest.raises(LoadError) as caught:
            workspace.find_root(str(tmp_path / place))
        (problem,) = caught.value.diagnostics
        assert problem.code == "haz::dsc::001"
        assert "discovery failed" in problem.message
        assert hint in problem.help


def test_a_start_that_is_not_there_is_an_error(tmp_path):
    for start in (str(tmp_path / "nowhere"), __file__):
        with pytest.raises(LoadError) as caught:
            workspace.find_root(start)
        assert caught.value.diagnostics[0].code == "haz::dsc::003"


def test_the_root_is_physical(tmp_path):
    write_tree(
        tmp_path, {"real/.haz/workspace.yml": "projects: [/a]\n", "real/a/haz.yml": "name: a\n", "link": "-> real"}
    )
    loaded = workspace.load(str(tmp_path / "link/a"))
    assert loaded.root == str(tmp_path / "real")
    assert discovery.bearing(loaded, str(tmp_path / "link/a")) == "a"


def test_an_ancestor_that_may_not_be_looked_at_is_passed_over_with_a_warning(tmp_path, monkeypatch):
    """O27."""
    write_tree(tmp_path, {MARKER: "projects: []\n", "a/b/": ""})
    refused = str(tmp_path / "a")
    for name in ("stat", "lstat"):
        real = getattr(os, name)

        def guarded(path, *args, real=real, **options):
            if str(path).startswith(refused + "/."):
                raise PermissionError(13, "Permission denied", path)
            return real(path, *args, **options)

        monkeypatch.setattr(os, name, guarded)
    loaded, diagnostics = workspace.load_tolerant(str(tmp_path / "a/b"))
    assert loaded.root == str(tmp_path)
    assert {(problem.code, problem.severity) for problem in diagnostics} == {("haz::dsc::003", "warning")}


def test_loading_writes_nothing(tmp_path):
    """DISC-030."""
    write_tree(tmp_path, {MARKER: "projects: [/a]\n", "a/haz.yml": "name: a\n"})
    before = sorted(tmp_path.rglob("*"))
    workspace.load(str(tmp_path))
    assert sorted(tmp_path.rglob("*")) == before


# --- `projects` (D2) -------------------------------------------------------------------------------------------------

TREE = {
    "a/haz.yml": "name: a\n",
    "p/one/haz.yml": "name: one\n",
    "p/two/haz.yml": "name: two\n",
    "p/deep/er/haz.yml": "name: deeper\n",
    "p/doc/readme": "",
    ".hidden/haz.yml": "name: hidden\n",
}


@pytest.mark.parametrize(
    ("projects", "names"),
    [
        ("[/a]", "a"),
        ('["/*"]', "a hidden"),
        ('["/p/*"]', "one two"),
        ('["/p/**"]', "deeper one two"),
        ('["/**"]', "a deeper hidden one two"),
        ('["/**/er"]', "deeper"),
        ('["/**", "!/p/**"]', "a hidden"),
        ('["!/p/two", "/p/*"]', "one"),
        ('["/*", "!/"]', "a hidden"),
        ('["/p/two", "!/p/*"]', "two"),
        ('["/{a,p/one}"]', "a one"),
        ('["/p/{one,deep/er}"]', "deeper one"),
        ('["/p/t?o"]', "two"),
        ('["/p/[!o]*", /a]', "a two"),
        (r"""['/p/\one']""", "one"),
        ("[]", ""),
        ("~", ""),
    ],
)
def test_patterns_select_the_directories_that_hold_a_project_file(projects, names, tmp_path):
    """DISC-005, D2, O3."""
    assert " ".join(sorted(load(tmp_path, projects, TREE).projects)) == names


def test_the_workspace_root_can_be_a_project(tmp_path):
    """D2, O16."""
    files = {"haz.yml": "name: top\ntasks: {lint: {command: [x], inputs: [a.c]}}\n", "a/haz.yml": "name: a\n"}
    loaded = load(tmp_path, '[/, "/*"]', files)
    assert roots(loaded) == {"top": "", "a": "/a"}
    assert loaded.projects["top"].tasks["lint"].inputs[0].anchored == "/a.c"
    assert discovery.bearing(loaded, str(tmp_path)) == "top"
    assert discovery.bearing(loaded, str(tmp_path / "a")) == "a"


def test_patterns_skip_the_root_and_the_hidden_folders_of_haz_and_git(tmp_path):
    files = {"haz.yml": "name: top\n", ".haz/x/haz.yml": "name: x\n", ".git/y/haz.yml": "name: y\n", **TREE}
    assert sorted(load(tmp_path, '["/**"]', files).projects) == ["a", "deeper", "hidden", "one", "two"]


def test_a_sibling_reached_through_a_link_too_is_one_project(tmp_path):
    """O4, D2."""
    files = {"p/real/haz.yml": "name: real\n", "p/alias": "-> real"}
    assert roots(load(tmp_path, '["/p/*"]', files)) == {"real": "/p/real"}


def test_a_literal_link_names_the_directory_that_it_leads_to(tmp_path):
    files = {"deep/real/haz.yml": "name: real\n", "link": "-> deep/real"}
    loaded = load(tmp_path, "[/link, /deep/real]", files)
    assert roots(loaded) == {"real": "/deep/real"}
    assert discovery.bearing(loaded, str(tmp_path / "link")) == "real"


def test_a_pattern_matches_the_name_of_a_link(tmp_path):
    """O4."""
    files = {"deep/real/haz.yml": "name: real\n", "links/x": "-> ../deep"}
    assert roots(load(tmp_path, '["/links/*/*"]', files)) == {"real": "/deep/real"}


def test_links_in_circles_and_to_nowhere_are_passed_over(tmp_path):
    """DISC-021, O4."""
    files = {**TREE, "p/up": "-> ..", "p/self": "-> self", "p/gone": "-> /nowhere/at/all", "p/x": "-> y", "p/y": "-> x"}
    assert "one" in load(tmp_path, '["/**"]', files).projects


def test_a_link_that_leaves_the_workspace_matters_only_when_it_is_a_project(tmp_path):
    """DISC-022, O4."""
    write_tree(tmp_path / "out", {"lib/haz.yml": "name: lib\n", "doc/": ""})
    files = {**TREE, "p/doc-link": f"-> {tmp_path}/out/doc", "q/lib": f"-> {tmp_path}/out/lib"}
    assert "one" in load(tmp_path / "ws", '["/p/*"]', files).projects
    write_tree(tmp_path / "ws", {MARKER: 'projects: ["/*/*"]\n'})
    with pytest.raises(LoadError) as caught:
        workspace.load(str(tmp_path / "ws"))
    assert [problem.code for problem in caught.value.diagnostics] == ["haz::dsc::020"]


def test_a_directory_that_cannot_be_listed_is_passed_over_with_a_warning(tmp_path, monkeypatch):
    write_tree(tmp_path, {MARKER: 'projects: ["/**"]\n', **TREE})
    real = os.scandir

    def guarded(path):
        if str(path).endswith("/doc"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", guarded)
    loaded, diagnostics = workspace.load_tolerant(str(tmp_path))
    assert "one" in loaded.projects
    assert [(problem.code, problem.severity) for problem in diagnostics] == [("haz::dsc::022", "warning")]


def test_two_project_names_that_differ_in_case_are_two_projects(tmp_path):
    """CFG-012, ID-004."""
    files = {"a/haz.yml": "name: Lib\n", "b/haz.yml": "name: lib\n"}
    assert sorted(load(tmp_path, '["/*"]', files).projects) == ["Lib", "lib"]


def test_projects_are_in_canonical_order(tmp_path):
    files = {
        f"{n}/haz.yml": f"name: {name}\n"
        for n, name in enumerate(["b10", "b9", "a-b", "a", "B", "_".replace("_", "0")])
    }
    assert list(load(tmp_path, '["/*"]', files).projects) == ["0", "B", "a", "a-b", "b10", "b9"]


def test_a_project_directory_with_metacharacters_is_escaped_in_its_patterns(tmp_path):
    """O22."""
    files = {"p/[ab]x{/haz.yml": 'name: odd\ntasks: {t: {command: [x], inputs: ["*.c", lit.c, /top.c]}}\n'}
    loaded = load(tmp_path, '["/p/*"]', files)
    inputs = loaded.projects["odd"].tasks["t"].inputs
    from haz import _core

    glob, literal, top = inputs
    patterns = _core.PatternSet([[(glob.anchored, False, False)]])
    assert patterns.matching("/p/[ab]x{/z.c") == [0]
    assert patterns.matching("/p/ax{/z.c") == []
    assert (literal.anchored, literal.literal, top.anchored) == ("/p/[ab]x{/lit.c", True, "/top.c")


def test_nested_projects_are_allowed_and_the_deepest_bears(tmp_path):
    """EXEC-022."""
    files = {"a/haz.yml": "name: a\n", "a/b/haz.yml": "name: b\n", "a/b/src/": "", "ab/": ""}
    loaded = load(tmp_path, "[/a, /a/b]", files)
    expected = {"a": "a", "a/b": "b", "a/b/src": "b", "ab": None, ".": None, ".haz": None}
    assert {place: discovery.bearing(loaded, str(tmp_path / place)) for place in expected} == expected
    assert discovery.bearing(loaded, str(tmp_path / "gone")) is None
