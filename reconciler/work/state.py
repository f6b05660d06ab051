"""The current state that commands check their rules against: frozen values read from projected rows.

A row may have been written by an older release, so every column but the id has a default here. Times are Unix
milliseconds; None means that it has not happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, get_args

Row = Mapping[str, Any]

SortieStatus = Literal["pending", "assigned", "in_progress", "blocked", "review", "completed", "failed", "cancelled"]
MissionStatus = Literal["pending", "in_progress", "review", "completed", "failed", "cancelled"]
SpecialistStatus = Literal["active", "busy", "idle", "inactive", "completed"]
Priority = Literal["low", "medium", "high", "critical"]
When = Literal["", "success", "failure", "always"]
ReviewKind = Literal["code", "design", "security", "general"]

PRIORITIES: tuple[Priority, ...] = get_args(Priority)
PRIORITY_LEVEL: dict[str, int] = {name: level for level, name in enumerate(PRIORITIES)}
ENDED: frozenset[str] = frozenset({"completed", "failed", "cancelled"})
HELD: frozenset[str] = frozenset({"assigned", "in_progress", "blocked", "review"})


def iso(milliseconds: int) -> str:
    """ISO 8601 UTC with milliseconds, as times appear in event data."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


@dataclass(frozen=True, slots=True)
class Lease:
    """One attempt's hold on a sortie; it is over after `expires_at`."""

    holder: str
    attempt: int
    expires_at: int

    @classmethod
    def from_row(cls, row: Row | None) -> Lease | None:
        """The lease in a sortie's `lease` column."""
        if not row:
            return None
        return cls(str(row["holder"]), int(row["attempt"]), int(row["expires_at"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class SortiePlan:
    """What a sortie was declared to be: the definition that travels in its metadata.

    Attributes:
        depends_on: ids of sorties that come first.
        when: which outcome of those lets it run; empty is the same as `success`.
        retries: attempts after the first one.
        timeout_ms: longest run of one attempt; 0 is without end.
    """

    name: str = ""
    depends_on: tuple[str, ...] = ()
    requires: frozenset[str] = frozenset()
    files: tuple[str, ...] = ()
    run: str = ""
    prompt: str = ""
    retries: int = 0
    retry_delay_ms: int = 10_000
    timeout_ms: int = 0
    when: When = ""
    review_kind: ReviewKind | None = None
    review_by: str = ""
    review_run: str = ""
    review_prompt: str = ""
    assigned_to: str = ""

    @classmethod
    def from_metadata(cls, metadata: Row | None) -> SortiePlan:
        """The plan inside a sortie's metadata; absent facts take their defaults."""
        if not metadata:
            return _NO_PLAN
        review = metadata.get("review") or {}
        return cls(
            name=metadata.get("name", ""),
            depends_on=tuple(metadata.get("depends_on") or ()),
            requires=frozenset(metadata.get("requires") or ()),
            files=tuple(metadata.get("files") or ()),
            run=metadata.get("run", ""),
            prompt=metadata.get("prompt", ""),
            retries=int(metadata.get("retries", 0)),
            retry_delay_ms=int(metadata.get("retry_delay_ms", 10_000)),
            timeout_ms=int(metadata.get("timeout_ms", 0)),
            when=metadata.get("when", ""),
            review_kind=review.get("kind", "general") if review else None,
            review_by=review.get("by", "") if review else "",
            review_run=review.get("run", "") if review else "",
            review_prompt=review.get("prompt", "") if review else "",
            assigned_to=metadata.get("assigned_to", "") or "",
        )

    def to_metadata(self) -> dict[str, Any]:
        """The JSON form that `from_metadata` reads back; defaults are left out."""
        metadata: dict[str, Any] = {}
        for key in ("name", "run", "prompt", "when", "assigned_to"):
            if getattr(self, key):
                metadata[key] = getattr(self, key)
        for key in ("depends_on", "files"):
            if getattr(self, key):
                metadata[key] = list(getattr(self, key))
        if self.requires:
            metadata["requires"] = sorted(self.requires)
        for key, default in (("retries", 0), ("retry_delay_ms", 10_000), ("timeout_ms", 0)):
            if getattr(self, key) != default:
                metadata[key] = getattr(self, key)
        if self.review_kind is not None:
            more = {"run": self.review_run, "prompt": self.review_prompt}
            metadata["review"] = {
                "kind": self.review_kind,
                "by": self.review_by,
                **{key: text for key, text in more.items() if text},
            }
        return metadata


_NO_PLAN = SortiePlan()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sortie:
    """One task.

    Attributes:
        assigned_to: whom it is meant for while pending, who holds it afterwards.
        addressee: whom it is meant for, kept while somebody holds it.
        attempt: number of the newest attempt; 0 before the first.
        attempt_base: attempts that no longer count against `retries` (before a retry by hand, or a review's round).
        not_before: no attempt begins earlier (the back-off after a failed one).
        reported: the result that waits for its review.
    """

    id: str
    title: str = ""
    status: SortieStatus = "pending"
    priority: Priority = "medium"
    mission_id: str | None = None
    description: str = ""
    assigned_to: str | None = None
    addressee: str | None = None
    created_at: int = 0
    started_at: int | None = None
    completed_at: int | None = None
    progress: int = 0
    blocked_by: str | None = None
    blocked_reason: str | None = None
    result: Mapping[str, Any] | None = None
    reported: Mapping[str, Any] | None = None
    attempt: int = 0
    attempt_base: int = 0
    not_before: int = 0
    lease: Lease | None = None
    feedback: str = ""
    closed_by: str = ""
    plan: SortiePlan = _NO_PLAN

    @classmethod
    def from_row(cls, row: Row) -> Sortie:
        """A sortie from its row in the `sorties` table."""
        return cls(
            id=row["id"],
            title=row.get("title") or "",
            status=row.get("status") or "pending",
            priority=row.get("priority") or "medium",
            mission_id=row.get("mission_id"),
            description=row.get("description") or "",
            assigned_to=row.get("assigned_to"),
            addressee=row.get("meant_for"),
            created_at=row.get("created_at") or 0,
            started_at=row.get("started_at"),
            completed_at=row.get("completed_at"),
            progress=row.get("progress") or 0,
            blocked_by=row.get("blocked_by"),
            blocked_reason=row.get("blocked_reason"),
            result=row.get("result"),
            reported=row.get("reported"),
            attempt=row.get("attempt") or 0,
            attempt_base=row.get("attempt_base") or 0,
            not_before=row.get("not_before") or 0,
            lease=Lease.from_row(row.get("lease")),
            feedback=row.get("feedback") or "",
            closed_by=row.get("closed_by") or "",
            plan=SortiePlan.from_metadata(row.get("metadata")),
        )

    @property
    def meant_for(self) -> str:
        """The specialist or pool that alone may take it; empty when anybody may."""
        return (self.assigned_to if self.status == "pending" else self.addressee) or ""

    @property
    def ended(self) -> bool:
        """Completed, failed or cancelled."""
        return self.status in ENDED

    @property
    def awaits_rework(self) -> bool:
        """A review sent it back, and the attempt that answers to that has not begun."""
        return self.status == "in_progress" and bool(self.feedback) and self.attempt == self.attempt_base

    @property
    def holder(self) -> str | None:
        """Who works on it now."""
        return self.assigned_to if self.status in HELD else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mission:
    """A DAG of sorties. `parallel` bounds how many are worked on at once, 0 is without bound.

    Attributes:
        declared: it comes from fleet.yaml, so its definition is frozen once it starts.
        name, run: what the file calls a declared one, and which run of it this is, from 1.
        needs_review: it waits in `review` for a person before it completes.
    """

    id: str
    title: str = ""
    status: MissionStatus = "pending"
    priority: Priority = "medium"
    description: str = ""
    created_at: int = 0
    started_at: int | None = None
    completed_at: int | None = None
    parallel: int = 0
    declared: bool = False
    name: str = ""
    run: int = 0
    needs_review: bool = False
    archived: bool = False

    @classmethod
    def from_row(cls, row: Row) -> Mission:
        """A mission from its row in the `missions` table."""
        metadata = row.get("metadata") or {}
        return cls(
            id=row["id"],
            title=row.get("title") or "",
            status=row.get("status") or "pending",
            priority=row.get("priority") or "medium",
            description=row.get("description") or "",
            created_at=row.get("created_at") or 0,
            started_at=row.get("started_at"),
            completed_at=row.get("completed_at"),
            parallel=int(metadata.get("parallel", 0)),
            declared=bool(metadata.get("declared", False)),
            name=metadata.get("name", "") if metadata.get("declared") else "",
            run=int(metadata.get("run", 0)),
            needs_review=bool(metadata.get("review", False)),
            archived=bool(row.get("archived_at")),
        )

    @property
    def ended(self) -> bool:
        """Completed, failed or cancelled."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Specialist:
    """An agent worker. `pool` is the name under `specialists:` that it is a replica of."""

    id: str
    name: str = ""
    status: SpecialistStatus = "active"
    capabilities: frozenset[str] = frozenset()
    registered_at: int = 0
    last_seen: int = 0
    current_sortie: str | None = None
    draining: bool = False
    pool: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_row(cls, row: Row) -> Specialist:
        """A specialist from its row in the `specialists` table."""
        metadata = row.get("metadata") or {}
        return cls(
            id=row["id"],
            name=row.get("name") or "",
            status=row.get("status") or "active",
            capabilities=frozenset(row.get("capabilities") or ()),
            registered_at=row.get("registered_at") or 0,
            last_seen=row.get("last_seen") or 0,
            current_sortie=row.get("current_sortie"),
            draining=bool(row.get("draining")),
            pool=metadata.get("pool", ""),
            metadata=metadata,
        )

    def answers_to(self, name: str) -> bool:
        """Whether `assigned_to: name` means this one: by id, by name, or by the pool it is a replica of."""
        return name in (self.id, self.name, self.pool)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLock:
    """A reservation of a path or glob; `expires_at` is when its time-out ends."""

    id: str
    file_path: str
    normalized_path: str
    reserved_by: str
    reserved_at: int
    expires_at: int
    purpose: Literal["edit", "read", "delete"] = "edit"
    checksum: str | None = None
    status: Literal["active", "released", "expired"] = "active"

    @classmethod
    def from_row(cls, row: Row) -> FileLock:
        """A lock from its row in the `locks` table."""
        return cls(
            id=row["id"],
            file_path=row["file_path"],
            normalized_path=row["normalized_path"],
            reserved_by=row["reserved_by"],
            reserved_at=row["reserved_at"],
            expires_at=row["expires_at"],
            purpose=row.get("purpose") or "edit",
            checksum=row.get("checksum"),
            status=row.get("status") or "active",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message in a mailbox."""

    id: str
    mailbox_id: str
    status: Literal["pending", "read", "acked"] = "pending"
    priority: Literal["low", "normal", "high", "urgent"] = "normal"
    sender_id: str | None = None
    thread_id: str | None = None
    message_type: str = ""
    content: Mapping[str, Any] = field(default_factory=dict)
    sent_at: int = 0
    sequence: int = 0

    @classmethod
    def from_row(cls, row: Row) -> Message:
        """A message from its row in the `messages` table."""
        return cls(
            id=row["id"],
            mailbox_id=row["mailbox_id"],
            status=row.get("status") or "pending",
            priority=row.get("priority") or "normal",
            sender_id=row.get("sender_id"),
            thread_id=row.get("thread_id"),
            message_type=row.get("message_type") or "",
            content=row.get("content") or {},
            sent_at=row.get("sent_at") or 0,
            sequence=row.get("sequence") or row.get("last_event_sequence") or 0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """A conversation of several mailboxes."""

    id: str
    participants: frozenset[str] = frozenset()
    closed: bool = False

    @classmethod
    def from_row(cls, row: Row) -> Thread:
        """A thread from its row in the `threads` table."""
        return cls(
            id=row["id"],
            participants=frozenset(row.get("participants") or ()),
            closed=row.get("status") == "closed",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A review of what one attempt made; `attempt` -1 is unknown and stands for every one."""

    id: str
    sortie_id: str
    reviewer_id: str
    kind: ReviewKind = "general"
    verdict: Literal["", "approved", "rejected", "needs_changes"] = ""
    attempt: int = -1
    abandoned: bool = False

    @classmethod
    def from_row(cls, row: Row) -> Review:
        """A review from its row in the `reviews` table."""
        return cls(
            id=row["id"],
            sortie_id=row["sortie_id"],
            reviewer_id=row["reviewer_id"],
            kind=row.get("review_type") or "general",
            verdict=row.get("verdict") or "",
            attempt=row.get("attempt", -1),
            abandoned=row.get("status") == "abandoned",
        )

    def is_open_for(self, sortie: Sortie) -> bool:
        """Whether its verdict is still to come, and would be about what the sortie's newest attempt made."""
        waits = not self.verdict and not self.abandoned and sortie.id == self.sortie_id
        return waits and self.attempt in (-1, sortie.attempt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a specialist has used since `since`: starts of the last hour, and totals.

    `exhausted` is the limit that was recorded as used up, until the next start.
    """

    starts: tuple[int, ...] = ()
    wall_ms: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    since: int = 0
    exhausted: str = ""

    @classmethod
    def from_row(cls, row: Row | None) -> Usage:
        """Usage from its row in the `usage` table; no row means nothing was used."""
        if not row:
            return cls()
        return cls(
            starts=tuple(row.get("starts") or ()),
            wall_ms=row.get("wall_ms") or 0,
            tokens=row.get("tokens") or 0,
            cost_usd=row.get("cost_usd") or 0.0,
            since=row.get("since") or 0,
            exhausted=row.get("exhausted") or "",
        )
