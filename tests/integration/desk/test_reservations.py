"""Reservations on a real store: all or none, conflicts remembered, circles named."""

from __future__ import annotations

import pytest

from reconciler.control.desk import locks, reading
from reconciler.control.desk.desk import Desk
from reconciler.errors import NotFound
from reconciler.projections.store import EventQuery, Store
from reconciler.work.refusals import InputRefused, LockConflict, WrongHolder
from tests.integration.desk.conftest import Clock

MINUTE = 60_000


def types(store: Store, *wanted: str) -> list[str]:
    return [event.event_type for event in store.events(EventQuery(types=wanted))]


def test_paths_are_reserved_together_or_not_at_all(desk: Desk, store: Store) -> None:
    (held,) = desk.run(locks.reserve(["src/b.py"], "ann", timeout_ms=MINUTE)).value
    with pytest.raises(LockConflict) as refused:
        desk.run(locks.reserve(["src/a.py", "/p/src/*.py"], "bob", root="/p"))
    assert refused.value.holder == "ann"
    assert [one.id for one in reading.active_locks(store.rows())] == [held.id]
    assert types(store, "ctk_conflict") == ["ctk_conflict"]


def test_who_holds_a_path_prolongs_it_and_gives_it_back(desk: Desk, store: Store, clock: Clock) -> None:
    (first,) = desk.run(locks.reserve(["a.py"], "ann", checksums={"a.py": "v1"}, timeout_ms=MINUTE)).value
    clock.now += 1_000
    (again,) = desk.run(locks.reserve(["./a.py"], "ann", timeout_ms=MINUTE)).value
    assert (again.id, again.expires_at) == (first.id, clock.now + MINUTE)
    assert locks.find(store.rows(), "a.py").id == first.id
    assert locks.find(store.rows(), first.id).id == first.id
    with pytest.raises(WrongHolder):
        desk.run(locks.release(first.id, "bob"))
    assert desk.run(locks.release(first.id, "bob", force=True)).value.status == "released"
    with pytest.raises(NotFound):
        locks.find(store.rows(), "a.py")


def test_a_file_that_was_to_be_read_only_and_changed_is_a_conflict(desk: Desk, store: Store) -> None:
    (lock,) = desk.run(locks.reserve(["a.py"], "ann", purpose="read", checksums={"a.py": "v1"})).value
    desk.run(locks.release(lock.id, "ann", final_checksum="v2"))
    (event,) = store.events(EventQuery(types=("ctk_conflict",)))
    assert event.data["conflict_type"] == "checksum_mismatch"
    assert locks.waits(store.rows(), event.occurred_at) == {}


def test_a_circle_of_waits_is_named_to_who_closes_it_and_recorded_once(desk: Desk, store: Store, clock: Clock) -> None:
    desk.run(locks.reserve(["a"], "ann", timeout_ms=10 * MINUTE))
    (other,) = desk.run(locks.reserve(["b"], "bob", timeout_ms=10 * MINUTE)).value
    with pytest.raises(LockConflict) as plain:
        desk.run(locks.reserve(["b"], "ann"))
    assert "deadlock" not in plain.value.what
    for _ in range(2):
        with pytest.raises(LockConflict) as closing:
            desk.run(locks.reserve(["a"], "bob"))
        assert "deadlock: ann waits for b of bob, bob waits for a of ann" in closing.value.what
        assert closing.value.hint
    assert types(store, "ctk_deadlock_detected") == ["ctk_deadlock_detected"]
    assert [one.specialists for one in locks.deadlocks(store.rows(), clock.now)] == [("ann", "bob")]
    desk.run(locks.release(other.id, "bob"))
    assert locks.deadlocks(store.rows(), clock.now) == ()
    assert locks.waits(store.rows(), clock.now) == {"bob": ["a"]}
    assert locks.waits(store.rows(), clock.now + locks.WAITS_FOR_MS + 1) == {}


def test_a_malformed_path_is_refused(desk: Desk) -> None:
    with pytest.raises(InputRefused):
        desk.run(locks.reserve(["../out"], "ann"))
