"""What a run does about other haz processes: locks in order, waits, and keys that may be outdated."""

from __future__ import annotations

import signal
from collections import deque

import pytest

from haz.model import CompletedRecord, Mutex, Pattern, Retries, RunCancelled, TaskId, TaskSpec
from haz.neighbours import lock_names
from tests.fakes import FakeInputs, FakeLocks
from tests.unit.test_loop import A, B, World, task

EXCLUSIVE = Mutex("db", "exclusive")


class Crowd(World):
    """A world with other processes in it."""

    def __init__(self, *tasks: TaskSpec, **options: object) -> None:
        super().__init__(*tasks, **options)  # type: ignore[arg-type]
        self.locks = FakeLocks(self.events)

    def run(self, **options: object) -> Crowd:
        super().run(locks=self.locks, **options)
        assert self.locks.names == {}, "every lock was given back"
        return self

    def spread(self) -> None:
        """Let another process have stored what an earlier run of this one made."""
        self.entries, self.store.entries = self.store.entries, {}
        self.locks.then = lambda _: self.store.entries.update(self.entries)


def test_the_locks_are_the_task_then_its_mutex() -> None:
    """MUTEX-001: a mutex of a project is another one than that of the workspace."""
    assert lock_names(task("a", "ok")) == [("task.p.a", True)]
    assert lock_names(task("a", "ok", mutex=EXCLUSIVE)) == [("task.p.a", True), ("mutex.db", True)]
    shared = Mutex("db", "shared", project="p")
    assert lock_names(task("a", "ok", mutex=shared)) == [("task.p.a", True), ("mutex.p.db", False)]


def test_locks_are_held_from_before_the_spawn_until_the_result_is_stored() -> None:
    world = Crowd(task("a", "ok", mutex=EXCLUSIVE))
    world.locks.note = lambda: world.locks.log.append(("note", len(world.store.entries)))  # type: ignore[method-assign]
    assert world.run().spawned == ["ok"]
    assert world.locks.log == [
        ("acquire", "task.p.a", True),
        ("acquire", "mutex.db", True),
        ("note", 0),
        ("note", 1),
        ("release", "task.p.a"),
        ("release", "mutex.db"),
    ]


def test_a_hit_takes_no_lock() -> None:
    """MUTEX-007."""
    world = Crowd(task("a", "ok", mutex=EXCLUSIVE)).run()
    world.locks.log.clear()
    world.run()
    assert [entry for entry in world.locks.log if entry[0] == "acquire"] == []


def test_who_had_to_wait_restores_what_the_other_process_made() -> None:
    """EXEC-007, 03 §15 C9: the command runs once, and the wait is not its duration."""
    world = Crowd(task("a", "ok")).run()
    world.spread()
    world.locks.held["task.p.a"] = (77, 9.0)
    world.run()
    record = world.outcome.outcomes[A]
    assert isinstance(record, CompletedRecord)
    assert (record.source, world.spawned) == ("cache_hit", [])
    assert world.diary.of("waiting") == [(A, 77)]
    assert world.diary.of("task_finished")[0][2] == 0.0
    assert len(world.diary.of("task_started")) == 1
    assert world.clock.now == 9.0


def test_a_holder_that_died_leaves_the_task_to_the_waiter() -> None:
    world = Crowd(task("a", "ok"))
    world.locks.held["task.p.a"] = (77, 9.0)
    assert world.run().spawned == ["ok"]


def test_a_result_that_came_between_lookup_and_lock_is_found() -> None:
    """The lock was free already, but the miss was of before: nothing runs twice."""
    world = Crowd(task("a", "ok")).run()
    world.spread()
    world.locks.held["task.p.a"] = (77, 0.0)
    world.locks.changed = iter([False, True, *[False] * 9]).__next__  # type: ignore[method-assign]
    assert world.run().spawned == []
    assert world.diary.of("waiting") == []


def test_inputs_read_ahead_are_read_again_when_another_process_has_written() -> None:
    pattern = (Pattern("o", "/p/o", literal=True),)
    world = Crowd(task("a", "ok"), task("b", "ok", inputs=pattern), hard={"b": "a"})
    old, new = (FakeInputs([("/p/o", bytes([n]) * 32, False)]) for n in (1, 2))
    world.files.answers[1] = deque([new])
    world.run()
    world.files.answers[1] = deque([old, new])
    world.locks.changed = iter([False, True, *[False] * 9]).__next__  # type: ignore[method-assign]
    assert world.run().spawned == []


def test_waiting_for_a_mutex_happens_with_the_task_lock_and_without_a_slot() -> None:
    """MUTEX-003, EXEC-006."""
    world = Crowd(task("a", "ok", mutex=EXCLUSIVE), task("b", "sleep:1"), cap=1)
    world.locks.held["mutex.db"] = (77, 5.0)
    assert world.run().spawned == ["sleep:1", "ok"]
    assert world.diary.of("waiting") == [(A, 77)]
    assert world.clock.now == 5.0


def test_one_holder_of_both_locks_is_named_once() -> None:
    world = Crowd(task("a", "ok", mutex=EXCLUSIVE))
    world.locks.held = {"task.p.a": (77, 1.0), "mutex.db": (77, 2.0)}
    assert world.run().spawned == ["ok"]
    assert world.diary.of("waiting") == [(A, 77)]


def test_ctrl_c_ends_a_wait_at_once() -> None:
    """EXEC-012, EXEC-013."""
    world = Crowd(task("a", "ok"), task("b", "ok"), hard={"b": "a"})
    world.locks.held["task.p.a"] = (77, None)
    world.events.at(1.0, "signal", signal.SIGINT)
    world.run()
    assert world.clock.now == 1.0
    assert world.outcome.outcomes[A] == RunCancelled(A)
    assert world.exit_code == 130
    assert world.spawned == []


def test_ctrl_c_between_lock_and_spawn_spawns_nothing() -> None:
    """EXEC-013: re-checked immediately before the spawn."""
    world = Crowd(task("a", "ok"))

    def acquire(token: int, name: str, exclusive: bool) -> bool:
        world.events.at(0, "signal", signal.SIGINT)
        world.events.at(0, "locked", token)
        return False

    world.locks.acquire = acquire  # type: ignore[method-assign]
    world.run()
    assert world.spawned == []
    assert world.outcome.outcomes[A] == RunCancelled(A)


def test_where_locks_cannot_be_the_run_goes_on_with_one_warning() -> None:
    """D5."""
    world = Crowd(task("a", "ok", mutex=EXCLUSIVE), task("b", "ok"))
    world.locks.broken = "cannot lock files in /w/.haz/locks/v1: Read-only file system"
    assert world.run().spawned == ["ok", "ok"]
    ((subject, text),) = world.diary.of("warning")
    assert subject is None
    assert "Read-only file system" in text
    assert world.exit_code == 0


@pytest.mark.parametrize("delay", [0.0, 3.0])
def test_every_attempt_takes_the_locks_anew(delay: float) -> None:
    """03 §13.5 rule 5."""
    retries = Retries(max=1, delay=delay, jitter="none")
    world = Crowd(task("a", "flaky:1", retries=retries)).run()
    assert [entry[0] for entry in world.locks.log if entry[0] != "note"] == ["acquire", "release"] * 2
    assert len(world.spawned) == 2


def test_a_task_that_is_not_cached_is_locked_too() -> None:
    world = Crowd(task("a", "ok", cache=False))
    world.locks.held["task.p.a"] = (77, 2.0)
    assert world.run().spawned == ["ok"]
    assert world.clock.now == 2.0


def test_other_tasks_go_on_meanwhile() -> None:
    world = Crowd(task("a", "ok"), task("b", "ok"), cap=1)
    world.locks.held["task.p.a"] = (None, 4.0)
    world.run()
    assert [call[0] for call in world.diary.of("task_finished")] == [B, A]
    assert TaskId("p", "a") == A
