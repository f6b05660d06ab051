"""Which services are not ready, asked of the engine at this moment. Read-only."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.apply.readiness import checked
from reconciler.errors import ActionFailed, NotFound
from reconciler.projections.projected import Projected, ProjectedContainer
from reconciler.runtime.model import ContainerRuntime
from reconciler.spec.desired import Desired, ServiceSpec


def unready(runtime: ContainerRuntime, desired: Desired, projected: Projected, services: Iterable[str]) -> list[str]:
    """Those of these services that do not run, or whose own health check does not pass. A job is ready once it has run."""
    return [
        name
        for name in services
        if not _replicas(projected, name)
        or not all(_ready(runtime, desired.services[name], one) for one in _replicas(projected, name))
    ]


def _replicas(projected: Projected, name: str) -> list[ProjectedContainer]:
    return [one for one in projected.containers.get(name, ()) if not one.second]


def _ready(runtime: ContainerRuntime, spec: ServiceSpec, container: ProjectedContainer) -> bool:
    if spec.kind == "job":
        return container.completed_digest is not None or container.state == "running"
    if container.state != "running":
        return False
    if checked(spec) is None:
        return True
    try:
        return runtime.run_healthcheck(container.container_id) == "healthy"
    except (ActionFailed, NotFound):
        return False
