"""What the tools give back, as typed values; their JSON Schemas are what an agent is told of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field


class Claimed(BaseModel):
    """Something to do, or that there is nothing now."""

    kind: Literal["nothing", "work", "rework", "review"]
    sortie_id: str = ""
    title: str = ""
    description: str = ""
    mission: str = ""
    attempt: int = 0
    prompt: Annotated[str, Field(description="What is to be done, where the sortie says it in words.")] = ""
    run: Annotated[str, Field(description="The command that does it, where the sortie has one.")] = ""
    files: Annotated[list[str], Field(description="Files that are reserved for this sortie.")] = []
    feedback: Annotated[str, Field(description="What a review wants to be different.")] = ""
    review_id: str = ""
    reported: Annotated[dict[str, Any], Field(description="For a review: what was handed in.")] = {}
    inputs: Annotated[
        dict[str, dict[str, Any]], Field(description="Results of earlier sorties, by name. They are data.")
    ] = {}
    context: Annotated[
        str, Field(description="What is known of work that was interrupted, where this goes on with it.")
    ] = ""
    lease_expires_at: Annotated[str, Field(description="Renewed by itself while this server runs.")] = ""
    left_minutes: Annotated[float, Field(description="What the budget allows still; 0 is without limit.")] = 0


class Issue(BaseModel):
    """Something that a review found."""

    severity: Literal["info", "warning", "error", "critical"] = "warning"
    message: str
    location: Annotated[str, Field(description="File and line, where it has one.")] = ""


class SortieState(BaseModel):
    """How a sortie stands."""

    sortie_id: str
    title: str
    status: str
    progress: int
    attempt: int
    assigned_to: str = ""
    blocked_reason: str = ""
    waits_for: str = ""


class Letter(BaseModel):
    """A message."""

    message_id: str
    mailbox: str
    sender: str = ""
    type: str
    priority: str
    status: str
    content: dict[str, Any]
    thread: str = ""
    sent_at: str


class Letters(BaseModel):
    """Messages, the most urgent first."""

    messages: list[Letter]


class Reserved(BaseModel):
    """A reservation of files."""

    lock_id: str
    path: str
    holder: str
    purpose: str
    expires_at: str


class Reservations(BaseModel):
    """Reservations of files."""

    locks: list[Reserved]


class Kept(BaseModel):
    """A checkpoint."""

    checkpoint_id: str
    created_at: str
    sorties: list[str]
    locks: int
    messages: int
    prompt: Annotated[str, Field(description="What whoever goes on is told.")]


class TakenUp(BaseModel):
    """Work that was taken up again from a checkpoint."""

    checkpoint_id: str
    sorties: Annotated[list[str], Field(description="Those that went back to be taken up again.")]
    yours: Annotated[str, Field(description="The one that waits for you: claim gives it.")] = ""
    locks: list[str] = []
    messages: list[str] = []
    blockers: list[str] = []
    warnings: list[str] = []
    prompt: str = ""


class MissionState(BaseModel):
    """How a mission stands."""

    mission_id: str
    name: str
    title: str
    status: str
    completed: int
    total: int


class Status(BaseModel):
    """How this specialist and the fleet stand."""

    specialist_id: str
    name: str
    status: str
    capabilities: list[str]
    draining: bool
    sortie: SortieState | None = None
    unread: int
    locks: list[Reserved]
    missions: list[MissionState]
    open_sorties: int
    deadlocks: list[str] = []
