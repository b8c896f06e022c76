"""What was measured: a file of JSON that grows, and the table that is rendered from it."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.peers import variants as v

if TYPE_CHECKING:
    from bench.peers.measure import Measured

MISSING = "-"


class Cell(NamedTuple):
    """Seconds of each run of a tool, and of haz in the same turns; `error` instead, if the tool failed."""

    wall: list[float]
    haz: list[float]
    error: str
    shown: str

    @property
    def median(self) -> float:
        return median(self.wall)

    @property
    def ratio(self) -> float:
        """Time of the tool divided by that of haz, the median over the turns."""
        return median(mine / haz for mine, haz in zip(self.wall, self.haz, strict=True))


class Results:
    """All that was measured of one workspace. Later runs of a scenario with a tool replace earlier ones.

    `meta` says of which; a file about another one raises `ValueError`.
    """

    def __init__(self, path: str, workspace: dict[str, int] | None = None) -> None:
        self.path = path
        self.data: dict[str, Any] = {"workspace": workspace, "scenarios": {}}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                self.data = json.load(file)
        if workspace not in (None, self.data["workspace"]):
            raise ValueError(f"{path} holds results of {self.data['workspace']}, not of {workspace}")

    def add(self, scenario: str, measured: list[Measured], versions: dict[str, str], load: float) -> None:
        """Add one scenario; `load` is that of the machine before it."""
        today = dt.datetime.now(dt.UTC).date().isoformat()
        self.data["machine"] = machine()
        self.data.setdefault("versions", {}).update(versions)
        haz = [run.wall for run in measured[0].runs]
        for one in measured:
            walls = [run.wall for run in one.runs]
            self.data["scenarios"].setdefault(scenario, {})[one.variant.name] = {
                "command": one.shown,
                "date": today,
                "load": round(load, 2),
                "wall": _rounded(walls),
                "cpu": _rounded([run.cpu for run in one.runs]),
                "haz": _rounded(haz[: len(walls)]),
                **({"error": one.error} if one.error else {}),
            }

    def save(self) -> None:
        with open(self.path, "w", encoding="utf-8") as file:
            json.dump(self.data, file, indent=1)
            file.write("\n")

    def cell(self, scenario: str, name: str) -> Cell | None:
        """Return what was measured, or None. haz took part whenever another tool did: its cell has all those runs."""
        row = self.data["scenarios"].get(scenario, {})
        if name not in row:
            return None
        found = row[name]
        walls, with_haz = found["wall"], found["haz"]
        if name == "haz":
            sessions = {tuple(one["haz"]) for one in row.values() if one["date"] == found["date"]}
            walls = with_haz = [wall for session in sorted(sessions) for wall in session]
        return Cell(walls, with_haz, found.get("error", ""), found["command"])


def _rounded(seconds: list[float]) -> list[float]:
    return [round(one, 5) for one in seconds]


def machine() -> str:
    """Describe this machine in a line, without its name."""
    model = platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
            model = models[0] if models else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores of {model}, {memory:.0f} GiB, {platform.system()}"


def milliseconds(seconds: float) -> str:
    """Two digits or more, so that a small time says as much as a large one."""
    value = seconds * 1000
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def ratio(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def table(results: Results, columns: dict[str, tuple[str, ...]]) -> str:
    """Render Markdown: a row for each scenario, a column for each variant that was measured.

    `columns` gives for each variant the scenarios that the tool has nothing for.
    """
    names = [name for name in columns if any(results.cell(one, name) for one in v.SCENARIOS)]
    lines = [
        "| ms (times haz) | " + " | ".join(names) + " |",
        "| --- |" + " --- |" * len(names),
    ]
    notes: list[str] = []
    most = max((len(one["wall"]) for row in results.data["scenarios"].values() for one in row.values()), default=0)
    for scenario in v.SCENARIOS:
        if scenario not in results.data["scenarios"]:
            continue
        texts = []
        for name in names:
            cell = results.cell(scenario, name)
            if cell is None:
                texts.append(MISSING if scenario in columns[name] else "")
            elif cell.error:
                notes.append(f"{name}, {scenario}, failed: {cell.error.splitlines()[0]}")
                texts.append("failed")
            else:
                text = milliseconds(cell.median)
                texts.append(f"**{text}**" if name == "haz" else f"{text} ({ratio(cell.ratio)})")
        lines.append(f"| {scenario} | " + " | ".join(texts) + " |")
    few = [text for scenario, row in results.data["scenarios"].items() if (text := _fewer(scenario, row, most))]
    medians = f"Medians of {most} runs{''.join(f'; {text}' for text in few)}."
    ratios = "haz ran with each of the others; a ratio is the median over the turns that both took."
    lines += ["", f"{medians} {ratios} {MISSING}: the tool has nothing for it. Empty: not measured."]
    return "\n".join([*lines, *(f"\n{note}" for note in notes)]) + "\n"


def _fewer(scenario: str, row: dict[str, Any], most: int) -> str:
    """Say which tools ran less than `most` times, "" for none. haz ran as often as all of them together."""
    runs: dict[int, list[str]] = {}
    for name, one in row.items():
        if not one.get("error") and (name != "haz" or len(row) == 1):
            runs.setdefault(len(one["wall"]), []).append(name)
    told = sorted((count for count in runs if count < most), reverse=True)
    if not told:
        return ""
    return f"{scenario} " + ", ".join(
        f"{count} ({'; '.join(runs[count])})" if len(runs) > 1 else f"{count}" for count in told
    )


def commands(results: Results) -> str:
    """Render the commands of every cell as a Markdown list, equal ones once."""
    lines = []
    seen: dict[tuple[str, str], list[str]] = {}
    for scenario, row in results.data["scenarios"].items():
        for name, one in row.items():
            seen.setdefault((name, one["command"]), []).append(scenario)
    order = {scenario: number for number, scenario in enumerate(v.SCENARIOS)}
    for (name, command), scenarios in sorted(seen.items(), key=lambda one: one[0][0]):
        lines.append(f"- {name}, {', '.join(sorted(scenarios, key=order.__getitem__))}: `{command}`")
    return "\n".join(lines) + "\n"
