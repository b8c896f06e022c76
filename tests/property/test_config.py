"""Random documents: the loader never breaks, and what it accepts its schema accepts."""

from __future__ import annotations

import json

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from haz import codes, render
from haz.config import _task, parse, schema

KINDS = {
    "workspace": (parse.workspace, schema.workspace()),
    "project": (parse.project, schema.project()),
    "overlay": (lambda source: parse.overlay(source, "x"), schema.overlay()),
}
VALIDATORS = {kind: jsonschema.Draft202012Validator(data) for kind, (_, data) in KINDS.items()}


class Loader(yaml.SafeLoader):
    """YAML to plain data as editors see it: no dates."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}

WORDS = st.sampled_from(
    [
        "a",
        "lib",
        "~:b",
        "lib:b",
        "[t]:b?",
        "^:x",
        "true",
        "false",
        "null",
        "none",
        "1",
        "2",
        "0",
        "90s",
        "5m",
        "1.5",
        '"4"',
        "auto",
        "live",
        "buffered",
        "shared",
        "exclusive",
        "db",
        "PATH",
        "src/**",
        "/x",
        "!/y",
        "/lib/*",
        "sh",
        "bash",
        "sha256",
        "30d",
        "2GiB",
        "failure",
        "timeout",
        "full",
        "canonical",
        "grpc://h",
        "8080",
        '""',
        "a.b",
        "read-only",
        "-3",
    ]
) | st.sampled_from([True, False, None, 0, 1, 7, -1, 2.5])
KEYS = st.sampled_from(
    sorted(
        {
            *_task.KEYS,
            *[
                "name",
                "tags",
                "tasks",
                "env",
                "from_host",
                "override",
                "pass",
                "secret",
                "from",
                "tagsFilter",
                "priority",
                "projects",
                "cache",
                "hash",
                "clean",
                "max_age",
                "max_size",
                "dir",
                "concurrency",
                "default",
                "order",
                "output",
                "mode",
                "execution",
                "cancel_grace",
                "timeout",
                "retries",
                "remote",
                "url",
                "instance",
                "max",
                "delay",
                "factor",
                "max_delay",
                "jitter",
                "on",
                "exit_codes",
                "command",
                "file",
                "line",
                "port",
                "ready",
                "x-mine",
                "lint",
                "build",
                "A",
                "B",
            ],
        }
    )
)
VALUES = st.recursive(
    WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


def of(keys):
    return st.fixed_dictionaries({}, optional=keys)


def one(*values):
    return st.sampled_from(values)


def some(*values):
    return st.lists(st.sampled_from(values), max_size=3, unique_by=str) | st.none()


SWITCH = one(True, False, None)
TEXT = one("a", "", 1.5, True, "x y", None)
NAMES = some("a", "B-c_d", 12, True, "x" * 64)
VARIABLES = some("PATH", "_x", "A1", "B" * 256)
ENV = of(
    {
        "from_host": VARIABLES,
        "override": st.dictionaries(st.sampled_from(["A", "b_2"]), TEXT),
        "pass": VARIABLES,
        "secret": VARIABLES,
    }
)
DURATION = one(1, 0.5, "90s", "1m30s", "1.5h", "500ms", "1e3", ".5", "+5", "5.", None)
COUNT = one(1, 100, "4", "0x10", "017", "+1_0", "0b1")
TIMEOUT = DURATION | one("none", None)
RETRIES = one(0, 1, "2", "0x3", "none", None) | st.fixed_dictionaries(
    {"max": COUNT},
    optional={
        "delay": DURATION,
        "factor": one(1, 1.5, "2", "1e1", None),
        "max_delay": one(5000, "1d", None),
        "jitter": one("none", "full", "equal", None),
        "on": some("failure", "timeout"),
        "exit_codes": some(1, 255, "75", "0x10"),
        "x-mine": TEXT,
    },
)
PATTERNS = some("a", "/b", "!c", "src/**", "a[!b]{c,d}?*", 12, 1.5, True, " ", "a}")
REFERENCES = some("~:a", "a:b", "^:a?", "^~:a", "[t]:a", "[t]~:a?", "1:2")
ARGV = st.lists(st.sampled_from(["x", "", 1.5, True]), max_size=2).map(lambda rest: ["make", *rest])
ACTION = st.one_of(
    st.fixed_dictionaries({"command": ARGV}, optional={"shell": st.none()}),
    st.fixed_dictionaries(
        {"shell": TEXT.filter(lambda text: text is not None)}, optional={"shell_type": one("sh", "zsh", 1)}
    ),
)
LIKELY = {
    "inputs": PATTERNS
    | some({"lock": "uv"}, {"lock": "npm"}, {"lock": "cargo"}, "a", "/b")
    | st.lists(one("a", "!b/**", {"from": "~:a"}, {"from": "[t]:a?"}), max_size=2, unique_by=str),
    "outputs": st.one_of(PATTERNS, st.fixed_dictionaries({}, optional={"paths": PATTERNS, "clean": st.booleans()})),
    **dict.fromkeys(("deps", "weakDeps"), REFERENCES),
    "env": ENV,
    "mutex": one("db", "~:db", 5, True, None)
    | st.fixed_dictionaries({"name": one("db", "~:db", 1), "mode": one("shared", "exclusive")}),
    "retries": RETRIES,
    "timeout": TIMEOUT,
    "tools": st.lists(
        one("rustc", 1) | st.fixed_dictionaries({"file": one("a", "/b")}) | st.fixed_dictionaries({"command": ARGV}),
        max_size=2,
    ),
    **dict.fromkeys(("cache", "gitignore", "persistent"), SWITCH),
    **dict.fromkeys(("description", "x-mine"), TEXT),
}
READY = st.one_of(
    st.fixed_dictionaries({"port": one(1, 65535, "0x50")}, optional={"timeout": DURATION}),
    st.fixed_dictionaries({"line": one("ready", "^x.*$", 1)}),
    st.fixed_dictionaries({"command": ARGV, "x-a": TEXT}),
)
PERSISTENT = st.fixed_dictionaries({"command": ARGV, "persistent": st.just(True), "ready": READY})
BODY = st.builds(lambda action, rest: {**action, **rest}, ACTION, of(LIKELY)) | PERSISTENT
TASKS = st.dictionaries(st.sampled_from(["a", "b-c", "12"]), BODY, max_size=2) | st.none()
LIMITS = {
    "max_age": one("30d", "1w2d", "0s", None),
    "max_size": one(0, 1024, "5GB", "5KiB", "12B", None),
}
DOCUMENTS = {
    "project": st.fixed_dictionaries(
        {"name": one("lib", 12, True, 1)},
        optional={"tags": NAMES, "tasks": TASKS, "env": ENV, "description": TEXT, "x-a": WORDS},
    )
    | VALUES,
    "overlay": st.fixed_dictionaries(
        {"tasks": TASKS},
        optional={"tagsFilter": NAMES.filter(lambda names: names != []), "priority": one(1, -3, "0x2", None)},
    )
    | VALUES,
    "workspace": st.fixed_dictionaries(
        {"projects": some("/a", "/b/*", "!/c", "/", "/**")},
        optional={
            "cache": of(
                {"hash": one("blake3", "sha256", None), "dir": one("/c", "c/d", 1), "clean": of(LIMITS), **LIMITS}
            ),
            "concurrency": of(
                {
                    "default": COUNT | one("auto", None),
                    "order": one("canonical", "critical-path"),
                    "tags": st.dictionaries(st.sampled_from(["a", "1"]), COUNT),
                }
            ),
            "output": of({"mode": one("live", "buffered", None)}),
            "execution": of({"cancel_grace": DURATION | one(0, "0.5", -0.0), "timeout": TIMEOUT, "retries": RETRIES}),
            "remote": st.fixed_dictionaries(
                {"url": one("grpc://h", "grpcs://h:1/x")},
                optional={"instance": TEXT, "cache": one("read-write", "read-only", "off"), "execution": SWITCH},
            ),
            "env": ENV,
            "gitignore": SWITCH,
            "description": TEXT,
            "x-a": VALUES,
        },
    )
    | VALUES,
}


def plain(text):
    """Read as an editor does, where it can."""
    return json.loads(json.dumps(yaml.load(text, Loader)))


@pytest.mark.parametrize("kind", sorted(KINDS))
@settings(max_examples=300)
@given(data=st.data())
def test_a_document_is_either_refused_with_reasons_or_fits_the_schema(kind, data):
    document = data.draw(DOCUMENTS[kind])
    text = yaml.safe_dump(document)
    source = parse.Source("/ws/file.yml", text.encode())
    KINDS[kind][0](source)
    if source.diagnostics:
        assert all(problem.span is not None for problem in source.diagnostics)
        assert all(problem.code in codes.CODES for problem in source.diagnostics)
        render.render(source.diagnostics)
    if all(problem.severity == "warning" for problem in source.diagnostics):
        VALIDATORS[kind].validate(plain(text))


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode), st.sampled_from(sorted(KINDS)))
def test_any_bytes_are_read_without_breaking(data, kind):
    source = parse.Source("/ws/file.yml", data)
    KINDS[kind][0](source)
    assert source.diagnostics or data


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_schemas_are_schemas(kind):
    jsonschema.Draft202012Validator.check_schema(KINDS[kind][1])


@pytest.mark.parametrize("name", list(codes.CODES))
def test_the_good_examples_fit_the_schema(name):
    for path, text in codes.files(codes.CODES[name].good).items():
        if path.endswith(".yml"):
            kind = "workspace" if path == codes.WORKSPACE else "overlay" if "/tasks/" in path else "project"
            VALIDATORS[kind].validate(plain(text))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("project", "tags: [a]"),
        ("project", "name: lib\nTags: [a]"),
        ("project", "name: lib\ntasks: {t: {command: make}}"),
        ("project", "name: a b"),
        ("overlay", "tagsFilter: [a]"),
        ("overlay", "tagsFilter: []\ntasks: {}"),
        ("workspace", "projects: lib"),
        ("workspace", "projects: [lib]"),
        ("workspace", "projects: []\ncache: {hash: md5}"),
    ],
)
def test_the_schema_refuses_common_mistakes(kind, text):
    with pytest.raises(jsonschema.ValidationError):
        VALIDATORS[kind].validate(plain(text))
