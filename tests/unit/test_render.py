"""Diagnostics as drawings, as words and as data (spec 04 §13)."""

from __future__ import annotations

import json

from haz.diagnostics import Diagnostic, Span
from haz.render import as_json, render

SOURCE = ((3, "  build:"), (4, '    command: "make"'))
SPAN = Span("/abs/lib/haz.yml", 4, 14, 6, "expected a list", SOURCE)
PROBLEM = Diagnostic("haz::cfg::021", "expected a list (at `tasks.build.command`)", SPAN, "write:\n  command: [make]")


def test_the_drawing():
    expected = """\
haz::cfg::021

  × expected a list (at `tasks.build.command`)
   ╭─[/abs/lib/haz.yml:4:14]
 3 │   build:
 4 │     command: "make"
   ·              ──┬───
   ·                ╰── expected a list
   ╰────
  help: write:
          command: [make]

"""  # noqa: RUF001
    assert render([PROBLEM]) == expected


def test_the_drawing_in_ascii():
    text = render([PROBLEM], ascii_only=True)
    assert text.isascii()
    for part in (
        "  x expected",
        "   ,-[/abs/lib/haz.yml:4:14]",
        " 4 |     command",
        "   :              ^^|^^^",
        "`-- ",
        "`----",
    ):
        assert part in text


def test_causes_hang_below_the_message():
    text = render([Diagnostic("haz::dsc::001", "no workspace", causes=("first", "second"))])
    assert text == "haz::dsc::001\n\n  × no workspace\n  ├─▶ first\n  ╰─▶ second\n\n"  # noqa: RUF001


def test_several_reports_have_a_header_and_say_what_they_are():
    text = render([PROBLEM, PROBLEM.replace(severity="warning")], header="2 configuration error(s) found")
    assert text.startswith("2 configuration error(s) found\n\nError: haz::cfg::021\n")
    assert "\nWarning: haz::cfg::021\n\n  ⚠ expected" in text


def test_colour_is_only_colour():
    import re

    coloured = render([PROBLEM], colour=True)
    assert "\x1b[31mhaz::cfg::021\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == render([PROBLEM])


def test_nothing_is_wrapped_without_a_width_and_words_stay_whole_with_one():
    """D14, O29."""
    path = "/a/very-long/" + "path/" * 30 + "haz.yml"
    long = Diagnostic(
        "haz::dsc::023", f"cannot read {path} because of reasons (at `projects[0]`)", help="one two three four"
    )
    assert f"  × cannot read {path} because of reasons (at `projects[0]`)\n" in render([long])  # noqa: RUF001
    lines = render([long], width=20).splitlines()
    assert f"  │ {path}" in lines
    assert "  │ (at `projects[0]`)" in lines
    assert lines[-3:] == ["  help: one two", "        three four", ""]


def test_tabs_and_wide_characters_do_not_move_the_underline():
    span = Span("/f", 1, 4, 2, "here", ((1, "\t漢é字x"),))
    lines = render([Diagnostic("haz::x", "m", span)]).splitlines()
    assert lines[4] == " 1 │     漢é字x"
    assert lines[5] == "   ·        ─┬─"


def test_control_characters_never_reach_the_terminal():
    span = Span("/f\x1b[2J", 1, 1, 1, "\x07", ((1, "a\x1b[31mb"),))
    for narrated in (False, True):
        text = render([Diagnostic("haz::x", "bad\x1bname\n", span, "h\x9b")], narrated=narrated)
        assert all(character.isprintable() or character == "\n" for character in text)


def test_a_place_without_source_lines_is_still_a_place():
    span = Span("/f", 9, 1)
    text = render([Diagnostic("haz::x", "m", span)])
    assert "[/f:9:1]" in text


def test_the_narrated_form():
    """Spec 04 §13.4."""
    expected = """\
expected a list (at `tasks.build.command`)
    Diagnostic severity: error
Begin snippet for /abs/lib/haz.yml starting at line 4, column 14
snippet line 3:   build:
snippet line 4:     command: "make"
    label at line 4, columns 14 to 19: expected a list
diagnostic help: write:
  command: [make]
diagnostic code: haz::cfg::021

"""
    assert render([PROBLEM], narrated=True) == expected


def test_the_data_form():
    """D14, spec 04 §13.5."""
    related = SPAN.replace(line=3, file="/odd\udcff")
    data = json.loads(
        json.dumps(as_json([PROBLEM.replace(related=(related,), task="lib:build"), Diagnostic("c", "m")]))
    )
    assert data[0] == {
        "code": "haz::cfg::021",
        "severity": "error",
        "message": "expected a list (at `tasks.build.command`)",
        "causes": [],
        "help": "write:\n  command: [make]",
        "file": "/abs/lib/haz.yml",
        "line": 4,
        "column": 14,
        "length": 6,
        "label": "expected a list",
        "task": "lib:build",
        "related": [{"file": "/odd\ufffd", "line": 3, "column": 14, "length": 6, "label": "expected a list"}],
    }
    assert (data[1]["file"], data[1]["line"], data[1]["task"]) == (None, None, None)
