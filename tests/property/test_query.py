from __future__ import annotations

import functools
import itertools

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from haz._core import PatternSet, check_pattern
from haz.errors import PatternError
from haz.query.expression import SyntaxProblem, parse
from haz.query.intersect import Automaton


@functools.cache
def paths(length):
    """All paths of so many characters behind the first slash."""
    texts = map("".join, itertools.product("abc./", repeat=length))
    return ["/" + text for text in texts if not {"", ".", ".."} & set(text.split("/"))]


PIECES = ["a", "b", ".", "*", "?", "[ab]", "[!a]", "[^b.]", "[a-b]", "{a,b}", "{,a}", "{a/b,b}", "\\a"]
PIECES += ["/", "/", "/**/", "/**", "{**,b}", "/{**/a,b}/"]
GLOBS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).map(lambda some: "/" + "".join(some).lstrip("/"))


def compiled(glob):
    try:
        literal = not check_pattern(glob)
    except PatternError:
        assume(False)
    return (glob, literal, False), Automaton(glob, literal=literal)


@given(left=GLOBS, right=GLOBS)
@settings(max_examples=700)
@example("/a/**", "/a/b")
@example("/{**,b}/c", "/c")
@example("/{**/a,b}", "/b/b")
@example("/{a/**,b}/c", "/a/c")
@example("/a/{,b}", "/a/*")
@example("/{a,}/*", "/?")
@example("/{a,}/b", "/{,c}/b")
@example("/**", "/..a")
@example("/.", "/?")
def test_two_patterns_meet_when_a_path_belongs_to_both(left, right):
    """QRY-003, against all short paths and the matcher of the core."""
    (one, mine), (other, its) = compiled(left), compiled(right)
    patterns = PatternSet([[one], [other]])
    meets = mine.meets(its)
    assert its.meets(mine) == meets
    # Patterns this short that meet at all meet in a path of at most eight characters.
    lengths = range(1, 9) if meets else range(1, 6)
    assert meets == any(patterns.matching(path) == [0, 1] for length in lengths for path in paths(length))


@pytest.mark.parametrize(
    ("left", "right", "meets"),
    [
        ("/lib/**", "/lib/src/*.rs", True),
        ("/a/*.rs", "/a/*.js", False),
        ("/src/**/*a?????????????????.c", "/src/**/*b?????????????????.c", False),
        ("/src/**/*a?????????????????.c", "/src/**/*b????????????????.c", True),
        ("/**/*a" + "?" * 60, "/**/*b" + "?" * 60, False),
        ("/**/*a" + "?" * 60, "/**/*b" + "?" * 59, True),
        ("/" + "*a" * 40, "/" + "*b" * 40, False),
        ("/" + "*a" * 40, "/" + "*b" * 40 + "*", True),
        ("/" + "{a,b}" * 60, "/" + "{b,c}" * 60, True),
        ("/" + "{a,b}" * 60, "/" + "{b,c}" * 59, False),
        ("/" + "**/a/" * 20 + "x", "/" + "**/b/" * 20 + "x", False),
        ("/" + "**/a/" * 20 + "x", "/" + "**/b/" * 20 + "**/x", True),
    ],
)
def test_hard_patterns_are_compared_in_few_steps(left, right, meets, monkeypatch):
    """QRY-003, spec 04 §10.3 and §14 B4; used to take minutes."""
    from haz.query import intersect

    steps = 0
    original = intersect._segments

    def counted(*arguments):
        nonlocal steps
        steps += 1
        return original(*arguments)

    monkeypatch.setattr(intersect, "_segments", counted)
    assert Automaton(left, literal=False).meets(Automaton(right, literal=False)) == meets
    assert steps < 16 * len(left) * len(right)


NAMES = st.sampled_from("abcd")


def trees():
    return st.recursive(
        NAMES,
        lambda inner: st.one_of(
            st.tuples(st.just("!"), inner),
            st.tuples(st.sampled_from("&|"), inner, inner),
        ),
        max_leaves=8,
    )


def written(tree, draw):
    """One of the spellings of a tree."""
    if isinstance(tree, str):
        return tree
    blank = draw(st.sampled_from(["", " ", "\t"]))
    if tree[0] == "!":
        return f"!{blank}({written(tree[1], draw)})"
    parts = []
    for side, branch in enumerate(tree[1:]):
        text = written(branch, draw)
        loose = isinstance(branch, tuple) and (
            (tree[0] == "&" and branch[0] == "|") or (side == 1 and branch[0] == tree[0])
        )
        parts.append(f"({text})" if loose or draw(st.booleans()) else text)
    return f"{parts[0]}{blank}{tree[0]}{blank}{parts[1]}"


def truth(tree, true):
    if isinstance(tree, str):
        return tree in true
    if tree[0] == "!":
        return not truth(tree[1], true)
    return (all if tree[0] == "&" else any)(truth(branch, true) for branch in tree[1:])


@given(tree=trees(), true=st.sets(NAMES), data=st.data())
@settings(max_examples=400)
def test_an_expression_means_what_its_tree_means(tree, true, data):
    """QRY-002: precedence, association and parentheses, however it is written."""
    expression = parse(written(tree, data.draw))
    assert expression.evaluate(lambda number: expression.atoms[number].text in true) == truth(tree, true)


@given(text=st.text("ab|&!() \té", max_size=12))
@settings(max_examples=600)
def test_any_text_is_an_expression_or_has_a_reason_with_a_place(text):
    """QRY-002, QRY-009."""
    try:
        expression = parse(text)
    except SyntaxProblem as raised:
        problem = raised
    else:
        problem = None
    if problem is not None:
        assert 0 <= problem.at <= len(text)
        assert " byte " in problem.reason or problem.reason == "filter expression is empty"
        return
    for atom in expression.atoms:
        assert text[atom.start : atom.end] == atom.text
    # Python's own grammar agrees, once the operators are spelt its way.
    spelt = text.replace("!", " not ").replace("&", " and ").replace("|", " or ").replace("\t", " ")
    compile(spelt.strip(" "), "expression", "eval")
