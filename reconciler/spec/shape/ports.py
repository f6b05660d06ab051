"""Published ports: `80`, `"8080:80"`, `"127.0.0.1:8080:80/udp"`, ranges, and the long form."""

from __future__ import annotations

import re
from typing import Any

from reconciler.spec.desired import PortMapping, make
from reconciler.spec.reading import Field, Reading, choice, text, whole
from reconciler.spec.structures import fields_of, list_of, require
from reconciler.spec.tree import Mapping, Node, Scalar, kind_of
from reconciler.spec.wording import quoted

MAX_PORT = 65_535
MOST_PORTS = 1_000
MOST_PORTS_IN_ALL = 50_000

_SHORT = re.compile(
    r"(?:(?P<ip>\[[0-9A-Fa-f:.]+\]|\d+(?:\.\d+){3}):(?=[\d-]*:))?(?:(?P<host>\d{1,5}(?:-\d{1,5})?)?:)?"
    r"(?P<container>\d{1,5}(?:-\d{1,5})?)(?:/(?P<protocol>[A-Za-z]+))?"
)
_PROTOCOLS = ("tcp", "udp", "sctp")
_EXAMPLES = "such as 80, 8080:80 or 127.0.0.1:8080:80/udp"


def host_address(written: str) -> str:
    """An address in one spelling; empty for every address.

    Raises:
        ValueError: when it is not an IP address.
    """
    import ipaddress

    address = ipaddress.ip_address(written.strip("[]"))
    return "" if address == ipaddress.IPv4Address(0) else str(address)


def published_ports(node: Node, path: str, reading: Reading) -> list[tuple[PortMapping, Node, str]] | None:
    """All ports of a service, each with its node and path, for the checks that need the whole file."""
    found = list_of(_port, single=True)(node, path, reading)
    if found is None:
        return None
    every = [one for several in found for one in several]
    if len(every) > MOST_PORTS:
        reading.wrong(node, path, f"these are {len(every)} ports; more than {MOST_PORTS} cannot be published")
        return None
    return every


def port_order(port: PortMapping) -> tuple[int, int, str, str]:
    """The order in which ports are kept."""
    return port.container_port, port.host_port, port.host_ip, port.protocol


def _port(node: Node, path: str, reading: Reading) -> list[tuple[PortMapping, Node, str]] | None:
    if reading.totals.get("ports", 0) > MOST_PORTS_IN_ALL:
        return None
    found = _long(node, path, reading) if isinstance(node, Mapping) else _short(node, path, reading)
    if found is None or not reading.count("ports", len(found), MOST_PORTS_IN_ALL, node, path):
        return None
    return [(mapping, node, path) for mapping in found]


def _short(node: Node, path: str, reading: Reading) -> list[PortMapping] | None:
    if isinstance(node, Scalar) and isinstance(node.value, float):
        reading.wrong(node, path, f"this is {kind_of(node)} where a port is wanted", _EXAMPLES)
        return None
    written = text(node, path, reading)
    if written is None:
        return None
    match = _SHORT.fullmatch(written)
    if match is None or written.startswith(":"):
        hint = "write 127.0.0.1 for localhost" if written.startswith("localhost:") else _EXAMPLES
        reading.wrong(node, path, f"{quoted(written)} is not a port", hint)
        return None
    try:
        return _expand(match["ip"] or "", match["host"] or "", match["container"], match["protocol"] or "tcp")
    except ValueError as error:
        reading.wrong(node, path, f"{quoted(written)} is not a port: {error}")
        return None


def _expand(host_ip: str, host: str, container: str, protocol: str) -> list[PortMapping]:
    """The mappings that one line stands for.

    Raises:
        ValueError: with what is wrong with it.
    """
    protocol = protocol.lower()
    if protocol not in _PROTOCOLS:
        raise ValueError(f"the protocol {protocol} is none of {', '.join(_PROTOCOLS)}")
    if host_ip:
        try:
            host_ip = host_address(host_ip)
        except ValueError:
            raise ValueError(f"{host_ip} is not an IP address") from None
    inside = _range(container)
    outside = _range(host, lowest=0) if host else [0] * len(inside)
    if len(inside) != len(outside):
        raise ValueError(f"{len(outside)} host ports cannot be given to {len(inside)} container ports")
    return [
        make(PortMapping, container_port=one, host_port=other, host_ip=host_ip, protocol=protocol)
        for one, other in zip(inside, outside, strict=True)
    ]


def _range(written: str, lowest: int = 1) -> range | list[int]:
    first, _, last = written.partition("-")
    start, end = int(first), int(last or first)
    if not lowest <= start <= MAX_PORT or not lowest <= end <= MAX_PORT:
        raise ValueError(f"ports go from 1 to {MAX_PORT}")
    if end < start:
        raise ValueError(f"the range {written} ends before it begins")
    if end - start >= MOST_PORTS:
        raise ValueError(f"the range {written} holds more than {MOST_PORTS} ports")
    return range(start, end + 1)


def _address(node: Node, path: str, reading: Reading) -> str | None:
    written = text(node, path, reading)
    if written is None:
        return None
    try:
        return host_address(written)
    except ValueError:
        hint = "write 127.0.0.1" if written == "localhost" else ""
        reading.wrong(node, path, f"{quoted(written)} is not an IP address", hint)
        return None


def _published(node: Node, path: str, reading: Reading) -> int | None:
    """A host port; Compose files write it in quotes."""
    if isinstance(node, Scalar) and isinstance(node.value, str) and node.value.isdecimal() and len(node.value) < 6:
        node = Scalar(node.source, node.line, node.column, node.text, int(node.value))
    return whole(0, MAX_PORT)(node, path, reading)


PORT_FIELDS = {
    "target": Field("container_port", whole(1, MAX_PORT)),
    "published": Field("host_port", _published),
    "host_ip": Field("host_ip", _address),
    "protocol": Field("protocol", choice(*_PROTOCOLS)),
}


def _long(node: Mapping, path: str, reading: Reading) -> list[PortMapping] | None:
    values: dict[str, Any] | None = fields_of(node, path, reading, PORT_FIELDS)
    if values is None or not require(node, path, reading, "target") or "container_port" not in values:
        return None
    return [make(PortMapping, **values)]
