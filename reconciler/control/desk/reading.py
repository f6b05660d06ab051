"""Typed values from the projected rows of the agents' world, and clear words for what is not there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from reconciler.control.desk.remembered import every_active_lock, every_sortie
from reconciler.decoders import known
from reconciler.errors import NotFound
from reconciler.projections.rows import Rows
from reconciler.spec.desired import Budget
from reconciler.work.state import ENDED, FileLock, Message, Mission, Review, Sortie, Specialist, Thread, Usage

T = TypeVar("T")


def sortie(rows: Rows, sortie_id: str) -> Sortie:
    """A sortie by its id.

    Raises:
        NotFound: there is none.
    """
    return _one(rows, "sorties", sortie_id, Sortie.from_row, "sortie")


def specialist(rows: Rows, specialist_id: str) -> Specialist:
    """A specialist by its id.

    Raises:
        NotFound: there is none.
    """
    return _one(rows, "specialists", specialist_id, Specialist.from_row, "specialist")


def mission(rows: Rows, mission_id: str) -> Mission:
    """A mission by its id.

    Raises:
        NotFound: there is none.
    """
    return _one(rows, "missions", mission_id, Mission.from_row, "mission")


def review(rows: Rows, review_id: str) -> Review:
    """A review by its id.

    Raises:
        NotFound: there is none.
    """
    return _one(rows, "reviews", review_id, Review.from_row, "review")


def lock(rows: Rows, lock_id: str) -> FileLock:
    """A lock by its id.

    Raises:
        NotFound: there is none.
    """
    return _one(rows, "locks", lock_id, FileLock.from_row, "lock")


def message(rows: Rows, message_id: str) -> Message:
    """A message by its id.

    Raises:
        NotFound: there is none.
    """
    return _one(rows, "messages", message_id, Message.from_row, "message")


def thread(rows: Rows, thread_id: str) -> Thread:
    """A thread by its id.

    Raises:
        NotFound: there is none.
    """
    return _one(rows, "threads", thread_id, Thread.from_row, "thread")


def sorties(rows: Rows, *, mission_id: str | None = None) -> list[Sortie]:
    """All sorties, or those of one mission."""
    return [one for one in every_sortie(rows) if mission_id is None or one.mission_id == mission_id]


def open_sorties(rows: Rows) -> list[Sortie]:
    """Sorties that have not ended."""
    return [one for one in every_sortie(rows) if one.status not in ENDED]


def specialists(rows: Rows) -> list[Specialist]:
    """All specialists, in any state."""
    return [Specialist.from_row(row) for _, row in rows.scan("specialists")]


def missions(rows: Rows) -> dict[str, Mission]:
    """All missions by id."""
    return {key: Mission.from_row(row) for key, row in rows.scan("missions")}


def active_locks(rows: Rows) -> list[FileLock]:
    """Locks that were neither released nor expired."""
    return list(every_active_lock(rows))


def open_reviews(rows: Rows) -> list[Review]:
    """Reviews that wait for their verdict."""
    found = (Review.from_row(row) for _, row in rows.scan("reviews"))
    return [one for one in found if not one.verdict and not one.abandoned]


def usage(rows: Rows) -> dict[str, Usage]:
    """What each specialist has used, by its id."""
    return {key: Usage.from_row(row) for key, row in rows.scan("usage")}


def budget(found: Specialist) -> Budget | None:
    """The limits that a specialist was registered with; None when there are none."""
    limits = found.metadata.get("budget")
    return msgspec.convert(limits, known(Budget)) if limits else None


def timeouts(found: Mapping[str, Specialist] | list[Specialist]) -> dict[str, int]:
    """The heartbeat time-out of each pool in ms, as its specialists were registered with."""
    known = found.values() if isinstance(found, Mapping) else found
    return {
        one.pool: int(one.metadata["heartbeat_timeout_ms"]) for one in known if "heartbeat_timeout_ms" in one.metadata
    }


def _one(rows: Rows, table: str, key: str, make: Callable[[Mapping[str, Any]], T], what: str) -> T:
    row = rows.get(table, key)
    if row is None:
        raise NotFound(f"there is no {what} {key}")
    return make(row)
