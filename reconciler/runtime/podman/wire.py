"""What the engine answers, as types, and its translation to what Fleet calls Observed.

Only the fields that are used are named; the decoder passes over the rest, which makes it fast and keeps newer engines
readable.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from reconciler.runtime.model import (
    ContainerDetails,
    ContainerEvent,
    ContainerState,
    EngineInfo,
    Health,
    ObservedContainer,
)

# The engine passes through more states than matter to anybody: "stopped" is an exit whose clean-up is pending, a
# container that is "stopping" still runs.
_STATES: dict[str, ContainerState] = {
    "configured": "created",
    "created": "created",
    "initialized": "created",
    "running": "running",
    "stopping": "running",
    "paused": "paused",
    "stopped": "exited",
    "exited": "exited",
    "removing": "removing",
}
_HEALTH: dict[str, Health] = {
    "starting": "starting",
    "reset": "starting",
    "healthy": "healthy",
    "unhealthy": "unhealthy",
}
_LIVE = frozenset({"running", "paused"})


class Made(msgspec.Struct, rename={"id": "Id"}):
    """The answer to a creation."""

    id: str


class Listed(msgspec.Struct, rename="pascal"):
    """One container of a list. `Status` is its health, not a sentence as in Docker's list."""

    id: str
    state: str
    names: list[str] | None = None
    labels: dict[str, str] | None = None
    image: str = ""
    image_id: str = msgspec.field(default="", name="ImageID")
    exit_code: int = 0
    started_at: int = 0
    exited_at: int = 0
    status: str = ""


class InspectedHealth(msgspec.Struct, rename="pascal"):
    status: str = ""


class InspectedState(msgspec.Struct, rename="pascal"):
    status: str
    exit_code: int = 0
    oom_killed: bool = msgspec.field(default=False, name="OOMKilled")
    started_at: str = ""
    finished_at: str = ""
    health: InspectedHealth | None = None


class InspectedCheck(msgspec.Struct, rename="pascal"):
    """A health check as the container carries it; the durations are nanoseconds."""

    test: list[str] | None = None
    timeout: int = 0


class InspectedConfig(msgspec.Struct, rename="pascal"):
    labels: dict[str, str] | None = None
    tty: bool = False
    healthcheck: InspectedCheck | None = None


class InspectedBinding(msgspec.Struct, rename="pascal"):
    host_ip: str = ""
    host_port: str = ""


class InspectedEndpoint(msgspec.Struct):
    address: str = msgspec.field(default="", name="IPAddress")


class InspectedNetworks(msgspec.Struct, rename="pascal"):
    ports: dict[str, list[InspectedBinding] | None] | None = None
    networks: dict[str, InspectedEndpoint] | None = None
    address: str = msgspec.field(default="", name="IPAddress")


class Inspected(msgspec.Struct, rename="pascal"):
    id: str
    name: str
    state: InspectedState
    image: str
    image_name: str = ""
    config: InspectedConfig = msgspec.field(default_factory=InspectedConfig)
    network_settings: InspectedNetworks = msgspec.field(default_factory=InspectedNetworks)


class Named(msgspec.Struct):
    """A network of a list, or one that is inspected."""

    name: str
    labels: dict[str, str] | None = None


class ListedVolume(msgspec.Struct, rename="pascal"):
    name: str
    labels: dict[str, str] | None = None


class SecretSpec(msgspec.Struct, rename="pascal"):
    name: str
    labels: dict[str, str] | None = None


class ListedSecret(msgspec.Struct, rename="pascal"):
    spec: SecretSpec


class Report(msgspec.Struct):
    """One line of what a pull or a build tells."""

    stream: str = ""
    error: str = ""
    id: str = ""


class ExecState(msgspec.Struct, rename="pascal"):
    exit_code: int = 0
    running: bool = False


class Actor(msgspec.Struct):
    id: str = msgspec.field(default="", name="ID")
    attributes: dict[str, str] = msgspec.field(default_factory=dict, name="Attributes")


class RawEvent(msgspec.Struct):
    action: str = msgspec.field(default="", name="Action")
    kind: str = msgspec.field(default="", name="Type")
    actor: Actor = msgspec.field(default_factory=Actor, name="Actor")
    time: int = 0


class OciRuntime(msgspec.Struct):
    name: str = ""


class Security(msgspec.Struct):
    rootless: bool = False


class Host(msgspec.Struct, rename="camel"):
    cgroup_version: str = ""
    network_backend: str = ""
    oci_runtime: OciRuntime = msgspec.field(default_factory=OciRuntime)
    security: Security = msgspec.field(default_factory=Security)


class EngineVersion(msgspec.Struct, rename="pascal"):
    version: str = ""
    api_version: str = msgspec.field(default="", name="APIVersion")


class Storage(msgspec.Struct, rename="camel"):
    graph_driver_name: str = ""
    graph_root: str = "/"


class Info(msgspec.Struct):
    """What the engine tells of itself and of its machine."""

    host: Host
    version: EngineVersion
    store: Storage = msgspec.field(default_factory=Storage)
    registries: dict[str, Any] | None = None


def observed(listed: Listed) -> ObservedContainer:
    """A listed container as Fleet sees it. The list does not tell of a kill for want of memory; an inspection does."""
    state = _STATES.get(listed.state, "unknown")
    return ObservedContainer(
        container_id=listed.id,
        name=listed.names[0] if listed.names else "",
        state=state,
        labels=listed.labels or {},
        image=listed.image,
        image_id=listed.image_id,
        exit_code=listed.exit_code if state == "exited" else None,
        started_at=max(0, listed.started_at),
        exited_at=max(0, listed.exited_at),
        health=_HEALTH.get(listed.status, "") if state in _LIVE else "",
    )


def details(inspected: Inspected) -> ContainerDetails:
    """An inspected container as Fleet sees it."""
    raw, networks = inspected.state, inspected.network_settings
    state = _STATES.get(raw.status, "unknown")
    container = ObservedContainer(
        container_id=inspected.id,
        name=inspected.name,
        state=state,
        labels=inspected.config.labels or {},
        image=inspected.image_name,
        image_id=inspected.image.removeprefix("sha256:"),
        exit_code=raw.exit_code if state == "exited" else None,
        started_at=_seconds(raw.started_at),
        exited_at=_seconds(raw.finished_at),
        health=_HEALTH.get(raw.health.status, "") if raw.health is not None and state in _LIVE else "",
        oom_killed=raw.oom_killed,
    )
    addresses = {name: endpoint.address for name, endpoint in sorted((networks.networks or {}).items())}
    return ContainerDetails(container=container, ports=_ports(networks), addresses=addresses)


def container_event(raw: RawEvent) -> ContainerEvent:
    """An event of the engine's stream as a hint."""
    attributes = dict(raw.actor.attributes)
    name = attributes.pop("name", "")
    return ContainerEvent(action=raw.action, container_id=raw.actor.id, name=name, labels=attributes, time=raw.time)


def engine_info(info: Info, socket: str) -> EngineInfo:
    """What the engine says of itself."""
    return EngineInfo(
        version=info.version.version,
        api_version=info.version.api_version,
        runtime=info.host.oci_runtime.name,
        cgroup_version=info.host.cgroup_version,
        network_backend=info.host.network_backend,
        rootless=info.host.security.rootless,
        socket=socket,
    )


def _ports(networks: InspectedNetworks) -> tuple[tuple[str, int, int, str], ...]:
    published = []
    for key, bindings in (networks.ports or {}).items():
        port, _, protocol = key.partition("/")
        for binding in bindings or ():
            published.append((binding.host_ip, int(binding.host_port or 0), int(port), protocol or "tcp"))
    return tuple(sorted(published, key=lambda entry: (entry[2], entry[3], entry[0], entry[1])))


def _seconds(moment: str) -> int:
    """Unix seconds of the engine's time; 0 for its "never", the year 1. Go writes up to nine decimals, Python reads six."""
    if not moment or moment.startswith("0001-"):
        return 0
    whole, _, rest = moment.partition(".")
    zone = rest.lstrip("0123456789") if rest else ""
    return int(datetime.fromisoformat(f"{whole}{zone}").timestamp())
