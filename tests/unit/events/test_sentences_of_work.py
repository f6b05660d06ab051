"""Missions, sorties and reviews as a person reads of them."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.events.examples import example
from reconciler.events.registry import TYPES, validate
from reconciler.events.schemas import schema_of
from reconciler.events.sentences_of_work import SENTENCES

_SORTIE = {"sortie_id": "s1", "specialist_id": "ada"}


@pytest.mark.parametrize("event_type", sorted(SENTENCES))
def test_every_sentence_can_be_said_of_a_valid_event(event_type: str) -> None:
    assert event_type in TYPES
    _, data = validate(event_type, example(schema_of(event_type)))
    assert SENTENCES[event_type](data)


@pytest.mark.parametrize(
    ("event_type", "data", "told"),
    [
        ("sortie_attempt_failed", {**_SORTIE, "attempt": 2, "error": "boom\n bang", "final": True, "retry_at": None},
         "attempt 2 of s1 failed: boom bang; it is not tried again"),
        ("sortie_attempt_failed", {**_SORTIE, "attempt": 1, "error": "boom", "final": False, "retry_at": 5},
         "attempt 1 of s1 failed: boom; it is tried again"),
        ("sortie_completed", {**_SORTIE, "duration_ms": 1500, "result": {"success": True, "summary": "well made"}},
         "ada completed s1 in 1.5 s: well made"),
        ("sortie_progress", {**_SORTIE, "progress": 40, "status_message": None}, "s1 is at 40 %"),
        ("sortie_result_refused", {**_SORTIE, "attempt": 1, "what": "result", "reason": "attempt 1 is over"},
         "a result of ada for s1 came too late: attempt 1 is over"),
        ("review_completed", {"reviewer_id": "bob", "sortie_id": "s1", "verdict": "needs_changes", "feedback": "name it"},
         "bob reviewed s1: needs changes, name it"),
        ("mission_completed", {"mission_id": "m", "duration_ms": 2000,
                               "result": {"success": False, "sorties_completed": 1, "sorties_failed": 2}},
         "m failed in 2.0 s, 1 sortie done"),
    ],
)  # fmt: skip
def test_what_is_told(event_type: str, data: dict[str, Any], told: str) -> None:
    assert SENTENCES[event_type](data) == told
