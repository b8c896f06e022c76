"""`haz check` by what an earlier one has found, and everything that may change what there is to find.

Each story is told twice: with the record of the check before, and without it.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from haz import _core, checks, examined
from haz.cache.formats import EXAMINED
from tests import eager as eager_module
from tests.eager import eager, settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from haz.examined import Examination

FILES = {
    ".haz/state/.gitignore": "*\n",
    ".haz/workspace.yml": "projects: [/libs/*]\n",
    "libs/one/haz.yml": """\
name: one
tasks:
  build: {shell: 'true > out/x', inputs: [lit, 'src/**'], outputs: [out/x], env: {from_host: [FLAVOUR]}}
  tool: {command: [./tool.sh], inputs: [gone], cache: false}
  host: {command: [own-tool], inputs: [lit], env: {pass: [PATH]}}
  bare: {command: [sh, -c, echo]}
  missing: {command: [nowhere], cache: false}
""",
    "libs/one/lit": "lit\n",
    "libs/one/src/a": "a\n",
    "libs/one/tool.sh": "#!/bin/sh\n",
    "libs/two/haz.yml": "name: two\ntasks:\n  t: {command: ['true'], inputs: [src/x], outputs: [out/y]}\n",
    "libs/two/src/x": "x\n",
    "bin/own-tool": "#!/bin/sh\n",
}


class Space:
    """A workspace, checked in an environment of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.host = {"PATH": f"{root}/bin:/usr/bin:/bin", "HOME": "/"}
        for path, text in FILES.items():
            self.write(path, text)
        (root / "libs/one/tool.sh").chmod(0o755)
        (root / "bin/own-tool").chmod(0o755)

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def check(self) -> Examination:
        return checks.examine(str(self.root), self.host)

    def is_known(self) -> bool:
        """Whether the last check was left for the next one, and nothing that it rests on has changed."""
        root = checks.find_root(str(self.root))
        return examined.load(root, str(self.root), self.host, checks.__version__) is not None

    def forget(self) -> None:
        (self.root / EXAMINED).unlink(missing_ok=True)


@pytest.fixture
def space(tmp_path: Path) -> Iterator[Space]:
    with eager():
        space = Space(tmp_path / "w")
        settle(space.root)
        yield space


def _unlink(path: str) -> Callable[[Space], None]:
    return lambda space: (space.root / path).unlink()


def _make(path: str) -> Callable[[Space], None]:
    return lambda space: (space.root / path).mkdir(parents=True)


def _write(path: str, text: str = "") -> Callable[[Space], None]:
    return lambda space: space.write(path, text)


def _mode(path: str, mode: int) -> Callable[[Space], None]:
    return lambda space: (space.root / path).chmod(mode)


def _variable(name: str, value: str | None) -> Callable[[Space], None]:
    def change(space: Space) -> None:
        space.host.pop(name, None)
        if value is not None:
            space.host[name] = value

    return change


def _into_directory(path: str) -> Callable[[Space], None]:
    def change(space: Space) -> None:
        (space.root / path).unlink()
        (space.root / path).mkdir()

    return change


def _alias(space: Space) -> None:
    """Two outputs become one file: `out` of one project leads to that of the other."""
    (space.root / "libs/two/out").mkdir()
    (space.root / "libs/one/out").symlink_to("../two/out")
    space.write("libs/two/haz.yml", FILES["libs/two/haz.yml"].replace("out/y", "out/x"))


CHANGES = {
    "a literal input is gone": _unlink("libs/one/lit"),
    "a literal input is there": _write("libs/one/gone"),
    "a literal input is a directory": _into_directory("libs/one/lit"),
    "a literal input leads nowhere": lambda space: (
        (space.root / "libs/one/lit").unlink(),
        (space.root / "libs/one/lit").symlink_to("x"),
    ),
    "a file in a directory of inputs": _write("libs/one/src/b"),
    "the packages of another tool": _write("libs/one/src/node_modules/p/index.js"),
    "deep packages of another tool": _write("libs/one/src/deep/er/node_modules/p/index.js"),
    "a file with the wrong ending": _write("libs/one/haz.yaml"),
    "a program is gone": _unlink("libs/one/tool.sh"),
    "a program cannot be executed": _mode("libs/one/tool.sh", 0o644),
    "a program of the host is gone": _unlink("bin/own-tool"),
    "a program is found earlier": _write("bin/sh", "#!/bin/sh\n"),
    "an alias of an output": _alias,
    "a variable is set": _variable("FLAVOUR", "x"),
    "no PATH": _variable("PATH", None),
    "another PATH": _variable("PATH", "/usr/bin"),
    "a variable of no task": _variable("HOME", "/home"),
    "another configuration": _write(
        "libs/two/haz.yml", "name: two\ntasks: {t: {command: ['true']}, T: {command: [x]}}\n"
    ),
    "a configuration with an error": _write("libs/two/haz.yml", "name: two\ntask: {}\n"),
    "a graph with an error": _write("libs/two/haz.yml", "name: two\ntasks: {t: {command: ['true'], deps: ['~:t']}}\n"),
    "a project more": _write("libs/three/haz.yml", "name: three\ntasks: {t: {command: ['true']}}\n"),
    "a project less": lambda space: shutil.rmtree(space.root / "libs/two"),
    "an overlay": _write(".haz/tasks/all.yml", "tasks: {more: {command: ['true']}}\n"),
    "the settings": _write(".haz/workspace.yml", "projects: [/libs/one]\n"),
    "no settings": _unlink(".haz/workspace.yml"),
}


def test_a_second_check_reads_no_configuration(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    first = space.check()
    codes = {warning.code for warning in first.warnings}
    assert {"haz::chk::001", "haz::chk::003", "haz::chk::005", "haz::chk::006"} <= codes

    def refuse(*_: object) -> None:
        raise AssertionError("it is known")

    monkeypatch.setattr(checks, "read_at", refuse)
    assert space.check() == first
    monkeypatch.chdir(space.root / "libs/one")
    again = checks.examine(os.getcwd(), space.host)
    assert (again.bearing, again.warnings) == ("one", first.warnings)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_changes_is_found_as_by_a_first_check(space: Space, change: Callable[[Space], None]) -> None:
    space.check()
    assert space.is_known()
    settle(space.root)
    change(space)
    settle(space.root)
    found = space.check()
    space.forget()
    assert found == space.check()


def test_a_change_during_the_check_is_not_lost(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was not looked at any more: the next check must look."""
    real, ask = checks.with_sources, eager_module.REAL_ASK

    def late(problems: object) -> object:
        if not (space.root / "libs/late").exists():
            settle(space.root)
            space.write("libs/late/haz.yml", "name: late\ntasks: {t: {command: ['true']}}\n")
        return real(problems)  # type: ignore[arg-type]

    def strict(root: str, looks: object, names: object, at: int) -> bytes | None:
        return ask(root, looks, names, at + 2_000_000_000)  # the margin: what was written before the check may count

    monkeypatch.setattr(_core, "ask_facts", strict)
    monkeypatch.setattr(checks, "with_sources", late)
    assert space.check().projects is not None
    assert not (space.root / EXAMINED).exists()
    settle(space.root)
    assert [name for name, _, _ in space.check().projects or ()] == ["late", "one", "two"]
    assert space.is_known()


def test_values_of_variables_are_not_written_down(space: Space) -> None:
    space.host["FLAVOUR"] = "hush-hush"
    space.check()
    assert b"hush" not in (space.root / EXAMINED).read_bytes()
    assert space.is_known()


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: data[:20], lambda data: b"", lambda data: data[:-9] + b"123456789"]
)
def test_a_damaged_record_is_as_none(space: Space, damage: Callable[[bytes], bytes]) -> None:
    found = space.check()
    file = space.root / EXAMINED
    file.write_bytes(damage(file.read_bytes()))
    assert not space.is_known()
    assert space.check() == found


def test_where_no_run_has_been_nothing_is_written(space: Space) -> None:
    shutil.rmtree(space.root / ".haz/state")
    found = space.check()
    assert not (space.root / ".haz/state").exists()
    assert space.check() == found
