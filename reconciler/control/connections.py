"""How to reach a service that runs: its addresses as a person or a program would write them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.errors import NotFound
from reconciler.projections.projected import Projected
from reconciler.runtime.model import ContainerRuntime
from reconciler.spec.desired import Desired, ServiceSpec

_LOCAL = frozenset({"", "0.0.0.0", "::", "127.0.0.1", "::1"})  # noqa: S104 - compared with, not bound
_HTTP = frozenset({80, 3000, 5000, 8000, 8080, 8888})


@dataclass(frozen=True, slots=True)
class Connection:
    """One service's container and the addresses it answers at."""

    service: str
    container: str
    addresses: tuple[str, ...]


def connections(
    desired: Desired, projected: Projected, runtime: ContainerRuntime, services: Iterable[str]
) -> tuple[Connection, ...]:
    """Where these services can be reached; those that do not run are left out."""
    found = []
    for name in services:
        spec = desired.services[name]
        for container in projected.containers.get(name, ()):
            if container.state != "running" or container.second:
                continue
            try:
                ports = runtime.inspect(container.container_id).ports
            except NotFound:
                continue
            addresses = tuple(sorted({_address(spec, *port) for port in ports}))
            found.append(Connection(name, container.name, addresses))
    return tuple(found)


def _address(spec: ServiceSpec, host_ip: str, host_port: int, container_port: int, protocol: str) -> str:
    host = "localhost" if host_ip in _LOCAL else host_ip
    if spec.provider == "postgres" and container_port == 5432:
        user = spec.environment.get("POSTGRES_USER", "postgres")
        database = spec.environment.get("POSTGRES_DB", user)
        return f"postgresql://{user}@{host}:{host_port}/{database}"
    if protocol == "tcp" and container_port in _HTTP:
        return f"http://{host}:{host_port}/"
    return f"{host}:{host_port}/{protocol}"
