"""What changed between two keys, in words (D3: the parts that were hashed are the parts that are compared)."""

from __future__ import annotations

from haz.cache.explain import explain


def parts(**sections: list[list[str]]) -> dict:
    return {name: {"digest": repr(rows), "rows": rows} for name, rows in sections.items()}


def told(old: dict, new: dict) -> list[str]:
    return [str(difference) for difference in explain(old, new)]


def test_equal_keys_have_no_difference() -> None:
    same = parts(inputs=[["/lib/a", "11", ""]])
    assert told(same, same) == []


def test_files_that_came_went_and_changed() -> None:
    old = parts(inputs=[["/lib/a", "11", ""], ["/lib/b", "22", ""], ["/lib/x", "33", ""]])
    new = parts(inputs=[["/lib/a", "12", ""], ["/lib/c", "22", ""], ["/lib/x", "33", "x"]])
    assert told(old, new) == [
        "input /lib/a changed",
        "input /lib/b was removed",
        "input /lib/c was added",
        "input /lib/x: executable bit changed",
    ]


def test_commands_scripts_and_arguments() -> None:
    assert told(parts(action=[["command", "a"]]), parts(action=[["command", "b"]])) == [
        "command ['a'] -> ['b'] changed"
    ]
    assert told(parts(action=[["shell", "sh", "a"]]), parts(action=[["shell", "sh", "b"]])) == ["the script changed"]
    assert told(parts(action=[["shell", "sh", "a"]]), parts(action=[["shell", "bash", "a"]])) == ["the shell changed"]
    assert told(parts(action=[["command", "a"]]), parts(action=[["shell", "sh", "a"]])) == [
        "the kind of action changed"
    ]
    extra = parts(action=[["command", "a"], ["arguments", "-v"]])
    assert told(parts(action=[["command", "a"]]), extra) == ["arguments [] -> ['-v'] changed"]


def test_variables_streams_outputs_tools_and_place() -> None:
    old = parts(
        environment=[["from_host", "A"], ["from_host", "B", "1"], ["override", "C", "1"]],
        predecessors=[["lib", "gen", "11", "22"]],
        outputs=[["glob", "/lib/o/*"]],
        tools=[["cc --version", "11"]],
        place=[["project", "/lib"], ["platform", "linux-x86_64"]],
    )
    new = parts(
        environment=[["from_host", "A", "1"], ["from_host", "B"], ["override", "C", "2"]],
        predecessors=[["lib", "gen", "12", "22"]],
        outputs=[["glob", "/lib/o/*"], ["!literal", "/lib/o/tmp"]],
        tools=[["cc --version", "12"]],
        place=[["project", "/lib"], ["platform", "darwin-arm64"]],
    )
    assert told(old, new) == [
        "output pattern !/lib/o/tmp was added",
        "predecessor lib:gen: stdout changed",
        "variable A: was unset changed",
        "variable B: now unset changed",
        "variable C (override) changed",
        "tool cc --version changed",
        "platform linux-x86_64 -> darwin-arm64 changed",
    ]


def test_sections_that_an_old_entry_does_not_have_are_named() -> None:
    assert told({}, parts(tools=[["cc", "1"]])) == ["tool cc was added"]
