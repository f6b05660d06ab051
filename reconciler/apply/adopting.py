"""Adopting: a container that runs already becomes a service's, as it is.

What can be seen of it (image and published ports) is taken into the definition that is recorded for it, so that the next
plan shows where it differs from the file.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from reconciler.errors import ActionFailed, NotFound
from reconciler.events.envelope import NewEvent
from reconciler.projections.projected import Projected
from reconciler.runtime.model import (
    LABEL_FLEET,
    LABEL_PROJECT,
    LABEL_RESOURCE,
    ContainerDetails,
    ContainerRuntime,
    ObservedContainer,
)
from reconciler.spec.desired import Desired, PortMapping, ServiceSpec, to_document
from reconciler.spec.roles import definition_digest

_EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound
_STATES = {"running": "running", "paused": "paused", "exited": "exited", "created": "created"}


def adoptable(runtime: ContainerRuntime, container: str, desired: Desired) -> ObservedContainer:
    """A container that nobody owns yet.

    Args:
        container: its name or id.

    Raises:
        NotFound: there is none.
        ActionFailed: it belongs to this fleet already, or to another one.
    """
    return _details(runtime, container, desired).container


def adoption(
    runtime: ContainerRuntime, container: str, service: str, *, replica: int, desired: Desired, projected: Projected
) -> list[NewEvent]:
    """The events by which a container becomes a replica of a service. Read-only.

    Raises:
        NotFound: there is no such container, or no such service in the file.
        ActionFailed: it is owned, or the service has a container already.
    """
    spec = desired.services.get(service)
    if spec is None:
        known = ", ".join(sorted(desired.services)) or "none"
        raise NotFound(f"there is no service {service} in the file", hint=f"known: {known}")
    _must_be_free(projected, service, replica)
    details = _details(runtime, container, desired)
    seen = details.container
    for other in projected.all_containers():
        if other.container_id == seen.container_id:
            raise ActionFailed(f"container {seen.name} was adopted already, as service/{other.service}")
    if seen.state not in _STATES:
        raise ActionFailed(f"container {seen.name} is {seen.state} and cannot be adopted now")
    actual = as_it_is(spec, details)
    digest = definition_digest(actual)
    events = []
    if digest not in projected.definitions:
        events.append(_event("service_defined", service, {"digest": digest, "definition": to_document(actual)}))
    data = {
        "replica": replica,
        "container_id": seen.container_id,
        "name": seen.name,
        "previous_name": seen.name,
        "digest": digest,
        "image": seen.image,
        "image_id": seen.image_id,
        "state": _STATES[seen.state],
    }
    return [*events, _event("container_adopted", service, data)]


def as_it_is(spec: ServiceSpec, details: ContainerDetails) -> ServiceSpec:
    """The definition with what can be seen of the container in the place of what the file says."""
    seen = details.container
    same_image = _bare(seen.image) == _bare(spec.image)
    ports = tuple(
        sorted(
            (
                PortMapping(container_port=inside, host_port=outside, host_ip=address, protocol=_protocol(protocol))
                for address, outside, inside, protocol in details.ports
            ),
            key=lambda port: (port.container_port, port.protocol, port.host_port),
        )
    )
    same_ports = {_port_key(port) for port in ports} == {_port_key(port) for port in spec.ports}
    return replace(spec, image=spec.image if same_image else seen.image, ports=spec.ports if same_ports else ports)


def suggestions(
    runtime: ContainerRuntime, desired: Desired, projected: Projected, names: dict[str, tuple[str, ...]]
) -> dict[str, str]:
    """Services without a container, each with a container of nobody's that bears its name.

    Args:
        names: names to look for, by service.
    """
    found = {}
    for service in sorted(names):
        if projected.containers.get(service):
            continue
        for name in names[service]:
            container = runtime.find(name)
            if container is not None and LABEL_PROJECT not in container.labels:
                found[service] = container.name
                break
    return found


def _details(runtime: ContainerRuntime, container: str, desired: Desired) -> ContainerDetails:
    details = runtime.inspect(container)
    labels = details.container.labels
    owner = labels.get(LABEL_PROJECT)
    if owner == desired.project:
        raise ActionFailed(
            f"container {details.container.name} is this fleet's already, as {labels.get(LABEL_RESOURCE, 'unknown')}"
        )
    if owner:
        raise ActionFailed(
            f"container {details.container.name} belongs to the fleet {labels.get(LABEL_FLEET, owner)}",
            hint="take it out of that fleet first",
        )
    return details


def _must_be_free(projected: Projected, service: str, replica: int) -> None:
    for container in projected.containers.get(service, ()):
        if container.replica == replica and container.state != "missing":
            raise ActionFailed(
                f"service/{service}/{replica} has the container {container.name} already",
                hint="fleet status shows it",
            )


def _event(event_type: str, service: str, data: dict[str, Any]) -> NewEvent:
    return NewEvent(event_type, "service", service, {"service": service, **data})


def _bare(image: str) -> str:
    """A reference as people mean it: the default registry, folder and tag are often left out."""
    name = image.removeprefix("docker.io/").removeprefix("library/").removeprefix("localhost/")
    return name if ":" in name.rpartition("/")[2] or "@" in name else f"{name}:latest"


def _protocol(name: str) -> Any:
    return name if name in ("tcp", "udp", "sctp") else "tcp"


def _port_key(port: PortMapping) -> tuple[int, int, str, str]:
    address = "" if port.host_ip in _EVERY_ADDRESS else port.host_ip
    return port.container_port, port.host_port, address, port.protocol
