"""A whole run without a process, a disk or a real second: the loop over scripted ports."""

from __future__ import annotations

import signal
from collections import deque
from random import Random

import pytest

from haz import errors
from haz.exit_code import exit_code_for
from haz.host import Host
from haz.loop import Loop
from haz.model import (
    Command,
    CompletedRecord,
    Mutex,
    Pattern,
    Retries,
    RunCancelled,
    SignaledInFlight,
    SkipRecord,
    TaskId,
    TaskSpec,
    UpstreamCancelled,
    UpstreamErrored,
)
from haz.observers.presenter import Presenter
from haz.run_task import RunContext, patterns_of, run_task
from haz.schedule import Schedule
from haz.supervise import DRAIN_SECONDS
from tests.fakes import Clock, Diary, FakeEvents, FakeFiles, FakeInputs, FakeProcesses, FakeStore, file_row
from tests.unit.graphs import graph

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

A, B, C = (TaskId("p", name) for name in "abc")


def task(name: str, word: str, **fields: object) -> TaskSpec:
    return TaskSpec(TaskId("p", name), "/p", (), Command((word,)), **fields)  # type: ignore[arg-type]


class World:
    """The ports of several runs of the same tasks; the store and the clock live on."""

    def __init__(self, *tasks: TaskSpec, hard: dict[str, str] | None = None, cap: int = 4, grace: float = 5.0) -> None:
        self.graph = graph(*tasks, hard=hard)
        self.cap = cap
        self.grace = grace
        self.clock = Clock()
        self.events = FakeEvents(self.clock)
        self.files = FakeFiles(self.events)
        self.store = FakeStore(self.events)
        self.left: list[int] = []
        self.strays: str | None = None

    def suspend(self) -> None:
        """Stopped for 100 seconds."""
        self.clock.now += 100
        self.processes.log.append(("suspended",))

    def prepare(self, **options: object) -> RunContext:
        self.processes = FakeProcesses(self.events)
        self.processes.strays = self.strays
        self.diary = Diary()
        patterns, self.inputs, self.outputs = patterns_of(self.graph.specs)
        return RunContext(
            root="/w",
            algorithm="blake3",
            specs=self.graph.specs,
            files=self.files,
            patterns=patterns,
            input_specs=self.inputs,
            output_specs=self.outputs,
            processes=self.processes,
            store=self.store,
            observer=self.diary,
            host=Host(),
            created_at=1,
            **options,  # type: ignore[arg-type]
        )

    def run(self, meanwhile: Iterator[None] | None = None, **options: object) -> World:
        context = self.prepare(**options)
        schedule = Schedule(self.graph, self.cap, {})
        self.loop = Loop(
            context,
            schedule,
            self.events,
            grace=self.grace,
            clock=self.clock,
            leave=self.left.append,
            suspend=self.suspend,
            random=Random(7),
            meanwhile=meanwhile,
        )
        self.loop.run()
        self.outcome = schedule.outcome()
        assert set(self.outcome.outcomes) | set(self.outcome.task_errors) == set(self.graph.nodes)
        return self

    @property
    def spawned(self) -> list[str]:
        return [entry[1] for entry in self.processes.log if entry[0] == "spawn"]

    @property
    def signals(self) -> list[tuple[str, int]]:
        """What was sent to groups whose leader still lived."""
        return [entry for entry in self.processes.log if entry[0] == "signal"]

    @property
    def exit_code(self) -> int:
        return exit_code_for(self.outcome, self.loop.signalled)


def test_a_chain_runs_in_order_and_the_second_run_starts_nothing() -> None:
    """EXEC-001, EXEC-007."""
    world = World(task("a", "say:x"), task("b", "ok"), hard={"b": "a"})
    assert world.run().spawned == ["say:x", "ok"]
    assert world.run().spawned == []
    assert [record.source for record in world.outcome.outcomes.values()] == ["cache_hit", "cache_hit"]


@pytest.mark.parametrize("word", ["sleep:1", "ok"])
def test_what_may_be_done_meanwhile_is_done_while_a_process_runs(word: str) -> None:
    """Its first step in any case before anybody is told of an end."""
    world = World(task("a", word))
    seen: list[tuple[list[str], list[object]]] = []

    def steps() -> Iterator[None]:
        for _ in range(3):
            seen.append((world.spawned, world.diary.of("finished")))
            yield

    world.run(meanwhile=steps())
    assert seen == [([word], [])] * (3 if word == "sleep:1" else 1)
    seen.clear()
    world.run(meanwhile=steps())
    assert seen == [([], [])], "a hit"


def test_a_hit_replays_its_streams_through_the_same_callbacks() -> None:
    """EXEC-017."""
    world = World(task("a", "say:hello"))
    world.run()
    fresh = world.diary.of("stdout")
    (entry,) = world.store.entries.values()
    world.store.contents[entry.key] = b"hello"
    world.run()
    assert fresh == [(A, b"hello")]
    assert [call for call in world.diary.of("stdout") if call[1]] == fresh


def test_a_failed_restore_is_a_miss_with_a_warning() -> None:
    """CACHE-020, D5."""
    world = World(task("a", "ok"))
    world.run()
    (entry,) = world.store.entries.values()
    world.store.restored[entry.key] = "blob 12ab is damaged"
    assert world.run().spawned == ["ok"]
    assert "blob 12ab is damaged" in world.diary.of("warning")[0][1]
    assert world.exit_code == 0


def test_store_trouble_is_a_warning_and_the_task_succeeds() -> None:
    """D5, 03 §3.6."""
    world = World(task("a", "ok"))
    world.store.broken = True
    assert world.run().exit_code == 0
    assert "no space left" in world.diary.of("warning")[0][1]


def test_collected_blobs_that_cannot_be_written_keep_the_outputs_of_the_record() -> None:
    world = World(task("a", "ok", outputs=(Pattern("o", "/p/o", literal=True),)))
    world.prepare()
    world.store.collected[world.outputs[A]] = ("store", "/p/o", "disk full", [file_row("/p/o")])
    world.run()
    assert world.outcome.outcomes[A].materialised_outputs == ("/p/o",)  # type: ignore[union-attr]
    assert "disk full" in world.diary.of("warning")[0][1]
    assert world.store.entries == {}


def test_an_input_that_changed_during_the_run_keeps_the_result_out_of_the_store() -> None:
    """02 §10.4, D5."""
    world = World(task("a", "ok", inputs=(Pattern("i", "/p/i", literal=True),)))
    before, after = (FakeInputs([("/p/i", bytes([n]) * 32, False)]) for n in (1, 2))
    world.files.answers[0] = deque([before, after])
    world.run()
    assert world.store.entries == {}
    assert "input /p/i changed" in world.diary.of("warning")[0][1]


def test_a_formatter_that_rewrites_its_own_input_is_stored() -> None:
    """EXEC-018, 03 §8.4: what a task declares as its output may change under it."""
    pattern = (Pattern("i", "/p/i", literal=True),)
    world = World(task("a", "ok", inputs=pattern, outputs=pattern))
    world.prepare()
    before, after = (FakeInputs([("/p/i", bytes([n]) * 32, False)]) for n in (1, 2))
    world.files.answers[0] = deque([before, after])
    world.store.collected[world.outputs[A]] = [file_row("/p/i")]
    world.run()
    assert len(world.store.entries) == 1


@pytest.mark.parametrize("policy", ["off", "read", "write"])
def test_the_cache_policy_is_kept(policy: str) -> None:
    world = World(task("a", "ok"))
    world.run(policy=policy)
    assert bool(world.store.entries) == (policy == "write")
    world.run()
    world.run(policy=policy)
    assert world.spawned == ([] if policy == "read" else ["ok"])


def test_a_task_that_is_not_cached_runs_every_time() -> None:
    """D7, 03 §15 C2."""
    world = World(task("a", "ok", cache=False))
    world.run()
    assert world.run().spawned == ["ok"]
    assert world.store.entries == {}


# --- Every way in which the pipeline of a task can break (seed 000) -----------------------------------------------------

ERRORS = {
    "BuildKeyFailed": ("ok", {"inputs": FakeInputs(error=("resolve", "/p/i", "No such file"))}),
    "SpawnFailed": ("missing", {}),
    "SpawnFailed, told late": ("refused", {}),
    "WaitFailed": ("lost", {}),
    "CapturedStreamReadFailed": ("unreadable", {}),
    "OutputPatternResolutionFailed": ("ok", {"outputs": ("resolve", "/p/o", "permission denied")}),
    "OutputModeReadFailed": ("ok", {"outputs": ("mode", "/p/o", "permission denied")}),
    "OutputNotARegularFile": ("ok", {"outputs": ("not_regular", "/p/o", "is a directory")}),
    "OutputDeclaredButNotProduced": ("ok", {"outputs": ("not_produced", "/p/o", "")}),
    "MaterialisedOutputPathInvalid": ("ok", {"outputs": [file_row("/p/../o")]}),
}


def test_each_of_the_eleven_errors_is_broken_here_or_a_warning() -> None:
    """03 §3.6: trouble with the cache fails no task (D5)."""
    every = {cls.__name__ for cls in errors.RunTaskError.__subclasses__()}
    assert every == {*(name.partition(",")[0] for name in ERRORS), "RestoreFailed", "StoreFailed"}
    assert len(every) == 11


@pytest.mark.parametrize("name", ERRORS)
def test_a_broken_pipeline_is_an_error_with_its_reason_and_descendants_are_skipped(name: str) -> None:
    """03 §3.6: each `RunTaskError` is visible, counts as failed, and is the root of its cascade."""
    word, answers = ERRORS[name]
    world = World(
        task("a", word, outputs=(Pattern("o", "/p/o", literal=True),)),
        task("b", "ok"),
        task("c", "ok"),
        hard={"b": "a"},
    )
    world.prepare()
    if "inputs" in answers:
        world.files.answers[world.inputs[A]] = answers["inputs"]
    if "outputs" in answers:
        world.store.collected[world.outputs[A]] = answers["outputs"]
    world.run()
    error = world.outcome.task_errors[A]
    assert type(error) is getattr(errors, name.partition(",")[0])
    line = Presenter(colour=False).errored(A, error)
    assert line.startswith("[p:a] ✗ error: ")
    assert len(line.splitlines()) == 1
    assert len(line) > len("[p:a] ✗ error: \n"), "it says why"
    assert world.outcome.outcomes[B] == SkipRecord(B, UpstreamErrored(A))
    assert isinstance(world.outcome.outcomes[C], CompletedRecord)
    assert world.exit_code == 1
    assert [call[:2] for call in world.diary.of("task_errored")] == [(A, error)]
    assert world.outcome.counts().failed == 1


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        ("resolve", errors.InputPatternResolutionFailed),
        ("outside", errors.InputPatternResolutionFailed),
        ("read", errors.InputContentReadFailed),
        ("not_regular", errors.InputNotARegularFile),
    ],
)
def test_what_is_wrong_with_inputs_is_chained_as_the_cause(kind: str, cause: type) -> None:
    world = World(task("a", "ok"))
    world.prepare()
    world.files.answers[world.inputs[A]] = FakeInputs(error=(kind, "/p/i", "reason"))
    world.run()
    assert type(world.outcome.task_errors[A].__cause__) is cause


# --- Cancellation -----------------------------------------------------------------------------------------------------


def test_ctrl_c_asks_politely_and_records_what_was_interrupted() -> None:
    """EXEC-012, EXEC-013, EXEC-015: even exit 0 after TERM is cancelled, and nothing is stored."""
    world = World(task("a", "polite"), task("b", "ok"), task("c", "ok"), hard={"b": "a"}, cap=1)
    world.events.at(1.0, "signal", signal.SIGINT)
    world.run()
    assert world.signals == [("signal", 15)]
    assert isinstance(world.outcome.outcomes[A], SignaledInFlight)
    assert world.outcome.outcomes[B] == UpstreamCancelled(B, A)
    assert world.outcome.outcomes[C] == RunCancelled(C)
    assert world.store.entries == {}
    assert world.exit_code == 130


def test_who_does_not_listen_is_killed_after_the_grace() -> None:
    """EXEC-014."""
    world = World(task("a", "stubborn"), grace=3.0)
    world.events.at(1.0, "signal", signal.SIGTERM)
    world.run()
    assert world.signals == [("signal", 15), ("signal", 9)]
    assert world.clock.now == 4.0
    assert world.exit_code == 143


def test_nobody_waits_for_a_pipe_that_a_stranger_holds() -> None:
    """03 §4.2, 03 §15 D4."""
    world = World(task("a", "clings"), grace=1.0)
    world.events.at(2.0, "signal", signal.SIGINT)
    world.run()
    assert ("abandon",) in world.processes.log
    assert world.clock.now == 3.0 + DRAIN_SECONDS


@pytest.mark.parametrize(("word", "hints"), [("lingers:10", 1), ("lingers:3", 0), ("sleep:10", 0)])
def test_a_task_whose_output_is_held_open_is_told_once_and_awaited(word: str, hints: int) -> None:
    """03 §4.2: it ends with its output; after three seconds the user should know why it goes on."""
    world = World(task("a", word))
    world.run()
    ((_, record, _),) = world.diary.of("task_finished")
    warnings = world.diary.of("warning")
    assert (record.state, len(warnings), world.clock.now) == ("succeeded", hints, float(word.partition(":")[2]))
    assert all("its output is held open by a process that it started" in text for _, text in warnings)


def test_a_task_that_is_being_ended_gets_no_hint() -> None:
    world = World(task("a", "lingers:10", timeout=2.0), grace=5.0)
    world.run()
    assert world.diary.of("warning") == []


def test_ctrl_z_stops_the_groups_and_the_time_of_deadlines() -> None:
    world = World(task("a", "sleep:200", timeout=150.0))
    world.events.at(10.0, "suspend", signal.SIGTSTP)
    world.run()
    stop, go = signal.SIGTSTP, signal.SIGCONT
    assert world.processes.log == [
        ("spawn", "sleep:200"),
        ("signal", stop),
        ("suspended",),
        ("signal", go),
        ("sweep", 9),
    ]
    ((_, record, duration),) = world.diary.of("task_finished")
    assert (record.state, duration) == ("succeeded", 100.0)


def test_a_child_that_became_another_users_is_given_up_with_one_warning() -> None:
    """D13: it can be neither ended nor awaited; nothing hangs."""
    world = World(task("a", "untouchable"), grace=5.0)
    world.events.at(1.0, "signal", signal.SIGINT)
    world.run()
    assert world.exit_code == 130
    assert len(world.diary.of("warning")) == 1
    assert "not permitted" in world.diary.of("warning")[0][1]
    assert "another user" in str(world.outcome.task_errors[A])
    assert world.clock.now == 1 + 5 + DRAIN_SECONDS


@pytest.mark.parametrize(
    ("strays", "told", "ends"),
    [
        (None, [], 0.0),
        ("polite", [15], 0.5),
        ("stubborn", [15, 9], 5.5),
        ("untouchable", [15, 9, 9], 5 + DRAIN_SECONDS),
    ],
)
def test_what_tasks_left_behind_is_ended_with_the_run(strays: str | None, told: list[int], ends: float) -> None:
    """D13: politely, for the grace, then at once; what cannot be ended is a warning."""
    world = World(task("a", "ok"))
    world.strays = strays
    world.run()
    assert [entry[1] for entry in world.processes.log if entry[0] == "dismiss"] == told
    assert world.clock.now == ends
    assert len(world.diary.of("warning")) == (strays == "untouchable")
    assert world.exit_code == 0


def test_signals_do_not_wait_for_what_was_left_behind() -> None:
    world = World(task("a", "ok"))
    world.strays = "stubborn"
    world.events.at(1.0, "signal", signal.SIGINT)
    world.events.at(2.0, "signal", signal.SIGINT)
    world.run()
    assert world.clock.now == 2.5


def test_a_second_signal_kills_and_a_third_leaves() -> None:
    """03 §7.1, D13."""
    world = World(task("a", "clings"), grace=600.0)
    for at in (1.0, 2.0, 2.1):
        world.events.at(at, "signal", signal.SIGINT)
    world.run()
    assert world.signals == [("signal", 15), ("signal", 9)]
    assert world.left == [130]
    assert world.clock.now < 10


def test_sigquit_does_not_ask() -> None:
    world = World(task("a", "stubborn"), grace=600.0)
    world.events.at(1.0, "signal", signal.SIGQUIT)
    world.run()
    assert world.signals == [("signal", 9)]
    assert world.exit_code == 131


def test_a_signal_while_inputs_are_hashed_ends_the_run_at_once() -> None:
    """03 §5.4: hashing a large input must not hold up the end."""
    world = World(task("a", "ok"), task("b", "ok"), hard={"b": "a"})
    world.files.delay = 100.0
    world.events.at(1.0, "signal", signal.SIGINT)
    world.run()
    assert world.clock.now == 1.0
    assert world.spawned == []
    assert world.outcome.outcomes[A] == RunCancelled(A)
    assert world.outcome.outcomes[B] == UpstreamCancelled(B, A)


def test_a_signal_before_anything_started_cancels_everything() -> None:
    world = World(task("a", "ok"))
    world.events.at(0.0, "signal", signal.SIGINT)
    world.files.delay = 0.001
    assert world.run().spawned == []
    assert world.exit_code == 130


# --- Timeouts and retries ---------------------------------------------------------------------------------------------


def test_a_timeout_is_a_failure_that_names_itself() -> None:
    """EXEC-009, 03 §13.5."""
    world = World(task("a", "stubborn", timeout=2.0), grace=1.0)
    world.run()
    record = world.outcome.outcomes[A]
    assert isinstance(record, CompletedRecord)
    assert (record.state, record.attempts[0].phase, record.attempts[0].error) == (
        "failed",
        "timeout",
        "timed out after 2s",
    )
    assert world.clock.now == 3.0
    assert world.exit_code == 1


def test_a_flaky_task_is_tried_again_and_counted() -> None:
    """03 §13.4, §13.6: only the last attempt's streams are kept."""
    world = World(task("a", "flaky:2", retries=Retries(max=3, delay=1.0, factor=2.0, jitter="none")))
    world.run()
    record = world.outcome.outcomes[A]
    assert isinstance(record, CompletedRecord)
    assert [run.phase for run in record.attempts] == ["failed", "failed", "succeeded"]
    assert [run.attempt for run in record.attempts] == [1, 2, 3]
    assert world.clock.now == 3.0
    assert world.outcome.counts().flaky == 1
    assert [(call[2], call[3]) for call in world.diary.of("attempt_finished")] == [(4, 1.0), (4, 2.0)]
    assert len(world.diary.of("task_started")) == 1


def test_the_last_of_several_attempts_is_exhausted() -> None:
    world = World(task("a", "exit:75", retries=Retries(max=2, delay=0.0)))
    world.run()
    record = world.outcome.outcomes[A]
    assert isinstance(record, CompletedRecord)
    assert [run.phase for run in record.attempts] == ["failed", "failed", "exhausted"]
    assert record.attempts[-1].error == "exit 75, attempt 3 of 3"
    assert record.attempts[-1].exit_code == 75


def test_other_exit_codes_are_not_retried() -> None:
    world = World(task("a", "exit:2", retries=Retries(max=2, delay=0.0, exit_codes=(75,))))
    assert len(world.run().spawned) == 1


def test_a_mutex_is_free_during_a_backoff() -> None:
    """03 §13.5 rule 5."""
    lock = Mutex("db", "exclusive")
    world = World(
        task("a", "flaky:1", mutex=lock, retries=Retries(max=1, delay=10.0, jitter="none")),
        task("b", "sleep:1", mutex=lock),
    )
    world.run()
    assert world.spawned == ["flaky:1", "sleep:1", "flaky:1"]
    assert world.clock.now == 10.0


def test_a_cancel_during_a_backoff_keeps_the_attempts() -> None:
    """03 §13.6."""
    world = World(task("a", "fail", retries=Retries(max=1, delay=10.0, jitter="none")))
    world.events.at(1.0, "signal", signal.SIGINT)
    world.run()
    record = world.outcome.outcomes[A]
    assert isinstance(record, RunCancelled)
    assert len(record.attempts) == 1
    assert world.clock.now == 1.0


# --- Scheduling seen from outside -------------------------------------------------------------------------------------


def test_tasks_on_one_mutex_never_overlap_and_the_wait_is_not_their_duration() -> None:
    """MUTEX-003, MUTEX-006, 03 §15 B8."""
    lock = Mutex("db", "exclusive")
    world = World(task("a", "sleep:2", mutex=lock), task("b", "sleep:1", mutex=lock))
    world.run()
    assert world.spawned == ["sleep:2", "sleep:1"]
    assert world.clock.now == 3.0
    assert {call[0]: call[2] for call in world.diary.of("task_finished")} == {A: 2.0, B: 1.0}


def test_who_waits_for_a_mutex_is_started_once_and_costs_nothing_meanwhile() -> None:
    """MUTEX-005, 03 §15 B1: no wake-up without a reason, one lookup before the wait and one after it."""
    lock = Mutex("db", "exclusive")
    world = World(task("a", "sleep:1000", mutex=lock), task("b", "ok", mutex=lock), task("c", "sleep:1"))
    world.run()
    assert [call[0] for call in world.diary.of("task_started")].count(B) == 1
    assert [call[0] for call in world.diary.of("miss")].count(B) == 2
    assert {call[0]: call[2] for call in world.diary.of("task_finished")} == {A: 1000.0, B: 0.0, C: 1.0}
    assert world.events.waits < 20


def test_a_task_after_one_that_ran_reads_its_inputs_anew() -> None:
    """The shared walk is asked ahead of need, and forgotten as soon as a task has written."""
    pattern = (Pattern("o", "/p/o", literal=True),)
    world = World(task("a", "ok"), task("b", "ok", inputs=pattern), hard={"b": "a"})
    old, new = (FakeInputs([("/p/o", bytes([n]) * 32, False)]) for n in (1, 2))
    world.files.answers[1] = deque([old, new])
    world.run()
    (entry,) = [entry for entry in world.store.entries.values() if entry.task == B]
    assert entry.parts["inputs"]["rows"][0][1] == (b"\2" * 32).hex()


@pytest.mark.parametrize(("recent", "spawned"), [(False, []), (True, ["ok"])])
def test_a_task_after_outputs_that_another_haz_has_just_put_in_place_reads_its_inputs_anew(
    recent: bool, spawned: list[str]
) -> None:
    """What was asked ahead is older than those outputs, even though this run had nothing to write."""
    pattern = (Pattern("o", "/p/o", literal=True),)
    world = World(task("a", "say:x"), task("b", "ok", inputs=pattern), hard={"b": "a"})
    old, new = (FakeInputs([("/p/o", bytes([n]) * 32, False)]) for n in (1, 2))
    world.files.answers[1] = old
    world.run()
    (first,) = [entry for entry in world.store.entries.values() if entry.task == A]
    world.store.restored[first.key] = (0, 1, [b"x", b""], recent)
    world.files.answers[1] = deque([old, new])
    assert world.run().spawned == spawned


def test_a_run_without_changes_asks_for_all_inputs_at_once() -> None:
    """Two questions, however many tasks: one for the first in line, one ahead for all others."""
    chain = {f"t{n:02}": f"t{n - 1:02}" for n in range(1, 30)}
    world = World(*(task(f"t{n:02}", "ok") for n in range(30)), hard=chain)
    world.run()
    world.files.asked.clear()
    assert world.run().spawned == []
    assert len(world.files.asked) == 2


def test_one_task_by_itself() -> None:
    """Seed 001: `run_task` composes the phases without a scheduler."""
    world = World(task("a", "say:hi"))
    context = world.prepare()
    first = run_task(context, A, world.events)
    again = run_task(context, A, world.events)
    assert (first.source, again.source) == ("fresh_run", "cache_hit")
    assert first.streams == again.streams
    assert [entry[0] for entry in world.diary.entries].count("task_finished") == 2


def test_an_attempt_whose_pipeline_broke_is_recorded_with_those_before_it() -> None:
    """03 §13.4: failed, never retried; the task is errored."""
    world = World(
        task("a", "missing", retries=Retries(3)),
        task("b", "lost"),
        task("c", "ok", outputs=(Pattern("o", "/p/out", literal=True),)),
    )
    context = world.prepare()
    world.store.collected[world.outputs[C]] = ("not_produced", "/p/out", "")
    del context
    world.run()
    errors = world.outcome.task_errors
    assert [run.phase for error in errors.values() for run in error.attempts] == ["failed"] * 3
    assert errors[A].attempts[0].error == str(errors[A])
    assert [errors[name].attempts[0].exit_code for name in (A, B, C)] == [None, None, 0]


def test_a_key_that_cannot_be_derived_again_keeps_the_attempts_so_far() -> None:
    """03 §13.5 rule 6."""
    world = World(task("a", "fail", inputs=(Pattern("o", "/p/out", literal=True),), retries=Retries(3, delay=0.0)))
    world.prepare()
    gone = FakeInputs(error=("resolve", "/p/out", "gone"))
    world.files.answers[world.inputs[A]] = deque([FakeInputs(), gone])
    world.run()
    error = world.outcome.task_errors[A]
    assert isinstance(error, errors.BuildKeyFailed)
    assert [(run.attempt, run.phase) for run in error.attempts] == [(1, "failed")]


def test_a_restore_that_fails_is_told_as_a_miss() -> None:
    """CACHE-020."""
    world = World(task("a", "ok"))
    world.run()
    (key,) = world.store.entries
    world.store.restored[key] = "damaged"
    world.run()
    assert world.diary.of("miss") == [(A, "not restored")]
    assert world.outcome.outcomes[A].key == key
