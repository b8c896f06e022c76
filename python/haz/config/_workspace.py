"""`.haz/workspace.yml` (spec 01 §4, D7)."""

from __future__ import annotations

from haz import _core
from haz.config import _shared, _values
from haz.config._nodes import Rule, boolean, choice, converted, describe, fields, pairs, refuse_duplicate, text, texts
from haz.config.declarations import PatternDeclaration, WorkspaceDeclaration
from haz.errors import PatternError
from haz.model import Remote, Settings
from haz.names import identifier_problem, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from haz._core import Node
    from haz.config._nodes import Fields, Source

KEYS = ("cache", "concurrency", "description", "env", "execution", "gitignore", "output", "projects", "remote")
CACHE_KEYS = ("clean", "compression", "dir", "hash", "max_age", "max_size", "paths")
CONCURRENCY_KEYS = ("default", "order", "tags")
EXECUTION_KEYS = ("cancel_grace", "retries", "timeout")
REMOTE_KEYS = ("cache", "execution", "instance", "url")

PROJECTS_HELP = (
    'list the directories of the projects, or patterns for them:\n  projects: [/core, "/apps/*", "!/apps/old"]\n'
    "a workspace without projects says `projects: []`"
)
HASH_HELP = "write `hash: blake3` (the default) or `hash: sha256`"
AGE_HELP = "numbers with the units s m h d w, each at most once, such as `30d` or `1w2d`"
SIZE_HELP = "a whole number with one of the units B KB MB GB TB KiB MiB GiB TiB, such as `2GiB`"
DEFAULT_HELP = "write `auto` (one task per CPU) or a number of tasks that may run at once, at least 1"
CAPS_HELP = "map tags of projects to how many of their tasks may run at once, such as `{gpu: 1}`"
GRACE_HELP = "a number of seconds, or a duration such as `500ms`; 0 kills at once"
REMOTE_HELP = (
    "write for example:\n  remote:\n    url: grpcs://cache.example.com:443\n    instance: main\n    cache: read-only"
)
SCHEMES = ("grpc://", "grpcs://")


def workspace(source: Source, root: Node) -> WorkspaceDeclaration | None:
    """Read the settings; None when nothing can be learned from the file."""
    found = fields(Rule(source, "cfg::yaml", "", PROJECTS_HELP), root, KEYS, "`workspace.yml`", nullable=("projects",))
    if found is None:
        return None
    values: dict[str, Any] = {"description": _shared.description(source, found, "")}
    projects = _projects(source, root, found)
    _cache(source, found, values)
    caps = _concurrency(source, found, values)
    if "output" in found:
        rule = Rule(source, "cfg::030", "output", "write `output: {mode: live}` or `output: {mode: buffered}`")
        output = fields(rule, found["output"][1], ("mode",), "`output`") or {}
        if "mode" in output:
            values["output_mode"] = choice(rule.key("mode"), output["mode"][1], ("live", "buffered"))
    timeout, retries = _execution(source, found, values)
    if "remote" in found:
        values["remote"] = _remote(source, found["remote"][1])
    env = _shared.environment(source, found, "")
    gitignore = _shared.switch(source, found, "", "gitignore", "cfg::043") or False
    settings = Settings(**{key: value for key, value in values.items() if value is not None})
    return WorkspaceDeclaration(settings, projects, source, env, timeout, retries, gitignore, caps)


def _projects(source: Source, root: Node, found: Fields) -> tuple[PatternDeclaration, ...]:
    """CFG-009, CFG-010, D2."""
    rule = Rule(source, "cfg::009", "projects", PROJECTS_HELP)
    if "projects" not in found:
        first = root.value[0][0] if root.kind == "mapping" and root.value else root
        rule.refuse("the workspace does not say which `projects` it has", first, label="`projects` is missing")
        return ()
    node = found["projects"][1]
    if node.kind not in ("sequence", "null"):
        rule.wrong_shape("a list", node)
        return ()
    rule = Rule(source, "cfg::010", "projects", PROJECTS_HELP)
    entries: dict[str, PatternDeclaration] = {}
    for index, written, item in texts(rule, node) or ():
        at = rule.item(index)
        exclude = written.startswith("!")
        body = written[1:] if exclude else written
        if not body.startswith("/"):
            at.refuse(
                f"{quoted(written)} must start with `/`, the workspace root",
                item,
                label=f"write `{'!' * exclude}/{body}`",
            )
            continue
        if written in entries:
            at.code = "dsc::019"
            refuse_duplicate(at, "project", written, item, entries[written].node)
            continue
        try:
            # `/` is no pattern, but a project may stand at the workspace root (D2).
            literal = body == "/" or not _core.check_pattern(body)
        except PatternError as error:
            at.refuse(f"{quoted(written)} is not a valid path pattern: {error.reason}", item)
            continue
        entries[written] = PatternDeclaration(body, literal, exclude, item)
    return tuple(entries.values())


def _cache(source: Source, found: Fields, values: dict[str, Any]) -> None:
    """CFG-027, CFG-034, CFG-035, D7."""
    if "cache" not in found:
        return
    rule = Rule(source, "cfg::027", "cache", HASH_HELP)
    cache = fields(rule, found["cache"][1], CACHE_KEYS, "`cache`") or {}
    if "hash" in cache:
        values["hash"] = choice(rule.key("hash"), cache["hash"][1], ("blake3", "sha256"))
    if "dir" in cache:
        at = Rule(
            source,
            "cfg::044",
            "cache.dir",
            "write a path such as `/.haz/cache`, where a leading `/` is the workspace root, or `~/.cache/haz`",
        )
        values["cache_dir"] = _cache_dir(at, cache["dir"][1])
    for key, choices in (("compression", ("none", "zstd")), ("paths", ("warn", "allow"))):
        if key in cache:
            at = Rule(source, "cfg::027", f"cache.{key}", f"write `{choices[0]}` or `{choices[1]}`")
            chosen = choice(at, cache[key][1], choices)
            if chosen is not None:
                values[f"cache_{key}"] = chosen
    _limits(source, cache, "cache", "cache_", values)
    if "clean" in cache:
        at = Rule(source, "cfg::034", "cache.clean", "write `clean: {max_age: 30d, max_size: 2GiB}`")
        clean = fields(at, cache["clean"][1], ("max_age", "max_size"), "`cache.clean`") or {}
        _limits(source, clean, "cache.clean", "clean_", values)


def _limits(source: Source, found: Fields, at: str, prefix: str, values: dict[str, Any]) -> None:
    if "max_age" in found:
        rule = Rule(source, "cfg::034", f"{at}.max_age", AGE_HELP)
        values[f"{prefix}max_age"] = converted(rule, found["max_age"][1], "an age", _values.age)
    if "max_size" in found:
        rule = Rule(source, "cfg::035", f"{at}.max_size", SIZE_HELP)
        node = found["max_size"][1]
        if prefix == "cache_" and node.value == "none":
            values["cache_max_size"] = None
        else:
            values[f"{prefix}max_size"] = converted(rule, node, "a size", _values.size)


def _cache_dir(rule: Rule, node: Node) -> str | None:
    path = text(rule, node)
    if path is None:
        return None
    if not path.strip("/") or "\0" in path or ".." in path.split("/"):
        rule.refuse(f"{describe(node)} is not a directory that can hold a cache", node)
        return None
    return path if path.startswith(("/", "~/")) else f"/{path}"


def _concurrency(source: Source, found: Fields, values: dict[str, Any]) -> tuple[tuple[str, Node], ...]:
    """CFG-028, CFG-029."""
    if "concurrency" not in found:
        return ()
    rule = Rule(source, "cfg::028", "concurrency", "write for example `concurrency: {default: auto, tags: {gpu: 1}}`")
    given = fields(rule, found["concurrency"][1], CONCURRENCY_KEYS, "`concurrency`") or {}
    if "default" in given:
        node = given["default"][1]
        if not (node.kind == "scalar" and node.value == "auto"):
            at = Rule(source, "cfg::028", "concurrency.default", DEFAULT_HELP)
            values["concurrency"] = converted(at, node, "`auto` or a number", _count)
    if "order" in given:
        at = Rule(source, "cfg::045", "concurrency.order", "which ready task starts first; the default is `canonical`")
        values["order"] = choice(at, given["order"][1], ("canonical", "critical-path"))
    if "tags" not in given:
        return ()
    caps: dict[str, int] = {}
    keys: list[tuple[str, Node]] = []
    rule = Rule(source, "cfg::029", "concurrency.tags", CAPS_HELP)
    for tag, key, value in pairs(rule, given["tags"][1]) or ():
        wrong = identifier_problem(tag)
        if wrong is not None:
            rule.refuse(f"{quoted(tag)} is not a valid tag: {wrong}", key)
            continue
        cap = converted(rule.key(tag), value, "a number of tasks", _count)
        if cap is not None:
            caps[tag] = cap
            keys.append((tag, key))
    values["tag_caps"] = caps
    return tuple(keys)


def _count(written: str) -> int:
    value = _values.integer(written)
    if not 1 <= value <= _values.MAX_U64:
        raise ValueError("it must be at least 1" if value < 1 else "it is too large")
    return value


def _grace(written: str) -> float:
    value = _values.seconds(written)
    if value < 0:
        raise ValueError("it must not be negative")
    if value >= 2**64:
        raise ValueError("it is too large")
    return value


def _execution(source: Source, found: Fields, values: dict[str, Any]) -> tuple[Any, Any]:
    """CFG-031, spec 03 §13.2."""
    if "execution" not in found:
        return None, None
    rule = Rule(source, "cfg::031", "execution", "write for example `execution: {cancel_grace: 5, timeout: 10m}`")
    given = fields(rule, found["execution"][1], EXECUTION_KEYS, "`execution`") or {}
    if "cancel_grace" in given:
        at = Rule(source, "cfg::031", "execution.cancel_grace", GRACE_HELP)
        values["cancel_grace"] = converted(at, given["cancel_grace"][1], "a duration", _grace)
    timeout = _shared.timeout(source, given, "execution")
    retries = _shared.retries(source, given, "execution")
    return None if timeout is None else timeout.value, None if retries is None else retries.value


def _remote(source: Source, node: Node) -> Remote | None:
    rule = Rule(source, "cfg::047", "remote", REMOTE_HELP)
    found = fields(rule, node, REMOTE_KEYS, "`remote`")
    if found is None:
        return None
    if "url" not in found:
        rule.refuse("`remote` needs a `url`", node)
        return None
    url = text(rule.key("url"), found["url"][1])
    if url is not None and not (url.startswith(SCHEMES) and len(url.partition("://")[2].strip("/")) > 0):
        rule.key("url").refuse(f"`{url}` is not a URL that starts with grpc:// or grpcs://", found["url"][1])
        url = None
    defaults = Remote("")
    instance = text(rule.key("instance"), found["instance"][1]) if "instance" in found else defaults.instance
    mode = defaults.cache
    if "cache" in found:
        chosen = choice(rule.key("cache"), found["cache"][1], ("read-write", "read-only", "off"))
        mode = chosen or mode  # type: ignore[assignment]
    execution = boolean(rule.key("execution"), found["execution"][1]) if "execution" in found else defaults.execution
    if url is None or instance is None:
        return None
    return Remote(url, instance, mode, execution or False)
