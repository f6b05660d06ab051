"""What gives a container power over this machine, and so has to be allowed by name in the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from reconciler.spec.reading import Reading
from reconciler.spec.shape.service import ServiceDraft
from reconciler.spec.tree import Placed

# Folders that hold the socket of an engine, or a folder that does.
_ENGINE_FOLDERS = re.compile(r"(?:/var)?/run(?:/user(?:/\d+)?)?(?:/(?:podman|docker|containerd|crio))?")
_ENGINE_SOCKETS = frozenset({"podman.sock", "docker.sock", "containerd.sock", "crio.sock"})

_NAMESPACES = (
    ("host-network", "network_mode", "network_mode"),
    ("host-pid", "pid", "pid_mode"),
    ("host-ipc", "ipc", "ipc_mode"),
)
_MOUNTED = {
    "host-root": "every file of this machine",
    "engine-socket": "control of every container of this machine",
}


class _Need(NamedTuple):
    allowance: str
    at: Placed
    path: str
    message: str


def check_allowances(service: ServiceDraft, reading: Reading) -> None:
    """Report what is used and not allowed; warn about what is allowed and not used."""
    needs = list(_needs(service, reading))
    for need in needs:
        if need.allowance not in service.spec.allow:
            hint = f"if that is meant, write allow: [{need.allowance}]"
            reading.wrong(need.at, need.path, need.message, hint)
    for allowance in service.spec.allow:
        if all(need.allowance != allowance for need in needs):
            reading.warn(*service.spot("allow", allowance), f"{allowance} is allowed and nothing needs it")


def _needs(service: ServiceDraft, reading: Reading) -> Iterator[_Need]:
    if service.spec.privileged:
        message = "a privileged container can do whatever root of this machine can"
        yield _Need("privileged", *service.spot("privileged"), message)
    for allowance, key, attribute in _NAMESPACES:
        if getattr(service.spec, attribute) == "host":
            message = f"{key}: host lets the container into a namespace of this machine"
            yield _Need(allowance, *service.spot(key), message)
    for placed in service.placed:
        if placed.what == "a mount" and placed.value.kind == "bind":
            source = placed.value.source
            found = mount_allowance(source) or mount_allowance(reading.inputs.link(source))
            if found:
                yield _Need(found, placed.at, placed.path, f"this mount gives the container {_MOUNTED[found]}")


def mount_allowance(source: str) -> str:
    """The allowance that binding this path needs; empty for none."""
    if source == "/":
        return "host-root"
    if source.rpartition("/")[2] in _ENGINE_SOCKETS or _ENGINE_FOLDERS.fullmatch(source):
        return "engine-socket"
    return ""
