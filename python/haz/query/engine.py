"""Which tasks pass all filters (QRY-001, QRY-003…007). Patterns are compared with patterns; no file is looked at."""

from __future__ import annotations

from haz._core import check_pattern, escape_pattern
from haz._record import Record
from haz.errors import PatternError
from haz.names import identifier_problem
from haz.query.expression import (
    QueryError,
    SyntaxProblem,
    byte_span,
    parse,
    problem_of,
    problem_of_atom,
)
from haz.query.intersect import Automaton

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from haz.graph import TaskGraph
    from haz.model import Pattern, TaskId, TaskSpec
    from haz.query.expression import Atom, Expression, Problem

    Test = Callable[[TaskSpec], bool]

ATTRIBUTES = ("tags", "projects", "tasks", "inputs", "outputs")
RELATIONS = ("child_of", "parent_of", "depends_on", "ancestor_of")
_KINDS = ("name", "project", "tag")
# Any letter, for the rules of identifiers.
_WILDCARDS = str.maketrans("*?", "xx")
_NAMES = {"tags": "tag", "projects": "project", "tasks": "task"}


class Filters(Record):
    """The filters of one query; None is a filter that was not given. All that are given must pass (QRY-006)."""

    tags: str | None = None
    projects: str | None = None
    tasks: str | None = None
    inputs: str | None = None
    outputs: str | None = None
    child_of: str | None = None
    parent_of: str | None = None
    depends_on: str | None = None
    ancestor_of: str | None = None
    has_deps: bool | None = None
    has_inputs: bool | None = None
    has_outputs: bool | None = None
    mutex: bool = False


def run_query(graph: TaskGraph, filters: Filters, project: str | None, root: str | None) -> tuple[TaskId, ...]:
    """Return the tasks that pass, in canonical order: those of one project, or of all.

    `graph` is that of the whole workspace; `root`, of a project and behind `/`, is where relative patterns begin.
    Raises `QueryError` with what is wrong with any of the filters.
    """
    problems: list[Problem] = []
    compiler = _Compiler(root, problems)
    tests: list[Test] = _shortcuts(filters)
    for name in ATTRIBUTES:
        compiled = compiler.compile(name, getattr(filters, name), compiler.attribute)
        if compiled is not None:
            tests.append(_test_of(*compiled))
    relations = []
    for name in RELATIONS:
        compiled = compiler.compile(name, getattr(filters, name), compiler.relation)
        if compiled is not None:
            relations.append((name, _test_of(*compiled)))
    if problems:
        raise QueryError(tuple(problems))
    for name, test in relations:
        related = _related(graph, name, {task for task, spec in graph.specs.items() if test(spec)})
        tests.append(lambda spec, related=related: spec.id in related)  # type: ignore[misc]
    return tuple(
        task
        for task, spec in graph.specs.items()
        if (project is None or task.project == project) and all(test(spec) for test in tests)
    )


def _test_of(expression: Expression, atoms: list[Test]) -> Test:
    return lambda spec: expression.evaluate(lambda number: atoms[number](spec))


def _shortcuts(filters: Filters) -> list[Test]:
    tests: list[Test] = []
    if filters.has_deps is not None:
        tests.append(lambda spec: bool(spec.deps or spec.inputs_from) == filters.has_deps)
    if filters.has_inputs is not None:
        tests.append(lambda spec: bool(spec.inputs or spec.locks) == filters.has_inputs)
    if filters.has_outputs is not None:
        tests.append(lambda spec: bool(spec.outputs) == filters.has_outputs)
    if filters.mutex:
        tests.append(lambda spec: spec.mutex is not None)
    return tests


class _AtomProblem(Exception):  # noqa: N818 - never leaves this module
    """An atom means nothing; the reason is its only argument."""


class _Compiler:
    def __init__(self, root: str | None, problems: list[Problem]) -> None:
        self._root = root
        self._problems = problems
        self._automata: dict[tuple[str, bool], Automaton] = {}

    def compile(
        self, name: str, text: str | None, atom_test: Callable[[str, Atom, str], Test]
    ) -> tuple[Expression, list[Test]] | None:
        """Parse an expression and turn its atoms into tests; what is wrong is noted, and None returned for nothing."""
        if text is None:
            return None
        flag = f"--{name.replace('_', '-')}"
        try:
            expression = parse(text)
        except SyntaxProblem as problem:
            self._problems.append(problem_of(flag, text, problem))
            return None
        tests = []
        for atom in expression.atoms:
            try:
                tests.append(atom_test(name, atom, byte_span(atom, text)))
            except _AtomProblem as problem:
                self._problems.append(problem_of_atom(flag, expression, atom, str(problem)))
        return expression, tests

    def attribute(self, name: str, atom: Atom, span: str) -> Test:
        if name in ("inputs", "outputs"):
            return self._path(name, atom, span)
        return _name_test(_NAMES[name], atom.text, atom.text, span)

    def relation(self, _name: str, atom: Atom, span: str) -> Test:
        kind, colon, value = atom.text.partition(":")
        if not colon:
            raise _AtomProblem(f"`{atom.text}` at {span} is missing the `:` separator")
        if kind not in _KINDS:
            raise _AtomProblem(f"unknown relational kind '{kind}' at {span}; expected one of {', '.join(_KINDS)}")
        return _name_test("task" if kind == "name" else kind, value, atom.text, span)

    def _path(self, field: str, atom: Atom, span: str) -> Test:
        text = atom.text
        try:
            glob = check_pattern(text)
        except PatternError as error:
            raise _AtomProblem(f"invalid path pattern `{text}` at {span}: {error.reason}") from error
        if not text.startswith("/"):
            root = self._root
            if root is None:
                raise _AtomProblem(
                    f"relative path pattern `{text}` at {span} needs a project directory, and the current directory "
                    "lies in no project; begin it with `/`, the workspace root"
                )
            text = f"{escape_pattern(root) if glob else root}/{text}"
        wanted = Automaton(text, literal=not glob)
        known: dict[tuple[str, bool], bool] = {}

        def meets(pattern: Pattern) -> bool:
            key = pattern.anchored, pattern.literal
            answer = known.get(key)
            if answer is None:
                answer = known[key] = wanted.meets(self._automaton(key))
            return answer

        def test(spec: TaskSpec) -> bool:
            patterns: tuple[Pattern, ...] = getattr(spec, field)
            # An exclusion takes a single path out of globs; what it leaves of two meeting globs is not worked out.
            silent = {pattern.group for pattern in patterns if pattern.exclude and not glob and meets(pattern)}
            return any(
                not pattern.exclude and (pattern.literal or silent.isdisjoint((0, pattern.group))) and meets(pattern)
                for pattern in patterns
            )

        return test

    def _automaton(self, key: tuple[str, bool]) -> Automaton:
        automaton = self._automata.get(key)
        if automaton is None:
            automaton = self._automata[key] = Automaton(key[0], literal=key[1])
        return automaton


def _name_test(kind: str, value: str, text: str, span: str) -> Test:
    problem = identifier_problem(value.translate(_WILDCARDS))
    if problem is not None:
        raise _AtomProblem(f"invalid {kind} name `{text}` at {span}: {problem}")
    matches: Callable[[str], object] = value.__eq__
    if value != value.translate(_WILDCARDS):
        import fnmatch  # noqa: PLC0415 - few queries need it
        import re  # noqa: PLC0415

        matches = re.compile(fnmatch.translate(value)).match
    if kind == "tag":
        return lambda spec: any(map(matches, spec.tags))
    if kind == "project":
        return lambda spec: bool(matches(spec.id.project))
    return lambda spec: bool(matches(spec.id.task))


def _related(graph: TaskGraph, relation: str, targets: set[TaskId]) -> set[TaskId]:
    down = relation in ("child_of", "depends_on")
    neighbours = graph.hard_successors if down else graph.hard_predecessors
    if relation in ("child_of", "parent_of"):
        return {neighbour for task in targets for neighbour in neighbours[task]}
    return _reach(neighbours, targets) - targets


def _reach(neighbours: dict[TaskId, tuple[TaskId, ...]], start: Iterable[TaskId]) -> set[TaskId]:
    found: set[TaskId] = set()
    stack = list(start)
    while stack:
        for neighbour in neighbours[stack.pop()]:
            if neighbour not in found:
                found.add(neighbour)
                stack.append(neighbour)
    return found
