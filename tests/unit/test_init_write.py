"""Files of `haz init` appear whole and all of them, or not at all (AUX-006)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from haz.errors import LoadError
from haz.init.write import ExistingWorkspaceError, InitError, prove, refuse_existing, write

if TYPE_CHECKING:
    from pathlib import Path


def below(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_files_are_written_in_order_with_their_directories(tmp_path: Path) -> None:
    write(str(tmp_path), {"b/c/haz.yml": "one", "a": "two", ".haz/workspace.yml": "three"})
    assert below(tmp_path) == [".haz", ".haz/workspace.yml", "a", "b", "b/c", "b/c/haz.yml"]
    assert (tmp_path / "b/c/haz.yml").read_text() == "one"


def test_a_failure_takes_back_files_and_directories(tmp_path: Path) -> None:
    """O13 of 04 §14: no rollback."""
    (tmp_path / "there").mkdir()
    (tmp_path / "blocked").write_text("a file")
    with pytest.raises(InitError, match=r"cannot write .*blocked: File exists") as caught:
        write(str(tmp_path), {"there/haz.yml": "x", "new/deep/haz.yml": "y", "blocked/haz.yml": "z"})
    assert caught.value.hint == "nothing was changed"
    assert below(tmp_path) == ["blocked", "there"]


def test_a_file_that_somebody_else_wrote_meanwhile_stays(tmp_path: Path) -> None:
    (tmp_path / "haz.yml").write_text("mine")
    with pytest.raises(InitError, match="File exists"):
        write(str(tmp_path), {"a/haz.yml": "x", "haz.yml": "theirs"})
    assert below(tmp_path) == ["haz.yml"]
    assert (tmp_path / "haz.yml").read_text() == "mine"


def test_an_interrupt_takes_back_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.rename

    def rename(source: str, target: str) -> None:
        if target.endswith("second"):
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(KeyboardInterrupt):
        write(str(tmp_path), {"first": "1", "second": "2"})
    assert below(tmp_path) == []


@pytest.mark.parametrize("kind", ["directory", "file", "link"])
def test_whatever_is_called_haz_is_a_workspace(tmp_path: Path, kind: str) -> None:
    """AUX-002."""
    refuse_existing(str(tmp_path))
    marker = tmp_path / ".haz"
    {"directory": marker.mkdir, "file": marker.touch, "link": lambda: marker.symlink_to("nowhere")}[kind]()
    with pytest.raises(ExistingWorkspaceError, match=str(marker)):
        refuse_existing(str(tmp_path))


def test_what_would_not_load_is_told_with_the_paths_that_it_would_have(tmp_path: Path) -> None:
    texts = {
        "a/haz.yml": "name: a\ntasks: {t: {shell: x, deps: [b:t]}}\n",
        "b/haz.yml": "name: b\ntasks: {t: {shell: x, deps: [a:t]}}\n",
        ".haz/workspace.yml": "projects: [/a, /b]\n",
    }
    with pytest.raises(LoadError) as caught:
        prove(str(tmp_path), texts)
    (problem,) = caught.value.diagnostics
    assert "cycle" in problem.message
    assert problem.span is not None
    assert problem.span.file == str(tmp_path / "a/haz.yml")
    assert below(tmp_path) == []


def test_files_that_are_there_take_part_in_the_proof(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/haz.yml").write_text("name: b\n")
    texts = {"b/haz.yml": "name: b\n", ".haz/workspace.yml": "projects: ['/*']\n"}
    prove(str(tmp_path), texts)
    with pytest.raises(LoadError) as caught:
        prove(str(tmp_path), texts, ["a/haz.yml"])
    assert "two projects are named `b`" in caught.value.diagnostics[0].message
    assert str(tmp_path / "a/haz.yml") in caught.value.diagnostics[0].message
