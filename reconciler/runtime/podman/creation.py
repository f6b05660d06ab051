"""From a container order to the body that makes the container: every field of a service has its place here."""

from __future__ import annotations

from typing import Any

from reconciler.errors import ActionFailed
from reconciler.runtime.model import ContainerOrder
from reconciler.spec.desired import HealthCheck, Mount, Resources, SecretUse, ServiceSpec

# Numbers of Linux, whatever the machine that Fleet runs on: a Mac counts some of them differently.
_SIGNALS = {
    name: number
    for number, names in (
        (
            1,
            ("HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM"),
        ),
        (15, ("TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM")),
        (27, ("PROF", "WINCH", "IO", "PWR", "SYS")),
    )
    for number, name in enumerate(names, start=number)
}
_RTMIN, _RTMAX = 34, 64
_UNLIMITED = (1 << 64) - 1
_CPU_PERIOD = 100_000
_MIN_CPU_QUOTA = 1_000


def creation_body(order: ContainerOrder) -> dict[str, Any]:
    """The engine's description of the container that an order asks for; what is left at its default is left out."""
    service = order.service
    body: dict[str, Any] = {
        "name": order.name,
        "image": order.image,
        "labels": dict(order.labels),
        "command": _listed(service.command),
        "entrypoint": _listed(service.entrypoint),
        "env": _plain_environment(order),
        "secret_env": _secret_environment(order),
        "secrets": _secret_files(order),
        "hostname": service.hostname,
        "user": service.user,
        "work_dir": service.working_dir,
        "terminal": service.tty,
        "init": service.init,
        "privileged": service.privileged,
        "read_only_filesystem": service.read_only,
        "cap_add": list(service.cap_add),
        "cap_drop": list(service.cap_drop),
        "sysctl": dict(service.sysctls),
        "r_limits": _ulimits(service),
        "shm_size": service.shm_size,
        "stop_signal": signal_number(service.stop_signal),
        "pidns": {"nsmode": "host"} if service.pid_mode == "host" else None,
        "ipcns": {"nsmode": "host"} if service.ipc_mode == "host" else None,
        "mounts": _mounts(service),
        "volumes": _volumes(order),
        "healthconfig": _health(service.healthcheck) if service.healthcheck is not None else None,
        "resource_limits": resource_limits(service.resources),
        **_network(order),
        **_restart(service),
    }
    kept = {key: value for key, value in body.items() if value not in (None, "", False, 0, [], {})}
    if service.entrypoint == ():
        # An empty list says "not the image's either", which is not the same as saying nothing.
        kept["entrypoint"] = []
    kept["stop_timeout"] = seconds(service.stop_grace_ms)
    return kept


def resource_limits(resources: Resources) -> dict[str, Any]:
    """Limits as the engine takes them when it makes a container; what has no limit is left out."""
    limits: dict[str, Any] = {}
    if resources.cpus:
        limits["cpu"] = {"period": _CPU_PERIOD, "quota": _quota(resources.cpus)}
    if resources.memory:
        limits["memory"] = {"limit": resources.memory}
    if resources.pids:
        limits["pids"] = {"limit": resources.pids}
    return limits


def changed_limits(resources: Resources, *, swap: bool = True) -> dict[str, Any]:
    """Limits as the engine takes them when it changes a container; what has no limit any more is lifted.

    A container is made with as much swap as memory, and the kernel refuses a memory limit above the sum of the two, so
    both are changed together. A limit on processes can be set but not lifted: the engine's own default would go too.
    """
    memory: dict[str, Any] = {"limit": resources.memory or -1}
    if swap:
        memory["swap"] = resources.memory * 2 or -1
    limits: dict[str, Any] = {
        "cpu": {"period": _CPU_PERIOD, "quota": _quota(resources.cpus) if resources.cpus else -1},
        "memory": memory,
    }
    if resources.pids:
        limits["pids"] = {"limit": resources.pids}
    return limits


def signal_number(name: str) -> int | None:
    """The Linux number of `SIGTERM`, `term`, `15` or `SIGRTMIN+3`; None for an empty name.

    Raises:
        ActionFailed: there is no such signal.
    """
    text = name.strip().upper().removeprefix("SIG")
    if text.isdigit():
        return int(text)
    for word, base, sign in (("RTMIN", _RTMIN, 1), ("RTMAX", _RTMAX, -1)):
        if text.startswith(word):
            offset = text[len(word) :].lstrip("+-") or "0"
            if offset.isdigit():
                return base + sign * int(offset)
    if text and text not in _SIGNALS:
        raise ActionFailed(f"there is no signal {name!r}")
    return _SIGNALS.get(text)


def seconds(milliseconds: int) -> int:
    """Whole seconds, rounded up, as the engine counts grace periods."""
    return -(-milliseconds // 1000)


def _listed(words: tuple[str, ...] | None) -> list[str] | None:
    return None if words is None else list(words)


def _plain_environment(order: ContainerOrder) -> dict[str, str]:
    own = {name: value for name, value in order.service.environment.items() if isinstance(value, str)}
    secret = order.service.environment.keys() - own.keys()
    return {name: value for name, value in {**order.env_file_values, **own}.items() if name not in secret}


def _secret_environment(order: ContainerOrder) -> dict[str, str]:
    return {
        name: order.secrets[value.secret]
        for name, value in order.service.environment.items()
        if isinstance(value, SecretUse)
    }


def _secret_files(order: ContainerOrder) -> list[dict[str, Any]]:
    return [
        {
            "Source": order.secrets[file.secret],
            "Target": file.target,
            "Mode": file.mode,
            "UID": file.uid,
            "GID": file.gid,
        }
        for file in order.service.secrets
    ]


def _mounts(service: ServiceSpec) -> list[dict[str, Any]]:
    return [
        _bind(mount) if mount.kind == "bind" else _tmpfs(mount) for mount in service.mounts if mount.kind != "volume"
    ]


def _bind(mount: Mount) -> dict[str, Any]:
    options = ["rbind", "ro" if mount.read_only else "rw"]
    return {"type": "bind", "source": mount.source, "destination": mount.target, "options": options}


def _tmpfs(mount: Mount) -> dict[str, Any]:
    options = ["ro"] if mount.read_only else []
    options += [f"size={mount.size}"] if mount.size else []
    options += [f"mode={mount.mode:o}"] if mount.mode else []
    return {"type": "tmpfs", "source": "tmpfs", "destination": mount.target, "options": options}


def _volumes(order: ContainerOrder) -> list[dict[str, Any]]:
    return [
        {
            "Name": order.volumes[mount.source],
            "Dest": mount.target,
            "Options": ["ro"] if mount.read_only else [],
        }
        for mount in order.service.mounts
        if mount.kind == "volume"
    ]


def _network(order: ContainerOrder) -> dict[str, Any]:
    service = order.service
    body: dict[str, Any] = {
        "hostadd": [f"{name}:{address}" for name, address in service.extra_hosts.items()],
        "dns_server": list(service.dns),
    }
    if service.network_mode:
        return {**body, "netns": {"nsmode": service.network_mode}}
    body["portmappings"] = [
        {
            "container_port": port.container_port,
            "host_port": port.host_port,
            "host_ip": port.host_ip,
            "protocol": port.protocol,
        }
        for port in service.ports
    ]
    if order.networks:
        body["netns"] = {"nsmode": "bridge"}
        body["Networks"] = {name: {"aliases": list(aliases)} for name, aliases in order.networks.items()}
    return body


def _restart(service: ServiceSpec) -> dict[str, Any]:
    restart = service.restart
    if restart.supervisor != "engine" or restart.policy == "no":
        return {}
    body: dict[str, Any] = {"restart_policy": restart.policy}
    if restart.policy == "on-failure" and restart.max_attempts:
        body["restart_tries"] = restart.max_attempts
    return body


def _health(check: HealthCheck) -> dict[str, Any]:
    if check.test[:1] == ("NONE",):
        return {"Test": ["NONE"]}
    return {
        "Test": list(check.test),
        "Interval": check.interval_ms * 1_000_000,
        "Timeout": check.timeout_ms * 1_000_000,
        "StartPeriod": check.start_period_ms * 1_000_000,
        "Retries": check.retries,
    }


def _quota(cpus: float) -> int:
    return max(_MIN_CPU_QUOTA, round(cpus * _CPU_PERIOD))


def _ulimits(service: ServiceSpec) -> list[dict[str, Any]]:
    return [{"type": limit.name, "soft": _limit(limit.soft), "hard": _limit(limit.hard)} for limit in service.ulimits]


def _limit(value: int) -> int:
    return _UNLIMITED if value < 0 else value
