"""`haz.yml` (spec 01 §5.1)."""

from __future__ import annotations

from haz.config import _shared, _task
from haz.config._nodes import Rule, fields, text, unique_names
from haz.config.declarations import ProjectDeclaration
from haz.names import identifier_problem, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz._core import Node
    from haz.config._nodes import Fields, Source

KEYS = ("description", "env", "name", "tags", "tasks")
NAME_HELP = f"a project needs a name, such as `name: lib`; {_task.NAME_HELP}"
TAGS_HELP = f"write a list such as `tags: [rust, ci]`; {_task.NAME_HELP}"
TASKS_HELP = 'write a mapping of names to tasks:\n  tasks:\n    build:\n      command: ["make"]'


def project(source: Source, root: Node) -> ProjectDeclaration | None:
    """Read a project; None when it has no valid name, for then nothing can refer to it."""
    found = fields(Rule(source, "cfg::yaml", "", TASKS_HELP), root, KEYS, "`haz.yml`")
    if found is None:
        return None
    name = _name(source, root, found)
    tags: tuple[str, ...] = ()
    if "tags" in found:
        listed = unique_names(Rule(source, "cfg::014", "tags", TAGS_HELP), found["tags"][1], "tag", identifier_problem)
        tags = tuple(tag for tag, _ in listed or ())
    described = _shared.description(source, found, "")
    env = _shared.environment(source, found, "")
    tasks = {}
    if "tasks" in found:
        tasks = _task.tasks(source, Rule(source, "cfg::015", "tasks", TASKS_HELP), found["tasks"][1], name)
    if name is None:
        return None
    key = found["name"][1]
    return ProjectDeclaration(name, source, key, tags, described, env, tasks, source.origin(key))


def _name(source: Source, root: Node, found: Fields) -> str | None:
    rule = Rule(source, "cfg::013", "name", NAME_HELP)
    if "name" not in found:
        rule.refuse("the project has no `name`", root, label="`name` is missing")
        return None
    node = found["name"][1]
    name = text(rule, node)
    wrong = None if name is None else identifier_problem(name)
    if wrong is not None:
        rule.refuse(f"{quoted(name or '')} is not a valid project name: {wrong}", node)
        return None
    return name
