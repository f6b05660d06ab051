"""An event as it is shown outside."""

from __future__ import annotations

from uuid import UUID

import pytest

from reconciler.events.document import IdUnclear, event_document, iso_utc, parse_id
from reconciler.events.envelope import Event

ID = UUID("0190c2a4-b5d6-7e8f-9a0b-1c2d3e4f5a6b")


def event(causation_id: UUID | None = None) -> Event:
    return Event(
        7, ID, "service_removed", "service", "web", 3, {"service": "web"}, causation_id, ID, {"actor": "ada"},
        1_795_521_600_042, 1_795_521_600_042, 1, b"\x0a\x0b",
    )  # fmt: skip


def test_ids_are_prefixed_and_times_are_utc() -> None:
    assert event_document(event(ID)) == {
        "sequence_number": 7,
        "event_id": f"evt_{ID.hex}",
        "event_type": "service_removed",
        "stream_type": "service",
        "stream_id": "web",
        "version": 3,
        "data": {"service": "web"},
        "causation_id": f"evt_{ID.hex}",
        "correlation_id": str(ID),
        "metadata": {"actor": "ada"},
        "occurred_at": "2026-11-24T12:00:00.042Z",
        "recorded_at": "2026-11-24T12:00:00.042Z",
        "schema_version": 1,
        "hash": "0a0b",
    }


def test_an_event_that_nothing_caused_has_no_cause() -> None:
    assert "causation_id" not in event_document(event())


@pytest.mark.parametrize("text", [f"evt_{ID.hex}", ID.hex, str(ID), f" {ID} "])
def test_ids_are_read_in_every_spelling(text: str) -> None:
    assert parse_id(text) == ID


def test_what_is_no_id_is_said() -> None:
    with pytest.raises(IdUnclear, match="'web' is no id"):
        parse_id("web")


def test_the_first_millisecond() -> None:
    assert iso_utc(1) == "1970-01-01T00:00:00.001Z"
