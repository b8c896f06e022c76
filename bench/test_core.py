"""The operations that a user waits for, one by one. Each benchmark says for whom, and checks its answer."""

from __future__ import annotations

import json
import os
from collections import deque
from typing import TYPE_CHECKING, Any

import blake3
import pytest

from bench import workspace
from haz import _core
from haz.cache.key import key_of, sections
from haz.graph import TaskGraph
from haz.model import Command, CompletedRecord, Pattern, StreamHashes, TaskId, TaskSpec
from haz.outcome import Announce, Lookup, Restore
from haz.schedule import Schedule

if TYPE_CHECKING:
    from pathlib import Path

    from haz.outcome import Action

PROJECTS = 200
FILES = 10
STREAMS = StreamHashes(b"o" * 32, b"e" * 32)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 projects, 600 tasks, 2,000 files of 1-8 KiB."""
    place = tmp_path_factory.mktemp("workspace")
    workspace.generate(str(place), workspace.describe(PROJECTS, FILES))
    return place


def sources(root: Path) -> list[str]:
    return sorted(str(path) for path in root.glob("projects/*/src/*/*.txt"))


def test_digest_small_files(benchmark: Any, root: Path) -> None:
    """The first run after a clone: 2,000 sources are hashed."""
    paths = sources(root)
    digests = benchmark(_core.digest_files, paths)
    for path, digest in zip(paths[::97], digests[::97], strict=True):
        with open(path, "rb") as file:
            assert digest == blake3.blake3(file.read()).digest()
    assert len(set(digests)) == PROJECTS * FILES


def test_digest_large_file(benchmark: Any, tmp_path: Path) -> None:
    """An output of 64 MiB goes into the store, or is verified when it comes back."""
    data = os.urandom(1 << 20) * 64
    (tmp_path / "large").write_bytes(data)
    (digest,) = benchmark(_core.digest_files, [str(tmp_path / "large")])
    assert digest == blake3.blake3(data).digest()


def specs_of(projects: int) -> list[list[tuple[str, bool, bool]]]:
    """Inputs of three tasks a project, as `patterns_of` hands them to the core."""
    lists = []
    for number in range(projects):
        base = f"/projects/{workspace.name_of(number)}"
        lists.append([(f"{base}/src/**/*.txt", False, False), (f"{base}/src/gen/**", False, True)])
        lists.append([(f"{base}/src/**/*.txt", False, False), (f"{base}/out/build.txt", True, False)])
        lists.append([(f"{base}/src/*/*.{{txt,md}}", False, False)])
    return lists


def test_compile_patterns(benchmark: Any) -> None:
    """Every command: the patterns of 6,000 tasks are compiled."""
    lists = specs_of(2000)
    compiled = benchmark(_core.PatternSet, lists)
    assert len(compiled) == 6000
    assert compiled.matching("/projects/p00007/src/a/b.txt") == [21, 22, 23]


def test_match_patterns(benchmark: Any) -> None:
    """Producer edges and the run-time cycle check: who reads this path, of 6,000 tasks?"""
    compiled = _core.PatternSet(specs_of(2000))
    paths = [
        f"/projects/{workspace.name_of(number)}/src/{sub}/f.txt" for number in range(2000) for sub in ("d0", "gen")
    ]

    def match() -> list[list[int]]:
        return [compiled.matching(path) for path in paths]

    found = benchmark(match)
    # The exclusion silences the first of the three tasks in `gen`.
    assert found[0::2] == [[3 * n, 3 * n + 1, 3 * n + 2] for n in range(2000)]
    assert found[1::2] == [[3 * n + 1, 3 * n + 2] for n in range(2000)]


def fingerprint(tree: _core.Tree, queue: _core.Queue, specs: int) -> list[_core.Inputs]:
    tree.fingerprint(1, range(specs))
    ((kind, _, inputs),) = queue.wait(60.0)
    assert kind == "inputs"
    return list(inputs)


def test_walk_and_fingerprint(benchmark: Any, root: Path) -> None:
    """`haz run` with nothing to do: the inputs of 600 tasks are found and hashed in one walk."""
    patterns = _core.PatternSet(specs_of(PROJECTS))

    def first() -> list[_core.Inputs]:
        queue = _core.Queue()
        return fingerprint(_core.Tree(queue, str(root), "blake3", patterns), queue, 3 * PROJECTS)

    # No task has run here, so that the literal `out/build.txt` of every second of three is missing.
    inputs = benchmark(first)
    assert [one.error is None for one in inputs] == [True, False, True] * PROJECTS
    assert [len(one.rows()) for one in inputs[0::3]] == [FILES] * PROJECTS


def test_walk_again_with_known_digests(benchmark: Any, root: Path) -> None:
    """After a task has written: the inputs of what comes next are looked at again, unchanged files only by `stat`."""
    queue = _core.Queue()
    tree = _core.Tree(queue, str(root), "blake3", _core.PatternSet(specs_of(PROJECTS)))
    before = fingerprint(tree, queue, 3 * PROJECTS)
    after = benchmark(fingerprint, tree, queue, 3 * PROJECTS)
    assert [one.digest for one in after] == [one.digest for one in before]


def test_parse_yaml(benchmark: Any, root: Path) -> None:
    """Every command: 200 `haz.yml` become values with places."""
    texts = [path.read_bytes() for path in sorted(root.glob("projects/*/haz.yml"))]

    def parse() -> list[_core.Node]:
        return [_core.yaml_parse(text) for text in texts]

    documents = benchmark(parse)
    names = [dict((key.value, value) for key, value in one.value)["name"].value for one in documents]  # noqa: C402
    assert names == [workspace.name_of(number) for number in range(PROJECTS)]


def manifest() -> dict[str, Any]:
    rows = [[f"/projects/p00001/src/d{i % 4}/f{i:03}.txt", f"{i:064x}", ""] for i in range(25)]
    return {"key": "0" * 64, "created_at": 1, "outputs": rows, "parts": {"inputs": {"digest": "0" * 64, "rows": rows}}}


def test_write_json(benchmark: Any) -> None:
    """A result is stored: its manifest becomes JSON."""
    assert json.loads(benchmark(_core.json_dumps, manifest())) == manifest()


def test_read_json(benchmark: Any) -> None:
    """A task comes from the cache: its manifest is read."""
    assert benchmark(_core.json_loads, json.dumps(manifest()).encode()) == manifest()


def test_derive_keys(benchmark: Any, tmp_path: Path) -> None:
    """Every run: the keys of 1,000 tasks from their parts."""
    (tmp_path / "in").write_bytes(b"in")
    queue = _core.Queue()
    tree = _core.Tree(queue, str(tmp_path), "blake3", _core.PatternSet([[("/in", True, False)]]))
    (inputs,) = fingerprint(tree, queue, 1)
    output = (Pattern("out/*.o", "/p/out/*.o", literal=False),)
    specs = [TaskSpec(TaskId("p", f"t{i}"), "/p", (), Command(("cc", f"{i}.c")), outputs=output) for i in range(1000)]
    above = TaskId("o", "t")

    def derive() -> list[bytes]:
        return [
            key_of(
                sections(
                    spec,
                    algorithm="blake3",
                    inputs=inputs,
                    predecessors=[above],
                    streams={above: STREAMS},
                    host={"PATH": "/bin"},
                ),
                "blake3",
            )
            for spec in specs
        ]

    keys = benchmark(derive)
    assert len(set(keys)) == 1000
    assert keys == derive()


def test_schedule_from_the_cache(benchmark: Any) -> None:
    """`haz run` with nothing to do: the order of 6,000 tasks, each found in the cache."""
    projects = workspace.describe(2000, 0)
    specs: dict[TaskId, TaskSpec] = {}
    hard: dict[TaskId, tuple[TaskId, ...]] = {}
    for project in projects:
        for task in sorted(project.tasks):
            own = TaskId(project.name, task.name)
            specs[own] = TaskSpec(own, f"/{project.directory}", (), Command(("true",)))
            if task.needs:
                hard[own] = tuple(TaskId(*need) for need in task.needs)
    graph = TaskGraph(specs, hard, {}, {})

    announced = benchmark(all_from_the_cache, graph)
    assert len(announced) == 6000
    place = {task: number for number, task in enumerate(announced)}
    assert all(place[before] < place[task] for task, needs in hard.items() for before in needs)


def all_from_the_cache(graph: TaskGraph) -> list[TaskId]:
    """Answer every lookup with a hit; returns the tasks in the order in which they ended."""
    schedule = Schedule(graph, 2, {})
    announced = []
    actions: deque[Action] = deque(schedule.start())
    while actions:
        action = actions.popleft()
        if isinstance(action, Lookup):
            actions.extend(schedule.looked_up(action.task, hit=True))
        elif isinstance(action, Restore):
            actions.extend(
                schedule.finished(action.task, CompletedRecord(action.task, "cache_hit", "succeeded", None, STREAMS))
            )
        else:
            assert isinstance(action, Announce)
            announced.append(action.task)
    assert schedule.done
    assert schedule.outcome().counts().cached == len(graph.nodes)
    return announced
