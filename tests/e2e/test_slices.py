"""`inputs: [{lock: …}]`: a task runs again when what its project resolves to has changed, and only then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from haz import slices
from haz.config.schema import KINDS
from tests.repository import Repository, neutral  # noqa: F401 - a fixture
from tests.space import Space
from tests.unit.test_lockfiles import CARGO_TWO, LOCKS, NPM

UV = (LOCKS / "uv.lock").read_text()


def edit(space: Space, path: str, old: str, new: str) -> None:
    text = space.read(path).decode()
    assert old in text
    space.write(path, text.replace(old, new).encode())


@pytest.fixture
def python(space: Space) -> Space:
    """The workspace of `uv.lock`: `a` needs `b-lib`, `c` neither."""
    for name, project in {"a": "a", "b_lib": "B_lib", "c": "c"}.items():
        space.project(f"pkgs/{name}", "t: {command: [echo], inputs: [{lock: uv}]}", name=name)
        space.write(f"pkgs/{name}/pyproject.toml", f'[project]\nname = "{project}"\n')
    space.write("uv.lock", UV.encode())
    return space


def test_only_the_projects_that_resolve_to_a_package_run_again(python: Space) -> None:
    python.run("--workspace").ok()
    edit(python, "uv.lock", 'name = "click"\nversion = "8', 'name = "click"\nversion = "9')
    done = python.run("--workspace").ok()
    assert (done.ran, done.cached) == ({"a:t", "c:t"}, {"b_lib:t"})
    edit(python, "uv.lock", 'name = "attrs"\nversion = "26', 'name = "attrs"\nversion = "27')
    assert python.run("--workspace").ok().ran == {"b_lib:t"}


def test_why_names_the_packages(python: Space) -> None:
    python.run("a:t").ok()
    edit(python, "uv.lock", 'name = "click"\nversion = "8.5.1"', 'name = "click"\nversion = "9.0"')
    place = UV.index("hash = ", UV.index('name = "six"\nversion'))
    edit(python, "uv.lock", UV[place : place + 24], UV[place : place + 23] + "x")
    edit(
        python,
        "uv.lock",
        '{ name = "iniconfig" },\n]\n\n[package.metadata]',
        '{ name = "idna" },\n]\n\n[package.metadata]',
    )
    out = python.haz("why", "a:t").ok().out
    assert "inputs:\n  uv:/uv.lock\n" in out
    assert "  input uv:/uv.lock (a 0.1 with other content, click 8.5.1 -> 9.0, idna 3.20 added, " in out
    assert "iniconfig 2.3.1 removed, six 1.17.0 with other content) changed\n" in out
    value = json.loads(python.haz("why", "a:t", "--format", "json").ok().out)
    assert value["inputs"] == [{"path": "uv:/uv.lock", "producers": []}]
    for file in (python.root / ".haz/state/slices-v1").iterdir():
        file.unlink()
    assert "  input uv:/uv.lock changed\n" in python.haz("why", "a:t").ok().out


def test_slices_are_kept_for_explanations_up_to_a_number(
    python: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "KEEP", 2)
    from haz.app import open_workspace

    graph = open_workspace(str(python.root)).graph
    complaints: list[str] = []
    for spec in graph.specs.values():
        slices.remember(str(python.root), spec, "blake3", complaints.append)
    assert len(list((python.root / ".haz/state/slices-v1").iterdir())) == 2
    assert complaints == []
    (tmp_path / "x").write_text("")
    spec = next(iter(graph.specs.values()))
    monkeypatch.setattr("haz.cache.formats.SLICES", "uv.lock/x")
    slices.remember(str(python.root), spec, "blake3", complaints.append)
    assert "`haz why` will not know which packages" in complaints[0]


def test_the_nearest_lock_file_is_that_of_the_project(python: Space) -> None:
    assert slices.nearest(str(python.root), "/pkgs/a", "uv") == "/uv.lock"
    python.write("pkgs/uv.lock", UV.encode())
    assert slices.nearest(str(python.root), "/pkgs/a", "uv") == "/pkgs/uv.lock"
    assert slices.nearest(str(python.root), "", "uv") == "/uv.lock"
    assert slices.nearest(str(python.root), "", "npm") is None


def test_a_lock_file_that_cannot_be_cut_counts_as_a_whole_with_a_warning(python: Space) -> None:
    """The whole file is always right; a project that is not in it must not be blind to it."""
    python.write("pkgs/c/pyproject.toml", '[project]\nname = "other"\n')
    done = python.run("--workspace").ok()
    said = "/uv.lock counts as a whole, since it cannot be cut down to the project: `other` is not a member of it"
    assert done.err.count(said) == 1
    edit(python, "uv.lock", 'name = "attrs"\nversion = "26', 'name = "attrs"\nversion = "27')
    assert python.run("--workspace").ok().ran == {"b_lib:t", "c:t"}
    python.write("uv.lock", b"version = 7\n")
    done = python.run("--workspace").ok()
    assert done.ran == {"a:t", "b_lib:t", "c:t"}
    assert "warning: 2 more times: /uv.lock counts as a whole" in done.err
    assert "version 7 of uv.lock is not known" in done.err
    (python.root / "pkgs/a/pyproject.toml").unlink()
    assert "pyproject.toml of the project cannot be read" in python.run("--force", "a:t").ok().err


def test_no_lock_file_at_all_is_an_error_of_the_task(python: Space) -> None:
    (python.root / "uv.lock").unlink()
    done = python.run("a:t")
    assert done.code == 1
    assert "cannot resolve inputs at /pkgs/a/uv.lock: there is no such file, and none in a directory above" in done.err
    assert "/pkgs/a/uv.lock" in python.haz("why", "a:t").err
    (python.root / "uv.lock").mkdir()
    assert "cannot read input /uv.lock: Is a directory" in python.run("a:t").err


def test_a_lock_file_that_changes_while_the_task_runs(python: Space) -> None:
    """D5."""
    python.project(
        "pkgs/a",
        """
        t:
          shell: "sed -i s/8.5.1/9.0/ ../../uv.lock"
          inputs: [{lock: uv}]
        rm: {shell: "rm ../../uv.lock", inputs: [{lock: uv}]}
        """,
    )
    python.write(".haz/workspace.yml", "projects: ['/pkgs/*']\n")
    assert "the result was not stored: input uv:/uv.lock changed while the task ran" in python.run("a:t").ok().err
    assert "the result was not stored: cannot resolve inputs at /pkgs/a/uv.lock" in python.run("a:rm").ok().err


def test_a_task_that_writes_the_lock_file_is_stored(python: Space) -> None:
    """EXEC-018."""
    python.project(
        "pkgs/a", 't: {shell: "sed -i s/8.5.1/9.0/ /$PWD/../../uv.lock", inputs: [{lock: uv}], outputs: [/uv.lock]}'
    )
    python.write(".haz/workspace.yml", "projects: ['/pkgs/*']\n")
    python.run("a:t").ok()
    python.run("a:t").ok()
    assert python.run("a:t").ok().cached == {"a:t"}


def test_npm_and_cargo_in_one_task(space: Space) -> None:
    space.project("packages/a", "t: {command: [echo], inputs: [{lock: npm}, '*.rs', {lock: cargo}]}")
    space.write("packages/a/Cargo.toml", '[package]\nname = "a"\n')
    space.write("packages/a/x.rs", "x")
    space.write("package-lock.json", NPM)
    space.write("Cargo.lock", CARGO_TWO)
    assert space.run("a:t").ok().ran == {"a:t"}
    edit(space, "package-lock.json", "7.0.0", "7.0.1")
    edit(space, "Cargo.lock", 'checksum = "3"', 'checksum = "9"')
    assert space.run("a:t").ok().cached == {"a:t"}
    edit(space, "Cargo.lock", 'checksum = "1"', 'checksum = "9"')
    assert space.run("a:t").ok().ran == {"a:t"}
    value = json.loads(space.haz("why", "a:t", "--format=json").ok().out)
    assert [row["path"] for row in value["inputs"]] == [
        "/packages/a/x.rs",
        "cargo:/Cargo.lock",
        "npm:/package-lock.json",
    ]


def test_a_lock_counts_as_an_input_for_queries_and_checks(python: Space) -> None:
    assert python.haz("query", "--has-inputs").ok().out.split() == ["a:t", "b_lib:t", "c:t"]
    assert "no `inputs`" not in python.haz("check", "--workspace").ok().err
    items = KINDS["project"]()["$defs"]["task"]["properties"]["inputs"]
    assert "lock" in json.dumps(items)


@pytest.mark.usefixtures("neutral")
class TestAffected:
    @pytest.fixture
    def committed(self, python: Space) -> Space:
        made = Repository(python.root)
        made.git("init", "-q")
        made.commit()
        return python

    def affected(self, space: Space, *words: str) -> list[str]:
        return space.haz("affected", *words).ok().out.split()

    def test_a_changed_lock_file_affects_those_who_resolve_to_what_changed(self, committed: Space) -> None:
        """EXEC-026."""
        edit(committed, "uv.lock", 'name = "click"\nversion = "8', 'name = "click"\nversion = "9')
        assert self.affected(committed) == ["a:t", "c:t"]
        assert self.affected(committed, "--git-staged") == []
        Repository(committed.root).git("add", "-A")
        committed.write("uv.lock", UV.encode())
        assert self.affected(committed, "--git-staged") == ["a:t", "c:t"]

    def test_one_that_cannot_be_compared_affects_all(self, committed: Space) -> None:
        committed.write("uv.lock", b"garbage")
        assert self.affected(committed) == ["a:t", "b_lib:t", "c:t"]
        (committed.root / "uv.lock").unlink()
        assert self.affected(committed) == ["a:t", "b_lib:t", "c:t"]

    def test_a_lock_file_that_is_nearer_or_of_somebody_else(self, committed: Space) -> None:
        committed.write("pkgs/a/uv.lock", UV.encode())
        assert self.affected(committed) == ["a:t"]
        Repository(committed.root).commit()
        edit(committed, "uv.lock", 'name = "click"\nversion = "8', 'name = "click"\nversion = "9')
        assert self.affected(committed) == ["c:t"]
        committed.write("uv.lock", UV.encode())
        committed.write("other/uv.lock", "x")
        committed.write("package-lock.json", "x")
        assert self.affected(committed) == []

    def test_the_manifest_that_names_the_project(self, committed: Space) -> None:
        committed.write("pkgs/a/pyproject.toml", '[project]\nname = "c"\n')
        assert self.affected(committed) == ["a:t"]
