"""One task body (spec 01 §5.2-5.7, D7), as it stands in `haz.yml` or in an overlay."""

from __future__ import annotations

from haz import references
from haz.config import _shared, _values
from haz.config._nodes import Rule, boolean, choice, converted, fields, pairs, refuse_duplicate, text, texts
from haz.config.declarations import TaskDeclaration, ToolDeclaration
from haz.model import Command, Ready, Shell
from haz.names import MAX_SHELL, identifier_problem, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz._core import Node
    from haz.config._nodes import Fields, Source
    from haz.config.declarations import PatternDeclaration
    from haz.model import MutexMode, Reference

KEYS = (
    "cache",
    "command",
    "deps",
    "description",
    "env",
    "gitignore",
    "inputs",
    "mutex",
    "outputs",
    "persistent",
    "ready",
    "retries",
    "shell",
    "shell_type",
    "timeout",
    "tools",
    "weakDeps",
)
READY_KEYS = ("command", "line", "port", "timeout")
TOOL_KEYS = ("command", "file", "memo")
OUTPUTS_KEYS = ("clean", "paths")
INPUT_KEYS = ("from", "lock")
LOCKS = ("cargo", "npm", "uv")

NAME_HELP = "a name has 1 to 64 letters A-Z a-z, digits, `-` or `_`, and starts with a letter or digit"
ACTION_HELP = (
    'give a program with its arguments:\n  command: ["make", "all"]\nor a script for a shell:\n  shell: "make all"'
)
SHELL_HELP = f"{ACTION_HELP}\n`shell_type` names the shell (default `sh`); it stands beside `shell` only"
PATTERNS_HELP = 'write a list of paths, such as `["src/**/*.c", /common.mk, "!src/gen/**"]`; `/` is the workspace root'
INPUTS_HELP = (
    f'{PATTERNS_HELP};\n`{{from: "lib:build"}}` lists the outputs of a task, and makes it a dependency;\n'
    "`{lock: uv}` is what the project resolves to in the lock file of uv, npm or cargo"
)
OUTPUTS_HELP = f'{PATTERNS_HELP};\nor a mapping, such as `{{paths: ["gen/**"], clean: false}}`'
REFERENCES_HELP = (
    "a reference is `~:task` (this project), `project:task`, `^:task` (every project), `^~:task` (every other),\n"
    "`[tag]:task` or `[tag]~:task`; a trailing `?` allows that nothing is found"
)
MUTEX_HELP = "write a name such as `mutex: db` (`~:db` for this project only), or `mutex: {name: db, mode: shared}`"
TOOLS_HELP = "list programs, commands or files: `[rustc, {command: [cc, -v]}, {file: /rust-toolchain.toml}]`"
READY_HELP = "say when the task is ready: `{line: TEXT}`, `{port: 8080}` or `{command: [curl, -f, URL]}`"


def tasks(source: Source, rule: Rule, node: Node, owner: str | None) -> dict[str, TaskDeclaration]:
    """Read a `tasks:` mapping. CFG-006, CFG-015, CFG-025."""
    found: dict[str, TaskDeclaration] = {}
    for name, key, body in pairs(rule, node) or ():
        wrong = identifier_problem(name)
        if wrong is not None:
            naming = Rule(source, "cfg::006", rule.key(name).at, NAME_HELP)
            naming.refuse(f"{quoted(name)} is not a valid task name: {wrong}", key)
            continue
        source.task = f"{owner}:{name}" if owner is not None else None
        found[name] = task(source, rule.key(name), name, key, body)
        source.task = None
    return found


def task(source: Source, rule: Rule, name: str, key: Node, body: Node) -> TaskDeclaration:
    """Read one body. It is a declaration even where parts are wrong, so that references to it still mean something."""
    at = rule.at
    found = fields(rule, body, KEYS, "a task", nullable=("timeout", "retries")) or {}
    # Whoever wrote no mapping at all was told so; that it has no action is no second problem.
    action = (
        _action(source, at, found, key if body.kind == "null" else body) if body.kind in ("mapping", "null") else None
    )
    persistent = _shared.switch(source, found, at, "persistent", "cfg::042") or False
    cache = _shared.switch(source, found, at, "cache", "cfg::036")
    ready = _ready(source, f"{at}.ready", found["ready"][1]) if "ready" in found else None
    if ready is not None and not persistent:
        late = Rule(source, "cfg::042", f"{at}.ready", "add `persistent: true`, or remove `ready`")
        late.refuse("`ready` is for persistent tasks only", found["ready"][0])
    outputs, clean = _outputs(source, found, at)
    inputs, locks, inputs_from = _inputs(source, found, at)
    return TaskDeclaration(
        name,
        source,
        key,
        action,
        inputs,
        outputs,
        _references(source, found, at, "deps"),
        _references(source, found, at, "weakDeps"),
        _mutex(source, f"{at}.mutex", found["mutex"][1]) if "mutex" in found else None,
        _shared.environment(source, found, at),
        not persistent if cache is None else cache,
        clean,
        _shared.switch(source, found, at, "gitignore", "cfg::043"),
        _shared.timeout(source, found, at),
        _shared.retries(source, found, at),
        _tools(source, f"{at}.tools", found["tools"][1]) if "tools" in found else (),
        persistent,
        ready,
        _shared.description(source, found, at),
        source.origin(key),
        locks,
        inputs_from,
    )


def _action(source: Source, at: str, found: Fields, body: Node) -> Command | Shell | None:
    """CFG-020..022."""
    if "command" in found and "shell" in found:
        rule = Rule(source, "cfg::020", at, ACTION_HELP)
        first, second = sorted((found["command"][0], found["shell"][0]), key=lambda node: (node.line, node.column))
        rule.refuse(
            "a task has either `command` or `shell`, not both",
            second,
            label="the second action",
            related=(source.span(first, "the first action"),),
        )
        return None
    if "command" in found:
        if "shell_type" in found:
            rule = Rule(source, "cfg::022", f"{at}.shell_type", SHELL_HELP)
            rule.refuse("`shell_type` is given without `shell`", found["shell_type"][0])
        rule = Rule(source, "cfg::021", f"{at}.command", ACTION_HELP)
        argv = _shared.words(rule, found["command"][1], "the command")
        return None if argv is None else Command(argv)
    if "shell" in found:
        rule = Rule(source, "cfg::022", f"{at}.shell", SHELL_HELP)
        script = text(rule, found["shell"][1])
        if script is not None and "\0" in script:
            rule.refuse("a script cannot contain a NUL character", found["shell"][1])
            script = None
        shell: str | None = "sh"
        if "shell_type" in found:
            rule = Rule(source, "cfg::022", f"{at}.shell_type", "any program name works: sh, bash, zsh, fish, nu, …")
            shell = text(rule, found["shell_type"][1])
            wrong = None if shell is None else identifier_problem(shell, MAX_SHELL)
            if wrong is not None:
                rule.refuse(f"{quoted(shell or '')} is not a valid shell name: {wrong}", found["shell_type"][1])
                shell = None
        return None if script is None or shell is None else Shell(shell, script)
    Rule(source, "cfg::020", at, ACTION_HELP).refuse("a task needs an action: `command` or `shell`", body)
    return None


def _inputs(
    source: Source, found: Fields, at: str
) -> tuple[tuple[PatternDeclaration, ...], tuple[str, ...], tuple[Reference, ...]]:
    """Read patterns, and mappings of one key that stand for something else: lock files, outputs of tasks. CFG-016."""
    locks: dict[str, Node] = {}
    good: dict[str, tuple[Reference, Node]] = {}

    def other(rule: Rule, item: Node) -> bool:
        if item.kind != "mapping":
            return False
        rule.help = INPUTS_HELP
        given = fields(rule, item, INPUT_KEYS, "an input")
        if given is None:
            return True
        if len(given) > 1:
            rule.refuse("an input that is a mapping has exactly one key", item)
        elif "from" in given:
            written = text(rule.key("from"), given["from"][1])
            if written is not None:
                _reference(source, rule.key("from"), written, given["from"][1], good)
        elif "lock" in given:
            kind = choice(rule.key("lock"), given["lock"][1], LOCKS)
            if kind in locks:
                refuse_duplicate(rule, "lock", kind, item, locks[kind])
            elif kind is not None and kind in LOCKS:
                locks[kind] = item
        elif not item.value:
            rule.refuse("the mapping is empty", item)
        return True

    if "inputs" not in found:
        return (), (), ()
    rule = Rule(source, "cfg::016", f"{at}.inputs", INPUTS_HELP)
    patterns = _shared.patterns(rule, found["inputs"][1], "input", other)
    return patterns, tuple(sorted(locks)), tuple(reference for reference, _ in good.values())


def _patterns(source: Source, found: Fields, at: str, key: str, code: str) -> tuple[PatternDeclaration, ...]:
    if key not in found:
        return ()
    return _shared.patterns(Rule(source, code, f"{at}.{key}", PATTERNS_HELP), found[key][1], "output")


def _outputs(source: Source, found: Fields, at: str) -> tuple[tuple[PatternDeclaration, ...], bool]:
    """Read a list of patterns, or `{paths, clean}`. CFG-017, O9."""
    if "outputs" not in found or found["outputs"][1].kind != "mapping":
        if "outputs" not in found:
            return (), True
        rule = Rule(source, "cfg::017", f"{at}.outputs", PATTERNS_HELP)
        return _shared.patterns(rule, found["outputs"][1], "output"), True
    rule = Rule(source, "cfg::017", f"{at}.outputs", OUTPUTS_HELP)
    given = fields(rule, found["outputs"][1], OUTPUTS_KEYS, "`outputs`") or {}
    paths = given["paths"][1] if "paths" in given else None
    clean = _shared.switch(source, given, f"{at}.outputs", "clean", "cfg::017")
    patterns = () if paths is None else _shared.patterns(rule.key("paths"), paths, "output")
    return patterns, clean is not False


def _references(source: Source, found: Fields, at: str, key: str) -> tuple[Reference, ...]:
    """CFG-018."""
    if key not in found:
        return ()
    rule = Rule(source, "cfg::018", f"{at}.{key}", REFERENCES_HELP)
    good: dict[str, tuple[Reference, Node]] = {}
    for index, written, node in texts(rule, found[key][1]) or ():
        _reference(source, rule.item(index), written, node, good)
    return tuple(reference for reference, _ in good.values())


def _reference(source: Source, rule: Rule, written: str, node: Node, good: dict[str, tuple[Reference, Node]]) -> None:
    if written in good:
        refuse_duplicate(rule, "reference", written, node, good[written][1])
        return
    try:
        good[written] = references.parse(written, source.origin(node)), node
    except references.ReferenceSyntaxError as error:
        rule.help = REFERENCES_HELP if error.hint is None else f"{error.hint}\n{REFERENCES_HELP}"
        rule.refuse(str(error), node)


def _mutex(source: Source, at: str, node: Node) -> tuple[str, MutexMode, bool] | None:
    """CFG-019, MUTEX-001, MUTEX-002."""
    rule = Rule(source, "cfg::019", at, MUTEX_HELP)
    mode: MutexMode = "exclusive"
    if node.kind == "scalar":
        named = node
    elif node.kind == "mapping":
        found = fields(rule, node, ("mode", "name"), "`mutex`")
        missing = [key for key in ("name", "mode") if found is None or key not in found]
        if found is None or missing:
            rule.refuse(f"`mutex` as a mapping needs {' and '.join(f'`{key}`' for key in missing)}", node)
            return None
        chosen = choice(rule.key("mode"), found["mode"][1], ("exclusive", "shared"))
        mode = "shared" if chosen == "shared" else "exclusive"
        named = found["name"][1]
        rule = rule.key("name")
    else:
        rule.wrong_shape("a name or a mapping", node)
        return None
    written = text(rule, named)
    if written is None:
        return None
    name = written.removeprefix("~:")
    wrong = identifier_problem(name)
    if wrong is not None:
        rule.refuse(f"{quoted(written)} is not a valid mutex name: {wrong}", named)
        return None
    return name, mode, name != written


def _tools(source: Source, at: str, node: Node) -> tuple[ToolDeclaration, ...]:
    """D7."""
    rule = Rule(source, "cfg::040", at, TOOLS_HELP)
    if node.kind != "sequence":
        rule.wrong_shape("a list", node)
        return ()
    tools = [_tool(rule.item(index), item) for index, item in enumerate(node.value)]
    return tuple(dict.fromkeys(tool for tool in tools if tool is not None))


def _tool(rule: Rule, node: Node) -> ToolDeclaration | None:
    if node.kind == "scalar":
        if not node.value or "\0" in node.value:
            rule.refuse("the name of the program is empty or contains a NUL character", node)
            return None
        return ToolDeclaration((node.value, "--version"), None)
    if node.kind != "mapping":
        rule.wrong_shape("a program name or a mapping", node)
        return None
    before = len(rule.source.diagnostics)
    found = fields(rule, node, TOOL_KEYS, "a tool")
    if found is None or len(rule.source.diagnostics) > before:
        return None
    memo = boolean(rule.key("memo"), found["memo"][1]) if "memo" in found else False
    if ("command" in found) == ("file" in found):
        rule.refuse("a tool has either `command` or `file`", node)
        return None
    if "command" in found:
        argv = _shared.words(rule.key("command"), found["command"][1], "the command")
        return None if argv is None else ToolDeclaration(argv, None, memo or False)
    if "memo" in found:
        rule.key("memo").refuse("`memo` is for commands: the content of a file is looked at anyway", found["memo"][0])
        return None
    path = _shared.literal_path(rule.key("file"), found["file"][1])
    return None if path is None else ToolDeclaration(None, path)


def _ready(source: Source, at: str, node: Node) -> Ready | None:
    """D7."""
    rule = Rule(source, "cfg::042", at, READY_HELP)
    found = fields(rule, node, READY_KEYS, "`ready`")
    if found is None:
        return None
    signs = [key for key in ("line", "port", "command") if key in found]
    if len(signs) != 1:
        rule.refuse("`ready` has exactly one of `line`, `port` and `command`", node)
        return None
    limit: float | None = Ready().timeout
    if "timeout" in found:
        limit = converted(rule.key("timeout"), found["timeout"][1], "a duration", _shared.positive)
    sign = signs[0]
    value, item = found[sign][1], rule.key(sign)
    line = port = command = None
    if sign == "line":
        line = converted(item, value, "a regular expression", _expression)
    elif sign == "port":
        port = converted(item, value, "a port", _port)
    else:
        command = _shared.words(item, value, "the command")
    if limit is None or (line is None and port is None and command is None):
        return None
    return Ready(line, port, command, limit)


def _expression(written: str) -> str:
    import re  # noqa: PLC0415 - rare, and costs 9 ms

    if not written:
        raise ValueError("it is empty")
    try:
        re.compile(written)
    except re.error as error:
        raise ValueError(str(error)) from None
    return written


def _port(written: str) -> int:
    value = _values.integer(written)
    if not 1 <= value <= 65535:
        raise ValueError("it must be 1 to 65535")
    return value
