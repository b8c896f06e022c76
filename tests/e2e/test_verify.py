"""`haz verify`: the same inputs should give the same outputs."""

from __future__ import annotations

import json

import pytest

from tests.eager import settle
from tests.space import EAGER, Space


@pytest.fixture
def counting(space: Space) -> Space:
    """Tasks may read `n`, which tells them in which run they are, though it is no input."""
    space.write("lib/in", "1\n")
    space.write("lib/n", "0")
    return space


def task(space: Space, script: str, more: str = "outputs: [out]") -> None:
    count = "n=$(($(cat n) + 1)); printf $n > n"
    space.project("lib", f"t:\n  shell: |\n    {count}\n    {script}\n  inputs: [in]\n  {more}")


def test_a_task_that_makes_the_same_is_told_so_and_nothing_is_stored(counting: Space) -> None:
    task(counting, "cat in > out; chmod 755 out; mkdir -p d; ln -s nowhere d/link; cat in", 'outputs: [out, "d/**"]')
    done = counting.haz("verify", "lib:t", "--repeat", "3").ok()
    assert done.out == "lib:t: 3 runs: the same outputs and streams each time\n"
    assert done.err.count("[lib:t] 1\n") == 3
    assert counting.read("lib/n") == b"3"
    assert counting.read("lib/out") == b"1\n"
    assert "well-formed entries: 0\n" in counting.haz("cache", "info").ok().out
    assert not [path for path in counting.files(".haz/cache") if "verify-" in path or "blobs" in path]
    assert counting.run("lib:t").ok().ran == {"lib:t"}


def test_the_first_byte_that_differs_is_told_with_what_stands_there(counting: Space) -> None:
    task(counting, 'printf "same line\\nbuilt in run $n of many\\n" > out')
    done = counting.haz("verify", "lib:t")
    assert done.code == 1
    assert done.out == (
        "lib:t: 2 runs: 1 difference\n"
        '  /lib/out: run 2: differs from byte 23 on: "built in run 2 of many", in run 1 "built in run 1 of many"\n'
    )


@pytest.mark.parametrize(
    ("script", "what", "detail"),
    [
        ("echo > out; [ $n = 1 ] || chmod 600 out", "/lib/out", "mode 0600, in run 1 0644"),
        ("echo > out; [ $n = 1 ] || echo > d.x", "/lib/d.x", "not there in run 1"),
        ("echo > out; [ $n = 2 ] || echo > d.x", "/lib/d.x", "missing"),
        ("echo > out; [ $n = 1 ] && ln -s a d.x || echo > d.x", "/lib/d.x", "a file, in run 1 a symlink"),
        ("echo > out; ln -s to-$n d.x", "/lib/d.x", "('to-2',), in run 1 ('to-1',)"),
        ("echo > out; echo $n", "stdout", 'differs from byte 0 on: "2", in run 1 "1"'),
        ("echo > out; printf 'a\\000%s' $n >&2", "stderr", 'differs from byte 2 on: "a\\x002", in run 1 "a\\x001"'),
        ("echo > out; echo $n >> in", "key", "the inputs were not the same any more: input /lib/in changed"),
        ("head -c 3000000 /dev/zero > out; echo $n >> out", "/lib/out", 'differs from byte 3000000 on: "'),
    ],
)
def test_whatever_differs_is_named(counting: Space, script: str, what: str, detail: str) -> None:
    task(counting, f"umask 022; {script}", 'outputs: [out, "d.*"]')
    done = counting.haz("verify", "lib:t", "--format", "json")
    assert done.code == 1
    (row, *_) = json.loads(done.out)["differences"]
    assert (row["run"], row["what"]) == (2, what)
    assert detail in row["detail"]


def test_each_run_starts_without_the_outputs_of_the_last_but_with_what_the_user_made(counting: Space) -> None:
    task(counting, "ls d > out 2>/dev/null; mkdir -p d; echo > d/$n", 'outputs: [out, "d/**"]')
    counting.write("lib/d/mine", "mine\n")
    done = counting.haz("verify", "lib:t", "--repeat", "3")
    assert sorted(counting.files("lib/d")) == ["lib/d/3", "lib/d/mine"]
    assert counting.read("lib/out") == b"mine\n"
    assert "/lib/d/2: run 2: not there in run 1\n" in done.out
    assert "/lib/out" not in done.out


def test_dependencies_run_once_and_are_stored(counting: Space) -> None:
    task(
        counting,
        "cat gen > out",
        'outputs: [out]\n  deps: ["~:gen"]\ngen: {shell: "echo x >> log; echo > gen", outputs: [gen]}',
    )
    counting.haz("verify", "lib:t", "--repeat", "3").ok()
    assert counting.read("lib/log") == b"x\n"


def test_a_task_that_fails_cannot_be_verified(counting: Space) -> None:
    task(counting, "exit 3")
    done = counting.haz("verify", "lib:t")
    assert (done.code, done.out) == (1, "")
    assert "run 1 of lib:t did not succeed" in done.err


@pytest.mark.parametrize("repeat", ["1", "0", "x", "-2"])
def test_fewer_than_two_runs_are_a_usage_error(counting: Space, repeat: str) -> None:
    task(counting, "true")
    assert counting.haz("verify", "lib:t", f"--repeat={repeat}").code == 2


def test_what_a_task_with_secrets_writes_is_not_shown(counting: Space) -> None:
    task(counting, "echo $TOKEN $n > out; echo $TOKEN $n", "outputs: [out]\n  env: {secret: [TOKEN]}")
    done = counting.haz("verify", "lib:t", env={"TOKEN": "c0rrect-horse"})
    assert "  /lib/out: run 2: differs from byte 14 on\n" in done.out
    assert 'stdout: run 2: differs from byte 4 on: "*** 2", in run 1 "*** 1"' in done.out
    assert "c0rrect" not in done.out + done.err


def test_colour_is_decided_as_for_a_run_by_the_stream_that_the_runs_are_shown_on(counting: Space) -> None:
    """04 §3.1."""
    task(counting, "cat in > out")
    assert "\x1b[" not in counting.haz("verify", "lib:t").ok().err
    assert "\x1b[" in counting.haz("verify", "lib:t", env={"FORCE_COLOR": "1"}).ok().err
    assert "\x1b[" not in counting.haz("verify", "lib:t", "--color", "never", env={"FORCE_COLOR": "1"}).ok().err


@pytest.mark.parametrize("outputs", ["", ", outputs: [out]"])
def test_what_is_known_to_be_up_to_date_is_run_all_the_same(space: Space, outputs: str) -> None:
    """CACHE-023: a checkpoint of the configuration as it is says nothing about a task that is not to be cached."""
    space.command = EAGER
    space.project("lib", f"a: {{shell: 'date +%N > out; echo ran >> {space.root}/count'{outputs}}}")
    for _ in range(3):
        settle(space.root)
        space.run("--workspace").ok()
    before = space.read("count").count(b"ran")
    settle(space.root)
    assert space.haz("verify", "lib:a", "--repeat", "3").code == (1 if outputs else 0)
    assert space.read("count").count(b"ran") == before + 3


def test_a_task_that_was_verified_first_is_cached_as_ever_afterwards(space: Space) -> None:
    """CACHE-013: what is remembered of the configuration is not what it was changed to for the while."""
    space.command = EAGER
    space.project("lib", "a: {shell: echo made > out, outputs: [out]}")
    settle(space.root)
    space.haz("verify", "lib:a").ok()
    assert not (space.root / ".haz/state/workspace-v1").exists()
    settle(space.root)
    space.run("--workspace").ok()
    assert space.run("--workspace").ok().cached == {"lib:a"}
