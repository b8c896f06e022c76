"""Runs one scenario with several tools in turn, and asserts after each run which tasks ran and what there is then."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

from bench import pair
from bench.pair import BenchError, Command, Run
from bench.peers import variants as v
from bench.peers.trees import Trees, low_level, out_of_date

if TYPE_CHECKING:
    from bench.peers.variants import Variant

TASK = re.compile(rb"(p\d{5})(?:[:#]|/out/)(build|test|lint)\b")


class Measured(NamedTuple):
    """The runs of one variant, without the warm-up; `error` says why there are none, or no more."""

    variant: Variant
    shown: str
    runs: list[Run]
    error: str = ""


def measure(trees: Trees, scenario: str, chosen: list[Variant], runs: int, warm_up: int) -> list[Measured]:
    """Run all in turn. A tool that fails, or does something else, is told of and left out from then on.

    Raises `BenchError` when that tool is haz.
    """
    taking_part = [one for one in chosen if scenario in one.commands]
    done = {one.name: Measured(one, " ".join(_shown(one, scenario)), []) for one in taking_part}
    for turn in range(-1 - warm_up, runs):
        for one in taking_part:
            so_far = done[one.name]
            if so_far.error:
                continue
            try:
                if turn == -1 - warm_up:
                    if scenario in (*v.RUNS, v.FORECAST):
                        settle(trees, one)
                else:
                    measured = pair.run(_command(trees, one, scenario))
                    if turn >= 0:
                        so_far.runs.append(measured._replace(out=b"", err=b""))
            except BenchError as error:
                if one.name == "haz":
                    raise
                print(f"bench: {one.name}, {scenario}: {error}", file=sys.stderr, flush=True)
                done[one.name] = so_far._replace(runs=[], error=str(error))
    return list(done.values())


def settle(trees: Trees, one: Variant) -> None:
    """Run everything until nothing is left to do, untimed. Raises `BenchError` if there always is something."""
    for _ in range(3):
        trees.forget_runs()
        pair.run(_raw(trees, one, v.NOTHING))
        if v.COLD not in one.cannot and None in trees.outputs(one.tree).values():
            raise BenchError(f"{one.name} did not make everything")
        if not trees.ran():
            return
    raise BenchError(f"{one.name} runs {len(trees.ran())} tasks again and again")


def rule_daemon(trees: Trees, one: Variant, *, on: bool) -> None:
    """Start or stop the daemon of a variant that has one. Raises `subprocess.CalledProcessError`."""
    words = one.start if on else one.stop
    if words:
        env = pair.environment() | dict(_environment(trees, one))
        subprocess.run(words, cwd=trees.place(one.tree), env=env, check=True, stdout=subprocess.DEVNULL)


def _environment(trees: Trees, one: Variant) -> dict[str, str]:
    return {"HOME": trees.home(), **v.QUIET, **one.env}


def _shown(one: Variant, scenario: str) -> list[str]:
    program, *words = one.commands[scenario]
    quoted = [f"'{word}'" if " " in word else word for word in words]
    settings = [f"{name}={value}" for name, value in one.env.items() if name.startswith(("NX_D", "NX_I"))]
    return [*settings, os.path.basename(program), *quoted]


def _raw(trees: Trees, one: Variant, scenario: str) -> Command:
    return Command(
        one.name,
        one.commands[scenario],
        " ".join(_shown(one, scenario)),
        trees.place(one.tree),
        env=_environment(trees, one),
    )


def _command(trees: Trees, one: Variant, scenario: str) -> Command:
    """Return the command of a scenario with what goes before it, and what must be true afterwards."""
    must_run: set[str] = set()
    if scenario == v.COLD:
        must_run = set(trees.tasks)
    elif scenario in (v.FILE, v.PROJECT):
        changed = trees.projects[-1].name if scenario == v.FILE else low_level(trees.projects)
        must_run = out_of_date(trees.projects, changed)
    before: dict[str, bytes | None] = {}

    def prepare() -> None:
        before.update(trees.outputs(one.tree))
        if scenario in (v.FILE, v.PROJECT):
            trees.edit(one.tree, changed)
        if scenario in (v.RESTORED, v.COLD):
            trees.put_away(one.tree, ["projects/*/out", *(one.kept if scenario == v.COLD else ())])
        trees.forget_runs()

    def check(done: Run) -> None:
        ran = trees.ran()
        assert ran == sorted(must_run), _difference(ran, must_run)
        after = trees.outputs(one.tree)
        new = must_run if scenario in (v.FILE, v.PROJECT) else set()
        wrong = sorted(name for name in after if (after[name] == before[name]) == (name in new))
        assert not wrong, f"{len(wrong)} outputs are not what they should be: {', '.join(wrong[:5])}"
        _check_text(trees, one, scenario, done.out + done.err)

    return _raw(trees, one, scenario)._replace(prepare=prepare, check=check)


def _check_text(trees: Trees, one: Variant, scenario: str, text: bytes) -> None:
    if scenario in (v.NOTHING, v.RESTORED):
        assert one.says.encode() in text, f"no {one.says!r} in {text[-300:]!r}"
        assert one.says or not text, text[-300:]
    elif scenario == v.START:
        assert re.search(rb"\d+\.\d+\.\d+", text), text[-300:]
    elif scenario == v.CHECK:
        assert f"{len(trees.tasks)} task(s) validated".encode() in text, text[-300:]
    elif scenario == v.QUERY:
        missing = [project.name for project in trees.projects if project.name.encode() not in text]
        assert not missing, f"{len(missing)} projects are not named"
    elif scenario == v.PLAN or (scenario == v.FORECAST and one.name != "ninja"):
        named = {f"{project.decode()}:{task.decode()}" for project, task in TASK.findall(text)}
        assert named == set(trees.tasks), _difference(sorted(named), set(trees.tasks))
    elif scenario == v.FORECAST:
        assert one.says.encode() in text, text[-300:]


def _difference(ran: list[str], wanted: set[str]) -> str:
    twice = len(ran) - len(set(ran))
    missing, surplus = sorted(wanted.difference(ran)), sorted(set(ran).difference(wanted))
    return (
        f"{len(ran)} tasks instead of {len(wanted)}; {twice} more than once; "
        f"missing {missing[:5]}, too many {surplus[:5]}"
    )
