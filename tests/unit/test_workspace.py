"""What a loaded workspace says: settings, effective tasks, defaults, overlays, and all errors at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

from haz import workspace
from haz.diagnostics import Diagnostic, Span
from haz.errors import LoadError
from haz.model import Command, Mutex, Ready, Remote, Retries, Settings, Shell, TaskId, Tool
from tests.unit.files import write_tree

MARKER = ".haz/workspace.yml"
DEFAULT_PASS = ("PATH", "HOME", "USER", "TMPDIR", "LANG", "LC_ALL", "TERM")


def load(tmp_path, files, settings="projects: [/lib]\n"):
    write_tree(tmp_path, {MARKER: settings, **files})
    return workspace.load(str(tmp_path))


def task(tmp_path, body, settings="projects: [/lib]\n", head="name: lib\n"):
    text = head + "tasks:\n  t:\n" + "".join(f"    {line}\n" for line in body.splitlines())
    return load(tmp_path, {"lib/haz.yml": text}, settings).projects["lib"].tasks["t"]


# --- Settings --------------------------------------------------------------------------------------------------------


def test_settings_have_defaults(tmp_path):
    assert load(tmp_path, {}, "projects: []\ncache: ~\nconcurrency: {default: ~}\n").settings == Settings()


def test_every_setting_is_read(tmp_path):
    """CFG-009..012, CFG-027..031, CFG-034, CFG-035, D7."""
    text = """
projects: []
description: all of it
x-notes: {anything: [at, all]}
cache:
  hash: sha256
  dir: /.haz/elsewhere
  max_age: 1w
  max_size: 2GiB
  clean: {max_age: 30d, max_size: 5GB, x-y: 1}
concurrency: {default: 0x10, order: critical-path, tags: {gpu: "1", io: 2}}
output: {mode: buffered}
execution: {cancel_grace: 2.5}
remote: {url: "grpcs://cache.example:443", instance: main, cache: read-only, execution: true}
"""
    write_tree(tmp_path, {MARKER: text})
    loaded, _ = workspace.load_tolerant(str(tmp_path))
    assert loaded.settings == Settings(
        hash="sha256",
        clean_max_age=30 * 86400,
        clean_max_size=5 * 10**9,
        cache_max_age=604800,
        cache_max_size=2 * 2**30,
        cache_dir="/.haz/elsewhere",
        concurrency=16,
        tag_caps={"gpu": 1, "io": 2},
        output_mode="buffered",
        cancel_grace=2.5,
        order="critical-path",
        description="all of it",
        remote=Remote("grpcs://cache.example:443", "main", "read-only", execution=True),
    )


@pytest.mark.parametrize(("written", "meant"), [("auto", None), ('"auto"', None), ("3", 3), ('"4"', 4), ("017", 17)])
def test_concurrency_is_auto_or_a_number_quoted_or_not(written, meant, tmp_path):
    """CFG-028, O30."""
    assert load(tmp_path, {}, f"projects: []\nconcurrency: {{default: {written}}}\n").settings.concurrency == meant


@pytest.mark.parametrize(
    ("written", "meant"), [("0", 0.0), ("-0.0", 0.0), ('"1.5"', 1.5), ("1e2", 100.0), ("500ms", 0.5)]
)
def test_the_grace_is_a_number_or_a_duration(written, meant, tmp_path):
    """CFG-031."""
    assert load(tmp_path, {}, f"projects: []\nexecution: {{cancel_grace: {written}}}\n").settings.cancel_grace == meant


# --- Tasks -----------------------------------------------------------------------------------------------------------


def test_every_task_key_is_read(tmp_path):
    """CFG-016..022, CFG-032, CFG-033, D7."""
    spec = task(
        tmp_path,
        """
command: [make, 1.50, "", 0x10]
inputs: ["src/**", /common.mk, "!src/gen/**"]
outputs: [out/app]
deps: ["~:gen?", "[rust]~:build"]
weakDeps: ["^:fmt"]
mutex: {name: "~:db", mode: shared}
env: {from_host: [CI], override: {B: 1.50, A: "x"}, pass: [PATH, CI]}
cache: false
gitignore: true
timeout: 90s
retries: {max: 3, delay: 1, factor: 1.5, max_delay: 10s, jitter: full, on: [failure], exit_codes: [75, 75]}
tools: [rustc, {command: [cc, -v]}, {file: toolchain}, {file: /lock}]
persistent: true
ready: {port: 8080, timeout: 5s}
description: does it
x-mine: [1]
""",
    )
    assert spec.id == TaskId("lib", "t")
    assert spec.action == Command(("make", "1.50", "", "0x10"))
    assert [(p.text, p.anchored, p.literal, p.exclude) for p in spec.inputs] == [
        ("src/**", "/lib/src/**", False, False),
        ("/common.mk", "/common.mk", True, False),
        ("src/gen/**", "/lib/src/gen/**", False, True),
    ]
    assert [(r.kind, r.task, r.name, r.optional) for r in spec.deps] == [
        ("bearing", "gen", None, True),
        ("tag_siblings", "build", "rust", False),
    ]
    assert spec.deps[0].origin.line == 8
    assert [r.text for r in spec.weak_deps] == ["^:fmt"]
    assert spec.mutex == Mutex("db", "shared", "lib")
    assert spec.environment.from_host == ("CI",)
    assert spec.environment.override == (("A", "x"), ("B", "1.50"))
    assert spec.environment.passed == ("PATH",)
    assert (spec.cache, spec.gitignore, spec.timeout, spec.persistent) == (False, True, 90.0, True)
    assert spec.retries == Retries(3, 1.0, 1.5, 10.0, "full", ("failure",), (75,))
    assert spec.tools == (
        Tool(("rustc", "--version")),
        Tool(("cc", "-v")),
        Tool(file="/lib/toolchain"),
        Tool(file="/lock"),
    )
    assert spec.ready == Ready(port=8080, timeout=5.0)
    assert spec.description == "does it"
    assert (spec.origin.file, spec.origin.line, spec.origin.column) == (str(tmp_path / "lib/haz.yml"), 3, 3)


@pytest.mark.parametrize(
    ("body", "action"),
    [
        ("shell: a && b", Shell("sh", "a && b")),
        ("shell: a\nshell_type: bash", Shell("bash", "a")),
        ("shell: ''", Shell("sh", "")),
        ("shell: ~\ncommand: [true]", Command(("true",))),
        ("shell: |\n  a\n  b\n", Shell("sh", "a\nb\n")),
    ],
)
def test_actions(body, action, tmp_path):
    """CFG-020..022."""
    assert task(tmp_path, body).action == action


@pytest.mark.parametrize(
    ("written", "mutex"),
    [
        ("db", Mutex("db", "exclusive")),
        ('"~:db"', Mutex("db", "exclusive", "lib")),
        ("{name: db, mode: shared}", Mutex("db", "shared")),
        ("5", Mutex("5", "exclusive")),
        ("~", None),
    ],
)
def test_mutexes(written, mutex, tmp_path):
    """MUTEX-001, MUTEX-002, O10."""
    assert task(tmp_path, f"command: [x]\nmutex: {written}").mutex == mutex


def test_nothing_is_the_same_as_absent(tmp_path):
    keys = "inputs outputs deps weakDeps mutex env shell shell_type cache gitignore tools persistent ready description"
    spec = task(tmp_path, "command: [x]\n" + "\n".join(f"{key}: ~" for key in keys.split()))
    assert spec == task(tmp_path, "command: [x]").replace(origin=spec.origin)


def test_a_persistent_task_is_not_cached_unless_it_says_so(tmp_path):
    assert task(tmp_path, "command: [x]\npersistent: true").cache is False
    assert task(tmp_path, "command: [x]").cache is True


def test_anchors_aliases_and_merge_keys_share_parts_of_tasks(tmp_path):
    """O26, O30."""
    text = """
name: lib
x-base: &base {command: [make], inputs: [a]}
x-other: &other {inputs: [b], outputs: [c]}
tasks:
  one: *base
  two: {<<: [*base, *other], command: [ninja]}
"""
    tasks = load(tmp_path, {"lib/haz.yml": text}).projects["lib"].tasks
    assert tasks["one"].action == Command(("make",))
    two = tasks["two"]
    assert (two.action, two.inputs[0].text, two.outputs[0].text) == (Command(("ninja",)), "a", "c")


# --- Defaults --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "body", "timeout", "retries"),
    [
        ("", "", None, None),
        ("execution: {timeout: 5m, retries: 2}", "", 300.0, Retries(2)),
        ("execution: {timeout: 5m, retries: 2}", "timeout: 1s\nretries: {max: 1, delay: 0}", 1.0, Retries(1, 0.0)),
        ("execution: {timeout: 5m, retries: 2}", "timeout: none\nretries: ~", None, None),
        ("execution: {timeout: 5m, retries: 2}", "timeout: ~\nretries: 0", None, None),
    ],
)
def test_limits_of_the_workspace_hold_until_a_task_says_otherwise(settings, body, timeout, retries, tmp_path):
    spec = task(tmp_path, f"command: [x]\n{body}", f"projects: [/lib]\n{settings}\n")
    assert (spec.timeout, spec.retries) == (timeout, retries)


def test_gitignore_of_the_workspace_holds_until_a_task_says_otherwise(tmp_path):
    """D11."""
    settings = "projects: [/lib]\ngitignore: true\n"
    assert task(tmp_path, "command: [x]", settings).gitignore is True
    assert task(tmp_path, "command: [x]\ngitignore: false", settings).gitignore is False


def test_without_env_a_task_gets_the_usual_variables_and_none_in_its_key(tmp_path):
    """D7, O25."""
    env = task(tmp_path, "command: [x]").environment
    assert (env.from_host, env.override, env.passed) == ((), (), DEFAULT_PASS)


def test_an_empty_pass_gives_the_strictly_empty_environment(tmp_path):
    """D7, CACHE-008."""
    env = task(tmp_path, "command: [x]\nenv: {pass: []}").environment
    assert (env.from_host, env.override, env.passed) == ((), (), ())


def test_env_of_workspace_project_and_task_add_up_and_the_nearest_wins(tmp_path):
    """D7."""
    settings = "projects: [/lib]\nenv: {from_host: [CI], override: {A: ws, B: ws}, pass: [PATH, HOME]}\n"
    head = "name: lib\nenv: {from_host: [JOB], override: {B: project, C: project}}\n"
    env = task(tmp_path, "command: [x]\nenv: {override: {C: task}, from_host: [CI, HOME]}", settings, head).environment
    assert env.from_host == ("CI", "JOB", "HOME")
    assert env.override == (("A", "ws"), ("B", "project"), ("C", "task"))
    assert env.passed == ("PATH",)


# --- Overlays --------------------------------------------------------------------------------------------------------

PROJECTS = {
    "p1/haz.yml": "name: p1\ntags: [x, y]\n",
    "p2/haz.yml": "name: p2\ntags: [x]\n",
    "p3/haz.yml": "name: p3\ntasks: {own: {command: [own]}}\n",
}


def overlay(word, head=""):
    return f"{head}\ntasks:\n  lint: {{command: [{word}], inputs: [a.c], mutex: '~:m'}}\n  own: {{command: [{word}]}}\n"


def lints(loaded, name="lint"):
    return {p: spec.tasks[name].action.argv[0] for p, spec in loaded.projects.items() if name in spec.tasks}


def test_the_most_specific_overlay_wins_and_the_own_body_always(tmp_path):
    """DAG-001..005, CFG-026."""
    files = {
        **PROJECTS,
        ".haz/tasks/g.yml": overlay("g"),
        ".haz/tasks/x.yml": overlay("x", "tagsFilter: [x]"),
        ".haz/tasks/xy.yml": overlay("xy", "tagsFilter: [x, y]"),
    }
    loaded = load(tmp_path, files, 'projects: ["/*"]\n')
    assert lints(loaded) == {"p1": "xy", "p2": "x", "p3": "g"}
    assert lints(loaded, "own") == {"p1": "xy", "p2": "x", "p3": "own"}
    lint = loaded.projects["p2"].tasks["lint"]
    assert (lint.inputs[0].anchored, lint.mutex.project) == ("/p2/a.c", "p2")


def test_which_overlay_wins_does_not_depend_on_other_projects(tmp_path):
    """O13: without p2 the filters [x] and [x, y] match the same projects."""
    files = {
        "p1/haz.yml": PROJECTS["p1/haz.yml"],
        ".haz/tasks/x.yml": overlay("x", "tagsFilter: [x]"),
        ".haz/tasks/xy.yml": overlay("xy", "tagsFilter: [x, y]"),
        ".haz/tasks/all.yml": overlay("all"),
    }
    assert lints(load(tmp_path, files, "projects: [/p1]\n")) == {"p1": "xy"}


def test_a_strict_subset_of_the_projects_is_more_specific(tmp_path):
    """DAG-003."""
    files = {
        **PROJECTS,
        ".haz/tasks/x.yml": overlay("x", "tagsFilter: [x]"),
        ".haz/tasks/y.yml": overlay("y", "tagsFilter: [y]"),
    }
    assert lints(load(tmp_path, files, 'projects: ["/*"]\n')) == {"p1": "y", "p2": "x"}


def test_a_higher_priority_wins_before_all(tmp_path):
    """O13."""
    files = {
        **PROJECTS,
        ".haz/tasks/x.yml": overlay("x", "tagsFilter: [x]"),
        ".haz/tasks/low.yml": overlay("low", "tagsFilter: [x, y]\npriority: -1"),
        ".haz/tasks/g.yml": overlay("g", "priority: 5"),
    }
    assert set(lints(load(tmp_path, files, 'projects: ["/*"]\n')).values()) == {"g"}


def test_a_collision_names_the_task_and_all_overlays(tmp_path):
    """DAG-006, O7."""
    files = {**PROJECTS, **{f".haz/tasks/{name}.yml": overlay(name) for name in "abc"}}
    with pytest.raises(LoadError) as caught:
        load(tmp_path, files, "projects: [/p2, /p3]\n")
    problems = caught.value.diagnostics
    assert [problem.task for problem in problems] == ["p2:lint", "p2:own", "p3:lint"]
    for word in ("task", "overlay", "collision", "DAG-006", "`a.yml`", "`b.yml`", "`c.yml`"):
        assert word in problems[0].message
    places = [problems[0].span, *problems[0].related]
    assert [span.file.rpartition("/")[2] for span in places] == ["a.yml", "b.yml", "c.yml"]


def test_files_that_are_no_overlays_are_told_and_not_read(tmp_path):
    """O28."""
    odd = {
        ".haz/tasks/.gitkeep": "",
        ".haz/tasks/a.yaml": "!",
        ".haz/tasks/my file.yml": "!",
        ".haz/tasks/_x.yml": "!",
        ".haz/tasks/sub/": "",
    }
    write_tree(tmp_path, {MARKER: "projects: []\n", **odd, ".haz/tasks/link.yml": "-> a.yaml"})
    _, diagnostics = workspace.load_tolerant(str(tmp_path))
    assert {(problem.code, problem.severity) for problem in diagnostics} == {("haz::cfg::050", "warning")}
    assert len(diagnostics) == 5
    assert workspace.load(str(tmp_path)).projects == {}


# --- Errors ----------------------------------------------------------------------------------------------------------


def test_all_errors_of_all_files_are_told_at_once(tmp_path):
    """O12, AUX-010."""
    write_tree(
        tmp_path,
        {
            MARKER: "projects: [/a, /b, /gone, lib]\noutput: {mode: x}\nextra: 1\n",
            "a/haz.yml": "name: a\ntags: [q q]\ntasks:\n  t: {command: x, inputs: ['**x'], deps: [y]}\n  u: {}\n",
            "b/haz.yml": "name: a\n",
            ".haz/tasks/o.yml": "tasks: {t: {shell: [x]}}\n",
        },
    )
    loaded, diagnostics = workspace.load_tolerant(str(tmp_path))
    codes = [problem.code.removeprefix("haz::") for problem in diagnostics]
    assert codes == [
        *("cfg::004", "cfg::010", "cfg::030", "dsc::017"),
        *("cfg::014", "cfg::021", "cfg::016", "cfg::018", "cfg::020", "dsc::027", "cfg::022"),
    ]
    assert sorted(loaded.projects["a"].tasks) == ["t", "u"]
    with pytest.raises(LoadError) as caught:
        workspace.load(str(tmp_path))
    assert caught.value.diagnostics == diagnostics
    assert caught.value.header == "11 configuration error(s) found"


@pytest.mark.parametrize(
    "text",
    [
        "nam: lib",
        "name: lib\ntask: {t: {command: [x]}}",
        "name: lib\ntasks: {t: {comand: [x]}}",
        "name: lib\ntasks: {t: {command: [x], mutex: {nane: db, mode: shared}}}",
        "name: lib\ntasks: {t: {command: [x], retries: {maxx: 3}}}",
    ],
)
def test_a_misspelt_key_is_one_error_and_not_two(text, tmp_path):
    """CFG-004."""
    write_tree(tmp_path, {MARKER: "projects: [/lib]\n", "lib/haz.yml": text})
    (problem,) = workspace.load_tolerant(str(tmp_path))[1]
    assert problem.code == "haz::cfg::004"
    assert "did you mean" in problem.span.label
    assert "did you mean" not in problem.help


def test_broken_projects_are_told_even_when_the_settings_are_unreadable(tmp_path):
    write_tree(tmp_path, {MARKER: "projects: [\n", ".haz/tasks/o.yml": "x: 1\n"})
    loaded, diagnostics = workspace.load_tolerant(str(tmp_path))
    assert loaded is None
    assert [problem.code for problem in diagnostics] == ["haz::cfg::yaml", "haz::cfg::004", "haz::cfg::025"]


def test_a_problem_in_a_task_names_the_task(tmp_path):
    write_tree(tmp_path, {MARKER: "projects: [/a]\n", "a/haz.yml": "name: a\ntasks: {t: {command: x}}\n"})
    (problem,) = workspace.load_tolerant(str(tmp_path))[1]
    assert problem.task == "a:t"
    assert problem.message.endswith("(at `tasks.t.command`)")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("inputs: [*.c]", "must be quoted"),
        ("a:\n\t- b", "spaces"),
        ("a: foo: bar", "indentation"),
        ("a: @x", "must be quoted"),
        ('a: "\\q"', "single quotes"),
        ("a:\n  - [a-z].c", "must be quoted"),
        ("a: [{b}/c]", "must be quoted"),
        ("a: 1\n---\nb: 1", "`---`"),
    ],
)
def test_errors_of_yaml_say_what_usually_is_behind_them(text, hint, tmp_path):
    write_tree(tmp_path, {MARKER: text})
    (problem,) = workspace.load_tolerant(str(tmp_path))[1]
    assert problem.code == "haz::cfg::yaml"
    assert hint in problem.help


@pytest.mark.parametrize(
    ("files", "code", "words"),
    [
        (
            {"lib/haz.yml": 'name: lib\ntasks:\n  pack:\n    command: "make all"\n'},
            "021",
            ["tasks.pack.command", "make all", "command:", "shell:"],
        ),
        ({MARKER: "projects: core\n"}, "009", ["`projects`)", "core", "projects: []"]),
        (
            {".haz/tasks/NAME.yml": "tagsFilter: [rust]\n"},
            "025",
            [".haz/tasks/NAME.yml", "MUST contain a top-level `tasks` key"],
        ),
    ],
)
def test_the_canonical_reports(files, code, words, tmp_path):
    """Spec 04 §13.2."""
    from haz import render

    with pytest.raises(LoadError) as caught:
        load(tmp_path, {"lib/haz.yml": "name: lib\n", **files}, files.get(MARKER, "projects: [/lib]\n"))
    for options in ({}, {"narrated": True}, {"width": 40}):
        text = render.render(caught.value.diagnostics, **options)
        assert text.count(f"haz::cfg::{code}") == 1
        if "width" not in options:
            assert [word for word in words if word not in text] == []
    assert caught.value.header is None


def test_places_without_lines_get_them_from_the_file(tmp_path):
    """O7."""
    (tmp_path / "f").write_text("one\ntwo\nthree\nfour\n")
    bare = Span(str(tmp_path / "f"), 2, 1, 3, "x")
    gone = Span(str(tmp_path / "gone"), 1, 1)
    (problem, other) = workspace.with_sources([Diagnostic("c", "m", bare, related=(gone, bare)), Diagnostic("c", "m")])
    assert problem.span == bare.replace(source=((1, "one"), (2, "two"), (3, "three")))
    assert problem.related == (gone, problem.span)
    assert other == Diagnostic("c", "m")


def test_loading_imports_nothing_heavy():
    code = "import sys; before = set(sys.modules); import haz.workspace; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {
        "re",
        "json",
        "typing",
        "dataclasses",
        "enum",
        "functools",
        "collections",
        "pathlib",
        "textwrap",
        "difflib",
    }
    assert heavy.isdisjoint(done.stdout.split())
    assert "haz.workspace" in done.stdout.split()


@pytest.mark.parametrize(
    ("outputs", "texts", "clean"),
    [
        ('["gen/**"]', ["gen/**"], True),
        ('{paths: ["gen/**", "!gen/keep"]}', ["gen/**", "gen/keep"], True),
        ('{paths: ["gen/**"], clean: false}', ["gen/**"], False),
        ('{paths: ["gen/**"], clean: null, x-why: "mine"}', ["gen/**"], True),
        ("{clean: false}", [], False),
        ("{}", [], True),
    ],
)
def test_outputs_are_a_list_or_a_mapping(tmp_path, outputs, texts, clean):
    """CFG-017, O9."""
    spec = task(tmp_path, f"command: [make]\noutputs: {outputs}\n")
    assert [p.text for p in spec.outputs] == texts
    assert spec.clean is clean
