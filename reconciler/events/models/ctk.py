"""Events of file locks: who holds which path, and who was refused."""

from __future__ import annotations

from typing import Literal

from reconciler.events.models.base import EventModel, Legacy, PositiveMs, Text


class CtkReserved(EventModel):
    """A specialist holds a path until it lets go or the time is over."""

    lock_id: Text
    file_path: Text
    normalized_path: Text
    specialist_id: Text
    purpose: Literal["edit", "read", "delete"] = "edit"
    timeout_ms: PositiveMs = 30_000
    checksum: str | None = None
    legacy: Legacy = None


class CtkReleased(EventModel):
    """A path is free again."""

    lock_id: Text
    file_path: Text
    specialist_id: Text
    release_reason: Literal["explicit", "timeout", "crash"] = "explicit"
    final_checksum: str | None = None
    legacy: Legacy = None


class CtkConflict(EventModel):
    """A specialist asked for a path that another one holds."""

    file_path: Text
    requesting_specialist: Text
    holding_specialist: Text
    existing_lock_id: Text
    conflict_type: Literal["concurrent_edit", "stale_lock", "checksum_mismatch"]
