"""Every step of a sortie from every state: where it leads, or how it is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from reconciler.events.envelope import NewEvent
from reconciler.work import attempts, reviews, sorties
from reconciler.work.refusals import (
    AlreadyEnded,
    DefinitionFrozen,
    DependencyOpen,
    InputRefused,
    LeaseOver,
    NotAssigned,
    NotEligible,
    TransitionRefused,
    WorkRefused,
)
from reconciler.work.state import Lease, Mission, Sortie, SortiePlan

from .world import World

DONE = {"success": True, "summary": "done"}


def bring(world: World, status: str) -> Sortie:
    """A sortie `s` in this status, held by `a` where somebody holds it."""
    world.register("a")
    world.register("b")
    world.new_sortie("s", review_kind="code" if status == "review" else None)
    if status in ("assigned", "in_progress", "blocked", "review", "completed", "failed"):
        world.assign("s", "a")
    if status in ("in_progress", "blocked", "review", "completed", "failed"):
        world.append(sorties.start(world.sortie("s"), "a", now_ms=world.now))
    world.now += 1_000
    sortie = world.sortie("s")
    if status == "blocked":
        world.append(sorties.block(sortie, "a", reason="no key", blocker_type="external", now_ms=world.now))
    elif status in ("review", "completed"):
        world.append(sorties.complete(sortie, "a", DONE, now_ms=world.now))
    elif status == "failed":
        world.append(sorties.fail(sortie, "a", error="boom", now_ms=world.now))
    elif status == "cancelled":
        world.append(sorties.cancel(sortie, by="ada", now_ms=world.now))
    assert world.sortie("s").status == status
    return world.sortie("s")


Command = Callable[[World, Sortie], Sequence[NewEvent]]
COMMANDS: dict[str, Command] = {
    "assign": lambda w, s: sorties.assign(s, w.specialist("b"), by="ada", now_ms=w.now),
    "start": lambda w, s: sorties.start(s, "a", now_ms=w.now),
    "progress": lambda w, s: sorties.progress(s, "a", 40, now_ms=w.now),
    "block": lambda w, s: sorties.block(s, "a", reason="x", blocker_type="resource", now_ms=w.now),
    "unblock": lambda w, s: sorties.unblock(s, by="ada", now_ms=w.now),
    "review": lambda w, s: sorties.request_review(s, "a", now_ms=w.now),
    "complete": lambda w, s: sorties.complete(s, "a", DONE, now_ms=w.now),
    "fail": lambda w, s: sorties.fail(s, "a", error="boom", now_ms=w.now),
    "cancel": lambda w, s: sorties.cancel(s, by="ada", now_ms=w.now),
    "retry": lambda w, s: sorties.retry(s, by="ada", now_ms=w.now),
    "hand_back": lambda w, s: attempts.hand_back(s, by="ada", now_ms=w.now, reason="drain"),
    "update": lambda w, s: sorties.update(s, {"title": "New"}, now_ms=w.now),
}
T, E, N, OVER = TransitionRefused, AlreadyEnded, NotAssigned, LeaseOver
Outcome = str | type[WorkRefused]
STATUSES = ("pending", "assigned", "in_progress", "blocked", "review", "completed", "failed", "cancelled")
TABLE: dict[str, tuple[Outcome, ...]] = {
    # command:    pending      assigned    in_progress    blocked        review    completed  failed   cancelled
    "assign":    ("assigned", "assigned", T,             T,             T,        E,         E,       E),
    "start":     (N,          "in_progress", T,          T,             T,        E,         E,       E),
    "progress":  (N,          T,          "in_progress", "blocked",     T,        E,         E,       E),
    "block":     (N,          T,          "blocked",     T,             T,        E,         E,       E),
    "unblock":   (T,          T,          T,             "in_progress", T,        E,         E,       E),
    "review":    (N,          T,          "review",      T,             T,        E,         E,       E),
    "complete":  (N,          T,          "completed",   T,             T,        E,         E,       E),
    "fail":      (N,          T,          "failed",      "failed",      T,        E,         E,       E),
    "cancel":    ("cancelled",) * 5 + (E, E, E),
    "retry":     (T,          T,          T,             T,             T,        T,         "pending", "pending"),
    "hand_back": (T,          "pending",  "pending",     "pending",     T,        E,         E,       E),
    "update":    STATUSES[:5] + (E, E, E),
}  # fmt: skip
CASES = [
    pytest.param(command, before, after, id=f"{command}-{before}")
    for command, row in TABLE.items()
    for before, after in zip(STATUSES, row, strict=True)
]


@pytest.mark.parametrize(("command", "before", "after"), CASES)
def test_every_command_in_every_state(world: World, command: str, before: str, after: Outcome) -> None:
    sortie = bring(world, before)
    if before == "review" and command in ("fail", "complete"):
        # The plan wants a review; whoever reports again is too late.
        after = TransitionRefused
    if isinstance(after, str):
        assert world.append(COMMANDS[command](world, sortie))
        assert world.sortie("s").status == after
    else:
        refusal = world.refused(lambda: COMMANDS[command](world, sortie), after)
        assert "s" in refusal.what
        assert world.sortie("s") == sortie


@pytest.mark.parametrize("value", [-1, 101, True])
def test_progress_outside_its_range_is_refused(world: World, value: int) -> None:
    sortie = bring(world, "in_progress")
    world.refused(lambda: sorties.progress(sortie, "a", value, now_ms=world.now), InputRefused)


def test_only_the_assigned_specialist_starts_reports_and_completes(world: World) -> None:
    assigned = bring(world, "assigned")
    world.refused(lambda: sorties.start(assigned, "b", now_ms=world.now), NotAssigned)
    world.append(sorties.start(assigned, "a", now_ms=world.now))
    held = world.sortie("s")
    world.refused(lambda: sorties.progress(held, "b", 10, now_ms=world.now), NotAssigned)
    world.refused(lambda: sorties.complete(held, "b", DONE, now_ms=world.now), NotAssigned)
    world.append(sorties.progress(held, "a", 10, now_ms=world.now, message="reading", artifacts=["notes.md"]))
    assert world.sortie("s").progress == 10


def test_a_result_has_to_say_whether_it_succeeded(world: World) -> None:
    sortie = bring(world, "in_progress")
    world.refused(lambda: sorties.complete(sortie, "a", {"summary": "hm"}, now_ms=world.now), InputRefused)


def test_an_unsuccessful_result_is_a_failed_attempt(world: World) -> None:
    sortie = bring(world, "in_progress")
    types = world.append(sorties.complete(sortie, "a", {"success": False, "summary": "no"}, now_ms=world.now))
    assert types == ["sortie_attempt_failed", "sortie_status_changed"]
    assert world.log[-2].data["error"] == "no"


def test_a_completion_measures_from_the_start_and_is_never_zero(world: World) -> None:
    sortie = bring(world, "in_progress")
    world.append(sorties.complete(sortie, "a", DONE, now_ms=world.now))
    assert world.log[-1].data["duration_ms"] == 1_000
    assert sorties.completed_event(Sortie(id="x"), "a", DONE, 5).data["duration_ms"] == 1


def test_creation_is_checked(world: World) -> None:
    now = world.now
    world.refused(lambda: sorties.create("s", title=" ", now_ms=now), InputRefused)
    world.refused(lambda: sorties.create("s", title="x", priority="huge", now_ms=now), InputRefused)
    ended, declared = Mission(id="m", status="failed"), Mission(id="m", declared=True)
    world.refused(lambda: sorties.create("s", title="x", mission=ended, now_ms=now), AlreadyEnded)
    world.refused(lambda: sorties.create("s", title="x", mission=declared, now_ms=now), DefinitionFrozen)
    world.append(sorties.create("s", title="x", mission=declared, declared=True, description="d", now_ms=now))
    assert world.sortie("s").description == "d"


def test_updates_are_checked_and_say_only_what_changed(world: World) -> None:
    world.register("a")
    sortie = world.new_sortie("s")
    world.refused(lambda: sorties.update(sortie, {"status": "completed"}, now_ms=world.now), InputRefused)
    world.refused(lambda: sorties.update(sortie, {"title": " "}, now_ms=world.now), InputRefused)
    world.refused(lambda: sorties.update(sortie, {"priority": "huge"}, now_ms=world.now), InputRefused)
    assert sorties.update(sortie, {"title": sortie.title}, now_ms=world.now) == []
    world.append(sorties.update(sortie, {"title": sortie.title, "priority": "high"}, now_ms=world.now))
    assert world.log[-1].data["changes"] == {"priority": "high"}
    started = Mission(id="m", status="in_progress", declared=True)
    world.refused(lambda: sorties.update(sortie, {"metadata": {}}, now_ms=world.now, mission=started), DefinitionFrozen)
    assigned = world.assign("s", "a")
    world.refused(lambda: sorties.update(assigned, {"assigned_to": "b"}, now_ms=world.now), TransitionRefused)


def test_a_sortie_that_is_meant_for_another_comes_back_to_that_one(world: World) -> None:
    world.register("a", pool="builder")
    sortie = world.new_sortie("s")
    world.append(sorties.update(sortie, {"assigned_to": "builder"}, now_ms=world.now))
    world.start("s", "a")
    world.append(attempts.hand_back(world.sortie("s"), by="a", now_ms=world.now, reason="drain"))
    back = world.sortie("s")
    assert (back.status, back.assigned_to, back.meant_for) == ("pending", "builder", "builder")


class TestEligibility:
    @pytest.mark.parametrize(
        ("change", "kind"),
        [("inactive", NotEligible), ("completed", NotEligible), ("draining", NotEligible), ("busy", NotEligible)],
    )
    def test_who_is_away_or_busy_is_refused(self, world: World, change: str, kind: type[WorkRefused]) -> None:
        world.register("a")
        row = world.rows.get("specialists", "a") or {}
        changed = {"draining": True} if change == "draining" else {"status": change}
        if change == "busy":
            changed["current_sortie"] = "other"
        world.rows.put("specialists", "a", {**row, **changed})
        sortie = world.new_sortie("s")
        world.refused(lambda: sorties.assign(sortie, world.specialist("a"), by="ada", now_ms=world.now), kind)

    def test_capabilities_and_addressee(self, world: World) -> None:
        able, other = world.register("a", "python", "rust"), world.register("b", "python")
        sortie = world.new_sortie("s", requires=frozenset({"rust"}))
        refusal = world.refused(lambda: sorties.assign(sortie, other, by="ada", now_ms=world.now), NotEligible)
        assert "lacks rust" in refusal.what
        mine = world.new_sortie("t", assigned_to="a")
        world.refused(lambda: sorties.assign(mine, other, by="ada", now_ms=world.now), NotAssigned)
        types = world.append(sorties.assign(mine, able, by="ada", now_ms=world.now, candidates=["a"]))
        assert types == ["dispatch_evaluated", "dispatch_assigned", "sortie_status_changed", "sortie_updated"][:3]


class TestStart:
    def test_nothing_starts_before_its_dependencies(self, world: World) -> None:
        world.register("a")
        world.new_sortie("first")
        world.new_sortie("s", depends_on=("first",))
        sortie = world.assign("s", "a")
        refusal = world.refused(
            lambda: sorties.start(sortie, "a", now_ms=world.now, statuses={"first": "in_progress"}), DependencyOpen
        )
        assert "comes after first" in refusal.what

    def test_nothing_starts_before_its_mission_or_its_back_off(self, world: World) -> None:
        sortie = bring(world, "assigned")
        pending = Mission(id="m")
        world.refused(lambda: sorties.start(sortie, "a", now_ms=world.now, mission=pending), TransitionRefused)
        late = Sortie(id="s", status="assigned", assigned_to="a", not_before=world.now + 1)
        world.refused(lambda: sorties.start(late, "a", now_ms=world.now), TransitionRefused)


class TestAttempts:
    def test_retries_with_growing_delays_until_none_is_left(self, world: World) -> None:
        world.register("a")
        world.new_sortie("s", retries=2, retry_delay_ms=1_000)
        delays = []
        for attempt in (1, 2, 3):
            sortie = world.start("s", "a")
            assert sortie.attempt == attempt
            world.append(sorties.fail(sortie, "a", error="boom", now_ms=world.now))
            after = world.sortie("s")
            delays.append(after.not_before - world.now if after.status == "pending" else None)
            world.now = max(after.not_before, world.now)
        assert delays == [1_000, 2_000, None]
        assert world.sortie("s").status == "failed"
        world.append(sorties.retry(world.sortie("s"), by="ada", now_ms=world.now))
        again = world.start("s", "a")
        assert (again.attempt, again.attempt - again.attempt_base) == (4, 1)

    def test_the_delay_has_a_ceiling_and_respects_what_the_other_side_asks(self) -> None:
        assert attempts.backoff_ms(10_000, 0) == 10_000
        assert attempts.backoff_ms(10_000, 400) == attempts.LONGEST_DELAY_MS

    def test_throttled_or_handed_back_costs_no_attempt(self, world: World) -> None:
        world.register("a")
        world.new_sortie("s", retry_delay_ms=1_000)
        for _ in range(3):
            sortie = world.start("s", "a")
            world.append(
                sorties.fail(sortie, "a", error="429", cause="rate_limit", retry_after_ms=7_000, now_ms=world.now)
            )
            back = world.sortie("s")
            assert (back.status, back.not_before) == ("pending", world.now + 7_000)
            world.now = back.not_before
        world.append(attempts.hand_back(world.start("s", "a"), by="a", now_ms=world.now, reason="drain"))
        assert world.sortie("s").not_before == world.now
        world.append(sorties.fail(world.start("s", "a"), "a", error="boom", now_ms=world.now))
        assert world.sortie("s").status == "failed"

    def test_a_crash_costs_one(self, world: World) -> None:
        sortie = bring(world, "in_progress")
        world.append(attempts.hand_back(sortie, by="fleet", now_ms=world.now, reason="gone", crashed=True))
        assert world.sortie("s").status == "failed"

    def test_a_lease_is_renewed_and_runs_out(self, world: World) -> None:
        world.register("a")
        world.register("b")
        world.new_sortie("s", retries=1, retry_delay_ms=0)
        sortie = world.start("s", "a", lease_ms=60_000)
        assert sortie.lease == Lease("a", 1, world.now + 60_000)
        world.now += 50_000
        assert attempts.expire(sortie, now_ms=world.now) == []
        world.append(attempts.renew(sortie, "a", 1, now_ms=world.now, lease_ms=60_000))
        world.now += 60_000
        stale = world.sortie("s")
        # Nobody has taken it back yet; the late word is refused all the same, and recorded.
        world.refused(lambda: sorties.complete(stale, "a", DONE, now_ms=world.now), LeaseOver)
        assert world.log[-1].event_type == "sortie_result_refused"
        assert world.append(attempts.expire(stale, now_ms=world.now))[0] == "sortie_lease_expired"
        fresh = world.start("s", "b", lease_ms=60_000)
        assert (fresh.attempt, fresh.assigned_to) == (2, "b")
        for who, attempt in (("a", 1), ("a", 2)):
            refusal = world.refused(
                lambda who=who, attempt=attempt: sorties.complete(fresh, who, DONE, attempt=attempt, now_ms=world.now),
                LeaseOver,
            )
            assert refusal.record
        world.refused(lambda: attempts.renew(fresh, "a", 1, now_ms=world.now, lease_ms=1), LeaseOver)
        world.append(sorties.complete(fresh, "b", DONE, attempt=2, now_ms=world.now))
        assert world.sortie("s").status == "completed"

    def test_a_block_needs_a_reason(self, world: World) -> None:
        sortie = bring(world, "in_progress")
        world.refused(
            lambda: sorties.block(sortie, "a", reason=" ", blocker_type="external", now_ms=world.now), InputRefused
        )
        world.append(
            sorties.block(sortie, "a", reason="waits", blocker_type="sortie", blocker_id="t", now_ms=world.now)
        )
        assert (world.sortie("s").blocked_by, world.sortie("s").blocked_reason) == ("t", "waits")


class TestRework:
    def sent_back(self, world: World, **plan: object) -> Sortie:
        bring(world, "review")
        world.append(reviews.start("r", world.sortie("s"), "b", now_ms=world.now))
        world.append(
            reviews.complete(
                world.review("r"), world.sortie("s"), "needs_changes", reviewer_id="b", feedback="x", now_ms=world.now
            )
        )
        return world.sortie("s")

    def test_it_is_taken_up_once_even_by_somebody_without_a_lease(self, world: World) -> None:
        sortie = self.sent_back(world)
        assert sortie.awaits_rework
        world.append(sorties.start(sortie, "a", now_ms=world.now))
        under_way = world.sortie("s")
        assert (under_way.awaits_rework, under_way.feedback) == (False, "x")
        world.refused(lambda: sorties.start(under_way, "a", now_ms=world.now), TransitionRefused)

    def test_the_attempt_that_was_reviewed_has_nothing_more_to_say(self, world: World) -> None:
        sortie = self.sent_back(world)
        world.refused(lambda: sorties.complete(sortie, "a", DONE, attempt=1, now_ms=world.now), LeaseOver)
        # Whoever reports by hand knows no attempts: that word is the rework itself.
        assert sorties.complete(sortie, "a", DONE, now_ms=world.now)

    def test_handing_it_back_gives_no_attempt_away(self, world: World) -> None:
        sortie = self.sent_back(world)
        world.append(attempts.hand_back(sortie, by="fleet", now_ms=world.now, reason="gone"))
        again = world.start("s", "b")
        assert (again.attempt - again.attempt_base, again.feedback) == (1, "x")
        world.append(sorties.fail(again, "b", error="boom", now_ms=world.now))
        assert world.sortie("s").status == "failed"


class TestReviews:
    def start(self, world: World) -> Sortie:
        sortie = bring(world, "review")
        world.append(reviews.start("r", sortie, "b", now_ms=world.now))
        return world.sortie("s")

    @pytest.mark.parametrize(
        ("verdict", "status"), [("approved", "completed"), ("rejected", "failed"), ("needs_changes", "in_progress")]
    )
    def test_the_verdict_moves_the_sortie(self, world: World, verdict: reviews.Verdict, status: str) -> None:
        sortie = self.start(world)
        issues = [{"severity": "error", "message": "no tests", "location": "a.py:3"}]
        world.append(
            reviews.complete(
                world.review("r"), sortie, verdict, reviewer_id="b", feedback="Look", issues=issues, now_ms=world.now
            )
        )
        moved = world.sortie("s")
        assert moved.status == status
        if verdict == "approved":
            assert (moved.result or {})["summary"] == "done"
        if verdict == "needs_changes":
            assert moved.feedback == "Look\nerror: no tests (a.py:3)"

    def test_what_was_sent_back_is_taken_up_again_and_reviewed_again(self, world: World) -> None:
        for round_ in range(3):
            sortie = self.start(world) if round_ == 0 else world.sortie("s")
            if round_:
                world.append(reviews.start(f"r{round_}", sortie, "b", now_ms=world.now))
            review = world.review("r" if round_ == 0 else f"r{round_}")
            world.append(
                reviews.complete(review, sortie, "needs_changes", reviewer_id="b", feedback="again", now_ms=world.now)
            )
            types = world.append(sorties.start(world.sortie("s"), "a", now_ms=world.now, lease_ms=5_000))
            assert types == ["sortie_attempt_started"]
            world.append(sorties.complete(world.sortie("s"), "a", DONE, now_ms=world.now))
            assert world.sortie("s").status == "review"

    def test_refusals(self, world: World) -> None:
        sortie = self.start(world)
        review, now = world.review("r"), world.now
        give = reviews.complete
        world.refused(lambda: reviews.start("x", sortie, "b", now_ms=now, kind="taste"), InputRefused)  # type: ignore[arg-type]
        world.refused(lambda: reviews.start("x", sortie, "a", now_ms=now, others=[review]), TransitionRefused)
        world.refused(lambda: reviews.start("x", Sortie(id="s"), "a", now_ms=now), TransitionRefused)
        world.refused(lambda: give(review, sortie, "fine", reviewer_id="b", now_ms=now), InputRefused)  # type: ignore[arg-type]
        world.refused(lambda: give(review, sortie, "needs_changes", reviewer_id="b", now_ms=now), InputRefused)
        world.refused(
            lambda: give(review, sortie, "rejected", reviewer_id="b", now_ms=now, issues=[{"severity": "bad"}]),
            InputRefused,
        )
        world.refused(lambda: give(review, sortie, "approved", reviewer_id="a", now_ms=now), NotAssigned)
        world.refused(lambda: give(review, Sortie(id="s"), "approved", reviewer_id="b", now_ms=now), TransitionRefused)
        world.append(give(review, sortie, "approved", reviewer_id="b", now_ms=now))
        world.refused(lambda: give(world.review("r"), sortie, "approved", reviewer_id="b", now_ms=now), AlreadyEnded)

    def test_a_cancelled_review_does_not_stand_in_the_way_of_the_next(self, world: World) -> None:
        sortie = self.start(world)
        world.append(sorties.cancel(sortie, by="ada", now_ms=world.now))
        world.append(sorties.retry(world.sortie("s"), by="ada", now_ms=world.now))
        world.append(sorties.complete(world.start("s", "a"), "a", DONE, now_ms=world.now))
        old, fresh = world.review("r"), world.sortie("s")
        assert not old.is_open_for(fresh)
        world.refused(lambda: reviews.complete(old, fresh, "approved", reviewer_id="b", now_ms=0), TransitionRefused)
        world.append(reviews.start("r2", fresh, "b", others=[old], now_ms=world.now))
        assert world.review("r2").is_open_for(fresh)

    def test_somebody_else_goes_on_when_the_reviewer_is_gone(self, world: World) -> None:
        sortie = self.start(world)
        world.append(reviews.abandon(world.review("r"), now_ms=world.now, reason="b is gone"))
        assert reviews.abandon(world.review("r"), now_ms=world.now, reason="again") == []
        world.append(reviews.start("r2", sortie, "a", others=[world.review("r")], now_ms=world.now))
        world.refused(
            lambda: reviews.complete(world.review("r"), sortie, "approved", reviewer_id="b", now_ms=0), AlreadyEnded
        )
        world.append(reviews.complete(world.review("r2"), sortie, "approved", reviewer_id="a", now_ms=world.now))
        assert world.sortie("s").status == "completed"

    def test_a_result_that_was_not_a_success_is_not_reviewed(self, world: World) -> None:
        sortie = bring(world, "in_progress")
        failed = {"success": False}
        world.refused(lambda: sorties.request_review(sortie, "a", now_ms=world.now, result=failed), InputRefused)
        world.refused(lambda: sorties.request_review(sortie, "a", now_ms=world.now, result={"x": 1}), InputRefused)


def test_whom_it_was_meant_for_is_known_while_somebody_has_it(world: World) -> None:
    world.register("a", pool="builder")
    other = world.register("b")
    world.append(sorties.create("s", title="x", assigned_to="builder", now_ms=world.now))
    assigned = world.assign("s", "a")
    assert assigned.meant_for == "builder"
    world.refused(lambda: sorties.assign(assigned, other, by="ada", now_ms=world.now), NotAssigned)


def test_one_that_was_freed_of_its_addressee_is_for_everybody(world: World) -> None:
    world.register("a", pool="builder")
    other = world.register("b")
    sortie = world.new_sortie("s", assigned_to="builder")
    world.append(sorties.update(sortie, {"assigned_to": None}, now_ms=world.now))
    world.append(sorties.assign(world.assign("s", "a"), other, by="ada", now_ms=world.now))
    assert world.sortie("s").assigned_to == "b"


def test_a_plan_survives_its_metadata() -> None:
    plan = SortiePlan(
        name="n",
        depends_on=("a",),
        requires=frozenset({"x"}),
        files=("f",),
        run="make",
        prompt="p",
        retries=2,
        retry_delay_ms=5,
        timeout_ms=7,
        when="always",
        review_kind="code",
        review_by="b",
        assigned_to="c",
    )
    assert SortiePlan.from_metadata(plan.to_metadata()) == plan
    assert SortiePlan.from_metadata(None) == SortiePlan()
    assert SortiePlan().to_metadata() == {}
