"""`tools:` - programs and files whose identity is part of the key (D7)."""

from __future__ import annotations

import os
import time

import pytest

from tests.space import Space

TASK = """
    build:
      shell: echo built
      env: {pass: [PATH]}
      tools: [{command: [../bin/compiler, --version]}, {file: /bin/linker}]
"""


@pytest.fixture
def tooled(space: Space) -> Space:
    space.project("lib", TASK.replace("../bin", f"{space.root}/bin"))
    space.write("bin/compiler", "#!/bin/sh\necho $1 1.0\n").chmod(0o755)
    space.write("bin/linker", "linker 1\n")
    assert space.run("lib:build").ok().ran == {"lib:build"}
    assert space.run("lib:build").ok().cached == {"lib:build"}
    return space


def test_another_version_of_a_tool_is_a_miss(tooled: Space) -> None:
    tooled.write("bin/compiler", "#!/bin/sh\necho $1 1.1\n").chmod(0o755)
    assert tooled.run("lib:build").ok().ran == {"lib:build"}


def test_the_bytes_of_a_program_do_not_matter_when_its_version_is_asked(tooled: Space) -> None:
    tooled.write("bin/compiler", "#!/bin/sh\n\necho $1 1.0\n").chmod(0o755)
    assert tooled.run("lib:build").ok().cached == {"lib:build"}


def test_another_content_of_a_tool_file_is_a_miss(tooled: Space) -> None:
    tooled.write("bin/linker", "linker 2\n")
    assert tooled.run("lib:build").ok().ran == {"lib:build"}


@pytest.mark.parametrize(
    ("script", "reason"), [("exit 3", "exit 3"), ("kill -9 $$", "signal 9"), (None, "does not exist")]
)
def test_a_tool_that_cannot_answer_is_the_task_s_error(tooled: Space, script: str | None, reason: str) -> None:
    if script is None:
        (tooled.root / "bin/compiler").unlink()
    else:
        tooled.write("bin/compiler", f"#!/bin/sh\n{script}\n").chmod(0o755)
    done = tooled.run("lib:build")
    assert done.code == 1
    assert "cannot fingerprint tool" in done.err
    assert reason.lower() in done.err.lower()


def test_equal_tools_are_asked_once_in_a_run(space: Space) -> None:
    for name in ("a", "b", "c"):
        space.project(name, f"t: {{command: [echo], tools: [{{command: [{space.root}/version]}}]}}")
    space.write("version", f"#!/bin/sh\necho asked >> {space.root}/log\n").chmod(0o755)
    space.run("--workspace").ok()
    assert space.read("log") == b"asked\n"


@pytest.fixture
def remembered(space: Space) -> Space:
    """A tool with `memo` and one without, that count how often they are asked; their program has long been there."""
    link(space, "/bin/sh")
    space.write("version", "1.0\n")
    count = f"echo asked >> {space.root}/log.NAME; cat version"
    with_memo, without = (f'[{space.root}/cc, -c, "{count.replace("NAME", name)}"]' for name in ("cc", "other"))
    space.project(
        "lib",
        f"""
        t:
          shell: echo built
          env: {{pass: [PATH, FLAVOUR]}}
          tools: [{{command: {with_memo}, memo: true}}, {{command: {without}}}]
        """,
    )
    assert space.run("lib:t").ok().ran == {"lib:t"}
    return space


def link(space: Space, program: str) -> None:
    (space.root / "cc").unlink(missing_ok=True)
    (space.root / "cc").symlink_to(program)


def asked(space: Space, name: str = "cc") -> int:
    return space.read(f"log.{name}").count(b"asked")


def test_a_tool_with_memo_is_asked_again_only_when_its_program_has_changed(remembered: Space) -> None:
    assert remembered.run("lib:t").ok().cached == {"lib:t"}
    assert (asked(remembered), asked(remembered, "other")) == (1, 2)
    assert remembered.run("lib:t", "--no-stat-cache").ok().cached == {"lib:t"}
    assert asked(remembered) == 2
    assert remembered.run("lib:t", env={"FLAVOUR": "x"}).ok().cached == {"lib:t"}
    assert asked(remembered) == 3
    link(remembered, "/bin/bash")
    remembered.write("version", "2.0\n")
    before = remembered.read(".haz/state/tools-v1")
    remembered.haz("why", "lib:t").ok()
    assert asked(remembered) == 4
    assert remembered.read(".haz/state/tools-v1") == before
    assert remembered.run("lib:t").ok().ran == {"lib:t"}
    assert asked(remembered) == 5


def test_a_damaged_or_forged_memo_is_no_memo(remembered: Space) -> None:
    path = remembered.root / ".haz/state/tools-v1"
    data = path.read_bytes()
    for damage in (data[:-3], data.replace(b'"', b"'", 1), b"", b"haz-tools 2 x\n{}"):
        path.write_bytes(damage)
        assert remembered.run("lib:t").ok().cached == {"lib:t"}
    assert asked(remembered) == 5


def test_a_program_that_was_written_just_now_is_not_remembered(space: Space) -> None:
    space.project("lib", f"t: {{shell: echo, tools: [{{command: [{space.root}/cc], memo: true}}]}}")
    space.write("cc", f"#!/bin/sh\necho asked >> {space.root}/log.cc\n").chmod(0o755)
    future = time.time() + 3600
    os.utime(space.root / "cc", (future, future))
    for _ in range(2):
        space.run("lib:t").ok()
    assert asked(space) == 2
