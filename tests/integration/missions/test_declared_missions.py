"""Missions of the file, applied for real: what is recorded, why, and what the next apply does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reconciler.apply.work import NoWork
from reconciler.control.cycle import converge
from reconciler.control.declared import DeclaredWork
from reconciler.errors import ActionFailed, LeaseLost
from reconciler.ids import uuid7
from reconciler.ops.work_view import mission_view
from reconciler.plan.model import PlanOptions, StartMission
from reconciler.projections.store import open_store
from reconciler.work.refusals import TransitionRefused
from tests.integration.apply.yard import YES, Yard

from .conftest import MISSION, Hands


def test_a_mission_is_started_once_with_the_definition_that_it_had(yard: Yard) -> None:
    assert yard.plan() == ["start mission/login"]
    yard.must_apply()
    assert yard.causes("mission_started") == ["mission_started", "action_intended", "revision_accepted"]
    assert yard.causes("sortie_created")[1:] == ["action_intended", "revision_accepted"]
    assert "mission_definition_frozen" in yard.types()
    head = yard.head()
    assert yard.plan() == []
    assert yard.apply() is None
    assert yard.head() == head


def test_the_intent_is_settled_with_what_it_came_to(yard: Yard) -> None:
    yard.must_apply()
    with open_store(yard.database, mode="read") as store:
        assert not store.projected().intents
        assert not list(store.rows_at(store.head() - 3).scan("intents")), "not only by the end of the apply"


def test_a_finished_mission_is_done(yard: Yard, hands: Callable[[], Hands]) -> None:
    yard.must_apply()
    work = hands()
    who = work.hire()
    work.do(who)
    work.do(who)
    assert work.status() == "completed"
    assert work.status("login/mop") == "cancelled"
    assert yard.plan() == []


def test_an_edit_of_its_work_runs_it_again_and_keeps_the_first_run(yard: Yard, hands: Callable[[], Hands]) -> None:
    yard.must_apply()
    work = hands()
    who = work.hire()
    work.do(who)
    work.do(who)
    yard.write("", more=MISSION.replace("make build", "make all"))
    assert yard.plan() == ["start mission/login"]
    yard.must_apply()
    again = mission_view(work.store.rows(), "login")
    assert (again.run, again.status, again.completed) == (2, "in_progress", 0)
    assert yard.plan() == []


def test_what_holds_at_once_and_what_waits_for_the_next_run(yard: Yard, hands: Callable[[], Hands]) -> None:
    yard.must_apply()
    reworded = MISSION.replace("title: Add login", "title: Log in\n    parallel: 2")
    yard.write("", more=reworded)
    yard.must_apply()
    found = mission_view(hands().store.rows(), "login")
    assert (found.title, found.row["metadata"]["parallel"]) == ("Log in", 2)
    assert yard.causes("mission_updated") == ["mission_updated", "action_intended", "revision_accepted"]

    yard.write("", more=reworded.replace("make build", "make all"))
    look = yard.look()
    assert look.plan.empty
    assert [change.path for later in look.plan.later for change in later.changes] == ["sorties.build.run"]


def test_one_that_leaves_the_file_is_called_off(yard: Yard, hands: Callable[[], Hands]) -> None:
    yard.must_apply()
    work = hands()
    claimed = work.claim(work.hire())
    yard.write("", more="missions: {}")
    assert yard.plan() == ["cancel mission/login"]
    yard.must_apply()
    assert work.status() == "cancelled"
    assert work.status("login/design") == "cancelled"
    assert claimed.sortie.plan.name == "design"
    assert "left the file" in mission_view(work.store.rows(), "login").reason
    assert yard.plan() == []


def test_a_target_leaves_the_others_alone(yard: Yard) -> None:
    yard.write("", more=MISSION + "  logout: {sorties: {one: {run: make}}}\n")
    yard.must_apply(PlanOptions(targets=("mission/logout",)))
    assert yard.plan() == ["start mission/login"]


def test_a_mission_that_somebody_began_meanwhile_is_not_begun_twice(yard: Yard, hands: Callable[[], Hands]) -> None:
    with yard.session() as session:
        stale = yard.look()
        yard.must_apply()
        converged = converge(session, confirm=lambda _: YES, seen=stale)
    assert converged.result is None
    assert mission_view(hands().store.rows(), "login").run == 1


def test_what_the_rules_refuse_is_refused_whatever_the_plan_says(yard: Yard) -> None:
    action = start_of(yard)
    yard.must_apply()
    with yard.session() as session:
        door = DeclaredWork(session.writable(), session.cause, None)
        with pytest.raises(TransitionRefused, match="in progress already"):
            door.carry_out(action, uuid7())


def test_without_the_lease_nothing_is_recorded(yard: Yard) -> None:
    action = start_of(yard)
    with yard.session() as session:
        store = session.writable()
        with store.lease("a test") as lease:
            store.break_lease(session.cause)
            head = store.head()
            with pytest.raises(LeaseLost):
                DeclaredWork(store, session.cause, lease).carry_out(action, uuid7())
            assert store.head() == head


def test_an_apply_of_services_alone_starts_no_mission(yard: Yard) -> None:
    with pytest.raises(ActionFailed, match="services only"):
        NoWork().carry_out(start_of(yard), uuid7())


def start_of(yard: Yard) -> StartMission:
    (action,) = yard.look().plan.actions
    assert isinstance(action, StartMission)
    return action
