"""Names that the engine knows: two resources that would ask it for one name cannot both be."""

from __future__ import annotations

from reconciler.spec.checks.draft import Draft
from reconciler.spec.desired import ServiceSpec
from reconciler.spec.reading import Reading
from reconciler.spec.wording import quoted


def check_engine_names(draft: Draft, reading: Reading) -> None:
    """Report containers, volumes and networks that share a name."""
    owners: dict[str, str] = {}
    for name, service in draft.active().items():
        for container in container_names(service.spec, reading.fleet):
            other = owners.setdefault(container, name)
            if other != name:
                message = f"the container {quoted(container)} belongs to {other} already"
                reading.wrong(*service.spot("container_name"), message, "give one of them another container_name")
                break
    for section, specs in (("volumes", draft.volumes), ("networks", draft.networks)):
        owners = {}
        for name, spec in specs.items():
            other = owners.setdefault(spec.engine_name, name)
            if other != name:
                message = f"{quoted(spec.engine_name)} is the engine's name of {other} already"
                reading.wrong(*draft.spot(section, name, "name"), message)


def container_names(spec: ServiceSpec, fleet: str) -> list[str]:
    """The engine's names of a service's containers."""
    if spec.container_name and spec.replicas <= 1:
        return [spec.container_name]
    base = spec.container_name or f"{fleet}-{spec.name}"
    return [f"{base}-{replica}" for replica in range(1, spec.replicas + 1)]
