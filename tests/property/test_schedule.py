"""Any graph, any caps, any ends in any order: what a run may never do, whatever the driver reports."""

from __future__ import annotations

import itertools
import sys
from collections import Counter

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from haz.errors import SpawnError, SpawnFailed
from haz.graph import TaskGraph
from haz.model import (
    CompletedRecord,
    OutputOverlap,
    RunCancelled,
    RuntimeCycleViolation,
    SignaledInFlight,
    SkipRecord,
    TaskId,
    TaskRun,
    UpstreamCancelled,
)
from tests.unit.driver import Driver
from tests.unit.graphs import failed, fresh, graph, hit, signalled, spec

ERROR = SpawnFailed(SpawnError("x", "not found"))
TAGS = ("x", "y", "z")
PATHS = ("/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8")


@st.composite
def graphs(draw, largest=10):
    size = draw(st.integers(0, largest))
    names = draw(st.permutations([f"t{n}" for n in range(size)]))
    tasks, hard, soft, producers = [], {}, {}, {}
    for place, name in enumerate(names):
        mutex = draw(st.sampled_from([None, None, "m", "m?", "n", "n?"]))
        tags = tuple(draw(st.lists(st.sampled_from(TAGS), unique=True, max_size=2)))
        tasks.append(spec(name, mutex=mutex, tags=tags))
        for kind in (hard, soft, producers):
            before = draw(st.lists(st.sampled_from(names[:place]), unique=True, max_size=2)) if place else []
            taken = hard.get(name, "").split()
            kind[name] = " ".join(one for one in before if kind is hard or one not in taken)
    return graph(*tasks, hard=hard, soft=soft, producers=producers)


def holders_agree(driver):
    """MUTEX-003, MUTEX-004: an exclusive holder is alone."""
    held = Counter()
    exclusive = set()
    for task in (*driver.running, *driver.away):
        mutex = driver.graph.specs[task].mutex
        if mutex is not None:
            held[mutex.key] += 1
            if mutex.mode == "exclusive":
                exclusive.add(mutex.key)
    return all(held[key] == 1 for key in exclusive)


def check_limits(driver):
    """EXEC-004, EXEC-005, MUTEX-003, MUTEX-004, and nobody idle who could run."""
    flying = driver.flying
    assert len(flying) <= driver.cap
    used = Counter(tag for task in flying for tag in driver.graph.specs[task].tags)
    assert all(used[tag] <= limit for tag, limit in driver.tag_caps.items())
    assert holders_agree(driver)


def check_started(driver):
    """EXEC-001, EXEC-008: hard predecessors have succeeded and soft ones have ended, for all that is looked up."""
    for task in driver.looking:
        for predecessor in driver.graph.hard_predecessors[task]:
            result = driver.announced[predecessor]
            assert isinstance(result, CompletedRecord)
            assert result.state == "succeeded"
        assert all(predecessor in driver.announced for predecessor in driver.graph.soft_predecessors[task])


def check_work_conserving(driver):
    """No starvation: with a free slot, no ready task that its tags and nothing else would let in is left out."""
    if driver.stopped or len(driver.flying) >= driver.cap:
        return
    waiting = set(driver.schedule.waiting())
    used = Counter(tag for task in driver.flying for tag in driver.graph.specs[task].tags)
    for task in driver.graph.nodes:
        if task in driver.announced or task in (*driver.flying, *waiting, *driver.backoff, *driver.away):
            continue
        hard = driver.graph.hard_predecessors[task]
        soft = driver.graph.soft_predecessors[task]
        if all(one in driver.announced for one in (*hard, *soft)):
            tags = driver.graph.specs[task].tags
            assert any(used[tag] >= driver.tag_caps.get(tag, 99) for tag in tags), f"{task} could run"


def step(driver, data):
    """Report one thing that can happen now; False when nothing is left to happen."""
    choices = [
        *(("look", task) for task in driver.looking),
        *(("restore", task) for task in driver.restoring),
        *(("run", task) for task in driver.running),
        *(("due", task) for task in sorted(driver.backoff)),
        *(("again", task) for task in sorted(driver.away)),
    ]
    if not choices:
        return False
    what, task = data.draw(st.sampled_from(choices))
    schedule = driver.schedule
    outputs = data.draw(st.lists(st.sampled_from(PATHS), max_size=2)) if data.draw(st.integers(0, 3)) == 0 else ()
    match what:
        case "look":
            driver.looking.remove(task)
            end = data.draw(st.sampled_from(["hit", "miss", "miss", "miss", "error"]))
            driver.take(schedule.errored(task, ERROR) if end == "error" else schedule.looked_up(task, hit=end == "hit"))
        case "restore":
            driver.restoring.remove(task)
            good = data.draw(st.booleans())
            driver.take(schedule.finished(task, hit(task, *outputs)) if good else schedule.restore_failed(task))
        case "run":
            driver.running.remove(task)
            ends = ["ok", "ok", "ok", "fail", "error", "later", "again", "other haz", "late"]
            end = data.draw(st.sampled_from(["ok", "signalled"] if task in driver.signalled else ends))
            run = (TaskRun(1, "failed", 0, 0),)
            match end:
                case "ok":
                    driver.take(schedule.finished(task, fresh(task, *outputs)))
                case "fail":
                    driver.take(schedule.finished(task, failed(task)))
                case "signalled":
                    driver.take(schedule.finished(task, signalled(task)))
                case "error":
                    driver.take(schedule.errored(task, ERROR))
                case "later":
                    driver.backoff.add(task)
                    driver.take(schedule.retry(task, run, delayed=True))
                case "again":
                    driver.take(schedule.retry(task, run, delayed=False))
                case "other haz":
                    driver.away.add(task)
                    driver.take(schedule.must_wait(task))
                case "late":
                    driver.take(schedule.look_again(task))
        case "again":
            driver.away.discard(task)
            driver.take(schedule.look_again(task))
        case "due":
            driver.backoff.discard(task)
            driver.take(schedule.retry_due(task))
    return True


@given(data=st.data())
@settings(max_examples=500)
def test_a_run_keeps_its_promises(data):
    """EXEC-001…006, EXEC-008, EXEC-010…013, EXEC-019, EXEC-020, MUTEX-003…007, D8, D9, D10."""
    tree = data.draw(graphs())
    table = data.draw(
        st.dictionaries(
            st.sampled_from(PATHS), st.lists(st.sampled_from(tree.nodes or (TaskId("p", "q"),)), max_size=2)
        )
    )
    driver = Driver(
        tree,
        cap=data.draw(st.integers(1, 4)),
        tag_caps=data.draw(st.dictionaries(st.sampled_from(TAGS), st.integers(1, 2))),
        consumers_of=lambda path: sorted(set(table.get(path, ()))),
        order=data.draw(st.sampled_from(["canonical", "critical-path"])),
        durations={task: float(n % 3) for n, task in enumerate(tree.nodes)},
        fail_fast=data.draw(st.booleans()),
    )
    cancel_at = data.draw(st.one_of(st.none(), st.integers(0, 30)))
    driver.stopped = False
    driver.start()
    for moment in range(2000):
        check_limits(driver)
        check_started(driver)
        driver.stopped = driver.stopped or any(isinstance(r, RunCancelled) for r in driver.announced.values())
        driver.stopped = driver.stopped or bool(driver.schedule.outcome().invariant_violations)
        failures = [r for r in driver.announced.values() if r is ERROR or getattr(r, "state", "") == "failed"]
        driver.stopped = driver.stopped or bool(driver.options.get("fail_fast") and failures)
        check_work_conserving(driver)
        if moment == cancel_at:
            driver.stopped = True
            driver.cancel()
            assert set(driver.signalled) >= set(driver.running)
            continue
        if not step(driver, data):
            break
    assert driver.schedule.done
    check_records(driver)


@given(data=st.data())
@settings(max_examples=300)
def test_what_is_settled_is_as_what_was_restored_before_all_else(data):
    """Any tasks, with all that they come after by hard or soft edges: the others end as they do after hits.

    Of several failures above a task, the first is the cause of its skip. Which one that is hangs on slots, and the
    settled take none: where slots are short, causes are compared by their kind.
    """
    tree = data.draw(graphs())
    order = sorted(tree.nodes, key=lambda task: (len(before_all(tree, task)), task))
    settled = set()
    for task in order:
        if before_all(tree, task) <= settled and data.draw(st.booleans()):
            settled.add(task)
    bad = {task for task in tree.nodes if task not in settled and data.draw(st.integers(0, 4)) == 0}
    chosen = {
        "cap": data.draw(st.sampled_from([1, 2, 3, 99])),
        "order": data.draw(st.sampled_from(["canonical", "critical-path"])),
        "durations": {task: float(n % 3) for n, task in enumerate(tree.nodes)},
    }

    def ends(**options):
        driver = Driver(tree, **chosen, **options).start()
        while driver.flying:
            # What is settled goes first.
            task = min(driver.flying, key=lambda task: (task not in settled, task))
            if task in driver.looking:
                driver.looking.remove(task)
                driver.take(driver.schedule.looked_up(task, hit=task in settled))
            elif task in driver.restoring:
                driver.restoring.remove(task)
                driver.take(driver.schedule.finished(task, hit(task)))
            else:
                driver.end(failed(task) if task in bad else fresh(task))
        assert driver.schedule.done
        assert not driver.schedule.outcome().task_errors
        return driver

    def told(driver):
        return {
            task: type(record.cause) if isinstance(record, SkipRecord) and chosen["cap"] < len(tree.nodes) else record
            for task, record in driver.schedule.outcome().outcomes.items()
        }

    quick = ends(settled={task: hit(task) for task in sorted(settled)})
    assert settled.isdisjoint(quick.announced)
    assert told(quick) == told(ends())


@given(data=st.data())
@settings(max_examples=300)
def test_a_cycle_is_found_whoever_of_it_is_settled(data):
    """EXEC-019: what the settled have written counts as soon as one of them reads what is written now."""
    drawn = data.draw(graphs())
    # A producer's edge is one that what is written makes as well.
    tree = TaskGraph(drawn.specs, drawn.hard_predecessors, drawn.soft_predecessors, {})
    settled = set()
    for task in sorted(tree.nodes, key=lambda task: (len(before_all(tree, task)), task)):
        if before_all(tree, task) <= settled and data.draw(st.booleans()):
            settled.add(task)
    readers = {
        str(task): sorted(data.draw(st.sets(st.sampled_from(tree.nodes), max_size=2)), reverse=True)
        for task in tree.nodes
    }
    edges = {(one, task) for task in tree.nodes for kind in tree.before(task) for one in kind if one != task}
    edges |= {(task, reader) for task in settled for reader in readers[str(task)] if reader != task}
    # Nobody is settled after a run that broke a rule.
    assume(not any(reaches(edges, end, start) for start, end in edges))
    driver = Driver(
        tree, settled={task: hit(task, str(task)) for task in sorted(settled)}, consumers_of=readers.__getitem__
    ).start()
    expected = None
    while driver.flying:
        task = driver.flying[0]
        if task in driver.looking:
            driver.miss(str(task))
            continue
        for reader in readers[str(task)]:
            edges.add((task, reader))
            if expected is None and reader != task and reaches(edges, reader, task):
                expected = (task, reader)
        driver.end(fresh(task, str(task)))
        if expected is not None:
            break
    found = [violation.offending_edge for violation in driver.schedule.outcome().invariant_violations]
    assert found == ([] if expected is None else [expected])


def before_all(tree, task):
    """All that a task comes after, by hard and soft edges."""
    direct = {*tree.hard_predecessors[task], *tree.soft_predecessors[task]}
    return direct.union(*(before_all(tree, other) for other in direct))


def check_records(driver):
    """D10: one record each, and each for a reason that holds."""
    outcome = driver.schedule.outcome()
    assert list(driver.graph.nodes) == sorted([*outcome.outcomes, *outcome.task_errors])
    assert {**outcome.outcomes, **outcome.task_errors} == driver.announced
    for task, record in outcome.outcomes.items():
        if isinstance(record, SignaledInFlight):
            assert task in driver.signalled
        if isinstance(record, SkipRecord):
            assert task not in driver.started
            upstream = getattr(record.cause, "upstream", None)
            if upstream is not None:
                assert upstream in ancestors(driver.graph, task)
                end = driver.announced[upstream]
                assert end is ERROR or end.state == "failed"
        if isinstance(record, UpstreamCancelled):
            assert task not in driver.started
            assert record.upstream in ancestors(driver.graph, task)
            assert isinstance(driver.announced[record.upstream], (SignaledInFlight, RunCancelled))
    counts = outcome.counts()
    total = counts.completed + counts.failed + counts.skipped + counts.cancelled
    assert total == len(driver.graph.nodes)
    check_violations(driver, outcome)


def ancestors(tree, task):
    found, stack = set(), [task]
    while stack:
        for predecessor in tree.hard_predecessors[stack.pop()]:
            if predecessor not in found:
                found.add(predecessor)
                stack.append(predecessor)
    return found


def check_violations(driver, outcome):
    """EXEC-019, EXEC-020, against a naive replay of the completions in their order."""
    consumers_of = driver.options.get("consumers_of")
    if consumers_of is None:
        return
    tree = driver.graph
    edges = {
        (predecessor, task)
        for kind in (tree.hard_predecessors, tree.soft_predecessors, tree.producer_predecessors)
        for task in tree.nodes
        for predecessor in kind[task]
    }
    claims, expected = {}, []
    for task, record in driver.announced.items():
        if not isinstance(record, CompletedRecord) or record.state != "succeeded":
            continue
        paths = record.materialised_outputs
        expected += [OutputOverlap(claims[path], task, path) for path in paths if claims.setdefault(path, task) != task]
        for path in record.materialised_outputs:
            found = False
            for consumer in consumers_of(path):
                if (task, consumer) in edges or consumer not in tree.specs:
                    continue
                edges.add((task, consumer))
                if consumer != task and reaches(edges, consumer, task):
                    expected.append((task, consumer))
                    found = True
                    break
            if found:
                break
    actual = [
        violation.offending_edge if isinstance(violation, RuntimeCycleViolation) else violation
        for violation in outcome.invariant_violations
    ]
    assert actual == expected


def reaches(edges, start, goal):
    seen, stack = {start}, [start]
    while stack:
        node = stack.pop()
        for source, target in edges:
            if source == node and target not in seen:
                seen.add(target)
                stack.append(target)
    return goal in seen


@given(tree=graphs(largest=14))
@settings(max_examples=200)
def test_at_cap_one_tasks_start_in_the_smallest_order_that_respects_the_edges(tree):
    """EXEC-002, EXEC-003, D8."""
    driver = Driver(tree, cap=1).start()
    while not driver.schedule.done:
        driver.hit(str(driver.looking[0]))
    expected, left = [], list(tree.nodes)
    while left:
        for task in left:
            if all(one in expected for one in (*tree.hard_predecessors[task], *tree.soft_predecessors[task])):
                expected.append(task)
                left.remove(task)
                break
    assert driver.started == expected


@given(tree=graphs(largest=12), data=st.data())
@settings(max_examples=200)
def test_tags_let_in_who_would_be_let_in_by_looking_at_everybody(tree, data):
    """EXEC-003, EXEC-005: keeping blocked tasks apart changes nothing that can be seen."""
    tag_caps = data.draw(st.dictionaries(st.sampled_from(TAGS), st.integers(1, 2)))
    cap = data.draw(st.integers(1, 4))
    driver = Driver(tree, cap=cap, tag_caps=tag_caps).start()
    while not driver.schedule.done:
        flying, before = list(driver.looking), list(driver.started)
        task = data.draw(st.sampled_from(flying))
        driver.hit(str(task))
        flying.remove(task)
        expected = []
        for one in tree.nodes:
            needs = (*tree.hard_predecessors[one], *tree.soft_predecessors[one])
            if one in before or not all(need in driver.announced for need in needs):
                continue
            used = Counter(tag for other in (*flying, *expected) for tag in tree.specs[other].tags)
            tags = tree.specs[one].tags
            if len(flying) + len(expected) < cap and all(used[tag] < tag_caps.get(tag, 99) for tag in tags):
                expected.append(one)
        assert driver.started[len(before) :] == expected


@pytest.mark.parametrize("shape", ["independent", "chain", "one tag", "one mutex", "layers", "two tags", "cross"])
def test_the_work_grows_with_the_graph_and_not_with_its_square(shape):
    """Counts calls instead of time, so that a busy machine changes nothing. O15 B7 of spec 03."""
    small, large = (calls(shape, size) for size in (250, 1000))
    assert large < small * 5


def calls(shape, size):
    names = [f"t{n:05}" for n in range(size)]
    hard, soft = {}, {}
    options = {}
    table = {}
    match shape:
        case "chain":
            hard = {late: early for early, late in itertools.pairwise(names)}
            tasks = names
        case "one tag":
            tasks = [spec(name, tags=("x",)) for name in names]
            options["tag_caps"] = {"x": 1}
        case "two tags":
            tasks = [spec(name, tags=(("x", "y"), ("x",), ("y",))[n % 3]) for n, name in enumerate(names)]
            options["tag_caps"] = {"x": 1, "y": 1}
        case "one mutex":
            tasks = [spec(name, mutex="m") for name in names]
        case "layers":
            hard = {name: " ".join(names[n // 10 * 10 - 10 : n // 10 * 10]) for n, name in enumerate(names) if n >= 10}
            tasks = names
        case "cross":  # every task writes what the next one in reverse order reads, with no declared edge
            tasks = names
            table = {f"/{n}": [TaskId("p", names[n + 1])] for n in range(size - 1)}
            options["consumers_of"] = lambda path: table.get(path, ())
        case _:
            tasks = names
    driver = Driver(graph(*tasks, hard=hard, soft=soft), cap=8, **options)
    count = 0

    def profile(_frame, event, _argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        schedule = driver.schedule
        pending = list(schedule.start())
        number = {TaskId("p", name): n for n, name in enumerate(names)}
        for action in pending:
            match type(action).__name__:
                case "Lookup":
                    pending += schedule.looked_up(action.task, hit=False)
                case "Spawn":
                    pending += schedule.finished(action.task, fresh(action.task, f"/{number[action.task]}"))
    finally:
        sys.setprofile(None)
    assert schedule.done
    return count
