"""Ownership, asked again right before a container is stopped, changed or removed.

Between the plan and the act somebody may have removed the container and made another, or the plan may be wrong: neither
is a reason to touch what is not ours.
"""

from __future__ import annotations

from reconciler.apply.means import Means
from reconciler.errors import ActionFailed
from reconciler.runtime.model import LABEL_FLEET, LABEL_PROJECT, LABEL_PROTECT, ObservedContainer


def owned(means: Means, container_id: str, name: str) -> ObservedContainer:
    """The container as it is at this moment, ours beyond doubt.

    Raises:
        LeaseLost: we are not the one who may touch it any more.
        NotFound: it is gone.
        ActionFailed: it carries no ownership label of this project and was not adopted.
    """
    means.journal.check()
    container = means.runtime.inspect(container_id).container
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
