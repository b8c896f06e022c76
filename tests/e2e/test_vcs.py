"""What git says has changed (EXEC-026…029), in every kind of repository; the oracle is another command of git."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from haz.vcs import Changeset, Filter, UnknownBase, VcsError, changeset
from tests.repository import Repository, neutral  # noqa: F401 - a fixture

pytestmark = pytest.mark.usefixtures("neutral")

CHANGED, STAGED = Filter("changed"), Filter("staged")


def since(revision: str, *, merge_base: bool = False) -> Filter:
    return Filter("since", revision, merge_base)


def paths(repository: Repository, wanted: Filter = CHANGED, place: str = "") -> set[str]:
    return set(changeset(str(repository.root / place), wanted).paths)


def expected(repository: Repository) -> set[str]:
    return {f"/{path}" for path in repository.status()}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Three committed files, of which each then changes in another way, and two new ones."""
    made = Repository.new(tmp_path / "r", **{"a.c": "a", "b.c": "b", "lib/c.c": "c", ".gitignore": "*.o\n"})
    made.write("a.c", "staged")
    made.git("add", "a.c")
    made.write("b.c", "unstaged")
    made.remove("lib/c.c")
    made.write("lib/new.c", "untracked")
    made.write("lib/new.o", "ignored")
    return made


def test_changed_is_the_working_tree_against_head_with_untracked_files(repository: Repository) -> None:
    """EXEC-027."""
    assert paths(repository) == {"/a.c", "/b.c", "/lib/c.c", "/lib/new.c"} == expected(repository)


def test_staged_is_the_index_against_head_alone(repository: Repository) -> None:
    """EXEC-028."""
    assert paths(repository, STAGED) == {"/a.c"}


def test_since_is_the_working_tree_against_a_commit_with_untracked_files(repository: Repository) -> None:
    """EXEC-029: directly, and not against the merge base."""
    first = repository.git("rev-parse", "HEAD").decode().strip()
    repository.commit("second")
    repository.write("after.c")
    everything = {"/a.c", "/b.c", "/lib/c.c", "/lib/new.c", "/after.c"}
    for name in (first, "HEAD~1", "HEAD^"):
        found = changeset(str(repository.root), since(name))
        assert (set(found.paths), found.base) == (everything, first)
    repository.git("tag", "-a", "-m", "x", "v1", first)
    assert paths(repository, since("v1")) == everything
    assert paths(repository, since("HEAD")) == {"/after.c"}


def test_a_workspace_below_the_top_of_the_repository(repository: Repository) -> None:
    """EXEC-026: its untracked files used to be lost; what is outside of it is left out."""
    assert paths(repository, place="lib") == {"/c.c", "/new.c"}
    repository.git("add", "-A")
    assert paths(repository, STAGED, "lib") == {"/c.c", "/new.c"}


def test_a_rename_is_both_of_its_sides(repository: Repository) -> None:
    """EXEC-026: the owner of the old path used to be passed over."""
    repository.commit()
    repository.git("config", "diff.renames", "copies")
    repository.git("mv", "a.c", "lib/moved.c")
    assert paths(repository) == paths(repository, STAGED) == {"/a.c", "/lib/moved.c"}


def test_before_the_first_commit_everything_has_changed(tmp_path: Path) -> None:
    """EXEC-027, EXEC-028."""
    new = Repository.new(tmp_path)
    new.write("tracked.c", "1")
    new.git("add", "-A")
    new.write("untracked.c")
    found = changeset(str(tmp_path), CHANGED)
    assert (set(found.paths), found.base, found.before("/tracked.c")) == ({"/tracked.c", "/untracked.c"}, None, None)
    assert paths(new, STAGED) == {"/tracked.c"}
    with pytest.raises(UnknownBase, match="git does not know the commit `HEAD`"):
        changeset(str(tmp_path), since("HEAD"))


ODD = [
    b"new\nline",
    b'quo"te',
    b"-dash",
    b"co:lon",
    b"\xff\xfe",
    b" blank ",
    b"tab\t",
    "\u202ertl".encode(),
    b"\\n",
    b"*?[",
]


@pytest.mark.parametrize("quoting", ["true", "false"])
def test_odd_names_are_names(tmp_path: Path, quoting: str) -> None:
    """EXEC-026: one such name used to fail the whole command. With every `core.quotePath`."""
    made = Repository.new(tmp_path / "r", first="1")
    made.git("config", "core.quotePath", quoting)
    wanted = {"/" + os.fsdecode(b"d/" + name) for name in ODD}
    for name in ODD:
        made.write(b"d/" + name, "1")
    assert paths(made) == wanted == expected(made)
    made.git("add", "-A")
    assert paths(made, STAGED) == wanted
    made.git("commit", "-q", "-m", "odd")
    assert paths(made, since("HEAD~1")) == wanted
    made.write(b"d/\xff\xfe", "2")
    found = changeset(str(made.root), since("HEAD"))
    assert found.paths == {"/" + os.fsdecode(b"d/\xff\xfe")}
    assert [found.before(*found.paths), found.after(*found.paths)] == [b"1", b"2"]


def test_a_directory_with_an_odd_name_is_a_workspace(tmp_path: Path) -> None:
    made = Repository.new(tmp_path / "top\n", **{"-w\n [x]/a": "1", "other": "2"})
    made.write("-w\n [x]/a", "2")
    made.write("other", "3")
    assert paths(made, place="-w\n [x]") == {"/a"}


@pytest.mark.parametrize("revision", ["-", "--output=stolen", "-x", "--cached", "", "HEAD..HEAD", "HEAD...HEAD"])
def test_a_revision_is_never_an_option(repository: Repository, revision: str) -> None:
    """EXEC-029: `--output=FILE` used to overwrite FILE."""
    repository.write("stolen", "mine")
    with pytest.raises(VcsError, match="--git-changed-since") as raised:
        changeset(str(repository.root), since(revision))
    assert not isinstance(raised.value, UnknownBase)
    assert (repository.root / "stolen").read_text() == "mine"


def test_a_revision_is_a_commit_and_no_path(repository: Repository) -> None:
    for name in ("a.c", "HEAD:a.c", "HEAD^{tree}", "nothing", ":/nothing", "HEAD\n"):
        with pytest.raises(UnknownBase, match="git does not know the commit"):
            changeset(str(repository.root), since(name))


# What a user may have configured for his own eyes, or have for his own hooks.
HABITS = {
    "core.fsmonitor": "touch {place}/ran; echo /",
    "core.hooksPath": "{place}/hooks",
    "core.quotePath": "true",
    "color.ui": "always",
    "color.diff": "always",
    "core.pager": "touch {place}/ran; cat",
    "diff.external": "touch {place}/ran; true",
    "diff.fake.textconv": "touch {place}/ran; echo",
    "diff.fake.command": "touch {place}/ran; true",
    "diff.renames": "copies",
    "diff.noprefix": "true",
    "diff.mnemonicPrefix": "true",
    "diff.relative": "true",
    "diff.ignoreSubmodules": "all",
    "diff.submodule": "log",
    "diff.autoRefreshIndex": "false",
    "diff.orderFile": "/nonexistent",
    "status.showUntrackedFiles": "no",
    "status.relativePaths": "false",
    "status.renames": "copies",
    "status.short": "true",
    "submodule.recurse": "true",
    "advice.detachedHead": "true",
    "alias.diff": "!touch {place}/ran",
    "alias.ls-files": "!touch {place}/ran",
}


def test_what_a_user_has_configured_changes_nothing(repository: Repository, tmp_path: Path, neutral: Path) -> None:  # noqa: F811
    """EXEC-026: `diff.relative` used to lose every change."""
    repository.write(".gitattributes", "*.c diff=fake\n")
    hook = tmp_path / "hooks/post-index-change"
    hook.parent.mkdir()
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    before = {place: (paths(repository, place=place), paths(repository, STAGED, place)) for place in ("", "lib")}
    with open(neutral / ".gitconfig", "a") as file:
        for name, value in HABITS.items():
            section, _, key = name.rpartition(".")
            first, _, rest = section.partition(".")
            header = f'[{first} "{rest}"]' if rest else f"[{first}]"
            file.write(f'{header}\n\t{key} = "{value.format(place=tmp_path)}"\n')
    after = {place: (paths(repository, place=place), paths(repository, STAGED, place)) for place in ("", "lib")}
    assert after == before
    assert not (tmp_path / "ran").exists()


def test_the_environment_of_a_caller_changes_nothing(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = paths(repository)
    for name, value in {
        "GIT_EXTERNAL_DIFF": f"touch {tmp_path}/ran",
        "GIT_PAGER": f"touch {tmp_path}/ran",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_ICASE_PATHSPECS": "0",
        "GIT_DIFF_OPTS": "--unified=0",
        "GIT_OPTIONAL_LOCKS": "1",
        "GIT_NAMESPACE": "x",
        "LC_ALL": "de_DE.UTF-8",
    }.items():
        monkeypatch.setenv(name, value)
    assert paths(repository) == wanted
    assert not (tmp_path / "ran").exists()


class TestHooks:
    """Git gives its hooks variables that must not lead to another repository, or to another place in this one."""

    @pytest.mark.parametrize("git_dir", [".git", "{top}/.git", "/nowhere"])
    @pytest.mark.parametrize("place", ["", "lib"])
    def test_variables_of_a_hook_do_not_lead_astray(
        self, repository: Repository, monkeypatch: pytest.MonkeyPatch, git_dir: str, place: str
    ) -> None:
        wanted = paths(repository, place=place), paths(repository, STAGED, place)
        monkeypatch.setenv("GIT_DIR", git_dir.format(top=repository.root))
        monkeypatch.setenv("GIT_INDEX_FILE", ".git/index")
        monkeypatch.setenv("GIT_PREFIX", "lib/")
        assert (paths(repository, place=place), paths(repository, STAGED, place)) == wanted
        monkeypatch.setenv("GIT_WORK_TREE", ".")
        assert (paths(repository, place=place), paths(repository, STAGED, place)) == wanted

    def test_the_hook_of_another_repository(
        self, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wanted = paths(repository), paths(repository, STAGED)
        other = Repository.new(tmp_path / "other", x="1")
        monkeypatch.setenv("GIT_DIR", str(other.root / ".git"))
        monkeypatch.setenv("GIT_WORK_TREE", str(other.root))
        monkeypatch.setenv("GIT_INDEX_FILE", str(other.root / ".git/index"))
        assert (paths(repository), paths(repository, STAGED)) == wanted

    def test_a_repository_that_is_kept_elsewhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        made = Repository.new(tmp_path / "work", **{"a": "1", "sub/b": "1"})
        (made.root / ".git").rename(tmp_path / "store")
        made.write("sub/b", "2")
        monkeypatch.setenv("GIT_DIR", str(tmp_path / "store"))
        monkeypatch.setenv("GIT_WORK_TREE", str(made.root))
        assert paths(made) == {"/sub/b"}
        assert paths(made, place="sub") == {"/b"}

    @pytest.mark.parametrize("words", [("-a",), ("lib/c.c",), ("-i", "b.c")])
    def test_staged_in_a_hook_is_what_the_commit_will_hold(
        self, repository: Repository, tmp_path: Path, words: tuple[str, ...]
    ) -> None:
        """EXEC-028: `git commit -a` and `git commit FILE` keep an index of their own."""
        script = "from haz.vcs import *; import sys; print(*sorted(changeset(sys.argv[1], Filter('staged')).paths))"
        hook = repository.root / ".git/hooks/pre-commit"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(
            f"#!/bin/sh\n{shlex.quote(sys.executable)} -c {shlex.quote(script)} {repository.root} > {tmp_path}/seen\n"
        )
        hook.chmod(0o755)
        search = os.pathsep.join(path for path in sys.path if path)
        repository.git("commit", "-q", "-m", "x", *words, env={"PYTHONPATH": search})
        held = repository.git("diff", "--name-only", "HEAD~1", "HEAD").decode().split()
        assert (tmp_path / "seen").read_text().split() == [f"/{path}" for path in held]


class TestBase:
    def fork(self, tmp_path: Path) -> Repository:
        """`topic` left `main` at `two`; both went on."""
        made = Repository.new(tmp_path / "origin", one="1")
        made.write("two", "2")
        made.commit()
        made.git("checkout", "-q", "-b", "topic")
        made.write("topic", "t")
        made.commit()
        made.git("checkout", "-q", "main")
        made.write("main", "m")
        made.commit()
        made.git("checkout", "-q", "topic")
        return made

    def test_the_merge_base_leaves_out_what_others_did(self, tmp_path: Path) -> None:
        """EXEC-029: `--merge-base`."""
        made = self.fork(tmp_path)
        made.write("new")
        assert paths(made, since("main")) == {"/topic", "/main", "/new"}
        found = changeset(str(made.root), since("main", merge_base=True))
        assert set(found.paths) == {"/topic", "/new"}
        assert found.base == made.git("merge-base", "main", "HEAD").decode().strip()

    def test_histories_without_anything_in_common(self, tmp_path: Path) -> None:
        made = self.fork(tmp_path)
        made.git("checkout", "-q", "--orphan", "other")
        made.commit()
        with pytest.raises(UnknownBase, match="no history in common") as raised:
            changeset(str(made.root), since("main", merge_base=True))
        assert raised.value.fetch is None

    @pytest.mark.parametrize(
        ("branch", "revision", "merge_base"),
        [
            ("topic", "origin/main", False),
            ("topic", "refs/remotes/origin/main", False),
            ("topic", "origin/main", True),
            ("topic", "origin/main~1", False),
            ("topic", "HEAD~1", False),
            ("topic", "HEAD~1", True),
            ("main", "origin/topic", True),
            ("main", "{topic}", False),
            ("main", "{topic}", True),
            ("main", "v1", False),
            ("main", "refs/tags/v1", False),
            ("main", "tags/v1", True),
            ("topic", "remotes/origin/main", False),
        ],
    )
    @pytest.mark.parametrize("depth", [["--depth", "1"], ["--single-branch"], ["--depth", "1", "--no-tags"]])
    def test_the_command_that_is_named_brings_what_is_missing(
        self, tmp_path: Path, branch: str, revision: str, merge_base: bool, depth: list[str]
    ) -> None:
        """EXEC-029: of a shallow or partial clone."""
        origin = self.fork(tmp_path)
        origin.git("tag", "v1", "main~1")
        revision = revision.format(topic=origin.git("rev-parse", "topic").decode().strip())
        place = tmp_path / "clone"
        subprocess.run(["git", "clone", "-q", *depth, "-b", branch, f"file://{origin.root}", place], check=True)
        clone = Repository(place)
        commands: list[str] = []
        for _ in range(2):
            try:
                found = paths(clone, since(revision, merge_base=merge_base))
                break
            except UnknownBase as error:
                unknown = error
            assert unknown.fetch is not None
            assert f"`{unknown.fetch}`" in (unknown.hint or "")
            assert "--on-unknown all" in (unknown.hint or "")
            commands.append(unknown.fetch)
            subprocess.run(shlex.split(unknown.fetch), cwd=place, check=True, capture_output=True)
        else:
            pytest.fail(f"still unknown after {commands}")
        base = revision.replace("refs/", "").replace("remotes/", "").replace("origin/", "")
        base = base.replace("HEAD", branch)
        words = ["--merge-base"] if merge_base else []
        told = origin.git("diff", "--name-only", "--no-renames", *words, base, branch, "--").decode().split()
        assert found == {f"/{path}" for path in told}
        assert commands or depth == ["--single-branch"]

    @pytest.mark.parametrize("depth", [["--depth", "1"], ["--single-branch"], []])
    @pytest.mark.parametrize(("typed", "rest"), [("main", ""), ("heads/main", "~1"), ("refs/heads/main", "^^")])
    def test_a_branch_that_only_the_remote_has_is_told_with_its_name_here(
        self, tmp_path: Path, typed: str, rest: str, depth: list[str]
    ) -> None:
        """EXEC-029: in a clone of another branch `main` is nothing that git knows."""
        origin = self.fork(tmp_path)
        place = tmp_path / "clone"
        subprocess.run(["git", "clone", "-q", *depth, "-b", "topic", f"file://{origin.root}", place], check=True)
        with pytest.raises(UnknownBase) as raised:
            changeset(str(place), since(typed + rest))
        if depth:
            command = next(one for one in (raised.value.hint or "").split("`") if "+refs/heads/main:" in one)
            assert "is then called `origin/main`" in (raised.value.hint or "")
            subprocess.run(shlex.split(command), cwd=place, check=True, capture_output=True)
            with pytest.raises(UnknownBase) as raised:
                changeset(str(place), since(typed + rest))
        assert f"it is called `origin/main{rest}` here" in (raised.value.hint or "")
        found = paths(Repository(place), since(f"origin/main{rest}"))
        told = origin.git("diff", "--name-only", f"main{rest}", "topic", "--").decode().split()
        assert found == {f"/{path}" for path in told}

    def test_history_that_ends(self, tmp_path: Path) -> None:
        made = self.fork(tmp_path)
        with pytest.raises(UnknownBase, match="git does not know the commit `HEAD~9`") as raised:
            changeset(str(made.root), since("HEAD~9"))
        assert "the history of `HEAD` does not go back that far" in (raised.value.hint or "")
        with pytest.raises(UnknownBase) as raised:
            changeset(str(made.root), since("mian~1"))
        assert "perhaps you mean `main~1`" in (raised.value.hint or "")

    def test_a_name_that_nobody_knows(self, tmp_path: Path) -> None:
        """EXEC-029: of a branch and a tag alike."""
        origin = self.fork(tmp_path)
        place = tmp_path / "clone"
        subprocess.run(["git", "clone", "-q", f"file://{origin.root}", place], check=True)
        with pytest.raises(UnknownBase) as raised:
            changeset(str(place), since("v9"))
        assert raised.value.fetch is None
        assert "`git fetch origin tag v9`" in (raised.value.hint or "")
        with pytest.raises(UnknownBase, match="git does not know the commit `v9`") as raised:
            changeset(str(origin.root), since("v9"))
        assert "check the spelling" in (raised.value.hint or "")


class TestSubmodules:
    @pytest.fixture
    def top(self, tmp_path: Path) -> Repository:
        inner = Repository.new(tmp_path / "inner", **{"src/a.c": "1", "src/b.c": "1"})
        made = Repository.new(tmp_path / "top", own="1")
        made.git("submodule", "--quiet", "add", str(inner.root), "deps/inner")
        made.commit()
        return made

    def inside(self, top: Repository) -> Repository:
        return Repository(top.root / "deps/inner")

    def test_a_clean_one_has_not_changed(self, top: Repository) -> None:
        assert paths(top) == set()

    def test_a_dirty_one_is_looked_into(self, top: Repository) -> None:
        """EXEC-026: it used to be one path that no pattern below it matched."""
        top.git("config", "submodule.deps/inner.ignore", "all")
        self.inside(top).write("src/a.c", "2")
        self.inside(top).write("src/new.c", "2")
        assert paths(top) == {"/deps/inner", "/deps/inner/src/a.c", "/deps/inner/src/new.c"}
        assert paths(top, place="deps") == {"/inner", "/inner/src/a.c", "/inner/src/new.c"}
        assert paths(top, STAGED) == set()

    def test_one_that_has_moved_is_looked_into(self, top: Repository) -> None:
        self.inside(top).write("src/b.c", "2")
        self.inside(top).commit()
        wanted = {"/deps/inner", "/deps/inner/src/b.c"}
        assert paths(top) == wanted
        top.git("add", "deps/inner")
        self.inside(top).write("src/a.c", "dirty")
        assert paths(top, STAGED) == wanted
        top.commit()
        assert paths(top, since("HEAD~1")) == wanted | {"/deps/inner/src/a.c"}

    def test_one_that_is_new_or_gone_or_moved_from_nowhere_has_changed_as_a_whole(self, top: Repository) -> None:
        assert {"/deps/inner", "/deps/inner/"} <= paths(top, since("HEAD~1"))
        top.git("rm", "-q", "deps/inner")
        assert {"/deps/inner", "/deps/inner/"} <= paths(top)
        top.git("reset", "-q", "--hard")
        top.git("submodule", "--quiet", "update", "--init")
        top.git("update-index", "--cacheinfo", f"160000,{'1' * 40},deps/inner")
        top.git("commit", "-q", "-m", "a commit that nobody has")
        assert paths(top) == {"/deps/inner", "/deps/inner/"}

    def test_a_workspace_in_a_submodule_is_that_repository_s(self, top: Repository) -> None:
        self.inside(top).write("src/a.c", "2")
        top.write("own", "2")
        assert paths(top, place="deps/inner") == {"/src/a.c"}

    def test_a_nested_repository_that_git_does_not_track_has_changed_as_a_whole(self, top: Repository) -> None:
        """EXEC-026."""
        Repository.new(top.root / "nested", **{"src/x.c": "1"})
        assert paths(top) == {"/nested/"}


class TestPlaces:
    def test_a_linked_worktree(self, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        repository.git("worktree", "add", "-q", str(tmp_path / "tree"), "-b", "side")
        tree = Repository(tmp_path / "tree")
        tree.write("lib/c.c", "2")
        assert paths(tree) == {"/lib/c.c"}
        monkeypatch.setenv("GIT_DIR", str(repository.root / ".git/worktrees/tree"))
        assert paths(tree, place="lib") == {"/c.c"}

    def test_a_worktree_below_the_workspace(self, repository: Repository) -> None:
        wanted = paths(repository)
        repository.git("worktree", "add", "-q", "trees/side", "-b", "side")
        assert paths(repository) == {*wanted, "/trees/side/"}
        repository.write(".git/info/exclude", "/trees/\n")
        assert paths(repository) == wanted

    def test_a_sparse_checkout_has_not_lost_what_it_leaves_out(self, repository: Repository) -> None:
        repository.commit()
        first = repository.git("rev-parse", "HEAD~1").decode().strip()
        repository.git("sparse-checkout", "set", "lib")
        repository.write("lib/new.c", "2")
        assert paths(repository) == {"/lib/new.c"} == expected(repository)
        # What is not checked out has changed since, all the same: its task may run elsewhere.
        repository.git("sparse-checkout", "set", "--no-cone", "/lib/")
        assert {"/a.c", "/b.c", "/lib/new.c"} <= paths(repository, since(first))

    def test_a_symbolic_link_leads_to_the_workspace(self, repository: Repository, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(repository.root / "lib")
        assert set(changeset(str(tmp_path / "link"), CHANGED).paths) == {"/c.c", "/new.c"}

    def test_no_repository(self, tmp_path: Path) -> None:
        """EXEC-026."""
        with pytest.raises(VcsError, match="is not inside a git repository") as raised:
            changeset(str(tmp_path), CHANGED)
        assert str(raised.value).startswith("git-changeset enumeration failed: ")

    def test_a_bare_repository(self, tmp_path: Path) -> None:
        Repository(tmp_path).git("init", "-q", "--bare", ".")
        with pytest.raises(VcsError, match="not in the work tree of a git repository"):
            changeset(str(tmp_path), CHANGED)

    def test_no_git(self, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(VcsError, match="git cannot be run: No such file or directory"):
            changeset(str(repository.root), CHANGED)

    def test_the_repository_of_somebody_else_is_refused(
        self, repository: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Trust is the user's to give; git's own switch for its tests plays the other owner."""
        monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
        with pytest.raises(VcsError, match="dubious ownership") as raised:
            changeset(str(repository.root), CHANGED)
        assert "safe.directory" in (raised.value.hint or "")

    def test_a_damaged_repository(self, repository: Repository) -> None:
        repository.write(".git/index", "garbage")
        with pytest.raises(VcsError, match="`git diff` failed"):
            changeset(str(repository.root), CHANGED)


def test_what_links_lead_to_has_changed_under_their_names_too(tmp_path: Path) -> None:
    """EXEC-026: an input that is a link, or lies behind one, has the content of its target."""
    made = Repository.new(tmp_path / "r", **{"shared/a": "1", "other/b": "1", "lib/own": "1"})
    for name, target in {
        "lib/file": "../shared/a",
        "lib/dir": "../shared",
        "all": "lib",
        "lib/loop": ".",
        "lib/out": "/etc",
        "lib/gone": "nowhere",
    }.items():
        (made.root / name).symlink_to(target)
    made.commit()
    made.write("shared/a", "2")
    own = {"/lib/file", "/lib/dir/a"}
    behind = {f"/all{path.removeprefix('/lib')}" for path in own}
    looped = {path.replace("/lib/", "/lib/loop/") for path in own} | {
        path.replace("/all/", "/all/loop/") for path in behind
    }
    assert paths(made) == {"/shared/a", *own, *behind, *looped}
    assert paths(made, place="lib") == set()
    made.write("other/b", "2")
    made.git("checkout", "-q", "shared/a")
    assert paths(made) == {"/other/b"}


def test_another_git_may_hold_the_index(repository: Repository) -> None:
    """Questions neither wait for the lock of the index nor write it."""
    wanted = paths(repository)
    repository.write(".git/index.lock")
    index = (repository.root / ".git/index").read_bytes()
    os.utime(repository.root / ".gitignore", (1, 1))
    assert paths(repository) == wanted
    assert (repository.root / ".git/index").read_bytes() == index


def test_a_file_that_was_only_touched_has_not_changed(repository: Repository) -> None:
    os.utime(repository.root / ".gitignore", (1, 1))
    assert paths(repository) == {"/a.c", "/b.c", "/lib/c.c", "/lib/new.c"}


def test_contents_on_both_sides(repository: Repository) -> None:
    found: list[Changeset] = [changeset(str(repository.root), wanted) for wanted in (CHANGED, STAGED)]
    assert [(c.before("/a.c"), c.after("/a.c")) for c in found] == [(b"a", b"staged")] * 2
    assert [c.after("/b.c") for c in found] == [b"unstaged", b"b"]
    assert [c.before("/lib/new.c") for c in found] == [None, None]
    below = changeset(str(repository.root / "lib"), CHANGED)
    assert (below.before("/c.c"), below.after("/c.c"), below.after("/new.c")) == (b"c", None, b"untracked")


def test_fifty_thousand_changes(tmp_path: Path) -> None:
    """Deleted ones, which need not be made first."""
    made = Repository.new(tmp_path / "r", first="1")
    blob = made.git("hash-object", "-w", "first").decode().strip()
    rows = "".join(f"100644 {blob}\td{n % 500}/{n}\n" for n in range(50_000))
    subprocess.run(["git", "update-index", "--index-info"], cwd=made.root, input=rows.encode(), check=True)
    made.git("commit", "-q", "-m", "many")
    started = time.process_time()
    found = paths(made)
    spent = time.process_time() - started
    assert len(found) == 50_000
    assert spent < 2, "our own share, without that of git"


names = st.sampled_from(["a", "b", "lib/a", "lib/b", "lib/deep/c", "x.o", "é\n"])
steps = st.lists(
    st.tuples(st.sampled_from(["write", "remove", "add", "rm", "mv", "commit", "touch"]), names, names), max_size=12
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps, st.sampled_from(["", "lib"]))
@example([("mv", "a", "b"), ("add", "a", "a"), ("remove", "b", "a")], "")
def test_whatever_was_done_git_status_agrees(
    tmp_path_factory: pytest.TempPathFactory, done: list[tuple[str, str, str]], place: str
) -> None:
    """EXEC-026, EXEC-027, against `git status`; EXEC-029 against `git diff` of two commits."""
    made = Repository.new(tmp_path_factory.mktemp("r"), **{"a": "1", "lib/a": "1", ".gitignore": "*.o\n"})
    first = made.git("rev-parse", "HEAD").decode().strip()
    for number, (step, name, other) in enumerate(done):
        target = made.root / name
        if step == "write" and not (target.parent.exists() and not target.parent.is_dir()):
            made.write(name, str(number))
        elif step == "remove" and target.exists():
            target.unlink()
        elif step == "add":
            made.git("add", "-A", "--", *([name] if target.exists() and not name.endswith(".o") else ["."]))
        elif step == "rm" and target.exists():
            subprocess.run(["git", "rm", "-qf", "--cached", name], cwd=made.root, check=False, capture_output=True)
        elif step == "mv" and target.exists() and not (made.root / other).exists():
            (made.root / other).parent.mkdir(parents=True, exist_ok=True)
            target.rename(made.root / other)
        elif step == "touch" and target.exists():
            os.utime(target, (number, number))
        elif step == "commit":
            made.commit()
    (made.root / "lib").mkdir(exist_ok=True)
    prefix = f"{place}/" if place else ""
    status = {f"/{path.removeprefix(prefix)}" for path in made.status(place or ".")}
    assert paths(made, CHANGED, place) == status
    made.commit()
    between = made.git("diff", "--name-only", "--no-renames", "-z", first, "HEAD", "--", place or ".").split(b"\0")
    wanted = {f"/{os.fsdecode(path).removeprefix(prefix)}" for path in between if path}
    assert paths(made, since(first), place) == wanted
