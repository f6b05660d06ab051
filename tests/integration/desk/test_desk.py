"""The desk on a real store: commands look and record in one transaction, and their consequences come with them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.control.desk import claiming, reading, sorties, specialists
from reconciler.control.desk.desk import Desk, Work
from reconciler.errors import NotFound
from reconciler.events.envelope import Cause
from reconciler.projections.store import Store, open_store
from reconciler.work.refusals import InputRefused, LeaseOver, LockConflict, NotEligible, WorkRefused
from reconciler.work.state import SortiePlan

MINUTE = 60_000


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with open_store(tmp_path / "fleet" / "squawk.db", clock=clock) as opened:
        yield opened


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store, Cause("ada", "cli"))


def worker(desk: Desk, name: str, *capabilities: str, **metadata: object) -> str:
    return desk.run(specialists.register(name=name, capabilities=capabilities, metadata=metadata)).value.id


def test_what_a_command_records_shows_in_what_it_looks_at_next(desk: Desk, store: Store) -> None:
    seen = desk.run(sorties.create(title="Write it")).value
    assert seen.status == "pending"
    assert reading.sortie(store.rows(), seen.id) == seen


def test_a_refused_command_records_nothing_but_what_the_refusal_carries(desk: Desk, store: Store) -> None:
    def half(work: Work) -> None:
        sorties.create(title="Never seen")(work)
        raise InputRefused("changed our mind")

    head = store.head()
    with pytest.raises(InputRefused):
        desk.run(half)
    assert store.head() == head


def test_one_refusal_is_no_concern_of_the_others_in_a_group(desk: Desk, store: Store) -> None:
    cause = Cause("bob", "api")
    first, second, third = desk.run_all(
        [(sorties.create(title="One"), cause), (sorties.create(title=" "), cause), (sorties.create(title="Two"), cause)]
    )
    assert isinstance(second, InputRefused)
    assert not isinstance(first, Exception)
    assert not isinstance(third, Exception)
    assert {one.title for one in reading.sorties(store.rows())} == {"One", "Two"}
    assert {event.metadata["actor"] for event in store.events()} == {"bob"}


def test_a_claim_gives_the_work_its_files_and_a_lease(desk: Desk, store: Store, clock: Clock) -> None:
    ann = worker(desk, "ann", "python")
    made = desk.run(
        sorties.create(title="Build", plan=SortiePlan(requires=frozenset({"python"}), files=("a.py",)))
    ).value
    claim = desk.run(claiming.claim(ann, lease_ms=MINUTE)).value
    assert claim is not None
    assert (claim.sortie.id, claim.kind, claim.attempt) == (made.id, "work", 1)
    assert claim.lease_expires_at == clock.now + MINUTE
    assert [lock.normalized_path for lock in reading.active_locks(store.rows())] == ["a.py"]
    done = desk.run(sorties.complete(made.id, ann, {"success": True}, attempt=1)).value
    assert done.status == "completed"
    assert reading.active_locks(store.rows()) == []


def test_two_claims_never_get_the_same_work(desk: Desk, store: Store) -> None:
    names = [worker(desk, f"w{number}") for number in range(4)]
    for number in range(3):
        desk.run(sorties.create(title=f"Task {number}"))
    got: list[str] = []

    def ask(name: str) -> None:
        claim = desk.run(claiming.claim(name)).value
        if claim is not None:
            got.append(claim.sortie.id)

    threads = [threading.Thread(target=ask, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == len(set(got)) == 3


def test_why_a_sortie_waits_is_recorded_once(desk: Desk, store: Store) -> None:
    ann = worker(desk, "ann", "python")
    made = desk.run(sorties.create(title="Paint", plan=SortiePlan(requires=frozenset({"paint"})))).value
    assert desk.run(claiming.claim(ann)).value is None
    reason = store.rows().get("sorties", made.id)
    assert reason is not None
    assert "paint" in reason["waits_for"]
    head = store.head()
    assert desk.run(claiming.claim(ann)).value is None
    assert store.head() == head


def test_a_result_after_the_lease_is_refused_and_remembered(desk: Desk, store: Store, clock: Clock) -> None:
    ann = worker(desk, "ann")
    made = desk.run(sorties.create(title="Slow", plan=SortiePlan(retries=1))).value
    desk.run(claiming.claim(ann, lease_ms=1_000))
    clock.now += 2_000
    with pytest.raises(LeaseOver):
        desk.run(sorties.complete(made.id, ann, {"success": True}, attempt=1))
    assert [event.event_type for event in store.events()][-1] == "sortie_result_refused"
    assert reading.sortie(store.rows(), made.id).status == "in_progress"


def test_the_sweep_takes_back_what_a_silent_specialist_held(desk: Desk, store: Store, clock: Clock) -> None:
    ann = worker(desk, "ann", heartbeat_timeout_ms=5_000, pool="builder")
    made = desk.run(sorties.create(title="Build", plan=SortiePlan(retries=1, files=("a.py",)))).value
    desk.run(claiming.claim(ann, lease_ms=MINUTE))
    clock.now += 6_000
    assert desk.run(specialists.sweep()).value > 0
    assert reading.specialist(store.rows(), ann).status == "inactive"
    assert reading.sortie(store.rows(), made.id).status == "pending"
    assert reading.active_locks(store.rows()) == []
    assert desk.run(specialists.sweep()).value == 0
    with pytest.raises(NotEligible):
        desk.run(claiming.claim(ann))


def test_a_review_goes_to_somebody_else_and_its_verdict_moves_the_sortie(desk: Desk, store: Store) -> None:
    ann, rev = worker(desk, "ann", pool="builder"), worker(desk, "rev", pool="reviewer")
    plan = SortiePlan(review_kind="code", review_by="reviewer", assigned_to="builder")
    made = desk.run(sorties.create(title="Build", plan=plan)).value
    assert desk.run(claiming.claim(ann)).value is not None
    desk.run(sorties.complete(made.id, ann, {"success": True}, attempt=1))
    review = desk.run(claiming.claim(rev)).value
    assert review is not None
    assert review.kind == "review"
    back = desk.run(sorties.conclude_review(review.review_id, rev, "needs_changes", feedback="add a test")).value
    assert back.status == "in_progress"
    assert back.feedback
    again = desk.run(claiming.claim(ann)).value
    assert again is not None
    assert (again.kind, again.attempt) == ("rework", 2)
    desk.run(sorties.complete(made.id, ann, {"success": True}, attempt=2))
    second = desk.run(claiming.claim(rev)).value
    assert second is not None
    assert desk.run(sorties.conclude_review(second.review_id, rev, "approved")).value.status == "completed"


def test_a_review_whose_claim_was_lost_is_given_out_again_to_whoever_began_it(desk: Desk) -> None:
    ann, rev = worker(desk, "ann"), worker(desk, "rev", pool="reviewer")
    made = desk.run(sorties.create(title="Build", plan=SortiePlan(review_kind="code", review_by="reviewer"))).value
    desk.run(sorties.assign(made.id, ann, by="ada"))
    desk.run(sorties.start(made.id, ann))
    desk.run(sorties.complete(made.id, ann, {"success": True}))
    first = desk.run(claiming.claim(rev)).value
    again = desk.run(claiming.claim(rev)).value
    assert first is not None
    assert again == first
    assert desk.run(sorties.conclude_review(first.review_id, rev, "approved")).value.status == "completed"
    assert desk.run(claiming.claim(rev)).value is None


def test_a_file_reserved_by_hand_lets_the_sortie_wait(desk: Desk, store: Store) -> None:
    ann, bob = worker(desk, "ann"), worker(desk, "bob")
    made = desk.run(sorties.create(title="Build", plan=SortiePlan(files=("a.py",)))).value
    desk.run(sorties.assign(made.id, ann, by="ada"))

    def reserve(work: Work) -> None:
        sorties.reserve_files(work, made, bob, lease_ms=MINUTE)

    desk.run(reserve)
    assert desk.run(claiming.claim(ann)).value is None
    with pytest.raises(LockConflict):
        desk.run(lambda work: sorties.reserve_files(work, made, ann, lease_ms=MINUTE))


def test_draining_completing_and_deactivating(desk: Desk, store: Store) -> None:
    ann, bob = worker(desk, "ann"), worker(desk, "bob")
    made = desk.run(sorties.create(title="Build")).value
    assert desk.run(specialists.drain(ann, by="ada")).value.draining
    with pytest.raises(NotEligible):
        desk.run(claiming.claim(ann))
    assert desk.run(claiming.claim(bob)).value is not None
    assert desk.run(specialists.deactivate(bob, by="ada")).value.status == "inactive"
    assert reading.sortie(store.rows(), made.id).status == "pending"
    assert desk.run(specialists.complete(ann)).value.status == "completed"
    assert desk.run(specialists.heartbeat(bob, status="idle")).value.status == "idle"
    spawned = desk.run(specialists.spawn(name="cat", by="ada")).value
    assert spawned.status == "idle"


def test_the_other_steps_of_a_sortie(desk: Desk, store: Store) -> None:
    ann = worker(desk, "ann")
    made = desk.run(sorties.create(title="Build", plan=SortiePlan(files=("a.py",)))).value
    assert desk.run(sorties.update(made.id, {"priority": "high"})).value.priority == "high"
    desk.run(sorties.assign(made.id, ann, by="ada"))
    assert desk.run(claiming.evaluate()).value == 0
    begun = desk.run(sorties.start(made.id, ann, lease_ms=MINUTE)).value
    assert desk.run(sorties.renew(made.id, ann, begun.attempt, lease_ms=2 * MINUTE)).value.lease is not None
    assert desk.run(sorties.progress(made.id, ann, 40, message="half")).value.progress == 40
    blocked = desk.run(sorties.block(made.id, ann, reason="no key", blocker_type="external")).value
    assert blocked.status == "blocked"
    assert desk.run(sorties.unblock(made.id, by="ada")).value.status == "in_progress"
    assert desk.run(sorties.hand_back(made.id, ann, reason="going home")).value.status == "pending"
    assert reading.active_locks(store.rows()) == []
    assert desk.run(sorties.cancel(made.id, by="ada")).value.status == "cancelled"
    assert desk.run(sorties.retry(made.id, by="ada")).value.status == "pending"
    other = desk.run(sorties.create(title="Look")).value
    desk.run(sorties.assign(other.id, ann, by="ada"))
    desk.run(sorties.start(other.id, ann))
    assert desk.run(sorties.request_review(other.id, ann)).value.status == "review"
    review_id = desk.run(sorties.review(other.id, "ada", kind="design")).value
    assert desk.run(sorties.conclude_review(review_id, "ada", "rejected", feedback="no")).value.status == "failed"


def test_a_spent_budget_stops_the_next_start_and_says_so(desk: Desk, store: Store) -> None:
    ann = worker(desk, "ann", budget={"sorties_per_hour": 1})
    desk.run(sorties.create(title="One"))
    desk.run(sorties.create(title="Two"))
    first = desk.run(claiming.claim(ann)).value
    assert first is not None
    desk.run(sorties.complete(first.sortie.id, ann, {"success": True}))
    with pytest.raises(WorkRefused, match="budget"):
        desk.run(claiming.claim(ann))
    assert "budget_exhausted" in [event.event_type for event in store.events()]


@pytest.mark.parametrize("look", [reading.sortie, reading.specialist, reading.mission, reading.review, reading.lock])
def test_what_is_not_there_is_named(store: Store, look: object) -> None:
    assert callable(look)
    with pytest.raises(NotFound, match="nobody"):
        look(store.rows(), "nobody")


def test_messages_and_threads_that_are_not_there_are_named(store: Store) -> None:
    with pytest.raises(NotFound):
        reading.message(store.rows(), "nobody")
    with pytest.raises(NotFound):
        reading.thread(store.rows(), "nobody")
