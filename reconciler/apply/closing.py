"""The end of an apply: what is no longer needed goes, and what was begun is looked at once more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from reconciler.apply.means import Means
from reconciler.apply.observe import observations
from reconciler.apply.orders import secret_object, used_secrets
from reconciler.apply.readiness import now_ms
from reconciler.errors import FleetError
from reconciler.runtime.model import Observed
from reconciler.spec.desired import service_from_document

if TYPE_CHECKING:
    from reconciler.projections.projected import Projected
    from reconciler.projections.store import Store


def ended_already(means: Means, store: Store, services: Iterable[str]) -> dict[str, str]:
    """Services that were begun and have ended again meanwhile, with words about it; what was seen is recorded.

    Only the containers of these services are judged, by what the list shows of them: a container that it does not show
    in the instant after its start is no news.
    """
    begun = set(services)
    if not begun:
        return {}
    projected = store.projected()
    seen = means.runtime.observe(means.desired.project)
    listed = {container.container_id for container in seen.containers}
    ours = {
        container.container_id: container
        for container in projected.all_containers()
        if container.service in begun and container.container_id in listed
    }
    shown = Observed(tuple(one for one in seen.containers if one.container_id in ours))
    events = [
        event
        for event in observations(projected, shown, now_ms=now_ms())
        if event.data.get("container_id") in ours and event.event_type == "container_exited"
    ]
    means.journal.record(*events)
    return {
        event.data["service"]: f"container {ours[event.data['container_id']].name} ended with exit code "
        f"{event.data['exit_code']}; see: fleet services logs {event.data['service']}"
        for event in events
    }


def remove_unused_secrets(means: Means, projected: Projected) -> None:
    """Take away the engine's objects of values that no container uses any more.

    One that cannot be removed stays until the next apply that changes a container.
    """
    documents = [*means.projected.definitions.values(), *projected.definitions.values()]
    if not means.desired.secrets and not any("secret_digests" in document for document in documents):
        return
    used = set()
    for container in projected.all_containers():
        document = projected.definitions.get(container.digest)
        if document is not None:
            spec = service_from_document(document)
            used |= {secret_object(means.desired.project, spec, secret) for secret in used_secrets(spec)}
    try:
        for name in means.runtime.secrets(means.desired.project):
            if name not in used:
                means.runtime.remove_secret(name)
    except FleetError:
        return
