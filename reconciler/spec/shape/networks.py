"""Networks and volumes: what the fleet has, and which networks a service joins.

A service that names no network joins the fleet's own, `default`, so that services find each other by name without a word
about it in the file.
"""

from __future__ import annotations

import re
from typing import Any

from reconciler.spec.desired import NetworkSpec, NetworkUse, VolumeSpec, make
from reconciler.spec.reading import Field, Reading, boolean, filled_text, matching, text
from reconciler.spec.shape.names import ENGINE_NAME, ENGINE_NAME_RULE
from reconciler.spec.structures import fields_of, list_of, sorted_set
from reconciler.spec.tree import Entry, Mapping, Node, child, is_null
from reconciler.spec.wording import quoted

DEFAULT_NETWORK = "default"

engine_name = matching(ENGINE_NAME, "an engine's name", ENGINE_NAME_RULE)
_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9])?")
host_name = matching(_HOST_NAME, "a host's name", "letters, digits, . and -")

ALIAS_FIELDS = {"aliases": Field("aliases", sorted_set(host_name))}


def network_uses(node: Node, path: str, reading: Reading) -> tuple[NetworkUse, ...] | None:
    """The networks of a service, sorted: a list of names, or a mapping of name to `{aliases: […]}`."""
    if not isinstance(node, Mapping):
        names = list_of(filled_text, single=True)(node, path, reading)
        return None if names is None else tuple(make(NetworkUse, network=name) for name in sorted(set(names)))
    uses = []
    for name, entry in node.entries.items():
        values: dict[str, Any] | None = {}
        if not is_null(entry.value):
            values = fields_of(entry.value, child(path, name), reading, ALIAS_FIELDS)
        uses.append(make(NetworkUse, network=name, **(values or {})))
    return tuple(sorted(uses, key=lambda use: use.network))


def _subnet(node: Node, path: str, reading: Reading) -> str | None:
    written = text(node, path, reading)
    if written is None:
        return None
    import ipaddress

    try:
        return str(ipaddress.ip_network(written))
    except ValueError:
        reading.wrong(node, path, f"{quoted(written)} is not a network in CIDR form", "such as 10.89.7.0/24")
        return None


NETWORK_FIELDS = {
    "name": Field("engine_name", engine_name),
    "external": Field("external", boolean),
    "internal": Field("internal", boolean),
    "subnet": Field("subnet", _subnet),
}
VOLUME_FIELDS = {"name": Field("engine_name", engine_name), "external": Field("external", boolean)}


def network(name: str, entry: Entry, path: str, reading: Reading) -> NetworkSpec:
    """One declared network; null declares one with nothing special."""
    values: dict[str, Any] = {}
    if not is_null(entry.value):
        values = fields_of(entry.value, path, reading, NETWORK_FIELDS) or {}
    if values.get("external"):
        for key in ("internal", "subnet"):
            if key in values:
                reading.wrong(entry, child(path, key), "this cannot be said of an external network, which others made")
    values.setdefault("engine_name", name if values.get("external") else f"{reading.fleet}-{name}")
    return make(NetworkSpec, name=name, **values)


def default_network(reading: Reading) -> NetworkSpec:
    """The fleet's own network, for a file that does not declare it."""
    return make(NetworkSpec, name=DEFAULT_NETWORK, engine_name=f"{reading.fleet}-{DEFAULT_NETWORK}")


def volume(name: str, entry: Entry, path: str, reading: Reading) -> VolumeSpec:
    """One declared volume; null declares one with nothing special."""
    values: dict[str, Any] = {}
    if not is_null(entry.value):
        values = fields_of(entry.value, path, reading, VOLUME_FIELDS) or {}
    values.setdefault("engine_name", name if values.get("external") else f"{reading.fleet}-{name}")
    return make(VolumeSpec, name=name, **values)
