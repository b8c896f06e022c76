"""What a person reads when something is wrong: what, where, and what to do."""

from __future__ import annotations

import pytest

from tests.space import Space


def test_no_workspace(space: Space) -> None:
    """DISC-002."""
    done = space.run("--all")
    assert done.code == 2
    assert "discovery failed" in done.err
    assert "haz init" in done.err


def test_a_broken_yaml_file_names_file_line_and_column(space: Space) -> None:
    """CFG-003."""
    space.project("lib", "t: {command: [a]}")
    path = space.write("lib/haz.yml", "name: lib\ntasks:\n  t: {command: [a}\n")
    done = space.run("--all")
    assert done.code == 2
    assert f"{path}:3:" in done.err
    assert "haz::cfg::yaml" in done.err


def test_an_unknown_key_is_named_with_the_legal_ones(space: Space) -> None:
    """CFG-004."""
    space.project("lib", "t: {comand: [a]}")
    done = space.run("--all")
    assert done.code == 2
    assert f"{space.root}/lib/haz.yml:3:7" in done.err
    assert "comand" in done.err
    assert "command" in done.err
    assert "haz::cfg::004" in done.err


def test_a_cycle_names_its_members(space: Space) -> None:
    """DAG-014, O7."""
    space.project("lib", 'a: {command: [x], deps: ["~:b"]}\nb: {command: [x], deps: ["~:a"]}')
    done = space.run("--all")
    assert done.code == 2
    assert "task-graph construction failed" in done.err
    assert "DAG-014" in done.err
    assert "lib:a" in done.err
    assert "lib:b" in done.err


def test_an_unresolved_reference_names_the_nearest_task(space: Space) -> None:
    """REF-003, DAG-011."""
    space.project("lib", 'a: {command: [x], deps: ["~:biuld"]}\nbuild: {command: [x]}')
    done = space.run("--all")
    assert done.code == 2
    assert "unresolved" in done.err
    assert "~:biuld" in done.err
    assert "build" in done.err
    assert f"{space.root}/lib/haz.yml:3:" in done.err


def test_a_program_that_does_not_exist_says_so(space: Space) -> None:
    """03 §9.6, 03 §15 A2, O17."""
    space.project("lib", "t: {command: [no-such-program-x]}\nu: {command: [echo], deps: ['~:t']}")
    done = space.run("lib:u")
    assert done.code == 1
    assert '[lib:t] ✗ error: cannot start "no-such-program-x": not found in PATH\n' in done.err
    assert "[lib:u] - skipped (upstream lib:t errored)\n" in done.err
    assert "Tasks: 0 completed, 1 failed, 1 skipped\n" in done.err
    assert f"help: lib:t ({space.root}/lib/haz.yml:3:3): correct the program's name, or install it" in done.err


def test_a_program_that_the_system_refuses_says_so(space: Space) -> None:
    """O17."""
    space.write("lib/broken", "#!/no/such/interpreter\n").chmod(0o755)
    space.project("lib", "t: {command: [./broken]}")
    done = space.run("lib:t")
    assert done.code == 1
    assert '[lib:t] ✗ error: cannot start "./broken": the interpreter of its #! line does not exist\n' in done.err
    assert f"help: lib:t ({space.root}/lib/haz.yml:3:3): correct the program's name, or install it" in done.err


def test_a_declared_output_that_was_not_produced_is_named(space: Space) -> None:
    """03 §3.4: the task ran, and did not keep its word."""
    space.project("lib", "t: {command: [echo, ran], outputs: [never.txt]}")
    done = space.run("lib:t")
    assert done.code == 1
    assert done.out == "[lib:t] ran\n"
    assert "[lib:t] ✗ error: declared output /lib/never.txt was not produced\n" in done.err
    assert f"help: lib:t ({space.root}/lib/haz.yml:3:3): let the command write it" in done.err


def test_a_missing_literal_input_is_named(space: Space) -> None:
    space.project("lib", "t: {command: [echo], inputs: [absent.txt]}")
    done = space.run("lib:t")
    assert done.code == 1
    assert "/lib/absent.txt" in done.err


@pytest.mark.parametrize(
    ("arguments", "tokens"),
    [
        (["--all", "--workspace"], ["--all", "--workspace", "mutually exclusive"]),
        (["--all", "a:b"], ["`--all`", "positional"]),
        (["--output-mode", "loud"], ["unknown output mode", "loud"]),
        (["a:b:c"], ["a:b:c"]),
        (["--nope"], ["--nope"]),
        (["--all", "--all"], ["--all", "cannot be used multiple times"]),
        (["--output-mode"], ["--output-mode", "MODE"]),
        (["--output-mode", "--all"], ["--output-mode", "MODE"]),
    ],
)
def test_usage_errors_are_one_line_and_exit_two(space: Space, arguments: list[str], tokens: list[str]) -> None:
    """04 §2.3."""
    done = space.run(*arguments)
    assert done.code == 2
    assert done.err.startswith("Error: ")
    assert done.err.count("\n") == 1
    assert [token for token in tokens if token not in done.err] == []


def test_haz_alone_is_a_usage_error(space: Space) -> None:
    """04 §2.1."""
    done = space.haz()
    assert done.code == 2
    assert done.err.startswith("Error: ")
