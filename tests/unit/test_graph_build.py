from __future__ import annotations

import pytest

from haz.diagnostics import Span
from haz.graph_build import _leading, build, unordered_producers
from tests.unit.graphs import ids, task_id, workspace
from tests.unit.naive_glob import NaivePatterns


def built(projects, tags=None):
    return build(workspace(projects, tags), NaivePatterns)


def sound(projects, tags=None):
    graph, problems = built(projects, tags)
    assert not problems
    return graph


def codes(projects, tags=None):
    return [problem.code.rpartition("::")[2] for problem in built(projects, tags)[1]]


def only(projects, tags=None):
    (problem,) = built(projects, tags)[1]
    return problem


def test_nodes_are_the_effective_tasks_in_canonical_order():
    """DAG-007; by pair: `a:z` before `a-b:a`."""
    assert sound({"a-b": {"a": {}}, "a": {"z": {}, "b": {}}, "none": {}}).nodes == ids("a:b", "a:z", "a-b:a")


def test_references_become_hard_and_soft_edges():
    """DAG-008, DAG-009."""
    graph = sound(
        {"a": {"t": {"deps": ["[x]~:b", "~:b"], "weak": ["c:w"]}, "b": {}}, "c": {"w": {}, "b": {}}},
        tags={"a": "x", "c": "x"},
    )
    assert graph.hard_predecessors[task_id("a:t")] == ids("a:b", "c:b")
    assert graph.soft_predecessors[task_id("a:t")] == ids("c:w")
    assert graph.hard_successors[task_id("c:b")] == ids("a:t")
    assert graph.soft_successors[task_id("c:w")] == ids("a:t")
    assert graph.hard_predecessors[task_id("a:b")] == ()


def test_different_spellings_of_one_task_are_one_edge():
    """Spec 01 §5.6."""
    graph = sound({"a": {"t": {"deps": ["~:b", "a:b", "^:b"]}, "b": {}}})
    assert graph.hard_predecessors[task_id("a:t")] == ids("a:b")


class TestProducerEdges:
    @pytest.mark.parametrize(
        ("output", "source", "edge"),
        [
            ("gen/f.rs", "gen/f.rs", True),
            ("gen/f.rs", "/a/gen/f.rs", True),
            ("gen/f.rs", "gen/g.rs", False),
            ("gen/f.rs", "**/*.rs", True),
            ("gen/f.rs", "*.rs", False),
            ("out/*.txt", "out/a.txt", True),
            ("out/*.txt", "out/b/a.txt", False),
            ("*.x", "*.x", False),
        ],
    )
    def test_the_table_of_the_contract(self, output, source, edge):
        """DAG-013; two globs are never decided statically."""
        graph = sound({"a": {"p": {"outputs": [output]}, "c": {"inputs": [source]}}})
        assert graph.producer_predecessors[task_id("a:c")] == (ids("a:p") if edge else ())
        assert graph.producer_successors[task_id("a:p")] == (ids("a:c") if edge else ())

    def test_a_formatter_is_its_own_producer(self):
        """DAG-013, DAG-014, EXEC-018."""
        graph = sound({"a": {"fmt": {"inputs": ["f.rs"], "outputs": ["f.rs"]}}})
        assert graph.producer_predecessors[task_id("a:fmt")] == ids("a:fmt")

    def test_an_exclusion_takes_a_file_out_of_a_glob_but_not_out_of_a_literal(self):
        """D11."""
        graph = sound(
            {"a": {"p": {"outputs": ["f.rs"]}, "c": {"inputs": ["*.rs", "!f.rs"]}, "d": {"inputs": ["f.rs", "!*.rs"]}}}
        )
        assert graph.producer_successors[task_id("a:p")] == ids("a:d")

    def test_an_exclusion_is_no_producer(self):
        graph = sound({"a": {"p": {"outputs": ["*.o", "!f.rs"]}, "c": {"inputs": ["f.rs"]}}})
        assert graph.producer_successors[task_id("a:p")] == ()

    def test_an_unordered_consumer_is_warned_about(self):
        """D8, O14."""
        graph = sound(
            {
                "a": {
                    "p": {"outputs": ["f", "g", "h"]},
                    "direct": {"inputs": ["f"], "deps": ["~:p"]},
                    "soft": {"inputs": ["g"], "weak": ["~:direct"]},
                    "loose": {"inputs": ["h"]},
                    "self": {"inputs": ["s"], "outputs": ["s"]},
                }
            }
        )
        (warning,) = unordered_producers(graph)
        assert warning.severity == "warning"
        assert "a:loose reads what a:p writes" in warning.message


def test_each_pattern_is_compiled_once_and_each_path_matched_once():
    """O5: the work grows with the number of tasks, not with that of their pairs."""
    compiled, matched = [], []

    class Counting(NaivePatterns):
        def __init__(self, specs):
            super().__init__(specs)
            compiled.extend(pattern for spec in specs for pattern in spec)

        def matching(self, path):
            matched.append(path)
            return super().matching(path)

    tasks = {f"t{n}": {"inputs": [f"in{n}", f"in{n}/*.c"], "outputs": [f"out{n}", f"o{n}/*.o"]} for n in range(50)}
    graph, problems = build(workspace({"a": tasks}), Counting)
    assert len(graph.nodes) == 50
    assert problems == ()
    assert len(compiled) == len(set(compiled)) == 100
    assert len(matched) == len(set(matched)) == 100


class TestErrors:
    def test_an_unresolved_reference_names_task_reference_and_reason(self):
        """DAG-011, REF-003, O7."""
        problem = only({"a": {"t": {"deps": ["lib:x"]}}})
        assert problem.code == "haz::dag::011"
        for part in ("a:t", "`lib:x`", "unresolved", "names unknown project 'lib'"):
            assert part in problem.message
        assert problem.span == Span("/ws/haz.yml", 0, 9, 5)
        assert problem.task == "a:t"

    @pytest.mark.parametrize(
        ("text", "help_text"), [("~:t", "remove"), ("a:t", "remove"), ("^:t", "`^~:t`"), ("[x]:t", "`[x]~:t`")]
    )
    def test_a_reference_that_includes_the_task_itself_adds_no_edge_at_all(self, text, help_text):
        """DAG-012."""
        graph, (problem,) = built({"a": {"t": {"deps": [text]}}, "b": {"t": {}}}, {"a": "x", "b": "x"})
        assert problem.code == "haz::dag::012"
        assert "DAG-012" in problem.message
        assert f"`{text}`" in problem.message
        assert help_text in problem.help
        assert graph.hard_predecessors[task_id("a:t")] == ()

    def test_a_task_in_both_lists_is_an_error_by_any_spelling(self):
        """DAG-010."""
        problem = only({"a": {"t": {"deps": ["^:x"], "weak": ["b:x"]}}, "b": {"x": {}}})
        assert problem.code == "haz::dag::010"
        for part in ("a:t", "b:x", "`deps`", "`weakDeps`", "DAG-010"):
            assert part in problem.message

    def test_a_cycle_is_printed_edge_by_edge_with_its_kinds(self):
        """DAG-014, O7, O14: the example of the contract."""
        problem = only(
            {"a": {"fmt": {"inputs": ["f"], "outputs": ["f"], "deps": ["~:test"]}, "test": {"inputs": ["f"]}}}
        )
        assert problem.code == "haz::dag::014"
        assert "DAG-014" in problem.message
        assert "a:test reads what a:fmt writes (producer edge)" in problem.message
        assert "a:fmt needs a:test (deps)" in problem.message
        assert "against the flow of files" in problem.help
        assert [span.label for span in problem.related] == ["a:test"]

    def test_a_knot_names_a_shortest_cycle_and_all_members(self):
        """DAG-014, O7."""
        problem = only(
            {
                "p": {
                    "a": {"deps": ["~:b", "~:c"]},
                    "b": {"deps": ["~:a"]},
                    "c": {"weak": ["~:d"]},
                    "d": {"deps": ["~:a"]},
                }
            }
        )
        assert "cycle of 2 tasks" in problem.message
        assert "entangled with it: p:c, p:d" in problem.message

    def test_soft_edges_close_cycles_too(self):
        """DAG-014, EXEC-008."""
        problem = only({"a": {"x": {"deps": ["~:y"]}, "y": {"weak": ["~:x"]}}})
        assert "a:y follows a:x (weakDeps)" in problem.message

    def test_a_literal_output_of_two_tasks_names_path_and_tasks(self):
        """DAG-015, O7."""
        problem = only({"a": {"x": {"outputs": ["o"]}, "y": {"outputs": ["/a/o"]}}, "b": {"z": {"outputs": ["/a/o"]}}})
        assert problem.code == "haz::dag::015"
        for part in ("literal output /a/o", "DAG-015", "a:x, a:y, b:z"):
            assert part in problem.message
        assert len(problem.related) == 2

    def test_an_output_within_the_directory_that_is_another_task_s_output_is_named(self):
        """DAG-015."""
        problem = only({"a": {"x": {"outputs": ["dist"]}, "y": {"outputs": ["dist/sub/f"]}}})
        assert problem.code == "haz::dag::015"
        assert "literal output /a/dist/sub/f of a:y lies in a literal output of a:x" in problem.message
        assert codes({"a": {"x": {"outputs": ["dist", "dist/f"]}, "y": {"outputs": ["distant"]}}}) == []

    def test_one_task_may_spell_its_output_twice(self):
        """DAG-015, DAG-016."""
        assert codes({"a": {"x": {"outputs": ["o", "/a/o", "*"]}, "y": {"outputs": ["*"]}}}) == []

    def test_all_errors_come_in_one_list_in_the_documented_order(self):
        """DAG-011, AUX-010."""
        projects = {
            "a": {
                "t": {"deps": ["no:x", "~:t"], "weak": ["no:y", "b:t"], "outputs": ["o"]},
                "u": {"deps": ["b:t"], "weak": ["b:t"], "outputs": ["o"]},
            },
            "b": {"t": {"deps": ["c:t"]}},
            "c": {"t": {"deps": ["b:t"], "outputs": ["/z"]}, "u": {"outputs": ["/z"]}},
        }
        assert codes(projects) == ["011", "012", "011", "010", "014", "015", "015"]
        messages = [problem.message for problem in built(projects)[1]]
        assert "`no:x`" in messages[0]
        assert "`no:y`" in messages[2]
        assert "/z is" in messages[6]

    def test_cycles_come_by_their_smallest_member(self):
        """DAG-011."""
        projects = {
            "p": {"a": {"deps": ["~:d"]}, "b": {"deps": ["~:c"]}, "c": {"deps": ["~:b"]}, "d": {"deps": ["~:a"]}}
        }
        assert [problem.task for problem in built(projects)[1]] == ["p:a", "p:b"]


def test_a_restricted_graph_keeps_the_edges_among_its_tasks():
    """EXEC-002, spec 03 §5.9."""
    graph = sound({"a": {"x": {"deps": ["~:y"], "weak": ["~:z"], "inputs": ["o"]}, "y": {"outputs": ["o"]}, "z": {}}})
    part = graph.restrict(ids("a:x", "a:y"))
    assert part.nodes == ids("a:x", "a:y")
    assert part.hard_predecessors[task_id("a:x")] == ids("a:y")
    assert part.soft_predecessors[task_id("a:x")] == ()
    assert part.producer_successors[task_id("a:y")] == ids("a:x")
    assert graph.restrict(graph.nodes) is graph


def test_readers_that_name_a_place_in_a_literal_output_read_what_its_task_writes():
    """DAG-013: the output may be a directory; a glob that only passes through says nothing of it."""
    inputs = {
        "whole": ["dist/**"],
        "literal": ["dist/js/main.js"],
        "deep": ["dist/js/*.js"],
        "beside": ["distant/**"],
        "above": ["**/*.js"],
        "itself": ["dist"],
    }
    tasks = {name: {"inputs": list(patterns)} for name, patterns in inputs.items()}
    graph, problems = built({"a": {"make": {"outputs": ["dist"]}, **tasks}})
    assert problems == ()
    readers = {task.task for task, producers in graph.producer_predecessors.items() if producers}
    assert readers == {"whole", "literal", "deep", "itself"}


def test_the_root_of_a_project_with_odd_characters_is_unescaped():
    """O22."""
    assert _leading("/a\\[b/dist/*.js") == "/a[b/dist"
    assert _leading("/a/di{s,x}t/*.js") == "/a"
