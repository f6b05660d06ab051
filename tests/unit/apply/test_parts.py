"""The small parts of an apply, each by itself: schedule, journal, mask, intents, results."""

from __future__ import annotations

import base64
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.apply.actions import carry_out
from reconciler.apply.intents import action_word, intend, intent_label, skipped
from reconciler.apply.journal import Journal
from reconciler.apply.mask import Mask
from reconciler.apply.means import Halt
from reconciler.apply.model import ApplyResult, Failure, plan_digest
from reconciler.apply.preflight import port_is_free
from reconciler.apply.schedule import GateKey, Schedule
from reconciler.errors import LeaseLost, TimedOut
from reconciler.events.envelope import Cause, NewEvent
from reconciler.events.registry import EventInvalid
from reconciler.plan.model import (
    Basis,
    CreateContainer,
    DefineService,
    ForgetService,
    Need,
    Plan,
    PullImage,
    Reason,
    RenameContainer,
)
from reconciler.spec.desired import PortMapping
from tests.unit.apply.memory import Fleet, MemoryLog, service

WHY = Reason("declared", "new")


def create(name: str, *needs: Need, replica: int = 1) -> CreateContainer:
    return CreateContainer(
        id=f"create {name}/{replica}",
        resource=f"service/{name}",
        reason=WHY,
        needs=needs,
        service=name,
        replica=replica,
        name=name,
        digest="v1:a",
    )


def plan(*actions: Any) -> Plan:
    return Plan(fleet="shop", project="p", actions=actions, basis=Basis("", "", 0))


def begun(schedule: Schedule) -> list[str]:
    """Everything that may begin now: actions, then gates."""
    found = []
    while (action := schedule.next_action()) is not None:
        found.append(action.id)
    while (gate := schedule.next_gate()) is not None:
        found.append(f"{gate.service} {gate.gate} {gate.replica}")
    return found


class TestSchedule:
    def test_actions_begin_in_the_plans_order(self) -> None:
        assert begun(Schedule(plan(create("b"), create("a")))) == ["create b/1", "create a/1"]

    def test_an_action_waits_for_what_it_needs(self) -> None:
        schedule = Schedule(plan(create("a"), create("b", Need("create a/1"))))
        assert begun(schedule) == ["create a/1"]
        schedule.succeeded("create a/1")
        assert begun(schedule) == ["create b/1"]

    def test_a_gate_is_looked_at_after_all_that_brings_its_service_up(self) -> None:
        schedule = Schedule(plan(create("a"), create("a", replica=2), create("b", Need("", "a", "healthy"))))
        assert begun(schedule) == ["create a/1", "create a/2"]
        schedule.succeeded("create a/1")
        assert begun(schedule) == []
        schedule.succeeded("create a/2")
        assert begun(schedule) == ["a healthy 0"]
        schedule.succeeded(GateKey("a", "healthy"))
        assert begun(schedule) == ["create b/1"]

    def test_a_gate_of_one_replica(self) -> None:
        schedule = Schedule(plan(create("a"), create("a", Need("create a/1", "a", "healthy", 1), replica=2)))
        assert begun(schedule) == ["create a/1"]
        schedule.succeeded("create a/1")
        assert begun(schedule) == ["a healthy 1"]
        schedule.succeeded(GateKey("a", "healthy", 1))
        assert begun(schedule) == ["create a/2"]

    def test_a_gate_of_a_service_with_nothing_to_do(self) -> None:
        schedule = Schedule(plan(create("b", Need("", "a", "started"))))
        assert begun(schedule) == ["a started 0"]

    def test_a_need_that_is_not_in_the_plan_is_met(self) -> None:
        assert begun(Schedule(plan(create("b", Need("create a/1"))))) == ["create b/1"]

    def test_a_failure_takes_what_depends_on_it_and_nothing_else(self) -> None:
        schedule = Schedule(
            plan(create("a"), create("b", Need("", "a", "healthy")), create("c", Need("create b/1")), create("d"))
        )
        assert begun(schedule) == ["create a/1", "create d/1"]
        assert [action.id for action in schedule.failed("create a/1")] == ["create b/1", "create c/1"]
        assert schedule.failed("create a/1") == []
        assert [action.id for action in schedule.unfinished] == ["create d/1"]
        assert begun(schedule) == []

    def test_what_was_skipped_is_not_begun_any_more(self) -> None:
        schedule = Schedule(plan(create("a"), create("b"), create("c", Need("create a/1"), Need("create b/1"))))
        schedule.failed("create a/1")
        schedule.succeeded("create b/1")
        assert "create c/1" not in begun(schedule)

    @given(st.lists(st.lists(st.integers(0, 11), max_size=4), max_size=12), st.randoms())
    def test_every_action_ends_exactly_once(self, needs: list[list[int]], random: Any) -> None:
        actions = [
            create(f"s{number}", *(Need(f"create s{need}/1") for need in needed if need < number))
            for number, needed in enumerate(needs)
        ]
        schedule, ended, under_way = Schedule(plan(*actions)), [], []
        while True:
            under_way += begun(schedule)
            if not under_way:
                break
            current = under_way.pop(random.randrange(len(under_way)))
            ended.append(current)
            if random.random() < 0.3:
                ended += [action.id for action in schedule.failed(current)]
            else:
                schedule.succeeded(current)
        assert sorted(ended) == sorted(action.id for action in actions)
        assert schedule.unfinished == []


class _Lease:
    lost = False

    def check(self) -> None:
        if self.lost:
            raise LeaseLost("somebody else has it")


class TestJournal:
    def event(self, name: str = "web") -> NewEvent:
        return NewEvent("service_stop_requested", "service", name, {"service": name})

    def test_nothing_is_no_append(self) -> None:
        log = MemoryLog()
        Journal(log, Cause("ada", "cli"), None).record()
        assert log.recorded == []

    def test_what_comes_while_an_append_is_under_way_goes_into_the_next_one_together(self) -> None:
        log, groups, first = MemoryLog(), [], threading.Event()
        append, go_on = log.append, threading.Event()

        def slow(events: Any, *args: Any, **more: Any) -> Any:
            groups.append(len(events))
            first.set()
            go_on.wait(10)
            return append(events, *args, **more)

        log.append = slow  # type: ignore[method-assign]
        journal = Journal(log, Cause("ada", "cli"), None)
        threads = [threading.Thread(target=journal.record, args=(self.event(),)) for _ in range(5)]
        threads[0].start()
        first.wait(10)
        for thread in threads[1:]:
            thread.start()
        while len(journal._waiting) < 4:
            pass
        go_on.set()
        for thread in threads:
            thread.join()
        assert groups == [1, 4]
        assert len(log.recorded) == 5

    def test_a_bad_event_takes_no_other_with_it(self) -> None:
        log, entered, go_on = MemoryLog(), threading.Event(), threading.Event()
        append = log.append

        def slow(*args: Any, **more: Any) -> Any:
            entered.set()
            go_on.wait(10)
            return append(*args, **more)

        log.append = slow  # type: ignore[method-assign]
        journal = Journal(log, Cause("ada", "cli"), None)
        bad = NewEvent("service_stop_requested", "service", "web", {"nonsense": 1})
        errors: list[BaseException] = []

        def record(event: NewEvent) -> None:
            try:
                journal.record(event)
            except EventInvalid as error:
                errors.append(error)

        threads = [threading.Thread(target=record, args=(event,)) for event in (self.event(), bad, self.event())]
        threads[0].start()
        entered.wait(10)
        for thread in threads[1:]:
            thread.start()
        while len(journal._waiting) < 2:
            pass
        go_on.set()
        for thread in threads:
            thread.join()
        assert len(errors) == 1
        assert len(log.recorded) == 2

    def test_a_lease_that_is_known_to_be_lost(self) -> None:
        lease = _Lease()
        journal = Journal(MemoryLog(), Cause("ada", "cli"), lease)  # type: ignore[arg-type]
        journal.check()
        lease.lost = True
        with pytest.raises(LeaseLost):
            journal.check()


class TestMask:
    def test_values_are_hidden_in_every_spelling(self) -> None:
        mask = Mask()
        mask.learn(b'two "words"')
        mask.learn("line one\nline two")
        for text in (
            'say two "words" now',
            'json: two \\"words\\"',
            "url: two%20%22words%22",
            "line two",
            "line one\\nline two",
        ):
            assert "words" not in mask(text).replace("***", "")
            assert "line" not in mask(text).replace("***", "")

    @pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
    def test_a_value_that_is_cut_in_two_is_hidden_in_a_stream(self, size: int) -> None:
        mask = Mask()
        mask.learn("secret-value")
        mask.learn("secs")
        data = b"a secre, a secret-value, secsecs, sec"
        stream = mask.stream()
        told = [stream.feed(data[at : at + size]) for at in range(0, len(data), size)]
        assert b"".join([*told, stream.rest()]) == b"a secre, a ***, ***ecs, sec"
        assert stream.rest() == b""

    def test_a_stream_without_secrets_holds_nothing_back(self) -> None:
        assert Mask().stream().feed(b"anything") == b"anything"

    def test_a_value_in_base64_is_hidden_too_with_and_without_its_padding(self) -> None:
        mask = Mask()
        mask.learn(b"pass\xc3\xbf?>word")
        mask.learn("ab")
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            told = encode(b"pass\xc3\xbf?>word").decode()
            assert mask(f"token={told} and {told.rstrip('=')}.").replace("=", "") == "token*** and ***."
        assert mask("YWI") == "YWI"

    def test_longer_values_go_first(self) -> None:
        mask = Mask()
        mask.learn("secret")
        mask.learn("secretive")
        assert mask("secretive secret") == "*** ***"

    def test_what_is_too_short_to_be_told_apart_stays(self) -> None:
        mask = Mask()
        mask.learn("a")
        mask.learn(b"\xff\xfe\xfd\xfc")
        assert mask("banana") == "banana"


class TestIntents:
    def test_words(self) -> None:
        assert action_word(create("a")) == "create"
        assert (
            action_word(PullImage(id="p", resource="image/x", reason=WHY, image="x", policy="missing")) == "pull_image"
        )
        rename = RenameContainer(
            id="r", resource="service/a", reason=WHY, service="a", replica=2, container_id="c", name="n", old_name="o"
        )
        assert action_word(rename) == "update"
        event = skipped(rename, fleet="shop", apply_id="apply_1", because="x", cause=None)
        assert (event.stream_type, event.stream_id, event.data["replica"]) == ("service", "a", 2)

    def test_shared_resources_belong_to_the_fleets_stream(self) -> None:
        pull = PullImage(id="p", resource="image/x", reason=WHY, image="x", policy="missing")
        intent = intend(pull, fleet="shop", apply_id="apply_1", cause=None)
        assert (intent.event.stream_type, intent.event.stream_id) == ("fleet", "shop")
        assert "replica" not in intent.failed("no").data
        assert intent.label == intent_label(intent.event.event_id)
        assert "replica" not in skipped(pull, fleet="shop", apply_id="apply_1", because="x", cause=None).data

    def test_a_record_touches_no_runtime(self) -> None:
        forget = ForgetService(id="f", resource="service/a", reason=WHY, service="a")
        intent = intend(forget, fleet="shop", apply_id="apply_1", cause=None)
        with pytest.raises(TypeError):
            carry_out(None, forget, intent)  # type: ignore[arg-type]


class TestResults:
    def result(self, status: Any, **more: Any) -> ApplyResult:
        return ApplyResult("apply_1", status, 1, 0, 0, 1.0, **more)

    def test_two_as_one(self) -> None:
        good, bad = self.result("succeeded"), self.result("failed", failures=(Failure("x", "y", "z"),))
        assert good.and_then(good).succeeded
        assert bad.and_then(good).status == "failed"
        assert good.and_then(self.result("timed_out", left_off="x")).status == "timed_out"
        both = bad.and_then(bad)
        assert (both.done, both.seconds, len(both.failures)) == (2, 2.0, 2)

    def test_a_plans_digest_is_its_actions(self) -> None:
        spec = service("a")
        define = DefineService(id="d", resource="service/a", reason=WHY, definition=spec, digest="v1:a")
        assert plan_digest(plan(define)) == plan_digest(plan(define))
        assert plan_digest(plan(define)) != plan_digest(plan())


def test_the_first_reason_to_halt_stays() -> None:
    halt = Halt()
    halt.check()
    halt.sleep(1)
    first = TimedOut("first")
    halt.set(first)
    halt.set(TimedOut("second"))
    with pytest.raises(TimedOut) as raised:
        halt.sleep(60_000)
    assert raised.value is first


def test_ports_that_cannot_be_judged_count_as_free() -> None:
    assert port_is_free(PortMapping(80))
    assert port_is_free(PortMapping(80, 80, protocol="sctp"))
    assert port_is_free(PortMapping(80, 18999, host_ip="203.0.113.7"))


def test_an_action_about_a_service_that_has_left_the_file_meanwhile() -> None:
    from tests.unit.apply.test_apply import _apply_plan

    fleet = Fleet(service("web"))
    _, desired, made = fleet.look()
    fleet.want()
    result = _apply_plan(fleet, made, fleet.desired)
    assert "service/web is not in the file any more" in result.failures[0].why
