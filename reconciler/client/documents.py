"""What the HTTP interface answers with, as plain values: the server makes them, the client reads them back.

Times are ISO 8601 in UTC with milliseconds, as text; None means that it has not happened. `version` grows with every change
of the thing, and is what its `ETag` stands for. Fields may be added in later releases, and are passed over by older clients.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

SortieStatus = Literal["pending", "assigned", "in_progress", "blocked", "review", "completed", "failed", "cancelled"]
MissionStatus = Literal["pending", "in_progress", "review", "completed", "failed", "cancelled"]
SpecialistStatus = Literal["active", "busy", "idle", "inactive", "completed"]
Priority = Literal["low", "medium", "high", "critical"]
Urgency = Literal["low", "normal", "high", "urgent"]
ReviewKind = Literal["code", "design", "security", "general"]
Verdict = Literal["approved", "rejected", "needs_changes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Specialist:
    """An agent worker.

    Attributes:
        draining: it finishes what it works on and is given nothing more.
    """

    id: str
    name: str
    status: SpecialistStatus
    registered_at: str
    last_seen: str
    capabilities: list[str] = field(default_factory=list)
    current_sortie: str | None = None
    draining: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)
    spawned_by: str | None = None
    completed_at: str | None = None
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseOnSortie:
    """One attempt's hold on a sortie; it is over after `expires_at`."""

    holder: str
    attempt: int
    expires_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sortie:
    """One task.

    Attributes:
        assigned_to: whom it is meant for while pending, who holds it afterwards.
        waits_for: why nobody was given it at the last look.
        reported: the result that waits for its review.
        feedback: what the last review wants changed.
        metadata: what it was declared to be (`depends_on`, `requires`, `files`, `run`, `prompt`), and the caller's own facts.
    """

    id: str
    title: str
    status: SortieStatus
    priority: Priority
    created_at: str
    mission_id: str | None = None
    description: str | None = None
    assigned_to: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    progress: int = 0
    status_message: str | None = None
    waits_for: str | None = None
    blocked_by: str | None = None
    blocked_reason: str | None = None
    result: dict[str, Any] | None = None
    reported: dict[str, Any] | None = None
    feedback: str | None = None
    attempt: int = 0
    last_error: str | None = None
    lease: LeaseOnSortie | None = None
    closed_by: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mission:
    """A DAG of sorties; `reason` says why it ended as it did."""

    id: str
    title: str
    status: MissionStatus
    priority: Priority
    created_at: str
    description: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    total_sorties: int = 0
    completed_sorties: int = 0
    result: dict[str, Any] | None = None
    reason: str | None = None
    archived_at: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A review of what one attempt made; `verdict` is empty until it is given."""

    id: str
    sortie_id: str
    reviewer_id: str
    review_type: ReviewKind
    status: Literal["started", "completed", "abandoned"]
    started_at: str
    verdict: Literal["", "approved", "rejected", "needs_changes"] = ""
    feedback: str | None = None
    issues: list[dict[str, Any]] = field(default_factory=list)
    completed_at: str | None = None
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message in a mailbox; `sequence` is where it stands in the order of the mailbox, for reading on."""

    id: str
    mailbox_id: str
    message_type: str
    status: Literal["pending", "read", "acked"]
    priority: Urgency
    sent_at: str
    sequence: int
    sender_id: str | None = None
    thread_id: str | None = None
    content: dict[str, Any] = field(default_factory=dict)
    read_at: str | None = None
    acked_at: str | None = None
    response: dict[str, Any] | None = None
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """A conversation of several mailboxes."""

    id: str
    status: Literal["open", "closed"]
    created_at: str
    updated_at: str
    title: str | None = None
    participants: list[str] = field(default_factory=list)
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What somebody was about, kept so that it can be gone on with.

    Attributes:
        recovery: last action, next steps, blockers and files, for whoever goes on.
        consumed_at: when it was gone on from.
    """

    id: str
    specialist_id: str
    created_at: str
    trigger: str = "manual"
    mission_id: str | None = None
    progress: float | None = None
    context: dict[str, Any] = field(default_factory=dict)
    active_sorties: list[Any] = field(default_factory=list)
    pending_messages: list[Any] = field(default_factory=list)
    held_locks: list[Any] = field(default_factory=list)
    recovery: dict[str, Any] | None = None
    expires_at: str | None = None
    consumed_at: str | None = None
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A reservation of a path or glob."""

    id: str
    file_path: str
    normalized_path: str
    reserved_by: str
    reserved_at: str
    expires_at: str
    purpose: Literal["edit", "read", "delete"] = "edit"
    status: Literal["active", "released", "expired"] = "active"
    checksum: str | None = None
    released_at: str | None = None
    release_reason: str | None = None
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Something to do.

    Attributes:
        kind: work, rework of what a review sent back, or a review of somebody's work.
        lease_expires_at: by when the lease has to be renewed; None for a review.
        review_id: of a review; empty otherwise.
        brief: everything that whoever does it has to know, results of earlier sorties included.
    """

    kind: Literal["work", "rework", "review"]
    sortie: Sortie
    attempt: int
    lease_expires_at: str | None = None
    review_id: str = ""
    brief: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A sortie that a decomposition proposes; `depends_on` names others of the same answer, `complexity` is 1 to 5."""

    name: str
    title: str
    prompt: str = ""
    files: list[str] = field(default_factory=list)
    depends_on: list[str] = field(default_factory=list)
    complexity: int = 1
    review: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decomposition:
    """What a goal might be divided into.

    Attributes:
        strategy: file-based, feature-based, risk-based or research-based; `scores` are the points that each one got.
        parallel: the sorties may run side by side.
        problems: what is wrong with the proposal.
    """

    goal: str
    strategy: str
    scores: dict[str, int] = field(default_factory=dict)
    sorties: list[Proposal] = field(default_factory=list)
    parallel: bool = False
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceState:
    """A service as the log has it; `wanted` is down where somebody stopped it on request."""

    name: str
    wanted: Literal["up", "down"]
    digest: str
    defined_at: str
    definition: dict[str, Any] = field(default_factory=dict)
    replicas: list[dict[str, Any]] = field(default_factory=list)
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One state of the file that was accepted or rejected."""

    revision: int
    status: Literal["accepted", "rejected", "reverted"]
    at: str
    holds: bool = False
    digest: str | None = None
    commit: str | None = None
    author: str | None = None
    branch: str | None = None
    actor: str | None = None
    source: str | None = None
    reason: str | None = None
    files: list[dict[str, str]] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What became of going on from a checkpoint.

    Attributes:
        sorties: open sorties that went back to the pool.
        locks: reservations that were taken again.
        requeued: messages that wait again.
        blockers: what could not be restored, in words.
        context: last action, next steps, blockers and files, for whoever goes on; `prompt` is the same as text.
    """

    checkpoint_id: str
    specialist_id: str
    sorties: list[str] = field(default_factory=list)
    locks: list[str] = field(default_factory=list)
    requeued: list[str] = field(default_factory=list)
    blockers: list[str] = field(default_factory=list)
    context: dict[str, Any] = field(default_factory=dict)
    prompt: str = ""
