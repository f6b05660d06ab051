"""What the newer endpoints are given, checked for form; whether it may be done is the desk's to say."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from pydantic import AfterValidator, Field, StringConstraints

from reconciler.api.input import Input
from reconciler.client.documents import Priority, ReviewKind, Urgency, Verdict
from reconciler.work.attempts import FailureCause
from reconciler.work.checkpoints import Trigger

LONGEST_MS = 86_400_000
LONGEST_WAIT_MS = 60_000


def _recordable(value: Any) -> Any:
    """What cannot be written as JSON (half a surrogate pair, a number of a hundred digits) cannot be recorded either."""
    try:
        msgspec.json.encode(value)
    except (UnicodeEncodeError, OverflowError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"this cannot be recorded: {error}") from None
    return value


def _medium() -> Priority:
    return "medium"


Id = Annotated[str, StringConstraints(min_length=1, max_length=200)]
# An id that the caller chooses has to fit into a path as one segment.
NewId = Annotated[str, StringConstraints(max_length=200, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:@-]*$")]
Text = Annotated[str, StringConstraints(max_length=20_000)]
Title = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Facts = Annotated[dict[str, Any], AfterValidator(_recordable)]
Attempt = Annotated[int, Field(ge=0, le=1_000_000)]
Milliseconds = Annotated[int, Field(ge=0, le=LONGEST_MS)]
Count = Annotated[int, Field(ge=0, le=2**53)]


class Register(Input):
    """A specialist that makes itself known; `anew`: it has just started, and what the log says it holds goes back."""

    name: Title
    specialist_id: NewId | None = None
    capabilities: list[Word] = Field(default_factory=list, max_length=200)
    metadata: Facts = Field(default_factory=dict)
    anew: bool = False


class ChangeSpecialist(Input):
    """What is to be known of a specialist from now on; what is left out stays."""

    name: Title | None = None
    capabilities: list[Word] | None = Field(default=None, max_length=200)
    metadata: Facts | None = None
    draining: Literal[True] | None = None


class Heartbeat(Input):
    """A sign of life."""

    status: Literal["active", "busy", "idle"] | None = None
    current_sortie: Id | None = None
    metrics: dict[Word, Annotated[float, Field(allow_inf_nan=False)]] | None = None


class CompleteSpecialist(Input):
    """The end of a specialist."""

    reason: Literal["success", "error", "timeout", "cancelled"] = "success"
    summary: Text = ""


class Spawn(Input):
    """A specialist that is to be started."""

    name: Title
    mission_id: Id | None = None
    sortie_id: Id | None = None
    config: Facts | None = None


class CreateSortie(Input):
    """A task. `metadata` may say `depends_on`, `requires`, `files`, `run`, `prompt`, `retries`, `timeout_ms`, `review`."""

    title: Title
    mission_id: Id | None = None
    description: Text = ""
    priority: Priority = "medium"
    assigned_to: Word | None = None
    metadata: Facts = Field(default_factory=dict)


class ChangeSortie(Input):
    """What is to change; what is left out stays. `assigned_to` null is for anybody."""

    title: Title = Field(default_factory=str)
    description: Text = Field(default_factory=str)
    priority: Priority = Field(default_factory=_medium)
    assigned_to: Word | None = None
    metadata: Facts = Field(default_factory=dict)


class ClaimSortie(Input):
    """A specialist asks for something to do, and may wait for it."""

    specialist_id: Id
    lease_ms: Annotated[int, Field(ge=1_000, le=LONGEST_MS)] = 60_000
    wait_ms: Annotated[int, Field(ge=0, le=LONGEST_WAIT_MS)] = 0


class ByWhom(Input):
    """Whom a sortie is given to."""

    specialist_id: Id


class StartSortie(Input):
    """The begin of an attempt; `lease_ms` 0 holds it without end."""

    specialist_id: Id
    lease_ms: Milliseconds = 0


class RenewLease(Input):
    """A hold that is prolonged."""

    specialist_id: Id
    attempt: Attempt
    lease_ms: Annotated[int, Field(ge=1_000, le=LONGEST_MS)] = 60_000


class Progress(Input):
    """How far the work is."""

    specialist_id: Id
    progress: Annotated[int, Field(ge=0, le=100)]
    attempt: Attempt | None = None
    status_message: Text = ""
    artifacts: list[Text] = Field(default_factory=list, max_length=1_000)


class Block(Input):
    """Why the work cannot go on."""

    specialist_id: Id
    reason: Title
    blocker_type: Literal["sortie", "specialist", "external", "resource"] = "external"
    blocker_id: Id | None = None
    attempt: Attempt | None = None


class Unblock(Input):
    """The work can go on."""

    reason: Text = ""


class Artifact(Input):
    """A file that an attempt made, by the digest of its content."""

    path: Title
    digest: Word
    size: Count


class Cost(Input):
    """What an attempt has used."""

    wall_ms: Count = 0
    tokens: Count = 0
    cost_usd: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] = 0.0


class Result(Input):
    """What came of the work."""

    success: bool
    summary: Text | None = None
    artifacts: list[Text] | None = Field(default=None, max_length=1_000)
    metrics: Facts | None = None


class CompleteSortie(Input):
    """A result that is handed in."""

    specialist_id: Id
    result: Result
    attempt: Attempt | None = None
    artifacts: list[Artifact] = Field(default_factory=list, max_length=1_000)
    cost: Cost = Field(default_factory=Cost)


class FailSortie(Input):
    """An attempt without success, or a sortie that is handed back."""

    specialist_id: Id
    error: Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
    cause: FailureCause = "error"
    attempt: Attempt | None = None
    retry_after_ms: Milliseconds = 0
    cost: Cost = Field(default_factory=Cost)


class RequestReview(Input):
    """Work that is handed to a reviewer."""

    specialist_id: Id
    result: Result | None = None
    attempt: Attempt | None = None


class Nothing(Input):
    """Nothing more needs to be said."""


class CreateMission(Input):
    """A mission that the file does not declare."""

    title: Title
    description: Text = ""
    priority: Priority = "medium"
    metadata: Facts = Field(default_factory=dict)


class ChangeMission(Input):
    """What is to change; what is left out stays."""

    title: Title = Field(default_factory=str)
    description: Text = Field(default_factory=str)
    priority: Priority = Field(default_factory=_medium)
    metadata: Facts = Field(default_factory=dict)


class CompleteMission(Input):
    """A mission that is ended by hand."""

    summary: Text = ""


class CancelMission(Input):
    """A mission that is not wanted any more."""

    reason: Text = ""


class Decompose(Input):
    """A goal that is to be divided into sorties; without files, those of the project."""

    goal: Title
    files: list[Title] | None = Field(default=None, max_length=20_000)
    strategy: Literal["file-based", "feature-based", "risk-based", "research-based"] | None = None


class StartReview(Input):
    """A review that begins."""

    sortie_id: Id
    reviewer_id: Id
    review_type: ReviewKind | None = None


class Issue(Input):
    """Something that a review found."""

    severity: Literal["info", "warning", "error", "critical"]
    message: Text
    location: Text | None = None


class CompleteReview(Input):
    """A verdict."""

    reviewer_id: Id
    verdict: Verdict
    feedback: Text = ""
    issues: list[Issue] = Field(default_factory=list, max_length=1_000)
    cost: Cost = Field(default_factory=Cost)


class AbandonReview(Input):
    """A review that gives no verdict."""

    reviewer_id: Id
    reason: Title
    cost: Cost = Field(default_factory=Cost)


class SendMessage(Input):
    """A message; under its own `message_id` it may be sent again, and is one message."""

    mailbox_id: Id
    content: Facts
    message_type: Word = "note"
    sender_id: Id | None = None
    thread_id: Id | None = None
    priority: Urgency = "normal"
    message_id: NewId | None = None


class ReadMessage(Input):
    """Who has read it."""

    reader_id: Id


class AckMessage(Input):
    """Who has dealt with it, and how."""

    acker_id: Id
    response: Facts | None = None


class OpenThread(Input):
    """A conversation."""

    participants: list[Id] = Field(min_length=1, max_length=200)
    title: Text = ""


class ThreadStep(Input):
    """Who joins, leaves or closes a conversation."""

    actor_id: Id


class CreateCheckpoint(Input):
    """What a specialist is about: `context` has `current_sortie`, `working_files`, `notes` and what else there is."""

    specialist_id: Id
    context: Facts = Field(default_factory=dict)
    mission_id: Id | None = None
    note: Text = ""
    trigger: Trigger = "manual"
    ttl_hours: Annotated[float, Field(gt=0, le=87_600, allow_inf_nan=False)] | None = None


class Recover(Input):
    """Who goes on from a checkpoint; who made it, when left out."""

    specialist_id: Id | None = None


class Apply(Input):
    """How the fleet is to be made what its file says.

    Attributes:
        confirm: yes to a plan that destroys more than `reconcile.max_destroy` allows.
        wait: until every service that was touched is ready.
        wait_lease_ms: how long to wait for another writer.
        timeout_ms: for the whole; 0 is without bound.
    """

    targets: list[Word] = Field(default_factory=list, max_length=200)
    exclude: list[Word] = Field(default_factory=list, max_length=200)
    tags: list[Word] = Field(default_factory=list, max_length=200)
    skip_tags: list[Word] = Field(default_factory=list, max_length=200)
    confirm: bool = False
    wait: bool = True
    wait_lease_ms: Milliseconds = 0
    timeout_ms: Milliseconds = 0
    override_freeze: bool = False


class Rollback(Input):
    """A revision to go back to; 0 is the one before."""

    revision: Annotated[int, Field(ge=0, le=2**31)] = 0
    why: Text = ""
    wait: bool = True
    wait_lease_ms: Milliseconds = 0
    timeout_ms: Milliseconds = 0


class Suspend(Input):
    """What is to be left alone: `service/web`, `service/web/2`, or everything when empty; `for_ms` 0 is without end."""

    resource: Annotated[str, StringConstraints(max_length=200)] = ""
    why: Title
    for_ms: Annotated[int, Field(ge=0, le=366 * LONGEST_MS)] = 0


class Resume(Input):
    """What is to be looked after again."""

    resource: Annotated[str, StringConstraints(max_length=200)] = ""
    why: Text = ""


class RunMission(Input):
    """A mission of the file, by its name there."""

    name: Id
