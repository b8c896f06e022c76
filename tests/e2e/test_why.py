"""`haz why`: what a key is made of, and what changed (spec 04 §9)."""

from __future__ import annotations

import json

import pytest

from tests.space import Space


@pytest.fixture
def workshop(space: Space) -> Space:
    space.project(
        "lib",
        r"""
        gen: {command: [sh, -c, "echo 1 > gen.h; echo made"], outputs: [gen.h]}
        pack:
          command: [tar, cf, x.tar, "a \"b\"\n\u0007é"]
          inputs: [gen.h, "src/*.c", "src/**"]
          outputs: ["x.tar", "!tmp/**"]
          deps: ["~:gen"]
          weakDeps: ["~:bare"]
          mutex: {name: "~:disk", mode: shared}
          env: {from_host: [B, A], override: {Z: "1", Y: x}}
        bare: {command: ["true"]}
        """,
    )
    space.write("lib/src/a.c", "int a;\n")
    return space


def test_a_bare_task_shows_four_lines(workshop: Space) -> None:
    """AUX-015: none of the section titles may occur."""
    lines = workshop.haz("why", "lib:bare").ok().out.splitlines()
    assert lines[:2] == ["lib:bare", 'command: ["true"]']
    assert lines[2].startswith("cache_key: ")
    assert len(lines[2]) == len("cache_key: ") + 64
    assert lines[3:] == ["cache_lookup: miss: no entry"]


def test_every_section_in_its_order(workshop: Space) -> None:
    """AUX-015; an input that two patterns match is told once."""
    workshop.run("lib:gen").ok()
    out = workshop.haz("why", "lib:pack").ok().out
    head, _, tail = out.partition("cache_key: ")
    assert head == (
        'lib:pack\ncommand: ["tar", "cf", "x.tar", "a \\"b\\"\\n\\u{7}é"]\n'
        "inputs:\n  /lib/gen.h (produced by lib:gen)\n  /lib/src/a.c\n"
        "outputs:\n  x.tar\n  !tmp/**\ndeps:\n  lib:gen\nweakDeps:\n  lib:bare\n"
        "mutex: scope=project, name=disk, mode=shared\n"
        "env.from_host:\n  A\n  B\nenv.override:\n  Y=x\n  Z=1\n"
    )
    assert tail[64:] == "\ncache_lookup: miss: no entry\n"


def test_asking_writes_nothing(workshop: Space) -> None:
    """AUX-014."""
    before = workshop.files()
    workshop.haz("why", "lib:bare").ok()
    assert workshop.files() == before
    assert not (workshop.root / ".haz/cache").exists()


def test_a_hit_is_said_and_the_key_is_that_of_the_entry(workshop: Space) -> None:
    """AUX-016."""
    workshop.run("lib:gen").ok()
    out = workshop.haz("why", "lib:gen").ok().out
    assert out.endswith("cache_lookup: hit\n")
    key = out.partition("cache_key: ")[2][:64]
    assert (workshop.root / f".haz/cache/entries-v1/blake3/{key[:2]}/{key}").exists()


def test_a_predecessor_without_a_result_is_named_and_the_rest_is_still_told(workshop: Space) -> None:
    """04 §9, 04 §14 A6."""
    done = workshop.haz("why", "lib:pack")
    assert done.code == 2
    assert done.out.startswith("lib:pack\ncommand: ")
    assert "cache_key: unavailable\n" in done.out
    assert "predecessor `lib:gen`" in done.err
    assert "miss: no entry" in done.err
    assert "haz run lib:gen" in done.err


def test_the_difference_to_the_last_entry_is_told(workshop: Space) -> None:
    workshop.project("app", 't: {command: [cat, in], inputs: [in, "more/*"], env: {from_host: [MODE]}}')
    workshop.write("app/in", "1\n")
    workshop.run("app:t", env={"MODE": "a"}).ok()
    workshop.write("app/in", "2\n")
    workshop.write("app/more/x", "")
    out = workshop.haz("why", "app:t", env={"MODE": "b"}).ok().out
    changed = out.partition("changed since ")[2].splitlines()[1:]
    assert changed == ["  input /app/in changed", "  input /app/more/x was added", "  variable MODE changed"]


def test_the_same_as_data(workshop: Space) -> None:
    """D14."""
    data = json.loads(workshop.haz("why", "lib:bare", "--format", "json").ok().out)
    assert data["task"] == "lib:bare"
    assert data["lookup"] == "miss: no entry"
    assert len(data["key"]) == 64


@pytest.mark.parametrize(
    ("reference", "tokens"),
    [
        ("^:gen", []),
        ("^:t", ["could not resolve"]),
        ("lib:nope", ["could not resolve", "nope"]),
        ("~:gen", ["could not resolve", "bearing"]),
    ],
)
def test_a_reference_must_name_exactly_one_task(workshop: Space, reference: str, tokens: list[str]) -> None:
    """AUX-013."""
    done = workshop.haz("why", reference)
    assert (done.code == 0) == (not tokens)
    assert [token for token in tokens if token not in done.err] == []


def test_several_tasks_are_too_many(workshop: Space) -> None:
    """AUX-013."""
    workshop.project("app", "gen: {command: [echo]}")
    done = workshop.haz("why", "^:gen")
    assert done.code == 2
    assert "resolves to 2 tasks; use a more specific form (matched: app:gen, lib:gen)" in done.err
