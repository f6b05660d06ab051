"""The model of the whole file, and of the sections that are settings."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from reconciler.spec.models.base import (
    Duration,
    Flag,
    Listed,
    Name,
    SecretUse,
    Shape,
    Text,
    Whole,
    Words,
)
from reconciler.spec.models.service import Network, Service, Volume
from reconciler.spec.models.work import Mission, Specialist

Plain: TypeAlias = str | int | float | bool | None
Cron: TypeAlias = Annotated[
    str, Field(description="five fields: minute hour day month weekday", examples=["0 3 * * *"])
]


class VariableDeclaration(Shape):
    """A variable in full; without a default it has to be given."""

    type: Literal["string", "integer", "number", "boolean", "list"] | None = None
    default: Plain | list[Plain] = None
    description: str | None = None
    env: str | None = Field(None, description="the environment variable that gives its value")
    choices: list[Plain] | None = None


class Secret(Shape):
    """Where a secret comes from: one of the three. Its value never enters the log, a plan or an error."""

    env: str | None = None
    file: str | None = None
    command: Words | None = None


class HandlerOptions(Shape):
    """What a notify asks for, once, at the end of an apply."""

    restart: Name | None = None
    service: Name | None = None
    command: Words | None = None


class Move(Shape):
    """A resource that has another name now."""

    from_: str = Field(alias="from")
    to: str


class Sink(Shape):
    """Where events are told."""

    events: Listed[str]
    webhook: str | SecretUse | None = None
    command: Words | None = None


class IgnoredDrift(Shape):
    """A difference that is left alone."""

    resource: str
    field: str | None = None
    why: Text | None = None
    until: str | None = None


class Freeze(Shape):
    """When no revision is applied."""

    start: Cron
    duration: Duration
    timezone: str | None = None
    why: Text | None = None


class Reconcile(Shape):
    """How the loop behaves."""

    interval: Duration | None = None
    self_heal: Flag | None = None
    max_destroy: Whole | None = None
    ignore_drift: list[IgnoredDrift] | None = None
    freeze: list[Freeze] | None = None
    debounce: Duration | None = None


class CompactionOptions(Shape):
    """When old events move to the archive."""

    enabled: bool | None = None
    threshold_events: Annotated[int, Field(ge=1)] | None = None
    threshold_age_hours: Annotated[int, Field(ge=1)] | None = None
    schedule: Cron | None = None


class BackupOptions(Shape):
    """When the log is copied, and where to."""

    enabled: bool | None = None
    path: str | None = None
    schedule: Cron | None = None
    keep: Annotated[int, Field(ge=1)] | None = None


class Database(Shape):
    """Where the event log lives; variables cannot be used here, since it is found before they have values."""

    path: str | None = None
    url: str | None = None
    wal_autocheckpoint: Annotated[int, Field(ge=0)] | None = None
    busy_timeout_ms: Annotated[int, Field(ge=0)] | None = None
    cache_size_mb: Annotated[int, Field(ge=1)] | None = None
    durability: Literal["full", "normal"] | None = None
    compaction: CompactionOptions | None = None
    backup: BackupOptions | None = None


class Fleet(Shape):
    """fleet.yaml."""

    version: Literal[1] | None = None
    name: str | None = Field(None, description="the fleet's name, the beginning of engine names")
    include: Listed[str] | None = Field(None, description="files or patterns, inside the project")
    variables: dict[str, VariableDeclaration | Plain | list[Plain]] | None = None
    secrets: dict[str, Secret] | None = None
    services: dict[str, Service] | None = None
    networks: dict[str, Network | None] | None = None
    volumes: dict[str, Volume | None] | None = None
    handlers: dict[str, HandlerOptions] | None = None
    specialists: dict[str, Specialist | None] | None = None
    missions: dict[str, Mission] | None = None
    moved: dict[str, str] | list[Move] | None = None
    notifications: list[Sink] | None = None
    reconcile: Reconcile | None = None
    database: Database | None = None
