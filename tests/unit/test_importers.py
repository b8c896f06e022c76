"""`haz init --from`: what is written for a workspace of each kind, as kept in `tests/fixtures/import/*.golden`.

`python -m tests.unit.test_importers` writes the golden files anew; read the difference before you commit it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import jsonschema
import pytest
import yaml

from haz._core import PatternSet
from haz.checks import examine
from haz.config.schema import KINDS
from haz.init.imported import SCHEMAS, plan
from haz.init.write import write
from haz.workspace import load
from tests.archive import IMPORTS, packed, unpack

ARCHIVES = sorted(path.stem for path in IMPORTS.glob("*.txtar"))
# About the machine, not about the workspace.
OF_THE_MACHINE = {"haz::chk::005", "haz::chk::006", "haz::chk::007"}


def imported(name: str, root: Path) -> str:
    """What an import of an archive comes to, as text; the files are written too."""
    unpack(IMPORTS / f"{name}.txtar", root)
    texts, notes, _ = plan(str(root), name.partition("-")[0])
    write(str(root), texts)
    shown = {path: text for path, text in texts.items() if not path.startswith(SCHEMAS)}
    told = "".join(f"{note.place}: {note.text}\n" for note in notes)
    return packed({**shown, "notes": told})


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_import_writes_what_the_golden_file_says(name: str, tmp_path: Path) -> None:
    assert imported(name, tmp_path) == (IMPORTS / f"{name}.golden").read_text()


@pytest.mark.parametrize("name", ARCHIVES)
def test_what_an_import_writes_is_valid_and_nothing_to_warn_of(name: str, tmp_path: Path) -> None:
    imported(name, tmp_path)
    found = examine(str(tmp_path), {"PATH": "/usr/bin:/bin"})
    assert (found.file_errors, found.graph_errors) == ((), ())
    assert [warning.message for warning in found.warnings if warning.code not in OF_THE_MACHINE] == []


@pytest.mark.parametrize("name", ARCHIVES)
def test_no_task_reads_what_declares_it(name: str, tmp_path: Path) -> None:
    """Else a comment in a `haz.yml` runs everything again; what it says is in the keys as it is."""
    imported(name, tmp_path)
    loaded = load(str(tmp_path))
    roots = [project.root for project in loaded.projects.values()]
    tasks = [task for project in loaded.projects.values() for task in project.tasks.values()]
    patterns = PatternSet([[pattern.listed for pattern in task.inputs] for task in tasks])
    assert {root: patterns.matching(f"{root}/haz.yml") for root in roots} == {root: [] for root in roots}


@pytest.mark.parametrize("name", ARCHIVES)
def test_other_readers_of_yaml_see_the_same_and_the_schema_holds(name: str, tmp_path: Path) -> None:
    """The modeline leads from each file to its schema."""
    imported(name, tmp_path)
    for path in [tmp_path / ".haz/workspace.yml", *tmp_path.rglob("haz.yml")]:
        text = path.read_text()
        modeline = text.partition("\n")[0].removeprefix("# yaml-language-server: $schema=")
        schema = yaml.safe_load((path.parent / modeline).read_text())
        assert schema == KINDS["workspace" if path.name == "workspace.yml" else "project"]()
        jsonschema.Draft202012Validator(schema).validate(yaml.safe_load(text))


if __name__ == "__main__":
    for archive in sys.argv[1:] or ARCHIVES:
        with tempfile.TemporaryDirectory() as place:
            (IMPORTS / f"{archive}.golden").write_text(imported(archive, Path(place)))
