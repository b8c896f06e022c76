"""`haz check`: no phase hides another, and what is allowed but probably not meant is warned about."""

from __future__ import annotations

import pathlib

import pytest

from haz import checks, codes
from tests.unit.files import write_tree

MARKER = ".haz/workspace.yml"


@pytest.fixture
def look(tmp_path):
    """Lay out files and examine them, with `make`, `sh`, `other` and `haz-own-tool` as the only programs there are."""
    for name in ("make", "sh", "other", "haz-own-tool"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)

    def examine(files, **host):
        root = write_tree(tmp_path / "ws", files)
        return checks.examine(str(root), {"PATH": str(tmp_path / "bin"), **host})

    return examine


def short(problems):
    return [problem.code.removeprefix("haz::") for problem in problems]


def lib(text, **files):
    """Lay out one project of the given tasks; nothing else is wrong with it."""
    return {MARKER: "projects: [/lib]\n", "lib/haz.yml": "name: lib\ntasks:\n" + text, **files}


def task(body, **files):
    return lib(f"  t: {{command: [make], {body}}}\n", **files)


# --- The table of codes ----------------------------------------------------------------------------------------------

CHECKED = [name for name, code in codes.CODES.items() if code.bad and code.phase != "load"]


@pytest.mark.parametrize("name", CHECKED)
def test_the_bad_example_causes_its_code(name, look):
    """O12, O17, O18, O20, O25, O28, O30, O31, D8: as in docs/errors.md."""
    code = codes.CODES[name]
    found = look(codes.files(code.bad))
    problems = found.graph_errors if code.severity == "error" else found.warnings
    assert found.file_errors == ()
    assert name in {problem.code for problem in problems}
    assert {problem.severity for problem in problems} == {code.severity}


@pytest.mark.parametrize("name", CHECKED)
def test_the_good_example_does_not(name, look):
    found = look(codes.files(codes.CODES[name].good))
    assert found.file_errors == found.graph_errors == ()
    assert name not in {problem.code for problem in found.warnings}


def test_a_workspace_that_is_as_it_should_be_gets_no_warning(look):
    found = look(task('inputs: ["src/**"], outputs: [out/app]', **{"lib/src/a.c": ""}))
    assert (found.file_errors, found.graph_errors, found.warnings) == ((), (), ())
    assert found.bearing is None


# --- No phase hides another ------------------------------------------------------------------------------------------


def test_the_graph_is_checked_although_a_file_is_broken(look):
    """O12, AUX-010, DAG-011..015."""
    files = {
        MARKER: "projects: [/a, /b, /c]\n",
        "a/haz.yml": "name: a\ntasks:\n  t: {command: [make], deps: ['b:nope', '~:t'], inputs: x}\n",
        "b/haz.yml": "name: b\ntasks:\n  x: {command: [make], deps: ['~:y']}\n  y: {command: [make], deps: ['~:x']}\n",
        "c/haz.yml": "name: c\ntasks:\n  x: {command: [make], outputs: [o]}\n  y: {command: [make], outputs: [/c/o]}\n",
    }
    found = look(files)
    assert short(found.file_errors) == ["cfg::016"]
    assert short(found.graph_errors) == ["dag::011", "dag::012", "dag::014", "dag::015"]
    assert all(problem.span.source for problem in found.graph_errors)


@pytest.mark.parametrize(
    "broken",
    [
        {"b/haz.yml": "name: b\ntasks: [\n"},
        {"b/haz.yml": "tasks: {nope: {command: [make]}}\n"},
        {"b/haz.yml": "name: a\n"},
        {MARKER: "projects: [/a, b]\n"},
        {MARKER: "projects: [/a, /gone]\n"},
        {MARKER: "projects: [/a, '/none/*']\n"},
    ],
)
@pytest.mark.parametrize("reference", ["b:nope", "^:nope", "[g]:nope"])
def test_nothing_is_blamed_on_a_reference_that_a_missing_project_may_answer(broken, reference, look):
    """O12, REF-003, REF-004, REF-005."""
    files = {
        MARKER: "projects: [/a, /b]\n",
        "a/haz.yml": f"name: a\ntasks:\n  t: {{command: [make], deps: ['{reference}', 'a:no']}}\n",
        "b/haz.yml": "name: b\n",
        **broken,
    }
    found = look(files)
    assert len(found.file_errors) == 1
    (problem,) = found.graph_errors
    assert "`a:no`" in problem.message


@pytest.mark.parametrize(
    "broken",
    [
        "name: b\ntags: [g g]\n",
        "name: b\ntask: {nope: {command: [make]}}\n",
        "name: b\ntasks: [nope]\n",
        'name: b\ntasks: {"no pe": {command: [make]}}\n',
    ],
)
def test_nothing_is_blamed_on_a_reference_to_a_project_that_lost_tasks_or_tags(broken, look):
    """O12."""
    files = {
        MARKER: "projects: [/a, /b]\n",
        "a/haz.yml": "name: a\ntasks:\n  t: {command: [make], deps: ['b:nope', '[g]:nope', 'c:x']}\n",
        "b/haz.yml": broken,
    }
    found = look(files)
    assert len(found.file_errors) == 1
    (problem,) = found.graph_errors
    assert "`c:x`" in problem.message


def test_nothing_is_blamed_on_a_body_that_a_missing_one_may_replace(look):
    """O12, DAG-005: whether the overlay's body of `x` counts is not known while b's own tasks are not."""
    files = {
        MARKER: "projects: [/a, /b]\n",
        "a/haz.yml": "name: a\n",
        "b/haz.yml": "name: b\ntasks: [x]\n",
        ".haz/tasks/o.yml": "tasks:\n  x: {command: [make], deps: ['~:x']}\n",
    }
    found = look(files)
    assert short(found.file_errors) == ["cfg::015"]
    assert [(problem.code, problem.task) for problem in found.graph_errors] == [("haz::dag::012", "a:x")]


def test_collisions_that_a_missing_overlay_or_project_may_cure_are_not_told(look):
    """O12, O13, DAG-006."""
    overlay = "tagsFilter: [{tag}]\ntasks: {{x: {{command: [make], cache: false}}}}\n"
    files = {
        MARKER: "projects: [/a]\n",
        "a/haz.yml": "name: a\ntags: [p, q]\n",
        ".haz/tasks/p.yml": overlay.format(tag="p"),
        ".haz/tasks/q.yml": overlay.format(tag="q"),
    }
    assert short(look(files).file_errors) == ["dag::006"]
    assert short(look({**files, MARKER: "projects: [/a, /b]\n"}).file_errors) == ["dsc::017"]
    assert short(look({**files, ".haz/tasks/z.yml": "tasks: 1\n"}).file_errors) == ["cfg::025"]
    same = {
        **files,
        MARKER: "projects: [/a, /b]\n",
        ".haz/tasks/q.yml": overlay.format(tag="p"),
        ".haz/tasks/z.yml": "tasks:\n",
    }
    assert short(look(same).file_errors) == ["dsc::017", "dag::006"]


def test_warnings_that_need_every_file_wait_for_it(look):
    """O12: an input may be what the broken file writes; a program that is not there is not there."""
    files = {
        MARKER: "projects: [/a, /b]\n",
        "a/haz.yml": "name: a\ntasks:\n  t: {command: [make], inputs: [gone.c]}\n  u: {command: [make]}\n",
        "b/haz.yml": "name: b\ntasks: {t: {comand: [make]}}\n",
    }
    assert short(look(files).warnings) == ["chk::003"]


# --- Warnings --------------------------------------------------------------------------------------------------------


def test_a_warning_points_at_the_entry_it_is_about(look):
    """O7, O9."""
    files = lib("  t:\n    command: [make]\n    inputs:\n      - a.c\n      - b.c\n", **{"lib/a.c": ""})
    (problem,) = look(files).warnings
    assert (problem.code, problem.task, problem.severity) == ("haz::chk::001", "lib:t", "warning")
    assert (problem.span.line, problem.span.column, problem.span.length) == (7, 9, 3)
    assert (7, "      - b.c") in problem.span.source


@pytest.mark.parametrize("output", ["gen.c", "/lib/gen.c", "*.c"])
def test_an_input_that_a_task_writes_need_not_exist(output, look):
    text = f"  t: {{command: [make], inputs: [gen.c], deps: ['~:g']}}\n  g: {{shell: make, cache: false, outputs: ['{output}']}}\n"
    assert look(lib(text)).warnings == ()


def test_a_link_to_a_file_is_a_file_and_one_to_nowhere_is_not(look):
    files = task("inputs: [good, bad]", **{"lib/a": "", "lib/good": "-> a", "lib/bad": "-> gone"})
    (problem,) = look(files).warnings
    assert "`bad`" in problem.message


@pytest.mark.parametrize("body", ['command: ["true"]', "shell: ':'", "shell: ''", "command: [/bin/true]"])
def test_a_task_that_only_gathers_others_needs_no_inputs(body, look):
    found = look(lib(f"  t: {{{body}}}\n"))
    assert "chk::003" not in short(found.warnings)


@pytest.mark.parametrize(
    ("inputs", "files", "warned"),
    [
        ('["**"]', {"lib/node_modules/a/b/c.js": ""}, True),
        ('["**/*.py"]', {"lib/node_modules/a/b/c.js": ""}, False),
        ('["src/**"]', {"lib/src/deep/__pycache__/a.pyc": ""}, True),
        ('["src/**/*.py"]', {"lib/src/deep/__pycache__/a.pyc": "", "lib/src/a.py": ""}, False),
        ('["node_modules/**"]', {}, True),
        ('["../x"]', {}, None),
        ('["/lib/.venv/bin/**"]', {}, True),
        ('["target/**"]', {"lib/target/a": ""}, False),
        ('["target/**"]', {"lib/target/a": "", "lib/Cargo.toml": ""}, True),
        ('["**"]', {"lib/target/a": "", "lib/target/CACHEDIR.TAG": ""}, True),
        ('["**", "!**/node_modules/**"]', {"lib/node_modules/a.js": ""}, False),
        ('["**"]', {"lib/loop": "-> .", "lib/a": ""}, False),
    ],
)
def test_inputs_that_reach_into_directories_of_other_tools(inputs, files, warned, look):
    """O18."""
    found = look(task(f"inputs: {inputs}", **files))
    if warned is None:
        assert short(found.file_errors) == ["cfg::016"]
    else:
        assert short(found.warnings).count("chk::004") == warned


def test_what_a_task_writes_into_such_a_directory_may_be_read(look):
    text = (
        "  t: {command: [make], inputs: [target/app, 'target/x/**'], deps: ['~:g']}\n"
        "  g: {shell: make, cache: false, outputs: [target/app, 'target/x/**']}\n"
    )
    assert look(lib(text, **{"lib/Cargo.toml": ""})).warnings == ()


def test_gitignore_keeps_such_directories_out(look):
    """D11."""
    assert look(task('inputs: ["**"], gitignore: true', **{"lib/node_modules/a.js": ""})).warnings == ()


def test_an_unset_variable_is_told_once_with_all_that_want_it(look):
    """O25."""
    files = lib("".join(f"  t{n}: {{command: [make], cache: false}}\n" for n in range(7)))
    files[MARKER] = "projects: [/lib]\nenv: {from_host: [TOKEN]}\n"
    (problem,) = look(files).warnings
    assert problem.code == "haz::chk::005"
    assert "lib:t0, lib:t1, lib:t2, lib:t3, lib:t4 and 2 more" in problem.message
    assert look(files, TOKEN="").warnings == ()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("command: [make]", None),
        ("command: [gone]", "chk::006"),
        ("command: [./run.sh]", None),
        ("command: [./plain.txt]", "chk::006"),
        ("command: [../lib/run.sh]", None),
        ("command: [haz-own-tool]", None),
        ("command: [haz-own-tool], env: {pass: []}", "chk::006"),
        ("command: [run.sh], env: {override: {PATH: '.'}}", None),
        ("command: [make], tools: [gone]", "chk::006"),
        ("command: [make], persistent: true, ready: {command: [gone]}", "chk::006"),
        ("shell: x, shell_type: fish", "chk::007"),
        ("shell: x", None),
        ("shell: x, env: {override: {PATH: /nowhere}}", "chk::007"),
    ],
)
def test_programs_are_looked_for_where_the_task_would(body, code, look, tmp_path):
    """O17, O30, CFG-022."""
    script = tmp_path / "ws/lib/run.sh"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    found = look(lib(f"  t: {{{body}, cache: false}}\n", **{"lib/plain.txt": ""}))
    assert found.file_errors == ()
    assert short(found.warnings) == ([] if code is None else [code])


def test_a_program_that_a_task_builds_is_found(look):
    text = "  t: {command: [out/app], cache: false, deps: ['~:g']}\n  g: {shell: x, cache: false, outputs: [out/app]}\n"
    assert look(lib(text)).warnings == ()


def test_names_that_differ_in_case_or_encoding(look):
    """O31."""
    files = {
        MARKER: 'projects: ["/*"]\n',
        "lib/haz.yml": "name: lib\ntags: [Rust]\ntasks: {t: {shell: x, cache: false, outputs: [A, a]}}\n",
        "Lib/haz.yml": "name: Lib\ntags: [rust]\n",
        "caf\u00e9/haz.yml": "name: one\n",
        "cafe\u0301/haz.yml": "name: two\n",
        ".haz/tasks/o.yml": "tasks:\n",
        ".haz/tasks/O.yml": "tasks:\n",
    }
    messages = [problem.message for problem in look(files).warnings]
    for part in ("`Lib` and `lib`", "tags `rust` and `Rust`", "`/Lib` and `/lib`", "overlays `O` and `o`", "/lib/A"):
        assert any(part in message for message in messages), part
    assert any("caf\u00e9" in message and "cafe\u0301" in message for message in messages)
    assert len(messages) == 6


COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize(
    ("pattern", "file", "told"),
    [
        (COMPOSED, DECOMPOSED, f"misses /lib/{DECOMPOSED}"),
        (f"{COMPOSED}/a.c", f"{DECOMPOSED}/a.c", f"misses /lib/{DECOMPOSED}/a.c"),
        (f"{COMPOSED}/**", f"{DECOMPOSED}/d/a.c", f"misses /lib/{DECOMPOSED}/d/a.c"),
        (f"**/{COMPOSED}.*", f"d/{DECOMPOSED}.c", f"misses /lib/d/{DECOMPOSED}.c"),
        (DECOMPOSED, DECOMPOSED, "not NFC"),
        (f"{DECOMPOSED}/**", "x", "not NFC"),
        (COMPOSED, COMPOSED, None),
        (f"{COMPOSED}/**", f"{COMPOSED}/a.c", None),
        (f"*/{COMPOSED}", DECOMPOSED, None),
        (f"{COMPOSED}/*", f"{DECOMPOSED}/d/a.c", None),
        ("cafe/**", f"{DECOMPOSED}/a.c", None),
        ("**", DECOMPOSED, None),
    ],
)
@pytest.mark.parametrize("key", ["inputs", "outputs"])
def test_a_pattern_and_a_name_in_different_encodings_are_told(key, pattern, file, told, look):
    """O31: normalise for comparison, warn."""
    found = look(lib(f"  t: {{shell: x, cache: false, {key}: ['{pattern}']}}\n", **{f"lib/{file}": ""}))
    messages = [problem.message for problem in found.warnings if problem.code == "haz::chk::015"]
    assert len(messages) == (told is not None)
    assert all(told in message for message in messages)


def test_of_two_files_that_look_the_same_the_one_that_is_meant_hides_the_other(look):
    """O31: nothing is missed."""
    files = {f"lib/{COMPOSED}": "", f"lib/{DECOMPOSED}": ""}
    assert look(task(f"cache: false, inputs: [{COMPOSED}]", **files)).warnings == ()


def test_an_exclusion_that_is_decomposed_is_told_at_its_place(look):
    """O31."""
    (problem,) = look(task(f"cache: false, inputs: ['**', '!{DECOMPOSED}/**']")).warnings
    assert (problem.code, "exclusion" in problem.message, problem.span.line) == ("haz::chk::015", True, 3)


def test_every_misnamed_file_is_told(look):
    """O28."""
    files = {
        MARKER: 'projects: ["/*", "!/old"]\n',
        ".haz/workspace.yaml": "",
        ".haz/tasks/a.yaml": "",
        "a/haz.yml": "name: a\n",
        "a/haz.yaml": "",
        "b/haz.yaml": "name: b\n",
        "old/haz.yaml": "name: c\n",
    }
    found = look(files)
    assert short(found.warnings) == ["chk::008", "cfg::050", "chk::008", "chk::008"]
    assert "`/b` is no project" in found.warnings[0].message


def test_a_missing_file_with_the_wrong_ending_gets_a_hint(look):
    """O28."""
    (problem,) = look({MARKER: "projects: [/b]\n", "b/haz.yaml": "name: b\n"}).file_errors
    assert "haz.yaml" in problem.help


def test_an_unreadable_marker_beside_a_misnamed_one_gets_a_hint(look):
    """O28."""
    (problem,) = look({".haz/workspace.yaml": "", MARKER: "-> gone"}).file_errors
    assert "workspace.yaml" in problem.help


def test_a_misnamed_marker_gets_a_hint(look):
    """O28, DISC-002."""
    (problem,) = look({".haz/workspace.yaml": "projects: []\n"}).file_errors
    assert problem.help.startswith("rename ")
    assert problem.help.endswith("workspace.yaml to `workspace.yml`")


def test_an_overlay_body_that_always_loses_is_told(look):
    body = "tasks: {{x: {{shell: {}, cache: false}}, y: {{shell: {}, cache: false}}}}\n"
    files = {
        MARKER: 'projects: ["/*"]\n',
        "a/haz.yml": "name: a\ntags: [p]\n",
        "b/haz.yml": "name: b\n" + "tasks: {x: {shell: own, cache: false}}\n",
        ".haz/tasks/all.yml": body.format("all", "all"),
        ".haz/tasks/p.yml": "tagsFilter: [p]\n" + body.format("p", "p"),
    }
    (problem,) = look(files).warnings
    assert problem.code == "haz::chk::010"
    assert "task `x` of the overlay `all`" in problem.message
    assert problem.span.file.endswith("all.yml")


def test_a_function_is_one_row():
    functions = [check.find for check in checks.CHECKS]
    assert len(set(functions)) == len(functions) == 13


def test_the_manual_of_the_command_names_every_code():
    text = (pathlib.Path(__file__).parents[2] / "docs" / "check.md").read_text()
    assert [name for name, code in codes.CODES.items() if code.phase == "check" and name not in text] == []
