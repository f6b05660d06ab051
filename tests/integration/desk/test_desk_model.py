"""Every door's commands in random order on a real log, against a plain model that knows nothing of the rules.

The model reads the log as anybody would: who works on what until when, which files are held by whom, how each sortie
ended. In the end everybody is well, and every mission has to come to its end.

`FLEET_MODEL_EXAMPLES` sets how many stories are tried.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from fnmatch import fnmatchcase
from itertools import count
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from reconciler.control.desk import claiming, missions, reading, sorties, specialists
from reconciler.control.desk.claiming import Claim
from reconciler.control.desk.desk import Command, Desk
from reconciler.control.dispatching import tick
from reconciler.events.envelope import Cause
from reconciler.projections.store import EventQuery, open_store
from reconciler.spec.desired import DatabaseSettings, MissionSpec, Review, SortieSpec, make
from reconciler.work.refusals import WorkRefused
from reconciler.work.state import Sortie
from tests.support.work_model import WorkModel

WORKERS = ("spec_ada", "spec_bob", "spec_cyd")
PATHS = ("src/a.py", "src/b.py", "src/*.py")
LEASE_MS = 30_000

worker = st.sampled_from(WORKERS)
planned = st.fixed_dictionaries(
    {
        "retries": st.integers(0, 2),
        "when": st.sampled_from(["", "", "failure", "always"]),
        "files": st.lists(st.sampled_from(PATHS), max_size=1).map(tuple),
        "review": st.sampled_from([None, None, Review(kind="code", by="pool"), Review(kind="code")]),
        "requires": st.sampled_from([(), ("python",)]),
        "depends_on": st.sets(st.integers(0, 4), max_size=2),
    }
)
# One mission of the file: its sorties, and how many of them may run at once.
declared = st.tuples(st.lists(planned, min_size=1, max_size=5), st.integers(0, 2))


class Clock:
    now = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now


class DeskModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="fleet-model-"))
        self.clock = Clock()
        quick = DatabaseSettings(durability="normal")
        self.store = open_store(self.folder / "log.db", settings=quick, clock=self.clock)
        numbers = count(1)
        # Ids decide between equals, so they have to be the same when a story is told again.
        self.desk = Desk(self.store, Cause("model", "cli"), new_id=lambda prefix: f"{prefix}_{next(numbers):032x}")
        self.read = 0
        self.model = WorkModel(lambda name: reading.sortie(self.store.rows(), name).plan)
        self.claims: dict[str, Claim] = {}

    def teardown(self) -> None:
        try:
            self.everybody_is_well_now()
        finally:
            self.store.close()
            shutil.rmtree(self.folder)

    def run(self, command: Command[Any]) -> Any:
        """Run a command; None when it was refused. What reached the log is learned either way."""
        try:
            value = self.desk.run(command).value
        except WorkRefused:
            value = None
        self.learn()
        return value

    def learn(self) -> None:
        for event in self.store.events(EventQuery(after=self.read)):
            self.read = event.sequence_number
            self.model.learn(event)

    def some(self, data: st.DataObject, *statuses: str) -> Sortie | None:
        found = [one for one in reading.sorties(self.store.rows()) if not statuses or one.status in statuses]
        return (
            data.draw(st.sampled_from(sorted(found, key=lambda one: (one.created_at, one.plan.name))))
            if found
            else None
        )

    @initialize(first=declared)
    def begin(self, first: tuple[list[dict[str, Any]], int]) -> None:
        for who in WORKERS:
            self.register(who)
        self.a_mission_is_run(first, "m1")

    def register(self, who: str) -> None:
        abilities = ["python"] if who != "spec_cyd" else []
        self.run(specialists.register(name=who, specialist_id=who, capabilities=abilities, metadata={"pool": "pool"}))

    @rule(what=declared, name=st.sampled_from(["m1", "m2", "m3"]))
    def a_mission_is_run(self, what: tuple[list[dict[str, Any]], int], name: str) -> None:
        plans, parallel = what
        made = {}
        for index, plan in enumerate(plans):
            after = tuple(f"s{other}" for other in sorted(plan["depends_on"]) if other < index)
            when = plan["when"] if after else ""
            made[f"s{index}"] = make(
                SortieSpec, name=f"s{index}", title=f"s{index}", retry_delay_ms=1_000,
                **{**plan, "depends_on": after, "when": when},
            )  # fmt: skip
        self.run(missions.run(make(MissionSpec, name=name, title=name, parallel=parallel, sorties=made)))

    @rule(milliseconds=st.sampled_from([500, 20_000, 35_000, 70_000]), heard=st.just(set(WORKERS)) | st.sets(worker))
    def time_passes(self, milliseconds: int, heard: set[str]) -> None:
        self.clock.now += milliseconds
        for who in sorted(heard):
            self.run(specialists.heartbeat(who))

    @rule()
    def the_loop_turns(self) -> None:
        tick(self.desk)
        self.learn()

    @rule(who=worker)
    def somebody_claims(self, who: str) -> None:
        claim = self.run(claiming.claim(who, lease_ms=LEASE_MS))
        if claim is not None:
            self.claims[who] = claim

    @precondition(lambda self: self.claims)
    @rule(
        data=st.data(),
        word=st.sampled_from(["done", "done", "done", "fail", "progress", "renew", "hand back", "block", "gone"]),
    )
    def a_worker_speaks(self, data: st.DataObject, word: str) -> None:
        """Of what it claimed last, in time or late."""
        who = data.draw(st.sampled_from(sorted(self.claims)))
        claim = self.claims[who]
        name, attempt = claim.sortie.id, claim.attempt
        if claim.kind == "review":
            verdict = data.draw(st.sampled_from(["approved", "approved", "needs_changes", "rejected"]))
            self.run(sorties.conclude_review(claim.review_id, who, verdict, feedback="look again"))
            del self.claims[who]
            return
        held = self.model.runs.get(name)
        mine = held is not None and (held.who, held.attempt) == (who, attempt) and held.until > self.clock.now
        heard = self.run(self.words(word, name, who, attempt))
        if heard is not None and word != "gone":
            assert mine, f"a word of {who} about {name} was taken, which it does not hold"
        if word in ("done", "fail", "hand back"):
            del self.claims[who]

    def words(self, word: str, name: str, who: str, attempt: int) -> Command[Any]:
        match word:
            case "done":
                return sorties.complete(name, who, {"success": True}, attempt=attempt)
            case "fail":
                return sorties.fail(name, who, error="boom", attempt=attempt)
            case "progress":
                return sorties.progress(name, who, 50, attempt=attempt)
            case "renew":
                return sorties.renew(name, who, attempt, lease_ms=LEASE_MS)
            case "hand back":
                return sorties.hand_back(name, who, reason="no time", attempt=attempt)
            case "block":
                return sorties.block(name, who, reason="no key", blocker_type="external", attempt=attempt)
            case _:
                return specialists.complete(who, reason="error")

    @rule(who=worker, how=st.sampled_from(["register", "register", "drain", "deactivate"]))
    def a_worker_changes(self, who: str, how: str) -> None:
        if how == "register":
            self.register(who)
        else:
            self.run((specialists.drain if how == "drain" else specialists.deactivate)(who, by="op"))

    @rule(
        data=st.data(),
        what=st.sampled_from(["cancel", "retry", "unblock", "review", "retry mission", "cancel mission"]),
    )
    def a_person_acts(self, data: st.DataObject, what: str) -> None:
        sortie = self.some(data)
        if sortie is None:
            return
        mission = sortie.mission_id or ""
        match what:
            case "cancel":
                self.run(sorties.cancel(sortie.id, by="op"))
            case "retry":
                self.run(sorties.retry(sortie.id, by="op"))
            case "unblock":
                self.run(sorties.unblock(sortie.id, by="op"))
            case "review":
                self.run(sorties.reviewed(sortie.id, "op", "approved"))
            case "retry mission":
                self.run(missions.retry(mission, by="op"))
            case _:
                self.run(missions.cancel(mission, by="op"))

    @invariant()
    def no_file_is_held_by_two(self) -> None:
        now = self.clock.now
        live = [(path, who) for path, who, until in self.model.held.values() if until > now]
        for index, (path, who) in enumerate(live):
            for other, somebody in live[index + 1 :]:
                assert who == somebody or not (fnmatchcase(path, other) or fnmatchcase(other, path)), (live, now)

    @invariant()
    def counts_are_right(self) -> None:
        rows = self.store.rows()
        for mission_id, row in rows.scan("missions"):
            own = reading.sorties(rows, mission_id=mission_id)
            done = sum(one.status == "completed" for one in own)
            assert (row["total_sorties"], row["completed_sorties"]) == (len(own), done)
            if row["status"] == "completed":
                assert all(one.ended and one.status != "failed" for one in own)

    def everybody_is_well_now(self) -> None:
        """From here on everybody succeeds: every mission has to come to its end."""
        for _ in range(200):
            open_ones = [one for one in reading.missions(self.store.rows()).values() if not one.ended]
            if not open_ones:
                return
            self.clock.now += 20_000
            for who in WORKERS:
                self.register(who)
            self.the_loop_turns()
            for who in WORKERS:
                self.work(who)
            self.help([one for one in reading.sorties(self.store.rows()) if not one.ended])
        left = [(one.plan.name, one.status, one.assigned_to) for one in reading.open_sorties(self.store.rows())]
        raise AssertionError(f"missions hang: {left}")

    def work(self, who: str) -> None:
        claim = self.run(claiming.claim(who, lease_ms=LEASE_MS))
        if claim is not None and claim.kind == "review":
            self.run(sorties.conclude_review(claim.review_id, who, "approved"))
        elif claim is not None:
            self.run(sorties.complete(claim.sortie.id, who, {"success": True}, attempt=claim.attempt))

    def help(self, left: Sequence[Sortie]) -> None:
        for review in reading.open_reviews(self.store.rows()):
            # Somebody began it before and has only been silent since.
            self.run(sorties.conclude_review(review.id, review.reviewer_id, "approved"))
        for one in left:
            if one.status == "blocked":
                self.run(sorties.unblock(one.id, by="op"))
            elif one.status == "review" and not one.plan.review_by:
                self.run(sorties.reviewed(one.id, "op", "approved"))


TestDeskModel = DeskModel.TestCase
TestDeskModel.settings = settings(
    max_examples=int(os.environ.get("FLEET_MODEL_EXAMPLES", "10")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
