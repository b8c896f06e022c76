"""Persistent tasks with real servers: ready by a line, a port or a command; stopped at the end; never cached."""

from __future__ import annotations

import socket

import pytest

from tests.space import Space

LISTEN = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET
server = socket.create_server((sys.argv[2], int(sys.argv[1])), family=family)
print("listening", flush=True)
while True:
    one, _ = server.accept()
    one.sendall(b"hello")
    one.close()
"""
ASK = """
import socket, sys
print(socket.create_connection((sys.argv[2], int(sys.argv[1]))).recv(5).decode())
"""


def addresses() -> list[str]:
    """What `localhost` may mean to a server on this machine."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return ["127.0.0.1", "::1"]
    except OSError:
        return ["127.0.0.1"]


FOREVER = "while :; do sleep 0.02; done"


@pytest.fixture
def port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


@pytest.mark.parametrize("address", addresses())
def test_a_port_that_answers_makes_it_ready(space: Space, port: int, address: str) -> None:
    space.write("lib/listen.py", LISTEN)
    space.write("lib/ask.py", ASK)
    space.project(
        "lib",
        f"""
        serve:
          persistent: true
          shell: sleep 0.2; exec python3 listen.py {port} {address}
          ready: {{port: {port}}}
        test: {{deps: ["~:serve"], shell: 'python3 ask.py {port} {address}', cache: false}}
        """,
    )
    done = space.run("lib:test", "-j", "1").ok()
    assert "[lib:test] hello\n" in done.out
    lines = [line for line in done.err.splitlines() if line.startswith("[")]
    assert [line.split(" in ")[0].split(" after ")[0] for line in lines] == [
        "[lib:serve] ✓ ready",
        "[lib:test] ✓ done",
        "[lib:serve] ✓ stopped",
    ]
    assert "Tasks: 2 completed\n" in done.err
    assert space.run("lib:test").ok().ran == {"lib:serve", "lib:test"}


def test_a_line_makes_it_ready_also_on_stderr_and_before_its_end(space: Space) -> None:
    space.project(
        "lib",
        f"""
        a: {{persistent: true, shell: "echo no; echo 'up at 80' >&2; {FOREVER}", ready: {{line: 'up at \\d+$'}}}}
        b: {{persistent: true, shell: "printf 'give me a word> '; {FOREVER}", ready: {{line: '> $'}}}}
        t: {{deps: ["~:a", "~:b"], command: ["true"]}}
        """,
    )
    done = space.run("lib:t").ok()
    assert done.err.count("✓ ready in") == 2
    assert done.err.count("✓ stopped after") == 2


def test_a_command_makes_it_ready_when_it_succeeds_and_has_its_environment(space: Space) -> None:
    space.project(
        "lib",
        f"""
        serve:
          persistent: true
          env: {{override: {{FLAG: flag}}}}
          shell: "sleep 0.2; echo x > flag; {FOREVER}"
          ready: {{command: [sh, -c, "echo asked >> log; test -e $FLAG"]}}
        t: {{deps: ["~:serve"], shell: cat flag}}
        """,
    )
    assert "[lib:t] x\n" in space.run("lib:t").ok().out
    assert len(space.read("lib/log").splitlines()) >= 2


def test_without_a_sign_it_is_ready_at_once(space: Space) -> None:
    space.project(
        "lib", f'serve: {{persistent: true, shell: "{FOREVER}"}}\nt: {{deps: ["~:serve"], command: ["true"]}}'
    )
    assert space.run("lib:t").ok().ran == {"lib:serve", "lib:t"}


@pytest.mark.parametrize(
    ("ready", "why"),
    [
        ("{line: never, timeout: 0.2}", "not ready after 0.2s"),
        ("{command: ['false'], timeout: 0.2}", "not ready after 0.2s"),
        ("{command: [sh, -c, 'sleep 300'], timeout: 0.2}", "not ready after 0.2s"),
        ("{command: [no-such-program]}", 'not ready: cannot start "no-such-program"'),
        ("{command: [./broken]}", 'not ready: cannot start "./broken": the interpreter of its #! line'),
    ],
)
def test_only_its_waiters_fail_when_it_never_gets_ready(space: Space, ready: str, why: str) -> None:
    space.write("lib/broken", "#!/no/such/interpreter\n").chmod(0o755)
    space.project(
        "lib",
        f"""
        serve: {{persistent: true, shell: "{FOREVER}", ready: {ready}}}
        t: {{deps: ["~:serve"], command: ["true"]}}
        other: {{command: ["true"]}}
        """,
    )
    done = space.run("lib:t", "lib:other")
    assert done.code == 1
    assert done.ran == {"lib:other"}
    assert f"({why}" in done.err
    assert "[lib:t] - skipped (upstream lib:serve failed)" in done.err
    (attempt,) = done.report["tasks"]["lib:serve"]["attempts"]
    assert attempt["error"].startswith(why)


def test_one_that_ends_by_itself_has_failed(space: Space) -> None:
    space.project("lib", 'serve: {persistent: true, shell: "exit 4"}\nt: {deps: ["~:serve"], shell: sleep 0.1}')
    done = space.run("lib:serve")
    assert done.code == 1
    assert "[lib:serve] ✗ failed in " in done.err
    assert "(exit 4)" in done.err


def test_one_that_was_asked_for_runs_until_ctrl_c(space: Space) -> None:
    space.project("lib", f'serve: {{persistent: true, shell: "echo up; {FOREVER}", ready: {{line: up}}}}')
    running = space.start("run", "lib:serve")
    running.wait_for("up")
    running.signal()
    ended = running.end()
    assert ended.code == 130
    assert "[lib:serve] ! cancelled in" in ended.err
