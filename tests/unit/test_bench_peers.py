"""The bench beside the peers must be fair: one workspace for all, and nobody is measured who does something else."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench import pair, tools, workspace
from bench.peers import __main__ as main
from bench.peers import install, measure, picture, results, writers
from bench.peers import variants as v
from bench.peers.trees import Trees, dependents, describe, low_level, out_of_date
from haz import graph_build
from haz import workspace as haz_workspace
from haz._core import PatternSet

ROOT = Path(__file__).resolve().parents[2]
NPM = "11.0.0"


def projects() -> list[workspace.Project]:
    return describe(12, 4, 2)


def written(root: Path) -> dict[str, bytes]:
    """Every tree as it is before git: the file of each path."""
    for tree, write in writers.writers(NPM).items():
        workspace.lay_out(str(root / tree), projects())
        write(str(root / tree), projects())
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_equal_arguments_give_equal_trees(tmp_path: Path) -> None:
    assert written(tmp_path / "one") == written(tmp_path / "two")


def test_every_tool_gets_the_same_sources_and_commands(tmp_path: Path) -> None:
    files = written(tmp_path)
    trees = list(writers.writers(NPM))
    sources = {
        tree: {
            path.removeprefix(f"{tree}/"): data
            for path, data in files.items()
            if f"{tree}/projects" in path and "/src/" in path
        }
        for tree in trees
    }
    assert len(sources["haz"]) == 48
    assert all(sources[tree] == sources["haz"] for tree in trees)
    for tree in trees:
        text = b"".join(data for path, data in files.items() if path.startswith(f"{tree}/") and "/src/" not in path)
        for project in projects():
            for task in project.tasks:
                assert text.count(json.dumps(task.script)[1:-1].encode()) == 1, (tree, project.name, task.name)


def test_descriptions_of_npm_tools_name_the_projects_that_are_read(tmp_path: Path) -> None:
    files = written(tmp_path)
    for project in projects():
        turbo = json.loads(files[f"turbo/{project.directory}/package.json"])
        nx = json.loads(files[f"nx/{project.directory}/project.json"])
        moon = json.loads(files[f"moon/{project.directory}/moon.yml"])
        below = [f"p{number:05}" for number in range(12) if f"../p{number:05}/out/build.txt" in project.tasks[0].script]
        assert list(turbo["dependencies"]) == nx["implicitDependencies"] == moon["dependsOn"] == below


def test_the_trees_load_in_haz_and_ninja_and_run_the_same_tasks(tmp_path: Path) -> None:
    trees = Trees(str(tmp_path), projects())
    trees.write(["haz", "ninja"], NPM, install.MODULES)
    loaded = haz_workspace.load(trees.place("haz"))
    graph, problems = graph_build.build(loaded, PatternSet)
    assert problems == ()
    assert {f"{task.project}:{task.task}" for task in graph.nodes} == set(trees.tasks)

    made = []
    for tree, command in (("haz", [tools.HAZ, "run", "--workspace"]), ("ninja", [tools.ninja()])):
        trees.forget_runs()
        pair.run(pair.Command(tree, command, tree, trees.place(tree)))
        assert trees.ran() == sorted(trees.tasks)
        made.append(trees.outputs(tree))
    assert made[0] == made[1]
    assert None not in made[0].values()


def test_an_unchanged_tree_is_clean_for_git_after_a_run(tmp_path: Path) -> None:
    trees = Trees(str(tmp_path), projects())
    trees.write(["haz"], NPM, install.MODULES)
    pair.run(pair.Command("haz", [tools.HAZ, "run", "--workspace"], "haz", trees.place("haz")))
    status = pair.run(pair.Command("git", ["git", "status", "--short"], "git", trees.place("haz")))
    assert status.out == b""


def test_out_of_date_is_whoever_reads_the_change_or_what_came_of_it() -> None:
    # Each project builds on the two before it.
    chain = describe(3, 1, 2)
    assert out_of_date(chain, "p00002") == {"p00002:build", "p00002:test", "p00002:lint"}
    assert out_of_date(chain, "p00000") == {
        *("p00000:build", "p00000:test", "p00000:lint"),
        *("p00001:build", "p00001:test", "p00002:build", "p00002:test"),
    }


def test_the_low_level_project_has_a_tenth_of_all_above_it() -> None:
    many = describe(100, 1, 3)
    chosen = low_level(many)
    above = len(dependents(many, chosen)) - 1
    assert 5 <= above <= 15
    assert len(out_of_date(many, chosen)) == 2 * (above + 1) + 1


def haz_variant(tmp_path: Path) -> v.Variant:
    words = [tools.HAZ, "run", "--workspace"]
    return v.Variant("haz", "haz", dict.fromkeys(v.RUNS, words), (), "36 completed (36 cached)", (".haz/cache",))


def ninja_variant(name: str, **fields: object) -> v.Variant:
    one = v.Variant(name, "ninja", {key: [tools.ninja()] for key in v.RUNS}, (), "no work to do", (".ninja_log",))
    return one._replace(**fields)


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    made = Trees(str(tmp_path), projects())
    made.write(["haz", "ninja"], NPM, install.MODULES)
    return made


@pytest.mark.parametrize("scenario", [v.NOTHING, v.FILE, v.PROJECT, v.COLD])
def test_honest_tools_are_measured(trees: Trees, tmp_path: Path, scenario: str) -> None:
    found = measure.measure(trees, scenario, [haz_variant(tmp_path), ninja_variant("ninja")], runs=2, warm_up=1)
    assert [(one.variant.name, len(one.runs), one.error) for one in found] == [("haz", 2, ""), ("ninja", 2, "")]


def test_outputs_that_were_deleted_must_come_back(trees: Trees, tmp_path: Path) -> None:
    """ninja has no cache: it runs what haz restores, and is found out."""
    found = measure.measure(trees, v.RESTORED, [haz_variant(tmp_path), ninja_variant("ninja")], runs=1, warm_up=0)
    assert [(len(one.runs), "36 tasks instead of 0" in one.error) for one in found] == [(1, False), (0, True)]


def test_a_tool_that_does_nothing_is_told_of_and_does_not_spoil_the_others(
    trees: Trees, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    liar = ninja_variant("liar", commands={v.NOTHING: [tools.ninja()], v.FILE: ["true"]})
    found = measure.measure(trees, v.FILE, [haz_variant(tmp_path), liar, ninja_variant("ninja")], runs=2, warm_up=0)
    assert [len(one.runs) for one in found] == [2, 0, 2]
    assert "0 tasks instead of 3" in found[1].error
    assert "bench: liar, one file changed: true: not what the bench measures" in capsys.readouterr().err


def test_a_tool_that_always_runs_something_cannot_be_measured(trees: Trees, tmp_path: Path) -> None:
    restless = ninja_variant("restless", commands={v.NOTHING: ["sh", "-c", "ninja; echo p00000:lint >> ../ran"]})
    restless = restless._replace(env={"PATH": f"{tools.BIN}:/usr/bin:/bin"})
    found = measure.measure(trees, v.NOTHING, [haz_variant(tmp_path), restless], runs=1, warm_up=0)
    assert "again and again" in found[1].error


def test_names_in_the_journal_are_told_apart_when_lines_end_late(trees: Trees) -> None:
    Path(trees.root, "ran").write_text("p00001:lintp00000:build\n\np00000:build\n")
    assert trees.ran() == ["p00000:build", "p00000:build", "p00001:lint"]


def test_without_haz_there_is_nothing_to_compare_with(trees: Trees, tmp_path: Path) -> None:
    broken = haz_variant(tmp_path)._replace(commands={v.NOTHING: ["false"]})
    with pytest.raises(pair.BenchError, match="exit 1"):
        measure.measure(trees, v.NOTHING, [broken], runs=1, warm_up=0)


def run_of(wall: float) -> pair.Run:
    return pair.Run(wall, wall, 0.0, 0, b"", b"")


def measured(name: str, *walls: float, error: str = "") -> measure.Measured:
    one = v.Variant(name, name, {}, (), "")
    return measure.Measured(one, f"{name} run", [run_of(wall) for wall in walls], error)


WORKSPACE = {"projects": 4, "files": 2, "fan_in": 1, "jobs": 2, "file": 3, "project": 7}


def some_results(path: Path) -> results.Results:
    found = results.Results(str(path), WORKSPACE)
    # The machine was twice as slow in the second turn: for both.
    nothing = [measured("haz", 0.1, 0.2, 0.1), measured("ninja", 0.05, 0.1, 0.04), measured("nx", error="exit 1\nmore")]
    found.add(v.NOTHING, nothing, {"haz": "1.0"}, 0.5)
    found.add(v.COLD, [measured("haz", 2.0), measured("nx", 30.0)], {"nx": "2.0"}, 0.5)
    return found


COLUMNS = {"haz": (), "ninja": (v.COLD,), "nx": (), "turbo": ()}


def test_the_table_has_medians_and_ratios_of_the_turns(tmp_path: Path) -> None:
    lines = results.table(some_results(tmp_path / "r.json"), COLUMNS).splitlines()
    assert lines[0] == "| ms (times haz) | haz | ninja | nx |"
    assert lines[2] == "| no-op | **100** | 50.0 (0.50) | failed |"
    assert lines[3] == "| cold | **2,000** | - | 30,000 (15) |"
    assert lines[5].startswith("Medians of 3 runs; cold 1. haz")
    assert lines[-1] == "nx, no-op, failed: exit 1"


def test_results_grow_in_their_file(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    some_results(path).save()
    again = results.Results(str(path), WORKSPACE)
    again.add(v.NOTHING, [measured("haz", 0.3), measured("turbo", 0.6)], {"turbo": "3.0"}, 0.1)
    again.save()
    found = results.Results(str(path))
    assert found.data["versions"] == {"haz": "1.0", "nx": "2.0", "turbo": "3.0"}
    assert [cell and cell.ratio for cell in (found.cell(v.NOTHING, "ninja"), found.cell(v.NOTHING, "turbo"))] == [
        0.5,
        2.0,
    ]
    assert found.cell(v.COLD, "turbo") is None
    # haz has the runs of both times: 0.1, 0.1, 0.2, 0.3.
    haz = found.cell(v.NOTHING, "haz")
    assert haz is not None
    assert haz.median == pytest.approx(0.15)


def test_results_of_another_workspace_are_not_mixed(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    some_results(path).save()
    with pytest.raises(ValueError, match="holds results of"):
        results.Results(str(path), {**WORKSPACE, "projects": 5})


@pytest.mark.parametrize(("seconds", "text"), [(0.0042, "4.2"), (0.0999, "99.9"), (0.1004, "100"), (12.3456, "12,346")])
def test_times_are_told_in_milliseconds(seconds: float, text: str) -> None:
    assert results.milliseconds(seconds) == text


def test_bars_lie_on_a_logarithmic_scale(tmp_path: Path) -> None:
    found = some_results(tmp_path / "r.json")
    drawn = ET.fromstring(picture.picture(found, {v.NOTHING: "a < b"}))
    space = "{http://www.w3.org/2000/svg}"
    widths = {bar.get("class"): float(bar.get("width", "")) for bar in drawn.iter(f"{space}rect")}
    # From 10 ms to 100 ms: haz takes all the room, ninja log(5) of it. What failed has no bar.
    room = picture.WIDTH - picture.LABEL - picture.RIGHT
    assert widths == {"bar haz": pytest.approx(room, abs=0.1), "bar": pytest.approx(room * 0.699, abs=0.1)}
    texts = [text.text for text in drawn.iter(f"{space}text")]
    assert texts == ["a < b", "10 ms", "100 ms", "ninja", "50.0 ms (0.50 x haz)", "haz", "100 ms"]


@pytest.mark.parametrize(("values", "powers"), [([0.05, 0.1], (-2, -1)), ([0.002, 3.0], (-3, 1))])
def test_scales_run_from_power_to_power(values: list[float], powers: tuple[int, int]) -> None:
    assert picture.decades(values) == powers


def test_the_tools_are_pinned_without_the_hosts_of_registries() -> None:
    here = Path(install.HERE)
    lock = json.loads((here / "package-lock.json").read_text())
    wanted = json.loads((here / "package.json").read_text())["dependencies"]
    assert {name: lock["packages"][f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert all("resolved" not in package for package in lock["packages"].values())
    assert all("integrity" in package for name, package in lock["packages"].items() if name)


def test_picture_and_tables_show_what_was_measured() -> None:
    found = results.Results(main.COMMITTED)
    assert Path(main.PICTURE).read_text() == picture.picture(found, main.panels(found.data["workspace"]))
    assert main.render(found).strip() in (ROOT / "bench" / "RESULTS.md").read_text()


def test_the_readme_tells_the_figures_of_the_picture() -> None:
    found = results.Results(main.COMMITTED)
    readme = " ".join((ROOT / "README.md").read_text().split())
    assert "](docs/bench.svg)" in readme
    for name in {one.split(",")[0] for one in found.data["scenarios"][v.NOTHING]}:
        cell = found.cell(v.NOTHING, name)
        assert cell is not None
        assert f"{results.milliseconds(cell.median)} ms" in readme, name


def test_every_variant_says_what_it_cannot_do_or_how_it_does_it() -> None:
    for one in v.variants(install.Programs(*install.Programs._fields), 36, 2):
        assert set(one.commands).isdisjoint(one.cannot), one.name
        assert set(one.commands).union(one.cannot) <= set(v.SCENARIOS), one.name
        assert bool(one.start) == bool(one.stop)
