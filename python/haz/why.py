"""Why a task would run or not: everything its key is made of, what the cache says, and what changed since last time."""

from __future__ import annotations

from haz._record import Record
from haz.cache.explain import explain
from haz.cache.manifest import explain_parts
from haz.cache.store import Hit
from haz.errors import BuildKeyError, BuildKeyFailed, HazError
from haz.ignored import without_ignored
from haz.run_task import cache_lookup_phase
from haz.slices import changed_packages, with_slices
from haz.streams import valid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from haz._core import Inputs
    from haz.cache.explain import Difference
    from haz.cache.manifest import Manifest
    from haz.graph import TaskGraph
    from haz.model import StreamHashes, TaskId, TaskSpec
    from haz.ports import Events
    from haz.run_task import RunContext, TaskLookup


class NotComparable(HazError):  # noqa: N818 - read as a sentence
    """The entry that was to be compared with cannot be read."""

    code = "haz::why"

    def __init__(self, key: str, label: str) -> None:
        super().__init__(f"the entry {key} cannot be compared with: {label}")
        self.hint = "`haz runs show` tells the keys of a run; an entry may have been collected since"


class InputFile(Record):
    """One resolved input with the tasks whose declared outputs match it, in canonical order."""

    path: str
    producers: tuple[TaskId, ...]


class Explanation(Record):
    """What `haz why` reports. `problem` says why there is no key; then `key` is None and `label` is empty.

    `differences` compare with the newest older entry of the task, `against` names it (its key); both are empty
    after a hit, and when there is no such entry, unless one was asked for.
    """

    spec: TaskSpec
    inputs: tuple[InputFile, ...]
    hard: tuple[TaskId, ...]
    soft: tuple[TaskId, ...]
    key: bytes | None
    label: str
    problem: str | None = None
    against: bytes | None = None
    differences: tuple[Difference, ...] = ()


def explain_task(
    ctx: RunContext,
    graph: TaskGraph,
    task: TaskId,
    events: Events,
    entries_of: Callable[[TaskId], Iterable[Manifest]],
    against: bytes | None = None,
) -> Explanation:
    """Explain one task; runs nothing, writes nothing (AUX-014).

    `ctx` covers the task and its transitive hard predecessors, `graph` the whole workspace. `entries_of` gives the
    manifests of a task in the store, newest first; `against` is the key of the entry to compare with. Raises
    `NotComparable` when that one is not there.
    """
    order = _with_predecessors(graph, task)
    ctx.files.fingerprint(1, [ctx.input_specs[one] for one in order])
    answers = events.wait()[0][2]
    inputs = dict(zip(order, answers, strict=True))
    try:
        kept = without_ignored(ctx.root, graph.specs[task], inputs[task], ctx.algorithm)
        files = _files(graph, with_slices(ctx.root, graph.specs[task], kept, ctx.algorithm))
    except BuildKeyError:
        # The lookup below ends in the same error, and tells it.
        files = ()
    hard, soft = graph.hard_predecessors[task], graph.soft_predecessors[task]
    spec = graph.specs[task]

    streams: dict[TaskId, StreamHashes] = {}
    for one in order:
        try:
            lookup = _look_up(ctx, graph, one, inputs[one], streams)
        except BuildKeyFailed as error:
            whom = "target" if one == task else f"predecessor `{one}`"
            problem = f"failed to derive cache key for {whom}: {error}"
            return Explanation(spec, files, hard, soft, None, "", problem)
        if one == task:
            explanation = _explained(ctx, lookup, files, hard, soft, task, entries_of)
            return explanation if against is None else _compared(ctx, lookup, explanation, against)
        if not isinstance(lookup.found, Hit):
            problem = (
                f"predecessor `{one}` has no cached result (status: miss: {lookup.found.label}), "
                f"and its output is part of the key: run it first with `haz run {one}`"
            )
            return Explanation(spec, files, hard, soft, None, "", problem)
        streams[one] = lookup.found.manifest.streams
    raise AssertionError("the task is the last of its own order")


def _look_up(
    ctx: RunContext, graph: TaskGraph, task: TaskId, inputs: Inputs, streams: dict[TaskId, StreamHashes]
) -> TaskLookup:
    needed = [(predecessor, streams[predecessor]) for predecessor in graph.hard_predecessors[task]]
    return cache_lookup_phase(ctx, task, inputs, needed)


def _explained(
    ctx: RunContext,
    lookup: TaskLookup,
    files: tuple[InputFile, ...],
    hard: tuple[TaskId, ...],
    soft: tuple[TaskId, ...],
    task: TaskId,
    entries_of: Callable[[TaskId], Iterable[Manifest]],
) -> Explanation:
    if isinstance(lookup.found, Hit):
        return Explanation(lookup.spec, files, hard, soft, lookup.key, "hit")
    label = f"miss: {lookup.found.label}"
    for manifest in entries_of(task):
        if manifest.key != lookup.key:
            parts = explain_parts(lookup.sections, ctx.algorithm)
            differences = tuple(
                _with_packages(ctx.root, lookup.spec, difference, manifest.parts)
                for difference in explain(manifest.parts, parts)
            )
            return Explanation(lookup.spec, files, hard, soft, lookup.key, label, None, manifest.key, differences)
    return Explanation(lookup.spec, files, hard, soft, lookup.key, label)


def _with_packages(root: str, spec: TaskSpec, difference: Difference, before: dict[str, Any]) -> Difference:
    """Name the packages that changed in a part of a lock file."""
    row = difference.what.removeprefix("input ")
    if (difference.section, difference.kind) != ("inputs", "changed") or row.startswith("/"):
        return difference
    digests = [digest for name, digest, *_ in before["inputs"]["rows"] if name == row]
    told = changed_packages(root, spec, row, digests[0]) if digests else None
    return difference if told is None else difference.replace(what=f"{difference.what} ({told})")


def _compared(ctx: RunContext, lookup: TaskLookup, explanation: Explanation, against: bytes) -> Explanation:
    found = ctx.store.lookup(against)
    if not isinstance(found, Hit):
        raise NotComparable(against.hex(), found.label)
    differences = explain(found.manifest.parts, explain_parts(lookup.sections, ctx.algorithm))
    return explanation.replace(against=against, differences=differences)


def _with_predecessors(graph: TaskGraph, task: TaskId) -> list[TaskId]:
    """Return the transitive hard predecessors and the task itself, predecessors first."""
    order: list[TaskId] = []
    seen = {task}
    stack: list[tuple[TaskId, int]] = [(task, 0)]
    while stack:
        one, at = stack.pop()
        predecessors = graph.hard_predecessors[one]
        if at < len(predecessors):
            stack.append((one, at + 1))
            if predecessors[at] not in seen:
                seen.add(predecessors[at])
                stack.append((predecessors[at], 0))
        else:
            order.append(one)
    return order


def closure(graph: TaskGraph, task: TaskId) -> tuple[TaskId, ...]:
    """Return the task and all that its key depends on, in canonical order."""
    return tuple(sorted(_with_predecessors(graph, task)))


def _files(graph: TaskGraph, inputs: Inputs) -> tuple[InputFile, ...]:
    from haz._core import PatternSet  # noqa: PLC0415 - the run's own set lacks the outputs of other tasks

    if inputs.error is not None:
        return ()
    tasks = list(graph.specs)
    writers = PatternSet([[p.listed for p in graph.specs[t].outputs] for t in tasks])
    return tuple(
        # What is no file, such as a part of a lock file, has no producer.
        InputFile(path, tuple(tasks[number] for number in writers.matching(path)) if path.startswith("/") else ())
        for path, _, _ in inputs.rows()
    )


def report_text(explanation: Explanation) -> str:
    """Render the report in the order of sections of spec 04 §9 (AUX-015)."""
    spec = explanation.spec
    lines = [str(spec.id), _action_line(spec)]

    def section(title: str, entries: Iterable[str]) -> None:
        found = list(entries)
        if found:
            lines.append(f"{title}:")
            lines.extend(f"  {entry}" for entry in found)

    section("inputs", (file.path + _producer_note(file) for file in explanation.inputs))
    section("outputs", (("!" if p.exclude else "") + p.text for p in spec.outputs))
    section("deps", map(str, explanation.hard))
    section("weakDeps", map(str, explanation.soft))
    if spec.mutex is not None:
        lines.append(f"mutex: scope={spec.mutex.scope}, name={spec.mutex.name}, mode={spec.mutex.mode}")
    section("env.from_host", sorted(spec.environment.from_host))
    section("env.override", (f"{name}={value}" for name, value in sorted(spec.environment.override)))
    section("env.secret", sorted(spec.environment.secret))
    if explanation.key is None:
        lines.append("cache_key: unavailable")
    else:
        lines.append(f"cache_key: {explanation.key.hex()}")
        lines.append(f"cache_lookup: {explanation.label}")
    if explanation.against is not None and not explanation.differences:
        lines.append(f"nothing changed since {explanation.against.hex()[:8]}")
    elif explanation.against is not None:
        section(f"changed since {explanation.against.hex()[:8]}", map(str, explanation.differences))
    return "".join(f"{line}\n" for line in lines)


def report_value(explanation: Explanation) -> dict[str, Any]:
    """Return the report as data: the same sections, empty ones left in."""
    spec = explanation.spec
    mutex, env = spec.mutex, spec.environment
    return {
        "version": 1,
        "task": str(spec.id),
        "action": _action_line(spec),
        "inputs": [
            {"path": valid(file.path), "producers": [str(one) for one in file.producers]} for file in explanation.inputs
        ],
        "outputs": [("!" if p.exclude else "") + p.text for p in spec.outputs],
        "deps": [str(one) for one in explanation.hard],
        "weakDeps": [str(one) for one in explanation.soft],
        "mutex": None if mutex is None else {"scope": mutex.scope, "name": mutex.name, "mode": mutex.mode},
        "env": {
            "from_host": sorted(env.from_host),
            "override": {name: valid(value) for name, value in sorted(env.override)},
            "secret": sorted(env.secret),
        },
        "key": None if explanation.key is None else explanation.key.hex(),
        "lookup": explanation.label or None,
        "problem": explanation.problem,
        "against": None if explanation.against is None else explanation.against.hex(),
        "differences": [
            {"section": d.section, "kind": d.kind, "what": d.what.encode(errors="replace").decode()}
            for d in explanation.differences
        ],
    }


def _producer_note(file: InputFile) -> str:
    if not file.producers:
        return ""
    return f" (produced by {file.producers[0]})" if len(file.producers) == 1 else " (producer: undetermined)"


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}


def _quoted(argument: str) -> str:
    return '"' + "".join(_ESCAPES.get(c) or (c if c.isprintable() else f"\\u{{{ord(c):x}}}") for c in argument) + '"'


def _action_line(spec: TaskSpec) -> str:
    action = spec.action
    if hasattr(action, "argv"):
        return f"command: [{', '.join(map(_quoted, action.argv))}]"
    return f"shell ({action.shell}): {action.script}"
