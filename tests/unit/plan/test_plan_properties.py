"""What no single example shows, over drawn fleets, logs and happenings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.plan.counts import thing_of
from reconciler.plan.diff import diff
from reconciler.plan.gates import starts
from reconciler.plan.graph import closure
from reconciler.plan.model import (
    AdoptContainer,
    AnyAction,
    DrainProcess,
    Plan,
    PlanOptions,
    RemoveContainer,
    RemoveProcess,
    ReplaceContainer,
    ReplaceProcess,
    RestartContainer,
)
from reconciler.plan.render.lines import lines
from reconciler.projections.projected import Projected
from reconciler.spec.desired import Desired, desired_from_document, to_document
from tests.support.carried_out import Log, images_of
from tests.unit.plan.fleets_drawn import fleets, happenings

_THOROUGH = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


class Drawn:
    """A log with a past, a file, and the plan between them."""

    def __init__(self, data: st.DataObject) -> None:
        self.log = Log()
        for _ in range(data.draw(st.integers(0, 2), label="earlier revisions")):
            before = data.draw(fleets(), label="an earlier fleet")
            self.log.carry_out(self._plan(before), before)
            data.draw(happenings(self.log), label="what happened")
        self.desired = data.draw(fleets(), label="the fleet now")
        self.projected = self.log.projected()
        self.options = PlanOptions(
            images=images_of([self.desired]),
            now_ms=self.log.now_ms,
            heal=data.draw(st.booleans(), label="self-healing"),
            restart=data.draw(_some_of(self.desired), label="restart"),
        )
        self.plan = diff(self.desired, self.projected, self.options)

    def _plan(self, desired: Desired) -> Plan:
        options = PlanOptions(images=images_of([desired]), now_ms=self.log.now_ms)
        return diff(desired, self.log.projected(), options)


def _some_of(desired: Desired) -> st.SearchStrategy[tuple[str, ...]]:
    if not desired.services:
        return st.just(())
    return st.lists(st.sampled_from(sorted(desired.services)), max_size=2, unique=True).map(tuple)


@given(data=st.data())
@_THOROUGH
def test_once_carried_out_nothing_is_left_to_do(data: st.DataObject) -> None:
    drawn = Drawn(data)
    drawn.log.carry_out(drawn.plan, drawn.desired)
    again = diff(drawn.desired, drawn.log.projected(), msgspec.structs.replace(drawn.options, restart=()))
    assert again.actions == (), f"{lines(drawn.plan)}\n\nand then\n{lines(again)}"


@given(data=st.data())
@_THOROUGH
def test_a_plan_keeps_its_promises(data: st.DataObject) -> None:
    drawn = Drawn(data)
    _each_action_comes_after_its_needs(drawn.plan)
    _only_known_containers_are_touched(drawn.plan, drawn.projected)
    _every_resource_is_counted_once(drawn.plan, drawn.desired, drawn.projected)
    _what_is_protected_is_not_destroyed(drawn.plan, drawn.desired, drawn.projected)
    _no_more_at_a_time_than_may_be_missing(drawn.plan, drawn.desired, drawn.projected)
    _what_depends_waits(drawn.plan, drawn.desired)


@given(data=st.data(), randomness=st.randoms(use_true_random=False))
@_THOROUGH
def test_the_order_of_the_input_changes_nothing(data: st.DataObject, randomness: Any) -> None:
    drawn = Drawn(data)
    desired = desired_from_document(_shuffled(to_document(drawn.desired), randomness))
    shuffled = msgspec.structs.replace(
        drawn.projected,
        **{
            field: _shuffled(value, randomness)
            for field, value in msgspec.structs.asdict(drawn.projected).items()
            if isinstance(value, Mapping)
        },
    )
    again = diff(desired, shuffled, drawn.options)
    assert _bytes(again) == _bytes(drawn.plan)


def _bytes(plan: Plan) -> bytes:
    return msgspec.json.encode(plan, order="sorted")


def _shuffled(value: Any, randomness: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    items = list(value.items())
    randomness.shuffle(items)
    return {key: _shuffled(one, randomness) for key, one in items}


@given(data=st.data())
@_THOROUGH
def test_a_narrowed_plan_stays_within_its_targets(data: st.DataObject) -> None:
    drawn = Drawn(data)
    targets = data.draw(_some_of(drawn.desired), label="targets")
    exclude = data.draw(_some_of(drawn.desired), label="exclude")
    options = msgspec.structs.replace(drawn.options, targets=targets, exclude=exclude)
    depends_on = {name: spec.depends_on for name, spec in drawn.desired.services.items()}
    allowed = closure(targets, depends_on) - set(exclude)
    plan = diff(drawn.desired, drawn.projected, options)
    for action in plan.actions:
        if _service(action) and targets:
            assert _service(action) in allowed
        assert _service(action) not in exclude
    _every_resource_is_counted_once(plan, drawn.desired, drawn.projected)


def _each_action_comes_after_its_needs(plan: Plan) -> None:
    done: set[str] = set()
    ids = {action.id for action in plan.actions}
    assert len(ids) == len(plan.actions)
    for action in plan.actions:
        needs = {need.action for need in action.needs if need.action}
        assert needs <= ids
        assert needs <= done, f"{action.id} comes before {needs - done}"
        done.add(action.id)


def _only_known_containers_are_touched(plan: Plan, projected: Projected) -> None:
    known = {container.container_id for container in projected.all_containers()}
    for action in plan.actions:
        if hasattr(action, "container_id") and not isinstance(action, AdoptContainer):
            assert action.container_id in known


def _every_resource_is_counted_once(plan: Plan, desired: Desired, projected: Projected) -> None:
    things = {thing_of(action) for action in plan.actions} | {one.resource for one in plan.unchanged}
    counts = msgspec.structs.asdict(plan.counts)
    assert sum(counts.values()) == len(things)
    assert len({one.resource for one in plan.unchanged}) == len(plan.unchanged)
    declared = {
        f"service/{name}/{replica}"
        for name, spec in desired.services.items()
        for replica in range(1, spec.replicas + 1)
    }
    declared |= {
        f"specialist/{name}/{replica}"
        for name, spec in desired.specialists.items()
        for replica in range(1, spec.replicas + 1)
    }
    known = {f"service/{one.key}" for one in projected.all_containers()}
    known |= {
        f"specialist/{one.pool}/{one.replica}"
        for pool in projected.pools.values()
        for one in pool.processes
        if one.alive
    }
    # What is kept of a replica that has two containers goes by the replica's address.
    assert {thing.partition("+")[0] for thing in declared | known} <= {thing.partition("+")[0] for thing in things}
    ending = ReplaceContainer | RemoveContainer | ReplaceProcess | RemoveProcess | DrainProcess
    removed = [one for one in plan.actions if isinstance(one, ending)]
    assert plan.destroys <= len(removed)


def _what_is_protected_is_not_destroyed(plan: Plan, desired: Desired, projected: Projected) -> None:
    for action in plan.actions:
        if isinstance(action, ReplaceContainer | RemoveContainer):
            declared, logged = desired.services.get(action.service), projected.services.get(action.service)
            protected = declared.protect if declared else bool(logged and logged.document.get("protect"))
            assert not protected, action.id


def _no_more_at_a_time_than_may_be_missing(plan: Plan, desired: Desired, projected: Projected) -> None:
    running = {
        (one.service, one.replica) for one in projected.all_containers() if one.state == "running" and not one.second
    }
    before = _before(plan)
    for name, spec in desired.services.items():
        disturbed = [one for one in _disturbing(plan, name) if (one.service, one.replica) in running]
        most = max(1, spec.update.max_unavailable)
        if spec.kind == "job":
            continue
        for group in combinations([one.id for one in disturbed], most + 1):
            assert any(a in before[b] or b in before[a] for a, b in combinations(group, 2)), f"{group} at one time"


def _disturbing(plan: Plan, service: str) -> Iterator[ReplaceContainer | RestartContainer]:
    for action in plan.actions:
        if isinstance(action, ReplaceContainer | RestartContainer) and action.service == service:
            yield action


def _what_depends_waits(plan: Plan, desired: Desired) -> None:
    before = _before(plan)
    started: dict[str, list[str]] = {}
    for action in plan.actions:
        if starts(action):
            started.setdefault(_service(action), []).append(action.id)
    for action in plan.actions:
        if starts(action):
            for dependency in desired.services[_service(action)].depends_on:
                gates = [need for need in action.needs if need.service == dependency]
                assert gates
                assert set(started.get(dependency, ())) <= before[action.id]


def _service(action: AnyAction) -> str:
    return str(getattr(action, "service", ""))


def _before(plan: Plan) -> dict[str, set[str]]:
    """Everything that an action waits for, near or far."""
    before: dict[str, set[str]] = {}
    for action in plan.actions:
        needs = {need.action for need in action.needs if need.action}
        before[action.id] = needs.union(*(before[need] for need in needs))
    return before
