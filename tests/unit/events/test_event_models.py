"""Every event type: its example is valid, survives a second validation, and what is wrong is refused by name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.events.envelope import STREAM_TYPES
from reconciler.events.registry import (
    TYPES,
    EventInvalid,
    UnknownEventType,
    current_version,
    explain,
    model_of,
    validate,
)

CORE = [
    "specialist_registered",
    "specialist_active",
    "squawk_sent",
    "squawk_read",
    "squawk_acked",
    "squawk_thread_created",
    "squawk_thread_activity",
    "ctk_reserved",
    "ctk_released",
    "ctk_conflict",
    "sortie_created",
    "sortie_updated",
    "sortie_status_changed",
    "sortie_started",
    "sortie_progress",
    "sortie_completed",
    "sortie_blocked",
    "sortie_closed",
    "mission_created",
    "mission_started",
    "mission_completed",
    "specialist_spawned",
    "specialist_completed",
    "review_started",
    "review_completed",
    "checkpoint_created",
    "fleet_checkpointed",
    "fleet_recovered",
    "context_compacted",
    "compaction_triggered",
    "fleet_detected",
    "context_injected",
]
SUPPORTING = [
    "pattern_learned",
    "pattern_applied",
    "pattern_deprecated",
    "feedback_received",
    "skill_acquired",
    "memory_stored",
    "memory_retrieved",
    "memory_expired",
    "memory_invalidated",
    "history_recorded",
    "history_queried",
    "history_pruned",
    "skill_registered",
    "skill_invoked",
    "skill_result",
    "dispatch_evaluated",
    "dispatch_assigned",
    "dispatch_rejected",
    "validation_started",
    "validation_passed",
    "validation_failed",
]

CONTAINER = {"service": "web", "replica": 1, "container_id": "c1"}


def test_the_core_and_supporting_types_are_all_there() -> None:
    assert (len(CORE), len(SUPPORTING)) == (32, 21)
    assert set(CORE + SUPPORTING) <= set(TYPES)


@pytest.mark.parametrize("event_type", TYPES)
def test_each_type_explains_itself_with_an_example_that_is_valid_and_stable(event_type: str) -> None:
    told = explain(event_type)
    version, data = validate(event_type, told.example)
    assert validate(event_type, data) == (version, data)
    assert version == told.version == current_version(event_type)
    assert told.stream_type in STREAM_TYPES
    assert told.meaning.endswith(".")
    assert {field.name for field in told.fields if field.required} <= set(told.example)


@pytest.mark.parametrize("event_type", TYPES)
def test_each_type_refuses_a_field_that_it_does_not_have(event_type: str) -> None:
    with pytest.raises(EventInvalid, match="surprise"):
        validate(event_type, {**explain(event_type).example, "surprise": 1})


@pytest.mark.parametrize("event_type", TYPES)
def test_each_type_refuses_to_lack_a_required_field(event_type: str) -> None:
    told = explain(event_type)
    for field in told.fields:
        if field.required:
            rest = {name: value for name, value in told.example.items() if name != field.name}
            with pytest.raises(EventInvalid, match=f"{field.name}: Field required"):
                validate(event_type, rest)


def test_defaults_are_written_out_and_absent_fields_stay_absent() -> None:
    assert validate("container_started", CONTAINER) == (1, {**CONTAINER, "external": False})
    lock = {"lock_id": "l", "file_path": "a", "normalized_path": "a", "specialist_id": "s"}
    assert validate("ctk_reserved", lock)[1] == {**lock, "purpose": "edit", "timeout_ms": 30_000}


@pytest.mark.parametrize(
    ("event_type", "data", "problem"),
    [
        ("container_started", {**CONTAINER, "replica": "1"}, "replica: Input should be a valid integer"),
        ("container_started", {**CONTAINER, "external": 1}, "external: Input should be a valid boolean"),
        ("container_started", {**CONTAINER, "replica": 0}, "replica: .* greater than or equal to 1"),
        ("container_health_changed", {**CONTAINER, "health": "fine"}, "health: .*'starting'"),
        ("container_drifted", {**CONTAINER, "field": "x", "expected": object()}, "something that JSON cannot"),
        ("sortie_progress", {"sortie_id": "s", "specialist_id": "b", "progress": 101}, "progress"),
        ("resource_suspended", {"resource": "", "why": "", "until": "tomorrow"}, "until: .*isoformat"),
        ("history_pruned", {"before": True, "count": 1}, "before: Input should be a valid string"),
        ("budget_used", {"specialist_id": "b", "cost_usd": float("nan")}, "cost_usd"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(event_type: str, data: dict[str, Any], problem: str) -> None:
    with pytest.raises(EventInvalid, match=problem) as caught:
        validate(event_type, data)
    assert caught.value.hint == f"fleet events explain {event_type}"
    assert caught.value.problems


@pytest.mark.parametrize(
    "moment", [1_767_225_600_000, "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", datetime(2026, 1, 1, tzinfo=UTC)]
)
def test_times_are_taken_in_every_spelling_and_kept_in_one(moment: object) -> None:
    assert validate("history_pruned", {"before": moment, "count": 1})[1]["before"] == "2026-01-01T00:00:00.000Z"
    suspended = validate("resource_suspended", {"resource": "", "why": "deploy", "until": moment})[1]
    assert suspended["until"] == 1_767_225_600_000


def test_times_without_a_zone_are_utc() -> None:
    naive = datetime(2026, 1, 1)
    assert validate("history_pruned", {"before": naive, "count": 1})[1]["before"] == "2026-01-01T00:00:00.000Z"
    data = {"resource": "", "why": "deploy", "until": naive}
    assert validate("resource_suspended", data)[1]["until"] == 1_767_225_600_000


def test_changes_keep_what_was_named_and_a_null_takes_a_value_away() -> None:
    data = {"sortie_id": "s", "changes": {"assigned_to": None, "title": "New"}}
    assert validate("sortie_updated", data)[1] == {"sortie_id": "s", "changes": {"title": "New", "assigned_to": None}}


def test_nulls_inside_free_documents_are_kept_and_tuples_become_lists() -> None:
    sent = {"message_id": "m", "mailbox_id": "b", "message_type": "t", "content": {"a": None, "b": (1, None)}}
    assert validate("squawk_sent", sent)[1]["content"] == {"a": None, "b": [1, None]}


def test_an_unknown_type_names_the_nearest_one() -> None:
    with pytest.raises(UnknownEventType) as caught:
        validate("container_startet", {})
    assert caught.value.hint == "did you mean container_started?"
    with pytest.raises(UnknownEventType) as caught:
        model_of("qqqq")
    assert caught.value.hint == "fleet events types lists those that this release knows"


def test_explain_says_types_defaults_and_units_in_words() -> None:
    fields = {field.name: field for field in explain("ctk_reserved").fields}
    assert fields["purpose"].type == "edit · read · delete"
    assert fields["timeout_ms"] == ("timeout_ms", "integer (milliseconds)", False, 30_000)
    assert fields["checksum"].type == "string"
    assert {field.name: field.type for field in explain("container_drifted").fields}["actual"] == "anything"
    completed = {field.name: field.type for field in explain("review_completed").fields}
    assert completed["issues"] == "list of {severity, message, location}"
