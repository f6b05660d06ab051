"""Calls about the log as it is kept: how far it goes, and the rows that follow from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.client.call import Call
from reconciler.client.calls.paths import path
from reconciler.client.log_documents import Head, KeyedRow, Survey, TableRows
from reconciler.events.document import iso_utc

if TYPE_CHECKING:
    from reconciler.events.store.query import EventQuery


def head() -> Call[Head]:
    """How far the log goes, and who writes."""
    return Call(method="GET", path=path("log"), answer=Head)


def sequence_at(*, sequence: int | None = None, time_ms: int | None = None) -> Call[int]:
    """The sequence number that the log ended with at a moment."""
    params = {"sequence": sequence, "time_ms": time_ms}
    return Call(method="GET", path=path("log", "moment"), params=params, answer=int, inside="sequence_number")


def rows(table: str, *, sequence: int | None = None) -> Call[TableRows]:
    """All rows of a projection, now or as they were."""
    return Call(method="GET", path=path("log", "rows", table), params={"sequence": sequence}, answer=TableRows)


def row(table: str, key: str, *, sequence: int | None = None) -> Call[KeyedRow]:
    """One row of a projection; its `row` is None where there is none."""
    params: dict[str, str | int | None] = {"key": key, "sequence": sequence}
    return Call(method="GET", path=path("log", "row", table), params=params, answer=KeyedRow)


def survey() -> Call[Survey]:
    """The file, the log and the world as the server reads them."""
    return Call(method="GET", path=path("log", "survey"), answer=Survey, patience_s=60.0)


def event(event_id: str) -> Call[dict[str, Any]]:
    """One event by its id."""
    return Call(method="GET", path=path("events", event_id), answer=dict[str, Any], inside="event")


def events(query: EventQuery, *, limit: int) -> Call[list[dict[str, Any]]]:
    """The events that a query selects, no more than `limit`."""
    params = {
        "stream_type": query.stream_type or None,
        "stream_id": query.stream_id or None,
        "type": list(query.types) or None,
        "after": query.after or None,
        "before": query.before,
        "since": iso_utc(query.since_ms) if query.since_ms is not None else None,
        "until": iso_utc(query.until_ms) if query.until_ms is not None else None,
        "correlation_id": str(query.correlation_id) if query.correlation_id is not None else None,
        "causation_id": str(query.causation_id) if query.causation_id is not None else None,
        "text": query.text or None,
        "newest_first": query.newest_first,
        "limit": limit,
    }
    return Call(method="GET", path=path("events"), params=params, answer=list[dict[str, Any]], inside="events")
