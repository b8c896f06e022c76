"""The layers of docs/architecture.md: a module imports only from its own or a lower one; cheap modules stay cheap."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import haz

PACKAGE = Path(haz.__file__).parent
LAYERS = [
    "_core _record _uncollected codes diagnostics env errors events host model names nearest outcome ports redaction "
    "streams",
    "attempts cache.explain cache.formats cache.key cache.manifest config consumers cycles exit_code graph graph_build "
    "history.log history.records lockfiles plan query references resolution runtime_graph schedule shard supervise written",
    "cache.collect cache.limits cache.produced cache.store cache.transfer certain discovery disk examined history.files ignored importers outline proven slices snapshot vcs workspace",
    "affected aliases checks dismissal embedding foreign lingering loop neighbours normal_form observers recall run_task services tool_memo tools undeclared watching",
    "api app cache.text caches expected forecast graph_text history.text init reasons render report verify why",
    "cli __main__",
]
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names.split()}
# The package itself holds the version only, `cache` and `history` their docstrings.
FREE = {"", "cache", "history"}
SLOW = (
    "asyncio collections.abc dataclasses enum functools inspect json pathlib re rich subprocess tempfile typer typing"
)


def layer_of(module: str) -> int | None:
    """The layer of `haz.…`, by the longest name that the table has."""
    name = module.removeprefix("haz").removeprefix(".")
    while name:
        if name in LAYER:
            return LAYER[name]
        name = name.rpartition(".")[0]
    return None


def modules() -> list[tuple[str, Path]]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip(".")
        found.append((name, path))
    return found


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.append(node.module)
            found += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return [name for name in found if name.split(".")[0] == "haz"]


@pytest.mark.parametrize(("name", "path"), modules(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_module_imports_only_from_its_own_or_a_lower_layer(name: str, path: Path) -> None:
    if name in FREE:
        return
    own = layer_of("haz." + name)
    assert own is not None, f"{name} is in no layer: add it to the table here and in docs/architecture.md"
    # Names that only type checkers import say what a port is made of; they do not make data flow upwards.
    if name == "ports":
        return
    checked_only = type_checking_imports(path)
    upward = [target for target in imports(path) if (layer_of(target) or 0) > own and target not in checked_only]
    assert upward == []


# What the command line may need beside `haz.api`: values, texts, and what is heard of a run.
SPEECH = (
    "_core _record cache.text config._shared config._values config.schema diagnostics env errors events graph_text "
    "history.text model names observers plan query references render report streams why"
)
# `init` makes a workspace where there is none; words are completed, and guessed after a mistake, without loading one;
# and `--root` is looked at before it is known whether the command loads any.
WITHOUT_A_WORKSPACE = {
    "cli.init": {"importers", "init", "workspace"},
    "cli": {"cache.formats", "workspace"},
    "cli.complete": {"outline", "history.files", "workspace"},
    "cli.values": {"outline"},
    "cli.once": {"reasons"},
    "cli.verify": {"verify"},
}


@pytest.mark.parametrize(
    ("name", "path"), [m for m in modules() if m[0].startswith("cli")], ids=lambda v: v if isinstance(v, str) else ""
)
def test_the_command_line_asks_the_workspace_by_the_public_interface_alone(name: str, path: Path) -> None:
    """What a command can do, `import haz` can do."""
    targets = {name for name in modules_imported(path) if f"haz.{name}" not in type_checking_imports(path)}
    allowed = {"api", "cli", *SPEECH.split()} | WITHOUT_A_WORKSPACE.get(name, set())
    others = [t for t in targets if not any(t == one or t.startswith(one + ".") for one in allowed)]
    assert others == []


def modules_imported(path: Path) -> set[str]:
    """The modules of haz that a file imports from, without `haz.`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            packages = ("haz", "haz.config")
            names = [f"{node.module}.{a.name}" for a in node.names] if node.module in packages else [node.module]
            found |= {name.removeprefix("haz.") for name in names if name.startswith("haz.")}
    return found - {"__version__"}


def type_checking_imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for inner in ast.walk(node):
                if isinstance(inner, ast.ImportFrom) and inner.module:
                    found.add(inner.module)
                    found |= {f"{inner.module}.{alias.name}" for alias in inner.names}
    return found


def test_the_way_of_a_run_imports_nothing_slow() -> None:
    """Start-up is part of every run; what a module costs is in docs/architecture.md."""
    script = "import sys; before = set(sys.modules); import haz.app; print(*sorted(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    assert sorted(set(SLOW.split()) & set(loaded.stdout.split())) == []


def test_windows_is_refused_with_a_sentence_and_no_traceback() -> None:
    """03 §4.3: groups, signals and modes are what haz is made of."""
    script = "import os; os.name = 'nt'; import runpy; runpy.run_module('haz', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "Error: haz runs on Linux and macOS; on Windows, use it in the Windows Subsystem for Linux\n"


def test_nothing_is_imported_before_an_interrupt_ends_haz_without_a_traceback() -> None:
    """03 §7.1: handlers first. `tests/hunts/early_signals.py` says what is left to chance before that."""
    script = (
        "import _signal, sys\n"
        "default, early = _signal.default_int_handler, []\n"
        "def look(event, words):\n"
        "    if event == 'import' and _signal.getsignal(_signal.SIGINT) is default:\n"
        "        early.append(words[0])\n"
        "_signal.signal(_signal.SIGINT, default)\n"
        "sys.modules.pop('__future__', None)\n"
        "sys.addaudithook(look)\n"
        "import haz.__main__\n"
        "print(*early)"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == ["haz.__main__", "haz"]
