"""The example workspaces run and do what their READMEs promise. Needs rustc and, for the slow half, a package index."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.repository import unconfigured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

FRESH = re.compile(r"^\[(\S+:\S+)\] ✓ done in ", re.MULTILINE)
CACHED = re.compile(r"^\[(\S+:\S+)\] ◉ cached in ", re.MULTILINE)


class Run(NamedTuple):
    """What one successful haz command printed, and which tasks it reports, in the order of their ends."""

    stdout: str
    stderr: str
    fresh: list[str]
    cached: list[str]

    def totals(self) -> str:
        """The `Tasks:` line of the epilogue."""
        (line,) = [line for line in self.stderr.splitlines() if line.startswith("Tasks: ")]
        return line


def haz(cwd: Path, *arguments: str) -> Run:
    run = subprocess.run(
        [sys.executable, "-m", "haz", *arguments],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        encoding="utf-8",
        timeout=900,
    )
    assert run.returncode == 0, f"haz {' '.join(arguments)} exited {run.returncode}\n{run.stdout}\n{run.stderr}"
    return Run(run.stdout, run.stderr, FRESH.findall(run.stderr), CACHED.findall(run.stderr))


def content(root: Path, *patterns: str) -> dict[str, tuple[bytes, int]]:
    """Bytes and permissions of the files that match, by path."""
    found = {path for pattern in patterns for path in root.glob(pattern) if path.is_file()}
    return {str(p.relative_to(root)): (p.read_bytes(), stat.S_IMODE(p.stat().st_mode)) for p in sorted(found)}


def visible_to_git(root: Path) -> list[str]:
    """Files that `git add` would take, by the ignore files of the folder alone."""
    for words in (["init", "-q"], ["ls-files", "--others", "--exclude-standard", "-z"]):
        done = subprocess.run(["git", *words], cwd=root, env=unconfigured(), capture_output=True, check=True, text=True)
    return done.stdout.split("\0")[:-1]


@contextmanager
def edited(file: Path, change: Callable[[bytes], bytes]) -> Iterator[None]:
    before = file.read_bytes()
    after = change(before)
    assert after != before
    file.write_bytes(after)
    try:
        yield
    finally:
        file.write_bytes(before)


# --- polyglot --------------------------------------------------------------------------------------------------------

POLYGLOT_OUTPUTS = (
    "anagrams/out/anagrams",
    "release/out/anagrams.*",
    "site/out/index.html",
    "style/out/style.css",
    "words/out/words.txt",
)
RELEASE = {
    "anagrams:build",
    "anagrams:test",
    "release:bundle",
    "release:default",
    "site:build",
    "site:check",
    "style:build",
    "words:build",
    "words:test",
}
POLYGLOT = RELEASE | {"anagrams:default", "site:default", "words:default"}


def copy_polyglot(target: Path) -> Path:
    return shutil.copytree(
        EXAMPLES / "polyglot", target, ignore=shutil.ignore_patterns("out", "cache", "locks", "runs", "state")
    )


@pytest.fixture
def polyglot(tmp_path: Path) -> Path:
    return copy_polyglot(tmp_path / "polyglot")


def test_polyglot_passes_its_check_without_a_warning(polyglot: Path) -> None:
    check = haz(polyglot, "check", "--workspace")
    assert check.stdout.startswith(f"{len(POLYGLOT)} task")
    assert check.stderr == ""


def test_polyglot_default_task_of_the_release_pulls_in_what_it_stands_on(polyglot: Path) -> None:
    first = haz(polyglot / "release", "run")
    assert sorted(first.fresh) == sorted(RELEASE)
    assert first.totals() == "Tasks: 9 completed"
    second = haz(polyglot / "release", "run")
    assert sorted(second.cached) == sorted(RELEASE)
    assert second.totals() == "Tasks: 9 completed (9 cached)"


def test_polyglot_weak_dependencies_order_but_pull_nothing_in(polyglot: Path) -> None:
    alone = haz(polyglot, "run", "site:build")
    assert sorted(alone.fresh) == ["anagrams:build", "site:build", "style:build", "words:build"]

    shutil.rmtree(polyglot / ".haz" / "cache")
    together = haz(polyglot, "run", "--workspace").fresh
    assert sorted(together) == sorted(POLYGLOT)
    assert together.index("words:test") < together.index("site:build")
    assert together.index("anagrams:test") < together.index("site:build")


def test_polyglot_makes_the_page_and_writes_nothing_beside_its_outputs(polyglot: Path, tmp_path: Path) -> None:
    before = set(content(tmp_path, "**/*"))
    haz(polyglot, "run", "--workspace")
    made = set(content(tmp_path, "**/*")) - before
    elsewhere = {path for path in made if not re.match(r"polyglot/(\.haz/|[a-z]+/out/)", path)}
    assert elsewhere == set()
    assert {f"polyglot/{path}" for path in visible_to_git(polyglot)} == before
    page = (polyglot / "site/out/index.html").read_text(encoding="utf-8")
    assert "<li>enlist listen silent</li>" in page


def test_polyglot_outputs_are_the_same_wherever_the_checkout_lies(polyglot: Path, tmp_path: Path) -> None:
    other = copy_polyglot(tmp_path / "a folder" / "elsewhere")
    haz(polyglot, "run", "--workspace")
    haz(other, "run", "--workspace")
    outputs = content(polyglot, *POLYGLOT_OUTPUTS)
    assert len(outputs) == 6
    assert content(other, *POLYGLOT_OUTPUTS) == outputs


def test_polyglot_outputs_come_back_from_the_cache_with_their_modes(polyglot: Path) -> None:
    haz(polyglot, "run", "--workspace")
    outputs = content(polyglot, *POLYGLOT_OUTPUTS)
    assert outputs["anagrams/out/anagrams"][1] & stat.S_IXUSR
    for folder in polyglot.glob("*/out"):
        shutil.rmtree(folder)
    again = haz(polyglot, "run", "--workspace")
    assert again.totals() == "Tasks: 12 completed (12 cached)"
    assert content(polyglot, *POLYGLOT_OUTPUTS) == outputs


def test_polyglot_a_new_word_runs_what_reads_it_and_no_compiler(polyglot: Path) -> None:
    haz(polyglot, "run", "--workspace")
    with edited(polyglot / "words/texts/night.txt", lambda text: text + b"Thorn and north.\n"):
        run = haz(polyglot, "run", "--workspace")
    assert sorted(run.fresh) == ["release:bundle", "release:default", "site:build", "site:check", "words:build"]
    assert sorted(run.cached) == sorted(POLYGLOT - set(run.fresh))
    assert "<li>north thorn</li>" in (polyglot / "site/out/index.html").read_text(encoding="utf-8")


# --- packages from PyPI ----------------------------------------------------------------------------------------------

PACKAGES = 18
TASKS = 59
MADE = ("packages/*/dist/*", "packages/*/out/**/*")


class Packages(NamedTuple):
    """The workspace after its first run."""

    root: Path
    first: Run


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """Fetched and run once; archives are kept beside the example, so that only its first fetch needs the network."""
    root = tmp_path_factory.mktemp("packages") / "workspace"
    fetch = [sys.executable, str(EXAMPLES / "pypi" / "fetch.py"), str(root)]
    fetch += ["--downloads", str(EXAMPLES / "pypi" / ".fetched")]
    done = subprocess.run(fetch, check=False, capture_output=True, encoding="utf-8", timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return Packages(root, haz(root, "run", "--workspace"))


@pytest.mark.slow
def test_packages_pass_their_check_without_a_warning(packages: Packages) -> None:
    check = haz(packages.root, "check", "--workspace")
    assert check.stdout.startswith(f"{TASKS} task")
    assert check.stderr == ""


@pytest.mark.slow
def test_packages_run_once_and_then_never_again(packages: Packages) -> None:
    assert packages.first.totals() == f"Tasks: {TASKS} completed"
    assert len(content(packages.root, "packages/*/dist/*.whl")) == PACKAGES
    assert len(content(packages.root, "packages/*/out/imported.txt")) == PACKAGES
    second = haz(packages.root, "run", "--workspace")
    assert second.totals() == f"Tasks: {TASKS} completed ({TASKS} cached)"
    assert sorted(second.cached) == sorted(packages.first.fresh)
    assert sorted(second.stdout.splitlines()) == sorted(packages.first.stdout.splitlines())


@pytest.mark.slow
def test_packages_deleted_and_damaged_outputs_come_back_byte_for_byte(packages: Packages) -> None:
    made = content(packages.root, *MADE)
    for wheel in packages.root.glob("packages/*/dist/*.whl"):
        wheel.unlink()
    imported = packages.root / "packages/jinja2/out/imported.txt"
    imported.write_bytes(imported.read_bytes().upper())
    (packages.root / "packages/six/out/imported.txt").chmod(0o400)
    again = haz(packages.root, "run", "--workspace")
    assert again.totals() == f"Tasks: {TASKS} completed ({TASKS} cached)"
    assert content(packages.root, *MADE) == made


@pytest.mark.slow
def test_packages_a_touched_source_is_no_change(packages: Packages) -> None:
    os.utime(packages.root / "packages/markupsafe/src/markupsafe/__init__.py")
    again = haz(packages.root, "run", "--workspace")
    assert again.totals() == f"Tasks: {TASKS} completed ({TASKS} cached)"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "addition", "expected"),
    [
        pytest.param(
            "markupsafe/src/markupsafe/__init__.py",
            b"\n",
            {
                "flask:unpack-check",
                "jinja2:test",
                "jinja2:unpack-check",
                "markupsafe:build",
                "markupsafe:lint",
                "markupsafe:test",
                "markupsafe:unpack-check",
                "werkzeug:unpack-check",
            },
            id="one byte of a module: its package and those that import it",
        ),
        pytest.param(
            "markupsafe/pyproject.toml",
            b"# A comment.\n",
            {"markupsafe:build", "markupsafe:test"},
            id="a comment that leaves the wheel as it was: nothing behind the build",
        ),
        pytest.param(
            "python-dateutil/tests/test_utils.py",
            b"\n",
            {"python-dateutil:lint"},
            id="a test that no task runs: the linter reads it, the wheel is made without it",
        ),
        pytest.param("markupsafe/docs/index.rst", b"\n", set(), id="a manual page: nothing"),
    ],
)
def test_packages_a_change_runs_exactly_what_depends_on_it(
    packages: Packages, file: str, addition: bytes, expected: set[str]
) -> None:
    made = content(packages.root, *MADE)
    with edited(packages.root / "packages" / file, lambda text: text + addition):
        run = haz(packages.root, "run", "--workspace")
    assert sorted(run.fresh) == sorted(expected)
    assert sorted(run.cached) == sorted(set(packages.first.fresh) - expected)

    undone = haz(packages.root, "run", "--workspace")
    assert undone.totals() == f"Tasks: {TASKS} completed ({TASKS} cached)"
    assert content(packages.root, *MADE) == made


@pytest.mark.slow
def test_packages_are_cached_wherever_the_workspace_lies(packages: Packages) -> None:
    moved = packages.root.rename(packages.root.with_name("moved"))
    try:
        again = haz(moved, "run", "--workspace")
    finally:
        moved.rename(packages.root)
    assert again.totals() == f"Tasks: {TASKS} completed ({TASKS} cached)"
