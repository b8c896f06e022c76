"""`tools:` - programs and files whose identity is part of the key (D7)."""

from __future__ import annotations

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
