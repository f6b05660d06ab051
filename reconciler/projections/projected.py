"""Projected: what the log says about services, as typed values that the difference is computed from.

Read with one scan a table. Definitions stay documents until something asks for the typed value, so that a thousand
services which have nothing to do cost little; the values are msgspec structs for the same reason (`structs.replace`
makes a changed copy).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Literal

from msgspec import Struct, field

from reconciler.projections.pools import ProjectedPool, pools_of
from reconciler.projections.rows import Row, Rows
from reconciler.spec.desired import ServiceSpec, service_from_document

ContainerState = Literal["created", "running", "paused", "exited", "missing"]


# Engines count in seconds, and a machine's clock is corrected by a little all the time.
_CORRECTION_MS = 60_000


def put_back(now_ms: int, then_ms: int) -> bool:
    """Whether the clock was put back since a time that it showed once."""
    return now_ms < then_ms - _CORRECTION_MS


class ProjectedContainer(Struct, frozen=True):
    """One container of one replica, as the log knows it.

    Attributes:
        key: its row's key; it holds a `+` for a second container of the same replica.
        digest: the definition it was made from, a key of `Projected.definitions`.
        resources: the limits it has now, as a document of `Resources`.
        external: its last change of state was not Fleet's doing.
        cause_event: hex of the event that last changed it.
        completed_digest: for a job, the definition that it completed.
        drift: fields changed by hand, each with `expected` and `actual`.
        created_at, started_at, changed_at: Unix ms.
        made: the log's position at which it was made or found.
        limits_changed: its limits were changed in place since.
    """

    key: str
    service: str
    replica: int
    container_id: str
    name: str
    digest: str
    image: str = ""
    image_id: str = ""
    state: ContainerState = "running"
    exit_code: int | None = None
    health: str = ""
    resources: dict[str, Any] = field(default_factory=dict)
    adopted: bool = False
    external: bool = False
    intent_id: str | None = None
    created_at: int = 0
    started_at: int | None = None
    changed_at: int = 0
    cause_event: str = ""
    completed_digest: str | None = None
    drift: dict[str, Any] = field(default_factory=dict)
    made: int = 0
    limits_changed: bool = False

    @property
    def second(self) -> bool:
        """True for a further container of a replica that has one already."""
        return "+" in self.key


class ProjectedService(Struct, frozen=True, dict=True):
    """A service as it was last defined. `definition` is decoded when first asked for.

    `reverted` is the digest of a definition that was tried and taken back: it is not tried again until it is edited or a
    person asks for the service.
    """

    name: str
    document: dict[str, Any]
    digest: str
    wanted: Literal["up", "down"] = "up"
    revision: int | None = None
    defined_at: int = 0
    reverted: str | None = None

    @cached_property
    def definition(self) -> ServiceSpec:
        """The typed value of `document`."""
        return service_from_document(self.document)


class ProjectedBackoff(Struct, frozen=True):
    """A replica that is left alone until `until` (Unix ms), or for good when `abandoned`."""

    failures: int
    delay_ms: int = 0
    until: int | None = None
    abandoned: bool = False
    since: int = 0

    @property
    def began(self) -> int:
        """When the failure happened that it follows (Unix ms)."""
        return (self.until or 0) - self.delay_ms

    def holds(self, now_ms: int) -> bool:
        """Whether the replica is to be left alone now. One that is to begin in the future is over: the clock was put back."""
        return self.abandoned or (not put_back(now_ms, self.began) and now_ms < (self.until or 0))


class ProjectedIntent(Struct, frozen=True):
    """An action that was begun and has not ended; after a crash, what may be half done."""

    intent_id: str
    action: str
    resource: str
    replica: int | None
    apply_id: str
    digest: str | None = None
    reason: dict[str, Any] = field(default_factory=dict)
    at: int = 0


class ProjectedSuspension(Struct, frozen=True):
    """A resource (empty: the fleet) that is left alone; `until` in Unix ms, None for until resumed."""

    resource: str
    why: str
    until: int | None = None
    actor: str | None = None
    at: int = 0


class ProjectedNetwork(Struct, frozen=True):
    """How a network was made, and the log's position at which; None is what an older log does not say."""

    internal: bool | None = None
    subnet: str | None = None
    made: int = 0


class ProjectedMission(Struct, frozen=True):
    """The last run of a mission that the file declares or has declared.

    Attributes:
        name: what the file calls it.
        run: from 1.
        definition: the document of the `MissionSpec` that this run started with; None when it never started.
        total, completed: how many sorties it has, and how many of them are completed.
        reason: why it is in its status, where something was said.
    """

    name: str
    mission_id: str
    run: int
    status: str
    title: str
    description: str
    priority: str
    parallel: int
    definition: dict[str, Any] | None = None
    total: int = 0
    completed: int = 0
    reason: str = ""

    @property
    def ended(self) -> bool:
        """Completed, failed or cancelled."""
        return self.status in ("completed", "failed", "cancelled")


class ProjectedImage(Struct, frozen=True):
    """What an image reference was last pulled or built as."""

    image: str
    image_id: str
    build_digest: str | None = None
    how: Literal["pulled", "built"] = "pulled"


class RevisionHead(Struct, frozen=True):
    """The revision that holds now (0: none yet), its digest, and the highest number in use, rejected ones included."""

    revision: int = 0
    digest: str = ""
    latest: int = 0


class Projected(Struct, frozen=True):
    """Everything the log says that a plan may depend on.

    Attributes:
        services: by name.
        containers: by service, ordered by replica.
        definitions: container digest to the document it stands for; those of services and of known containers.
        networks, volumes: key in the file to the engine's name.
        made_networks: key in the file to how the network was made.
        images: by reference.
        suspensions: by resource; the empty one is the whole fleet.
        drift_ignores: (resource, field) to Unix ms until which it is ignored, None for ever.
        hidden_drifts: (replica's address, field) to the why and the end of the file's rule that was seen to hide it.
        backoffs: by `<service>/<replica>`, and `specialist/<pool>/<replica>`.
        intents: open ones by hex id.
        handlers: pending ones to the services that asked.
        missions: the last run of each that the file declares or has declared, by its name there.
        pools: declared specialists by name, with their processes.
        head: the revision that holds.
        sequence: the log's position that all of this belongs to.
    """

    services: Mapping[str, ProjectedService] = field(default_factory=dict)
    containers: Mapping[str, tuple[ProjectedContainer, ...]] = field(default_factory=dict)
    definitions: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    networks: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)
    made_networks: Mapping[str, ProjectedNetwork] = field(default_factory=dict)
    images: Mapping[str, ProjectedImage] = field(default_factory=dict)
    suspensions: Mapping[str, ProjectedSuspension] = field(default_factory=dict)
    drift_ignores: Mapping[tuple[str, str], int | None] = field(default_factory=dict)
    hidden_drifts: Mapping[tuple[str, str], tuple[str, int | None]] = field(default_factory=dict)
    backoffs: Mapping[str, ProjectedBackoff] = field(default_factory=dict)
    intents: Mapping[str, ProjectedIntent] = field(default_factory=dict)
    handlers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    missions: Mapping[str, ProjectedMission] = field(default_factory=dict)
    pools: Mapping[str, ProjectedPool] = field(default_factory=dict)
    head: RevisionHead = RevisionHead()
    sequence: int = 0

    def all_containers(self) -> Iterator[ProjectedContainer]:
        """Every container, by service and replica."""
        for name in sorted(self.containers):
            yield from self.containers[name]


def project(rows: Rows, *, sequence: int) -> Projected:
    """Read the rows into values; read-only.

    Args:
        sequence: the log's head that the rows belong to.
    """
    services = {name: _service(name, row) for name, row in rows.scan("services")}
    containers = _containers(rows)
    return Projected(
        services=services,
        containers=containers,
        definitions=_definitions(rows, services, containers),
        networks={name: row["engine_name"] for name, row in rows.scan("networks")},
        volumes={name: row["engine_name"] for name, row in rows.scan("volumes")},
        made_networks={
            name: ProjectedNetwork(row["internal"], row["subnet"], row["made"]) for name, row in rows.scan("networks")
        },
        images={
            name: ProjectedImage(name, row["image_id"], row["build_digest"], row["how"])
            for name, row in rows.scan("images")
        },
        suspensions={
            name: ProjectedSuspension(name, row["why"], row["until"], row["actor"], row["at"])
            for name, row in rows.scan("suspensions")
        },
        drift_ignores={(row["resource"], row["field"]): row["until"] for _, row in rows.scan("drift_ignores")},
        hidden_drifts={
            (row["resource"], row["field"]): (row["why"] or "", row["until"]) for _, row in rows.scan("hidden_drifts")
        },
        backoffs={key: _backoff(row) for key, row in rows.scan("backoffs")},
        intents={key: _intent(key, row) for key, row in rows.scan("intents")},
        handlers={name: tuple(row["notified_by"]) for name, row in rows.scan("handlers")},
        missions=_missions(rows),
        pools=pools_of(rows),
        head=_head(rows),
        sequence=sequence,
    )


def _service(name: str, row: Row) -> ProjectedService:
    return ProjectedService(
        name=name,
        document=row["definition"],
        digest=row["digest"],
        wanted=row["wanted"],
        revision=row["revision"],
        defined_at=row["defined_at"],
        reverted=row.get("reverted"),
    )


def _containers(rows: Rows) -> dict[str, tuple[ProjectedContainer, ...]]:
    found: dict[str, list[ProjectedContainer]] = {}
    for key, row in rows.scan("containers"):
        found.setdefault(row["service"], []).append(_container(key, row))
    return {
        service: tuple(sorted(replicas, key=lambda one: (one.replica, one.key))) for service, replicas in found.items()
    }


def _container(key: str, row: Row) -> ProjectedContainer:
    return ProjectedContainer(
        key,
        row["service"],
        row["replica"],
        row["container_id"],
        row["name"],
        row["digest"],
        row["image"],
        row["image_id"],
        row["state"],
        row["exit_code"],
        row["health"],
        row["resources"],
        bool(row["adopted"]),
        bool(row["external"]),
        row["intent_id"],
        row["created_at"],
        row["started_at"],
        row["changed_at"],
        row["cause_event"],
        row["completed_digest"],
        row["drift"],
        row["made"],
        bool(row.get("limits_changed")),
    )


def _definitions(
    rows: Rows, services: Mapping[str, ProjectedService], containers: Mapping[str, tuple[ProjectedContainer, ...]]
) -> dict[str, dict[str, Any]]:
    """Of the older definitions, which pile up, only those that a container still stands on are read."""
    documents = {service.digest: service.document for service in services.values()}
    for replicas in containers.values():
        for container in replicas:
            if container.digest not in documents:
                row = rows.get("definitions", container.digest)
                if row is not None:
                    documents[container.digest] = row["definition"]
    return documents


def _backoff(row: Row) -> ProjectedBackoff:
    return ProjectedBackoff(row["failures"], row["delay_ms"], row["until"], bool(row["abandoned"]), row["since"])


def _intent(key: str, row: Row) -> ProjectedIntent:
    return ProjectedIntent(
        key, row["action"], row["resource"], row["replica"], row["apply_id"], row["digest"], row["reason"], row["at"]
    )


def _missions(rows: Rows) -> dict[str, ProjectedMission]:
    found: dict[str, ProjectedMission] = {}
    for key, row in rows.scan("missions"):
        facts = row["metadata"]
        if not facts.get("declared"):
            continue
        name, run = facts["name"], facts.get("run", 1)
        if name not in found or run > found[name].run:
            found[name] = ProjectedMission(
                name,
                key,
                run,
                row["status"],
                row["title"],
                row["description"] or "",
                row["priority"],
                facts.get("parallel", 0),
                row["definition"],
                row["total_sorties"],
                row["completed_sorties"],
                row["reason"] or "",
            )
    return found


def _head(rows: Rows) -> RevisionHead:
    """A log belongs to one project; after a change of the fleet's name the last one written to is meant."""
    last = max((row for _, row in rows.scan("fleets")), key=lambda row: int(row["last_event_sequence"]), default=None)
    return RevisionHead(last["revision"], last["digest"], last["latest"]) if last is not None else RevisionHead()
