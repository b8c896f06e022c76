"""`.haz/tasks/*.yml` (spec 01 §6)."""

from __future__ import annotations

from haz.config import _task, _values
from haz.config._nodes import Rule, converted, fields, unique_names
from haz.config.declarations import OverlayDeclaration
from haz.names import identifier_problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz._core import Node
    from haz.config._nodes import Source

KEYS = ("priority", "tagsFilter", "tasks")
TASKS_HELP = 'an overlay MUST contain a top-level `tasks` key:\n  tasks:\n    lint:\n      command: ["make", "lint"]'
FILTER_HELP = "list the tags that a project must all carry, such as `[rust, ci]`; leave it out to mean every project"
PRIORITY_HELP = "write a whole number; where two overlays define one task, the higher priority wins (default 0)"


def overlay(source: Source, root: Node, name: str) -> OverlayDeclaration | None:
    """CFG-023..026, O13."""
    found = fields(Rule(source, "cfg::yaml", "", TASKS_HELP), root, KEYS, "an overlay", nullable=("tasks",))
    if found is None:
        return None
    tags: tuple[str, ...] = ()
    if "tagsFilter" in found:
        tags = _filter(Rule(source, "cfg::024", "tagsFilter", FILTER_HELP), found["tagsFilter"][1])
    priority = 0
    if "priority" in found:
        rule = Rule(source, "cfg::048", "priority", PRIORITY_HELP)
        priority = converted(rule, found["priority"][1], "a whole number", _values.integer) or 0
    rule = Rule(source, "cfg::025", "tasks", TASKS_HELP)
    if "tasks" not in found:
        first = root.value[0][0] if root.kind == "mapping" and root.value else root
        rule.refuse("the overlay has no `tasks`", first, label="`tasks` is missing")
        return None
    tasks = _task.tasks(source, rule, found["tasks"][1], None)
    node = found["tagsFilter"][1] if "tagsFilter" in found else None
    return OverlayDeclaration(name, source, tags, node, priority, tasks)


def _filter(rule: Rule, node: Node) -> tuple[str, ...]:
    if node.kind == "sequence" and not node.value:
        rule.refuse("the list is empty", node)
        return ()
    return tuple(tag for tag, _ in unique_names(rule, node, "tag", identifier_problem) or ())
