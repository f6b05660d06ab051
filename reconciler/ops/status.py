"""Status: what is desired, what the log says and what the runtime shows, replica by replica. Pure: values in, values out.

What could not be read is unknown, which is never the same as absent: an unknown side disagrees with nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from reconciler.plan.reasons import counted, moment
from reconciler.projections.projected import Projected, ProjectedContainer, ProjectedService, ProjectedSuspension
from reconciler.runtime.model import LABEL_DIGEST, LABEL_REPLICA, LABEL_RESOURCE, Observed, ObservedContainer
from reconciler.spec.desired import Desired, ServiceSpec
from reconciler.spec.roles import definition_digest

UNKNOWN = "unknown"
ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the three views of a replica.

    Attributes:
        state: running, exited, created, paused, missing; stopped or completed (desired only); absent; unknown.
        digest: of the definition it has or should have.
        since: Unix ms of its last change, where known.
    """

    state: str
    digest: str = ""
    image: str = ""
    name: str = ""
    container_id: str = ""
    health: str = ""
    exit_code: int | None = None
    since: int | None = None


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """One replica, three times.

    Attributes:
        differences: where the sides that are known do not say the same, and what follows.
        notes: back-offs, suspensions, changes by hand, actions under way.
    """

    service: str
    replica: int
    desired: Side
    projected: Side
    observed: Side
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """The sides that are known say the same."""
        return not self.differences


@dataclass(frozen=True, slots=True)
class _Slot:
    """A replica and what each side has of it; `extra` for a second container of the same replica."""

    service: str
    replica: int
    spec: ServiceSpec | None = None
    recorded: ProjectedService | None = None
    container: ProjectedContainer | None = None
    seen: ObservedContainer | None = None
    extra: bool = False


def replica_statuses(
    desired: Desired | None, projected: Projected, observed: Observed | None, *, now_ms: int = 0
) -> tuple[ReplicaStatus, ...]:
    """Every replica that any of the three knows, by service and number.

    Args:
        desired: None when the file cannot be read.
        observed: None when the runtime cannot be read.
        now_ms: what has run out by then is not told any more.
    """
    seen = {container.container_id: container for container in observed.containers} if observed is not None else {}
    slots = [*_known(desired, projected, seen), *_strangers(projected, seen)]
    slots.sort(key=lambda slot: (slot.service, slot.replica, slot.extra))
    digests = {name: definition_digest(spec) for name, spec in desired.services.items()} if desired is not None else {}
    return tuple(
        _status(
            slot, projected, digests, file_known=desired is not None, runtime_known=observed is not None, now_ms=now_ms
        )
        for slot in slots
    )


def _known(desired: Desired | None, projected: Projected, seen: Mapping[str, ObservedContainer]) -> Iterator[_Slot]:
    specs = desired.services if desired is not None else {}
    for name in {*specs, *projected.services, *projected.containers}:
        spec, recorded = specs.get(name), projected.services.get(name)
        places = set()
        for container in projected.containers.get(name, ()):
            there = seen.get(container.container_id)
            places.add(container.replica)
            yield _Slot(name, container.replica, spec, recorded, container, there, extra=container.second)
        for replica in range(1, spec.replicas + 1 if spec is not None else 1):
            if replica not in places:
                yield _Slot(name, replica, spec, recorded)


def _strangers(projected: Projected, seen: Mapping[str, ObservedContainer]) -> Iterator[_Slot]:
    """Containers that carry this project's labels and that the log does not know."""
    known = {container.container_id for container in projected.all_containers()}
    for container_id in sorted(seen.keys() - known):
        labels = seen[container_id].labels
        kind, _, service = labels.get(LABEL_RESOURCE, "").partition("/")
        number = labels.get(LABEL_REPLICA, "")
        if kind == "service" and service:
            yield _Slot(service, int(number) if number.isdigit() else 0, seen=seen[container_id], extra=True)


def _status(
    slot: _Slot,
    projected: Projected,
    digests: Mapping[str, str],
    *,
    file_known: bool,
    runtime_known: bool,
    now_ms: int,
) -> ReplicaStatus:
    wanted = _desired_side(slot, digests) if file_known else Side(UNKNOWN)
    status = ReplicaStatus(
        slot.service,
        slot.replica,
        wanted,
        _projected_side(slot.container),
        _observed_side(slot.seen) if runtime_known else Side(UNKNOWN),
    )
    differences = [*_against_file(slot, status), *_against_log(slot, status)]
    return replace(status, differences=tuple(differences), notes=tuple(_circumstances(slot, projected, now_ms)))


def _desired_side(slot: _Slot, digests: Mapping[str, str]) -> Side:
    spec = slot.spec
    if spec is None or slot.replica > spec.replicas or slot.extra:
        return Side(ABSENT)
    down = slot.recorded is not None and slot.recorded.wanted == "down"
    state = "stopped" if down else "completed" if spec.kind == "job" else "running"
    return Side(state, digest=digests[slot.service], image=spec.image)


def _projected_side(container: ProjectedContainer | None) -> Side:
    if container is None:
        return Side(ABSENT)
    return Side(
        container.state,
        container.digest,
        container.image,
        container.name,
        container.container_id,
        container.health,
        container.exit_code,
        container.changed_at,
    )


def _observed_side(seen: ObservedContainer | None) -> Side:
    if seen is None:
        return Side(ABSENT)
    since = seen.exited_at if seen.state == "exited" else seen.started_at
    return Side(
        seen.state,
        seen.labels.get(LABEL_DIGEST, ""),
        seen.image,
        seen.name,
        seen.container_id,
        seen.health,
        seen.exit_code if seen.state == "exited" else None,
        since * 1000 or None,
    )


def _against_file(slot: _Slot, status: ReplicaStatus) -> Iterator[str]:
    """Where what was applied is not what the file asks for."""
    wanted, container = status.desired, slot.container
    if wanted.state == UNKNOWN:
        return
    if container is None:
        if wanted.state not in (ABSENT, "stopped"):
            yield "not applied yet"
        return
    if wanted.state == ABSENT:
        yield "a second container of this replica" if slot.extra else "no longer in the file"
        return
    if container.digest != wanted.digest:
        yield "the file was edited since this container was made"
    elif slot.recorded is not None and slot.spec is not None and slot.spec != slot.recorded.definition:
        yield "settings in the file were edited"
    yield from _unlike(wanted.state, container)


def _unlike(wanted: str, container: ProjectedContainer) -> Iterator[str]:
    """How the state of a container is not the one that is wanted."""
    state = container.state
    if wanted == "running" and state != "running":
        yield _ended(container) if container.external or state == "missing" else f"{state}, not running"
    elif wanted == "stopped" and state in ("running", "paused"):
        yield "asked to stop, and still there"
    elif wanted == "completed" and state == "exited" and container.exit_code:
        yield f"the job failed with exit code {container.exit_code}"
    elif wanted == "completed" and state == "missing":
        yield _ended(container)


def _ended(container: ProjectedContainer) -> str:
    match container.state:
        case "missing":
            return "gone, and Fleet did not remove it"
        case "paused":
            return "paused, and Fleet did not do it"
        case _:
            code = f" with exit code {container.exit_code}" if container.exit_code is not None else ""
            return f"ended{code}, and Fleet did not do it"


def _against_log(slot: _Slot, status: ReplicaStatus) -> Iterator[str]:
    """Where the world is not as the log has it."""
    projected, observed = status.projected, status.observed
    if observed.state == UNKNOWN:
        return
    if slot.container is None:
        if slot.seen is not None:
            yield "runs, and the log does not know it" if observed.state == "running" else "not known to the log"
        return
    gone = observed.state == ABSENT and projected.state != "missing"
    if gone:
        yield "gone since the log was last written"
    elif observed.state not in (ABSENT, projected.state):
        yield f"{observed.state} since the log was last written"
    if observed.health == "unhealthy":
        yield "unhealthy"


def suspension_text(found: ProjectedSuspension) -> str:
    """Who left a resource alone, until when and why."""
    by = f" by {found.actor}" if found.actor else ""
    until = f" until {moment(found.until)}" if found.until is not None else ""
    return f"suspended{by}{until}: {found.why}"


def suspensions(projected: Projected, now_ms: int) -> tuple[ProjectedSuspension, ...]:
    """Those that have not run out, the fleet's own first."""
    return tuple(one for _, one in sorted(projected.suspensions.items()) if one.until is None or one.until > now_ms)


def _circumstances(slot: _Slot, projected: Projected, now_ms: int) -> Iterator[str]:
    address = f"service/{slot.service}"
    for suspension in suspensions(projected, now_ms):
        if suspension.resource in ("", address, f"{address}/{slot.replica}"):
            yield f"{'the fleet is ' if not suspension.resource else ''}{suspension_text(suspension)}"
    backoff = projected.backoffs.get(f"{slot.service}/{slot.replica}")
    if backoff is not None and backoff.abandoned:
        yield f"given up after {counted(backoff.failures, 'failure')}"
    elif backoff is not None and backoff.until is not None and backoff.until > now_ms:
        yield f"waits until {moment(backoff.until)} after {counted(backoff.failures, 'failure')}"
    if slot.container is not None:
        for field in sorted(slot.container.drift):
            yield f"{field} was changed by hand"
    for intent in projected.intents.values():
        if intent.resource == address and intent.replica in (None, slot.replica):
            yield f"begun and not ended: {intent.action.replace('_', ' ')}"
