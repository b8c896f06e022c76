"""From a workspace to its task graph, with everything that is wrong with it (DAG-007…015)."""

from __future__ import annotations

from haz._uncollected import uncollected
from haz.cycles import shortest_cycle, strong_components
from haz.diagnostics import Diagnostic, Span
from haz.graph import TaskGraph
from haz.resolution import Resolver, Unresolved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from haz.graph import Adjacency, Compile
    from haz.model import EdgeKind, Origin, Pattern, Reference, TaskId, TaskSpec, Workspace

HEADER = "task-graph construction failed"

_PRODUCER_HELP = (
    "a task that reads what another one writes comes after it in the eyes of DAG-014, although only `deps` and "
    "`weakDeps` order a run: drop the dependency against the flow of files, or let the tasks write and read other files"
)
_CYCLE_HELP = "remove one of the dependencies"
_NAMED = 20


@uncollected
def build(workspace: Workspace, compile_patterns: Compile) -> tuple[TaskGraph, tuple[Diagnostic, ...]]:
    """Build the graph of all tasks. Its errors come in the order of DAG-011; with none, the graph has no cycle.

    `compile_patterns` is `haz._core.PatternSet`.
    """
    specs = {spec.id: spec for project in workspace.projects.values() for _, spec in sorted(project.tasks.items())}
    problems: list[Diagnostic] = []
    hard, soft = _declared_edges(specs, Resolver(workspace), problems)
    writers = _Side(specs, "outputs", compile_patterns)
    readers = _Side(specs, "inputs", compile_patterns)
    graph = TaskGraph(specs, hard, soft, _producer_edges(writers, readers))
    problems += _cycles(graph)
    problems += _collisions(specs, writers.literals)
    return graph, tuple(problems)


# --- Declared edges --------------------------------------------------------------------------------------------------


def _declared_edges(
    specs: Mapping[TaskId, TaskSpec], resolver: Resolver, problems: list[Diagnostic]
) -> tuple[Adjacency, Adjacency]:
    hard: Adjacency = {}
    soft: Adjacency = {}
    for task, spec in specs.items():
        if spec.deps:
            hard[task] = _resolved(spec, spec.deps, "deps", resolver, problems)
        if spec.inputs_from:
            lenders = _resolved(spec, spec.inputs_from, "inputs", resolver, problems)
            hard[task] = tuple(sorted({*hard.get(task, ()), *lenders}))
        if spec.weak_deps:
            soft[task] = _resolved(spec, spec.weak_deps, "weakDeps", resolver, problems)
        both = set(hard.get(task, ())).intersection(soft.get(task, ()))
        if both:
            problems += [_overlap(spec, other) for other in sorted(both)]
            soft[task] = tuple(other for other in soft[task] if other not in both)
    return hard, soft


def _resolved(
    spec: TaskSpec, references: tuple[Reference, ...], key: str, resolver: Resolver, problems: list[Diagnostic]
) -> tuple[TaskId, ...]:
    found: set[TaskId] = set()
    for reference in references:
        tasks = resolver.resolve(reference, spec.id.project)
        if isinstance(tasks, Unresolved):
            message = f"{spec.id}: unresolved reference in `{key}`: {tasks.message}"
            problems.append(_at_reference("haz::dag::011", message, spec, reference))
        elif spec.id in tasks:
            message = f"{spec.id}: `{reference.text}` in `{key}` includes the task itself (DAG-012)"
            help_text = _without_self(reference)
            problems.append(_at_reference("haz::dag::012", message, spec, reference, help_text))
        else:
            found.update(tasks)
    return tuple(sorted(found))


def _without_self(reference: Reference) -> str:
    if reference.kind == "everywhere":
        return f"`^~:{reference.task}` leaves the own project out"
    if reference.kind == "tag":
        return f"`[{reference.name}]~:{reference.task}` leaves the own project out"
    return "a task cannot wait for itself: remove the reference"


def _overlap(spec: TaskSpec, other: TaskId) -> Diagnostic:
    key = "deps" if not spec.inputs_from or spec.deps else "inputs"
    message = f"{spec.id}: {other} is in both `{key}` and `weakDeps` (DAG-010)"
    return Diagnostic(
        "haz::dag::010", message, span_of(spec.origin), help="`deps` already orders; drop the other", task=str(spec.id)
    )


def _at_reference(
    code: str, message: str, spec: TaskSpec, reference: Reference, help_text: str | None = None
) -> Diagnostic:
    span = span_of(reference.origin or spec.origin, len(reference.text))
    return Diagnostic(code, message, span, help_text, task=str(spec.id))


def span_of(origin: Origin | None, length: int = 1, label: str = "here") -> Span | None:
    return None if origin is None else Span(origin.file, origin.line, origin.column, length, label)


# --- Producer edges --------------------------------------------------------------------------------------------------


def _producer_edges(writers: _Side, readers: _Side) -> Adjacency:
    """Map each task to those whose outputs are known to meet its inputs (DAG-013); a task may be its own producer.

    Each distinct path is matched once against all patterns at a time; two globs are left to the run (EXEC-019).
    """
    found: dict[TaskId, set[TaskId]] = {}
    for path, producers in writers.literals.items():
        for consumer in readers.that_name(path):
            found.setdefault(consumer, set()).update(producers)
    # A reader that names a place below a literal output takes that for a directory. Whether a glob that only passes
    # through, such as `**/*.c`, would find something there, shows when it has been written.
    if writers.literals:
        for path, consumers in readers.places():
            for producers in _above(path, writers.literals):
                for consumer in consumers:
                    found.setdefault(consumer, set()).update(producers)
    if writers.globs:
        for path, consumers in readers.literals.items():
            producers = writers.whose_globs_match(path)
            if producers:
                for consumer in consumers:
                    found.setdefault(consumer, set()).update(producers)
    return {consumer: tuple(sorted(found[consumer])) for consumer in sorted(found)}


class _Side:
    """The inputs, or the outputs, of all tasks: literals by path, and all lists that hold a glob in one matcher."""

    def __init__(self, specs: Mapping[TaskId, TaskSpec], field: str, compile_patterns: Compile) -> None:
        self._specs = specs
        self._field = field
        self.literals: dict[str, list[TaskId]] = {}
        self.globs: list[TaskId] = []
        lists = []
        for task, spec in specs.items():
            patterns: tuple[Pattern, ...] = getattr(spec, field)
            with_glob = False
            for pattern in patterns:
                if pattern.exclude:
                    continue
                if pattern.literal:
                    tasks = self.literals.setdefault(pattern.anchored, [])
                    if not tasks or tasks[-1] is not task:
                        tasks.append(task)
                else:
                    with_glob = True
            if with_glob:
                self.globs.append(task)
                # Literals are looked up by path: an exclusion does not silence them.
                lists.append([p.listed for p in patterns if p.exclude or not p.literal])
        self._matcher = compile_patterns(lists) if lists else None

    def places(self) -> list[tuple[str, list[TaskId]]]:
        """Return what the tasks name: literal paths, and the directories that lead to the first wildcard of a glob."""
        found: dict[str, list[TaskId]] = {path: list(tasks) for path, tasks in self.literals.items()}
        for task in self.globs:
            for pattern in getattr(self._specs[task], self._field):
                if not pattern.literal and not pattern.exclude:
                    # A name in that directory, so that the directory itself lies above it.
                    found.setdefault(f"{_leading(pattern.anchored)}/*", []).append(task)
        return list(found.items())

    def whose_globs_match(self, path: str) -> list[TaskId]:
        return [] if self._matcher is None else [self.globs[i] for i in self._matcher.matching(path)]

    def that_name(self, path: str) -> list[TaskId]:
        return self.literals.get(path, []) + self.whose_globs_match(path)


def _above(path: str, literals: Mapping[str, list[TaskId]]) -> Iterator[list[TaskId]]:
    """Yield the tasks of each literal that is a directory on the way to `path`."""
    end = path.rfind("/")
    while end > 0:
        tasks = literals.get(path[:end])
        if tasks is not None:
            yield tasks
        end = path.rfind("/", 0, end)


def _leading(glob: str) -> str:
    """Return the directories of a glob before its first wildcard, unescaped."""
    if "\\" not in glob:
        end = min((at for at in map(glob.find, "*?[{") if at >= 0), default=len(glob))
        return glob[:end].rpartition("/")[0]
    plain = ""
    escaped = False
    for character in glob:
        if not escaped and character in "*?[{":
            break
        escaped = character == "\\" and not escaped
        if not escaped:
            plain += character
    return plain.rpartition("/")[0]


# --- Rules over the whole graph --------------------------------------------------------------------------------------


def _cycles(graph: TaskGraph) -> list[Diagnostic]:
    index = {task: i for i, task in enumerate(graph.nodes)}
    successors = [
        [
            index[other]
            for kind in (graph.hard_successors, graph.soft_successors, graph.producer_successors)
            for other in kind[task]
        ]
        for task in graph.nodes
    ]
    problems = []
    for members in sorted(strong_components(successors)):
        cycle = [graph.nodes[i] for i in shortest_cycle(successors, members)]
        steps = []
        kinds = []
        for task, successor in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
            kinds.append(graph.edge_kind(task, successor))
            steps.append(_STEP[kinds[-1]].format(task=task, successor=successor))
        message = f"dependency cycle of {len(cycle)} tasks (DAG-014): {', '.join(steps)}"
        others = [str(graph.nodes[i]) for i in members if graph.nodes[i] not in cycle]
        if others:
            message += f"; entangled with it: {', '.join(others[:_NAMED])}"
            message += f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        specs = [graph.specs[task] for task in cycle]
        related = (span_of(spec.origin, label=str(spec.id)) for spec in specs[1:])
        problems.append(
            Diagnostic(
                "haz::dag::014",
                message,
                span_of(specs[0].origin, label=str(cycle[0])),
                help=_PRODUCER_HELP if "producer" in kinds else _CYCLE_HELP,
                related=tuple(span for span in related if span is not None),
                task=str(cycle[0]),
            )
        )
    return problems


_STEP: dict[EdgeKind, str] = {
    "hard": "{successor} needs {task} (deps)",
    "soft": "{successor} follows {task} (weakDeps)",
    "producer": "{successor} reads what {task} writes (producer edge)",
}


def _collisions(specs: Mapping[TaskId, TaskSpec], writers: Mapping[str, list[TaskId]]) -> list[Diagnostic]:
    problems = []
    for path in sorted(path for path, tasks in writers.items() if len(tasks) > 1):
        first, *others = (specs[task] for task in writers[path])
        names = ", ".join(map(str, writers[path]))
        related = (span_of(spec.origin, label=str(spec.id)) for spec in others)
        problems.append(
            Diagnostic(
                "haz::dag::015",
                f"literal output {path} is declared by {len(others) + 1} tasks (DAG-015): {names}",
                span_of(first.origin, label=str(first.id)),
                help="a file can have one writer: give each task an output of its own",
                related=tuple(span for span in related if span is not None),
                task=str(first.id),
            )
        )
    for path, tasks in sorted(writers.items()):
        # A directory that is an output as a whole has one writer too.
        for outer in _above(path, writers):
            problems += [_within(path, specs[task], specs[outer[0]]) for task in tasks if task not in outer]
    return problems


def _within(path: str, inner: TaskSpec, outer: TaskSpec) -> Diagnostic:
    span = span_of(outer.origin, label=str(outer.id))
    return Diagnostic(
        "haz::dag::015",
        f"literal output {path} of {inner.id} lies in a literal output of {outer.id} (DAG-015)",
        span_of(inner.origin, label=str(inner.id)),
        help=f"all of a directory that is an output belongs to one task: name the files that {outer.id} writes",
        related=() if span is None else (span,),
        task=str(inner.id),
    )


# --- Warnings --------------------------------------------------------------------------------------------------------


def unordered_producers(graph: TaskGraph) -> tuple[Diagnostic, ...]:
    """Warn of consumers that no `deps` or `weakDeps` path puts after the producer of what they read (D8)."""
    warnings = []
    for consumer, producers in graph.producer_predecessors.items():
        missing = graph.not_before(consumer, producers)
        for producer in missing:
            message = (
                f"{consumer} reads what {producer} writes, but neither `deps` nor `weakDeps` puts it after {producer}: "
                "it may run first"
            )
            warnings.append(
                Diagnostic(
                    "haz::dag::013",
                    message,
                    span_of(graph.specs[consumer].origin),
                    help=f"add `{producer}` to the `deps` of {consumer}, or to its `weakDeps`",
                    task=str(consumer),
                    severity="warning",
                )
            )
    return tuple(warnings)
