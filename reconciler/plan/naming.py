"""Names that the engine knows things by, and the addresses that people know them by."""

from __future__ import annotations

from reconciler.spec.desired import ServiceSpec


def container_name(fleet: str, service: ServiceSpec, replica: int) -> str:
    """`<fleet>-<service>-<replica>`, or the declared name, numbered only where there are several replicas."""
    if not service.container_name:
        return f"{fleet}-{service.name}-{replica}"
    return service.container_name if service.replicas <= 1 else f"{service.container_name}-{replica}"


def service_address(service: str) -> str:
    """The address of a service: `service/web`."""
    return f"service/{service}"


def specialist_address(pool: str, replica: int = 0) -> str:
    """The address of a specialist, `specialist/builder`, or of one of its replicas, `specialist/builder/2`."""
    return f"specialist/{pool}/{replica}" if replica else f"specialist/{pool}"


def replica_address(service: str, replica: int) -> str:
    """The address of one replica's container: `service/web/2`."""
    return f"service/{service}/{replica}"
