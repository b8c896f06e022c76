"""JSON Schema (2020-12) of the three kinds of file, for editors, and of diagnostics, for tools.

The loader is stricter than its schemas: it also checks grammars. `haz schema KIND` prints one.
"""

from __future__ import annotations

import json
import sys

from haz.config import _overlay, _project, _shared, _task, _workspace
from haz.config._values import SIZE_UNITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
NAME = "[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
VARIABLE = "[A-Za-z_][A-Za-z0-9_]{0,255}"

# A plain scalar is text to haz, whatever YAML makes of it: `name: 12` is a valid name.
SCALAR = ["string", "number", "boolean"]


def _object(described: str, keys: tuple[str, ...], properties: Schema, required: tuple[str, ...] = ()) -> Schema:
    if set(keys) != set(properties):
        raise AssertionError(f"the schema of {described} lacks {set(keys) ^ set(properties)}")
    return {
        "description": described,
        "type": "object",
        "properties": {key: properties[key] for key in sorted(properties)},
        "patternProperties": {"^x-": True},
        "additionalProperties": False,
        **({"required": list(required)} if required else {}),
    }


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _text(described: str, **more: Any) -> Schema:
    return _or_null({"description": described, "type": SCALAR, **more})


def _list(described: str, items: Schema | None = None, **more: Any) -> Schema:
    return _or_null({"description": described, "type": "array", "items": items or {"type": SCALAR}, **more})


def _names(described: str, pattern: str = NAME, **more: Any) -> Schema:
    return _list(described, {"type": SCALAR, "pattern": f"^{pattern}$"}, uniqueItems=True, **more)


def _choice(described: str, *options: str) -> Schema:
    return _or_null({"description": described, "enum": list(options)})


def _map(described: str, values: Schema, pattern: str = NAME) -> Schema:
    return _or_null(
        {
            "description": described,
            "type": "object",
            "propertyNames": {"pattern": f"^{pattern}$"},
            "additionalProperties": values,
        }
    )


def _count(described: str, **more: Any) -> Schema:
    """Integers may be quoted, and may have a base or `_` in them."""
    return {
        "description": described,
        "anyOf": [{"type": "integer", **more}, {"type": "string", "pattern": "^[-+]?[0-9][0-9A-Za-z_]*$"}],
    }


def _duration(described: str, *words: str) -> Schema:
    pattern = "^[-+0-9.eE]+$|^([0-9.]+(ms|s|m|h|d))+$"
    if words:
        pattern += "|" + "|".join(f"^{word}$" for word in words)
    return {"description": described, "anyOf": [{"type": "number"}, {"type": "string", "pattern": pattern}]}


AGE = _or_null({"description": "Such as `30d` or `1w2d`.", "type": "string", "pattern": "^([0-9]+[smhdw])+$"})
SIZE = _or_null(
    {
        "description": "Such as `2GiB`; without a unit in bytes.",
        "anyOf": [{"type": "integer"}, {"type": "string", "pattern": f"^[0-9]+({'|'.join(SIZE_UNITS)})$"}],
    }
)
SWITCH = {"type": ["boolean", "null"]}
TIMEOUT = _or_null(_duration("How long one attempt may take: `90s`, `5m`, a number of seconds, or `none`.", "none"))
RETRIES = {
    "description": "Extra attempts after a failure.",
    "anyOf": [
        {"type": "null"},
        {"const": "none"},
        _count("The number of extra attempts.", minimum=0, maximum=100),
        _object(
            "The number of extra attempts, and the delays between them.",
            _shared.RETRY_KEYS,
            {
                "max": _count("The number of extra attempts.", minimum=0, maximum=100),
                "delay": _or_null(_duration("Before the first extra attempt; default 200ms.")),
                "factor": _or_null(
                    {"description": "By which the delay grows; default 2.", "type": ["number", "string"]}
                ),
                "max_delay": _or_null(_duration("The delay grows no further; default 30s.")),
                "jitter": _choice("How delays are spread; default equal.", "none", "full", "equal"),
                "on": _list("What is tried again.", {"enum": ["failure", "timeout"]}, minItems=1, uniqueItems=True),
                "exit_codes": _list("Only failures with these codes.", _count("", minimum=1, maximum=255), minItems=1),
                "cache": {"description": "Whether a success that needed a retry is stored; default false.", **SWITCH},
            },
            ("max",),
        ),
    ],
}
ENV = _or_null(
    _object(
        "The variables of the process.",
        _shared.ENV_KEYS,
        {
            "from_host": _names("Given on from the caller, and part of the cache key.", VARIABLE),
            "override": _map("Set to these values.", {"type": SCALAR}, VARIABLE),
            "pass": _names("Given on from the caller, and not part of the cache key.", VARIABLE),
            "secret": _names("Given on from the caller, in the cache key as a keyed hash, and never shown.", VARIABLE),
        },
    )
)
ARGV = {"type": "array", "items": {"type": SCALAR}, "minItems": 1}
PATTERNS = {"type": SCALAR, "minLength": 1}

TASK = _object(
    "A task: one action, what it reads and writes, and what must come before.",
    _task.KEYS,
    {
        "cache": {"description": "false: run it every time.", **SWITCH},
        "command": _or_null({"description": "The program and its arguments; nothing is expanded.", **ARGV}),
        "deps": _list("Tasks that must have succeeded before; they are run too.", uniqueItems=True),
        "description": _text("What the task does, in one line."),
        "env": ENV,
        "gitignore": {"description": "true: patterns in `inputs` pass over files that git ignores.", **SWITCH},
        "inputs": _list(
            "Files whose content matters: paths and patterns, `!` excludes; outputs of predecessors, lock files.",
            {
                "anyOf": [
                    PATTERNS,
                    {
                        "description": "What the project resolves to in the lock file of a package manager.",
                        "type": "object",
                        "properties": {"lock": {"enum": list(_task.LOCKS)}},
                        "required": ["lock"],
                        "additionalProperties": False,
                    },
                    _object(
                        "The declared outputs of other tasks, which are dependencies thereby.",
                        ("from",),
                        {"from": {"description": "A reference, such as `lib:build`.", **PATTERNS}},
                        ("from",),
                    ),
                ]
            },
            uniqueItems=True,
        ),
        "mutex": _or_null(
            {
                "description": "Tasks that share a mutex do not run at the same time.",
                "anyOf": [
                    {"type": SCALAR, "pattern": f"^(~:)?{NAME}$"},
                    _object(
                        "A mutex with its mode.",
                        ("mode", "name"),
                        {
                            "name": {"type": SCALAR, "pattern": f"^(~:)?{NAME}$"},
                            "mode": {"enum": ["exclusive", "shared"]},
                        },
                        ("name", "mode"),
                    ),
                ],
            }
        ),
        "outputs": {
            "anyOf": [
                _list("Files that the task writes: paths and patterns.", PATTERNS, uniqueItems=True),
                _object(
                    "Files that the task writes, and what becomes of them.",
                    _task.OUTPUTS_KEYS,
                    {
                        "paths": _list("Paths and patterns.", PATTERNS, uniqueItems=True),
                        "clean": {
                            "description": "false: files of an earlier result stay when another one is restored.",
                            **SWITCH,
                        },
                    },
                ),
            ]
        },
        "persistent": {"description": "true: it keeps running while others work.", **SWITCH},
        "ready": _or_null(
            _object(
                "When a persistent task counts as ready; exactly one of `line`, `port`, `command`.",
                _task.READY_KEYS,
                {
                    "line": _text("A regular expression that a line of its output matches."),
                    "port": _or_null(_count("A TCP port of this machine that accepts connections.")),
                    "command": _or_null({"description": "A command that succeeds.", **ARGV}),
                    "timeout": _or_null(_duration("How long to wait; default 60s.")),
                },
            )
        ),
        "retries": RETRIES,
        "shell": _text("A script, run by `shell_type` with `-c`."),
        "shell_type": _text("The shell; default sh.", pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$"),
        "timeout": TIMEOUT,
        "tools": _list(
            "Programs whose version, and files whose content, matter.",
            {
                "anyOf": [
                    {"type": SCALAR, "minLength": 1},
                    _object(
                        "Either a command whose output, or a file whose content matters.",
                        _task.TOOL_KEYS,
                        {
                            "command": _or_null(ARGV),
                            "file": _text("A path."),
                            "memo": {"description": "true: ask again only when the program changed.", **SWITCH},
                        },
                    ),
                ]
            },
        ),
        "weakDeps": _list("Tasks that must have ended before, where they are part of the run.", uniqueItems=True),
    },
)
TASKS = _map("Tasks by name.", _or_null({"$ref": "#/$defs/task"}))


def project() -> Schema:
    return {
        "$schema": DIALECT,
        "title": "haz.yml: a project of a haz workspace",
        **_object(
            "A project: a directory with tasks.",
            _project.KEYS,
            {
                "name": {"description": "Unique in the workspace.", "type": SCALAR, "pattern": f"^{NAME}$"},
                "description": _text("What the project is, in one line."),
                "tags": _names("Words by which overlays and references find it."),
                "env": ENV,
                "tasks": TASKS,
            },
            ("name",),
        ),
        "$defs": {"task": TASK},
    }


def overlay() -> Schema:
    return {
        "$schema": DIALECT,
        "title": ".haz/tasks/NAME.yml: tasks for many projects of a haz workspace",
        **_object(
            "Tasks for every project that carries the tags.",
            _overlay.KEYS,
            {
                "tagsFilter": _names("A project must carry all of these; without it, every project.", minItems=1),
                "priority": _or_null(_count("Where two overlays define one task, the higher wins; default 0.")),
                "tasks": TASKS,
            },
            ("tasks",),
        ),
        "$defs": {"task": TASK},
    }


def workspace() -> Schema:
    cache_limits = {"max_age": AGE, "max_size": SIZE}
    return {
        "$schema": DIALECT,
        "title": ".haz/workspace.yml: a haz workspace",
        **_object(
            "The projects of the workspace, and what holds for all of them.",
            _workspace.KEYS,
            {
                "projects": _list(
                    "Directories of projects: paths and patterns from `/`, the workspace root; `!` excludes.",
                    {"type": "string", "pattern": "^!?/"},
                    uniqueItems=True,
                ),
                "description": _text("What the workspace is, in one line."),
                "env": ENV,
                "gitignore": {"description": "The default of the task key of that name.", **SWITCH},
                "cache": _or_null(
                    _object(
                        "The cache of results.",
                        _workspace.CACHE_KEYS,
                        {
                            "hash": _choice("The hash of keys and contents.", "blake3", "sha256"),
                            "compression": _choice("How contents are kept.", "none", "zstd"),
                            "dir": _text("Where it is; default `/.haz/cache`. May begin with `~/`."),
                            "paths": _choice(
                                "What is said of outputs that hold the path of the workspace.", "warn", "allow"
                            ),
                            "clean": _or_null(
                                _object("Defaults of `haz cache clean`.", ("max_age", "max_size"), {**cache_limits})
                            ),
                            "max_age": AGE,
                            "max_size": {
                                **SIZE,
                                "description": "Such as `2GiB`, or `none`; default 10GiB.",
                                "anyOf": [*SIZE["anyOf"], {"const": "none"}],
                            },
                        },
                    )
                ),
                "concurrency": _or_null(
                    _object(
                        "How many tasks run at once.",
                        _workspace.CONCURRENCY_KEYS,
                        {
                            "default": _or_null({"anyOf": [{"const": "auto"}, _count("", minimum=1)]}),
                            "order": _choice("Which ready task starts first.", "canonical", "critical-path"),
                            "tags": _map("Tasks at once by tag of their project.", _count("", minimum=1)),
                        },
                    )
                ),
                "output": _or_null(
                    _object(
                        "How output is shown.",
                        ("mode",),
                        {"mode": _choice("As it comes, or per task at its end.", "live", "buffered")},
                    )
                ),
                "execution": _or_null(
                    _object(
                        "How tasks run.",
                        _workspace.EXECUTION_KEYS,
                        {
                            "cancel_grace": _or_null(_duration("Between asking a task to end and killing it.")),
                            "timeout": TIMEOUT,
                            "retries": RETRIES,
                        },
                    )
                ),
                "remote": _or_null(
                    _object(
                        "A Remote Execution API service.",
                        _workspace.REMOTE_KEYS,
                        {
                            "url": {"description": "grpc:// or grpcs://.", "type": "string", "pattern": "^grpcs?://"},
                            "instance": _text("The name of the instance; default empty."),
                            "cache": _choice("What is done with its cache.", "read-write", "read-only", "off"),
                            "execution": {"description": "true: tasks run there.", **SWITCH},
                        },
                        ("url",),
                    )
                ),
            },
            ("projects",),
        ),
    }


def diagnostics() -> Schema:
    """Describe what `--format json` of a command that checks something prints."""
    place: Schema = {
        "file": {"description": "Absolute path.", "type": ["string", "null"]},
        "line": {"description": "From 1.", "type": ["integer", "null"], "minimum": 1},
        "column": {"description": "From 1, in characters.", "type": ["integer", "null"], "minimum": 1},
        "length": {"description": "In characters, on that line.", "type": ["integer", "null"], "minimum": 1},
        "label": {"description": "What stands there.", "type": ["string", "null"]},
    }
    keys: Schema = {
        "code": {"description": "What kind of problem it is.", "type": "string", "pattern": "^haz::[a-z]+::[a-z0-9]+$"},
        "severity": {"enum": ["error", "warning"]},
        "message": {"description": "One line.", "type": "string", "minLength": 1},
        "causes": {"description": "The nearest first.", "type": "array", "items": {"type": "string"}},
        "help": {"description": "What to do about it.", "type": ["string", "null"]},
        **place,
        "task": {"description": "project:task", "type": ["string", "null"]},
        "related": {"description": "Further places.", "type": "array", "items": _record("A place.", place)},
    }
    return {
        "$schema": DIALECT,
        "title": "Diagnostics of haz",
        "description": "Errors, then warnings. What is not known is null.",
        "type": "array",
        "items": _record("One problem.", keys),
    }


def _record(described: str, keys: Schema) -> Schema:
    return {
        "description": described,
        "type": "object",
        "properties": keys,
        "required": list(keys),
        "additionalProperties": False,
    }


KINDS = {"workspace": workspace, "project": project, "overlay": overlay, "diagnostics": diagnostics}


def document(kind: str) -> str:
    """Return the text of one of the published schemas."""
    return json.dumps(KINDS[kind](), indent=2) + "\n"


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in KINDS:
        sys.stderr.write(f"usage: python -m haz.config.schema {'|'.join(KINDS)}\n")
        return 2
    sys.stdout.write(document(arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
