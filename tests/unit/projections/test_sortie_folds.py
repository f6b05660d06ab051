"""Folds of sorties and reviews: status, attempts, and what follows for the mission and the specialist."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.events import NOON, Folded

NOON_ISO = "2026-05-28T20:26:40.000Z"
BY_ADA = {"sortie_id": "s1", "specialist_id": "ada"}


@pytest.fixture
def folded() -> Folded:
    """A mission with two sorties, and a specialist."""
    log = Folded()
    log("specialist_registered", {"specialist_id": "ada", "name": "Ada"})
    log("mission_created", {"mission_id": "m1", "title": "Login", "priority": "high"})
    log("sortie_created", {"sortie_id": "s1", "mission_id": "m1", "title": "Build", "assigned_to": "ada"})
    log("sortie_created", {"sortie_id": "s2", "mission_id": "m1", "title": "Check", "metadata": {"a": 1}})
    return log


def sortie(folded: Folded, name: str = "s1") -> dict[str, Any]:
    return folded.row("sorties", name)


def move(folded: Folded, status: str, name: str = "s1", **more: Any) -> None:
    data = {"sortie_id": name, "previous_status": "pending", "new_status": status, "changed_by": "bob", **more}
    folded("sortie_status_changed", data)


def start(folded: Folded) -> None:
    move(folded, "assigned")
    folded("sortie_attempt_started", {**BY_ADA, "attempt": 1, "lease_expires_at": NOON + 60_000})
    folded("sortie_started", {**BY_ADA, "started_at": NOON_ISO})


def counts(folded: Folded) -> tuple[int, int]:
    row = folded.row("missions", "m1")
    return row["total_sorties"], row["completed_sorties"]


def specialist(folded: Folded) -> tuple[str, str | None]:
    row = folded.row("specialists", "ada")
    return row["status"], row["current_sortie"]


def test_a_new_sortie_is_pending_and_counted(folded: Folded) -> None:
    assert counts(folded) == (2, 0)
    row = sortie(folded)
    assert (row["status"], row["assigned_to"], row["meant_for"], row["priority"]) == ("pending", "ada", "ada", "medium")
    assert sortie(folded, "s2")["metadata"] == {"a": 1}
    folded("sortie_created", {"sortie_id": "s3", "title": "Alone"})
    folded("sortie_created", {"sortie_id": "s4", "title": "Lost", "mission_id": "m9"})
    assert counts(folded) == (2, 0)


def test_changes_of_a_definition(folded: Folded) -> None:
    folded("sortie_updated", {"sortie_id": "s1", "changes": {"title": "Make", "assigned_to": "bob", "metadata": None}})
    row = sortie(folded)
    assert (row["title"], row["assigned_to"], row["meant_for"], row["metadata"]) == ("Make", "bob", "bob", {})
    move(folded, "assigned")
    folded("sortie_updated", {"sortie_id": "s1", "changes": {"assigned_to": "eve"}})
    assert (sortie(folded)["assigned_to"], sortie(folded)["meant_for"]) == ("eve", "bob")


def test_work_from_start_to_end(folded: Folded) -> None:
    start(folded)
    row = sortie(folded)
    assert (row["status"], row["started_at"], row["attempt"]) == ("in_progress", NOON, 1)
    assert row["lease"] == {"holder": "ada", "attempt": 1, "expires_at": NOON + 60_000}
    assert specialist(folded) == ("busy", "s1")
    folded("sortie_progress", {**BY_ADA, "progress": 40, "status_message": "half"})
    folded("sortie_progress", {**BY_ADA, "progress": 60})
    assert (sortie(folded)["progress"], sortie(folded)["status_message"]) == (60, "half")
    folded("sortie_lease_renewed", {**BY_ADA, "attempt": 1, "lease_expires_at": NOON + 90_000})
    assert sortie(folded)["lease"]["expires_at"] == NOON + 90_000
    ended = {**BY_ADA, "completed_at": NOON_ISO, "duration_ms": 5, "result": {"success": True}}
    folded("sortie_completed", ended)
    row = sortie(folded)
    assert (row["status"], row["completed_at"], row["progress"], row["lease"]) == ("completed", NOON, 100, None)
    assert counts(folded) == (2, 1)
    assert specialist(folded) == ("idle", None)
    folded("sortie_completed", ended)
    assert counts(folded) == (2, 1)


def test_blocked_and_on_again(folded: Folded) -> None:
    start(folded)
    blocked = {**BY_ADA, "blocked_at": NOON_ISO, "reason": "no key", "blocker_type": "external"}
    folded("sortie_blocked", blocked)
    row = sortie(folded)
    assert (row["status"], row["blocked_by"], row["blocked_reason"]) == ("blocked", "external", "no key")
    folded("sortie_blocked", {**blocked, "blocker_id": "s2"})
    assert sortie(folded)["blocked_by"] == "s2"
    move(folded, "in_progress")
    assert (sortie(folded)["status"], sortie(folded)["blocked_by"]) == ("in_progress", None)
    assert specialist(folded) == ("busy", "s1")


def test_going_back_to_pending_forgets_who_had_it(folded: Folded) -> None:
    start(folded)
    folded("sortie_progress", {**BY_ADA, "progress": 40})
    move(folded, "pending")
    row = sortie(folded)
    assert (row["status"], row["assigned_to"], row["lease"], row["progress"]) == ("pending", "ada", None, 0)
    assert specialist(folded) == ("idle", None)


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_ending_by_a_change_of_status(folded: Folded, status: str) -> None:
    start(folded)
    move(folded, status)
    row = sortie(folded)
    assert (row["status"], row["completed_at"], row["closed_by"], row["lease"]) == (status, NOON, "bob", None)
    assert counts(folded) == (2, 1 if status == "completed" else 0)
    assert specialist(folded) == ("idle", None)
    move(folded, "pending")
    assert counts(folded) == (2, 0)


@pytest.mark.parametrize(("reason", "status"), [("completed", "completed"), ("duplicate", "cancelled")])
def test_closing(folded: Folded, reason: str, status: str) -> None:
    folded("sortie_closed", {"sortie_id": "s2", "closed_at": NOON_ISO, "close_reason": reason, "closed_by": "bob"})
    row = sortie(folded, "s2")
    assert (row["status"], row["completed_at"], row["closed_by"]) == (status, NOON, "bob")


def test_attempts_and_their_leases(folded: Folded) -> None:
    start(folded)
    folded("sortie_lease_expired", {**BY_ADA, "attempt": 1, "expired_at": NOON})
    assert sortie(folded)["lease"] is None
    failed = {**BY_ADA, "attempt": 1, "error": "crash", "cause": "crash", "final": False}
    folded("sortie_attempt_failed", {**failed, "retry_at": NOON + 9})
    row = sortie(folded)
    assert (row["last_error"], row["not_before"], row["attempt_base"]) == ("crash", NOON + 9, 0)
    folded("sortie_attempt_started", {**BY_ADA, "attempt": 2})
    assert (sortie(folded)["lease"], sortie(folded)["not_before"]) == (None, 0)
    folded("sortie_attempt_failed", {**failed, "attempt": 2, "counts": False})
    assert sortie(folded)["attempt_base"] == 1
    move(folded, "pending")
    folded("sortie_attempt_failed", {**failed, "attempt": 2, "counts": False})
    assert sortie(folded)["attempt_base"] == 1
    folded("sortie_retried", {"sortie_id": "s1", "retried_by": "bob", "attempt_base": 2})
    row = sortie(folded)
    assert (row["attempt_base"], row["not_before"], row["result"]) == (2, 0, None)


def test_a_result_waits_for_its_review_and_may_come_back(folded: Folded) -> None:
    start(folded)
    folded("sortie_result_reported", {**BY_ADA, "attempt": 1, "duration_ms": 5, "result": {"success": True}})
    assert sortie(folded)["reported"] == {"success": True}
    move(folded, "review")
    assert (sortie(folded)["status"], sortie(folded)["lease"]) == ("review", None)
    assert specialist(folded) == ("idle", None)
    folded("sortie_changes_requested", {**BY_ADA, "attempt": 1, "review_id": "r1", "feedback": "shorter"})
    row = sortie(folded)
    assert (row["feedback"], row["attempt_base"], row["reported"]) == ("shorter", 1, None)


def test_a_review(folded: Folded) -> None:
    started = {"review_id": "r1", "sortie_id": "s1", "reviewer_id": "eve", "review_type": "code"}
    folded("review_started", started)
    assert (folded.row("reviews", "r1")["status"], folded.row("reviews", "r1")["verdict"]) == ("started", "")
    issues = [{"severity": "warning", "message": "long"}]
    ended = {"review_id": "r1", "sortie_id": "s1", "reviewer_id": "eve", "verdict": "approved"}
    folded("review_completed", {**ended, "issues": issues})
    folded("review_completed", {**ended, "review_id": "r9"})
    row = folded.row("reviews", "r1")
    assert (row["status"], row["verdict"], row["issues"], row["completed_at"]) == (
        "completed",
        "approved",
        issues,
        NOON,
    )
    assert folded.keys("reviews") == ["r1"]
    folded("review_started", {**started, "review_id": "r2"})
    for review in ("r2", "r9"):
        folded("review_abandoned", {"review_id": review, "sortie_id": "s1", "reviewer_id": "eve", "reason": "gone"})
    assert (folded.row("reviews", "r2")["status"], folded.row("reviews", "r2")["completed_at"]) == ("abandoned", NOON)


def test_one_that_somebody_else_has_taken_up_is_not_taken_from_them(folded: Folded) -> None:
    start(folded)
    folded("specialist_active", {"specialist_id": "ada", "status": "active", "current_sortie": "s2"})
    move(folded, "cancelled")
    assert specialist(folded) == ("active", "s2")


@pytest.mark.parametrize(
    ("event_type", "data"),
    [
        ("sortie_updated", {"changes": {"title": "x"}}),
        ("sortie_status_changed", {"previous_status": "pending", "new_status": "review", "changed_by": "x"}),
        ("sortie_started", {"specialist_id": "nobody", "started_at": NOON_ISO}),
        ("sortie_progress", {"specialist_id": "nobody", "progress": 1}),
        (
            "sortie_completed",
            {"specialist_id": "nobody", "completed_at": NOON_ISO, "duration_ms": 1, "result": {"success": True}},
        ),
        (
            "sortie_blocked",
            {"specialist_id": "nobody", "blocked_at": NOON_ISO, "reason": "x", "blocker_type": "external"},
        ),
        ("sortie_closed", {"closed_at": NOON_ISO, "close_reason": "invalid", "closed_by": "x"}),
        ("sortie_attempt_started", {"specialist_id": "nobody", "attempt": 1}),
        ("sortie_lease_renewed", {"specialist_id": "nobody", "attempt": 1, "lease_expires_at": 1}),
        ("sortie_lease_expired", {"specialist_id": "nobody", "attempt": 1, "expired_at": 1}),
        (
            "sortie_result_reported",
            {"specialist_id": "nobody", "attempt": 1, "duration_ms": 1, "result": {"success": True}},
        ),
        (
            "sortie_attempt_failed",
            {"specialist_id": "nobody", "attempt": 1, "error": "x", "cause": "error", "final": True},
        ),
        ("sortie_changes_requested", {"specialist_id": "nobody", "attempt": 1, "review_id": "r", "feedback": "x"}),
        ("sortie_retried", {"retried_by": "x", "attempt_base": 0}),
    ],
)
def test_news_of_an_unknown_sortie_changes_none(folded: Folded, event_type: str, data: dict[str, Any]) -> None:
    before = list(folded.rows.scan("sorties")), list(folded.rows.scan("missions")), specialist(folded)
    folded(event_type, {"sortie_id": "s9", **data})
    assert (list(folded.rows.scan("sorties")), list(folded.rows.scan("missions")), specialist(folded)) == before


def test_work_by_one_who_is_not_known(folded: Folded) -> None:
    folded("sortie_started", {"sortie_id": "s2", "specialist_id": "ghost", "started_at": NOON_ISO})
    assert sortie(folded, "s2")["assigned_to"] == "ghost"
    move(folded, "failed", "s2")
    assert folded.keys("specialists") == ["ada"]
