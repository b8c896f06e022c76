"""Spec 04 §15, row by row (each test names its rows): what scripts may rely on. And §2.2 and §2.3: how words are read, and what is said of mistakes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.space import HAZ, Space


@pytest.fixture
def workspace(space: Space) -> Space:
    space.project(
        "lib",
        """
        gen: {shell: "echo gen > gen.h; echo made", outputs: [gen.h]}
        pack: {command: [echo, packed], deps: ["~:gen"], inputs: [gen.h, "src/*"]}
        plain: {command: [echo, "a b"]}
        fail: {shell: "echo out; echo err >&2; exit 3"}
        """,
    )
    space.write("lib/src/a.c", "a")
    space.project("app", "t: {command: [echo]}\npack: {command: [echo]}")
    return space


class TestRun:
    def test_a_dry_run(self, workspace: Space) -> None:
        """EXEC-030; row 1."""
        done = workspace.run("lib:pack", "--dry-run").ok()
        assert (done.out, done.err) == ("would run 2 tasks:\n  - lib:gen\n  - lib:pack\n", "")
        subprocess.run(["git", "init", "-q"], cwd=workspace.root, check=True)
        assert workspace.run("--all", "--git-staged", "--dry-run").ok().out == "would run 0 tasks.\n"

    def test_a_revision_that_is_none(self, workspace: Space) -> None:
        """EXEC-029; row 3."""
        subprocess.run(["git", "init", "-q"], cwd=workspace.root, check=True)
        for words in (["run", "--all"], ["run", "--all", "--dry-run"], ["affected"]):
            refused = workspace.haz(*words, "--git-changed-since", "no-such-revision")
            assert (refused.code, refused.out) == (2, "")
            assert "no-such-revision" in refused.err
            assert "git" in refused.err

    def test_live_and_buffered(self, workspace: Space) -> None:
        """EXEC-016; row 2: prefixed lines or bare bytes on stdout, summaries and epilogue on stderr."""
        live = workspace.run("lib:plain", "--force").ok()
        assert live.out == "[lib:plain] a b\n"
        assert "[lib:plain] ✓ done in " in live.err
        assert "\nTasks: 1 completed\n Time: " in live.err
        buffered = workspace.run("lib:plain", "--output-mode", "buffered").ok()
        assert buffered.out == live.out.replace("[lib:plain] ", "")
        assert "[lib:plain] ◉ cached in " in buffered.err

    def test_each_stream_of_a_task_on_its_own_stream_and_code_1(self, workspace: Space) -> None:
        """EXEC-021; row 2."""
        failed = workspace.run("lib:fail")
        assert failed.code == 1
        assert failed.out == "[lib:fail] out\n"
        assert "[lib:fail] err\n" in failed.err
        assert "[lib:fail] ✗ failed in " in failed.err
        assert "(exit 3)" in failed.err

    @pytest.mark.parametrize("reference", ["nope:t", "lib:nope", "^:nope", "[nope]:t", "~:t"])
    def test_an_unresolved_target(self, workspace: Space, reference: str) -> None:
        """REF-003, REF-004; row 4: the reference is quoted as typed."""
        refused = workspace.haz("run", reference)
        assert (refused.code, refused.out) == (2, "")
        assert "target resolution failed" in refused.err
        assert f"`{reference}`" in refused.err

    def test_all_bad_references_are_told_at_once_with_the_nearest_names(self, workspace: Space) -> None:
        refused = workspace.haz("run", "lbi:gen", "lib:gne", "app:gen")
        assert "did you mean 'lib'?" in refused.err
        assert "did you mean 'gen'?" in refused.err
        assert "('lib' does)" in refused.err

    def test_no_default_task_here(self, workspace: Space) -> None:
        """EXEC-023; row 5."""
        outside = workspace.haz("run")
        assert outside.code == 2
        assert "no bearing project" in outside.err
        for advice in ("default", "--all", "--workspace"):
            assert advice in outside.err
        inside = workspace.haz("run", cwd="lib")
        assert inside.code == 2
        assert "'lib'" in inside.err
        assert "'default'" in inside.err

    def test_a_graph_that_cannot_be_built(self, workspace: Space) -> None:
        """Row 6."""
        workspace.project("bad", 't: {command: [echo], deps: ["~:nope"]}')
        for command in (("run", "--all"), ("check",), ("query",)):
            refused = workspace.haz(*command)
            assert (refused.code, refused.out) == (2, "")
            assert "task-graph construction failed" in refused.err
            assert "unresolved" in refused.err


@pytest.mark.parametrize(
    "words",
    [
        *(["run", "--all"], ["check"], ["why", "a:t"], ["query"], ["list"], ["graph"]),
        *(["cache", "info"], ["cache", "clear"], ["runs"]),
    ],
    ids=" ".join,
)
def test_no_workspace(words: list[str]) -> None:
    """DISC-002; row 7."""
    done = subprocess.run([*HAZ, *words], cwd="/", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "discovery failed" in done.stderr


class TestReports:
    def test_check(self, workspace: Space) -> None:
        """AUX-011; row 8."""
        for words, cwd, count in ((["check"], ".", 6), (["check"], "app", 2), (["check", "--workspace"], "app", 6)):
            done = workspace.haz(*words, cwd=cwd).ok()
            assert done.out == f"{count} task(s) validated.\n"

    def test_check_of_what_is_sound_says_nothing_else(self, space: Space) -> None:
        """AUX-011; row 8: what there is on stderr otherwise are warnings (D8)."""
        space.project("lib", "t: {command: [cat, a], inputs: [a]}")
        space.write("lib/a", "")
        done = space.haz("check").ok()
        assert (done.out, done.err) == ("1 task(s) validated.\n", "")

    def test_why(self, workspace: Space) -> None:
        """AUX-015, AUX-016; row 9."""
        workspace.run("lib:gen").ok()
        done = workspace.haz("why", "lib:pack").ok()
        assert done.out.startswith('lib:pack\ncommand: ["echo", "packed"]\n')
        assert "inputs:\n  /lib/gen.h (produced by lib:gen)\n  /lib/src/a.c\n" in done.out
        assert "\ncache_key: " in done.out
        assert "\ncache_lookup: miss: no entry\n" in done.out
        bare = workspace.haz("why", "lib:plain").ok().out.splitlines()
        assert [line.split(" ")[0] for line in bare] == ["lib:plain", "command:", "cache_key:", "cache_lookup:"]

    def test_why_of_none_of_many_and_behind_what_is_not_cached(self, workspace: Space) -> None:
        """AUX-013; row 10."""
        many = workspace.haz("why", "^:pack")
        assert many.code == 2
        assert "resolves to 2 tasks; use a more specific form (matched: app:pack, lib:pack)" in many.err
        none = workspace.haz("why", "lib:nope")
        assert none.code == 2
        assert "could not resolve" in none.err
        behind = workspace.haz("why", "lib:pack")
        assert behind.code == 2
        assert "predecessor `lib:gen`" in behind.err
        assert "miss: no entry" in behind.err

    def test_query(self, workspace: Space) -> None:
        """QRY-008, QRY-009; rows 11 and 12."""
        assert workspace.haz("query", "--tasks", "pack").ok().out == "app:pack\nlib:pack\n"
        rows = json.loads(workspace.haz("query", "--tasks", "pack", "--format", "json").ok().out)
        assert [(row["project"], row["task"], row["tags"]) for row in rows] == [
            ("app", "pack", []),
            ("lib", "pack", []),
        ]
        bad = workspace.haz("query", "--depends-on", "x")
        assert (bad.code, bad.out) == (2, "")
        assert bad.err.startswith("--depends-on: ")

    def test_init(self, tmp_path: Path) -> None:
        """AUX-001, AUX-002, AUX-007; rows 13 and 14."""
        space = Space(tmp_path)
        done = space.haz("init", "--yes").ok()
        assert space.read(".haz/workspace.yml") == b"projects: []\n"
        assert done.code == 0
        again = space.haz("init", "--yes")
        assert again.code == 2
        assert "existing workspace" in again.err
        assert ".haz" in again.err

    def test_cache(self, workspace: Space) -> None:
        """AUX-017..028; row 15: the lines of §12."""
        none = workspace.haz("cache", "info").ok().out
        assert "well-formed entries: 0\n" in none
        workspace.run("lib:gen").ok()
        info = workspace.haz("cache", "info").ok().out
        assert f"cache root: {workspace.root}/.haz/cache\n" in info
        for line in ("well-formed entries: 1", "corrupt entries: 0", "total bytes: "):
            assert f"\n{line}" in info
        plan = workspace.haz("cache", "clean", "--max-size", "0", "--dry-run").ok().out
        assert plan.startswith("dry-run: AUX-024 plan only, no entries removed.\n")
        assert "dry-run plan:\n" in plan
        assert "mode=--max-size" in plan
        nothing = workspace.haz("cache", "clean")
        assert nothing.code == 2
        assert "at least one mode" in nothing.err
        cleaned = workspace.haz("cache", "clean", "--max-age", "30d").ok().out
        assert "entries inspected: 1\n" in cleaned
        assert "dry-run" not in cleaned
        assert workspace.haz("cache", "clear").ok().out == "cache cleared.\n"
        assert workspace.haz("cache", "clear").ok().out == "cache cleared.\n"


MISTAKES = [
    ("run --all --workspace", ["--all", "--workspace", "mutually exclusive"]),
    ("check --all --workspace", ["--all", "--workspace", "mutually exclusive"]),
    ("run --all lib:gen", ["`--all`", "positional"]),
    ("run --workspace lib:gen", ["`--workspace`", "positional"]),
    ("run --all --output-mode Live", ["unknown output mode", "Live"]),
    ("query --format JSON", ["unknown output format", "JSON"]),
    ("query --has-deps --no-deps", ["--has-deps", "--no-deps", "mutually exclusive"]),
    ("query --has-inputs --no-inputs", ["--has-inputs", "--no-inputs", "mutually exclusive"]),
    ("query --has-outputs --no-outputs", ["--has-outputs", "--no-outputs", "mutually exclusive"]),
    ("run nothing", ["nothing", "no `:` separator"]),
    ("run ~build", ["~build", "no `:` separator"]),
    ("run [g]t", ["[g]t", "malformed"]),
    ("run :t", [":t", "empty"]),
    ("run a:b:c", ["a:b:c", "task name"]),
    ("run ^^:x", ["^^:x", "name"]),
    (f"run {'p' * 65}:x", ["p" * 65, "64"]),
    ("cache clean --max-age 90", ["90"]),
    ("cache clean --max-age 1.5d", ["1.5d"]),
    ("cache clean --max-age=-1d", ["-1d"]),
    ("cache clean --max-size 5gb", ["5gb"]),
    ("cache clean --max-size=", ["--max-size"]),
    ("cache clean --max-age", ["--max-age", "DURATION"]),
    ("run --output-mode", ["--output-mode", "MODE"]),
    ("query --tags", ["--tags", "EXPR"]),
    ("query --tags --projects x", ["--tags", "EXPR"]),
    ("query stray", ["stray"]),
    ("check stray", ["stray"]),
    ("why", ["TASK"]),
    ("why a:t b:t", ["b:t"]),
    ("run --bogus", ["--bogus"]),
    ("run --dry-run=true", ["--dry-run"]),
    ("run --dry-run --dry-run", ["--dry-run", "multiple times"]),
    ("run --output-mode live --output-mode live", ["--output-mode", "multiple times"]),
    ("run -j 1 --jobs 2", ["--jobs", "multiple times"]),
    ("run --al", ["--al"]),
    ("bogus", ["bogus"]),
    ("help", ["help"]),
    ("cache", ["clear", "clean", "info"]),
    ("cache bogus", ["bogus"]),
    ("", ["run", "query"]),
    ("--bogus", ["--bogus"]),
    ("-C", ["-C", "DIR"]),
    ("--root", ["--root", "DIR"]),
    ("--root / run --bogus", ["--bogus"]),
    ("-C /nonexistent run --bogus", ["--bogus"]),
    ("-C / --root / list", ["-C", "--root", "mutually exclusive"]),
    ("-C /nonexistent list", ["/nonexistent"]),
]


@pytest.mark.parametrize(("line", "tokens"), MISTAKES, ids=[line[:40] or "nothing" for line, _ in MISTAKES])
def test_a_mistake_is_one_line_and_code_2_before_any_file_is_read(line: str, tokens: list[str]) -> None:
    """EXEC-021, 04 §2.3: run where there is no workspace, so that its absence would be told instead."""
    done = subprocess.run([*HAZ, *line.split()], cwd="/", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    first, _, rest = done.stderr.partition("\n")
    assert first.startswith("Error: ")
    assert rest == "" or rest.startswith("  help: ")
    for token in tokens:
        assert token in done.stderr


@pytest.mark.parametrize(
    "line",
    [
        "--help",
        "-h",
        "--help run",
        "run --bogus --help",
        "run -h",
        "query --tags --help",
        "cache clean -h",
        "--bogus -h",
    ],
)
def test_help_wins_over_other_mistakes_and_goes_to_stdout(line: str) -> None:
    """04 §2.2, §2.4."""
    done = subprocess.run(
        [*HAZ, *line.split()],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "FORCE_COLOR": "1"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: haz")
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    "line",
    [
        *("--version", "-V", "--version --bogus", "-C / --version", "--help --version", "run --version", "run -V"),
        *("run x --all --bogus --version", "cache --version", "cache info -V", "-C / runs show --version"),
    ],
)
def test_the_version(line: str) -> None:
    """04 §2.4, and §14 C1: it could be asked of the program alone."""
    from haz import __version__

    done = subprocess.run([*HAZ, *line.split()], cwd="/", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"haz {__version__}\n", "")


def test_values_and_options_can_be_written_in_every_way(workspace: Space) -> None:
    """04 §2.2."""
    want = "would run 1 task:\n  - lib:gen\n"
    for words in (
        ["--dry-run", "lib:gen", "--output-mode=live"],
        ["lib:gen", "--output-mode", "live", "--dry-run"],
        ["-j4", "--dry-run", "lib:gen"],
        ["--dry-run", "--", "lib:gen"],
        ["--dry-run", "lib:gen", "lib:gen"],
    ):
        assert workspace.haz("run", *words).ok().out == want


def test_what_cannot_be_written_to_stdout_is_code_2(workspace: Space) -> None:
    """04 §3: such as a full disk."""
    for words in (
        ["query"],
        ["check"],
        ["list"],
        ["graph"],
        ["cache", "info"],
        ["--version"],
        ["--help"],
        ["run", "--help"],
        ["man"],
        ["schema", "project"],
    ):
        with open("/dev/full", "w") as full:
            done = subprocess.run([*HAZ, *words], cwd=workspace.root, stdout=full, stderr=subprocess.PIPE, check=False)
        assert done.returncode == 2, words
        assert b"cannot write to standard output" in done.stderr


@pytest.mark.parametrize(
    "words", [["query"], ["list", "--format", "json"], ["man"], ["run", "lib:plain", "--output-mode", "buffered"]]
)
def test_a_reader_that_has_seen_enough_is_no_error_to_tell(workspace: Space, words: list[str]) -> None:
    """04 §3, §14 B10: as in `haz list | head -1`."""
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run([*HAZ, *words], cwd=workspace.root, stdout=writes, stderr=subprocess.PIPE, check=False)
    os.close(writes)
    assert done.returncode == 2
    assert b"Error" not in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["query", "--format", "json", "--tags", "("], "haz::qry::expression"),
        (["run", "--format", "json", "lib:nope"], "haz::ref::unresolved"),
        (["list", "--format", "json", "nope:t"], "haz::ref::unresolved"),
        (["graph", "--format", "json", "nope:t"], "haz::ref::unresolved"),
        (["why", "--format", "json", "^:pack"], "haz::ref::unresolved"),
    ],
)
def test_with_json_asked_for_errors_are_diagnostics_as_json(workspace: Space, words: list[str], code: str) -> None:
    """D14: on stderr, in the form of `haz check --format json`."""
    refused = workspace.haz(*words)
    assert (refused.code, refused.out) == (2, "")
    assert [problem["code"] for problem in json.loads(refused.err)] == [code]


def test_a_broken_workspace_is_told_as_json_too(workspace: Space) -> None:
    """D14."""
    workspace.write("lib/haz.yml", "name: lib\ntasks: 7\n")
    refused = workspace.haz("list", "--format", "json")
    assert refused.code == 2
    (problem,) = json.loads(refused.err)
    assert problem["code"] == "haz::cfg::015"
    assert problem["line"] == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_a_quarter_of_a_second_after_the_start_is_a_regular_end(
    workspace: Space, number: signal.Signals, code: int
) -> None:
    """04 §3: whatever is going on by then. The task would last a minute and ignores what it is told."""
    workspace.project("slow", """t: {shell: "trap '' INT TERM; sleep 60"}""")
    workspace.settings("execution: {cancel_grace: 0.5}\n")
    process = subprocess.Popen([*HAZ, "run", "slow:t"], cwd=workspace.root, stderr=subprocess.DEVNULL)
    time.sleep(0.25)
    started = time.monotonic()
    process.send_signal(number)
    assert process.wait(30) == code
    # Three seconds are asked for; machines that run tests are busy.
    assert time.monotonic() - started < 10
