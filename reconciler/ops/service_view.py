"""Services as people ask for them: by name, with the containers that stand for them now. Pure: values in, values out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from reconciler.errors import NotFound
from reconciler.plan.naming import container_name
from reconciler.projections.projected import Projected, ProjectedContainer
from reconciler.runtime.model import LABEL_REPLICA, LABEL_RESOURCE, ContainerDetails, Observed, ObservedContainer
from reconciler.spec.desired import Desired, ServiceSpec

Mode = Literal["service", "job", "adopted"]

_VERSION = re.compile(r"\d+(?:\.\d+)+|\d+")
_LIVE = frozenset({"running", "paused"})
ENGINE = "podman"


@dataclass(frozen=True, slots=True)
class ServiceReplica:
    """One replica of a service, with its container when there is one.

    Attributes:
        name: the engine's name, or the one that it will get.
        spec: its definition; None for a container that neither the file nor the log explains.
        container: None when there is none, or when nobody could look.
        wanted: `down` after a person has stopped the service.
    """

    service: str
    replica: int
    name: str
    spec: ServiceSpec | None
    container: ObservedContainer | None
    adopted: bool = False
    wanted: Literal["up", "down"] = "up"

    @property
    def running(self) -> bool:
        """Its container runs."""
        return self.container is not None and self.container.state in _LIVE

    @property
    def mode(self) -> Mode:
        """How Fleet treats it: kept running, run to its end, or taken over as it was."""
        if self.adopted:
            return "adopted"
        return self.spec.kind if self.spec is not None else "service"


def service_replicas(
    desired: Desired | None, projected: Projected, observed: Observed | None
) -> tuple[ServiceReplica, ...]:
    """Every replica that the file, the log or the world knows, by service and number."""
    seen = {container.container_id: container for container in observed.containers} if observed is not None else {}
    found: dict[tuple[str, int, str], ServiceReplica] = {}
    for recorded in projected.all_containers():
        container = seen.pop(recorded.container_id, None)
        if container is not None or not recorded.second:
            replica = _of_log(recorded, desired, projected, container)
            if container is not None or _declared(replica):
                found[(replica.service, replica.replica, replica.name)] = replica
    for container in seen.values():
        labelled = _of_labels(container, desired, projected)
        if labelled is not None:
            found[(labelled.service, labelled.replica, labelled.name)] = labelled
    covered = {(service, number) for service, number, _ in found}
    for service, number in _wanted(desired):
        if (service, number) not in covered:
            assert desired is not None
            spec = desired.services[service]
            name = container_name(desired.name, spec, number)
            found[(service, number, name)] = ServiceReplica(
                service, number, name, spec, None, wanted=_wish(service, projected)
            )
    return tuple(found[key] for key in sorted(found))


def chosen(replicas: Sequence[ServiceReplica], names: Iterable[str]) -> tuple[ServiceReplica, ...]:
    """The replicas that are meant by `web`, `service/web`, `web/2`, or a container's name; all for no name at all.

    Raises:
        NotFound: nothing is called so; with the services that there are.
    """
    picked: dict[int, ServiceReplica] = {}
    wanted = list(names)
    for name in wanted:
        matching = [index for index, replica in enumerate(replicas) if _means(name, replica)]
        if not matching:
            raise unknown_service(name, replicas)
        picked.update((index, replicas[index]) for index in matching)
    return tuple(picked[index] for index in sorted(picked)) if wanted else tuple(replicas)


def unknown_service(name: str, replicas: Iterable[ServiceReplica]) -> NotFound:
    """What to say of a name that no service has."""
    known = sorted({replica.service for replica in replicas})
    near = get_close_matches(name.removeprefix("service/"), known, n=1)
    there_are = f"there are: {', '.join(known)}" if known else "there are none yet"
    return NotFound(f"there is no service {name!r}; {there_are}", hint=f"did you mean {near[0]}?" if near else "")


def no_container(replica: ServiceReplica) -> NotFound:
    """What to say of a service whose container does not exist."""
    return NotFound(
        f"service {replica.service} has no container {replica.name} yet", hint=f"fleet services up {replica.service}"
    )


def not_running(replica: ServiceReplica) -> NotFound:
    """What to say of a service whose container is there and does not run."""
    state = replica.container.state if replica.container is not None else "missing"
    return NotFound(
        f"service {replica.service} does not run: its container {replica.name} is {state}",
        hint=f"fleet services up {replica.service}",
    )


def image_of(replica: ServiceReplica) -> str:
    """The image it runs, or would."""
    if replica.container is not None and replica.container.image:
        return replica.container.image
    return replica.spec.image if replica.spec is not None else ""


def tag_of(image: str) -> str:
    """The tag of a reference; empty when it has none."""
    name = image.partition("@")[0].rpartition("/")[2]
    return name.partition(":")[2]


def version_in(printed: bytes) -> str:
    """The first version number that a program printed; empty when there is none."""
    match = _VERSION.search(printed.decode("utf-8", "replace"))
    return match[0] if match else ""


def published(replica: ServiceReplica, details: ContainerDetails | None) -> tuple[str, ...]:
    """Its ports as `127.0.0.1:8080->80/tcp`: the engine's where they are known, else the declared ones."""
    if details is not None:
        return tuple(_port(*port) for port in details.ports)
    ports = replica.spec.ports if replica.spec is not None else ()
    return tuple(_port(port.host_ip, port.host_port, port.container_port, port.protocol) for port in ports)


def _port(host_ip: str, host_port: int, container_port: int, protocol: str) -> str:
    inside = f"{container_port}/{protocol}"
    if not host_port:
        return f"(any)->{inside}"
    outside = str(host_port) if host_ip in {"", "0.0.0.0"} else f"{host_ip}:{host_port}"  # noqa: S104 - it is compared
    return f"{outside}->{inside}"


def _of_log(
    recorded: ProjectedContainer, desired: Desired | None, projected: Projected, container: ObservedContainer | None
) -> ServiceReplica:
    return ServiceReplica(
        service=recorded.service,
        replica=recorded.replica,
        name=container.name if container is not None else recorded.name,
        spec=_spec(recorded.service, desired, projected),
        container=container,
        adopted=recorded.adopted,
        wanted=_wish(recorded.service, projected),
    )


def _of_labels(container: ObservedContainer, desired: Desired | None, projected: Projected) -> ServiceReplica | None:
    kind, _, service = container.labels.get(LABEL_RESOURCE, "").partition("/")
    number = container.labels.get(LABEL_REPLICA, "")
    if kind != "service" or not service:
        return None
    spec = _spec(service, desired, projected)
    replica = int(number) if number.isdigit() else 1
    return ServiceReplica(service, replica, container.name, spec, container, wanted=_wish(service, projected))


def _declared(replica: ServiceReplica) -> bool:
    return replica.spec is not None and replica.replica <= replica.spec.replicas


def _spec(service: str, desired: Desired | None, projected: Projected) -> ServiceSpec | None:
    if desired is not None and service in desired.services:
        return desired.services[service]
    recorded = projected.services.get(service)
    return recorded.definition if recorded is not None else None


def _wish(service: str, projected: Projected) -> Literal["up", "down"]:
    recorded = projected.services.get(service)
    return recorded.wanted if recorded is not None else "up"


def _wanted(desired: Desired | None) -> Iterable[tuple[str, int]]:
    services: Mapping[str, ServiceSpec] = desired.services if desired is not None else {}
    return ((name, number) for name, spec in services.items() for number in range(1, spec.replicas + 1))


def _means(name: str, replica: ServiceReplica) -> bool:
    address = f"{replica.service}/{replica.replica}"
    return name.removeprefix("service/") in {replica.service, address} or name == replica.name
