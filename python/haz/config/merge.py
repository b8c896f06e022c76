"""Which body a task of a project has when overlays define it too (spec 01 §10.2, O13). Pure."""

from __future__ import annotations

from haz.diagnostics import Diagnostic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haz.config.declarations import OverlayDeclaration, ProjectDeclaration, TaskDeclaration

HELP = (
    "give one of them a higher `priority:`, make its `tagsFilter` a superset of the others',\n"
    "or define the task in the project's own `haz.yml`"
)


def effective(
    projects: list[ProjectDeclaration],
    overlays: list[OverlayDeclaration],
    *,
    whole: bool = True,
    unsettled: frozenset[str] = frozenset(),
) -> tuple[list[dict[str, TaskDeclaration]], list[Diagnostic]]:
    """Return the effective tasks of each project, and every collision. DAG-001..006.

    Where two overlays collide the first by name stands in, so that the graph can still be checked. Of the `unsettled`
    projects no collision is told, since bodies may be missing; unless all projects are here (`whole`), only those of
    overlays with equal filters are, since others may differ in the projects that they match.
    """
    tags = [frozenset(project.tags) for project in projects]
    filters = [frozenset(overlay.tags_filter) for overlay in overlays]
    matches = [frozenset(i for i, owned in enumerate(tags) if wanted <= owned) for wanted in filters]
    collisions: list[Diagnostic] = []
    effective_tasks = []
    for index, project in enumerate(projects):
        tasks = dict(project.tasks)
        candidates: dict[str, list[int]] = {}
        for number, overlay in enumerate(overlays):
            if index in matches[number]:
                for name in overlay.tasks:
                    if name not in project.tasks:
                        candidates.setdefault(name, []).append(number)
        for name, numbers in candidates.items():
            winner = _winner(numbers, overlays, filters, matches)
            sure = project.name not in unsettled and (whole or len({filters[number] for number in numbers}) == 1)
            if winner is None and sure:
                collisions.append(_collision(project, name, [overlays[number] for number in numbers]))
            tasks[name] = overlays[numbers[0] if winner is None else winner].tasks[name]
        effective_tasks.append(tasks)
    collisions.sort(key=lambda collision: collision.task or "")
    return effective_tasks, collisions


def _winner(
    numbers: list[int],
    overlays: list[OverlayDeclaration],
    filters: list[frozenset[str]],
    matches: list[frozenset[int]],
) -> int | None:
    top = max(overlays[number].priority for number in numbers)
    rivals = [number for number in numbers if overlays[number].priority == top]
    for one in rivals:
        if all(filters[one] > filters[other] or matches[one] < matches[other] for other in rivals if other != one):
            return one
    return None


def _collision(project: ProjectDeclaration, name: str, overlays: list[OverlayDeclaration]) -> Diagnostic:
    files = " and ".join(f"`{overlay.name}.yml`" for overlay in overlays)
    spans = tuple(
        overlay.source.span(overlay.tasks[name].key, f"defined by overlay `{overlay.name}`") for overlay in overlays
    )
    return Diagnostic(
        "haz::dag::006",
        f"overlay collision for task `{project.name}:{name}`: {files} define it, and none is more specific (DAG-006)",
        spans[0],
        HELP,
        (),
        spans[1:],
        f"{project.name}:{name}",
    )
