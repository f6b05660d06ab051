"""What the HTTP interface answers about the fleet itself, as plain values. The command line's `--json` has the same form."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionHead:
    """The revision that holds."""

    revision: int
    at: str | None = None
    digest: str | None = None
    commit: str | None = None
    author: str | None = None
    actor: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the three views of a replica; what is not known of it is left out."""

    state: str
    digest: str = ""
    image: str = ""
    name: str = ""
    container_id: str = ""
    health: str = ""
    exit_code: int | None = None
    since: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One replica as it is wanted, as the log has it and as it is."""

    resource: str
    replica: int
    agrees: bool
    desired: Side
    projected: Side
    observed: Side
    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """A resource that is left alone; `resource` is empty for the whole fleet, `until` is None without end."""

    resource: str
    why: str | None = None
    actor: str | None = None
    until: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What could be read."""

    desired: bool
    observed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """A freeze window that holds."""

    until: str | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The whole fleet; more than is listed here may be in the answer."""

    fleet: str | None
    project: str
    directory: str
    file: str
    database: str
    sequence_number: int
    known: Known
    revision: RevisionHead | None = None
    services: list[Replica] = field(default_factory=list)
    suspensions: list[Suspension] = field(default_factory=list)
    frozen: Freeze | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """One field of one resource that is not as the log has it; `ignored` is why it is left alone."""

    resource: str
    field: str
    expected: Any = None
    actual: Any = None
    external: bool = True
    cause: str = ""
    since: str | None = None
    recorded: bool = False
    ignored: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoreRule:
    """A rule by which drift is left alone."""

    resource: str
    field: str
    why: str | None = None
    until: str | None = None
    source: str = ""
    expired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What the world changed against the log; `drifted` leaves out what is ignored."""

    fleet: str
    drifted: bool
    drifts: list[Drifted] = field(default_factory=list)
    ignores: list[IgnoreRule] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEvent:
    """An event of the log."""

    sequence_number: int
    event_id: str
    event_type: str
    stream_type: str
    stream_id: str
    version: int
    data: dict[str, Any]
    correlation_id: str
    metadata: dict[str, Any]
    occurred_at: str
    recorded_at: str
    schema_version: int
    hash: str
    causation_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One event of a chain of causes, and what it says."""

    text: str
    event: RecordedEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Why one resource or replica is as it is: newest event first, back to the root."""

    resource: str
    summary: str
    changes: list[dict[str, Any]] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """A revision of the file, or an apply of one."""

    kind: Literal["revision", "apply"]
    revision: int
    result: str
    sequence_number: int
    at: str | None = None
    actor: str | None = None
    author: str | None = None
    source: str | None = None
    commit: str | None = None
    detail: str = ""
    apply_id: str = ""
    duration_ms: int | None = None
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAction:
    """An action that failed or was skipped, and why."""

    id: str
    resource: str
    why: str
    skipped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What an apply came to.

    Attributes:
        status: `unchanged` when there was nothing to do, `recorded` when only what was seen was recorded.
        plan: what was carried out, by the schema plan.v1.json.
        left_off: the first action that was not begun, when it ended early.
    """

    status: Literal["unchanged", "recorded", "succeeded", "failed", "interrupted", "timed_out"]
    plan: dict[str, Any]
    apply_id: str = ""
    done: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    failures: list[FailedAction] = field(default_factory=list)
    reverted: list[str] = field(default_factory=list)
    left_off: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedField:
    """One field that differs; values that are named like secrets are covered."""

    path: str
    old: Any = None
    new: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What differs about one resource; `resource` is empty for the fleet's own settings."""

    resource: str
    kind: Literal["added", "removed", "changed"]
    changes: list[ChangedField] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two revisions, and everything that differs in meaning."""

    old: int
    new: int
    differences: list[Difference] = field(default_factory=list)
