"""Host ports: two services, or two replicas of one, cannot listen on the same one."""

from __future__ import annotations

from reconciler.spec.checks.draft import Draft
from reconciler.spec.reading import Reading
from reconciler.spec.shape.service import Part

# For one port and protocol: each address with the service that has it and the place where that stands.
Claims = dict[str, tuple[str, Part]]

_EVERYWHERE = ("", "::")


def check_host_ports(draft: Draft, reading: Reading) -> None:
    """Report host ports that are wanted twice; addresses and protocols that do not meet are no matter."""
    taken: dict[tuple[int, str], Claims] = {}
    for name, service in draft.active().items():
        for placed in service.ports:
            port = placed.value
            if not port.host_port:
                continue
            if service.spec.replicas > 1:
                message = f"the host port {port.host_port} cannot be given to {service.spec.replicas} replicas"
                reading.wrong(placed.at, placed.path, message, f'leave it to the engine: "{port.container_port}"')
                continue
            claims = taken.setdefault((port.host_port, port.protocol), {})
            before = _met(port.host_ip, claims)
            if before is None:
                claims[port.host_ip] = (name, placed)
            else:
                _report(name, placed, *before, reading)


def _met(host_ip: str, claims: Claims) -> tuple[str, Part] | None:
    """Who listens already where this address would: on the same one, or one of the two on every address."""
    if host_ip in _EVERYWHERE:
        return next(iter(claims.values()), None)
    return next((claims[address] for address in (host_ip, *_EVERYWHERE) if address in claims), None)


def _report(name: str, placed: Part, other: str, before: Part, reading: Reading) -> None:
    port = placed.value
    whose = "this service" if other == name else f"service {other}"
    where = f"{before.at.source.shown}:{before.at.line}:{before.at.column}"
    message = f"the host port {port.host_port}/{port.protocol} is taken by {whose} already"
    reading.wrong(placed.at, placed.path, message, f"at {where}")
