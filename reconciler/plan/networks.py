"""Networks whose options were edited, and containers on a network that was made anew after them.

The engine cannot change a network, so one is made anew under its name, and what was on the old one is made anew after it.
Nothing of that is planned while a container is to stay that could not follow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reconciler.plan.model import FieldChange
from reconciler.plan.naming import service_address
from reconciler.projections.projected import ProjectedContainer, ProjectedNetwork
from reconciler.spec.desired import Desired, NetworkSpec, ServiceSpec

if TYPE_CHECKING:
    from reconciler.plan.situation import Situation

_OPTIONS = ("internal", "subnet")


def networks_of(spec: ServiceSpec) -> Iterator[str]:
    """The networks that containers of a service join."""
    return (use.network for use in spec.networks)


def used_networks(desired: Desired) -> set[str]:
    """The networks that any declared service joins."""
    return {name for spec in desired.services.values() for name in networks_of(spec)}


def edited_networks(situation: Situation) -> dict[str, tuple[FieldChange, ...]]:
    """By name, how options differ from those that a network was made with; what an older log does not say is the same."""
    found = {}
    used = used_networks(situation.desired)
    for name, made in situation.projected.made_networks.items():
        spec = situation.desired.networks.get(name)
        if spec is None or spec.external or name not in used:
            continue
        changes = tuple(_changes(name, made, spec)) if situation.projected.networks[name] == spec.engine_name else ()
        if changes:
            found[name] = changes
    return found


def _changes(name: str, made: ProjectedNetwork, spec: NetworkSpec) -> Iterator[FieldChange]:
    for option in _OPTIONS:
        before, now = getattr(made, option), getattr(spec, option)
        if before is not None and before != now:
            yield FieldChange(f"networks.{name}.{option}", before, now)


def as_made(spec: NetworkSpec, made: ProjectedNetwork) -> NetworkSpec:
    """A network as it was made before its options were edited."""
    internal = spec.internal if made.internal is None else made.internal
    return NetworkSpec(
        spec.name, spec.engine_name, internal=internal, subnet=spec.subnet if made.subnet is None else made.subnet
    )


def why_not_anew(situation: Situation, name: str) -> str:
    """Why a network cannot be made anew now; empty when it can."""
    if situation.selection.narrowed:
        return "only a plan for the whole fleet does that"
    if fleet := situation.suspended(""):
        return fleet
    for container in situation.all_containers():
        made_from = situation.definition(container.digest)
        if made_from is not None and name in networks_of(made_from):
            why = _stays(situation, container)
            if why:
                return f"{service_address(container.service)} is on it: {why}"
    return ""


def _stays(situation: Situation, container: ProjectedContainer) -> str:
    name = container.service
    if name in situation.desired.inactive:
        return "its profile is not chosen"
    if container.adopted:
        return "it was taken over as it was"
    known, declared = situation.services.get(name), situation.desired.services.get(name)
    if declared.protect if declared is not None else known is not None and known.document.get("protect", False):
        return "protected"
    return situation.suspended(name, container.replica)


def behind(situation: Situation, spec: ServiceSpec, container: ProjectedContainer) -> Iterator[FieldChange]:
    """Networks that a container was made on and is not on as they are now, or will not be after this plan."""
    if container.adopted or container.state == "missing":
        return
    known, made_from = situation.projected.made_networks, situation.definition(container.digest)
    joined = set(networks_of(made_from)) if made_from is not None else set()
    for name in networks_of(spec):
        if name not in joined:
            continue
        declared = situation.desired.networks.get(name)
        if declared is None or declared.external or f"networks.{name}" in situation.renamed:
            continue
        if name in situation.anew:
            yield from situation.anew[name]
        elif name not in known:
            yield FieldChange(f"networks.{name}", "gone", declared.engine_name)
        elif known[name].made > container.made:
            yield FieldChange(f"networks.{name}", None, "made anew")
