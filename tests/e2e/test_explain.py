"""`haz run --explain`, `--cache`, and `haz why --against`."""

from __future__ import annotations

import json
import re

import pytest

from tests.space import Space


@pytest.fixture
def built(space: Space) -> Space:
    space.project(
        "lib",
        """
        a: {shell: "cat in > out; cat in", inputs: [in], outputs: [out], env: {from_host: [MODE]}}
        b: {shell: "echo b", deps: ["~:a"]}
        c: {shell: "echo c", cache: false}
        """,
    )
    space.write("lib/in", "1\n")
    return space


def told(done) -> list[str]:
    return [line for line in done.err.splitlines() if "] ? " in line or line.startswith("Misses")]


def test_the_reason_of_each_miss_is_told_in_one_line_and_counted(built: Space) -> None:
    first = built.run("--workspace", "--explain", "-j1").ok()
    assert told(first) == [
        "[lib:a] ? no earlier result",
        "[lib:b] ? no earlier result",
        "[lib:c] ? not cached",
        "Misses: 2 no earlier result, 1 not cached",
    ]
    built.write("lib/in", "2\n")
    second = built.run("lib:b", "--explain", env={"MODE": "x"}).ok()
    assert told(second) == [
        "[lib:a] ? inputs changed: input /lib/in changed; variable MODE: was unset changed",
        "[lib:b] ? output of dependencies changed: predecessor lib:a: stdout changed",
        "Misses: 1 inputs changed, 1 output of dependencies changed",
    ]
    assert told(built.run("lib:b", "--explain", env={"MODE": "x"}).ok()) == []
    assert told(built.run("lib:a", "--force").ok()) == []


def test_a_damaged_entry_and_a_forced_run_are_told_as_such(built: Space) -> None:
    built.run("lib:a").ok()
    (entry,) = (p for p in (built.root / ".haz/cache/entries-v1").rglob("*") if p.is_file())
    entry.write_bytes(entry.read_bytes()[:-9])
    assert told(built.run("lib:a", "--explain").ok())[0].startswith("[lib:a] ? corrupt entry: ")
    assert told(built.run("lib:a", "--explain", "--force").ok())[0] == "[lib:a] ? not looked up"


def test_the_modes_of_the_cache(built: Space) -> None:
    assert built.run("lib:a", "--cache", "read").ok().ran == {"lib:a"}
    assert built.run("lib:a", "--cache=read").ok().ran == {"lib:a"}
    assert built.run("lib:a", "--cache", "write").ok().ran == {"lib:a"}
    assert built.run("lib:a", "--cache", "write", "--force").ok().ran == {"lib:a"}
    assert built.run("lib:a", "--cache", "read").ok().cached == {"lib:a"}
    assert built.run("lib:a", "--cache", "off").ok().ran == {"lib:a"}
    assert built.run("lib:a", "--cache", "rw").ok().cached == {"lib:a"}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--cache", "read", "--force"), "--cache read and --force contradict"),
        (("--cache", "rw", "--no-cache"), "--cache rw and --no-cache contradict"),
        (("--force", "--no-cache"), "mutually exclusive"),
        (("--cache", "on"), "unknown cache mode 'on'"),
    ],
)
def test_contradictions_are_usage_errors(built: Space, options: tuple[str, ...], text: str) -> None:
    done = built.run("lib:a", *options)
    assert (done.code, done.out) == (2, "")
    assert text in done.err


def key(space: Space) -> str:
    return json.loads(space.haz("why", "lib:a", "--format", "json").ok().out)["key"]


def test_why_against_a_key_and_against_a_run(built: Space) -> None:
    built.run("lib:a").ok()
    first = key(built)
    built.write("lib/in", "2\n")
    built.run("lib:a").ok()
    second = key(built)
    changed = f"cache_lookup: hit\nchanged since {first[:8]}:\n  input /lib/in changed\n"
    for against in (first, first[:10].upper()):
        assert built.haz("why", "lib:a", "--against", against).ok().out.endswith(changed)
    assert built.haz("why", "lib:a", "--against", second).ok().out.endswith(f"nothing changed since {second[:8]}\n")
    runs = re.findall(r"^(\d+-[0-9a-f]{8})", built.haz("runs").ok().out, re.MULTILINE)
    assert built.haz("why", "lib:a", "--against", runs[-1]).ok().out.endswith(changed)
    data = json.loads(built.haz("why", "lib:a", "--against", first, "--format", "json").ok().out)
    assert (data["against"], data["differences"][0]["what"]) == (first, "input /lib/in")


@pytest.mark.parametrize("against", ["ab" * 32, "nonsense", "12", "", "zz"])
def test_what_cannot_be_compared_with_is_told(built: Space, against: str) -> None:
    built.run("lib:a").ok()
    done = built.haz("why", "lib:a", f"--against={against}")
    assert done.code == 2
    assert "Traceback" not in done.err
    assert against in done.err
