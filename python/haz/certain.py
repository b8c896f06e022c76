"""What of a workspace with errors can be judged all the same: nothing is blamed for what failed to load elsewhere."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.model import Reference, TaskSpec, Workspace
    from haz.workspace import Gaps

OVERLAYS = "/.haz/tasks/"


def certain(workspace: Workspace, gaps: Gaps) -> Workspace:
    """Blunt whatever could be right once the missing files are there.

    A reference that may name something missing becomes optional. A body that another one may replace loses its edges
    and patterns, but stays a task. What is then wrong with the graph is wrong whatever the missing parts say.
    """
    if not gaps.any:
        return workspace
    projects = {}
    for name, project in workspace.projects.items():
        tasks = {}
        for task, spec in project.tasks.items():
            replaceable = (gaps.overlays or name in gaps.partial) and _from_overlay(spec, workspace.root)
            tasks[task] = _blunted(spec) if replaceable else _trusted(spec, workspace, gaps)
        projects[name] = project.replace(tasks=tasks)
    return workspace.replace(projects=projects)


def _from_overlay(spec: TaskSpec, root: str) -> bool:
    return spec.origin is not None and spec.origin.file.startswith(root.rstrip("/") + OVERLAYS)


def _blunted(spec: TaskSpec) -> TaskSpec:
    return spec.replace(inputs=(), outputs=(), deps=(), weak_deps=(), inputs_from=())


def _trusted(spec: TaskSpec, workspace: Workspace, gaps: Gaps) -> TaskSpec:
    def softened(references: tuple[Reference, ...]) -> tuple[Reference, ...]:
        return tuple(
            reference.replace(optional=True) if _doubtful(reference, spec.id.project, workspace, gaps) else reference
            for reference in references
        )

    return spec.replace(
        deps=softened(spec.deps), weak_deps=softened(spec.weak_deps), inputs_from=softened(spec.inputs_from)
    )


def _doubtful(reference: Reference, owner: str, workspace: Workspace, gaps: Gaps) -> bool:
    home = owner if reference.kind == "bearing" else reference.name if reference.kind == "project" else None
    if home is None:
        return True
    if home not in workspace.projects:
        return gaps.projects
    return gaps.overlays or home in gaps.partial
