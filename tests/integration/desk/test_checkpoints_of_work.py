"""Checkpoints on a real store: when they are taken, what they keep, and how work goes on from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from reconciler.control.checkpoints.files import Files
from reconciler.control.checkpoints.filing import Filing
from reconciler.control.checkpoints.finding import find, newest, newest_of_all
from reconciler.control.checkpoints.interrupted import interrupted, resume_all
from reconciler.control.checkpoints.occasions import look_for_undelivered
from reconciler.control.desk import checkpoints, claiming, locks, messages, missions, reading, sorties, specialists
from reconciler.control.desk.desk import Desk
from reconciler.control.desk.resuming import Resumed, resume
from reconciler.errors import FleetError, NotFound
from reconciler.events.envelope import Cause
from reconciler.projections.store import EventQuery, Store
from reconciler.work.checkpoints import Checkpoint
from reconciler.work.refusals import NotEligible, TransitionRefused
from reconciler.work.state import SortiePlan
from tests.integration.desk.conftest import Clock, mission_of, worker

MINUTE = 60_000


def taken(store: Store, trigger: str) -> list[dict[str, Any]]:
    return [row for _, row in store.rows().scan("checkpoints") if row["trigger"] == trigger]


def do(desk: Desk, who: str, *, success: bool = True) -> None:
    claim = desk.run(claiming.claim(who)).value
    assert claim is not None
    desk.run(sorties.complete(claim.sortie.id, who, {"success": success, "summary": "x"}, attempt=claim.attempt))


def at_work(desk: Desk, store: Store) -> tuple[str, str, str, str]:
    """ann works on a sortie with a file, has a message in hand and one unread: mission, sortie, ann, message."""
    ann = worker(desk, "ann")
    mission_id, (sortie_id,) = mission_of(desk, SortiePlan(name="build", files=("src/a.py",)))
    assert desk.run(claiming.claim(ann, lease_ms=MINUTE)).value is not None
    desk.run(sorties.progress(sortie_id, ann, 40, message="half of the tests pass"))
    key = desk.run(messages.send(ann, {"text": "mind the gap"}, sender_id="bob")).value.id
    return mission_id, sortie_id, ann, key


def whole(row: dict[str, Any]) -> Checkpoint:
    return Checkpoint.from_row(row)


def go_on(desk: Desk, checkpoint: Checkpoint, who: str = "", gone: Sequence[str] = ()) -> Resumed:
    return desk.run(resume(checkpoint, specialist_id=who, gone=gone)).value


def test_a_checkpoint_is_taken_when_a_quarter_a_half_and_three_quarters_are_done(desk: Desk, store: Store) -> None:
    ann = worker(desk, "ann")
    mission_of(desk, *(SortiePlan() for _ in range(8)))
    for _ in range(7):
        do(desk, ann)
    found = taken(store, "progress")
    assert [row["progress"] for row in found] == [25, 50, 75]
    assert found[1]["recovery"]["mission_summary"] == "Ship it: 4 of 8 sorties completed"
    assert "completed" in found[1]["recovery"]["last_action"]
    assert len(found[1]["active_sorties"]) == 4


def test_a_failed_attempt_is_an_error_and_stands_among_the_blockers(desk: Desk, store: Store, clock: Clock) -> None:
    ann = worker(desk, "ann")
    mission_of(desk, SortiePlan(retries=5, retry_delay_ms=1))
    do(desk, ann, success=False)
    (row,) = taken(store, "error")
    assert row["context"]["errors"] == ["attempt"]
    assert "attempt 1 of “Task 0” failed" in row["recovery"]["blockers"][0]
    clock.now += 5_000
    do(desk, ann, success=False)
    assert len(taken(store, "error")) == 1
    clock.now += checkpoints.ERRORS_APART_MS
    do(desk, ann, success=False)
    assert len(taken(store, "error")) == 2


def test_a_reservation_that_ran_out_is_an_error_of_the_mission(desk: Desk, store: Store, clock: Clock) -> None:
    ann = worker(desk, "ann")
    mission_id, _ = mission_of(desk, SortiePlan())
    desk.run(claiming.claim(ann, lease_ms=10 * MINUTE))
    desk.run(locks.reserve(["notes.txt"], ann, timeout_ms=1_000))
    desk.run(locks.reserve(["other.txt"], "a person", timeout_ms=1_000))
    assert desk.run(specialists.sweep()).value == 0
    clock.now += 2_000
    desk.run(specialists.sweep())
    (row,) = taken(store, "error")
    assert row["mission_id"] == mission_id
    assert row["recovery"]["blockers"] == [f"the reservation of notes.txt by {ann} ran out"]


def test_a_message_that_waits_for_who_is_gone_is_among_the_blockers(desk: Desk, store: Store, clock: Clock) -> None:
    _, _, ann, key = at_work(desk, store)
    clock.now += 2 * MINUTE
    desk.run(specialists.sweep())
    (row,) = taken(store, "error")
    assert row["context"]["errors"] == ["attempt", "message"]
    assert f"message {key} (note) was not delivered: {ann} is gone" in row["recovery"]["blockers"]


def test_a_specialist_that_ends_leaves_a_final_checkpoint_with_what_it_held(desk: Desk, store: Store) -> None:
    _, sortie_id, ann, key = at_work(desk, store)
    desk.run(specialists.complete(ann, summary="enough"))
    (row,) = taken(store, "shutdown")
    (ended,) = store.events(EventQuery(types=("specialist_completed",)))
    assert ended.data["final_checkpoint_id"] == row["id"]
    assert (row["specialist_id"], row["active_sorties"], row["pending_messages"]) == (ann, [sortie_id], [key])
    assert len(row["held_locks"]) == 1
    assert reading.active_locks(store.rows()) == []


def test_by_hand_it_is_about_a_mission_a_specialist_or_everything(desk: Desk, store: Store) -> None:
    mission_id, sortie_id, ann, key = at_work(desk, store)
    one = desk.run(checkpoints.take(mission_id=mission_id, note="before lunch", ttl_hours=1)).value
    assert one["context"]["note"] == "before lunch"
    assert one["expires_at"] == one["created_at"] + 60 * MINUTE
    assert one["pending_messages"] == [key]
    assert one["recovery"]["last_action"] == (f"“Task 0” was in progress at 40 % by {ann}: half of the tests pass")
    mine = desk.run(checkpoints.take(specialist_id=ann, context={"working_files": ["a.py"]})).value
    assert (mine["mission_id"], mine["context"]["working_files"]) == (None, ["a.py"])
    all_of_it = desk.run(checkpoints.take()).value
    assert (all_of_it["specialist_id"], all_of_it["active_sorties"]) == ("fleet", [sortie_id])
    assert [row["mission_id"] for row in desk.run(checkpoints.take_all("compaction")).value] == [mission_id]
    with pytest.raises(NotFound):
        desk.run(checkpoints.take(mission_id="msn_none"))
    with pytest.raises(NotFound):
        desk.run(checkpoints.take(specialist_id="spec_none"))
    empty = worker(desk, "bob")
    assert desk.run(checkpoints.take(specialist_id=empty)).value["recovery"]["last_action"] == ""


def test_work_goes_on_with_another_specialist(desk: Desk, store: Store, clock: Clock) -> None:
    mission_id, sortie_id, ann, key = at_work(desk, store)
    desk.run(messages.take(ann, ann))
    row = desk.run(checkpoints.take(mission_id=mission_id)).value
    bob = worker(desk, "bob")
    done = go_on(desk, whole(row), gone=[ann])
    rows = store.rows()
    assert (done.specialist_id, done.sorties, done.assigned) == (bob, (sortie_id,), sortie_id)
    assert [(one.reserved_by, one.normalized_path) for one in reading.active_locks(rows)] == [(bob, "src/a.py")]
    assert reading.specialist(rows, ann).status == "inactive"
    (again,) = messages.inbox(rows, bob)
    assert (again.content, again.sender_id) == ({"text": "mind the gap"}, "bob")
    assert done.messages == (again.id,)
    assert reading.message(rows, key).status == "acked"
    claim = desk.run(claiming.claim(bob)).value
    assert claim is not None
    assert (claim.sortie.id, claim.attempt) == (sortie_id, 2)
    injected = list(store.events(EventQuery(types=("context_injected",))))
    assert [event.data["specialist_id"] for event in injected] == [bob]
    assert "half of the tests pass" in done.recovery.to_prompt()
    assert store.rows().get("checkpoints", row["id"])["consumed_at"]  # type: ignore[index]
    # Once more: everything is in hand already, and nobody gets a message twice.
    repeated = go_on(desk, whole(row))
    assert (repeated.sorties, repeated.held) == ((), {sortie_id: bob})
    assert len(messages.inbox(store.rows(), bob, unread_only=False)) == 1


def test_a_file_that_somebody_alive_holds_is_among_the_blockers(desk: Desk, store: Store, clock: Clock) -> None:
    mission_id, sortie_id, _, _ = at_work(desk, store)
    row = desk.run(checkpoints.take(mission_id=mission_id)).value
    clock.now += 3 * MINUTE
    desk.run(specialists.sweep())
    assert reading.mission(store.rows(), mission_id).status == "failed"
    bob, cy = worker(desk, "bob"), worker(desk, "cy")
    desk.run(locks.reserve(["src/*.py"], cy, timeout_ms=MINUTE))
    done = go_on(desk, whole(row), bob)
    assert reading.mission(store.rows(), mission_id).status == "in_progress"
    assert (done.sorties, done.assigned, done.locks) == ((sortie_id,), sortie_id, ())
    assert len(done.blockers) == 1
    assert f"src/a.py is held by {cy} until" in done.blockers[0]
    assert done.recovery.blockers == done.blockers


def test_without_anybody_free_the_work_waits_for_who_claims_it(desk: Desk, store: Store) -> None:
    mission_id, sortie_id, ann, key = at_work(desk, store)
    desk.run(messages.take(ann, ann))
    desk.run(locks.reserve(["by-hand.txt"], "a person", timeout_ms=MINUTE))
    row = desk.run(checkpoints.take(mission_id=mission_id)).value
    done = go_on(desk, whole(row), gone=[ann])
    assert (done.specialist_id, done.locks, done.messages) == ("", (), (key,))
    assert reading.sortie(store.rows(), sortie_id).status == "pending"
    assert reading.message(store.rows(), key).status == "pending"
    assert [one.reserved_by for one in reading.active_locks(store.rows())] == ["a person"]


def test_only_what_one_specialist_goes_on_with_is_reserved_for_it(desk: Desk, store: Store) -> None:
    ann, bob = worker(desk, "ann", "python"), worker(desk, "bob")
    mission_id, _ = mission_of(
        desk,
        SortiePlan(files=("py.py",), requires=frozenset({"python"})),
        SortiePlan(files=("any.txt",)),
    )
    for who in (ann, bob):
        assert desk.run(claiming.claim(who)).value is not None
    row = desk.run(checkpoints.take(mission_id=mission_id)).value
    cy = worker(desk, "cy")
    done = go_on(desk, whole(row), gone=[ann, bob])
    assert len(done.sorties) == 2
    assert reading.sortie(store.rows(), done.assigned).assigned_to == cy
    assert [one.normalized_path for one in reading.active_locks(store.rows())] == ["any.txt"]


def test_who_is_gone_or_drains_does_not_go_on_and_what_is_over_is_over(desk: Desk, store: Store) -> None:
    mission_id, _, ann, _ = at_work(desk, store)
    row = whole(desk.run(checkpoints.take(mission_id=mission_id)).value)
    bob = worker(desk, "bob")
    with pytest.raises(NotEligible):
        go_on(desk, row, ann, gone=[ann])
    desk.run(specialists.drain(bob, by="ada"))
    with pytest.raises(NotEligible):
        go_on(desk, row, bob)
    with pytest.raises(NotFound):
        go_on(desk, row, "spec_none")
    desk.run(missions.cancel(mission_id, by="ada"))
    with pytest.raises(TransitionRefused):
        go_on(desk, row)


def test_the_log_or_the_file_alone_is_enough_and_the_damaged_gives_way_to_the_one_before(
    store: Store, tmp_path: Path
) -> None:
    told: list[str] = []
    filing = Filing(tmp_path / "project", told.append)
    (tmp_path / "project").mkdir()
    desk = Desk(store, Cause("ada", "cli"), after=filing)
    mission_id, _ = mission_of(desk, SortiePlan())
    first, second, third = (desk.run(checkpoints.take(mission_id=mission_id)).value for _ in range(3))
    files = filing.files
    group = files.folder / mission_id
    assert {path.name for path in group.iterdir()} == {f"{row['id']}.json" for row in (first, second, third)} | {
        "latest"
    }
    assert (group / "latest").readlink().name == f"{third['id']}.json"
    assert group.stat().st_mode & 0o077 == 0
    assert (tmp_path / "project" / ".flightline" / ".gitignore").read_text() == "*\n"
    rows = store.rows()
    assert find(rows, files, third["id"]).warnings == ()
    files.path(third).unlink()
    found = newest(rows, files, mission_id)
    assert (found.checkpoint.id, len(found.warnings)) == (third["id"], 1)
    assert filing.catch_up(rows) == 1
    files.path(third).write_text("{")
    assert "damaged" in find(rows, files, third["id"]).warnings[0]
    nothing = _without(rows)
    with_file = find(nothing, files, second["id"])
    assert with_file.checkpoint == whole(store.rows().get("checkpoints", second["id"]) or {})
    assert "in its file only" in with_file.warnings[0]
    before = find(nothing, files, third["id"])
    assert (before.checkpoint.id, len(before.warnings)) == (second["id"], 2)
    assert newest_of_all(nothing, files).checkpoint.id == second["id"]
    assert files.group_of("ckpt_none") == ""
    with pytest.raises(NotFound):
        find(rows, files, "ckpt_none")
    with pytest.raises(NotFound):
        newest(rows, files, "msn_none")
    with pytest.raises(NotFound):
        newest_of_all(nothing, Files(tmp_path / "elsewhere"))
    for row in (third, second):
        desk.run(checkpoints.delete(row["id"]))
    assert (group / "latest").readlink().name == f"{first['id']}.json"
    desk.run(checkpoints.delete(first["id"]))
    assert not group.exists()
    with pytest.raises(NotFound):
        desk.run(checkpoints.delete(first["id"]))
    assert not files.remove(first["id"])
    files.folder.rmdir()
    files.folder.write_text("in the way")
    desk.run(checkpoints.take(mission_id=mission_id))
    assert "in the log only" in told[0]


def _without(rows: Any) -> Any:
    from reconciler.projections.rows import MemoryRows

    found = MemoryRows(rows)
    for key, _ in list(rows.scan("checkpoints")):
        found.delete("checkpoints", key)
    return found


def test_a_checkpoint_that_cannot_be_read_in_both_places_is_passed_over(store: Store, tmp_path: Path) -> None:
    desk = Desk(store, Cause("ada", "cli"), after=Filing(tmp_path))
    mission_id, _ = mission_of(desk, SortiePlan())
    first, second = (desk.run(checkpoints.take(mission_id=mission_id)).value for _ in range(2))
    files = Files(tmp_path)
    rows = _without(_without(store.rows()))
    rows.put("checkpoints", first["id"], first)
    rows.put("checkpoints", second["id"], {**second, "context": {"sorties": []}})
    found = newest(rows, files, mission_id)
    assert (found.checkpoint.id, "corrupt" in found.warnings[0]) == (second["id"], True)
    files.path(second).write_text('{"format": 2, "digest": ""}')
    found = find(rows, files, second["id"])
    assert (found.checkpoint.id, len(found.warnings)) == (first["id"], 2)
    assert [one.id for one in checkpoints.readable(rows)] == [first["id"]]
    rows.put("checkpoints", first["id"], {**first, "context": None})
    files.path(first).unlink()
    with pytest.raises(NotFound, match="that can be used"):
        newest(rows, files, mission_id)


def test_a_silent_mission_is_found_and_taken_up(desk: Desk, store: Store, clock: Clock, tmp_path: Path) -> None:
    assert interrupted(store, clock.now) == []
    mission_id, sortie_id, ann, _ = at_work(desk, store)
    key = desk.run(checkpoints.take(mission_id=mission_id)).value["id"]
    assert interrupted(store, clock.now) == []
    clock.now += 6 * MINUTE
    (found,) = interrupted(store, clock.now)
    assert (found.mission.id, found.checkpoint.id, found.silent_ms) == (mission_id, key, 6 * MINUTE)
    assert f"nothing was heard of it for 6 min; fleet resume --checkpoint {key}" in found.text
    (done,) = resume_all(store, desk, Files(tmp_path), clock.now)
    assert isinstance(done[1], Resumed)
    assert done[1].sorties == (sortie_id,)
    assert interrupted(store, clock.now) == []
    clock.now += 6 * MINUTE
    desk.run(missions.cancel(mission_id, by="ada"))
    assert not any(isinstance(one, FleetError) for _, one in resume_all(store, desk, Files(tmp_path), clock.now))


def test_old_checkpoints_are_let_go_of(desk: Desk, store: Store, clock: Clock) -> None:
    mission_id, _, _, _ = at_work(desk, store)
    old = [desk.run(checkpoints.take(mission_id=mission_id)).value["id"] for _ in range(4)]
    brief = desk.run(checkpoints.take(mission_id=mission_id, ttl_hours=0.5)).value["id"]
    assert desk.run(checkpoints.prune()).value == []
    clock.now += 60 * MINUTE
    assert desk.run(checkpoints.prune()).value == [brief]
    clock.now += 8 * 24 * 60 * MINUTE
    assert len(desk.run(checkpoints.prune()).value) == 1
    assert len(set(old) & {key for key, _ in store.rows().scan("checkpoints")}) == 3


def test_a_message_that_nobody_reads_is_told_of_once(desk: Desk, store: Store, clock: Clock, tmp_path: Path) -> None:
    cause = Cause("fleet", "watch")
    assert look_for_undelivered(store, cause, tmp_path, clock.now) == 0
    mission_id, _, ann, key = at_work(desk, store)
    desk.run(messages.send("somebody", {"text": "anybody?"}))
    desk.run(messages.send(worker(desk, "bob"), {"text": "you are free"}))
    assert look_for_undelivered(store, cause, tmp_path, clock.now) == 0
    clock.now += checkpoints.UNDELIVERED_AFTER_MS
    assert look_for_undelivered(store, cause, tmp_path, clock.now) == 1
    assert look_for_undelivered(store, cause, tmp_path, clock.now) == 0
    (row,) = taken(store, "error")
    assert (row["mission_id"], row["context"]["undelivered"]) == (mission_id, [key])
    assert row["recovery"]["blockers"] == [f"message {key} (note) was not read by {ann}"]
