"""`inputs: [{from: …}]`: the declared outputs of predecessors become inputs. Pure."""

from __future__ import annotations

from haz.model import Pattern
from haz.resolution import Resolver, Unresolved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.model import TaskId, TaskSpec, Workspace


def with_borrowed_inputs(workspace: Workspace) -> Workspace:
    """Add to the inputs of each task what it takes from others.

    Each predecessor is a group, so that what it excludes from its outputs is not taken from other inputs. References
    that name nothing, or the task itself, add nothing: the graph reports them.
    """
    if not any(spec.inputs_from for project in workspace.projects.values() for spec in project.tasks.values()):
        return workspace
    resolver = Resolver(workspace)
    projects = {}
    for name, project in workspace.projects.items():
        tasks = {
            task: spec.replace(inputs=spec.inputs + _borrowed(workspace, resolver, spec)) if spec.inputs_from else spec
            for task, spec in project.tasks.items()
        }
        projects[name] = project.replace(tasks=tasks)
    return workspace.replace(projects=projects)


def _borrowed(workspace: Workspace, resolver: Resolver, spec: TaskSpec) -> tuple[Pattern, ...]:
    lenders: set[TaskId] = set()
    for reference in spec.inputs_from:
        found = resolver.resolve(reference, spec.id.project)
        if not isinstance(found, Unresolved):
            lenders.update(found)
    patterns = []
    for group, lender in enumerate(sorted(lenders - {spec.id}), 1):
        outputs = workspace.projects[lender.project].tasks[lender.task].outputs
        patterns += [Pattern(p.anchored, p.anchored, p.literal, p.exclude, group) for p in outputs]
    return tuple(patterns)
