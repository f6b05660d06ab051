"""One service: its keys, its provider's template, and the checks that need nothing but itself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from reconciler.spec.desired import NetworkUse, Restart, ServiceSpec, make
from reconciler.spec.reading import Field, Reading, boolean, choice, duration, filled_text, matching, size, text, whole
from reconciler.spec.shape.environment import env_files, environment, labels, sysctls, table_of
from reconciler.spec.shape.files import build, configs, secret_files
from reconciler.spec.shape.lifecycle import (
    depends_on,
    healthcheck,
    is_job_policy,
    make_healthcheck,
    resources,
    restart,
    stop_signal,
    ulimits,
    update,
)
from reconciler.spec.shape.mounts import target, tmpfs, volumes
from reconciler.spec.shape.names import NAME, NAME_RULE, spot
from reconciler.spec.shape.networks import DEFAULT_NETWORK, engine_name, host_name, network_uses
from reconciler.spec.shape.ports import host_address, port_order, published_ports
from reconciler.spec.shape.providers import PROVIDER_FIELDS, PROVIDERS, apply_postgres
from reconciler.spec.structures import fields_of, has, list_of, sorted_set, words
from reconciler.spec.tree import Entry, Mapping, Node, child
from reconciler.spec.wording import quoted

MOST_REPLICAS = 1_000
MOST_CONTAINERS = 20_000
ENGINE_SHM_SIZE = 64 << 20
ALLOWANCES = ("privileged", "host-network", "host-pid", "host-ipc", "host-root", "engine-socket")

_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:-]{0,400}(?:@[a-z0-9]{1,20}:[0-9a-fA-F]{32,128})?")
_IMAGE_ID = re.compile(r"[0-9a-f]{12}|[0-9a-f]{64}")
_IMAGE_TRANSPORT = re.compile(r"[a-z-]+://|docker-daemon:|oci:|dir:")


def image(node: Node, path: str, reading: Reading) -> str | None:
    """An image's reference; one without tag and digest means `latest`, as it does to every engine."""
    written = filled_text(node, path, reading)
    if written is None:
        return None
    if not _IMAGE.fullmatch(written) or _IMAGE_TRANSPORT.match(written) or written.endswith((":", "/")):
        reading.wrong(node, path, f"{quoted(written)} is not an image", "such as postgres:16 or localhost/web:1")
        return None
    named = "@" in written or ":" in written.rpartition("/")[2] or _IMAGE_ID.fullmatch(written)
    return written if named else f"{written}:latest"


def _capability(node: Node, path: str, reading: Reading) -> str | None:
    written = text(node, path, reading)
    if written is None:
        return None
    name = written.upper().removeprefix("CAP_")
    if not re.fullmatch(r"[A-Z][A-Z0-9_]{1,30}", name):
        reading.wrong(node, path, f"{quoted(written)} is not a capability", "such as NET_ADMIN")
        return None
    return name


def _address(node: Node, path: str, reading: Reading) -> str | None:
    written = text(node, path, reading)
    if written is None:
        return None
    try:
        return host_address(written) or "0.0.0.0"  # noqa: S104
    except ValueError:
        reading.wrong(node, path, f"{quoted(written)} is not an IP address")
        return None


def _addresses(node: Node, path: str, reading: Reading) -> tuple[str, ...] | None:
    found = list_of(_address, single=True)(node, path, reading)
    return None if found is None else tuple(found)


def _host_entry(node: Node, path: str, reading: Reading) -> str | None:
    written = text(node, path, reading)
    if written is None or written == "host-gateway":
        return written
    return _address(node, path, reading)


def _namespace(what: str) -> Any:
    read = choice("host", "private")

    def reader(node: Node, path: str, reading: Reading) -> str | None:
        found = read(node, path, reading)
        return "" if found == "private" else found

    reader.__doc__ = f"Whose {what} namespace."
    return reader


def _network_mode(node: Node, path: str, reading: Reading) -> str | None:
    found = choice("host", "none", "bridge")(node, path, reading)
    return "" if found == "bridge" else found


def _shm_size(node: Node, path: str, reading: Reading) -> int | None:
    found: int | None = size(node, path, reading)
    return 0 if found == ENGINE_SHM_SIZE else found


_names = sorted_set(matching(NAME, "a name", NAME_RULE))

SERVICE_FIELDS = {
    "kind": Field("kind", choice("service", "job")),
    "job": Field("job", boolean),
    "provider": Field("provider", choice(*PROVIDERS)),
    **PROVIDER_FIELDS,
    "image": Field("image", image),
    "build": Field("build", build),
    "pull": Field("pull", choice("missing", "always", "never", also={"if_not_present": "missing"})),
    "command": Field("command", words),
    "entrypoint": Field("entrypoint", words),
    "environment": Field("environment", environment),
    "env_file": Field("env_files", env_files),
    "ports": Field("ports", published_ports),
    "volumes": Field("mounts", volumes),
    "tmpfs": Field("tmpfs", tmpfs),
    "networks": Field("networks", network_uses),
    "network_mode": Field("network_mode", _network_mode),
    "configs": Field("configs", configs),
    "secrets": Field("secrets", secret_files),
    "healthcheck": Field("healthcheck", healthcheck),
    "container_name": Field("container_name", engine_name),
    "hostname": Field("hostname", host_name),
    "user": Field("user", matching(re.compile(r"[A-Za-z0-9_.-]+(?::[A-Za-z0-9_.-]+)?"), "a user", "name, id or id:id")),
    "working_dir": Field("working_dir", target),
    "read_only": Field("read_only", boolean),
    "privileged": Field("privileged", boolean),
    "init": Field("init", boolean),
    "tty": Field("tty", boolean),
    "pid": Field("pid_mode", _namespace("process")),
    "ipc": Field("ipc_mode", _namespace("IPC")),
    "cap_add": Field("cap_add", sorted_set(_capability)),
    "cap_drop": Field("cap_drop", sorted_set(_capability)),
    "labels": Field("labels", labels),
    "extra_hosts": Field(
        "extra_hosts",
        table_of(_host_entry, re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*"), "a host's name", separators="=:"),
    ),
    "dns": Field("dns", _addresses),
    "sysctls": Field("sysctls", sysctls),
    "ulimits": Field("ulimits", ulimits),
    "shm_size": Field("shm_size", _shm_size),
    "stop_signal": Field("stop_signal", stop_signal),
    "stop_grace_period": Field("stop_grace_ms", duration),
    "restart": Field("restart", restart),
    "resources": Field("resources", resources),
    "replicas": Field("replicas", whole(0, MOST_REPLICAS)),
    "depends_on": Field("depends_on", depends_on),
    "update": Field("update", update),
    "tags": Field("tags", _names),
    "profiles": Field("profiles", _names),
    "protect": Field("protect", boolean),
    "allow": Field("allow", sorted_set(choice(*ALLOWANCES))),
    "notify": Field("notify", _names),
}

# What Compose files say, and how it is said here.
COMPOSE_WORDS = {
    "cpus": "write resources: {cpus: …}",
    "mem_limit": "write resources: {memory: …}",
    "memory": "write resources: {memory: …}",
    "pids_limit": "write resources: {pids: …}",
    "deploy": "write replicas:, resources: and update: in the service",
    "scale": "write replicas:",
    "pull_policy": "write pull:",
    "expose": "leave it out: every port is open inside a network",
    "links": "leave it out: services of a network know each other by name; the order is depends_on:",
    "external_links": "write networks: with an external network",
    "extends": "write a YAML anchor and <<, or an overlay",
    "stdin_open": "leave it out: fleet services exec gives a shell",
    "net": "write network_mode:",
    "security_opt": "there is no counterpart yet",
    "devices": "there is no counterpart yet",
    "logging": "leave it out: fleet services logs reads what the engine keeps",
    "dockerfile": "write build: {context: ., containerfile: …}",
}


class Part(NamedTuple):
    """A mount, config, secret file or port with its place in the file."""

    what: str
    value: Any
    at: Node
    path: str

    def spot(self) -> tuple[Node, str]:
        """Its place and path."""
        return self.at, self.path


@dataclass(slots=True)
class ServiceDraft:
    """A service with what the checks of the whole fleet need to point at places in the file.

    Attributes:
        active: whether one of its profiles is active, or it has none.
        placed: what is put into the container's file system.
        ports: the published ports.
    """

    name: str
    path: str
    entry: Entry
    spec: ServiceSpec
    active: bool
    placed: list[Part]
    ports: list[Part]

    def spot(self, *keys: str) -> tuple[Node | Entry, str]:
        """The place and path of a key inside the service; of the nearest one above it where it is not in the file."""
        return spot(self.entry, self.path, *keys)

    def has(self, *keys: str) -> bool:
        """Whether the file has this key of the service."""
        return self.spot(*keys)[0] is not self.spot(*keys[:-1])[0]


def read_service(name: str, entry: Entry, path: str, reading: Reading, profiles: Iterable[str]) -> ServiceDraft | None:
    """One service, as far as it can be read; what is wrong is reported."""
    node = entry.value
    active = _is_active(node, profiles)
    reading.looks = active
    values = fields_of(node, path, reading, SERVICE_FIELDS, COMPOSE_WORDS)
    reading.looks = True
    if values is None or not isinstance(node, Mapping):
        return None
    if values.get("provider") == "postgres":
        values = apply_postgres(values, node, path, reading)
    else:
        _refuse_provider_keys(values, node, path, reading)
    _set_kind(values, node, path, reading)
    _set_image(name, values, entry, path, reading)
    if "healthcheck" in values:
        below = child(path, "healthcheck")
        values["healthcheck"] = make_healthcheck(values["healthcheck"], _below(node, "healthcheck"), below, reading)
    ports = [Part("a port", *one) for one in values.pop("ports", ())]
    if active and not reading.count("containers", values.get("replicas", 1), MOST_CONTAINERS, entry, path):
        values["replicas"] = 0
    values["ports"] = tuple(sorted({port.value for port in ports}, key=port_order))
    placed = _set_placed(values)
    if not values.get("networks") and not values.get("network_mode"):
        values["networks"] = (make(NetworkUse, network=DEFAULT_NETWORK),)
    draft = ServiceDraft(name, path, entry, make(ServiceSpec, name=name, **values), active, placed, ports)
    _check_networking(draft, reading)
    _check_targets(draft, reading)
    _check_update(draft, reading)
    return draft


def _below(node: Mapping, key: str) -> Node:
    return node.entries[key].value if key in node.entries else node


def _is_active(node: Node, profiles: Iterable[str]) -> bool:
    """Whether a service takes part, by its profiles as they are written."""
    entry = node.entries.get("profiles") if isinstance(node, Mapping) else None
    if entry is None:
        return True
    value = entry.value
    items = getattr(value, "items", [value])
    written = [item.text for item in items if getattr(item, "text", "")]
    return not written or bool(set(written) & set(profiles))


def _refuse_provider_keys(values: dict[str, Any], node: Mapping, path: str, reading: Reading) -> None:
    for key, field in PROVIDER_FIELDS.items():
        values.pop(field.attribute, None)
        if has(node, key) and not has(node, "provider"):
            hint = 'write ports: ["8080:80"]' if key == "port" else "write provider: too"
            reading.wrong(node.entries[key], child(path, key), f"the key {key} belongs to a provider", hint)


def _set_kind(values: dict[str, Any], node: Mapping, path: str, reading: Reading) -> None:
    """`job: true` is `kind: job`; a job is not started again when it has ended."""
    job = values.pop("job", None)
    if job is not None:
        kind = "job" if job else "service"
        if values.get("kind", kind) != kind:
            reading.wrong(
                node.entries["job"], child(path, "job"), "job and kind contradict each other; write one of them"
            )
        values["kind"] = kind
    restart_values = values.pop("restart", {})
    if values.get("kind") == "job":
        if "provider" in values:
            reading.wrong(node.entries["provider"], child(path, "provider"), "a provider's service is no job")
        restart_values.setdefault("policy", "no")
        if not is_job_policy(restart_values["policy"]):
            policy = restart_values["policy"]
            message = f"a job ends, so that the policy {policy} has no meaning"
            reading.wrong(_below(node, "restart"), child(path, "restart"), message, "write no or on-failure")
    if restart_values:
        values["restart"] = make(Restart, **restart_values)


def _set_image(name: str, values: dict[str, Any], entry: Entry, path: str, reading: Reading) -> None:
    """A built image without a name gets one; a service with neither image nor build is wrong."""
    node = entry.value
    if "image" in values or not isinstance(node, Mapping):
        return
    if has(node, "build"):
        values["image"] = f"localhost/{reading.fleet}-{name.lower()}:latest"
    elif not has(node, "image") and not has(node, "provider"):
        reading.wrong(entry, path, "this service has neither image nor build", "such as image: postgres:16")


def _set_placed(values: dict[str, Any]) -> list[Part]:
    """Mounts and files as sorted values, and all of them with their places."""
    mounts = [*values.pop("mounts", ()), *values.pop("tmpfs", ())]
    parts = (("mounts", "a mount", mounts), ("configs", "a config", values.pop("configs", ())))
    placed: list[Part] = []
    for key, what, found in (*parts, ("secrets", "a secret", values.pop("secrets", ()))):
        values[key] = tuple(sorted((value for value, _, _ in found), key=_by_target))
        placed += [Part(what, *one) for one in found]
    return placed


def _by_target(value: Any) -> str:
    target: str = value.target
    return target


def _check_networking(draft: ServiceDraft, reading: Reading) -> None:
    spec = draft.spec
    if not spec.network_mode:
        return
    for key, given in (("networks", spec.networks), ("ports", spec.ports)):
        if given:
            reading.wrong(*draft.spot(key), f"{key} have no meaning with network_mode: {spec.network_mode}")


def _check_targets(draft: ServiceDraft, reading: Reading) -> None:
    """Two things cannot be put at one place of a container."""
    taken: dict[str, str] = {}
    for placed in draft.placed:
        target = placed.value.target
        if target in taken:
            message = f"{quoted(target)} is the target of {taken[target]} already"
            reading.wrong(placed.at, placed.path, message)
        else:
            taken[target] = placed.what


def _check_update(draft: ServiceDraft, reading: Reading) -> None:
    spec = draft.spec
    fixed = [port for port in spec.ports if port.host_port]
    if spec.update.order == "start-first" and (fixed or spec.network_mode == "host"):
        why = f"the host port {fixed[0].host_port}" if fixed else "the host's network"
        message = f"start-first is not possible while {why} is in use, so the old container stops first"
        reading.warn(*draft.spot("update", "order"), message)
