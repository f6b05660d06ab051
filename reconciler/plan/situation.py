"""Everything that one difference is computed from, under the names that the file uses now, and the questions about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

import msgspec
from msgspec import structs

from reconciler.plan.graph import dependencies_first
from reconciler.plan.model import FieldChange, PlanOptions
from reconciler.plan.networks import edited_networks, why_not_anew
from reconciler.plan.reasons import moment
from reconciler.plan.selection import Names, Selection, select
from reconciler.projections.projected import Projected, ProjectedBackoff, ProjectedContainer, ProjectedService
from reconciler.spec.desired import Desired, IgnoreDrift, NetworkSpec, ServiceSpec, VolumeSpec, service_from_document


class Situation:
    """Read-only.

    Attributes:
        services: what the log says, by present name.
        containers: likewise; those of services that left the file included.
        moved: present name to the former one, for services that the log still knows by that.
        order: declared services, each after those it depends on.
        missions, pools: missions and specialists that the file or the log knows, by name.
        leaving: services that the log or a container knows and the file does not.
        selection: what the plan may touch.
        renamed: `networks.<name>` and `volumes.<name>` that go by another engine name now.
        anew: networks whose options were edited, and how, which this plan makes anew.
        not_anew: those that it leaves as they are, and why.
    """

    def __init__(self, desired: Desired, projected: Projected, options: PlanOptions) -> None:
        self.desired = desired
        self.projected = projected
        self.options = options
        self.moved = _moves(desired, projected)
        self.services = _renamed_services(projected.services, self.moved)
        self.containers = _renamed_containers(projected.containers, self.moved)
        depends_on = {name: spec.depends_on for name, spec in desired.services.items()}
        self.order = dependencies_first(depends_on)
        known = self.services.keys() | self.containers.keys()
        self.leaving = sorted(known - desired.services.keys() - set(desired.inactive))
        self.missions = sorted(desired.missions.keys() | projected.missions.keys())
        self.pools = sorted(desired.specialists.keys() | projected.pools.keys())
        self.selection = self._selection(depends_on)
        self.renamed = {
            **_engine_names("networks", projected.networks, desired.networks),
            **_engine_names("volumes", projected.volumes, desired.volumes),
        }
        self._ignores = tuple(one for one in desired.reconcile.ignore_drift if _holds(one, options.now_ms))
        self._definitions: dict[str, ServiceSpec | None] = {}
        edited = edited_networks(self) if projected.made_networks else {}
        held = {name: why_not_anew(self, name) for name in edited}
        self.anew = {name: changes for name, changes in edited.items() if not held[name]}
        self.not_anew = {name: why for name, why in held.items() if why}
        self._judges_drift = bool(self._ignores or projected.drift_ignores)

    def _selection(self, depends_on: Mapping[str, Iterable[str]]) -> Selection:
        options = self.options
        if not (options.targets or options.exclude or options.tags or options.skip_tags):
            return select(options, Names({}, {}), {}, {})
        specs = self.desired.services
        tags: dict[str, tuple[str, ...]] = {name: spec.tags for name, spec in specs.items()}
        declared = self.desired.missions
        tags.update((f"mission/{name}", declared[name].tags if name in declared else ()) for name in self.missions)
        tags.update((f"specialist/{name}", self._tags_of_pool(name)) for name in self.pools)
        tags.update((name, self._tags_in_log(name)) for name in self.leaving)
        return select(options, self.names(), tags, depends_on)

    def _tags_in_log(self, name: str) -> tuple[str, ...]:
        known = self.services.get(name)
        return tuple(known.document.get("tags", ())) if known is not None else ()

    def _tags_of_pool(self, name: str) -> tuple[str, ...]:
        spec = self.desired.specialists.get(name)
        return spec.tags if spec is not None else tuple(self.projected.pools[name].document.get("tags", ()))

    def _replicas_of_pool(self, name: str) -> int:
        spec, known = self.desired.specialists.get(name), self.projected.pools.get(name)
        there = (one.replica for one in known.processes if one.alive) if known is not None else ()
        return max(spec.replicas if spec is not None else 0, *there, 0)

    def names(self) -> Names:
        """What an address can mean here."""
        specs = self.desired.services
        replicas = {
            name: max((one.replica for one in self.containers.get(name, ())), default=0) for name in self.leaving
        }
        for name, spec in specs.items():
            replicas[name] = max([spec.replicas, *(one.replica for one in self.containers.get(name, ()))])
        replicas.update((f"mission/{name}", 1) for name in self.missions)
        replicas.update((f"specialist/{name}", self._replicas_of_pool(name)) for name in self.pools)
        return Names(replicas, {old: new for new, old in self.moved.items()})

    def all_containers(self) -> Iterator[ProjectedContainer]:
        """Every container that the log knows and that is not gone, in the order of services and replicas."""
        for name in sorted(self.containers):
            yield from (one for one in self.containers[name] if one.state != "missing")

    def definition(self, digest: str) -> ServiceSpec | None:
        """The definition that a digest stands for; None when the log does not know it or cannot be read any more."""
        if digest not in self._definitions:
            document = self.projected.definitions.get(digest)
            self._definitions[digest] = _readable(document) if document is not None else None
        return self._definitions[digest]

    def backoff(self, service: str, replica: int) -> ProjectedBackoff | None:
        """The back-off that a replica is in, if it is not over."""
        found = self.projected.backoffs.get(f"{self.moved.get(service, service)}/{replica}")
        return found if found is not None and found.holds(self.options.now_ms) else None

    def suspended(self, service: str, replica: int = 0) -> str:
        """Why a service or replica is left alone; empty when it is not."""
        if not self.projected.suspensions:
            return ""
        addresses = [f"service/{service}", f"service/{self.moved.get(service, service)}"]
        if replica:
            addresses.append(f"service/{service}/{replica}")
        return self.suspended_address(*addresses)

    def suspended_address(self, *addresses: str) -> str:
        """Why what goes by one of these addresses is left alone; empty when it is not."""
        suspensions = self.projected.suspensions
        for address in ("", *addresses) if suspensions else ():
            found = suspensions.get(address)
            if found is not None and (found.until is None or found.until > self.options.now_ms):
                whole = "the fleet is " if not address else ""
                by = f" by {found.actor}" if found.actor else ""
                until = f" until {moment(found.until)}" if found.until is not None else ""
                return f"{whole}suspended{by}{until}" + (f": {found.why}" if found.why else "")
        return ""

    def rule_for(self, service: str, replica: int, field: str) -> IgnoreDrift | None:
        """The first rule of the file by which a difference of this field is left alone now."""
        return self._rule(field, (f"service/{service}", f"service/{service}/{replica}", service))

    def _rule(self, field: str, addresses: tuple[str, ...]) -> IgnoreDrift | None:
        for rule in self._ignores:
            if fnmatchcase(field, rule.field) and any(fnmatchcase(address, rule.resource) for address in addresses):
                return rule
        return None

    def ignored(self, service: str, replica: int, field: str) -> str:
        """Why a difference of this field is left alone; empty when it is not."""
        if not self._judges_drift:
            return ""
        return self.ignored_address(field, f"service/{service}", f"service/{service}/{replica}", service)

    def ignored_address(self, field: str, *addresses: str) -> str:
        """Why a difference of this field is left alone in what goes by one of these addresses; empty when it is not."""
        rule = self._rule(field, addresses)
        if rule is not None:
            return f"ignored: {rule.why}" if rule.why else "ignored"
        for (resource, which), until in self.projected.drift_ignores.items():
            in_force = until is None or until > self.options.now_ms
            if in_force and fnmatchcase(field, which) and any(fnmatchcase(one, resource) for one in addresses):
                return "ignored"
        return ""


def _moves(desired: Desired, projected: Projected) -> dict[str, str]:
    """Present name to former name, where the log has the former and the file only the present."""
    found: dict[str, str] = {}
    for old in sorted(desired.moved):
        former, present = _service(old), _service(_destination(desired.moved, old))
        if (
            former in projected.services
            and present in desired.services
            and former not in desired.services
            and present not in projected.services
        ):
            found.setdefault(present, former)
    return found


def _destination(moved: Mapping[str, str], address: str) -> str:
    """Where a chain of moves ends; a circle ends where it began."""
    seen = {address}
    while (following := moved.get(address)) is not None and following not in seen:
        seen.add(following)
        address = following
    return address


def _service(address: str) -> str:
    return address.removeprefix("service/")


def _renamed_services(
    services: Mapping[str, ProjectedService], moved: Mapping[str, str]
) -> Mapping[str, ProjectedService]:
    if not moved:
        return services
    present = {old: new for new, old in moved.items()}
    return {present.get(name, name): service for name, service in services.items()}


def _renamed_containers(
    containers: Mapping[str, tuple[ProjectedContainer, ...]], moved: Mapping[str, str]
) -> Mapping[str, tuple[ProjectedContainer, ...]]:
    if not moved:
        return containers
    present = {old: new for new, old in moved.items()}
    return {
        present.get(name, name): tuple(_moved(one, present[name]) if name in present else one for one in replicas)
        for name, replicas in containers.items()
    }


def _moved(container: ProjectedContainer, service: str) -> ProjectedContainer:
    _, _, replica = container.key.rpartition("/")
    return structs.replace(container, service=service, key=f"{service}/{replica}")


def _engine_names(
    kind: str, logged: Mapping[str, str], declared: Mapping[str, NetworkSpec] | Mapping[str, VolumeSpec]
) -> dict[str, FieldChange]:
    return {
        f"{kind}.{name}": FieldChange(f"{kind}.{name}.engine_name", logged[name], spec.engine_name)
        for name, spec in declared.items()
        if name in logged and logged[name] != spec.engine_name
    }


def _readable(document: dict[str, Any]) -> ServiceSpec | None:
    try:
        return service_from_document(document)
    except msgspec.ValidationError:
        return None


def _holds(rule: IgnoreDrift, now_ms: int) -> bool:
    """Whether a rule has not run out; a time that cannot be read never does, so that nothing is changed by mistake."""
    if not rule.until:
        return True
    try:
        until = datetime.fromisoformat(rule.until)
    except ValueError:
        return True
    aware = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
    return aware.timestamp() * 1000 > now_ms
