"""Folds of the agents' world: specialists and their budgets, messages, file locks, missions, checkpoints, artifacts."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.projections.times import unix_ms
from tests.support.events import NOON, Folded

HOUR = 3_600_000
NOON_ISO = "2026-05-28T20:26:40.000Z"


@pytest.fixture
def folded() -> Folded:
    return Folded()


def ada(folded: Folded) -> dict[str, Any]:
    return folded.row("specialists", "ada")


def register(folded: Folded, **more: Any) -> None:
    folded("specialist_registered", {"specialist_id": "ada", "name": "Ada", **more})


def test_registering_and_registering_again(folded: Folded) -> None:
    register(folded, capabilities=["python"], metadata={"host": "a"})
    assert ada(folded) == {
        "id": "ada",
        "name": "Ada",
        "status": "active",
        "capabilities": ["python"],
        "registered_at": NOON,
        "last_seen": NOON,
        "current_sortie": None,
        "metadata": {"host": "a"},
        "draining": False,
        "spawned_by": None,
        "completed_at": None,
        "last_event_sequence": 1,
    }
    folded.now += 1
    register(folded, name="Ada L.")
    row = ada(folded)
    assert (row["name"], row["capabilities"], row["registered_at"], row["last_seen"]) == ("Ada L.", [], NOON, NOON + 1)


def test_registering_while_at_work_goes_on_with_the_work(folded: Folded) -> None:
    folded("specialist_spawned", {"specialist_id": "ada", "name": "Ada", "spawned_by": "bob", "config": {"x": 1}})
    assert (ada(folded)["status"], ada(folded)["metadata"], ada(folded)["spawned_by"]) == ("idle", {"x": 1}, "bob")
    folded("specialist_active", {"specialist_id": "ada", "status": "busy", "current_sortie": "s1"})
    register(folded)
    row = ada(folded)
    assert (row["status"], row["current_sortie"], row["spawned_by"]) == ("busy", "s1", "bob")
    folded("specialist_spawned", {"specialist_id": "ada", "name": "Eve", "spawned_by": "eve"})
    assert ada(folded)["name"] == "Ada"


def test_one_that_completed_and_comes_again_is_new(folded: Folded) -> None:
    register(folded)
    folded("specialist_drained", {"specialist_id": "ada", "drained_by": "bob"})
    assert ada(folded)["draining"] is True
    folded("specialist_completed", {"specialist_id": "ada", "completed_at": NOON_ISO, "reason": "success"})
    assert (ada(folded)["status"], ada(folded)["completed_at"]) == ("completed", NOON)
    folded("specialist_active", {"specialist_id": "ada"})
    assert ada(folded)["status"] == "completed"
    folded.now += 5
    register(folded)
    assert (ada(folded)["status"], ada(folded)["registered_at"], ada(folded)["draining"]) == ("active", NOON + 5, False)


def test_falling_silent_and_coming_back(folded: Folded) -> None:
    register(folded)
    folded("specialist_deactivated", {"specialist_id": "ada", "reason": "heartbeat_missed"})
    assert ada(folded)["status"] == "inactive"
    folded.now += 60_000
    folded("specialist_active", {"specialist_id": "ada", "status": "idle"})
    assert (ada(folded)["status"], ada(folded)["last_seen"]) == ("idle", NOON + 60_000)


def test_news_of_an_unknown_specialist_is_history_only(folded: Folded) -> None:
    folded("specialist_active", {"specialist_id": "eve"})
    folded("specialist_drained", {"specialist_id": "eve", "drained_by": "bob"})
    assert folded.keys("specialists") == []


def test_a_heartbeat_lets_go_of_nothing_that_is_still_held(folded: Folded) -> None:
    register(folded)
    folded("sortie_created", {"sortie_id": "s1", "title": "Build"})
    folded("sortie_started", {"sortie_id": "s1", "specialist_id": "ada", "started_at": NOON_ISO})
    folded("specialist_active", {"specialist_id": "ada", "status": "busy"})
    assert ada(folded)["current_sortie"] == "s1"
    moved = {"sortie_id": "s1", "previous_status": "in_progress", "new_status": "assigned", "changed_by": "x"}
    folded("sortie_updated", {"sortie_id": "s1", "changes": {"assigned_to": "bob"}})
    folded("sortie_status_changed", moved)
    folded("specialist_active", {"specialist_id": "ada", "status": "idle"})
    assert ada(folded)["current_sortie"] is None


def test_what_a_budget_has_cost(folded: Folded) -> None:
    folded("budget_used", {"specialist_id": "ada", "wall_ms": 10, "tokens": 5})
    folded("budget_used", {"specialist_id": "ada", "tokens": 2, "cost_usd": 0.5})
    row = folded.row("usage", "ada")
    assert (row["wall_ms"], row["tokens"], row["cost_usd"], row["since"]) == (10, 7, 0.5, NOON)
    folded("sortie_attempt_started", {"sortie_id": "s1", "specialist_id": "ada", "attempt": 1})
    folded.now += HOUR - 1
    folded("sortie_attempt_started", {"sortie_id": "s1", "specialist_id": "ada", "attempt": 2})
    assert folded.row("usage", "ada")["starts"] == [NOON, NOON + HOUR - 1]
    folded.now += 1
    folded("sortie_attempt_started", {"sortie_id": "s1", "specialist_id": "ada", "attempt": 3})
    assert folded.row("usage", "ada")["starts"] == [NOON + HOUR - 1, NOON + HOUR]
    folded("budget_exhausted", {"specialist_id": "ada", "budget": "tokens", "limit": 7, "used": 7})
    assert folded.row("usage", "ada")["exhausted"] == "tokens"
    folded("budget_reset", {"specialist_id": "ada", "reset_by": "bob"})
    assert folded.row("usage", "ada")["starts"] == []
    assert folded.row("usage", "ada")["since"] == NOON + HOUR


def test_a_message_is_pending_then_read_then_acknowledged(folded: Folded) -> None:
    sent = {"message_id": "m1", "mailbox_id": "ada", "message_type": "note", "content": {"x": 1}}
    cause = folded("squawk_thread_created", {"thread_id": "t1", "participants": []})
    folded("squawk_sent", {**sent, "sender_id": "bob", "thread_id": "t1", "priority": "high"}, after=cause)
    row = folded.row("messages", "m1")
    assert (row["status"], row["sender_id"], row["thread_id"], row["priority"]) == ("pending", "bob", "t1", "high")
    assert (row["causation"], row["sequence"], row["sent_at"]) == (cause.event_id.hex, 2, NOON)
    folded.now += 1
    folded("squawk_read", {"message_id": "m1", "mailbox_id": "ada", "reader_id": "ada"})
    assert (folded.row("messages", "m1")["status"], folded.row("messages", "m1")["read_at"]) == ("read", NOON + 1)
    folded("squawk_requeued", {"message_id": "m1", "mailbox_id": "ada", "reason": "crash"})
    assert (folded.row("messages", "m1")["status"], folded.row("messages", "m1")["read_at"]) == ("pending", None)
    folded.now += 1
    folded("squawk_acked", {"message_id": "m1", "mailbox_id": "ada", "acker_id": "ada", "response": {"ok": True}})
    folded("squawk_read", {"message_id": "m1", "mailbox_id": "ada", "reader_id": "ada"})
    folded("squawk_requeued", {"message_id": "m1", "mailbox_id": "ada", "reason": "crash"})
    row = folded.row("messages", "m1")
    assert (row["status"], row["read_at"], row["acked_at"]) == ("acked", NOON + 2, NOON + 2)
    assert row["response"] == {"ok": True}
    folded("squawk_read", {"message_id": "m9", "mailbox_id": "ada", "reader_id": "ada"})
    folded("squawk_requeued", {"message_id": "m9", "mailbox_id": "ada", "reason": "crash"})
    assert folded.keys("messages") == ["m1"]


def test_a_mailbox_is_made_by_its_first_message_or_by_itself(folded: Folded) -> None:
    sent = {"message_id": "m1", "mailbox_id": "ada", "message_type": "note", "content": {}}
    folded("squawk_sent", sent)
    folded.now += 5
    folded("squawk_sent", {**sent, "message_id": "m2"})
    folded.now -= 50
    folded("squawk_sent", {**sent, "message_id": "m3"})
    assert folded.row("mailboxes", "ada") == {
        "id": "ada",
        "created_at": NOON,
        "updated_at": NOON + 5,
        "last_event_sequence": 3,
    }
    folded("mailbox_created", {"mailbox_id": "old", "created_at": NOON_ISO})
    folded("mailbox_created", {"mailbox_id": "new"})
    assert folded.row("mailboxes", "old")["updated_at"] == NOON
    assert folded.row("mailboxes", "new")["created_at"] == NOON - 45


def test_a_thread_from_opening_to_closing(folded: Folded) -> None:
    folded("squawk_thread_created", {"thread_id": "t1", "title": "Login", "participants": ["bob", "ada", "bob"]})
    assert folded.row("threads", "t1")["participants"] == ["ada", "bob"]
    for activity, actor in (("join", "eve"), ("leave", "bob"), ("message", "ada"), ("leave", "nobody")):
        folded.now += 1
        folded("squawk_thread_activity", {"thread_id": "t1", "activity_type": activity, "actor_id": actor})
    row = folded.row("threads", "t1")
    assert (row["participants"], row["status"], row["updated_at"]) == (["ada", "eve"], "open", NOON + 4)
    folded("squawk_thread_activity", {"thread_id": "t1", "activity_type": "close", "actor_id": "ada"})
    folded("squawk_thread_activity", {"thread_id": "t9", "activity_type": "close", "actor_id": "ada"})
    assert folded.row("threads", "t1")["status"] == "closed"
    assert folded.keys("threads") == ["t1"]


def test_a_cursor_moves(folded: Folded) -> None:
    moved = {"cursor_id": "c1", "stream_type": "squawk", "stream_id": "ada", "position": 3}
    folded("cursor_advanced", moved)
    folded.now += 5
    folded("cursor_advanced", {**moved, "position": 7, "consumer_id": "mailer"})
    row = folded.row("cursors", "c1")
    assert (row["position"], row["consumer_id"], row["created_at"], row["updated_at"]) == (7, "mailer", NOON, NOON + 5)


@pytest.mark.parametrize(
    ("reason", "status"), [("explicit", "released"), ("crash", "released"), ("timeout", "expired")]
)
def test_a_file_lock_from_taking_to_its_end(folded: Folded, reason: str, status: str) -> None:
    taken = {"lock_id": "l1", "file_path": "./a.py", "normalized_path": "a.py", "specialist_id": "ada"}
    folded("ctk_reserved", {**taken, "timeout_ms": 1_000, "checksum": "x"})
    row = folded.row("locks", "l1")
    assert (row["status"], row["reserved_by"], row["expires_at"], row["purpose"]) == (
        "active",
        "ada",
        NOON + 1_000,
        "edit",
    )
    folded.now += 500
    folded("ctk_reserved", {**taken, "timeout_ms": 1_000})
    row = folded.row("locks", "l1")
    assert (row["reserved_at"], row["expires_at"]) == (NOON, NOON + 1_500)
    released = {"lock_id": "l1", "file_path": "./a.py", "specialist_id": "ada", "release_reason": reason}
    folded("ctk_released", released)
    row = folded.row("locks", "l1")
    assert (row["status"], row["released_at"], row["release_reason"]) == (status, NOON + 500, reason)
    folded("ctk_released", {**released, "lock_id": "l9"})
    folded("ctk_reserved", taken)
    row = folded.row("locks", "l1")
    assert (row["status"], row["reserved_at"], row["released_at"]) == ("active", NOON + 500, None)
    assert folded.keys("locks") == ["l1"]


def test_a_mission_through_its_states(folded: Folded) -> None:
    folded("mission_created", {"mission_id": "m1", "title": "Login", "priority": "high"})
    folded("mission_updated", {"mission_id": "m1", "changes": {"title": "Log in", "metadata": {"a": 1}}})
    folded("mission_definition_frozen", {"mission_id": "m1", "digest": "v1:m", "definition": {"title": "x"}})
    folded("mission_started", {"mission_id": "m1", "started_at": NOON_ISO, "initial_sorties": []})
    row = folded.row("missions", "m1")
    assert (row["title"], row["metadata"], row["status"], row["started_at"]) == (
        "Log in",
        {"a": 1},
        "in_progress",
        NOON,
    )
    assert (row["definition_digest"], row["definition"]) == ("v1:m", {"title": "x"})
    folded("mission_updated", {"mission_id": "m1", "changes": {"metadata": None}})
    folded("mission_updated", {"mission_id": "m1", "changes": {"priority": "low"}})
    assert (folded.row("missions", "m1")["metadata"], folded.row("missions", "m1")["priority"]) == ({}, "low")
    moved = {"mission_id": "m1", "previous_status": "in_progress", "new_status": "cancelled", "changed_by": "ada"}
    folded("mission_status_changed", {**moved, "reason": "no need"})
    row = folded.row("missions", "m1")
    assert (row["status"], row["reason"], row["completed_at"]) == ("cancelled", "no need", NOON)
    folded("mission_status_changed", {**moved, "previous_status": "cancelled", "new_status": "review"})
    assert (folded.row("missions", "m1")["status"], folded.row("missions", "m1")["completed_at"]) == ("review", None)
    folded("mission_archived", {"mission_id": "m1", "archived_by": "ada"})
    assert folded.row("missions", "m1")["archived_at"] == NOON


@pytest.mark.parametrize(("success", "status"), [(True, "completed"), (False, "failed")])
def test_how_a_mission_ends(folded: Folded, success: bool, status: str) -> None:
    result = {"success": success, "sorties_completed": 1, "sorties_failed": 0}
    ended = {"mission_id": "m1", "completed_at": NOON_ISO, "duration_ms": 5, "result": result}
    folded("mission_completed", ended)
    assert folded.keys("missions") == []
    folded("mission_created", {"mission_id": "m1", "title": "Login", "priority": "low"})
    folded("mission_completed", ended)
    row = folded.row("missions", "m1")
    assert (row["status"], row["completed_at"], row["result"]) == (status, NOON, result)


def test_a_checkpoint_from_making_to_pruning(folded: Folded) -> None:
    made = {"specialist_id": "ada", "active_sorties": ["s1"], "pending_messages": [], "held_locks": ["l1"]}
    context = {"mission_id": "m1", "trigger": "error", "progress": 50, "recovery": {"last_action": "x"}}
    folded("checkpoint_created", {**made, "checkpoint_id": "c1", "context": context, "ttl_hours": 2})
    folded("checkpoint_created", {**made, "checkpoint_id": "c2", "context": {}})
    row = folded.row("checkpoints", "c1")
    assert (row["mission_id"], row["trigger"], row["progress"], row["recovery"]) == (
        "m1",
        "error",
        50,
        {"last_action": "x"},
    )
    assert (row["active_sorties"], row["held_locks"], row["expires_at"]) == (["s1"], ["l1"], NOON + 2 * HOUR)
    assert (folded.row("checkpoints", "c2")["trigger"], folded.row("checkpoints", "c2")["expires_at"]) == (
        "manual",
        None,
    )
    for checkpoint in ("c2", "c9"):
        stands = {"checkpoint_id": checkpoint, "trigger": "shutdown", "specialist_count": 1, "event_sequence": 2}
        folded("fleet_checkpointed", stands)
        taken_up = {"checkpoint_id": checkpoint, "specialist_id": "ada", "recovered_at": NOON_ISO}
        folded("fleet_recovered", {**taken_up, "context_restored": True, "sorties_resumed": []})
    row = folded.row("checkpoints", "c2")
    assert (row["trigger"], row["consumed_at"]) == ("shutdown", NOON)
    folded("checkpoint_pruned", {"checkpoint_id": "c1", "reason": "expired"})
    assert folded.keys("checkpoints") == ["c2"]


def test_an_artifact_is_what_it_was_last(folded: Folded) -> None:
    made = {"sortie_id": "s1", "specialist_id": "ada", "attempt": 1, "path": "a.txt", "digest": "x", "size": 3}
    folded("artifact_recorded", made)
    folded("artifact_recorded", {**made, "attempt": 2, "digest": "y"})
    row = folded.row("artifacts", "s1/a.txt")
    assert (row["attempt"], row["digest"], row["at"]) == (2, "y", NOON)


def test_times_in_all_spellings() -> None:
    assert unix_ms(NOON_ISO, 0) == unix_ms("2026-05-28T20:26:40", 0) == unix_ms(NOON, 0) == unix_ms(None, NOON) == NOON
