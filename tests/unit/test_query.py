from __future__ import annotations

import json
import time

import pytest

from haz._core import PatternSet
from haz.graph import TaskGraph
from haz.graph_build import build
from haz.model import Pattern
from haz.query import Filters, QueryError, as_json, plain, report, run_query
from haz.query.expression import SyntaxProblem, parse
from haz.query.intersect import Automaton, TooIntricateError
from tests.unit.graphs import ids, spec, workspace

SPACE = workspace(
    {
        "app": {
            "bundle": {"deps": ["lib:build", "~:gen"], "inputs": ["src/**"], "outputs": ["dist/**"]},
            "gen": {"outputs": ["gen/a.ts"], "mutex": spec("x", mutex="m").mutex},
        },
        "lib": {
            "build": {"deps": ["~:conf"], "inputs": ["src/*.c", "!src/skip.c"], "outputs": ["lib.a"]},
            "conf": {"weak": ["app:gen"]},
            "test": {"deps": ["~:build"], "inputs": ["/lib/lib.a", "tests/**"]},
        },
    },
    tags={"app": "web fast", "lib": "c fast"},
)
GRAPH, PROBLEMS = build(SPACE, PatternSet)
EVERYTHING = ["app:bundle", "app:gen", "lib:build", "lib:conf", "lib:test"]


def asked(bearing=None, **filters):
    assert not PROBLEMS
    root = None if bearing is None else f"/{bearing}"
    return list(map(str, run_query(GRAPH, Filters(**filters), bearing, root)))


def problems(bearing=None, **filters):
    with pytest.raises(QueryError) as raised:
        asked(bearing, **filters)
    return raised.value.problems


class TestFilters:
    @pytest.mark.parametrize(
        ("filters", "expected"),
        [
            ({}, EVERYTHING),
            ({"tags": "c"}, ["lib:build", "lib:conf", "lib:test"]),
            ({"tags": "fast & !web"}, ["lib:build", "lib:conf", "lib:test"]),
            ({"tags": "unknown"}, []),
            ({"projects": "app | nowhere"}, ["app:bundle", "app:gen"]),
            ({"tasks": "build|test"}, ["lib:build", "lib:test"]),
            ({"tasks": "!(build|test)"}, ["app:bundle", "app:gen", "lib:conf"]),
            ({"inputs": "/lib/**"}, ["lib:build", "lib:test"]),
            ({"inputs": "/lib/lib.a"}, ["lib:test"]),
            ({"inputs": "!/**"}, ["app:gen", "lib:conf"]),
            ({"inputs": "/**/*.c"}, ["app:bundle", "lib:build", "lib:test"]),
            ({"inputs": "/lib/src/skip.c"}, []),
            ({"inputs": "/lib/src/keep.c"}, ["lib:build"]),
            ({"outputs": "/*/lib.a"}, ["lib:build"]),
            ({"outputs": "/app/dist"}, []),
            ({"has_deps": True}, ["app:bundle", "lib:build", "lib:test"]),
            ({"has_deps": False}, ["app:gen", "lib:conf"]),
            ({"has_inputs": False}, ["app:gen", "lib:conf"]),
            ({"has_outputs": False, "has_inputs": True}, ["lib:test"]),
            ({"mutex": True}, ["app:gen"]),
        ],
    )
    def test_attributes_and_shortcuts(self, filters, expected):
        """QRY-001, QRY-003, QRY-005, QRY-006, QRY-007."""
        assert asked(**filters) == expected

    @pytest.mark.parametrize(
        ("filters", "expected"),
        [
            ({"child_of": "name:build"}, ["app:bundle", "lib:test"]),
            ({"parent_of": "name:bundle"}, ["app:gen", "lib:build"]),
            ({"depends_on": "name:conf"}, ["app:bundle", "lib:build", "lib:test"]),
            ({"ancestor_of": "name:bundle | name:test"}, ["app:gen", "lib:build", "lib:conf"]),
            ({"depends_on": "project:lib"}, ["app:bundle"]),
            ({"child_of": "project:lib & !name:conf"}, ["app:bundle", "lib:test"]),
            ({"ancestor_of": "tag:web"}, ["lib:build", "lib:conf"]),
        ],
    )
    def test_relations_follow_hard_edges_of_the_whole_workspace(self, filters, expected):
        """QRY-004; `weakDeps` do not count."""
        assert asked(**filters) == expected

    @pytest.mark.parametrize(
        ("filters", "expected"),
        [
            ({"tasks": "b*"}, ["app:bundle", "lib:build"]),
            ({"tasks": "?e*"}, ["app:gen", "lib:test"]),
            ({"projects": "*"}, EVERYTHING),
            ({"projects": "*i*"}, ["lib:build", "lib:conf", "lib:test"]),
            ({"projects": "L*"}, []),
            ({"tags": "f*t & !w*"}, ["lib:build", "lib:conf", "lib:test"]),
            ({"child_of": "name:b*"}, ["app:bundle", "lib:test"]),
            ({"depends_on": "project:?ib"}, ["app:bundle"]),
        ],
    )
    def test_names_may_have_wildcards(self, filters, expected):
        """04 §14 B9: names had none."""
        assert asked(**filters) == expected

    def test_candidates_are_those_of_the_bearing_project(self):
        """QRY-001; relations still see the whole workspace."""
        assert asked("app") == ["app:bundle", "app:gen"]
        assert asked("app", child_of="project:lib") == ["app:bundle"]

    def test_a_relative_pattern_is_seen_from_the_bearing_project(self):
        """QRY-003."""
        assert asked("lib", inputs="src/**") == ["lib:build"]
        assert asked("lib", inputs="!src/**", tasks="!b*") == ["lib:conf", "lib:test"]

    def test_a_project_root_with_glob_characters_is_taken_literally(self):
        """QRY-003, O22."""
        task = spec("a:t", inputs=(Pattern("f", "/[x]/f", literal=True),)).replace(root="/[x]")
        graph = TaskGraph({task.id: task}, {}, {}, {})
        assert run_query(graph, Filters(inputs="*"), "a", "/[x]") == ids("a:t")
        assert run_query(graph, Filters(inputs="/x/*"), "a", "/[x]") == ()


def meeting(expression, *inputs):
    """Which of the given inputs of `/a` the expression meets."""
    tasks = [spec(f"a:t{n}", inputs=(Pattern(i, f"/a/{i}", literal=True),)) for n, i in enumerate(inputs)]
    graph = TaskGraph({task.id: task for task in tasks}, {}, {}, {})
    return [inputs[int(task.task[1:])] for task in run_query(graph, Filters(inputs=expression), None, "/a")]


class TestExpressions:
    @pytest.mark.parametrize(
        ("expression", "met"),
        [
            (r"my\ file", ["my file"]),
            (r"/a/my\ *|/q", ["my file"]),
            (r"[\!m]*", ["q", "(x&y)"]),
            (r"\(x\&y\)", ["(x&y)"]),
            (r"\q", ["q"]),
            (r"\\|q", ["q"]),
        ],
    )
    def test_a_backslash_makes_operators_and_blanks_a_part_of_a_pattern(self, expression, met):
        """04 §14 B9: paths with blanks, and classes such as `[!a]`, could not be written."""
        assert meeting(expression, "my file", "q", "(x&y)") == met

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "filter expression is empty"),
            (" \t", "filter expression is empty"),
            ("a |", "expected atom at byte 3"),
            ("!", "expected atom at byte 1"),
            ("()", "expected atom at byte 1"),
            ("( )", "expected atom at byte 2"),
            ("(", "expected atom at byte 1"),
            ("!!a", "unexpected operator '!' at byte 1"),
            ("a && b", "unexpected operator '&' at byte 3"),
            ("|a", "unexpected operator '|' at byte 0"),
            (")", "unexpected operator ')' at byte 0"),
            ("(a|)", "unexpected operator ')' at byte 3"),
            ("a b", "unexpected character 'b' at byte 2"),
            ("a!b", "unexpected character '!' at byte 1"),
            ("a(b)", "unexpected character '(' at byte 1"),
            ("é b", "unexpected character 'b' at byte 3"),
            ("a)", "unmatched ')' at byte 1"),
            ("(a))", "unmatched ')' at byte 3"),
            ("(a", "unmatched '(' at byte 0"),
            ("(a b)", "unmatched '(' at byte 0: expected & | or ) at byte 3"),
            ("((a b)", "unmatched '(' at byte 1: expected & | or ) at byte 4"),
            ("[!a]", "unexpected character '!' at byte 1"),
        ],
    )
    def test_syntax_errors(self, text, reason):
        """QRY-002, spec 04 §10.5."""
        with pytest.raises(SyntaxProblem) as raised:
            parse(text)
        assert raised.value.reason == reason

    @pytest.mark.parametrize("text", ["! a", "!(a|b)", "((a))", "a\t&b", "!(!(a))", "a:/*?[]{},\\.é"])
    def test_accepted_spellings(self, text):
        """QRY-002."""
        assert parse(text).atoms

    def test_a_newline_is_an_ordinary_character(self):
        """QRY-002."""
        assert [atom.text for atom in parse("a\nb|c").atoms] == ["a\nb", "c"]

    def test_evaluation_is_lazy_from_left_to_right(self):
        """QRY-002."""
        asked_for = []

        def test(number):
            asked_for.append(number)
            return number == 0

        assert parse("a | b").evaluate(test)
        assert not parse("!a & b").evaluate(test)
        assert asked_for == [0, 0]

    def test_depth_exhausts_nothing(self):
        text = "!(" * 50_000 + "a" + ")" * 50_000
        assert parse(text).evaluate(lambda _: True)


class TestProblems:
    def test_a_syntax_error_names_flag_expression_and_reason(self):
        """QRY-009, spec 04 §10.5."""
        (problem,) = problems(child_of="(name:a")
        assert problem.message == "--child-of: failed to parse expression `(name:a`: unmatched '(' at byte 0"

    def test_a_bad_name_has_its_span_in_bytes(self):
        """QRY-003: the example of the contract."""
        (problem,) = problems(tags="good | foo.bar")
        assert problem.message.startswith("--tags: invalid atom in `good | foo.bar`: invalid tag name")
        assert "bytes 7..14" in problem.message

    def test_carets_stand_under_characters_and_not_bytes(self):
        """Spec 04 §10.5 and §14 B9."""
        (problem,) = problems(tasks="é & ö")[:1]
        assert "bytes 0..2" in problem.message
        second = problems(tasks="a & ö.")[0]
        assert second.picture() == "a & ö.\n    ^^"
        assert report([second]).splitlines()[1:] == ["  a & ö.", "      ^^"]

    def test_the_caret_of_a_missing_atom_stands_behind_the_end(self):
        assert problems(tags="a &")[0].picture() == "a &\n   ^"

    @pytest.mark.parametrize(
        ("atom", "parts"),
        [
            ("build", ["missing the `:` separator", "bytes 0..5"]),
            ("kind:x", ["unknown relational kind 'kind'", "expected one of name, project, tag", "bytes 0..6"]),
            ("Name:x", ["unknown relational kind 'Name'"]),
            ("name:", ["invalid task name"]),
            ("project:a.b", ["invalid project name"]),
            ("tag:-x", ["invalid tag name"]),
        ],
    )
    def test_relation_atoms(self, atom, parts):
        """QRY-004."""
        (problem,) = problems(depends_on=atom)
        for part in ("--depends-on: invalid atom in", *parts):
            assert part in problem.message

    def test_a_bad_path_pattern_says_why(self):
        """QRY-003."""
        (problem,) = problems(inputs="/src/**.c")
        assert "invalid path pattern `/src/**.c` at bytes 0..9: " in problem.message
        assert "whole path segment" in problem.message

    def test_a_relative_pattern_outside_a_project_is_refused_at_once(self):
        """QRY-003, spec 04 §14 B9; used to depend on the candidates."""
        (problem,) = problems(outputs="/x | src/**")
        assert "needs a project directory" in problem.message
        assert "bytes 5..11" in problem.message

    def test_every_flag_and_every_atom_is_told(self):
        """Spec 04 §10.5; used to stop at the first."""
        found = problems(tags="(", tasks="a.b | c.d", ancestor_of="x")
        assert [problem.flag for problem in found] == ["--tags", "--tasks", "--tasks", "--ancestor-of"]


class TestFormats:
    def test_plain_is_one_line_each_and_nothing_for_none(self):
        """QRY-008."""
        assert plain(ids("a:b", "c:d")) == "a:b\nc:d\n"
        assert plain(()) == ""

    def test_json_has_the_promised_keys(self):
        """QRY-008."""
        text = as_json(GRAPH, ids("lib:build"))
        assert text.count("\n") == 1
        (row,) = json.loads(text)
        assert list(row)[:3] == ["project", "tags", "task"]
        assert (row["project"], row["tags"], row["task"]) == ("lib", ["c", "fast"], "build")
        assert row["inputs"] == ["src/*.c", "!src/skip.c"]
        assert row["deps"] == ["lib:conf"]
        assert as_json(GRAPH, ()) == "[]\n"


HARD = [
    # The one that a determinised automaton took more than a minute for.
    ("/src/**/*a?????????????????.c", "/src/**/*b?????????????????.c", False),
    ("/" + "*a?" * 60 + "*z*", "/" + "*b?" * 60 + "*y*", True),
    ("/" + "**/*a?/" * 60 + "*z*", "/" + "**/*b?/" * 60 + "*y*", False),
    ("/" + "*{a*,b*}" * 60 + "*z*", "/" + "*{b*,a?}" * 60 + "*y*", True),
    ("/**/" + "?" * 200 + "*", "/" + "*/" * 200 + "b*", True),
]


@pytest.mark.parametrize(("left", "right", "answer"), HARD, ids=range(len(HARD)))
def test_difficult_patterns_are_compared_in_bounded_time(left: str, right: str, answer: bool) -> None:
    """QRY-003, 04 §14 B4: CPU time, with plenty of room."""
    started = time.process_time()
    assert Automaton(left, literal=False).meets(Automaton(right, literal=False)) == answer
    assert time.process_time() - started < 5


def test_patterns_that_are_made_to_take_long_are_refused_by_name() -> None:
    """QRY-003: after a number of steps, not of seconds."""
    left, right = "/" + "**/*a?/" * 300 + "*z*", "/" + "**/*b?/" * 300 + "*y*"
    with pytest.raises(TooIntricateError, match=r"query engine failed: `/.*` and `/.*` are too intricate"):
        Automaton(left, literal=False).meets(Automaton(right, literal=False))
