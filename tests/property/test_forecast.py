"""A predicted hit is a hit, and a predicted miss is a miss, whatever the files and the cache look like."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

import haz

# A chain with every kind of edge: hard, soft, and files alone; one output is a link, one task keeps no results.
TASKS = """
name: p
tasks:
  a: {shell: "cat in > a.out; cp in sub/$(cat in).gen; cut -c1 in", inputs: [in], outputs: [a.out, "sub/*.gen"]}
  b: {shell: "wc -c < a.out", deps: ["~:a"], inputs: [a.out]}
  c: {shell: "cat sub/*.gen > c.out; ln -sf in c.link", weakDeps: ["~:a"], inputs: ["sub/*"], outputs: [c.out, c.link]}
  d: {shell: "cat c.out c.link > d.out", weakDeps: ["~:c"], inputs: ["c.*", extra], outputs: [d.out]}
  e: {shell: "cat d.out", deps: ["~:d", "~:f"], inputs: [d.out]}
  f: {shell: "cat in", cache: false, inputs: [in]}
"""
FILES = ("in", "extra", "a.out", "sub/x.gen", "c.out", "c.link", "d.out")
contents = st.sampled_from(["x", "y", "xy"])
edits = st.lists(st.tuples(st.sampled_from(FILES), st.one_of(st.none(), contents)), max_size=3)
asked = st.sampled_from([["p:e"], ["p:b", "p:c"], ["p:d"], ["^:a", "^:b", "^:c", "^:d", "^:e", "^:f"]])


def write(root: Path, edit: tuple[str, str | None]) -> None:
    name, content = edit
    path = root / "p" / name
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_text(content)


@settings(max_examples=25)
@given(st.lists(st.tuples(edits, asked), min_size=1, max_size=4))
@example([([], ["^:d"]), ([("c.link", None)], ["^:d"])])
def test_what_is_predicted_comes_true(story: list[tuple[list[tuple[str, str | None]], list[str]]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        (root / "p/sub").mkdir(parents=True)
        (root / ".haz").mkdir()
        (root / ".haz/workspace.yml").write_text("projects: [/p]\n")
        (root / "p/haz.yml").write_text(TASKS)
        for name in ("in", "extra"):
            (root / "p" / name).write_text("x")
        for changes, tasks in story:
            for change in changes:
                write(root, change)
            workspace = haz.load(root)
            predicted = workspace.forecast(tasks)
            seen = workspace.run(tasks).outcome
            for task, prediction in predicted.items():
                if prediction.kind == "unknown":
                    continue
                record = seen.outcomes.get(task)
                if prediction.kind == "error":
                    assert task in seen.task_errors, (task, prediction)
                elif isinstance(record, haz.CompletedRecord):
                    hit = record.source == "cache_hit"
                    assert hit == (prediction.kind == "hit"), (task, prediction, record)
                else:
                    # It was never reached: something before it failed, or it could not be carried through.
                    assert prediction.kind == "miss", (task, prediction, record)
