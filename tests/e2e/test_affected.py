"""`haz run --git-changed…`, `haz affected` and `--shard`, as a script sees them."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from haz.affected import declared_in
from haz.app import open_workspace
from haz.cli import changes
from haz.errors import UsageError
from haz.expected import read_durations
from haz.model import TaskId
from tests.fakes import FakeChanges
from tests.repository import Repository, neutral  # noqa: F401 - a fixture
from tests.space import Result, Space

pytestmark = pytest.mark.usefixtures("neutral")


@pytest.fixture
def repository(space: Space) -> Space:
    """`app` needs `lib`; both are committed, and so is an overlay for those with the tag `py`."""
    space.write(".haz/workspace.yml", "projects: [/app, /lib]\n")
    space.write(".haz/tasks/py.yml", "tagsFilter: [py]\ntasks:\n  fmt: {command: [echo], inputs: ['**/*.py']}\n")
    space.write(
        "lib/haz.yml",
        """
        name: lib
        tags: [py]
        tasks:
          build: {command: [echo, built], inputs: ["src/**"], outputs: ["out/**"]}
          docs: {command: [echo], inputs: [/README], tools: [{file: tool.txt}]}
          test: {command: [echo], deps: ["~:build"]}
        """,
    )
    space.write(
        "app/haz.yml",
        """
        name: app
        tasks:
          it: {command: [echo], deps: ["lib:build"], inputs: [it.txt]}
          alone: {command: [echo]}
        """,
    )
    for path in ("lib/src/a.py", "lib/tool.txt", "README", "app/it.txt"):
        space.write(path, path)
    commit(space)
    return space


def commit(space: Space) -> str:
    made = Repository(space.root)
    made.git("init", "-q")
    return made.commit()


def affected(space: Space, *words: str, cwd: str = ".") -> list[str]:
    return space.haz("affected", *words, cwd=cwd).ok().out.split()


def planned(space: Space, *words: str, cwd: str = ".") -> list[str]:
    out = space.run("--dry-run", *words, cwd=cwd).ok().out
    return [line.removeprefix("  - ") for line in out.splitlines()[1:]]


def refused(result: Result, *tokens: str) -> None:
    assert result.code == 2
    assert result.out == ""
    assert [token for token in tokens if token not in result.err] == []


class TestRun:
    def test_a_filter_runs_what_is_affected_and_what_that_needs(self, repository: Space) -> None:
        """EXEC-026, EXEC-027, EXEC-002."""
        repository.write("app/it.txt", "2")
        assert planned(repository, "--git-changed") == ["app:it", "lib:build"]
        assert repository.run("--git-changed").ok().ran == {"app:it", "lib:build"}
        assert planned(repository, "--git-changed", cwd="lib") == []
        assert planned(repository, "--git-changed", "--all", cwd="lib") == []
        assert planned(repository, "--git-changed", "--workspace", cwd="lib") == ["app:it", "lib:build"]

    def test_the_directory_of_a_project_is_no_pattern(self, space: Space) -> None:
        """Spec 04 §6.6 and §14 B3: `[ab]` was a class, `x[y` a panic."""
        space.write(".haz/workspace.yml", "projects: ['/*']\n")
        for name, directory in (("odd", "x[y"), ("some", "[ab]"), ("a", "a")):
            space.write(f"{directory}/haz.yml", f"name: {name}\ntasks: {{t: {{command: [echo], inputs: ['src/*']}}}}\n")
            space.write(f"{directory}/src/f", "1")
        commit(space)
        for name, directory in (("odd", "x[y"), ("some", "[ab]"), ("a", "a")):
            space.write(f"{directory}/src/f", "2")
            assert planned(space, "--git-changed") == [f"{name}:t"]
            commit(space)

    def test_staged_and_since(self, repository: Space) -> None:
        """EXEC-028, EXEC-029."""
        repository.write("lib/src/new.c", "2")
        assert planned(repository, "--git-staged") == []
        commit(repository)
        assert planned(repository, "--git-changed-since", "HEAD~1") == ["lib:build"]
        assert planned(repository, "--git-changed-since=HEAD") == []

    def test_nothing_affected_is_said_and_is_a_success(self, repository: Space) -> None:
        """Spec 04 §6.6: it used to print nothing at all."""
        done = repository.run("--git-changed").ok()
        assert (done.out, done.err) == ("", "nothing affected (0 changed paths)\n")
        assert repository.run("--git-changed", "--dry-run").ok().out == "would run 0 tasks.\n"

    def test_what_excludes_what(self, repository: Space) -> None:
        """EXEC-026, spec 04 §2.3."""
        refused(repository.run("--git-changed", "--git-staged"), "mutually exclusive")
        refused(repository.run("--git-staged", "--git-changed-since", "HEAD", "--all", "x"), "mutually exclusive")
        refused(repository.run("--git-changed", "lib:build"), "git-changeset", "positional")
        refused(repository.run("--git-changed-since", "--output=x"), "--git-changed-since", "REV")
        refused(repository.run("--merge-base"), "--merge-base needs --git-changed-since")
        refused(repository.run("--affected-dependents", "--all"), "--affected-dependents needs a git-changeset filter")
        refused(repository.run("--on-unknown", "all"), "--on-unknown needs a git-changeset filter")
        refused(repository.run("--git-changed", "--on-unknown", "x"), "'x' is neither all nor error")

    def test_what_git_cannot_say_is_an_error_before_anything_runs(self, repository: Space, space: Space) -> None:
        """EXEC-026, EXEC-029."""
        refused(repository.run("--git-changed-since", "nope"), "git-changeset enumeration failed", "`nope`")
        refused(repository.run("--git-changed-since=--output=F"), "git-changeset enumeration failed", "--output=F")
        assert not (space.root / "F").exists()

    def test_outside_of_a_repository(self, space: Space) -> None:
        """EXEC-026."""
        space.project("lib", "t: {command: [echo]}")
        refused(space.run("--git-changed"), "git-changeset enumeration failed", "is not inside a git repository")


class TestDeclarations:
    """A change of what declares a task affects it; it used to affect nothing (spec 04 §6.4, O of 03 §15 F6)."""

    def test_a_project_file(self, repository: Space) -> None:
        with open(repository.root / "app/haz.yml", "a") as file:
            file.write("description: x\n")
        assert affected(repository) == ["app:alone", "app:it"]

    def test_a_project_file_that_is_a_link(self, repository: Space) -> None:
        (repository.root / "app/haz.yml").rename(repository.root / "shared.yml")
        (repository.root / "app/haz.yml").symlink_to("../shared.yml")
        commit(repository)
        assert affected(repository) == []
        with open(repository.root / "shared.yml", "a") as file:
            file.write("description: x\n")
        assert affected(repository) == ["app:alone", "app:it"]

    def test_an_overlay(self, repository: Space) -> None:
        overlay = repository.root / ".haz/tasks/py.yml"
        overlay.write_text(overlay.read_text() + "# x\n")
        assert affected(repository) == ["lib:fmt"]
        overlay.unlink()
        assert affected(repository) == []

    def test_a_body_that_wins_because_another_overlay_went(self, repository: Space) -> None:
        repository.write(".haz/tasks/any.yml", "tasks:\n  fmt: {command: [true]}\n  lint: {command: [true]}\n")
        commit(repository)
        (repository.root / ".haz/tasks/py.yml").unlink()
        assert affected(repository) == ["app:fmt", "lib:fmt"]

    def test_an_overlay_that_could_not_be_read_before(self, repository: Space) -> None:
        repository.write(".haz/tasks/any.yml", "tasks: [\n")
        commit(repository)
        repository.write(".haz/tasks/any.yml", "tagsFilter: [other]\ntasks: {}\n")
        assert affected(repository) == ["lib:fmt"]

    def test_the_workspace_file(self, repository: Space) -> None:
        repository.settings("env: {override: {A: b}}\n")
        assert len(affected(repository)) == 6

    def test_a_project_that_the_workspace_file_adds(self, repository: Space) -> None:
        repository.write("new/haz.yml", "name: new\ntasks:\n  t: {command: [true]}\n")
        repository.write("old/haz.yml", "name: old\ntasks:\n  t: {command: [true]}\n")
        repository.write("haz.yml", "name: top\ntasks:\n  t: {command: [true]}\n")
        commit(repository)
        repository.write(".haz/workspace.yml", "projects: ['/[an]*', /lib]\n")
        assert affected(repository) == ["new:t"]
        commit(repository)
        repository.write(".haz/workspace.yml", "projects: ['/*', '!/old', /]\n")
        assert affected(repository) == ["top:t"]
        commit(repository)
        repository.write(".haz/workspace.yml", "projects: ['/*', /]\n")
        assert affected(repository, "--workspace") == ["old:t"]

    def test_a_tool_file(self, repository: Space) -> None:
        repository.write("lib/tool.txt", "2")
        assert affected(repository) == ["lib:docs"]

    def test_a_directory_of_which_nothing_more_is_known(self, repository: Space) -> None:
        loaded = open_workspace(str(repository.root))
        fake = FakeChanges({"/lib/", "/README"})
        assert [str(task) for task in declared_in(loaded.workspace, loaded.graph, fake)["/lib/"]] == [
            "lib:docs",
            "lib:build",
            "lib:docs",
            "lib:fmt",
            "lib:test",
        ]
        Repository.new(repository.root / "lib/src/nested", x="1")
        assert affected(repository) == ["lib:build", "lib:fmt"]


class TestAffected:
    def test_the_default_is_what_differs_from_head(self, repository: Space) -> None:
        repository.write("lib/src/a.py", "2")
        assert affected(repository) == ["lib:build", "lib:fmt"]
        assert affected(repository, "--git-staged") == []
        assert affected(repository, cwd="app") == []

    def test_dependents_come_along_across_projects(self, repository: Space) -> None:
        """`--affected-dependents`: what is downstream, also of tasks that are no candidates themselves."""
        repository.write("lib/src/a.py", "2")
        everything = ["app:it", "lib:build", "lib:fmt", "lib:test"]
        assert affected(repository, "--affected-dependents") == everything
        assert affected(repository, "--affected-dependents", cwd="app") == ["app:it"]
        assert planned(repository, "--git-changed", "--affected-dependents", "--workspace") == everything

    @pytest.mark.parametrize(
        ("change", "found"),
        [
            ("the project", "^:build [c]:build two:build? ^~:fmt? [c]:fmt?"),
            ("the task", "^:build [c]:build two:build?"),
            ("the tag", "[c]:build [c]:fmt?"),
            ("its listing", "^:build [c]:build two:build? ^~:fmt? [c]:fmt? [c]~:other? ~:none?"),
            ("the overlay", "^~:fmt? [c]:fmt?"),
            ("a comment", ""),
            ("another project", ""),
        ],
    )
    def test_what_came_after_something_that_is_gone_is_downstream(self, space: Space, change: str, found: str) -> None:
        """A reference to several tasks, or an optional one, does without it: nothing in the graph tells."""
        space.write(".haz/workspace.yml", "projects: [/one, /two, /all]\n")
        space.write(".haz/tasks/fmt.yml", "tasks: {fmt: {command: [x]}}\n")
        for name in ("one", "two"):
            space.write(
                f"{name}/haz.yml", f"name: {name}\ntags: [c]\ntasks: {{build: {{command: [x]}}, o: {{command: [x]}}}}\n"
            )
        wide = ["^:build", "[c]:build", "two:build?", "^~:fmt?", "[c]:fmt?", "[c]~:other?", "one:build", "~:none?"]
        tasks = "".join(f"  t{at}: {{command: [x], deps: ['{one}']}}\n" for at, one in enumerate(wide))
        space.write("all/haz.yml", f"name: all\ntasks:\n{tasks}")
        commit(space)
        own = (space.root / "two/haz.yml").read_text()
        if change == "the project":
            space.write(".haz/workspace.yml", "projects: ['/*']\n")
            commit(space)
            (space.root / "two/haz.yml").unlink()
        elif change == "the task":
            space.write("two/haz.yml", own.replace("build", "built"))
        elif change == "the tag":
            space.write("two/haz.yml", own.replace("[c]", "[d]"))
        elif change == "its listing":
            space.write(".haz/workspace.yml", "projects: [/one, /all]\n")
        elif change == "the overlay":
            space.write(".haz/tasks/fmt.yml", "tasks: {}\n")
        elif change == "a comment":
            space.write("two/haz.yml", own + "# x\n")
        else:
            space.write("three/haz.yml", "name: three\ntasks: {o: {command: [x]}}\n")
            space.write(".haz/workspace.yml", "projects: [/one, /two, /three, /all]\n")
        plain = affected(space, "^:t0", "^:t1", "all:t2", "all:t3", "all:t4", "all:t5", "all:t6", "all:t7")
        assert plain == []
        told = space.haz("affected", "--workspace", "--affected-dependents", "--format", "json").ok().out
        rows = [row for row in json.loads(told)["tasks"] if row["reason"]["kind"] == "changed"]
        assert [wide[int(row["name"][1:])] for row in rows if row["project"] == "all"] == found.split()

    def test_tasks_narrow_the_list(self, repository: Space) -> None:
        repository.write("lib/src/a.py", "2")
        assert affected(repository, "^:fmt", "app:it") == ["lib:fmt"]
        assert affected(repository, "app:it", "--affected-dependents") == ["app:it"]

    def test_json_says_why(self, repository: Space) -> None:
        """D14."""
        base = commit(repository)
        repository.write(b"lib/src/\xff.c".decode(errors="surrogateescape"), "2")
        repository.write("app/it.txt", "2")
        value = json.loads(repository.haz("affected", "--format", "json", "--affected-dependents").ok().out)
        assert (value["version"], value["base"], value["complete"], value["shard"]) == (1, base, True, None)
        assert value["projects"] == ["app", "lib"]
        assert {row["task"]: row["reason"] for row in value["tasks"]} == {
            "app:it": {"kind": "changed", "path": "/app/it.txt"},
            "lib:build": {"kind": "changed", "path": "/lib/src/\ufffd.c"},
            "lib:test": {"kind": "dependent", "by": "lib:build"},
        }
        value = json.loads(repository.haz("affected", "--format=json", "app:it").ok().out)
        assert [(row["task"], row["affected"], row["reason"]) for row in value["tasks"]] == [
            ("app:it", True, {"kind": "changed", "path": "/app/it.txt"}),
            ("lib:build", False, {"kind": "needed", "by": "app:it"}),
        ]
        assert value["projects"] == ["app"]

    def test_durations_and_lookups_say_what_a_run_would_cost(self, repository: Space) -> None:
        repository.run("--workspace").ok()
        repository.write("app/it.txt", "2")
        words = ("affected", "--format", "json", "--lookup")
        value = json.loads(repository.haz(*words).ok().out)
        assert {row["task"]: row["expected"] for row in value["tasks"]} == {"app:it": "miss", "lib:build": "hit"}
        assert all(isinstance(row["duration"], int) for row in value["tasks"])
        repository.write("lib/src/a.py", "2")
        value = json.loads(repository.haz(*words).ok().out)
        assert {row["expected"] for row in value["tasks"]} == {"miss"}
        assert not repository.haz("affected", "--format", "json").ok().out.count("miss")

    def test_a_lookup_that_nobody_would_see_is_refused(self, repository: Space) -> None:
        """Spec 04 §2.3: it used to look everything up, and to say nothing of it."""
        refused(repository.haz("affected", "--lookup"), "--lookup needs --format json")

    def test_it_writes_nothing(self, repository: Space) -> None:
        before = repository.files()
        repository.write("app/it.txt", "2")
        repository.haz("affected", "--format", "json", "--lookup", "--workspace", "--affected-dependents").ok()
        assert {path for path in repository.files() if path not in before} == set()


class TestExclude:
    """Spec 04 §14 C2: everything but this."""

    def test_a_run_without_what_is_excluded(self, repository: Space) -> None:
        """EXEC-002: what another task needs is run all the same."""
        done = repository.run("--workspace", "--exclude", "lib", "--exclude=app:alone").ok()
        assert done.ran == {"app:it", "lib:build"}
        assert planned(repository, "app:it", "lib:docs", "--exclude", "[py]") == ["app:it", "lib:build"]
        assert planned(repository, "--exclude", "^:fmt", "--exclude", "~:test", "--all", cwd="lib") == [
            "lib:build",
            "lib:docs",
        ]

    def test_what_changed_and_is_excluded_still_affects_what_comes_after_it(self, repository: Space) -> None:
        """EXEC-026."""
        repository.write("lib/src/a.py", "2")
        assert affected(repository, "--exclude", "lib:build") == ["lib:fmt"]
        assert affected(repository, "--exclude", "lib:build", "--affected-dependents") == [
            "app:it",
            "lib:fmt",
            "lib:test",
        ]
        words = ("--git-changed", "--affected-dependents", "--exclude", "lib:build", "--exclude", "lib:fmt")
        assert planned(repository, *words) == ["app:it", "lib:build", "lib:test"]

    def test_shards_divide_what_is_left(self, repository: Space) -> None:
        words = ("--workspace", "--exclude", "lib")
        parts = [planned(repository, *words, "--shard", f"{number}/2") for number in (1, 2)]
        assert sorted(parts) == [["app:alone"], ["app:it", "lib:build"]]

    def test_nothing_left_is_said_and_is_a_success(self, repository: Space) -> None:
        repository.write("lib/src/a.py", "2")
        done = repository.run("--git-changed", "--exclude", "[py]").ok()
        assert (done.out, done.err) == ("", "nothing affected but what is excluded (2 tasks)\n")
        done = repository.run("app:it", "--exclude", "app").ok()
        assert (done.out, done.err) == ("", "nothing asked for but what is excluded (1 task)\n")
        assert (
            repository.haz("affected", "app:it", "--exclude", "app").ok().err == "nothing affected (1 changed path)\n"
        )
        assert repository.run("app:it", "--exclude", "app", "--dry-run").ok().out == "would run 0 tasks.\n"

    def test_json_tells_what_was_excluded(self, repository: Space) -> None:
        """D14."""
        repository.write("lib/src/a.py", "2")
        repository.write("app/it.txt", "2")
        value = json.loads(repository.haz("affected", "--exclude", "lib", "--format", "json").ok().out)
        assert value["excluded"] == ["lib:build", "lib:fmt"]
        assert value["projects"] == ["app"]
        assert {row["task"]: row["affected"] for row in value["tasks"]} == {"app:it": True, "lib:build": False}
        value = json.loads(repository.run("--workspace", "--exclude", "app", "--dry-run", "--format", "json").ok().out)
        assert value["excluded"] == ["app:alone", "app:it"]

    def test_what_names_nothing_is_refused(self, repository: Space) -> None:
        """Spec 04 §2.3, §5.2: what is no name, before any file is read; then all that nobody has, at once."""
        refused(repository.run("--all", "--exclude", "a,b"), "--exclude", "`a,b`", "once for each")
        refused(repository.run("--all", "--exclude", "[py"), "--exclude", "`[py`", "tag reference malformed")
        refused(repository.run("--all", "--exclude="), "--exclude", "reference is empty")
        refused(repository.run("--all", "--exclude", "--all"), "--exclude needs a value: --exclude WHAT")
        done = repository.run("x:y", "--exclude", "fmt", "--exclude", "lip", "--exclude", "[pi]:fmt")
        refused(done, "target resolution failed", "  - `x:y` names unknown project 'x'\n")
        assert done.err.count("\n") == 5
        for word, meant in (("`fmt`", "'^:fmt'"), ("`lip`", "'lib'"), ("`[pi]:fmt`", "'py'")):
            assert any(word in line and line.endswith(f"did you mean {meant}?") for line in done.err.splitlines())
        done = repository.haz("affected", "--exclude", "fmt", "--format", "json")
        assert [error["code"] for error in json.loads(done.err)] == ["haz::ref::unresolved"]


class TestUnknownBase:
    @pytest.fixture
    def clone(self, repository: Space, tmp_path: Path) -> Space:
        repository.write("app/it.txt", "2")
        commit(repository)
        place = tmp_path / "clone"
        subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{repository.root}", place], check=True)
        return Space(place)

    def test_the_error_names_the_command_that_helps(self, clone: Space) -> None:
        """EXEC-029."""
        done = clone.haz("affected", "--git-changed-since", "HEAD~1")
        refused(done, "git-changeset enumeration failed", "`HEAD~1`", "--on-unknown all")
        command = done.err.split("fetch it first: `")[1].split("`")[0]
        subprocess.run(shlex.split(command), cwd=clone.root, check=True, capture_output=True)
        assert affected(clone, "--git-changed-since", "HEAD~1") == ["app:it"]

    def test_everything_is_taken_as_changed_when_asked_for(self, clone: Space) -> None:
        """EXEC-029."""
        words = ("--git-changed-since", "HEAD~1", "--on-unknown", "all")
        done = clone.haz("affected", *words, "--format", "json").ok()
        assert "warning: git-changeset enumeration failed" in done.err
        value = json.loads(done.out)
        assert (value["complete"], value["base"], len(value["tasks"])) == (False, None, 6)
        assert {row["reason"]["kind"] for row in value["tasks"]} == {"unknown"}
        assert planned(clone, *words, cwd="app") == ["app:alone", "app:it", "lib:build"]


class TestShard:
    def test_the_shards_divide_a_run(self, repository: Space) -> None:
        lists = [planned(repository, "--workspace", "--shard", f"{number}/3") for number in (1, 2, 3)]
        assert {task for part in lists for task in part} == set(planned(repository, "--workspace"))
        assert all(part for part in lists)
        marks = [repository.run("--workspace", "--shard", f"{n}/3").ok().err.split("\n")[0] for n in (1, 2, 3)]
        assert len({line.split("partition ")[1] for line in marks}) == 1
        assert marks[0].startswith(f"shard 1/3: {len(lists[0])} of 6 tasks (partition ")

    def test_history_and_cache_of_a_machine_do_not_change_the_parts(self, repository: Space) -> None:
        before = planned(repository, "--workspace", "--shard", "1/2")
        repository.run("lib:docs").ok()
        assert planned(repository, "--workspace", "--shard", "1/2") == before

    def test_recorded_durations_and_hits_balance_them(self, repository: Space, tmp_path: Path) -> None:
        names = ["app:alone", "app:it", "lib:build", "lib:docs", "lib:fmt", "lib:test"]
        spent = dict.fromkeys(names, 10) | {"lib:docs": 10_000}
        rows = [{"task": name, "duration": spent[name], "expected": "miss"} for name in names]
        plan = tmp_path / "plan.json"
        words = ("--workspace", "--shard", "1/2", "--shard-durations", str(plan))
        plan.write_text(json.dumps({"tasks": rows}))
        assert planned(repository, *words) == ["lib:docs"]
        rows[3]["expected"] = "hit"
        plan.write_text(json.dumps({"tasks": rows}))
        assert planned(repository, *words) == ["app:alone", "app:it", "lib:build", "lib:docs"]
        assert affected(repository, *words[1:]) == []

    def test_what_is_told_of_one_machine_is_what_others_read(self, repository: Space, tmp_path: Path) -> None:
        """The output of `haz affected` and the report of a run are both lists of durations."""
        done = repository.run("--workspace").ok()
        report = tmp_path / "report.json"
        report.write_text(json.dumps(done.report))
        assert set(map(str, read_durations(str(report)))) == done.ran
        repository.write("app/it.txt", "2")
        out = repository.haz("affected", "--format", "json", "--lookup").ok().out
        (tmp_path / "plan.json").write_text(out)
        known = read_durations(str(tmp_path / "plan.json"))
        assert known[TaskId("lib", "build")] == 1
        assert set(known) == {TaskId("app", "it"), TaskId("lib", "build")}

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "[]",
            '{"tasks": 1}',
            '{"tasks": [{"task": "x", "duration": 1}]}',
            '{"tasks": {"a:b": {"duration": "1"}}}',
        ],
    )
    def test_a_bad_list_of_durations_is_refused(self, repository: Space, tmp_path: Path, text: str) -> None:
        (tmp_path / "bad").write_text(text)
        done = repository.run("--workspace", "--shard=1/2", f"--shard-durations={tmp_path}/bad")
        refused(done, "not a list of durations", "haz affected --format json")
        refused(repository.run("--workspace", "--shard=1/2", "--shard-durations", "nowhere"), "cannot read", "nowhere")

    def test_a_part_that_is_none_is_refused(self, repository: Space) -> None:
        refused(repository.run("--workspace", "--shard=3/2"), "'3/2' is not a part")
        refused(repository.run("--workspace", "--shard-durations=x"), "--shard-durations needs --shard")
        for text in ("0/2", "1", "a/b", "1/2/3", "-1/2", "1/0", "\u0661/\u0662", "1/1001", ""):
            with pytest.raises(UsageError, match="is not a part"):
                changes.shard(text)
