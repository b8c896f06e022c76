"""Persistent tasks in the schedule: no slot, waiters at `ready`, stopped in reverse when nothing else is left."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haz.model import RunCancelled, SkipRecord, UpstreamCancelled, UpstreamFailed
from tests.unit.driver import Driver
from tests.unit.graphs import fresh, graph, ids, spec, task_id


def server(name, **fields):
    return spec(name, persistent=True, cache=False, **fields)


def states(driver):
    return {task.task: getattr(result, "state", type(result).__name__) for task, result in driver.announced.items()}


def test_waiters_start_when_it_is_ready_and_it_is_stopped_after_them():
    run = Driver(graph(server("db"), "test", hard={"test": "db"})).start().miss("db")
    assert run.looking == []
    run.ready("db").miss("test")
    assert run.stopped == []
    run.ok("test")
    assert run.stopped == list(ids("db"))
    run.ok("db")
    assert run.schedule.done


def test_soft_successors_wait_for_readiness_too():
    run = Driver(graph(server("db"), "test", soft={"test": "db"})).start().miss("db")
    assert run.looking == []
    assert run.ready("db").looking == list(ids("test"))
    run.miss("test").ok("test").ok("db")
    assert run.schedule.done


def test_its_end_counts_no_second_time_for_those_that_waited_for_readiness():
    run = Driver(graph(server("db"), "build", "t", hard={"t": "build"}, soft={"t": "db"})).start()
    run.miss("db").miss("build").ready("db").fail("db")
    assert run.looking == []
    assert run.ok("build").looking == list(ids("t"))


def test_they_take_no_slot_and_no_unit_of_a_tag():
    tags = ("heavy",)
    specs = [server("a", tags=tags), server("b", tags=tags), spec("c", tags=tags), spec("d", tags=tags)]
    run = Driver(graph(*specs, hard={"c": "a b", "d": "a b"}), cap=1, tag_caps={"heavy": 1})
    run.start().miss("a").miss("b").ready("a").ready("b")
    assert run.looking == list(ids("c"))
    run.miss("c").ok("c").miss("d").ok("d")
    assert run.stopped == list(ids("b"))
    run.ok("b").ok("a")
    assert run.schedule.done


def test_they_are_stopped_one_by_one_in_reverse_order():
    run = Driver(graph(server("a"), server("b"), "t", hard={"b": "a", "t": "b"})).start()
    run.miss("a").ready("a").miss("b").ready("b").miss("t").ok("t")
    assert run.stopped == list(ids("b"))
    run.ok("b")
    assert run.stopped == list(ids("b", "a"))
    run.ok("a")
    assert run.schedule.done


def test_one_that_nobody_waits_for_keeps_the_run_alive_with_those_it_needs():
    run = Driver(graph(server("db"), server("web"), "t", hard={"web": "db", "t": "db"})).start()
    run.miss("db").ready("db").miss("t").miss("web").ok("t").ready("web")
    assert run.stopped == []
    run.fail("web")
    assert run.stopped == list(ids("db"))
    run.ok("db")
    assert states(run) == {"t": "succeeded", "web": "failed", "db": "succeeded"}


def test_one_that_never_gets_ready_takes_its_waiters_with_it_and_nobody_else():
    run = Driver(graph(server("db"), "t", "u", "other", hard={"t": "db", "u": "t"})).start()
    run.miss("db").miss("other").fail("db").ok("other")
    skipped = [SkipRecord(task, UpstreamFailed(task_id("db"))) for task in ids("t", "u")]
    assert [run.announced[task] for task in ids("t", "u")] == skipped
    assert run.schedule.done


def test_one_that_dies_takes_those_with_it_that_have_not_started():
    names = ("runs", "below", "late", "under")
    edges = {"runs": "db", "below": "runs", "late": "db", "under": "late"}
    run = Driver(graph(server("db"), *names, hard=edges), cap=1).start()
    run.miss("db").ready("db")
    # One slot: `late` comes first by name and runs; `runs` is ready and waits.
    run.miss("late").fail("db").ok("late").miss("under").ok("under")
    assert states(run) == {
        "db": "failed",
        "runs": "SkipRecord",
        "below": "SkipRecord",
        "late": "succeeded",
        "under": "succeeded",
    }
    assert run.schedule.done


def test_a_skipped_waiter_does_not_keep_its_place_at_a_full_tag():
    tags = ("one",)
    specs = [server("db"), spec("a", tags=tags), spec("b", tags=tags), spec("c", tags=tags)]
    run = Driver(graph(*specs, hard={"b": "db"}), cap=9, tag_caps={"one": 1}).start()
    run.miss("db").ready("db")
    assert run.looking == list(ids("a"))
    run.fail("db").miss("a").ok("a")
    assert run.looking == list(ids("c"))
    run.miss("c").ok("c")
    assert run.schedule.done


def test_a_cancel_signals_it_and_nothing_is_stopped_besides():
    run = Driver(graph(server("db"), "t", hard={"t": "db"})).start().miss("db").ready("db").miss("t").cancel()
    assert run.signalled == list(ids("db", "t"))
    run.obey("t").obey("db")
    assert run.stopped == []
    assert states(run) == {"t": "SignaledInFlight", "db": "SignaledInFlight"}


def test_fail_fast_stops_one_that_is_not_ready_at_once_and_cancels_its_waiters():
    run = Driver(graph(server("db"), "bad", "t", hard={"t": "db"}), fail_fast=True).start()
    run.miss("bad").miss("db").fail("bad")
    assert run.stopped == list(ids("db"))
    assert run.announced[task_id("t")] == UpstreamCancelled(*ids("t", "db"))
    run.ok("db")
    assert run.schedule.done


def test_a_mutex_is_held_as_long_as_it_runs():
    run = Driver(graph(server("db", mutex="m"), spec("t", mutex="m"), "u", hard={"u": "db"})).start()
    run.miss("db").miss("t").ready("db").miss("u").ok("u")
    assert run.running == list(ids("db"))
    assert run.looking == []


def test_ready_is_said_once_and_of_persistent_tasks_only():
    run = Driver(graph(server("db"), "t", "u", hard={"u": "db"})).start().miss("db").miss("t").ready("db")
    for task in ("db", "t"):
        with pytest.raises(RuntimeError):
            run.ready(task)


@settings(max_examples=300)
@given(st.data())
def test_every_run_ends_with_one_record_for_each_task(data):
    """Whatever ends, dies or is cancelled in whatever order; those that serve are stopped at last."""
    names = "abcdef"
    kinds = {name: data.draw(st.booleans(), f"{name} serves") for name in names}
    hard = {
        name: " ".join(other for other in names[:place] if data.draw(st.integers(0, 3)) == 0)
        for place, name in enumerate(names)
    }
    specs = [server(name) if serves else spec(name) for name, serves in kinds.items()]
    run = Driver(graph(*specs, hard=hard), cap=data.draw(st.integers(1, 3)), fail_fast=data.draw(st.booleans())).start()
    up: set[str] = set()
    for _ in range(200):
        if run.schedule.done:
            break
        moves = [("look", task) for task in run.looking] + [("end", task) for task in run.running]
        moves += [("up", task) for task in run.running if kinds[task.task] and task.task not in up]
        move, task = data.draw(
            st.sampled_from([*moves, ("cancel", None)] if len(moves) > 1 else moves or [("cancel", None)])
        )
        if move == "look":
            run.miss(str(task))
        elif move == "up":
            up.add(task.task)
            run.ready(str(task))
        elif move == "cancel":
            run.cancel()
        elif task in run.signalled:
            run.obey(str(task))
        elif task in run.stopped:
            run.ok(str(task))
        elif kinds[task.task]:
            run.fail(str(task))
        else:
            run.end(fresh(task)) if data.draw(st.booleans()) else run.fail(str(task))
    assert run.schedule.done
    assert set(run.announced) == set(ids(*names))
    assert not any(isinstance(result, RunCancelled) for task, result in run.announced.items() if task in run.stopped)


def test_a_run_goes_on_only_for_a_server_that_is_asked_for():
    asked_for = Driver(graph(server("web"), "build", hard={"web": "build"})).start()
    assert not asked_for.schedule.goes_on
    asked_for.miss("build").ok("build").miss("web")
    assert asked_for.schedule.goes_on
    asked_for.take(asked_for.schedule.cancel())
    assert not asked_for.schedule.goes_on

    needed = Driver(graph(server("db"), "test", hard={"test": "db"})).start().miss("db").ready("db")
    assert not needed.schedule.goes_on
    needed.miss("test").ok("test")
    assert not needed.schedule.goes_on
