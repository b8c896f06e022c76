"""Readers that more than one kind of file needs: `env`, timeouts, retries, patterns, descriptions."""

from __future__ import annotations

from haz import _core
from haz.config import _values
from haz.config._nodes import (
    Rule,
    boolean,
    choice,
    converted,
    fields,
    pairs,
    refuse_duplicate,
    text,
    texts,
    unique_names,
)
from haz.config.declarations import EnvironmentDeclaration, GivenRetries, GivenTimeout, PatternDeclaration
from haz.errors import PatternError
from haz.model import Retries
from haz.names import quoted, variable_problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from haz._core import Node
    from haz.config._nodes import Fields, Source

ENV_KEYS = ("from_host", "override", "pass", "secret")
RETRY_KEYS = ("cache", "delay", "exit_codes", "factor", "jitter", "max", "max_delay", "on")
EMPTY_ENV = EnvironmentDeclaration()

ENV_HELP = "write for example:\n  env:\n    from_host: [CI]\n    override: {RUST_LOG: info}\n    pass: [PATH, HOME]"
NAMES_HELP = "a list of variable names, such as `[PATH, HOME]`; patterns such as `CI_*` are not supported"
TIMEOUT_HELP = "a number of seconds, or durations such as `250ms`, `90s`, `5m`, `2h`; `none` for no limit"
RETRIES_HELP = "write the number of extra attempts, such as `retries: 2`, or a mapping such as `{max: 2, delay: 1s}`"


def description(source: Source, found: Fields, at: str) -> str | None:
    if "description" not in found:
        return None
    rule = Rule(source, "cfg::041", f"{at}.description" if at else "description", "a description is one string")
    return text(rule, found["description"][1])


def switch(source: Source, found: Fields, at: str, key: str, code: str) -> bool | None:
    if key not in found:
        return None
    rule = Rule(source, code, f"{at}.{key}" if at else key, f"write `{key}: true` or `{key}: false`, without quotes")
    return boolean(rule, found[key][1])


def environment(source: Source, found: Fields, at: str) -> EnvironmentDeclaration:
    """Read `env:`. CFG-032, CFG-033, D7."""
    if "env" not in found:
        return EMPTY_ENV
    path = f"{at}.env" if at else "env"
    rule = Rule(source, "cfg::032", path, ENV_HELP)
    given = fields(rule, found["env"][1], ENV_KEYS, "`env`")
    if not given:
        return EMPTY_ENV
    from_host: tuple[str, ...] = ()
    passed: tuple[str, ...] | None = None
    if "from_host" in given:
        from_host = _variables(Rule(source, "cfg::032", f"{path}.from_host", NAMES_HELP), given["from_host"][1]) or ()
    if "pass" in given:
        passed = _variables(Rule(source, "cfg::039", f"{path}.pass", NAMES_HELP), given["pass"][1])
    secret: tuple[str, ...] = ()
    if "secret" in given:
        secret = _variables(Rule(source, "cfg::032", f"{path}.secret", NAMES_HELP), given["secret"][1]) or ()
    override = _override(source, f"{path}.override", given["override"][1]) if "override" in given else ()
    return EnvironmentDeclaration(from_host, override, passed, secret)


def _variables(rule: Rule, node: Node) -> tuple[str, ...] | None:
    names = unique_names(rule, node, "variable name", variable_problem)
    return None if names is None else tuple(name for name, _ in names)


def _override(source: Source, at: str, node: Node) -> tuple[tuple[str, str], ...]:
    rule = Rule(source, "cfg::033", at, "write a mapping of names to strings, such as `{RUST_LOG: info}`")
    values: list[tuple[str, str]] = []
    for name, key, value in pairs(rule, node) or ():
        wrong = variable_problem(name)
        if wrong is not None:
            rule.refuse(f"{quoted(name)} is not a valid variable name: {wrong}", key)
            continue
        given = text(rule.key(name), value)
        if given is None:
            continue
        if "\0" in given:
            rule.key(name).refuse("a value cannot contain a NUL character", value)
        else:
            values.append((name, given))
    return tuple(sorted(values))


def positive(written: str) -> float:
    value = _values.seconds(written)
    if value <= 0:
        raise ValueError("it must be more than zero")
    return value


def _delay(written: str) -> float:
    value = _values.seconds(written)
    if value < 0:
        raise ValueError("it must not be negative")
    return value


def _is_off(node: Node) -> bool:
    return node.kind == "null" or (node.kind == "scalar" and node.value == "none")


def timeout(source: Source, found: Fields, at: str) -> GivenTimeout | None:
    """Read `timeout:` (spec 03 §13.2)."""
    if "timeout" not in found:
        return None
    node = found["timeout"][1]
    if _is_off(node):
        return GivenTimeout(None)
    value = converted(Rule(source, "cfg::037", f"{at}.timeout", TIMEOUT_HELP), node, "a duration", positive)
    return GivenTimeout(value)


def retries(source: Source, found: Fields, at: str) -> GivenRetries | None:
    """Read `retries:` (spec 03 §13.2)."""
    if "retries" not in found:
        return None
    node = found["retries"][1]
    rule = Rule(source, "cfg::038", f"{at}.retries", RETRIES_HELP)
    if _is_off(node):
        return GivenRetries(None)
    if node.kind == "scalar":
        extra = converted(rule, node, "a number of extra attempts", _attempts)
        return GivenRetries(Retries(max=extra) if extra else None)
    return GivenRetries(_retries_mapping(rule, node))


def _attempts(written: str) -> int:
    value = _values.integer(written)
    if not 0 <= value <= 100:
        raise ValueError("it must be 0 to 100")
    return value


def _factor(written: str) -> float:
    value = _values.number(written)
    if value < 1:
        raise ValueError("it must be at least 1")
    return value


def _exit_code(written: str) -> int:
    value = _values.integer(written)
    if not 1 <= value <= 255:
        raise ValueError("it must be 1 to 255")
    return value


def _retries_mapping(rule: Rule, node: Node) -> Retries | None:
    found = fields(rule, node, RETRY_KEYS, "`retries`")
    if found is None:
        return None
    if "max" not in found:
        rule.refuse("`max`, the number of extra attempts, is missing", node)
        return None
    values = Retries()
    extra = converted(rule.key("max"), found["max"][1], "a number of extra attempts", _attempts)
    delay = _field(rule, found, "delay", "a duration", _delay, values.delay)
    factor = _field(rule, found, "factor", "a factor", _factor, values.factor)
    max_delay = _field(rule, found, "max_delay", "a duration", _delay, values.max_delay)
    if delay > max_delay:
        key = "delay" if "delay" in found else "max_delay"
        rule.key(key).refuse(f"`delay` ({delay:g}s) is more than `max_delay` ({max_delay:g}s)", found[key][1])
    jitter = values.jitter
    if "jitter" in found:
        chosen = choice(rule.key("jitter"), found["jitter"][1], ("none", "full", "equal"))
        jitter = chosen or jitter  # type: ignore[assignment]
    on = values.on
    if "on" in found:
        on = _retry_on(rule.key("on"), found["on"][1])
    codes = values.exit_codes
    if "exit_codes" in found:
        codes = _exit_codes(rule.key("exit_codes"), found["exit_codes"][1])
    cache = switch(rule.source, found, rule.at, "cache", "cfg::038")
    if not extra:
        return None
    return Retries(extra, delay, factor, max_delay, jitter, on, codes, bool(cache))


def _field(rule: Rule, found: Fields, key: str, what: str, convert: Callable[[str], float], default: float) -> float:
    if key not in found:
        return default
    value = converted(rule.key(key), found[key][1], what, convert)
    return default if value is None else value


def _retry_on(rule: Rule, node: Node) -> tuple[str, ...]:
    def problem(name: str) -> str | None:
        return None if name in ("failure", "timeout") else "expected `failure` or `timeout`"

    names = unique_names(rule, node, "reason to retry", problem)
    if names == [] and not node.value:
        rule.refuse("the list is empty", node)
    return tuple(name for name, _ in names or ())


def _exit_codes(rule: Rule, node: Node) -> tuple[int, ...] | None:
    written = texts(rule, node)
    if written is None:
        return None
    if not written and not node.value:
        rule.refuse("the list is empty", node)
    codes = [converted(rule.item(index), item, "an exit code", _exit_code) for index, _, item in written]
    return tuple(dict.fromkeys(code for code in codes if code is not None))


def patterns(
    rule: Rule, node: Node, what: str, other: Callable[[Rule, Node], bool] | None = None
) -> tuple[PatternDeclaration, ...]:
    """Read a list of path patterns (spec 01 §9, D11); an element that is no string is for `other`, if it takes it."""
    found: dict[tuple[str, bool], PatternDeclaration] = {}
    for index, written, item in texts(rule, node, other) or ():
        exclude = written.startswith("!")
        body = written[1:] if exclude else written
        try:
            literal = not _core.check_pattern(body)
        except PatternError as error:
            rule.item(index).refuse(f"{quoted(written)} is not a valid path pattern: {error.reason}", item)
            continue
        if (body, exclude) in found:
            refuse_duplicate(rule.item(index), what, written, item, found[body, exclude].node)
            continue
        found[body, exclude] = PatternDeclaration(body, literal, exclude, item)
        if what == "output" and not exclude:
            _warn_about_output(rule.item(index), body, item)
    return tuple(found.values())


def _warn_about_output(rule: Rule, written: str, node: Node) -> None:
    """O20."""
    segments = written.split("/")
    if ".git" in segments or ".haz" in segments:
        message = f"the output `{written}` lies in a directory that tasks should not write to; it is never restored"
    elif segments[-1] == "haz.yml":
        message = f"the output `{written}` is a configuration file: what runs would depend on what ran"
    else:
        return
    rule.source.report("cfg::049", message, node, at=rule.at, severity="warning")


def words(rule: Rule, node: Node, what: str) -> tuple[str, ...] | None:
    """Read an argument vector: a program and its arguments. CFG-021, O30."""
    found = texts(rule, node)
    if found is None:
        return None
    if not node.value:
        rule.refuse(f"{what} is empty; it needs at least the program", node)
        return None
    if len(found) < len(node.value):
        return None
    if not found[0][1]:
        rule.item(0).refuse("the program is an empty string", found[0][2])
        return None
    for index, word, item in found:
        if "\0" in word:
            rule.item(index).refuse("an argument cannot contain a NUL character", item)
            return None
    return tuple(word for _, word, _ in found)


def literal_path(rule: Rule, node: Node) -> str | None:
    """Read a path that is no pattern, anchored at the project, or with a leading `/` at the workspace."""
    written = text(rule, node)
    if written is None:
        return None
    try:
        if _core.check_pattern(written):
            rule.refuse(f"`{written}` must be a plain path, not a pattern", node)
            return None
    except PatternError as error:
        rule.refuse(f"{quoted(written)} is not a valid path: {error.reason}", node)
        return None
    return written
