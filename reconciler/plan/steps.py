"""The actions that one replica can get, filled in from its service's definition. Nothing is decided here."""

from __future__ import annotations

from typing import Any

from reconciler.plan.model import (
    AdoptContainer,
    Adoption,
    CreateContainer,
    FieldChange,
    Reason,
    RemoveContainer,
    RenameContainer,
    ReplaceContainer,
    RestartContainer,
    StartContainer,
    StopContainer,
    UpdateContainer,
)
from reconciler.plan.naming import container_name, replica_address, service_address
from reconciler.plan.wanted import Wanted
from reconciler.projections.projected import ProjectedContainer


def create(wanted: Wanted, replica: int, reason: Reason) -> CreateContainer:
    """Make a container and start it."""
    return CreateContainer(
        **_common(wanted, "create", replica, reason), name=engine_name(wanted, replica), digest=wanted.digest
    )


def adopt(wanted: Wanted, adoption: Adoption) -> AdoptContainer:
    """Take over one that runs already."""
    reason = Reason("adopted", f"takes over container {adoption.name}")
    return AdoptContainer(
        **_common(wanted, "adopt", adoption.replica, reason),
        container_id=adoption.container_id,
        name=adoption.name,
        digest=wanted.digest,
    )


def start(wanted: Wanted, container: ProjectedContainer, reason: Reason) -> StartContainer:
    """Start it, or let it go on where it was paused."""
    return StartContainer(
        **_common(wanted, "start", container.replica, reason), **_engine(container), paused=container.state == "paused"
    )


def stop(wanted: Wanted, container: ProjectedContainer, reason: Reason) -> StopContainer:
    """Stop it and keep it."""
    return StopContainer(
        id=f"stop {container_address(container)}",
        resource=service_address(container.service),
        reason=reason,
        service=container.service,
        replica=container.replica,
        **_engine(container),
        grace_ms=wanted.spec.stop_grace_ms,
        key=container.key if container.second else "",
    )


def restart(wanted: Wanted, container: ProjectedContainer, reason: Reason) -> RestartContainer:
    """Stop and start it."""
    return RestartContainer(
        **_common(wanted, "restart", container.replica, reason),
        **_engine(container),
        grace_ms=wanted.spec.stop_grace_ms,
    )


def replace(wanted: Wanted, container: ProjectedContainer, reason: Reason) -> ReplaceContainer:
    """Make a new one in its place; the order may still be changed where both cannot run at once."""
    return ReplaceContainer(
        **_common(wanted, "replace", container.replica, reason),
        container_id=container.container_id,
        name=engine_name(wanted, container.replica),
        digest=wanted.digest,
        old_digest=container.digest,
        old_name=container.name,
        order=wanted.spec.update.order,
        auto_revert=wanted.spec.update.auto_revert,
        grace_ms=wanted.spec.stop_grace_ms,
    )


def update(wanted: Wanted, container: ProjectedContainer, changes: tuple[FieldChange, ...]) -> UpdateContainer:
    """Change its limits in place."""
    reason = Reason("definition_changed", "resources changed", changes)
    return UpdateContainer(
        **_common(wanted, "update", container.replica, reason), **_engine(container), resources=wanted.spec.resources
    )


def rename(wanted: Wanted, container: ProjectedContainer, reason: Reason) -> RenameContainer:
    """Give it the name that it should have."""
    return RenameContainer(
        **_common(wanted, "rename", container.replica, reason),
        container_id=container.container_id,
        name=engine_name(wanted, container.replica),
        old_name=container.name,
    )


def remove(container: ProjectedContainer, reason: Reason, grace_ms: int) -> RemoveContainer:
    """Stop and remove it; a second one of its replica is told apart by its own id."""
    return RemoveContainer(
        id=f"delete {container_address(container)}",
        resource=service_address(container.service),
        reason=reason,
        service=container.service,
        replica=container.replica,
        container_id=container.container_id,
        name=container.name,
        grace_ms=grace_ms,
        key=container.key,
    )


def container_address(container: ProjectedContainer) -> str:
    """The address of a container; of a second one of its replica with its own id."""
    return f"{service_address(container.service)}/{container.key.rpartition('/')[2]}"


def engine_name(wanted: Wanted, replica: int) -> str:
    """The name that the engine should know a replica by."""
    return container_name(wanted.situation.desired.name, wanted.spec, replica)


def _common(wanted: Wanted, verb: str, replica: int, reason: Reason) -> dict[str, Any]:
    return {
        "id": f"{verb} {replica_address(wanted.name, replica)}",
        "resource": service_address(wanted.name),
        "reason": reason,
        "service": wanted.name,
        "replica": replica,
    }


def _engine(container: ProjectedContainer) -> dict[str, Any]:
    return {"container_id": container.container_id, "name": container.name}
