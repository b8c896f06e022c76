"""`docs/configuration.md` names every key, and its examples load."""

from __future__ import annotations

import pathlib

from haz import workspace
from haz.config import _overlay, _project, _shared, _task, _workspace
from tests.unit.files import write_tree

MANUAL = (pathlib.Path(__file__).parents[2] / "docs" / "configuration.md").read_text()


def examples():
    for block in MANUAL.split("```yaml file=")[1:]:
        path, _, rest = block.partition("\n")
        yield path, rest.partition("```")[0]


def test_every_key_has_a_row():
    keys = {
        *_task.KEYS,
        *_task.READY_KEYS,
        *_task.OUTPUTS_KEYS,
        *_task.INPUT_KEYS,
        *_task.TOOL_KEYS,
        *_overlay.KEYS,
        *_project.KEYS,
        *_shared.ENV_KEYS,
        *_shared.RETRY_KEYS,
    }
    nested = {"cache", "concurrency", "execution", "output", "remote"}
    keys |= set(_workspace.KEYS) - nested
    keys |= {f"cache.{key}" for key in _workspace.CACHE_KEYS if key != "clean"}
    keys |= {f"concurrency.{key}" for key in _workspace.CONCURRENCY_KEYS}
    keys |= {f"execution.{key}" for key in _workspace.EXECUTION_KEYS}
    keys |= {f"remote.{key}" for key in _workspace.REMOTE_KEYS}
    keys |= {"cache.clean.max_age", "cache.clean.max_size", "output.mode"}
    assert {key for key in keys if f"| `{key}` |" not in MANUAL} == set()


def test_the_examples_load(tmp_path):
    found = list(examples())
    assert len(found) == 10
    base = {
        "core/haz.yml": "name: core\ntags: [rust]\n",
        "haz.yml": "name: top\n",
        "apps/a/haz.yml": "name: a\ntags: [gpu]\n",
    }
    for number, (path, text) in enumerate(found):
        root = write_tree(tmp_path / str(number), {".haz/workspace.yml": "projects: [/core]\n", **base, path: text})
        assert workspace.load_tolerant(str(root))[1] == ()
