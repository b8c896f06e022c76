"""Parts of lock files (`inputs: [{lock: …}]`). `uv.lock` and `package-lock.json` were written by uv 0.11 and npm 11.

What each project resolves to was asked of `uv export --all-extras --all-groups` and of `npm ls --all`.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haz.lockfiles import Unsliceable, cut, project_name, read

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "tests/formats/locks"
UV, NPM = (LOCKS / "uv.lock").read_bytes(), (LOCKS / "package-lock.json").read_bytes()
CARGO = (ROOT / "Cargo.lock").read_bytes()


def lines(kind: str, data: bytes | str, project: str) -> list[str]:
    return cut(read(kind, data.encode() if isinstance(data, str) else data), project)


def names(kind: str, data: bytes | str, project: str) -> set[str]:
    return {line.rsplit(" ", 2)[0] for line in lines(kind, data, project)[1:]}


UV_PROJECTS = {
    "a": "a b-lib click iniconfig packaging six",
    "B_lib": "attrs b-lib packaging pluggy six",
    "c": "anyio c click h11 httptools idna python-dotenv pyyaml typing-extensions uvicorn watchfiles websockets",
    "top": "top",
}


@pytest.mark.parametrize("project", UV_PROJECTS)
def test_uv_says_the_same(project: str) -> None:
    found = names("uv", UV, project)
    # The file has packages for other systems, which `uv export` on this one leaves out.
    assert found - {"colorama", "uvloop"} == set(UV_PROJECTS[project].split())


NPM_PROJECTS = {
    "packages/a": "packages/a node_modules/b packages/b packages/a/node_modules/debug packages/a/node_modules/ms "
    "node_modules/once node_modules/inherits node_modules/wrappy",
    "packages/b": "packages/b node_modules/inherits node_modules/is-number node_modules/wrappy",
    "apps/web": "apps/web node_modules/debug node_modules/fsevents node_modules/ms",
    "": "",
}
# What the root declares is on the path of every project.
NPM_ROOT = {".", "node_modules/semver", "node_modules/lru-cache", "node_modules/yallist"}


@pytest.mark.parametrize("project", NPM_PROJECTS)
def test_npm_says_the_same(project: str) -> None:
    assert names("npm", NPM, project) == set(NPM_PROJECTS[project].split()) | NPM_ROOT


@pytest.mark.parametrize("project", ["haz-core", "haz-py"])
def test_cargo_says_the_same(project: str) -> None:
    """The lock file of this very repository; the oracle is `cargo metadata`."""
    command = ["cargo", "metadata", "--format-version=1", "--locked", "--offline", "--all-features"]
    told = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
    nodes = {node["id"]: node["dependencies"] for node in told["resolve"]["nodes"]}
    packages = {package["id"]: package for package in told["packages"]}
    queue = [name for name, package in packages.items() if package["name"] == project]
    for one in queue:
        queue += [other for other in nodes[one] if other not in queue]
    wanted = {f"{packages[one]['name']} {packages[one]['version']}" for one in queue}
    assert {line.rsplit(" ", 1)[0] for line in lines("cargo", CARGO, project)[1:]} == wanted
    assert len(wanted) > 20


UV_EDITS = {
    # An edit, and the projects to which it matters.
    ('name = "click"\nversion = "8', 'name = "click"\nversion = "9'): "a c",
    ('name = "attrs" },', 'name = "attrs", marker = "x" },'): "B_lib",
    ('requires-python = ">=3.11"\n\n[manifest]', 'requires-python = ">=3.12"\n\n[manifest]'): "B_lib a c top",
    ("members = [\n", 'members = [\n    "z",\n'): "",
    ('{ name = "pluggy" },\n]\n\n[package.metadata]', '{ name = "idna" },\n]\n\n[package.metadata]'): "B_lib",
    ('{ name = "six", marker', '{ name = "six", specifier = "<2", marker'): "B_lib",
    ('fast = [\n    { name = "six" },', 'fast = [\n    { name = "six", marker = "y" },'): "B_lib a",
}


@pytest.mark.parametrize(("edit", "who"), UV_EDITS.items(), ids=range(len(UV_EDITS)))
def test_an_edit_of_uv_lock_matters_to_those_who_resolve_to_it(edit: tuple[str, str], who: str) -> None:
    text = UV.decode()
    assert edit[0] in text
    changed = text.replace(*edit)
    assert [one for one in sorted(UV_PROJECTS) if lines("uv", text, one) != lines("uv", changed, one)] == who.split()


def test_a_hash_in_uv_lock_matters() -> None:
    text = UV.decode()
    place = text.index("hash = ", text.index('name = "six"\nversion'))
    changed = text[:place] + text[place:].replace("sha256:", "sha512:", 1)
    assert lines("uv", text, "a") != lines("uv", changed, "a")
    assert lines("uv", text, "c") == lines("uv", changed, "c")


def npm_edited(place: str, **changes: object) -> str:
    value = json.loads(NPM)
    value["packages"].setdefault(place, {}).update(changes)
    return json.dumps(value)


NPM_EDITS: dict[tuple[str, str, object], str] = {
    ("node_modules/ms", "integrity", "sha512-x"): "apps/web",
    ("packages/a/node_modules/ms", "version", "2.1.3"): "packages/a",
    ("node_modules/inherits", "version", "2.0.5"): "packages/a packages/b",
    ("node_modules/is-number", "version", "8.0.0"): "packages/b",
    ("node_modules/semver", "version", "8.0.0"): " apps/web packages/a packages/b",
    ("node_modules/inherits", "dev", True): "",
    ("node_modules/unused", "version", "1.0.0"): "",
    ("", "workspaces", "packages/*"): "",
    # A package that is put nearer hides another.
    ("apps/web/node_modules/ms", "version", "2.0.0"): "apps/web",
}


@pytest.mark.parametrize(("edit", "who"), NPM_EDITS.items(), ids=range(len(NPM_EDITS)))
def test_an_edit_of_package_lock_matters_to_those_who_resolve_to_it(edit: tuple[str, str, object], who: str) -> None:
    place, key, value = edit
    changed = npm_edited(place, **{key: value})
    different = [one for one in sorted(NPM_PROJECTS) if lines("npm", NPM, one) != lines("npm", changed, one)]
    assert different == (who.split(" ") if who else [])


CARGO_TWO = """
version = 4
[[package]]
name = "a"
version = "0.1.0"
dependencies = ["b", "x 1.0.0", "g"]
[[package]]
name = "b"
version = "0.1.0"
dependencies = ["x 2.0.0 (registry+https://r/1)"]
[[package]]
name = "x"
version = "1.0.0"
source = "registry+https://r/1"
checksum = "1"
[[package]]
name = "x"
version = "2.0.0"
source = "registry+https://r/1"
checksum = "2"
[[package]]
name = "x"
version = "2.0.0"
source = "registry+https://r/2"
checksum = "3"
[[package]]
name = "g"
version = "0.1.0"
source = "git+https://g/g?branch=x#0123"
dependencies = ["h 0.1.0 (git+https://g/h)"]
[[package]]
name = "h"
version = "0.1.0"
source = "git+https://g/h#4567"
"""


def test_cargo_tells_packages_of_one_name_apart() -> None:
    def versions(project: str, text: str = CARGO_TWO) -> list[str]:
        return [line.rsplit(" ", 1)[0] for line in lines("cargo", text, project)[1:]]

    assert versions("a") == ["a 0.1.0", "b 0.1.0", "g 0.1.0", "h 0.1.0", "x 1.0.0", "x 2.0.0"]
    assert versions("b") == ["b 0.1.0", "x 2.0.0"]
    for old, new, who in (('checksum = "2"', 'checksum = "9"', "ab"), ('"3"', '"9"', ""), ("#4567", "#4568", "a")):
        changed = CARGO_TWO.replace(old, new)
        assert [one for one in "ab" if lines("cargo", changed, one) != lines("cargo", CARGO_TWO, one)] == list(who)


UNSLICEABLE = [
    ("uv", b"\xff", "a", "cannot be read"),
    ("uv", b"version = [", "a", "cannot be read"),
    ("uv", b"", "a", "cannot be read"),
    ("uv", b"version = 2", "a", "version 2 of uv.lock is not known"),
    ("uv", UV, "idna", "`idna` is not a member of it"),
    ("uv", UV.replace(b'{ name = "click" }', b'{ name = "clack" }'), "a", "the dependency `clack` is not in it"),
    (
        "uv",
        b'version = 1\n[[package]]\nname = "a"\nsource = { virtual = "." }\ndependencies = [1]',
        "a",
        "unknown shape",
    ),
    ("npm", b"{", "a", "cannot be read"),
    ("npm", b"[" * 100_000, "a", "cannot be read"),
    ("npm", b'{"lockfileVersion": 1, "dependencies": {}}', "", "version 1 of package-lock.json is not known"),
    ("npm", b'{"lockfileVersion": 4, "packages": {}}', "", "version 4 of package-lock.json is not known"),
    ("npm", NPM, "packages/z", "`packages/z` is not a package of it"),
    ("npm", npm_edited("node_modules/b", resolved="packages/z").encode(), "packages/a", "leads nowhere"),
    ("npm", npm_edited("packages/a", dependencies=1).encode(), "packages/a", "unknown shape"),
    ("cargo", b"version = 5", "a", "version 5 of Cargo.lock is not known"),
    ("cargo", b'[metadata]\n"checksum x" = "1"', "a", "version 1 of Cargo.lock is not known"),
    ("cargo", CARGO, "serde-of-nobody", "is not a member of it"),
    ("cargo", CARGO_TWO.replace('"b", ', '"q", ').encode(), "a", "the dependency `q` is not in it"),
]


@pytest.mark.parametrize(("kind", "data", "project", "reason"), UNSLICEABLE, ids=range(len(UNSLICEABLE)))
def test_what_cannot_be_cut_says_why(kind: str, data: bytes, project: str, reason: str) -> None:
    with pytest.raises(Unsliceable, match=reason):
        lines(kind, data, project)


def test_the_name_of_a_project() -> None:
    assert project_name("uv", b'[project]\nname = "x"') == "x"
    assert project_name("cargo", b'[package]\nname = "x"') == "x"
    for kind, text, reason in (
        ("uv", b"[tool.x]", "pyproject.toml has no `project.name`"),
        ("uv", b"project = 1", "cannot be read"),
        ("cargo", b"[workspace]", "Cargo.toml has no `package.name`"),
        ("cargo", b"[package]\nname = 1", "Cargo.toml has no `package.name`"),
        ("cargo", b"[", "Cargo.toml cannot be read"),
    ):
        with pytest.raises(Unsliceable, match=reason):
            project_name(kind, text)


@given(st.sampled_from(["uv", "npm", "cargo"]), st.integers(0, 1 << 16), st.binary(max_size=4))
def test_no_damage_is_more_than_a_reason(kind: str, place: int, junk: bytes) -> None:
    data = {"uv": UV, "npm": NPM, "cargo": CARGO}[kind]
    place %= len(data)
    with contextlib.suppress(Unsliceable):
        assert cut(read(kind, data[:place] + junk + data[place + len(junk) :]), "a")
