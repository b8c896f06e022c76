"""docs/api.md is run, example by example, in the workspace that it shows."""

from __future__ import annotations

import doctest
import os
import re
from pathlib import Path

from tests.docs import pages

PAGE = pages.DOCS / "api.md"


def test_every_example_of_the_page_is_true(tmp_path: Path, monkeypatch) -> None:
    text = PAGE.read_text()
    pages.lay_out(text, tmp_path)
    monkeypatch.chdir(tmp_path)
    examples = "\n".join(re.findall(r"^```pycon\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    test = doctest.DocTestParser().get_doctest(examples, {}, PAGE.name, str(PAGE), 0)
    assert len(test.examples) > 15
    told: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(test, out=told.append)
    assert result.failed == 0, "".join(told)
    assert os.getcwd() == str(tmp_path)


def test_every_public_name_is_in_the_page_or_reached_through_one_that_is() -> None:
    import haz

    text = PAGE.read_text()
    reached = {"Diagnostic", "Span", "Plan", "Prediction", "Explanation", "RunReport", "Workspace", "TaskSpec"}
    reached |= {"CompletedRecord", "SkipRecord", "RunTaskError", "Selection", "Examination", "Deviation", "Cache"}
    assert {name for name in haz.__all__ if f"haz.{name}" not in text} <= reached
