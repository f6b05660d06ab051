"""Ownership, asked again right before a container is stopped, changed or removed.

Between the plan and the act somebody may have removed the container and made another, or the plan may be wrong: neither
is a reason to touch what is not ours.
"""

from __future__ import annotations

from reconciler.apply.means import Means
from reconciler.errors import ActionFailed
from reconciler.runtime.model import LABEL_FLEET, LABEL_PROJECT, LABEL_PROTECT, ObservedContainer
from reconciler.spec.desired import VolumeSpec


def owned(means: Means, container_id: str, name: str) -> ObservedContainer:
    """The container as it is at this moment, ours beyond doubt.

    Raises:
        LeaseLost: we are not the one who may touch it any more.
        NotFound: it is gone.
        ActionFailed: it carries no ownership label of this project and was not adopted.
    """
    container = means.runtime.inspect(container_id).container
    # As late as can be: whoever slept since the intent was recorded must not act on what another has made of it since.
    means.journal.check()
    if container.labels.get(LABEL_PROJECT) == means.desired.project:
        return container
    known = means.recorded(container_id)
    if known is not None and known.adopted and known.container_id == container.container_id:
        return container
    owner = container.labels.get(LABEL_FLEET)
    whose = f"belongs to the fleet {owner}" if owner else "carries no ownership label of this fleet"
    raise ActionFailed(f"container {name} {whose} and is left alone")


def expendable(means: Means, container_id: str, name: str, service: str) -> ObservedContainer:
    """The same, and nothing protects it from being destroyed.

    The log's last definition decides; a container whose service the log does not know is protected by its label.

    Raises:
        NotFound: it is gone.
        ActionFailed: it is not ours, or it is protected.
    """
    container = owned(means, container_id, name)
    defined = means.desired.services.get(service)
    if defined is None and service in means.projected.services:
        defined = means.projected.services[service].definition
    protected = defined.protect if defined is not None else container.labels.get(LABEL_PROTECT) == "true"
    if protected:
        raise ActionFailed(
            f"service/{service} is protected and container {name} is left alone",
            hint="set `protect: false` for it and apply that first",
        )
    return container


def name_taken(holder: ObservedContainer) -> ActionFailed:
    """The error for a container of somebody else's under a name that we need, with the owner and the way out."""
    owner = holder.labels.get(LABEL_FLEET)
    if owner:
        return ActionFailed(
            f"the name {holder.name} is taken by a container of the fleet {owner} in another folder",
            hint="give the service another container_name, or take that fleet's down first",
        )
    return ActionFailed(
        f"the name {holder.name} is taken by a container that is not this fleet's",
        hint=f"remove or rename it, or take it over: fleet import service/NAME {holder.name}",
    )


def volume_taken(means: Means, volume: VolumeSpec) -> ActionFailed | None:
    """The error for a volume that another fleet made; None when it may be used.

    Two databases on one volume destroy each other. One that no fleet made is taken as it is, and whoever declares it
    external has said so.
    """
    labels = None if volume.external else means.runtime.volume_labels(volume.engine_name)
    if not labels or labels.get(LABEL_PROJECT, means.desired.project) == means.desired.project:
        return None
    owner = labels.get(LABEL_FLEET, "")
    another = f"{{volumes: {{{volume.name}: {{name: {means.desired.name}-{volume.name}}}}}}}"
    return ActionFailed(
        f"the volume {volume.engine_name} belongs to the fleet {owner} in another folder",
        hint=f"take another one: {another}; or share it on purpose with external: true",
    )
