"""Drift of specialists: a process that is not in the state that Fleet left it in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from reconciler.control.crew_drift import process_drifts
from reconciler.events.envelope import Event, NewEvent
from reconciler.plan.model import PlanOptions
from reconciler.plan.situation import Situation
from reconciler.projections.pools import ProjectedPool, ProjectedProcess
from reconciler.projections.projected import Projected
from reconciler.spec.desired import Desired, IgnoreDrift, ReconcileSettings, Restart, SpecialistSpec

CAUSE = UUID(int=7)


class Nothing:
    """A log that knows no event."""

    def event(self, event_id: UUID) -> Event | None:
        return None


def process(**more: Any) -> ProjectedProcess:
    values: dict[str, Any] = {"state": "exited", "external": True, "exit_code": 137, "changed_at": 5}
    return ProjectedProcess("builder", 1, "evt_1", 1, "v1:a", cause_event=CAUSE.hex, **{**values, **more})


def drifts(
    *processes: ProjectedProcess,
    restart: str = "always",
    declared: bool = True,
    ignore: str = "",
    seen: dict[str, NewEvent] | None = None,
    **pool: Any,
) -> list[Any]:
    spec = SpecialistSpec(name="builder", restart=Restart(policy=restart))  # type: ignore[arg-type]
    rules = (IgnoreDrift(resource=ignore, field="state"),) if ignore else ()
    desired = Desired(
        name="shop",
        project="p",
        specialists={"builder": spec} if declared else {},
        reconcile=ReconcileSettings(ignore_drift=rules),
    )
    known = ProjectedPool("builder", {"name": "builder"}, "v1:a", processes=processes, **pool)
    situation = Situation(desired, Projected(pools={"builder": known}), PlanOptions(now_ms=1))
    return list(process_drifts(situation, Nothing(), seen or {}))  # type: ignore[arg-type]


def test_one_that_ended_or_stands_still() -> None:
    (one,) = drifts(process())
    assert (one.resource, one.actual, one.since, one.recorded, one.ignored) == (
        "specialist/builder/1",
        "exited (137)",
        5,
        True,
        "",
    )
    assert one.cause == "it was changed outside of fleet"
    assert [found.actual for found in drifts(process(state="paused", exit_code=None))] == ["paused"]
    assert [found.actual for found in drifts(process(), declared=False)] == ["exited (137)"]


def test_what_was_just_seen_tells_its_own_story() -> None:
    data = {"pool": "builder", "replica": 1, "process_id": "evt_1", "exit_code": 137}
    new = NewEvent("specialist_process_exited", "specialist", "builder", data, event_id=CAUSE)
    (one,) = drifts(process(), seen={CAUSE.hex: new})
    assert not one.recorded
    assert one.cause == "specialist/builder/1 ended with exit code 137; Fleet did not do it"


def test_what_is_no_drift() -> None:
    assert drifts(process(external=False)) == []
    assert drifts(process(state="running")) == []
    assert drifts(process(), wanted="down") == []
    assert drifts(process(), process(state="running", external=False)) == []
    assert drifts(process(exit_code=0), restart="on-failure") == []
    assert drifts(process(), restart="no") == []


def test_a_rule_leaves_it_alone_and_it_is_told_all_the_same() -> None:
    (one,) = drifts(process(), ignore="specialist/*")
    assert one.ignored == "ignored"
