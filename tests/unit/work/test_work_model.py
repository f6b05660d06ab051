"""The whole layer in random order against a plain model of what may never happen, and of what has to happen in the end.

The model knows nothing of the rules' code: who works on what since when, which files are held, how each sortie ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from reconciler.events.envelope import NewEvent
from reconciler.work import attempts, checkpoints, dispatch, locks, missions, reviews, sorties, specialists
from reconciler.work.checkpoints import Checkpoint
from reconciler.work.refusals import WorkRefused
from reconciler.work.state import Mission, Review, Sortie

from .world import World

WORKERS = ("ada", "bob", "cyd")
FILES = ("src/a.py", "src/b.py", "docs/x.md")
PATHS = (*FILES, "src/*.py", "**")
LEASE_MS = 30_000
ENDED = {"completed", "failed", "cancelled"}

worker = st.sampled_from(WORKERS)
sortie_plan = st.fixed_dictionaries(
    {
        "retries": st.integers(0, 2),
        "when": st.sampled_from(["", "", "failure", "always"]),
        "files": st.lists(st.sampled_from(PATHS), max_size=1).map(tuple),
        "review_kind": st.sampled_from([None, None, "code"]),
        "review_by": st.sampled_from(["", "pool"]),
        "assigned_to": st.sampled_from(["", "", "ada"]),
        "requires": st.sampled_from([frozenset(), frozenset({"python"})]),
        "depends_on": st.sets(st.integers(0, 4), max_size=2),
    }
)


@dataclass
class Run:
    """One attempt as the model knows it."""

    who: str
    attempt: int
    until: int


class Fleet(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.runs: dict[str, Run] = {}
        self.ends: dict[str, str] = {}
        self.held: dict[str, tuple[str, str, int]] = {}
        self.count = 0
        self.completed_missions: set[str] = set()

    def new(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def attempt(self, command: Callable[[], Sequence[NewEvent]]) -> list[NewEvent]:
        """Run a command; a refusal changes nothing but what it records."""
        try:
            events = list(command())
        except WorkRefused as refusal:
            self.world.append(refusal.record)
            return []
        self.world.append(events)
        self.learn(events)
        return events

    def learn(self, events: Sequence[NewEvent]) -> None:
        """Let the model see what happened, as a reader of the log would."""
        for event in events:
            data, now = event.data, self.world.now
            name = data.get("sortie_id", "")
            match event.event_type:
                case "sortie_attempt_started":
                    assert self.runs.get(name) is None or self.runs[name].until <= now, f"{name} runs twice"
                    assert name not in self.ends
                    self.check_dependencies(name)
                    self.runs[name] = Run(data["specialist_id"], data["attempt"], data["lease_expires_at"])
                case "sortie_lease_renewed":
                    self.runs[name].until = data["lease_expires_at"]
                case "sortie_attempt_failed" | "sortie_result_reported":
                    self.runs.pop(name, None)
                case "sortie_completed":
                    self.runs.pop(name, None)
                    assert name not in self.ends
                    self.ends[name] = "completed"
                case "sortie_status_changed" if data["new_status"] in ENDED:
                    self.runs.pop(name, None)
                    assert name not in self.ends
                    self.ends[name] = data["new_status"]
                case "sortie_retried":
                    del self.ends[name]
                case "mission_completed":
                    assert data["mission_id"] not in self.completed_missions
                    self.completed_missions.add(data["mission_id"])
                case "ctk_reserved":
                    self.held[data["lock_id"]] = (
                        data["normalized_path"], data["specialist_id"], now + data["timeout_ms"],
                    )  # fmt: skip
                case "ctk_released":
                    self.held.pop(data["lock_id"])

    def check_dependencies(self, name: str) -> None:
        plan = self.world.sortie(name).plan
        ends = [self.ends.get(other) for other in plan.depends_on]
        assert None not in ends, f"{name} overtakes {plan.depends_on}"
        if plan.when in ("", "success"):
            assert set(ends) <= {"completed"}
        elif plan.when == "failure":
            assert "failed" in ends or not ends

    def statuses(self) -> dict[str, str]:
        return {s.id: s.status for s in self.world.sorties()}

    def reviews(self) -> list[Review]:
        return [Review.from_row(row) for _, row in self.world.rows.scan("reviews")]

    def missions(self) -> list[Mission]:
        return [Mission.from_row(row) for _, row in self.world.rows.scan("missions")]

    def some(self, data: st.DataObject, *statuses: str) -> Sortie | None:
        found = [s for s in self.world.sorties() if not statuses or s.status in statuses]
        return data.draw(st.sampled_from(found)) if found else None

    @initialize(plans=st.lists(sortie_plan, min_size=2, max_size=5))
    def begin(self, plans: list[dict[str, Any]]) -> None:
        for name in WORKERS:
            self.world.register(name, "python", pool="pool")
        self.declare(plans, 0, False)

    @precondition(lambda self: len(self.missions()) < 4)
    @rule(plans=st.lists(sortie_plan, min_size=1, max_size=5), parallel=st.integers(0, 2), review=st.booleans())
    def declare(self, plans: list[dict[str, Any]], parallel: int, review: bool) -> None:
        mission = self.world.new_mission(self.new("m"), parallel=parallel, review=review)
        ids = [self.new("s") for _ in plans]
        for index, plan in enumerate(plans):
            after = tuple(ids[i] for i in sorted(plan["depends_on"]) if i < index)
            self.world.new_sortie(ids[index], mission=mission, **{**plan, "depends_on": after, "retry_delay_ms": 1_000})
        self.attempt(lambda: missions.start(mission, self.world.sorties(mission.id), now_ms=self.world.now))

    @rule(milliseconds=st.sampled_from([1_000, 20_000, 35_000, 70_000]), heard=st.just(set(WORKERS)) | st.sets(worker))
    def time_passes(self, milliseconds: int, heard: set[str]) -> None:
        self.world.now += milliseconds
        for name in heard:
            current = self.world.specialist(name)
            self.attempt(lambda c=current: specialists.heartbeat(c, now_ms=self.world.now))

    @rule(name=worker, how=st.sampled_from(["register", "register", "register", "drain", "deactivate", "complete"]))
    def a_worker_changes(self, name: str, how: str) -> None:
        current, now = self.world.specialist(name), self.world.now
        left = (current, self.world.sorties(), self.world.locks())
        match how:
            case "register":
                self.world.register(name, "python", pool="pool")
            case "drain":
                self.attempt(lambda: specialists.drain(current, by="op", now_ms=now))
            case "deactivate":
                self.attempt(lambda: specialists.deactivate(*left, by="op", now_ms=now, reviews=self.reviews()))
            case "complete":
                self.attempt(lambda: specialists.complete(*left, now_ms=now, reviews=self.reviews()))

    @rule(begin=st.booleans())
    def the_loop_turns(self, begin: bool) -> None:
        world, now = self.world, self.world.now
        gone = specialists.sweep(
            world.specialists(), world.sorties(), world.locks(), now_ms=now, reviews=self.reviews()
        )
        self.attempt(lambda: gone)
        for mission in self.missions():
            self.attempt(lambda m=mission: missions.settle(m, world.sorties(m.id), now_ms=now))
        open_reviews = {r.sortie_id for r in self.reviews() if r.is_open_for(world.sortie(r.sortie_id))}
        decision = dispatch.decide(
            dispatch.Situation(
                now_ms=now,
                sorties=world.sorties(),
                specialists=world.specialists(),
                missions={m.id: m for m in self.missions()},
                locks=world.locks(),
                reviewing=frozenset(open_reviews),
            )
        )
        self.attempt(lambda: dispatch.events(decision, {}, now_ms=now))
        for given in decision.assignments:
            if given.kind == "review":
                self.begin_review(given.sortie, given.specialist.id)
            elif begin:
                self.begin_work(given.specialist.id, world.sortie(given.sortie.id))

    def begin_work(self, who: str, sortie: Sortie) -> None:
        mission = self.world.mission(sortie.mission_id or "")
        self.attempt(
            lambda: sorties.start(
                sortie, who, now_ms=self.world.now, statuses=self.statuses(), mission=mission, lease_ms=LEASE_MS
            )
        )

    def begin_review(self, sortie: Sortie, who: str) -> None:
        now, others = self.world.now, self.reviews()
        self.attempt(lambda: reviews.start(self.new("r"), sortie, who, now_ms=now, others=others))

    @rule(data=st.data(), who=worker, honest=st.booleans())
    def work_begins(self, data: st.DataObject, who: str, honest: bool) -> None:
        sortie = self.some(data, "assigned") if honest else self.some(data)
        if sortie is not None:
            self.begin_work(sortie.assigned_to or who if honest else who, sortie)

    @rule(
        data=st.data(),
        word=st.sampled_from(
            ["done", "done", "done", "failed", "throttled", "progress", "block", "renew", "hand_back"]
        ),
        late=st.sampled_from([False, False, False, True]),
    )
    def a_worker_speaks(self, data: st.DataObject, word: str, late: bool) -> None:
        if not any(s.status in ("in_progress", "blocked") for s in self.world.sorties()):
            self.the_loop_turns(begin=True)
        sortie = self.some(data) if late else self.some(data, "in_progress", "blocked")
        if sortie is None:
            return
        now, who = self.world.now, sortie.assigned_to or "ada"
        attempt = max(sortie.attempt - 1, 1) if late else sortie.attempt
        run = self.runs.get(sortie.id)
        commands: dict[str, Callable[[], Sequence[NewEvent]]] = {
            "done": lambda: sorties.complete(sortie, who, {"success": True}, now_ms=now, attempt=attempt),
            "failed": lambda: sorties.fail(sortie, who, error="boom", now_ms=now, attempt=attempt),
            "throttled": lambda: sorties.fail(
                sortie, who, error="429", cause="rate_limit", now_ms=now, attempt=attempt
            ),
            "progress": lambda: sorties.progress(sortie, who, 50, now_ms=now, attempt=attempt),
            "block": lambda: sorties.block(
                sortie, who, reason="x", blocker_type="external", now_ms=now, attempt=attempt
            ),
            "renew": lambda: attempts.renew(sortie, who, attempt, now_ms=now, lease_ms=LEASE_MS),
            "hand_back": lambda: attempts.hand_back(sortie, by="op", now_ms=now, reason="drain"),
        }
        heard = self.attempt(commands[word])
        if heard and word != "hand_back":
            assert run is not None, "a word of nobody was taken"
            assert (run.who, run.attempt) == (who, attempt)
            assert run.until > now, "a late word was taken"

    @rule(data=st.data(), verdict=st.sampled_from(["approved", "approved", "needs_changes", "rejected"]), who=worker)
    def a_reviewer_speaks(self, data: st.DataObject, verdict: Any, who: str) -> None:
        sortie = self.some(data, "review")
        if sortie is None:
            return
        waiting = [r for r in self.reviews() if r.is_open_for(sortie)]
        assert len(waiting) <= 1
        if not waiting:
            self.begin_review(sortie, who)
            return
        now, by = self.world.now, waiting[0].reviewer_id
        self.attempt(lambda: reviews.complete(waiting[0], sortie, verdict, reviewer_id=by, feedback="look", now_ms=now))

    @rule(data=st.data(), what=st.sampled_from(["cancel", "retry", "unblock", "retry mission", "complete mission"]))
    def a_person_acts(self, data: st.DataObject, what: str) -> None:
        sortie, now = self.some(data), self.world.now
        if sortie is None:
            return
        mission = self.world.mission(sortie.mission_id or "")
        own = self.world.sorties(mission.id)
        commands: dict[str, Callable[[], Sequence[NewEvent]]] = {
            "cancel": lambda: sorties.cancel(sortie, by="op", now_ms=now),
            "retry": lambda: sorties.retry(sortie, by="op", now_ms=now, mission=mission),
            "unblock": lambda: sorties.unblock(sortie, by="op", now_ms=now),
            "retry mission": lambda: missions.retry(mission, own, by="op", now_ms=now),
            "complete mission": lambda: missions.complete(mission, own, now_ms=now),
        }
        self.attempt(commands[what])

    @rule(path=st.sampled_from(PATHS), who=worker, timeout_ms=st.sampled_from([1_000, 50_000]))
    def reserve(self, path: str, who: str, timeout_ms: int) -> None:
        now, known = self.world.now, self.world.locks()
        self.attempt(lambda: locks.reserve(self.new("l"), path, who, known, now_ms=now, timeout_ms=timeout_ms))

    @rule(data=st.data(), who=worker)
    def release(self, data: st.DataObject, who: str) -> None:
        if self.world.locks():
            lock = data.draw(st.sampled_from(self.world.locks()))
            self.attempt(lambda: locks.release(lock, who, now_ms=self.world.now))

    @precondition(lambda self: self.count % 3 == 0)
    @rule(who=worker)
    def a_crash_is_recovered(self, who: str) -> None:
        """Everybody but one is gone; it goes on from a checkpoint that was made just before."""
        world, now = self.world, self.world.now
        self.attempt(
            lambda: checkpoints.create(
                self.new("c"), "fleet", trigger="error", now_ms=now, recovery=checkpoints.Recovery(),
                sorties=world.sorties(), locks=world.locks(),
            )
        )  # fmt: skip
        row = world.rows.get("checkpoints", f"c{self.count}")
        assert row is not None
        now_known = {"sorties": world.sorties(), "locks": world.locks(), "messages": (), "now_ms": now}
        plan = checkpoints.plan_restore(Checkpoint.from_row(row), alive={who}, **now_known)  # type: ignore[arg-type]
        ids = [self.new("l") for _ in plan.locks]
        self.attempt(lambda: checkpoints.restore(plan, who, ids, now_ms=now))

    @invariant()
    def no_file_is_held_twice(self) -> None:
        now = self.world.now
        for file in FILES:
            holders = {
                who
                for path, who, until in self.held.values()
                if until > now and (path == "**" or fnmatchcase(file, path))
            }
            assert len(holders) <= 1, f"{file} is held by {holders}"

    @invariant()
    def the_log_and_the_model_agree(self) -> None:
        for sortie in self.world.sorties():
            assert self.ends.get(sortie.id) == (sortie.status if sortie.ended else None)
        for name, row in self.world.rows.scan("missions"):
            done = sum(self.ends.get(s.id) == "completed" for s in self.world.sorties(name))
            assert row["completed_sorties"] == done

    def teardown(self) -> None:
        """From here on everybody is well and succeeds: every mission has to come to its end."""
        if not self.world.specialists():
            return
        for _ in range(20 + 6 * len(self.world.sorties())):
            if all(m.ended or m.status == "review" for m in self.missions()):
                break
            self.world.now += 20_000
            for name in WORKERS:
                self.world.register(name, "python", pool="pool")
            self.the_loop_turns(begin=True)
            for sortie in self.world.sorties():
                self.help(sortie)
        else:
            left = [(s.id, s.status, s.assigned_to) for s in self.world.sorties() if not s.ended]
            raise AssertionError(f"missions hang: {left}")

    def help(self, sortie: Sortie) -> None:
        now = self.world.now
        if sortie.status == "blocked":
            self.attempt(lambda: sorties.unblock(sortie, by="op", now_ms=now))
        elif sortie.status == "assigned":
            self.begin_work(sortie.assigned_to or "", sortie)
        elif sortie.status == "in_progress" and not sortie.awaits_rework:
            who = sortie.assigned_to or ""
            self.attempt(lambda: sorties.complete(sortie, who, {"success": True}, now_ms=now))
        elif sortie.status == "review":
            waiting = [r for r in self.reviews() if r.is_open_for(sortie)]
            if waiting:
                who = waiting[0].reviewer_id
                self.attempt(lambda: reviews.complete(waiting[0], sortie, "approved", reviewer_id=who, now_ms=now))
            elif not sortie.plan.review_by:
                self.begin_review(sortie, "ada")


TestFleet = Fleet.TestCase
TestFleet.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
