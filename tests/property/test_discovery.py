"""The walk for `projects` prunes; it must find what a walk of everything finds."""

from __future__ import annotations

import pathlib
import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st

from haz import _core, discovery
from haz.config import parse
from haz.errors import PatternError

NAMES = st.sampled_from(["a", "b", "ab", "lib", ".x", "a[b"])
DIRECTORIES = st.sets(st.lists(NAMES, min_size=1, max_size=4).map("/".join), max_size=8)
SEGMENTS = st.sampled_from(
    ["*", "**", "a", "b", "?", "[!a]*", "{a,lib}", "{a/b,lib}", "*b", "{ab,a}", ".x", r"a\[b", "{,a}"]
)
PATTERNS = st.lists(SEGMENTS, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))


def is_literal(pattern):
    return not any(character in pattern for character in "*?[{\\")


@settings(max_examples=100)
@given(DIRECTORIES, PATTERNS.filter(lambda pattern: not is_literal(pattern)), st.none() | PATTERNS)
def test_the_pruned_walk_finds_what_a_full_walk_finds(directories, pattern, exclusion):
    """DISC-005, D2."""
    try:
        wanted = _core.PatternSet([[(pattern, False, False)]])
        left_out = _core.PatternSet([[(exclusion or "/-", is_literal(exclusion or "/-"), False)]])
    except PatternError:
        return
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder).resolve()
        for directory in directories:
            (root / directory).mkdir(parents=True, exist_ok=True)
            (root / directory / "haz.yml").touch()
        entries = [f'"{pattern}"', *([f'"!{exclusion}"'] if exclusion else [])]
        text = f"projects: [{', '.join(entries)}]\n".replace("\\", "\\\\")
        source = parse.Source(str(root / "w.yml"), text.encode())
        declared = parse.workspace(source)
        found = {
            place.root for place in discovery.expand(str(root), source, declared.projects, discovery.Trace(str(root)))
        }
    matched = {f"/{directory}" for directory in directories if wanted.matching(f"/{directory}")}
    expected = {path for path in matched if not left_out.matching(path)}
    assert found == expected
    assert [problem.code for problem in source.diagnostics] == ([] if matched else ["haz::dsc::016"])
