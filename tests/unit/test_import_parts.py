"""The parts of an import: reading manifests, names, patterns, and what settling makes of tasks."""

from __future__ import annotations

import json
import string

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from haz import _core
from haz.importers import documents, names, patterns
from haz.importers.documents import ManifestError
from haz.importers.records import Imported, Project, Task
from haz.importers.settle import Ready, settle
from haz.importers.tree import absolute
from haz.init.text import comment, flow, lines, scalar
from haz.names import identifier_problem

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), VALUES), st.integers(0, 2))
def test_json_is_read_as_the_standard_library_reads_it(value: object, indent: int) -> None:
    text = json.dumps(value, indent=indent or None, ensure_ascii=indent == 1)
    assert documents.json_with_comments("x", text).data == value


def test_json_takes_comments_and_trailing_commas_and_knows_its_lines() -> None:
    text = '{ // "no": 1,\n  "a": /* [ */ ["//", "/* x */",],\n  "b": {"c": 1, "c": 2,},\n}\n// end'
    document = documents.json_with_comments("f.json", text)
    assert document.data == {"a": ["//", "/* x */"], "b": {"c": 2}}
    assert document.place("b", "c") == "f.json:3"
    assert document.place("b", "missing", "deeper") == "f.json:3"
    assert document.place("nothing") == "f.json"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{", 1),
        ('{"a"\n1}', 2),
        ("[1\n2]", 2),
        ('{"a": 1}\n}', 2),
        ("\n\n'x'", 3),
        ("{,}", 1),
        ("tru", 1),
        ("[" * 200, 1),
    ],
)
def test_what_is_no_json_is_told_with_its_line(text: str, line: int) -> None:
    with pytest.raises(ManifestError, match=rf"^f\.json:{line} is not JSON: "):
        documents.json_with_comments("f.json", text)


def test_toml_keys_have_lines() -> None:
    text = '[a]\nb = 1\n\n[a."c.d"]\n"e f".g = 2\n[[list]]\nx = 3\n'
    document = documents.toml("f.toml", text)
    assert document.place("a", "b") == "f.toml:2"
    assert document.place("a", "c.d", "e f", "g") == "f.toml:5"
    assert document.place("list", "x") == "f.toml:7"


@given(st.text(max_size=80), st.text(max_size=80))
def test_every_name_becomes_a_valid_one_and_no_two_the_same(one: str, other: str) -> None:
    found = names.unique([(one, "a"), (other, "b"), (one, "c")])
    assert len(set(found)) == 3
    assert [identifier_problem(name) for name in found] == [None] * 3


def test_a_name_that_is_valid_stays_whoever_comes_first() -> None:
    assert names.unique([("@a/b", "x"), ("a-b", "y"), ("a b", "z")]) == ["a-b-2", "a-b", "a-b-3"]
    assert names.unique([("@", "dir"), ("é", "")]) == ["dir", "project"]


@pytest.mark.parametrize(
    ("project", "path", "expected"),
    [
        ("/a/b", "./c/../d", "/a/b/d"),
        ("/a", "../..", "/.."),
        ("/a", "../../x", "/../x"),
        ("", ".", ""),
        ("/a", "/x/", "/x"),
    ],
)
def test_paths_are_joined_without_leaving_unnoticed(project: str, path: str, expected: str) -> None:
    assert absolute(project, path) == expected


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("!/p/**/?(*.)+(spec|test).[jt]s?(x)?(.snap)", ["/p/a.spec.ts", "/p/d/test.jsx.snap"], ["/p/spec.css"]),
        ("/p/**.ts", ["/p/a.ts"], ["/p/d/a.ts"]),
        ("/p/@(a|b)/*.md", ["/p/a/x.md", "/p/b/x.md"], ["/p/c/x.md"]),
    ],
)
def test_patterns_of_other_tools_match_the_same(pattern: str, matching: list[str], other: list[str]) -> None:
    text = patterns.anchored("", pattern).removeprefix("!")
    compiled = _core.PatternSet([[(text, False, False)]])
    assert all(compiled.matching(path) for path in matching)
    assert not any(compiled.matching(path) for path in other)


@given(st.text(), st.text(alphabet=string.printable))
def test_every_text_is_read_back_as_it_was(one: str, other: str) -> None:
    """O5 of 04 §14: YAML-significant names."""
    for text in (one, other):
        if any(0xD800 <= ord(character) < 0xE000 for character in text):
            continue
        assert yaml.safe_load(scalar(text)) == text
        assert _core.yaml_parse(f"k: {scalar(text)}\n".encode()).value[0][1].value == text
        assert yaml.safe_load(flow([text, {"k": text}])) == [text, {"k": text}]


@given(st.text())
def test_a_comment_is_one_whatever_is_in_it(text: str) -> None:
    assert all(line.startswith("# ") and len(line.splitlines()) == 1 for line in comment(text))


def test_what_does_not_fit_on_a_line_is_written_on_several() -> None:
    value = {"inputs": ["x" * 60, "y" * 60], "empty": [], "deep": {"a": "z" * 120}}
    text = "\n".join(lines("task", value))
    assert yaml.safe_load(text) == {"task": value}
    assert text.count("\n") >= 4


# --- Settling --------------------------------------------------------------------------------------------------------


def task(path: str, name: str, **more: object) -> Task:
    return Task((path, name), command=("run", name), **more)


def settled(*tasks: Task) -> tuple[dict[str, Ready], list[str]]:
    paths = sorted({task.key[0] for task in tasks})
    found, notes = settle(Imported(tuple(Project(path, path[1:] or "root") for path in paths), tasks, ()))
    return {f"{p.name}:{ready.name}": ready for p in found for ready in p.tasks}, [note.text for note in notes]


def test_a_task_without_an_action_stands_for_what_it_depends_on() -> None:
    found, _ = settled(
        task("/app", "build", deps=(("/lib", "build"),)),
        Task(("/lib", "build"), deps=(("/base", "build"),), directories=("/lib",)),
        task("/base", "build", directories=("/base",)),
    )
    assert set(found) == {"app:build", "base:build"}
    assert found["app:build"].deps == ("base:build",)
    assert set(found["app:build"].inputs) >= {"/lib/**", "/base/**"}


def test_what_a_predecessor_leaves_out_counts_where_the_task_itself_reads_it() -> None:
    """Else an edit of a test would not run the test again, because its build ignores tests."""
    found, _ = settled(
        task("/a", "build", directories=("/a",), inputs=("!/a/**/*.spec.ts",), gitignore=True),
        task("/a", "test", directories=("/a",), deps=(("/a", "build"),), gitignore=True),
        task("/b", "build", inputs=("/b/src/**",), deps=(("/a", "build"),), gitignore=True),
    )
    assert found["a:build"].inputs == ("/a/**", "!/a/**/*.spec.ts", "!/**/haz.yml")
    assert found["a:test"].inputs == ("/a/**", "!/**/haz.yml")
    assert found["b:build"].inputs == ("/a/**", "/b/src/**", "!/a/**/*.spec.ts", "!/**/haz.yml")


def test_outputs_are_no_inputs_but_where_they_are_named() -> None:
    found, _ = settled(
        task("/a", "build", directories=("/a",), outputs=("/a/dist/**", "/a/{log}")),
        task("/a", "lint", directories=("/a",)),
        task("/a", "pack", directories=("/a",), inputs=("/a/dist/**",)),
    )
    assert set(found["a:lint"].inputs) >= {"!/a/dist/**", "!/a/{log}"}
    assert set(found["a:build"].inputs) >= {"!/a/dist/**", "!/a/{log}"}
    assert "!/a/dist/**" not in found["a:pack"].inputs


def test_what_git_ignores_counts_as_soon_as_one_contributor_says_so() -> None:
    found, _ = settled(
        task("/a", "build", directories=("/a",), inputs=("/a/.env*",)),
        task("/a", "test", directories=("/a",), deps=(("/a", "build"),), gitignore=True),
    )
    assert not found["a:test"].gitignore
    assert "!/**/node_modules/**" in found["a:test"].inputs


def test_circles_are_broken_and_told() -> None:
    found, notes = settled(
        task("/a", "t", deps=(("/b", "t"),)), task("/b", "t", deps=(("/c", "t"),)), task("/c", "t", deps=(("/a", "t"),))
    )
    assert sum(len(ready.deps) for ready in found.values()) == 2
    assert any("in a circle" in note for note in notes)


def test_a_weak_dependency_goes_before_a_hard_one() -> None:
    found, notes = settled(task("/a", "t", deps=(("/b", "t"),)), task("/b", "t", weak=(("/a", "t"),)))
    assert (found["a:t"].deps, found["b:t"].weak) == (("b:t",), ())
    assert notes == []


def test_a_pattern_that_cannot_be_read_is_told_and_the_task_is_not_cached() -> None:
    found, notes = settled(task("/a", "t", inputs=("/a/{x", "/a/y", "!/a/!(z)")), task("/a", "u", inputs=("!/a/[",)))
    assert found["a:t"].inputs == ("/a/y", "!/a/!(z)")
    assert (found["a:t"].task.cache, found["a:u"].task.cache) == (False, True)
    assert len(notes) == 2
    assert "the task is not cached" in notes[0]


def test_one_file_of_two_writers_becomes_a_pattern() -> None:
    """DAG-015."""
    found, notes = settled(task("/a", "t", outputs=("/a/x.txt",)), task("/a", "u", outputs=("/a/x.txt", "/a/y.txt")))
    assert found["a:u"].task.outputs == ("/a/{x.txt}", "/a/y.txt")
    assert any("written by several tasks" in note for note in notes)


def test_a_file_that_a_later_task_writes_is_no_input() -> None:
    """DAG-014: else the flow of files would close a circle."""
    found, notes = settled(
        task("/a", "build", inputs=("/a/x.txt", "/a/y.txt")),
        task("/a", "stamp", outputs=("/a/*.txt", "!/a/y.txt"), deps=(("/a", "build"),)),
    )
    assert found["a:build"].inputs == ("/a/y.txt",)
    assert any("written by a task after it" in note for note in notes)
