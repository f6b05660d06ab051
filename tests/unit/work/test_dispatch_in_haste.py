"""Decisions that only give out, and who counts as there."""

from __future__ import annotations

from reconciler.work.dispatch import Situation, decide
from reconciler.work.state import Sortie, SortiePlan, Specialist

NOON = 1_780_000_000_000


def situation(*people: Specialist, count: int = 3, reviewers: frozenset[str] = frozenset()) -> Situation:
    waiting = [Sortie(id=f"s{number}", created_at=NOON + number) for number in range(count)]
    return Situation(now_ms=NOON, sorties=waiting, specialists=people, reviewers=reviewers)


def test_a_hasty_decision_ends_with_the_last_free_specialist() -> None:
    one = Specialist(id="w1", last_seen=NOON)
    hasty = decide(situation(one), explain=False)
    assert [given.sortie.id for given in hasty.assignments] == ["s0"]
    assert hasty.waiting == ()
    whole = decide(situation(one))
    assert whole.assignments == hasty.assignments
    assert [wait.sortie_id for wait in whole.waiting] == ["s1", "s2"]
    assert decide(situation(), explain=False).waiting == ()


def test_a_specialist_is_there_for_as_long_as_its_own_time_out() -> None:
    patient = Specialist(id="w1", last_seen=NOON - 90_000, metadata={"heartbeat_timeout_ms": 300_000})
    hasty = Specialist(id="w2", last_seen=NOON - 2_000, metadata={"heartbeat_timeout_ms": 1_000})
    usual = Specialist(id="w3", last_seen=NOON - 90_000)
    assert [given.specialist.id for given in decide(situation(patient, hasty, usual)).assignments] == ["w1"]


def test_who_reviews_is_busy() -> None:
    people = (Specialist(id="w1", last_seen=NOON), Specialist(id="w2", last_seen=NOON))
    decision = decide(situation(*people, reviewers=frozenset({"w1"})))
    assert [given.specialist.id for given in decision.assignments] == ["w2"]


def test_a_plan_remembers_what_its_review_runs_and_asks() -> None:
    plan = SortiePlan(review_kind="code", review_by="b", review_run="make lint", review_prompt="look")
    assert plan.to_metadata()["review"] == {"kind": "code", "by": "b", "run": "make lint", "prompt": "look"}
    assert SortiePlan.from_metadata(plan.to_metadata()) == plan
