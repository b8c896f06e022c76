"""`inputs: [{from: …}]`: the declared outputs of a predecessor (D7, 02 §10.5)."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.space import Space


@pytest.fixture
def chain(space: Space) -> Space:
    space.project(
        "lib",
        """
        gen:
          shell: "mkdir -p gen/tmp; cat src > gen/a; date +%N > gen/tmp/log; echo x > note.log"
          inputs: [src]
          outputs: ["gen/**", "!gen/tmp/**", note.log]
        """,
    )
    space.project("app", 't: {shell: "cat ../lib/gen/a", inputs: [{from: "lib:gen"}, own, "!/**/*.log"]}')
    space.write("lib/src", "1\n")
    space.write("app/own", "1\n")
    return space


def app(space: Space, body: str) -> None:
    space.write("app/haz.yml", f"name: app\ntasks:\n  {body}\n")


def inputs(space: Space, task: str) -> list[str]:
    return [row["path"] for row in json.loads(space.haz("why", task, "--format", "json").ok().out)["inputs"]]


def test_outputs_are_inputs_and_their_task_is_a_dependency(chain: Space) -> None:
    assert chain.run("app:t").ok().ran == {"lib:gen", "app:t"}
    assert inputs(chain, "app:t") == ["/app/own", "/lib/gen/a", "/lib/note.log"]
    chain.write("lib/src", "2\n")
    done = chain.run("app:t").ok()
    assert done.ran == {"lib:gen", "app:t"}
    assert done.out.endswith("[app:t] 2\n")
    chain.write("lib/src", "1\n")
    assert chain.run("app:t").ok().cached == {"lib:gen", "app:t"}
    assert "deps:\n  lib:gen\n" in chain.haz("why", "app:t").ok().out
    assert chain.haz("query", "--has-deps").ok().out == "app:t\n"
    assert chain.haz("check", "--strict").ok()


def test_what_the_predecessor_excludes_is_excluded_from_its_outputs_only(chain: Space) -> None:
    app(chain, 't: {command: [echo], inputs: [{from: "lib:gen"}, /lib/gen/tmp/*]}')
    chain.run("app:t").ok()
    assert inputs(chain, "app:t") == ["/lib/gen/a", "/lib/gen/tmp/log", "/lib/note.log"]


def test_the_key_is_that_of_the_same_patterns_written_out(chain: Space) -> None:
    keys = set()
    for listed in ('inputs: [{from: "lib:gen"}, own]', 'inputs: [/lib/note.log, /lib/gen/a, own], deps: ["lib:gen"]'):
        app(chain, f"t: {{command: [echo], {listed}}}")
        chain.run("app:t").ok()
        keys.add(json.loads(chain.haz("why", "app:t", "--format", "json").ok().out)["key"])
    assert len(keys) == 1


def test_several_predecessors_by_tag_and_by_relative_reference(space: Space) -> None:
    for name in ("a", "b"):
        space.write(f"{name}/haz.yml", f"name: {name}\ntags: [g]\ntasks: {{gen: {{shell: echo > o, outputs: [o]}}}}\n")
    space.write(".haz/workspace.yml", "projects: [/a, /b]\n")
    space.write(
        "a/haz.yml",
        space.read("a/haz.yml")
        .decode()
        .replace(
            "}}\n",
            '}, t: {shell: "true", inputs: [{from: "[g]:gen"}]}, u: {shell: "true", inputs: [{from: "~:gen"}, {from: "^~:nix?"}]}}\n',
        ),
    )
    space.run("a:t", "a:u").ok()
    assert inputs(space, "a:t") == ["/a/o", "/b/o"]
    assert inputs(space, "a:u") == ["/a/o"]


def test_outputs_count_even_where_git_ignores_them(chain: Space) -> None:
    subprocess.run(["git", "init", "-q", str(chain.root)], check=True)
    chain.write(".gitignore", "gen/\n*.tmp\n")
    chain.write("app/x.tmp", "")
    app(chain, 't: {command: [echo], gitignore: true, inputs: [{from: "lib:gen"}, "*.tmp"]}')
    chain.run("app:t").ok()
    assert inputs(chain, "app:t") == ["/lib/gen/a", "/lib/note.log"]


@pytest.mark.parametrize(
    ("reference", "code", "text"),
    [
        ("lib:nix", "dag::011", "unresolved reference in `inputs`"),
        ("~:t", "dag::012", "in `inputs` includes the task itself"),
        ("lib:back", "dag::014", "dependency cycle"),
    ],
)
def test_a_wrong_reference_is_an_error_of_the_graph(chain: Space, reference: str, code: str, text: str) -> None:
    chain.write("lib/haz.yml", chain.read("lib/haz.yml").decode() + '  back: {shell: "true", deps: ["app:t"]}\n')
    app(chain, f't: {{command: [echo], inputs: [{{from: "{reference}"}}]}}')
    done = chain.haz("check")
    assert done.code == 2
    assert f"haz::{code}" in done.out + done.err
    assert text in done.out + done.err


def test_a_product_that_the_action_names_but_that_is_no_input_is_warned_about(chain: Space) -> None:
    for action in ('shell: "cat ../lib/gen/a >out"', "command: [cat, ../lib/gen/a]", "command: [ls, ../lib/gen]"):
        app(chain, f't: {{{action}, inputs: [own], deps: ["lib:gen"]}}')
        done = chain.haz("check")
        assert "haz::chk::013" in done.out + done.err
        assert 'add `{from: "lib:gen"}` to `inputs`' in done.out + done.err
