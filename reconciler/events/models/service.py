"""Events of one service: what is wanted of it, what was decided about it, and what became of its containers.

An intent is `action_intended`; everything else that Fleet does itself is an outcome and names that intent as its cause.
`container_exited`, `container_vanished`, `container_paused` and events with `external` are what Fleet saw but did not do.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from reconciler.events.models.base import (
    Count,
    Document,
    DurationMs,
    EventModel,
    ListOf,
    PositiveMs,
    Replica,
    Text,
    UnixMs,
)

ContainerState = Literal["created", "running", "paused", "exited"]
Health = Literal["starting", "healthy", "unhealthy"]


class ServiceDefined(EventModel):
    """A service is new in the file or its block changed; `digest` stands for what makes its containers."""

    service: Text
    digest: Text
    definition: Document
    revision: Count | None = None


class ServiceRemoved(EventModel):
    """The service's block has left the file and its containers are gone."""

    service: Text


class ServiceReverted(EventModel):
    """A definition never became healthy; `to_digest`, the last good one, holds again until the block is edited."""

    service: Text
    digest: Text
    to_digest: Text
    definition: Document
    why: str
    intent_id: Text | None = None


class ServiceStopRequested(EventModel):
    """Somebody wants the service down until further notice."""

    service: Text


class ServiceStartRequested(EventModel):
    """Somebody wants a stopped service up again."""

    service: Text


class ReasonChange(EventModel):
    """One field that differs; values as documents, masked."""

    path: Text
    old: Any = None
    new: Any = None


class ActionReason(EventModel):
    """Why an action was decided: a code for programs, a sentence for people, the fields that differ."""

    code: Text
    text: str
    changes: ListOf[ReasonChange] = Field(default_factory=list)


class ActionIntended(EventModel):
    """An action was decided and is about to be tried."""

    action: Text
    resource: Text
    replica: Replica | None = None
    reason: ActionReason
    apply_id: Text
    digest: Text | None = None


class ActionFailed(EventModel):
    """An action was tried and did not work."""

    action: Text
    resource: Text
    replica: Replica | None = None
    intent_id: Text
    error: str
    apply_id: Text


class ActionSkipped(EventModel):
    """An action was not tried because one that it needs did not succeed."""

    action: Text
    resource: Text
    replica: Replica | None = None
    because: str
    apply_id: Text


class _Container(EventModel):
    """The three fields that name a container."""

    service: Text
    replica: Replica
    container_id: Text


class ContainerCreated(_Container):
    """Fleet made a container; it does not run yet."""

    name: Text
    digest: Text
    image: Text
    image_id: str
    intent_id: Text


class ContainerStarted(_Container):
    """A container runs. `external` says that something other than Fleet started it."""

    external: bool = False
    intent_id: Text | None = None


class ContainerStopped(_Container):
    """Fleet stopped a container."""

    exit_code: int | None = None
    intent_id: Text | None = None


class ContainerExited(_Container):
    """A container ended by itself or by somebody's hand."""

    exit_code: int
    oom_killed: bool = False
    exited_at: UnixMs | None = None


class ContainerRemoved(_Container):
    """Fleet removed a container."""

    intent_id: Text | None = None


class ContainerVanished(_Container):
    """A container is gone and Fleet did not remove it."""


class ContainerFound(_Container):
    """A container carries this fleet's labels and the log did not know it: a crash came between act and outcome."""

    name: Text
    digest: str
    image: str
    image_id: str
    state: ContainerState
    intent_id: Text | None = None


class ContainerUpdated(_Container):
    """Limits of a running container were changed in place; `resources` are the limits it has now."""

    resources: Document
    intent_id: Text | None = None


class ContainerRenamed(_Container):
    """Fleet gave a container another name."""

    name: Text
    intent_id: Text | None = None


class ContainerAdopted(_Container):
    """A container that ran already was taken over; the log remembers its id in place of labels."""

    name: Text
    digest: Text
    image: str
    image_id: str
    previous_name: str | None = None
    state: ContainerState = "running"
    intent_id: Text | None = None


class ContainerPaused(_Container):
    """A container was paused; Fleet never pauses any itself."""

    external: bool = True


class ContainerHealthChanged(_Container):
    """The health check's verdict changed."""

    health: Health
    previous: Health | Literal[""] | None = None
    output: str | None = None


class ContainerDrifted(_Container):
    """Something about a container was changed by hand and is not as Fleet made it."""

    field: Text
    expected: Any = None
    actual: Any = None


class JobCompleted(_Container):
    """A job ended; with exit code 0 its definition needs no further run."""

    exit_code: int
    digest: Text


class BackoffStarted(EventModel):
    """A container keeps failing; it is left alone until `until`."""

    service: Text
    replica: Replica
    failures: Count
    delay_ms: DurationMs
    until: UnixMs


class BackoffReset(EventModel):
    """A container has run long enough for its failures to be forgotten."""

    service: Text
    replica: Replica


class RestartAbandoned(EventModel):
    """Fleet gave up restarting a container."""

    service: Text
    replica: Replica
    failures: Count
    why: str


class FlappingDetected(EventModel):
    """A container keeps changing back and forth; `suspect` names who else may be steering it."""

    service: Text
    replica: Replica
    changes: Count
    window_ms: PositiveMs
    suspect: str | None = None
