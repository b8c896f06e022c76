"""Hunt for text that breaks haz: mutated files and workspaces, mutated YAML and JSON bytes, random patterns.

`python -m tests.hunts.fuzz_config workspace|yaml|glob|json [--seconds N] [--seed N]`. Each case has a number, printed when
it fails, that `--seed` repeats first. `test_fuzz_config.py` runs a short form.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import random
import signal
import sys
import tempfile
import time

from haz import _core, checks, codes, graph_build, render, workspace
from haz.errors import LoadError, PatternError, YamlError
from tests.unit.files import write_tree
from tests.unit.naive_glob import NaivePatterns
from tests.unit.test_configuration_manual import examples

PATIENCE = 2.0
WORD_LIST = (
    "name tags tasks command shell shell_type inputs outputs deps weakDeps mutex env from_host override pass cache "
    "gitignore timeout retries tools persistent ready description projects concurrency default output mode execution "
    "cancel_grace hash clean max_age max_size tagsFilter priority remote url x-a lib build <<: *a &a !t ~ null true "
    "false 0 -1 1e999 .inf .nan 0x10 0b 1_0 18446744073709551616 5é 30d 2GiB ~:build ^:x ^~:x [g]:t lib:build? /lib "
    '"/*" "/**" !/lib src/** {a,b} {} [] [a-z] \\ \\0 \ufeff \u202e \x00 \t --- ... | > - ? : , # " \' @ ` % \r \r\n \n\n'
)
WORDS = WORD_LIST.split(" ")


class Stuck(BaseException):
    """A case took more than PATIENCE seconds of CPU."""


def seeds() -> list[dict[str, str]]:
    """Whole small workspaces: the examples of all codes and of the manual."""
    found = [codes.files(example) for code in codes.CODES.values() for example in (code.bad, code.good)]
    base = {".haz/workspace.yml": "projects: [/core]\n", "core/haz.yml": "name: core\ntags: [rust]\n"}
    return found + [{**base, path: text} for path, text in examples()]


SEEDS = seeds()
TEXTS = sorted({text for files in SEEDS for path, text in files.items() if path.endswith(".yml") and len(text) > 3})


def mutate(rng: random.Random, text: str) -> str:
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        start = rng.randrange(len(text) + 1)
        end = min(len(text), start + rng.choice((0, 1, 1, 4, 20)))
        lines = text.split("\n")
        kind = rng.randrange(9)
        if kind == 0:
            text = text[:start] + text[end:]
        elif kind == 1:
            text = text[:start] + rng.choice(WORDS) + text[end:]
        elif kind == 2:
            text = text[:start] + text[start:end] * rng.choice((2, 3, 50)) + text[end:]
        elif kind == 3:
            other = rng.choice(TEXTS)
            at = rng.randrange(len(other))
            text = text[:start] + other[at : at + rng.randrange(60)] + text[end:]
        elif kind == 4:
            text = (
                text[:start]
                + chr(rng.choice((0, 9, 10, 13, 0x85, 0xA0, 0xFEFF, 0x1F600, rng.randrange(0x250))))
                + text[end:]
            )
        elif kind == 5:
            del lines[rng.randrange(len(lines))]
            text = "\n".join(lines)
        elif kind == 6:
            lines.insert(rng.randrange(len(lines)), rng.choice(lines))
            text = "\n".join(lines)
        elif kind == 7:
            at = rng.randrange(len(lines))
            lines[at] = " " * rng.randrange(6) + lines[at].lstrip()
            text = "\n".join(lines)
        else:
            words = text.split(" ")
            words[rng.randrange(len(words))] = rng.choice(WORDS)
            text = " ".join(words)
    return text


def as_bytes(rng: random.Random, text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    if rng.random() < 0.05:
        at = rng.randrange(len(data) + 1)
        data = data[:at] + rng.randbytes(rng.randrange(1, 4)) + data[at:]
    return data


# --- Targets ---------------------------------------------------------------------------------------------------------


def hunt_workspace(rng: random.Random, place: pathlib.Path) -> None:
    """No exception but LoadError; each diagnostic has a known code, a message, and a place inside its file."""
    files: dict[str, str | bytes] = dict(rng.choice(SEEDS))
    texts = [path for path, text in files.items() if path.endswith(".yml") and not text.startswith("->")]
    for path in rng.sample(texts, rng.randint(1, len(texts))) if texts else ():
        files[path] = as_bytes(rng, mutate(rng, str(files[path])))
    if rng.random() < 0.3 and ".haz/tasks" not in files:
        files[f".haz/tasks/{rng.choice(('g', 'h', 'a b'))}.yml"] = as_bytes(rng, mutate(rng, rng.choice(TEXTS)))
    root = pathlib.Path(tempfile.mkdtemp(dir=place))
    write_tree(root, files)
    check_workspace(str(root))


def check_workspace(root: str) -> None:
    loaded, diagnostics = workspace.load_tolerant(root)
    errors = [problem for problem in diagnostics if problem.severity == "error"]
    assert loaded is not None or errors
    told = []
    try:
        workspace.load(root)
    except LoadError as error:
        told = list(error.diagnostics)
    assert told == errors
    if loaded is not None:
        graph, problems = graph_build.build(loaded, _core.PatternSet)
        diagnostics = (*diagnostics, *problems, *graph_build.unordered_producers(graph))
    found = checks.examine(root, {})
    assert list(found.file_errors) == errors
    diagnostics = (*diagnostics, *found.graph_errors, *found.warnings)
    for problem in diagnostics:
        assert problem.code in codes.CODES, problem.code
        assert problem.message, problem
        for span in (problem.span, *problem.related):
            assert span is None or inside(span), (problem, span)
    assert not diagnostics or render.render(diagnostics, width=40)
    render.as_json(diagnostics)


def inside(span) -> bool:
    lines = pathlib.Path(span.file).read_bytes().decode("utf-8", "replace").removeprefix("\ufeff")
    lines = lines.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return 1 <= span.line <= len(lines) and 1 <= span.column <= len(lines[span.line - 1]) + 1 and span.length >= 1


def hunt_yaml(rng: random.Random, place: pathlib.Path) -> None:
    """The parser answers with a tree whose places are in order, or with YamlError."""
    data = as_bytes(rng, mutate(rng, rng.choice(TEXTS)))
    error = None
    try:
        root = _core.yaml_parse(data)
    except YamlError as caught:
        root, error = None, caught
    if root is None:
        assert error.reason
        assert min(error.line, error.column) >= 1
        return
    stack = [root]
    while stack:
        node = stack.pop()
        assert 1 <= node.line <= node.end_line, node
        if node.kind == "sequence":
            stack += node.value
        elif node.kind == "mapping":
            stack += [one for pair in node.value for one in pair]
        else:
            assert (node.value is None) == (node.kind == "null")


PIECES = ["a", "b", "é", "/", "/", "*", "**", "?", "[ab]", "[!a]", "[a-z]", "{a,b}", "{a,b/c}", "{,a}", "\\*", "]", "-"]


def hunt_glob(rng: random.Random, place: pathlib.Path) -> None:
    """Patterns that are accepted mean what the oracle says; the others are refused with a place."""
    wild = "".join(
        rng.choice([*PIECES, "[", "{", "}", "\\", ",", "!", "^", "..", "."]) for _ in range(rng.randint(1, 12))
    )
    paths = ["/" + "".join(rng.choice("abé/*c]-") for _ in range(rng.randint(1, 7))).strip("/") for _ in range(8)]
    paths = [path for path in paths if "//" not in path and path != "/"]
    refused = None
    try:
        _core.check_pattern(wild)
        for path in paths:
            _core.PatternSet([[("/" + wild.lstrip("/"), False, False)]]).matching(path)
    except PatternError as error:
        refused = error
    assert refused is None or (refused.reason and 0 <= refused.offset <= len(wild) + 1)
    tame = "/" + "/".join(
        rng.choice(["a", "b", "*", "?", "**", "[ab]", "[!a]*", "a*", "{a,b}", "{a,b/c}", "{,a}b", "é?", "\\*"])
        for _ in range(rng.randint(1, 4))
    )
    mine, other = _core.PatternSet([[(tame, False, False)]]), NaivePatterns([[(tame, False, False)]])
    for path in paths:
        assert mine.matching(path) == other.matching(path), (tame, path)


JSONS = (
    '{"a": [1, -2, 3.5e-7, true, null, "\\u00e9\\n\\ud83d\\ude00"], "b": {"c": []}}',
    "[0, -0, 0.0, -0.0, 9223372036854775807, 18446744073709551615, 1e308, 5e-324]",
    '{"task":"p:t","run":{"attempt":2,"phase":"timeout","startedAt":1795231777250}}',
    '"\\"\\\\\\/\\b\\f\\n\\r\\t"',
)
JSON_PIECES = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"',
    "\\",
    "\\u12",
    "\\ud800",
    "0",
    "-",
    "1e",
    "9" * 20,
    "null",
    "NaN",
    "é",
    " ",
]


def hunt_json(rng: random.Random, place: pathlib.Path) -> None:
    """Bytes are read as Python reads them, or refused where Python, made strict, refuses them."""
    text = rng.choice(JSONS)
    for _ in range(rng.choice((1, 1, 2, 4))):
        start = rng.randrange(len(text) + 1)
        text = text[:start] + rng.choice(["", *JSON_PIECES]) + text[min(len(text), start + rng.choice((0, 1, 3))) :]
    data = as_bytes(rng, text)
    try:
        mine = repr(_core.json_loads(data))
    except ValueError:
        mine = None
    try:
        other = repr(strict_json(data))
    except ValueError:
        other = None
    assert mine == other, data


def strict_json(data: bytes) -> object:
    """Refuse what `json` only tolerates: duplicate keys, no numbers, too large ones, lone surrogates, a byte order mark."""

    def pairs(found: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(found)) < len(found):
            raise ValueError(found)
        return dict(found)

    def refuse(word: str) -> float:
        raise ValueError(word)

    def whole(word: str) -> float:
        if not -(2**63) <= int(word) < 2**64:
            raise ValueError(word)
        return -0.0 if word == "-0" else int(word)

    def real(word: str) -> float:
        return refuse(word) if float(word) in (float("inf"), float("-inf")) else float(word)

    if data.startswith(b"\xef\xbb\xbf"):
        raise ValueError(data)
    value = json.loads(data.decode(), object_pairs_hook=pairs, parse_constant=refuse, parse_int=whole, parse_float=real)
    json.dumps(value, ensure_ascii=False).encode()
    return value


TARGETS = {"workspace": hunt_workspace, "yaml": hunt_yaml, "glob": hunt_glob, "json": hunt_json}


def hunt(target: str, first: int, *, cases: int | None = None, seconds: float = 60) -> list[str]:
    """Run cases until one of the limits; returns a line per failure."""

    def give_up(*_: object) -> None:
        raise Stuck

    failures = []
    before = signal.signal(signal.SIGPROF, give_up)
    end = time.monotonic() + seconds
    number = first
    try:
        while (number - first < cases) if cases is not None else (time.monotonic() < end and len(failures) < 20):
            with tempfile.TemporaryDirectory() as place:
                for _ in range(50):
                    signal.setitimer(signal.ITIMER_PROF, PATIENCE)
                    try:
                        TARGETS[target](random.Random(number), pathlib.Path(place))
                    except BaseException as error:
                        if isinstance(error, KeyboardInterrupt):
                            raise
                        failures.append(f"{target} --seed {number}: {type(error).__name__}: {error}")
                    finally:
                        signal.setitimer(signal.ITIMER_PROF, 0)
                    number += 1
    finally:
        signal.signal(signal.SIGPROF, before)
    return [*failures, f"{number - first} cases"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=time.time_ns() // 1000)
    options = parser.parse_args()
    *failures, count = hunt(options.target, options.seed, seconds=options.seconds)
    sys.stdout.write("\n".join([*failures, f"{options.target}: {count}, {len(failures)} failure(s)"]) + "\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
