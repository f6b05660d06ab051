"""Events of the fleet as a whole: revisions of its file, plans and applies, shared resources, suspensions, handlers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from reconciler.events.models.base import Count, Document, DurationMs, EventModel, ListOf, Text, UnixMs


class RevisionFile(EventModel):
    """One file that a revision was loaded from."""

    path: Text
    digest: Text


class RevisionAccepted(EventModel):
    """The file was valid and is what the fleet should become."""

    revision: Count
    digest: Text
    document: Document
    inputs: Document = Field(default_factory=dict)
    files: ListOf[RevisionFile] = Field(default_factory=list)
    commit: str | None = None
    author: str | None = None
    branch: str | None = None
    reason: str | None = None


class RevisionProblem(EventModel):
    """One thing that is wrong in a file; `line` and `column` are 0 where it has no place in the text."""

    file: str
    line: Count = 0
    column: Count = 0
    path: str = ""
    message: str
    hint: str = ""


class RevisionRejected(EventModel):
    """The file was wrong; nothing follows from it."""

    revision: Count
    digest: Text | None = None
    problems: ListOf[RevisionProblem]
    commit: str | None = None
    author: str | None = None


class RevisionReverted(EventModel):
    """`revision` was taken back in favour of `to_revision`."""

    revision: Count
    to_revision: Count
    why: str | None = None
    automatic: bool = False


class ApplyStarted(EventModel):
    """A plan began to be carried out; the counts are its actions."""

    apply_id: Text
    revision: Count
    plan_digest: Text
    creates: Count = 0
    updates: Count = 0
    replaces: Count = 0
    starts: Count = 0
    stops: Count = 0
    deletes: Count = 0
    adopts: Count = 0
    target: ListOf[str] | None = None


class ApplyCompleted(EventModel):
    """A plan was carried out, or ended early; `left_off` says where."""

    apply_id: Text
    status: Literal["succeeded", "failed", "interrupted", "timed_out"]
    done: Count
    failed: Count
    skipped: Count
    duration_ms: DurationMs
    left_off: str | None = None


class PlanConfirmed(EventModel):
    """Somebody or something said yes to a plan."""

    plan_digest: Text
    confirmed_by: Text
    how: Literal["prompt", "flag", "policy"]


class PlanRefused(EventModel):
    """A saved plan was not carried out because what it was computed on has moved."""

    plan_digest: Text
    moved: ListOf[str]


class _Network(EventModel):
    network: Text
    engine_name: Text


class NetworkCreated(_Network):
    """Fleet made a network; older logs do not say how."""

    internal: bool | None = None
    subnet: str | None = None


class NetworkRemoved(_Network):
    """Fleet removed a network."""


class NetworkVanished(_Network):
    """A network is gone and Fleet did not remove it."""


class _Volume(EventModel):
    volume: Text
    engine_name: Text


class VolumeCreated(_Volume):
    """Fleet made a volume."""


class VolumeVanished(_Volume):
    """A volume is gone; Fleet never removes any."""


class ImagePulled(EventModel):
    """An image was fetched, or found to be here; `image_id` is what the reference points to now."""

    image: Text
    image_id: Text


class ImageBuilt(EventModel):
    """An image was built from the context that `build_digest` stands for."""

    image: Text
    image_id: Text
    build_digest: Text


class HandlerNotified(EventModel):
    """A change of a service asks for a handler at the end of the apply."""

    handler: Text
    service: Text


class HandlerCompleted(EventModel):
    """A handler ran; it is no longer pending."""

    handler: Text


class HandlerFailed(EventModel):
    """A handler did not work; it stays pending for the next apply."""

    handler: Text
    error: str


class ResourceSuspended(EventModel):
    """A resource, or the whole fleet where `resource` is empty, is left alone until resumed."""

    resource: str
    why: str
    until: UnixMs | None = None


class ResourceResumed(EventModel):
    """A suspension ended."""

    resource: str
    why: str | None = None


class DriftIgnored(EventModel):
    """A difference is accepted as it is; `field` may be `*`. `by_file`: a rule of the file was seen to hide it."""

    resource: Text
    field: Text
    why: str | None = None
    until: UnixMs | None = None
    by_file: bool = False


class ResourceMoved(EventModel):
    """A resource has another address; what runs for it stays."""

    from_resource: Text
    to_resource: Text
