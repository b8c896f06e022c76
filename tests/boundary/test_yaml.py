"""`yaml_parse` against PyYAML's BaseLoader, which also keeps every scalar as text."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from haz import _core
from haz.errors import YamlError

PLAIN_NULLS = {"", "~", "null", "Null", "NULL"}


def plain(node):
    if node.kind == "sequence":
        return [plain(item) for item in node.value]
    if node.kind == "mapping":
        return {plain(key): plain(value) for key, value in node.value}
    return node.value


class Oracle(yaml.BaseLoader):
    """BaseLoader, with the plain spellings of null as None."""

    def construct_scalar(self, node):
        if isinstance(node, yaml.ScalarNode) and node.style is None and node.value in PLAIN_NULLS:
            return None
        return super().construct_scalar(node)


Oracle.add_constructor("tag:yaml.org,2002:str", Oracle.construct_scalar)

CHARACTERS = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff\u2028\u2029")
TEXTS = st.text(CHARACTERS, max_size=12)
VALUES = st.recursive(
    TEXTS | st.sampled_from(["null", "~", "1.50", "true", "a: b", "- x", "#", "*", "&a", "!t", "x\ny\n", " lead", "é"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=15,
)


@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4), st.sampled_from([True, False, None]), st.booleans())
def test_documents_that_pyyaml_writes_are_read_as_pyyaml_reads_them(value, flow, unicode):
    text = yaml.dump(value, default_flow_style=flow, allow_unicode=unicode, width=1000)
    assert plain(_core.yaml_parse(text.encode())) == yaml.load(text, Oracle)


@pytest.mark.parametrize(
    "text",
    [
        "a: 1.50\nb: true\nc: 0x10\nd: 017",
        "a:\n- b\n-  c : d\n   e: f\n- - g\n  - h",
        "a: |\n  x\n   y\n\nb: >-\n  folded\n  text\n\n  more\nc: |+\n  keep\n\n",
        "a: 'it''s'\nb: \"tab\\t\\u00e9\\x41\"\nc: plain # comment\nd: a#b",
        "a: &x {k: v}\nb: *x\nc: [*x, *x]",
        "{a: [b, {c: d}], 'e f': g, h: }",
        "? a\n: b\n? c",
        "a: !t x\nb: !<tag:x> y",
        "# only\na:  # then\n  # comments\n  b: c\n",
        "a: multi\n  line\n  plain",
    ],
)
def test_hand_written_documents_are_read_as_pyyaml_reads_them(text):
    class Untagged(Oracle):
        pass

    Untagged.add_multi_constructor("!", lambda loader, _suffix, node: loader.construct_scalar(node))
    Untagged.add_multi_constructor("tag:x", lambda loader, _suffix, node: loader.construct_scalar(node))
    assert plain(_core.yaml_parse(text.encode())) == yaml.load(text, Untagged)


def test_a_node_knows_its_place_in_characters():
    root = _core.yaml_parse("ä: [ö, 'ü x']\n".encode())
    (_, items) = root.value[0]
    assert (root.kind, items.kind, items.value[1].plain, items.value[0].plain) == ("mapping", "sequence", False, True)
    assert [(n.line, n.column, n.end_line, n.end_column) for n in items.value] == [(1, 5, 1, 6), (1, 8, 1, 13)]


def test_an_error_carries_reason_and_place():
    """CFG-003."""
    with pytest.raises(YamlError) as caught:
        _core.yaml_parse(b"a: 1\na: 2\n")
    assert (caught.value.line, caught.value.column) == (2, 1)
    assert caught.value.reason == "duplicate key `a`, first given at line 1"


def test_billions_of_laughs_are_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    with pytest.raises(YamlError, match="250,000 nodes"):
        _core.yaml_parse("\n".join(lines).encode())


@given(st.binary(max_size=80))
def test_any_bytes_are_either_a_document_or_an_error_with_a_place(data):
    place = (1, 1)
    try:
        _core.yaml_parse(data)
    except YamlError as error:
        place = (error.line, error.column)
    assert min(place) >= 1
