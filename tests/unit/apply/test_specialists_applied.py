"""Applies of specialists in memory: what is started with what, who is let go first, and what a crash leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from reconciler.apply.crew import NoCrew
from reconciler.errors import ActionFailed
from reconciler.events.envelope import Cause, NewEvent
from reconciler.plan.model import PlanOptions
from reconciler.spec.desired import SecretSource, SecretUse, SpecialistSpec
from tests.support.simulated import Crashed
from tests.unit.apply.memory import PROJECT, Fleet


def fleet_of(*specialists: SpecialistSpec, **more: Any) -> Fleet:
    return Fleet(specialists={one.name: one for one in specialists}, **more)


def want(fleet: Fleet, *specialists: SpecialistSpec) -> None:
    fleet.want(*fleet.desired.services.values(), specialists={one.name: one for one in specialists})


def replicas(fleet: Fleet) -> list[str]:
    """Which replicas run, each with the digest that it carries."""
    labels = [one.labels for one in fleet.processes.running.values()]
    return sorted(f"{one['fleet.resource']}/{one['fleet.replica']}" for one in labels)


BUILDER = SpecialistSpec(name="builder", replicas=2, environment={"A": "1"})


class TestStarting:
    def test_each_replica_is_started_once_with_its_marks(self) -> None:
        fleet = fleet_of(BUILDER)
        result = fleet.apply(parallel=1)
        assert (result.status, result.done) == ("succeeded", 3)
        assert replicas(fleet) == ["specialist/builder/1", "specialist/builder/2"]
        first, _ = fleet.processes.orders
        assert first.command == ("worker", "builder", "1")
        assert first.log == Path("/logs/builder-1.log")
        assert first.working_dir == Path("/")
        marks = {name: value for name, value in first.labels.items() if name not in ("fleet.digest", "fleet.intent")}
        assert marks == {
            "fleet.project": PROJECT,
            "fleet.fleet": "shop",
            "fleet.resource": "specialist/builder",
            "fleet.replica": "1",
            "fleet.protect": "false",
        }
        assert fleet.plan() == []
        assert fleet.apply().done == 0

    def test_the_log_leads_from_the_process_to_the_edit(self) -> None:
        fleet = fleet_of(BUILDER)
        fleet.apply()
        assert fleet.causes("specialist_process_started") == [
            "specialist_process_started",
            "action_intended",
            "specialist_defined",
            "revision_accepted",
        ]

    def test_secrets_go_into_the_environment_and_nowhere_else(self) -> None:
        uses = SpecialistSpec(name="builder", environment={"KEY": SecretUse(secret="key"), "B": "2"})
        fleet = fleet_of(uses, secrets={name: SecretSource(name=name, env=name.upper()) for name in ("key", "other")})
        fleet.environ |= {"KEY": "hush-hush", "OTHER": "not for you", "PATH": "/bin"}
        fleet.apply()
        (order,) = fleet.processes.orders
        assert order.environment == {"KEY": "hush-hush", "B": "2", "PATH": "/bin"}
        assert "hush" not in repr([event.data for event in fleet.log.recorded]) + repr(order.command) + repr(
            order.labels
        )

    def test_what_is_missing_is_told_before_anything_is_started(self, tmp_path: Path) -> None:
        fleet = fleet_of(
            SpecialistSpec(name="a", environment={"KEY": SecretUse(secret="key")}),
            SpecialistSpec(name="b", working_dir=str(tmp_path / "gone")),
            SpecialistSpec(name="c", environment={"Z": "x\0y"}),
            SpecialistSpec(name="d"),
            secrets={"key": SecretSource(name="key", env="NOWHERE")},
        )
        result = fleet.apply()
        assert result.failed == 3
        assert replicas(fleet) == ["specialist/d/1"]
        problems = " ".join(fleet.told.problems)
        assert "NOWHERE" in problems
        assert "gone of specialist/b does not exist" in problems
        assert "zero byte" in problems

    def test_one_that_ends_at_once_fails_the_apply(self) -> None:
        fleet = fleet_of(BUILDER)
        fleet.crew.reports = False
        fleet.processes.dies = 2
        result = fleet.apply()
        assert result.status == "failed"
        assert {one.why for one in result.failures} == {
            f"its process ended with exit code 2; see: fleet specialists logs builder/{replica}" for replica in (1, 2)
        }
        fleet.processes.dies = None
        assert fleet.plan() == ["start specialist/builder/1", "start specialist/builder/2"]

    def test_one_that_never_reports_itself_is_told(self) -> None:
        fleet = fleet_of(SpecialistSpec(name="builder"))
        fleet.crew.reports = False
        result = fleet.apply(ready_ms=1)
        assert [one.why for one in result.failures] == [
            "it has not reported itself; see: fleet specialists logs builder/1"
        ]

    def test_the_time_that_is_allowed_ends_the_waiting(self) -> None:
        fleet = fleet_of(SpecialistSpec(name="builder"))
        fleet.crew.reports = False
        result = fleet.apply(timeout_ms=300)
        assert result.status in ("timed_out", "failed")

    def test_who_does_not_wait_is_not_told(self) -> None:
        fleet = fleet_of(SpecialistSpec(name="builder"))
        fleet.crew.reports = False
        assert fleet.apply(wait=False).succeeded

    def test_what_cannot_be_started_is_recorded(self) -> None:
        fleet = fleet_of(SpecialistSpec(name="builder"))
        fleet.processes.refuses = "no shell"
        result = fleet.apply()
        assert [one.why for one in result.failures] == ["no shell"]
        assert "action_failed" in fleet.types()


class TestLettingGo:
    def test_an_edit_replaces_one_after_the_other_when_each_has_let_go(self) -> None:
        fleet = fleet_of(BUILDER)
        fleet.apply()
        fleet.crew.busy["builder", 1] = 2
        before = len(fleet.log.recorded)
        want(fleet, SpecialistSpec(name="builder", replicas=2, environment={"A": "2"}))
        assert fleet.apply().succeeded
        assert fleet.crew.asked == [
            "drain builder/1",
            "hand back builder/1",
            "drain builder/2",
            "hand back builder/2",
        ]
        assert fleet.types(before)[2:] == [
            "specialist_defined",
            *(["action_intended", "specialist_process_stopped", "specialist_process_started"] * 2),
            "apply_completed",
        ]
        assert {one.environment["A"] for one in fleet.processes.orders[2:]} == {"2"}
        assert fleet.plan() == []

    def test_a_definition_that_does_not_work_takes_one_replica_only(self) -> None:
        fleet = fleet_of(BUILDER)
        fleet.apply()
        fleet.processes.dies, fleet.crew.reports = 1, False
        want(fleet, SpecialistSpec(name="builder", replicas=2, environment={"A": "bad"}))
        result = fleet.apply(wait=False)
        assert [(one.action_id, one.skipped) for one in result.failures] == [
            ("replace specialist/builder/1", False),
            ("replace specialist/builder/2", True),
        ]
        assert replicas(fleet) == ["specialist/builder/2"]

    def test_when_the_grace_is_over_what_it_holds_goes_back(self) -> None:
        fleet = fleet_of(SpecialistSpec(name="builder", stop_grace_ms=1))
        fleet.apply()
        fleet.crew.busy["builder", 1] = -1
        want(fleet)
        assert fleet.apply().succeeded
        assert fleet.crew.asked == ["drain builder/1", "hand back builder/1"]
        assert fleet.processes.running == {}
        assert fleet.log.projected().pools == {}

    def test_one_that_ends_by_itself_is_not_waited_for(self) -> None:
        fleet = fleet_of(SpecialistSpec(name="builder"))
        fleet.apply()
        fleet.crew.busy["builder", 1] = -1
        process_id = next(iter(fleet.processes.running))
        drain = fleet.crew.drain

        def ends(*replica: Any) -> bool:
            fleet.processes.running.pop(process_id)
            return drain(*replica)

        fleet.crew.drain = ends  # type: ignore[method-assign]
        want(fleet)
        assert fleet.apply().succeeded

    def test_one_that_never_registered_holds_nothing(self) -> None:
        fleet = fleet_of(SpecialistSpec(name="builder"))
        fleet.apply()
        fleet.crew.known, fleet.crew.busy["builder", 1] = False, -1
        want(fleet)
        assert fleet.apply().succeeded

    def test_what_is_protected_is_left_alone_even_when_a_plan_says_otherwise(self) -> None:
        fleet = fleet_of(SpecialistSpec(name="builder"))
        fleet.apply()
        want(fleet, SpecialistSpec(name="builder", environment={"A": "2"}))
        look = fleet.look

        def with_protection(options: PlanOptions = PlanOptions()) -> Any:
            events, desired, plan = look(options)
            spec = SpecialistSpec(name="builder", environment={"A": "2"}, protect=True)
            want(fleet, spec)
            return events, fleet.desired, plan

        fleet.look = with_protection  # type: ignore[method-assign]
        (failure,) = fleet.apply().failures
        assert failure.why.startswith("specialist/builder is protected and its process is left alone")
        assert replicas(fleet) == ["specialist/builder/1"]

    def test_a_second_process_of_a_replica_ends_without_asking_the_first_to_let_go(self) -> None:
        fleet = fleet_of(SpecialistSpec(name="builder"))
        fleet.apply()
        (process,) = fleet.processes.running.values()
        twin = replace(process, process_id="evt_2a", pid=2, labels={**process.labels, "fleet.intent": "evt_2a"})
        fleet.processes.running["evt_2a"] = twin
        assert fleet.apply().succeeded
        assert fleet.crew.asked == []
        assert (len(fleet.processes.stopped), len(fleet.processes.running)) == (1, 1)
        assert fleet.plan() == []


class TestTheWorld:
    def test_one_that_ended_is_started_again_after_what_it_left_behind(self) -> None:
        fleet = fleet_of(SpecialistSpec(name="builder"))
        fleet.apply()
        process_id = next(iter(fleet.processes.running))
        fleet.processes.running.clear()
        fleet.processes.exit_codes[process_id] = 137
        assert fleet.apply().succeeded
        assert fleet.processes.stopped == [process_id]
        assert fleet.causes("specialist_process_started") == [
            "specialist_process_started",
            "action_intended",
            "specialist_process_exited",
        ]

    def test_one_that_stands_still_goes_on(self) -> None:
        fleet = fleet_of(SpecialistSpec(name="builder"))
        fleet.apply()
        ((process_id, process),) = fleet.processes.running.items()
        fleet.processes.running[process_id] = replace(process, state="paused")
        assert fleet.plan() == ["resume specialist/builder/1"]
        assert fleet.apply().succeeded
        assert fleet.plan() == []
        assert fleet.causes("specialist_process_resumed")[:3] == [
            "specialist_process_resumed",
            "action_intended",
            "specialist_process_paused",
        ]

    def test_what_is_unknown_is_left_as_it_is(self) -> None:
        fleet = fleet_of(SpecialistSpec(name="builder"))
        fleet.apply()
        (process,) = fleet.processes.running.values()
        fleet.processes.running.clear()
        fleet.processes.unknown = frozenset({process.pid})
        assert fleet.plan() == []


def _new(fleet: Fleet) -> None:
    want(fleet, BUILDER, SpecialistSpec(name="reviewer"))


def _edited(fleet: Fleet) -> None:
    want(fleet, SpecialistSpec(name="builder", replicas=2, environment={"A": "2"}), SpecialistSpec(name="reviewer"))


def _gone(fleet: Fleet) -> None:
    want(fleet, SpecialistSpec(name="builder"))


SCENARIOS: dict[str, tuple[Callable[[Fleet], None], Callable[[Fleet], None]]] = {
    "first": (lambda fleet: None, _new),
    "edited": (_new, _edited),
    "fewer": (_new, _gone),
}


class _Mortal:
    """Lets the apply die at one of its steps."""

    def __init__(self, fleet: Fleet, at: int) -> None:
        self.steps: Counter[str] = Counter()
        self._at = at
        for owner, name in ((fleet.processes, "start"), (fleet.processes, "stop"), (fleet.log, "append")):
            setattr(owner, name, self._wrapped(getattr(owner, name), name))

    def _wrapped(self, step: Callable[..., Any], name: str) -> Callable[..., Any]:
        def mortal(*args: Any, **more: Any) -> Any:
            self._step(name)
            result = step(*args, **more)
            self._step(name)
            return result

        return mortal

    def _step(self, name: str) -> None:
        self.steps[name] += 1
        if self._at and self.steps.total() >= self._at:
            raise Crashed(name)


def _prepared(name: str) -> Fleet:
    before, change = SCENARIOS[name]
    fleet = Fleet()
    before(fleet)
    fleet.apply(parallel=1)
    change(fleet)
    return fleet


def _revived(fleet: Fleet) -> None:
    for owner, step in ((fleet.processes, "start"), (fleet.processes, "stop"), (fleet.log, "append")):
        owner.__dict__.pop(step)


def _instants(name: str) -> Iterator[int]:
    fleet = _prepared(name)
    mortal = _Mortal(fleet, 0)
    fleet.apply(parallel=1)
    return iter(range(1, mortal.steps.total() + 1))


@pytest.mark.parametrize("name", SCENARIOS)
def test_after_a_crash_at_any_instant_nothing_is_doubled_and_the_next_apply_converges(name: str) -> None:
    whole = _prepared(name)
    whole.apply(parallel=1)
    for instant in _instants(name):
        fleet = _prepared(name)
        _Mortal(fleet, instant)
        with pytest.raises(Crashed):
            fleet.apply(parallel=1)
        _revived(fleet)
        assert len(set(replicas(fleet))) == len(replicas(fleet)), instant
        fleet.apply(parallel=1)
        assert replicas(fleet) == replicas(whole), instant
        assert fleet.plan() == [], instant
        digests = {one.labels["fleet.digest"] for one in fleet.processes.running.values()}
        assert digests == {one.labels["fleet.digest"] for one in whole.processes.running.values()}, instant
        assert fleet.apply(parallel=1).done == 0, instant
        assert fleet.log.projected().intents == {}, instant


def test_an_apply_of_services_alone_refuses_specialists() -> None:
    nobody = NoCrew()
    for ask in (nobody.command, nobody.log, nobody.works_on):
        with pytest.raises(ActionFailed, match="about services only"):
            ask("builder", 1)
    for tell in (nobody.drain, nobody.hand_back):
        with pytest.raises(ActionFailed, match="about services only"):
            tell("builder", 1, UUID(int=0))
    with pytest.raises(ActionFailed, match="about services only"):
        nobody.reported_since("builder", 1, 0)


class TestForWhoLooksAgain:
    def busy(self, fleet: Fleet) -> None:
        here = {"specialist_id": "spec_builder_1", "name": "builder-1"}
        events = [
            NewEvent("specialist_registered", "specialist", "spec_builder_1", here),
            NewEvent("specialist_active", "specialist", "spec_builder_1", {**here, "status": "busy"}),
        ]
        events[1].data.pop("name")
        fleet.log.append(events, Cause("builder-1", "worker"))

    def test_one_that_works_is_drained_and_goes_by_itself(self) -> None:
        fleet = fleet_of(SpecialistSpec(name="builder"))
        fleet.apply()
        self.busy(fleet)
        want(fleet, SpecialistSpec(name="builder", environment={"A": "2"}))
        again = PlanOptions(drain_first=True)
        assert fleet.plan(again) == ["define specialist/builder", "drain specialist/builder/1"]
        assert fleet.apply(again).succeeded
        assert fleet.crew.asked == ["drain builder/1"]
        (process,) = fleet.log.projected().pools["builder"].processes
        assert process.drains_until is not None
        assert fleet.plan() == ["replace specialist/builder/1"]
        fleet.processes.running.clear()
        assert fleet.apply(again).succeeded
        assert fleet.causes("specialist_process_started")[:3] == [
            "specialist_process_started",
            "action_intended",
            "specialist_defined",
        ]
        assert "specialist_process_exited" not in fleet.types()
