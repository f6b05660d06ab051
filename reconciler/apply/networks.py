"""Making networks, removing them, and making one anew in the place of another.

Making one anew takes our containers off it first; they are made anew by actions of their own. Where the new one is
refused the old one comes back with everything on it. Containers that are not ours are never taken off.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from reconciler.apply.intents import Intent
from reconciler.apply.means import Means
from reconciler.apply.orders import answers_to
from reconciler.errors import ActionFailed, FleetError, NotFound
from reconciler.events.envelope import NewEvent
from reconciler.plan.model import CreateNetwork, RemoveNetwork, ReplaceNetwork
from reconciler.runtime.model import LABEL_PROJECT, ObservedContainer
from reconciler.spec.desired import NetworkSpec


def change_network(
    means: Means, action: CreateNetwork | ReplaceNetwork | RemoveNetwork, intent: Intent
) -> list[NewEvent]:
    """Do what an action about a network says; what came of it."""
    match action:
        case CreateNetwork():
            means.runtime.create_network(action.network, means.labels(action.resource, intent.label))
            return [_created(intent, action.network)]
        case ReplaceNetwork():
            return _replace(means, action, intent)
        case RemoveNetwork():
            return [_remove(means, intent, action.network, action.engine_name)]


def strangers(means: Means, engine_name: str) -> list[str]:
    """Names of containers on a network that this project does not own."""
    users = means.runtime.network_users(engine_name)
    return sorted(one.name for one in users if one.labels.get(LABEL_PROJECT) != means.desired.project)


def in_the_way(engine_name: str, names: Iterable[str]) -> str:
    """What to say of them."""
    return f"network {engine_name} cannot be made anew: {', '.join(names)} is on it and is not this fleet's"


def _created(intent: Intent, network: NetworkSpec, after: NewEvent | None = None) -> NewEvent:
    options = {"internal": network.internal, "subnet": network.subnet}
    data = {"network": network.name, "engine_name": network.engine_name, **options}
    return intent.outcome("network_created", data, after=after)


def _remove(means: Means, intent: Intent, name: str, engine_name: str) -> NewEvent:
    """Remove a network of ours; one that carries no label of ours is left alone and forgotten."""
    if engine_name in means.runtime.networks(means.desired.project):
        with suppress(NotFound):
            means.runtime.remove_network(engine_name)
    return intent.outcome("network_removed", {"network": name, "engine_name": engine_name})


def _replace(means: Means, action: ReplaceNetwork, intent: Intent) -> list[NewEvent]:
    name, labels = action.old.engine_name, means.labels(action.resource, intent.label)
    means.journal.check()
    off: list[ObservedContainer] = []
    if name in means.runtime.networks(means.desired.project):
        others = strangers(means, name)
        if others:
            raise ActionFailed(in_the_way(name, others), hint=f"podman network disconnect {name} {others[0]}")
        off = list(means.runtime.network_users(name))
    try:
        for container in off:
            means.runtime.detach(container.container_id, name)
        removed = _remove(means, intent, action.old.name, name)
        means.runtime.create_network(action.network, labels)
    except ActionFailed:
        _put_back(means, action, off, labels)
        raise
    return [removed, _created(intent, action.network, after=removed)]


def _put_back(means: Means, action: ReplaceNetwork, off: list[ObservedContainer], labels: dict[str, str]) -> None:
    """As it was, as far as that goes: what still fails now is found by the next look."""
    name = action.old.engine_name
    with suppress(FleetError):
        if not means.runtime.network_exists(name):
            means.runtime.create_network(action.old, labels)
    for container in off:
        known = means.recorded(container.container_id)
        made_from = means.definition(known.digest) if known is not None else None
        names = answers_to(means.desired, made_from, known.replica) if known is not None and made_from else {}
        with suppress(FleetError):
            means.runtime.attach(container.container_id, name, names.get(action.old.name, ()))
