"""Whatever becomes of missions and of their file: a plan that was carried out leaves nothing to do, and loses nobody's work."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconciler.plan.diff import diff
from reconciler.plan.model import CancelMission, StartMission, UpdateMission
from reconciler.plan.render import markdown, text
from reconciler.plan.render.lines import lines
from tests.support.carried_out import Log
from tests.support.fleets import fleet

NAMES = st.sampled_from(["login", "logout"])
sortie = st.fixed_dictionaries(
    {},
    optional={
        "run": st.sampled_from(["make", "make all"]),
        "title": st.sampled_from(["A", "B"]),
        "retries": st.just(2),
    },
)
mission = st.fixed_dictionaries(
    {"sorties": st.dictionaries(st.sampled_from(["design", "build"]), sortie, min_size=1)},
    optional={
        "title": st.sampled_from(["A", "B"]),
        "priority": st.sampled_from(["low", "high"]),
        "parallel": st.integers(0, 2),
        "tags": st.just(["t"]),
    },
)
files = st.dictionaries(NAMES, mission)
END = {"completed_at": "2026-11-24T12:00:00.000Z", "duration_ms": 1}
RESULT = {"success": True, "sorties_completed": 1, "sorties_failed": 0}


def happens(log: Log, what: str, name: str) -> None:
    """Something becomes of the last run of a mission, if it is under way."""
    run = log.projected().missions.get(name)
    if run is None or run.ended:
        return
    told: dict[str, Any] = {"mission_id": run.mission_id}
    if what == "completed":
        log.record("mission_completed", {**told, **END, "result": RESULT})
    else:
        moved = {"previous_status": run.status, "new_status": what, "changed_by": "ada"}
        log.record("mission_status_changed", {**told, **moved})


@given(
    revisions=st.lists(files, min_size=1, max_size=4),
    between=st.lists(st.tuples(st.sampled_from(["completed", "failed", "cancelled", "review"]), NAMES), max_size=6),
)
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(
    revisions: list[dict[str, Any]], between: list[tuple[str, str]]
) -> None:
    log, happenings = Log(), iter(between)
    for revision in revisions:
        desired, before = fleet({"missions": revision}), log.projected()
        plan = diff(desired, before)
        assert plan == diff(desired, before)
        things = {action.resource for action in plan.actions}
        assert len(things) == len(plan.actions)
        assert things.isdisjoint({one.resource for one in plan.unchanged})
        assert {f"mission/{name}" for name in revision} <= things | {one.resource for one in plan.unchanged}
        for action in plan.actions:
            assert isinstance(action, StartMission | UpdateMission | CancelMission)
            known = before.missions.get(action.mission)
            under_way = known is not None and not known.ended
            assert under_way is not isinstance(action, StartMission), "only what is not under way is started"
        for later in plan.later:
            assert not before.missions[later.resource.removeprefix("mission/")].ended
        assert (lines(plan) and text(plan) and markdown(plan)) is not None

        log.carry_out(plan, desired)
        after = diff(desired, log.projected())
        assert after.actions == ()
        for name, run in before.missions.items():
            if run.ended and name in revision and f"mission/{name}" not in things:
                assert log.projected().missions[name] == run
        for what, name in (next(happenings, ("", "")), next(happenings, ("", ""))):
            if what:
                happens(log, what, name)
