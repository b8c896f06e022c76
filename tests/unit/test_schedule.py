from __future__ import annotations

import pytest

from haz.errors import BuildKeyFailed, SpawnError, SpawnFailed, TaskNotInWorkspace
from haz.exit_code import exit_code_for
from haz.model import (
    CompletedRecord,
    OutputOverlap,
    RunCancelled,
    RuntimeCycle,
    RuntimeCycleViolation,
    SignaledInFlight,
    SkipRecord,
    TaskRun,
    UpstreamCancelled,
    UpstreamErrored,
    UpstreamFailed,
)
from haz.outcome import Counts
from haz.schedule import Schedule
from tests.unit.driver import Driver
from tests.unit.graphs import STREAMS, failed, fresh, graph, ids, spec, task_id


def started(driver):
    return [task.task for task in driver.started]


def result(driver, task):
    return driver.announced[task_id(task)]


def outcome(driver):
    assert driver.schedule.done
    outcome = driver.schedule.outcome()
    assert set(outcome.outcomes) | set(outcome.task_errors) == set(driver.graph.nodes)
    assert not set(outcome.outcomes) & set(outcome.task_errors)
    return outcome


class TestOrder:
    def test_a_chain_starts_in_order(self):
        """EXEC-001, EXEC-002."""
        driver = Driver(graph("a", "b", "c", hard={"a": "b", "b": "c"})).start()
        assert started(driver) == ["c"]
        driver.miss("c").ok("c")
        assert started(driver) == ["c", "b"]
        driver.hit("b")
        assert started(driver) == ["c", "b", "a"]

    def test_a_diamond_joins_once(self):
        """EXEC-001."""
        driver = Driver(graph("a", "b", "c", "d", hard={"b": "a", "c": "a", "d": "b c"})).start()
        driver.miss("a").ok("a").miss("b", "c").ok("b")
        assert "d" not in started(driver)
        driver.ok("c")
        assert started(driver) == ["a", "b", "c", "d"]

    def test_independent_tasks_start_in_canonical_order_at_cap_one(self):
        """EXEC-003, EXEC-004. By pair, not by printed text: `a:z` before `a-b:a`."""
        driver = Driver(graph("a-b:a", "a:z", "b:a"), cap=1).start()
        while not driver.schedule.done:
            driver.hit(str(driver.looking[0]))
        assert list(map(str, driver.started)) == ["a:z", "a-b:a", "b:a"]

    def test_a_released_task_takes_its_canonical_place_among_the_ready(self):
        """EXEC-003."""
        driver = Driver(graph("a", "b", "c", hard={"b": "a"}), cap=1).start().hit("a")
        assert started(driver) == ["a", "b"]

    def test_a_soft_predecessor_in_the_run_is_awaited_whatever_its_end(self):
        """EXEC-008, D8."""
        for step in (lambda d: d.ok("p"), lambda d: d.fail("p"), lambda d: d.obey("p")):
            driver = Driver(graph("a", "p", soft={"a": "p"})).start().miss("p")
            assert started(driver) == ["p"]
            step(driver)
            assert started(driver) == ["p", "a"]
            assert outcome(driver.hit("a")).counts().completed >= 1

    def test_a_skipped_soft_predecessor_lets_its_successor_go(self):
        """EXEC-008, D8."""
        driver = Driver(graph("a", "p", "root", hard={"p": "root"}, soft={"a": "p"})).start().miss("root").fail("root")
        assert isinstance(result(driver, "p"), SkipRecord)
        assert started(driver) == ["root", "a"]

    def test_a_producer_edge_orders_nothing(self):
        """DAG-013, D8."""
        assert started(Driver(graph("a", "b", producers={"a": "b"})).start()) == ["a", "b"]

    def test_critical_path_order_starts_the_longest_chain_first(self):
        durations = dict(zip(ids("a", "b", "c", "d"), (1.0, 1.0, 5.0, 3.0), strict=True))
        tree = graph("a", "b", "c", "d", hard={"d": "b"})
        driver = Driver(tree, cap=1, order="critical-path", durations=durations).start()
        while not driver.schedule.done:
            driver.hit(driver.looking[0].task)
        assert started(driver) == ["c", "b", "d", "a"]

    def test_an_unknown_duration_counts_as_the_mean_of_the_known(self):
        driver = Driver(graph("a", "b", "c"), cap=1, order="critical-path", durations={task_id("c"): 2.0})
        assert started(driver.start()) == ["a"]


class TestCaps:
    def test_a_tag_cap_holds_back_only_tasks_of_that_tag(self):
        """EXEC-005."""
        tree = graph(*(spec(f"p{n}:t", tags=("gpu",)) for n in range(3)), "q:t")
        driver = Driver(tree, tag_caps={"gpu": 1, "unused": 1}).start()
        assert list(map(str, driver.started)) == ["p0:t", "q:t"]
        driver.miss("p0:t").ok("p0:t")
        assert list(map(str, driver.started)) == ["p0:t", "q:t", "p1:t"]

    def test_a_task_needs_a_unit_of_every_capped_tag(self):
        """EXEC-005, EXEC-006."""
        tree = graph(spec("a", tags=("x",)), spec("b", tags=("x", "y")), spec("c", tags=("y",)))
        driver = Driver(tree, tag_caps={"x": 1, "y": 1}).start()
        assert started(driver) == ["a", "c"]
        driver.hit("a")
        assert started(driver) == ["a", "c"]
        driver.hit("c")
        assert started(driver) == ["a", "c", "b"]

    def test_partial_slots_keep_canonical_order(self):
        """EXEC-003: who was held back by a tag goes before later ones as soon as there is room."""
        tree = graph(spec("a", tags=("x",)), spec("b", tags=("x",)), "c", "d")
        driver = Driver(tree, cap=2, tag_caps={"x": 1}).start()
        assert started(driver) == ["a", "c"]
        driver.hit("a")
        assert started(driver) == ["a", "c", "b"]

    @pytest.mark.parametrize(("cap", "tags"), [(0, {}), (1, {"x": 0})])
    def test_a_cap_below_one_is_refused(self, cap, tags):
        with pytest.raises(ValueError, match="cap"):
            Schedule(graph("a"), cap, tags)

    def test_a_graph_with_a_cycle_is_an_error_and_not_a_hang(self):
        with pytest.raises(RuntimeError, match="cycle"):
            Driver(graph("a", "b", hard={"a": "b", "b": "a"})).start()


class TestMutex:
    def test_exclusive_holders_never_overlap(self):
        """MUTEX-003, EXEC-006, EXEC-007."""
        driver = Driver(graph(spec("a", mutex="m"), spec("b", mutex="m"))).start().miss("a", "b")
        assert driver.running == list(ids("a"))
        assert driver.schedule.waiting() == ids("b")
        driver.ok("a")
        assert driver.looking == list(ids("b"))
        assert driver.miss("b").running == list(ids("b"))

    def test_shared_holders_overlap_and_exclude_an_exclusive_one(self):
        """MUTEX-003, MUTEX-004."""
        tree = graph(spec("a", mutex="m?"), spec("b", mutex="m?"), spec("c", mutex="m"))
        driver = Driver(tree).start().miss("a", "b", "c")
        assert driver.running == list(ids("a", "b"))
        driver.ok("a")
        assert not driver.looking
        driver.ok("b")
        assert driver.looking == list(ids("c"))

    def test_names_of_different_scope_do_not_exclude_each_other(self):
        """MUTEX-001."""
        from haz.model import Mutex

        tasks = [
            spec("p:a").replace(mutex=Mutex("db", "exclusive")),
            spec("p:b").replace(mutex=Mutex("db", "exclusive", "p")),
            spec("q:b").replace(mutex=Mutex("db", "exclusive", "q")),
        ]
        assert len(Driver(graph(*tasks)).start().miss("p:a", "p:b", "q:b").running) == 3

    def test_a_parked_task_gives_its_slot_to_an_unrelated_one(self):
        """MUTEX-005; used to starve the third task."""
        tree = graph(spec("m1", mutex="m"), spec("m2", mutex="m"), "z")
        driver = Driver(tree, cap=2).start().miss("m1", "m2")
        assert started(driver) == ["m1", "m2", "z"]

    def test_a_parked_task_holds_no_tag(self):
        """MUTEX-005."""
        tree = graph(spec("a", mutex="m"), spec("b", mutex="m", tags=("x",)), spec("c", tags=("x",)))
        driver = Driver(tree, tag_caps={"x": 1}).start().miss("a", "b")
        assert started(driver) == ["a", "b", "c"]

    def test_waiters_are_served_in_order_and_each_is_looked_up_once_per_wake(self):
        """MUTEX-005, D9."""
        tree = graph(*(spec(name, mutex="m") for name in "abcd"))
        driver = Driver(tree).start().miss("a", "c", "b", "d")
        driver.new()
        assert driver.ok("a").new() == ["announce a", "lookup c"]
        assert driver.miss("c").ok("c").new() == ["spawn c", "announce c", "lookup b"]
        assert driver.miss("b").ok("b").new() == ["spawn b", "announce b", "lookup d"]

    def test_an_exclusive_waiter_is_not_overtaken_by_later_shared_ones(self):
        """MUTEX-003, MUTEX-004, D9."""
        tree = graph(spec("a", mutex="m?"), spec("b", mutex="m"), spec("c", mutex="m?"), spec("d", mutex="m?"))
        driver = Driver(tree).start().miss("a", "b", "c")
        assert driver.running == list(ids("a"))
        driver.ok("a")
        assert driver.looking == list(ids("d", "b"))
        driver.miss("d")
        assert driver.schedule.waiting() == ids("c", "d")
        driver.miss("b").ok("b")
        assert driver.looking == list(ids("c", "d"))
        assert driver.miss("c", "d").running == list(ids("c", "d"))

    def test_nobody_takes_the_mutex_from_a_woken_task(self):
        """D9: not even one that comes while the woken one derives its key again."""
        tree = graph(spec("a", mutex="m"), spec("b", mutex="m"), spec("c", mutex="m"))
        driver = Driver(tree, cap=2).start().miss("a", "b").ok("a")
        assert driver.looking == list(ids("c", "b"))
        driver.miss("c")
        assert driver.schedule.waiting() == ids("c")
        assert driver.miss("b").running == list(ids("b"))

    def test_a_woken_task_is_admitted_before_ready_ones(self):
        tree = graph(spec("a", mutex="m"), "b", "c", spec("z", mutex="m"), hard={"b": "a", "c": "a"})
        driver = Driver(tree, cap=2).start().miss("a", "z").ok("a")
        assert driver.looking == list(ids("z", "b"))

    def test_a_woken_task_that_hits_passes_the_mutex_on(self):
        """MUTEX-007."""
        tree = graph(*(spec(name, mutex="m") for name in "abc"))
        driver = Driver(tree).start().miss("a", "b", "c").ok("a").hit("b")
        assert driver.looking == list(ids("c"))

    def test_a_woken_task_whose_lookup_breaks_passes_the_mutex_on(self):
        tree = graph(*(spec(name, mutex="m") for name in "abc"))
        driver = Driver(tree).start().miss("a", "b", "c").ok("a")
        driver.break_down("b", BuildKeyFailed(TaskNotInWorkspace(task_id("b"))))
        assert driver.looking == list(ids("c"))

    def test_a_hit_needs_no_mutex(self):
        """MUTEX-007, EXEC-007."""
        driver = Driver(graph(spec("a", mutex="m"), spec("b", mutex="m"))).start().miss("a").hit("b")
        assert task_id("b") in driver.announced

    @pytest.mark.parametrize("end", ["ok", "fail", "obey"])
    def test_the_mutex_is_released_whatever_the_end(self, end):
        """MUTEX-006."""
        driver = Driver(graph(spec("a", mutex="m"), spec("b", mutex="m"))).start().miss("a", "b")
        getattr(driver, end)("a")
        assert driver.looking == list(ids("b"))

    def test_a_restore_that_fails_goes_on_as_a_miss(self):
        """CACHE-020, D5."""
        driver = Driver(graph(spec("a", mutex="m"), spec("b", mutex="m"))).start().miss("a")
        driver.take(driver.schedule.looked_up(task_id("b"), hit=True))
        driver.take(driver.schedule.restore_failed(task_id("b")))
        assert driver.schedule.waiting() == ids("b")
        assert driver.ok("a").new()[-1] == "lookup b"


class TestFailure:
    def test_descendants_are_skipped_with_the_root_cause_before_anything_is_admitted(self):
        """EXEC-010, EXEC-011."""
        tree = graph("z", "a", "down", "down2", "fail", hard={"down": "fail", "down2": "down"})
        driver = Driver(tree, cap=1).start().hit("a").miss("fail")
        driver.new()
        assert driver.fail("fail").new() == ["announce fail", "announce down", "announce down2", "lookup z"]
        cause = UpstreamFailed(task_id("fail"))
        assert result(driver, "down2") == SkipRecord(task_id("down2"), cause)
        driver.hit("z")
        assert outcome(driver).counts() == Counts(2, 2, 1, 2, 0, 0)

    def test_the_first_cascade_to_reach_a_task_wins(self):
        """EXEC-011."""
        driver = Driver(graph("a", "b", "c", hard={"c": "a b"})).start().miss("a", "b").fail("b").fail("a")
        assert result(driver, "c").cause == UpstreamFailed(task_id("b"))

    def test_an_errored_task_is_announced_and_skips_its_descendants(self):
        """EXEC-011, D10; used to vanish silently."""
        error = SpawnFailed(SpawnError("x", "not found"))
        driver = Driver(graph("a", "b", hard={"b": "a"})).start().miss("a").break_down("a", error)
        assert result(driver, "a") is error
        assert result(driver, "b").cause == UpstreamErrored(task_id("a"))
        run = outcome(driver)
        assert run.task_errors == {task_id("a"): error}
        assert run.counts() == Counts(0, 0, 1, 1, 0, 0)
        assert exit_code_for(run) == 1

    def test_fail_fast_lets_running_tasks_finish_and_admits_no_other(self):
        driver = Driver(graph("a", "b", "c", "d", hard={"d": "b"}), cap=2, fail_fast=True).start().miss("a", "b")
        driver.fail("a")
        assert not driver.signalled
        driver.ok("b")
        run = outcome(driver)
        assert [type(run.outcomes[task]) for task in ids("b", "c", "d")] == [
            CompletedRecord,
            RunCancelled,
            RunCancelled,
        ]

    def test_streams_of_direct_hard_predecessors_are_at_hand(self):
        """CACHE-007, DAG-017."""
        driver = Driver(graph("a", "b", "c", hard={"c": "b", "b": "a"})).start().hit("a").miss("b").ok("b")
        assert driver.schedule.predecessor_streams(task_id("c")) == ((task_id("b"), STREAMS),)


class TestCancel:
    def test_cancel_before_the_first_answer_spawns_nothing(self):
        """EXEC-012, EXEC-013."""
        driver = Driver(graph("a", "b", "c", hard={"c": "b"}), cap=1).start().cancel()
        assert result(driver, "b") == RunCancelled(task_id("b"))
        assert result(driver, "c") == UpstreamCancelled(task_id("c"), task_id("b"))
        driver.miss("a")
        assert not driver.running
        assert result(driver, "a") == RunCancelled(task_id("a"))
        assert exit_code_for(outcome(driver)) == 0

    def test_the_example_of_the_contract(self):
        """EXEC-013; descendants of drained tasks used to have no record."""
        driver = Driver(graph("a_run", "a_child", "b_wait", hard={"a_child": "a_run"}), cap=1).start().miss("a_run")
        driver.new()
        assert driver.cancel().new() == ["signal a_run", "announce b_wait"]
        assert driver.obey("a_run").new() == ["announce a_run", "announce a_child"]
        run = outcome(driver)
        assert isinstance(run.outcomes[task_id("a_run")], SignaledInFlight)
        assert run.outcomes[task_id("a_child")] == UpstreamCancelled(task_id("a_child"), task_id("a_run"))
        assert run.counts() == Counts(0, 0, 0, 0, 3, 0)

    def test_a_hit_found_after_the_cancel_is_not_restored(self):
        """EXEC-013; a reclassified hit used to rewrite files."""
        driver = Driver(graph("a")).start().cancel().hit("a")
        assert not driver.restoring
        assert result(driver, "a") == RunCancelled(task_id("a"))

    def test_a_lookup_that_breaks_after_the_cancel_is_no_error(self):
        driver = Driver(graph("a")).start().cancel()
        driver.break_down("a", BuildKeyFailed(TaskNotInWorkspace(task_id("a"))))
        assert not outcome(driver).task_errors

    def test_a_restore_under_way_keeps_its_record_and_its_successors_are_drained(self):
        driver = Driver(graph("a", "b", "c", hard={"b": "a", "c": "b"})).start()
        driver.take(driver.schedule.looked_up(task_id("a"), hit=True)).cancel()
        driver.take(driver.schedule.finished(task_id("a"), fresh(task_id("a"))))
        run = outcome(driver)
        assert run.outcomes[task_id("b")] == RunCancelled(task_id("b"))
        assert run.outcomes[task_id("c")] == UpstreamCancelled(task_id("c"), task_id("b"))

    def test_a_restore_that_fails_after_the_cancel_is_cancelled(self):
        driver = Driver(graph("a")).start()
        driver.take(driver.schedule.looked_up(task_id("a"), hit=True)).cancel()
        driver.take(driver.schedule.restore_failed(task_id("a")))
        assert result(driver, "a") == RunCancelled(task_id("a"))

    def test_parked_tasks_are_drained(self):
        """MUTEX-005, EXEC-013."""
        driver = Driver(graph(spec("a", mutex="m"), spec("b", mutex="m"))).start().miss("a", "b").cancel().obey("a")
        assert result(driver, "b") == RunCancelled(task_id("b"))
        assert driver.schedule.done

    def test_a_child_that_ended_by_itself_is_classified_normally(self):
        """EXEC-014."""
        driver = Driver(graph("a", "b")).start().miss("a", "b").cancel().ok("a").fail("b")
        assert outcome(driver).counts() == Counts(1, 0, 1, 0, 0, 0)

    def test_a_second_cancel_changes_nothing(self):
        driver = Driver(graph("a")).start().miss("a").cancel().cancel()
        assert driver.signalled == list(ids("a"))

    def test_tasks_held_back_by_a_tag_are_drained(self):
        tree = graph(spec("a", tags=("x",)), spec("b", tags=("x",)))
        driver = Driver(tree, tag_caps={"x": 1}).start().cancel().miss("a")
        assert driver.schedule.done

    def test_an_answer_to_nothing_is_refused(self):
        driver = Driver(graph("a", "b", hard={"b": "a"})).start()
        with pytest.raises(RuntimeError, match="blocked"):
            driver.schedule.looked_up(task_id("b"), hit=True)


RUN = TaskRun(1, "failed", 0, 1, "exit 1", 1)


class TestRetry:
    def test_during_a_delay_slot_and_mutex_are_free(self):
        """Spec 03 §13.5; seed 004."""
        tree = graph(spec("a", mutex="m"), spec("b", mutex="m"), "c")
        driver = Driver(tree, cap=1).start().miss("a").retry("a", (RUN,))
        assert driver.looking == list(ids("b"))
        driver.miss("b").ok("b").hit("c").due("a").miss("a")
        driver.end(fresh(task_id("a"), attempts=(RUN, RUN.replace(attempt=2))))
        assert outcome(driver).counts() == Counts(3, 1, 0, 0, 0, 1)

    def test_without_a_delay_slot_and_mutex_are_kept_and_the_key_is_derived_again(self):
        """Spec 03 §13.5."""
        tree = graph(spec("a", mutex="m"), spec("b", mutex="m"), "c")
        driver = Driver(tree, cap=2).start().miss("a", "b")
        driver.new()
        assert driver.retry("a", delayed=False).new() == ["lookup a"]
        assert driver.schedule.waiting() == ids("b")
        assert driver.miss("a").new() == ["spawn a"]

    def test_cancel_during_a_backoff_keeps_the_attempts(self):
        """EXEC-013, spec 03 §13.6."""
        driver = Driver(graph("a", "b", hard={"b": "a"})).start().miss("a").retry("a", (RUN,)).cancel()
        assert result(driver, "a") == RunCancelled(task_id("a"), (RUN,))
        assert result(driver, "b") == UpstreamCancelled(task_id("b"), task_id("a"))
        assert driver.due("a").schedule.done

    def test_no_attempt_follows_a_cancel(self):
        driver = Driver(graph("a")).start().miss("a").cancel().retry("a", (RUN,), delayed=False)
        assert result(driver, "a") == RunCancelled(task_id("a"), (RUN,))

    def test_a_cancel_while_the_key_is_derived_again_keeps_the_attempts(self):
        driver = Driver(graph("a")).start().miss("a").retry("a", (RUN,), delayed=False).cancel().miss("a")
        assert result(driver, "a") == RunCancelled(task_id("a"), (RUN,))


def readers(table):
    """`{"path": "task task"}`."""
    return lambda path: ids(*table.get(path, "").split())


class TestOverlap:
    def test_every_later_writer_is_reported_against_the_first(self):
        """EXEC-020."""
        driver = Driver(graph("a", "b", "c", "d", "e", "z", hard={"d": "a"}), cap=5).start().miss("a", "b", "c", "e")
        driver.ok("b", "/o/r", "/o/r").ok("a", "/o/r")
        assert not driver.signalled
        assert result(driver, "d") == RunCancelled(task_id("d"))
        driver.ok("c", "/o/r").miss("z").ok("e")
        run = outcome(driver)
        assert run.invariant_violations == (
            OutputOverlap(*ids("b", "a"), "/o/r"),
            OutputOverlap(*ids("b", "c"), "/o/r"),
        )
        assert run.counts() == Counts(4, 0, 0, 0, 2, 0)
        assert exit_code_for(run) == 1
        assert exit_code_for(run, 15) == 143

    def test_a_hit_claims_its_outputs_too(self):
        """EXEC-020."""
        driver = Driver(graph("a", "b")).start().hit("a", "/o").hit("b", "/o")
        assert len(outcome(driver).invariant_violations) == 1

    def test_a_cancel_after_an_overlap_still_signals(self):
        driver = Driver(graph("a", "b", "c")).start().miss("a", "b", "c").ok("a", "/o").ok("b", "/o").cancel()
        assert driver.signalled == list(ids("c"))


class TestCycle:
    def test_files_that_close_a_cycle_stop_the_run(self):
        """EXEC-019."""
        tree = graph("gen", "slow", "src", "zz", "zz2", hard={"src": "gen", "zz2": "zz"})
        driver = Driver(tree, cap=2, consumers_of=readers({"/g": "src", "/s": "gen"})).start().miss("gen", "slow")
        driver.ok("gen", "/g").miss("src")
        driver.new()
        assert driver.ok("src", "/s").new() == ["announce src", "signal slow", "announce zz", "announce zz2"]
        driver.obey("slow")
        run = outcome(driver)
        assert run.invariant_violations == (RuntimeCycleViolation(ids("gen", "src"), ids("src", "gen")),)
        assert isinstance(run.outcomes[task_id("slow")], SignaledInFlight)
        assert exit_code_for(run) == 1

    def test_a_ready_member_and_its_descendants_are_skipped(self):
        """EXEC-019, D10; the descendants used to have no record."""
        tree = graph("a", "b", "x", "x2", "z", hard={"x2": "x"}, producers={"b": "x"})
        driver = Driver(tree, cap=1, consumers_of=readers({"/a": "x", "/b": "a"})).start()
        driver.miss("a").ok("a", "/a")
        assert started(driver) == ["a", "b"]
        driver.miss("b").ok("b", "/b")
        run = outcome(driver)
        assert run.invariant_violations == (RuntimeCycleViolation(ids("a", "b", "x"), ids("b", "a")),)
        assert run.outcomes[task_id("x")] == SkipRecord(task_id("x"), RuntimeCycle())
        assert run.outcomes[task_id("x2")] == SkipRecord(task_id("x2"), RuntimeCycle())
        assert run.outcomes[task_id("z")] == RunCancelled(task_id("z"))

    def test_a_task_that_reads_its_own_output_is_silent(self):
        """EXEC-018, EXEC-019, DAG-014."""
        driver = Driver(graph("fmt"), consumers_of=readers({"/s": "fmt"})).start().miss("fmt").ok("fmt", "/s")
        assert not outcome(driver).invariant_violations

    def test_a_reader_outside_the_run_closes_no_cycle(self):
        driver = Driver(graph("a"), consumers_of=readers({"/s": "other"})).start().hit("a", "/s")
        assert not outcome(driver).invariant_violations

    def test_a_cycle_through_a_static_edge_only_is_found(self):
        """EXEC-019: the hard predecessor reads what its successor writes."""
        driver = Driver(graph("a", "b", hard={"b": "a"}), consumers_of=readers({"/b": "a"})).start().hit("a")
        driver.hit("b", "/b")
        assert outcome(driver).invariant_violations[0].offending_edge == ids("b", "a")


class TestExitCode:
    @pytest.mark.parametrize(("signal", "code"), [(None, 0), (1, 129), (2, 130), (3, 131), (15, 143)])
    def test_a_signal_wins_over_success(self, signal, code):
        """EXEC-021, D13."""
        assert exit_code_for(outcome(Driver(graph("a")).start().hit("a")), signal) == code

    def test_a_signal_wins_over_a_failure(self):
        """EXEC-021; over a violation: see TestOverlap."""
        driver = Driver(graph("a")).start().miss("a").end(failed(task_id("a")))
        assert exit_code_for(outcome(driver), 2) == 130

    def test_an_empty_run_succeeds(self):
        """EXEC-021."""
        driver = Driver(graph()).start()
        assert driver.log == []
        assert exit_code_for(outcome(driver)) == 0

    def test_failed_is_one(self):
        """EXEC-021: the child's own code is never passed on."""
        driver = Driver(graph("a")).start().miss("a").end(failed(task_id("a")))
        assert exit_code_for(outcome(driver)) == 1


class TestOtherProcesses:
    def test_who_waits_for_another_process_gives_its_slot_to_the_next(self):
        """EXEC-006: a task of another haz takes no room here."""
        driver = Driver(graph("a", "b"), cap=1).start().miss("a").must_wait("a")
        assert driver.looking == list(ids("b"))

    def test_who_waited_looks_again_before_others_and_a_hit_is_not_run(self):
        """EXEC-007, MUTEX-007."""
        tree = graph(spec("a", mutex="m"), spec("b", mutex="m"), "c", "d")
        driver = Driver(tree, cap=1).start().miss("a").must_wait("a").miss("b").look_again("a")
        assert driver.looking == list(ids("c"))
        driver.miss("c").ok("c")
        assert driver.looking == list(ids("a"))
        driver.new()
        driver.hit("a")
        assert driver.new() == ["restore a", "announce a", "lookup b"]
        assert not driver.schedule.waiting()

    def test_a_miss_after_the_wait_is_spawned_with_the_mutex_it_kept(self):
        """MUTEX-006."""
        tree = graph(spec("a", mutex="m"), spec("b", mutex="m"))
        driver = Driver(tree).start().miss("a", "b").must_wait("a")
        assert driver.schedule.waiting() == ids("b")
        assert driver.look_again("a").miss("a").running == list(ids("a"))

    def test_a_key_that_may_be_outdated_is_derived_again_in_the_same_slot(self):
        driver = Driver(graph("a", "b"), cap=1).start().miss("a").look_again("a")
        assert driver.looking == list(ids("a"))

    def test_a_cancel_ends_the_wait_at_once(self):
        """EXEC-013."""
        driver = Driver(graph("a", "b", hard={"b": "a"})).start().miss("a").must_wait("a").cancel()
        assert driver.schedule.done
        assert driver.announced[task_id("a")] == RunCancelled(task_id("a"))
        assert driver.signalled == []

    def test_a_wait_that_is_told_after_the_stop_is_given_up(self):
        driver = Driver(graph("a", "b")).start().miss("a", "b").cancel().must_wait("a").look_again("b")
        assert driver.schedule.done
        assert [type(record) for record in driver.announced.values()] == [RunCancelled, RunCancelled]
