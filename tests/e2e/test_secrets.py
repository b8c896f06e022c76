"""`env.secret`: part of the key, and never shown (D7)."""

from __future__ import annotations

import json

import pytest

from tests.space import Space

SECRET = "c0rrect-horse"


@pytest.fixture
def keyed(space: Space) -> Space:
    space.project(
        "lib",
        """
        t: {shell: 'echo "key is $TOKEN"; echo "$TOKEN" >&2; printf %s "$TOKEN" > out', outputs: [out], env: {secret: [TOKEN]}}
        after: {shell: echo later, deps: ["~:t"]}
        """,
    )
    return space


def everything(space: Space) -> bytes:
    """All that haz keeps: cache, history, state."""
    return b"".join(data for _, data in space.files(".haz").values())


def test_the_value_arrives_and_is_shown_by_nobody(keyed: Space) -> None:
    keyed.settings("cache: {hash: sha256}\n")
    done = keyed.run("lib:after", env={"TOKEN": SECRET}).ok()
    assert keyed.read("lib/out").decode() == SECRET
    assert "[lib:t] key is ***\n" in done.out
    assert "[lib:t] ***\n" in done.err
    again = keyed.run("lib:after", env={"TOKEN": SECRET}).ok()
    assert again.cached == {"lib:t", "lib:after"}
    assert "[lib:t] key is ***\n" in again.out
    assert SECRET not in done.out + done.err + again.out + again.err + json.dumps(done.report)
    # The output file is the task's own affair; nothing else that haz keeps has the value.
    assert everything(keyed).count(SECRET.encode()) == 1
    keyed.run("lib:t", "--output-mode", "buffered", "--force", env={"TOKEN": SECRET}).ok()
    assert everything(keyed).count(SECRET.encode()) == 1


def test_another_value_is_another_key_and_why_says_so_without_it(keyed: Space) -> None:
    keyed.run("lib:t", env={"TOKEN": SECRET}).ok()
    assert keyed.run("lib:t", env={"TOKEN": "another one"}).ok().ran == {"lib:t"}
    out = keyed.haz("why", "lib:t", env={"TOKEN": "a third"}).ok().out
    assert "env.secret:\n  TOKEN\n" in out
    assert "  variable TOKEN (secret) changed\n" in out
    assert "a third" not in out
    unset = keyed.haz("why", "lib:t").ok().out
    assert "  variable TOKEN (secret): now unset changed\n" in unset


def test_each_line_of_a_value_is_hidden(space: Space) -> None:
    space.project("lib", """t: {shell: 'echo "$PEM" | sed -n 2p', env: {secret: [PEM]}}""")
    done = space.run("lib:t", env={"PEM": "BEGIN\nabcdefgh\nEND\n"}).ok()
    assert "[lib:t] ***\n" in done.out


def test_a_value_that_is_too_short_to_be_hidden_is_told(keyed: Space) -> None:
    done = keyed.run("lib:t", env={"TOKEN": "abc"}).ok()
    assert "the value of TOKEN is too short to be hidden" in done.err
    assert "[lib:t] key is abc\n" in done.out


def test_a_failed_task_and_its_attempts_tell_nothing(space: Space) -> None:
    space.project("lib", """t: {shell: 'echo "$TOKEN"; exit 3', retries: {max: 1, delay: 0}, env: {secret: [TOKEN]}}""")
    done = space.run("lib:t", env={"TOKEN": SECRET})
    assert done.code == 1
    shown = space.haz("runs", "show").ok()
    assert SECRET not in done.out + done.err + shown.out
    assert SECRET.encode() not in everything(space)


def test_what_is_written_out_is_no_secret_and_a_secret_is_nothing_else(space: Space) -> None:
    space.settings("env: {secret: [A, B], from_host: [A], pass: [A, PATH]}\n")
    space.project("lib", """t: {shell: 'echo $A $B', env: {override: {B: plainly}}}""")
    out = space.haz("why", "lib:t").ok().out
    assert "env.override:\n  B=plainly\nenv.secret:\n  A\n" in out
    assert "env.from_host" not in out
    assert space.run("lib:t", env={"A": SECRET}).ok().out == "[lib:t] *** plainly\n"
