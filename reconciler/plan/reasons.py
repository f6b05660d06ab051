"""Reasons: the sentence that goes with each decision, and who is behind it.

The same words are shown by every rendering and kept in the log, so they are made in one place.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from reconciler.plan.fields import UNKNOWN, Changed, changes_of
from reconciler.plan.model import FieldChange, Reason, ReasonCode

Origin = Literal["file", "world", "person", "fleet"]

_ORIGINS: dict[ReasonCode, Origin] = {
    "declared": "file",
    "definition_changed": "file",
    "content_changed": "file",
    "removed_from_file": "file",
    "scaled": "file",
    "renamed": "file",
    "image_changed": "world",
    "world_changed": "world",
    "stopped_outside": "world",
    "missing": "world",
    "requested": "person",
    "adopted": "person",
    "not_started": "fleet",
    "duplicate": "fleet",
    "needed_by": "fleet",
    "notified": "fleet",
    "rerun": "fleet",
    "unhealthy": "world",
}

_NAMED = 2


def origin_of(reason: Reason) -> Origin:
    """Who is behind a reason: an edit of the file, the world, a person's request, or Fleet's own book-keeping.

    A job runs again because it failed or because it was edited; then the fields that differ tell which.
    """
    if reason.code == "rerun" and reason.changes:
        return "file"
    return _ORIGINS[reason.code]


def edited(changed: Sequence[Changed]) -> Reason:
    """A definition that differs from the one that was applied."""
    if UNKNOWN in changed:
        return Reason("definition_changed", "what it was made from is not known", changes_of(changed))
    contents = sorted({one.content for one in changed if one.content})
    if contents and all(one.content for one in changed):
        return Reason("content_changed", f"{listed(contents)} content changed", changes_of(changed))
    return Reason("definition_changed", f"{_fields(changed)} changed", changes_of(changed))


def _fields(changed: Sequence[Changed]) -> str:
    """The first names of what differs; the image before all others, as it matters most."""
    paths = dict.fromkeys(one.change.path for one in changed)
    names = sorted(paths, key=lambda path: path != "image")
    if len(names) > _NAMED + 1:
        return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} other fields"
    return listed(names)


def by_hand(changes: Sequence[FieldChange]) -> Reason:
    """Fields of a container that somebody changed."""
    names = listed([change.path for change in changes])
    return Reason("world_changed", f"{names} changed outside of fleet", tuple(changes))


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def counted(number: int, noun: str) -> str:
    """`1 replica`, `2 replicas`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def moment(milliseconds: int) -> str:
    """UTC to the second, `2026-11-24 12:04:19Z`."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
