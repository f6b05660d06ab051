"""Replacing replicas in turn: no more at a time than `max_unavailable`, those that do not run anyway first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from reconciler.plan.model import AnyAction, Need
from reconciler.projections.projected import ProjectedContainer
from reconciler.spec.desired import Gate, PortMapping, ServiceSpec

Binding = tuple[int, str, str]


def in_turn(
    spec: ServiceSpec, actions: Mapping[int, AnyAction], containers: Mapping[int, ProjectedContainer]
) -> Iterator[tuple[str, Need]]:
    """Edges (action, need) that keep the rest of a service running while some of it is replaced or restarted.

    Replicas that do not run cost nothing, so they come first and at once; each further one waits for the one that is
    `max_unavailable` before it to be up. When an early one fails the later ones are skipped and go on running.

    Args:
        actions: by replica, the one that takes it down or brings it up.
        containers: by replica, as they are now.
    """
    if len(actions) < 2 or spec.kind == "job":
        return
    running = {replica for replica, container in containers.items() if container.state == "running"}
    first = [replica for replica in sorted(actions) if replica not in running]
    then = [replica for replica in sorted(actions) if replica in running]
    turn = [*first, *then]
    for position, replica in enumerate(turn):
        earlier = position - max(1, spec.update.max_unavailable)
        if replica in running and earlier >= 0:
            before = turn[earlier]
            yield actions[replica].id, Need(actions[before].id, spec.name, up_gate(spec), before)


def up_gate(spec: ServiceSpec) -> Gate:
    """What it means for a replica of this service to be up."""
    check = spec.healthcheck
    return "healthy" if check is not None and check.test[:1] != ("NONE",) else "started"


def bindings(ports: Iterable[PortMapping]) -> tuple[Binding, ...]:
    """The host ports that a container binds: (port, protocol, address)."""
    return tuple((port.host_port, port.protocol, port.host_ip) for port in ports if port.host_port)


def collide(one: Binding, other: Binding) -> bool:
    """Whether two containers cannot hold these at the same time; no address means every address."""
    return one[:2] == other[:2] and (one[2] == other[2] or not one[2] or not other[2])


def cannot_overlap(old: ServiceSpec | None, new: ServiceSpec) -> str:
    """Why an old and a new container cannot run at the same time; empty when they can.

    Args:
        old: what the running container was made from, None when that is unknown.
    """
    if new.network_mode == "host":
        return "both would use the host's network"
    held = bindings((old or new).ports)
    for wanted in bindings(new.ports):
        if any(collide(wanted, other) for other in held):
            return f"both would need host port {wanted[0]}"
    return ""
