"""Host ports: two services, or two replicas of one, cannot listen on the same one."""

from __future__ import annotations

from reconciler.spec.checks.draft import Draft
from reconciler.spec.reading import Reading
from reconciler.spec.shape.service import Placed, ServiceDraft

Claim = tuple[str, str, Placed]


def check_host_ports(draft: Draft, reading: Reading) -> None:
    """Report host ports that are wanted twice; addresses and protocols that do not meet are no matter."""
    taken: dict[tuple[int, str], list[Claim]] = {}
    for name, service in draft.active().items():
        for placed in service.ports:
            if not placed.value.host_port:
                continue
            if service.spec.replicas > 1:
                message = f"the host port {placed.value.host_port} cannot be given to {service.spec.replicas} replicas"
                hint = f'leave it to the engine: "{placed.value.container_port}"'
                reading.wrong(placed.at, placed.path, message, hint)
            else:
                _claim(name, service, placed, taken, reading)


def _claim(
    name: str, service: ServiceDraft, placed: Placed, taken: dict[tuple[int, str], list[Claim]], reading: Reading
) -> None:
    port = placed.value
    others = taken.setdefault((port.host_port, port.protocol), [])
    for host_ip, other, before in others:
        if _meet(host_ip, port.host_ip):
            whose = "this service" if other == name else f"service {other}"
            where = f"{before.at.source.shown}:{before.at.line}:{before.at.column}"
            message = f"the host port {port.host_port}/{port.protocol} is taken by {whose} already"
            reading.wrong(placed.at, placed.path, message, f"at {where}")
            return
    others.append((port.host_ip, name, placed))


def _meet(one: str, other: str) -> bool:
    """Whether two addresses would meet on one port; `::` listens on every IPv4 address as well."""
    return one == other or "" in (one, other) or "::" in (one, other)
