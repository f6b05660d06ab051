"""Events of the log itself: who may write, how the database changed, backups, compaction, and what was delivered where."""

from __future__ import annotations

from typing import Literal

from reconciler.events.envelope import StreamType
from reconciler.events.models.base import Count, EventModel, Legacy, Text, Timestamp

Token = Count


class LeaseAcquired(EventModel):
    """A writer took the lease; `token` is greater than every one before."""

    holder: Text
    purpose: str
    token: Token


class LeaseReleased(EventModel):
    """A writer gave the lease back."""

    holder: Text
    token: Token


class LeaseBroken(EventModel):
    """A person ended somebody else's lease."""

    holder: Text
    token: Token
    by: Text


class DatabaseMigrated(EventModel):
    """The database has another schema revision now."""

    from_revision: str | None = None
    to_revision: Text


class BackupCreated(EventModel):
    """A copy of the database was made, complete up to `sequence`."""

    path: Text
    sequence: Count
    size: Count


class BackupRestored(EventModel):
    """The database was put back from a copy that was complete up to `sequence`."""

    path: Text
    sequence: Count


class _Notification(EventModel):
    sink: Text
    event_id: Text
    attempts: Count
    error: str | None = None


class NotificationDelivered(_Notification):
    """A sink took a notification."""


class NotificationFailed(_Notification):
    """A sink did not take a notification and no further try will be made."""


class FleetDetected(EventModel):
    """A project was seen for the first time, perhaps with data of the older kind."""

    project_path: Text
    project_hash: Text
    detected_at: Timestamp
    existing_data: bool
    migration_required: bool
    legacy: Legacy = None


class ContextCompacted(EventModel):
    """Events of a stream moved to the archive; a snapshot stands for them."""

    stream_type: StreamType
    stream_id: Text
    from_sequence: Count
    to_sequence: Count
    events_compacted: Count
    snapshot_id: Text


class CompactionTriggered(EventModel):
    """Compaction was asked for, by a threshold, the schedule or a person."""

    trigger: Literal["threshold", "scheduled", "manual"]
    stream_type: StreamType | None = None
    stream_id: Text | None = None
    threshold_events: Count | None = None
    threshold_age_hours: Count | None = None
