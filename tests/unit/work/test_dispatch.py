"""Dispatch: who gets what, and the sentence for whoever waits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.spec.desired import Budget
from reconciler.work import dispatch, locks, missions, reviews, sorties, specialists
from reconciler.work.dispatch import AGE_STEP_MS, Decision, Situation
from reconciler.work.state import Mission

from .world import World


def look(world: World, budgets: Mapping[str, Budget] | None = None, **more: Any) -> Decision:
    return dispatch.decide(
        Situation(
            now_ms=world.now,
            sorties=world.sorties(),
            specialists=world.specialists(),
            missions={name: Mission.from_row(row) for name, row in world.rows.scan("missions")},
            locks=world.locks(),
            budgets=budgets or {},
            usage={s.id: world.usage(s.id) for s in world.specialists()},
            **more,
        )
    )


def given(decision: Decision) -> list[str]:
    return [f"{a.kind} {a.sortie.id} → {a.specialist.id}" for a in decision.assignments]


def waiting(decision: Decision) -> dict[str, str]:
    return {wait.sortie_id: f"{wait.code}: {wait.text}" for wait in decision.waiting}


class TestOrder:
    def test_priority_first_then_age_and_the_least_versatile_specialist(self, world: World) -> None:
        world.register("generalist", "python", "rust")
        world.register("pythonist", "python")
        world.new_sortie("older", requires=frozenset({"python"}))
        world.append(sorties.create("urgent", title="x", priority="critical", now_ms=world.now + 5))
        world.new_sortie("rusty", requires=frozenset({"rust"}))
        assert given(look(world)) == ["work urgent → pythonist", "work older → generalist"]
        assert waiting(look(world)) == {"rusty": "no_free_specialist: 1 could do it and none is free"}

    def test_waiting_counts_as_priority_in_the_end(self, world: World) -> None:
        world.new_sortie("old")
        world.now += 2 * AGE_STEP_MS - 1
        world.append(sorties.create("new", title="x", priority="critical", now_ms=world.now))
        world.register("w")
        assert given(look(world)) == ["work new → w"]
        world.append(sorties.update(world.sortie("old"), {"priority": "high"}, now_ms=world.now))
        assert given(look(world)) == ["work old → w"]

    def test_a_missions_priority_counts_for_its_sorties(self, world: World) -> None:
        world.register("w")
        world.append(missions.create("m", title="M", priority="critical", now_ms=world.now))
        world.new_sortie("free")
        world.new_sortie("mine", mission=world.mission())
        world.append(missions.start(world.mission(), [], now_ms=world.now))
        assert given(look(world)) == ["work mine → w"]

    def test_the_same_situation_gives_the_same_decision(self, world: World) -> None:
        for name in "abc":
            world.register(name, "x")
            world.new_sortie(f"s-{name}")
        assert look(world) == look(world)
        assert given(look(world)) == ["work s-a → a", "work s-b → b", "work s-c → c"]


class TestWhyNot:
    def test_one_sentence_for_every_reason(self, world: World) -> None:
        world.register("w", "python", pool="builder")
        world.new_sortie("alien", requires=frozenset({"rust"}), assigned_to="builder")
        world.new_sortie("after", depends_on=("alien",))
        world.new_sortie("never", depends_on=("gone",))
        world.new_sortie("gone")
        world.append(sorties.cancel(world.sortie("gone"), by="ada", now_ms=world.now))
        world.new_sortie("outside", files=("../x",))
        world.new_sortie("asleep", mission=world.new_mission("m"))
        world.new_sortie("nobody", assigned_to="ghost")
        assert waiting(look(world)) == {
            "alien": "no_specialist: no specialist that can rust answers to builder",
            "after": "dependency: it comes after alien",
            "never": "unreachable: gone is cancelled",
            "outside": "bad_files: one of its files lies outside the project",
            "asleep": "mission_not_running: mission m is pending",
            "nobody": "no_specialist: no specialist answers to ghost",
        }
        assert waiting(dispatch.decide(Situation(now_ms=0, sorties=[world.sortie("asleep")], specialists=[]))) == {
            "asleep": "mission_not_running: mission m is unknown"
        }

    def test_back_off_says_until_when(self, world: World) -> None:
        world.register("w")
        world.new_sortie("s", retries=1, retry_delay_ms=5_000)
        world.append(sorties.fail(world.start("s", "w"), "w", error="boom", now_ms=world.now))
        (wait,) = look(world).waiting
        assert (wait.code, wait.until) == ("backoff", world.now + 5_000)
        world.now += 5_000
        assert given(look(world)) == ["work s → w"]

    def test_a_mission_bounds_how_many_run_at_once(self, world: World) -> None:
        for name in ("a", "b", "c"):
            world.register(name)
        mission = world.new_mission("m", parallel=2)
        for name in ("s1", "s2", "s3"):
            world.new_sortie(name, mission=mission)
        world.append(missions.start(mission, [], now_ms=world.now))
        assert waiting(look(world)) == {"s3": "mission_parallel: its mission works on 2 sorties at once"}
        world.start("s1", "a")
        assert given(look(world)) == ["work s2 → b"]

    @pytest.mark.parametrize("how", ["draining", "stale", "busy", "assigned", "inactive"])
    def test_who_is_not_free(self, world: World, how: str) -> None:
        world.register("w")
        world.new_sortie("s")
        if how == "draining":
            world.append(specialists.drain(world.specialist("w"), by="ada", now_ms=world.now))
        elif how == "stale":
            world.now += 60_001
        elif how == "busy":
            world.new_sortie("other")
            world.start("other", "w")
        elif how == "assigned":
            world.new_sortie("other")
            world.assign("other", "w")
        else:
            world.append(specialists.deactivate(world.specialist("w"), [], [], by="ada", now_ms=world.now))
        code = "no_specialist" if how == "inactive" else "no_free_specialist"
        assert waiting(look(world))["s"].startswith(code)

    def test_a_budget_that_is_used_up_is_said_once(self, world: World) -> None:
        world.register("w")
        world.new_sortie("first")
        world.new_sortie("second")
        world.append(sorties.complete(world.start("first", "w"), "w", {"success": True}, now_ms=world.now))
        hourly = {"w": Budget(sorties_per_hour=1)}
        decision = look(world, hourly)
        (wait,) = decision.waiting
        assert (wait.code, wait.until) == ("budget", world.now + 3_600_000)
        assert "1 of 1 sorties were started within the hour" in wait.text
        told = dispatch.events(decision, {}, now_ms=world.now, usage={"w": world.usage("w")})
        assert world.append(told) == ["dispatch_rejected", "budget_exhausted"]
        again = look(world, hourly)
        known = {"second": again.waiting[0].text}
        assert dispatch.events(again, known, now_ms=world.now, usage={"w": world.usage("w")}) == []
        world.now += 3_600_000
        world.append(specialists.heartbeat(world.specialist("w"), now_ms=world.now))
        world.append(dispatch.events(look(world, hourly), {}, now_ms=world.now))
        world.append(sorties.start(world.sortie("second"), "w", now_ms=world.now))
        assert world.usage("w").exhausted == ""
        world.append(sorties.complete(world.sortie("second"), "w", {"success": True}, now_ms=world.now))
        later = look(world, hourly)
        assert len(dispatch.events(later, {}, now_ms=world.now, usage={"w": world.usage("w")})) == 1


class TestFiles:
    def test_no_two_at_once_touch_the_same_files(self, world: World) -> None:
        world.register("a")
        world.register("b")
        world.register("c")
        world.append(locks.reserve("l", "docs/x.md", "somebody", [], now_ms=world.now))
        world.new_sortie("s1", files=("src/a.py", "src/gen/*.py"))
        world.new_sortie("s2", files=("./src/*.py",))
        world.new_sortie("s3", files=("src/gen/b.py",))
        world.new_sortie("s4", files=("docs/**",))
        assert given(look(world)) == ["work s1 → a"]
        assert waiting(look(world)) == {
            "s2": "files: src/*.py is in use by sortie s1",
            "s3": "files: src/gen/b.py is in use by sortie s1",
            "s4": "files: docs/** is in use by somebody",
        }
        world.now += 30_000
        assert given(look(world))[-1] == "work s4 → b"

    def test_what_is_in_review_is_still_in_use(self, world: World) -> None:
        world.register("a")
        world.register("b")
        world.new_sortie("s1", files=("a.py",), review_kind="code")
        world.append(sorties.complete(world.start("s1", "a"), "a", {"success": True}, now_ms=world.now))
        world.new_sortie("s2", files=("a.py",))
        assert waiting(look(world)) == {"s2": "files: a.py is in use by sortie s1"}


class TestReviewsAndRework:
    def in_review(self, world: World, by: str = "critic") -> None:
        world.register("a", pool="builder")
        world.new_sortie("s", review_kind="code", review_by=by)
        world.append(sorties.complete(world.start("s", "a"), "a", {"success": True}, now_ms=world.now))

    def sent_back(self, world: World) -> None:
        self.in_review(world)
        world.append(reviews.start("r", world.sortie("s"), "c", now_ms=world.now))
        verdict = reviews.complete(
            world.review("r"), world.sortie("s"), "needs_changes", reviewer_id="c", feedback="x", now_ms=world.now
        )
        world.append(verdict)

    def test_a_review_goes_to_whom_it_names_before_any_work(self, world: World) -> None:
        self.in_review(world)
        world.register("c", pool="critic")
        world.append(sorties.create("urgent", title="x", priority="critical", now_ms=world.now))
        world.append(sorties.update(world.sortie("urgent"), {"assigned_to": "critic"}, now_ms=world.now))
        assert given(look(world)) == ["review s → c"]
        assert given(look(world, reviewing=frozenset({"s"}))) == ["work urgent → c"]

    def test_nobody_reviews_their_own_work_while_another_can(self, world: World) -> None:
        self.in_review(world, by="builder")
        assert given(look(world)) == ["review s → a"]
        world.register("b", pool="builder")
        assert given(look(world)) == ["review s → b"]
        world.new_sortie("other")
        world.start("other", "b")
        assert given(look(world)) == []

    def test_rework_goes_to_whoever_did_it(self, world: World) -> None:
        self.sent_back(world)
        world.register("aa")
        decision = look(world)
        assert given(decision) == ["rework s → a"]
        assert dispatch.events(decision, {}, now_ms=world.now) == []
        world.append(sorties.start(world.sortie("s"), "a", now_ms=world.now))
        assert given(look(world)) == []

    def test_rework_waits_for_its_busy_specialist(self, world: World) -> None:
        self.sent_back(world)
        world.new_sortie("other")
        world.start("other", "a")
        assert waiting(look(world)) == {"s": "no_free_specialist: a takes it up again when it is free"}

    @pytest.mark.parametrize("how", ["draining", "spent"])
    def test_rework_of_one_that_takes_nothing_more_goes_back_to_the_pool(self, world: World, how: str) -> None:
        self.sent_back(world)
        world.register("b")
        budgets = {"a": Budget(wall_time_ms=1)} if how == "spent" else {}
        if how == "draining":
            world.append(specialists.drain(world.specialist("a"), by="ada", now_ms=world.now))
        else:
            row = {"specialist_id": "a", "starts": [], "wall_ms": 5, "tokens": 0, "cost_usd": 0.0, "since": 0}
            world.rows.put("usage", "a", row)
        decision = look(world, budgets)
        assert [sortie.id for sortie in decision.returned] == ["s"]
        world.append(dispatch.events(decision, {}, now_ms=world.now))
        assert given(look(world, budgets)) == ["work s → b"]


def test_the_decision_as_events(world: World) -> None:
    world.register("w")
    world.new_sortie("s")
    world.new_sortie("t")
    types = world.append(dispatch.events(look(world), {"t": "something else"}, now_ms=world.now))
    assert types == [
        "dispatch_evaluated",
        "dispatch_assigned",
        "sortie_status_changed",
        "sortie_updated",
        "dispatch_rejected",
    ]
    assert world.sortie("s").assigned_to == "w"
