"""Checks of Podman: is it here, does it answer, and can what it relies on work."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

from reconciler.errors import FleetError, ToolMissing
from reconciler.ops.doctor.finding import Finding, Surroundings
from reconciler.runtime.podman import Podman
from reconciler.runtime.podman.discovery import HOW_TO_INSTALL, OLDEST
from reconciler.runtime.podman.service import may_raise_limits, unified_cgroups
from reconciler.runtime.podman.wire import Info

_VERSION = re.compile(r"\d+\.\d+(\.\d+)?")
_HELPERS = ("/usr/local/libexec/podman", "/usr/local/lib/podman", "/usr/libexec/podman", "/usr/lib/podman")
_TIMEOUT = 20


def program(around: Surroundings) -> Iterator[Finding]:
    """The `podman` program is installed and runs."""
    path = around.program("podman")
    if path is None:
        yield Finding("podman", "warning", "the podman program is not installed", HOW_TO_INSTALL)
        return
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as problem:
        yield Finding("podman", "broken", f"{path} does not run: {problem}", "install Podman again")
        return
    found = _VERSION.search(done.stdout)
    if done.returncode or found is None:
        words = (done.stderr or done.stdout).strip().splitlines()
        yield Finding(
            "podman",
            "broken",
            f"{path} does not run: {words[-1] if words else 'it says nothing'}",
            "install Podman again",
        )
        return
    yield Finding("podman", "ok", f"podman {found[0]} at {path}")


def reached(around: Surroundings) -> tuple[Podman | None, list[Finding]]:
    """A connection to the engine, found as every command finds it, and how that went."""
    try:
        runtime = Podman.connect(around.environ)
    except ToolMissing as problem:
        return None, [Finding("socket", "broken", problem.what, problem.hint)]
    except FleetError as problem:
        return None, [Finding("socket", "broken", str(problem), _how_to_reach(around))]
    return runtime, [Finding("socket", "ok", f"Podman answers at {runtime.socket}")]


def version(told: Info) -> Iterator[Finding]:
    """The engine is new enough."""
    text = told.version.version
    numbers = tuple(int(part) for part in re.findall(r"\d+", text)[:2])
    if numbers < OLDEST:
        yield Finding("engine", "broken", f"Podman {text} is too old; Fleet needs 4.0", "update Podman")
    else:
        kind = "rootless" if told.host.security.rootless else "as root"
        yield Finding("engine", "ok", f"Podman {text}, {kind}")


def cgroups(told: Info, around: Surroundings) -> Iterator[Finding]:
    """The container runtime can work with this machine's control groups."""
    runtime, groups = told.host.oci_runtime.name or "none", told.host.cgroup_version
    if groups == "v1" and runtime == "crun":
        yield Finding(
            "runtime",
            "broken",
            "crun does not work with this machine's control groups (version 1 or mixed)",
            _with_runc(around),
        )
    elif groups == "v1" and told.host.security.rootless:
        yield Finding(
            "runtime",
            "warning",
            f"{runtime}, with control groups of version 1: without root, limits (resources:) are ignored",
            "boot with systemd.unified_cgroup_hierarchy=1",
        )
    else:
        yield Finding("runtime", "ok", f"{runtime}, control groups {groups}")
    if not may_raise_limits() and not around.environ.get("CONTAINERS_CONF") and not unified_cgroups():
        yield Finding(
            "limits",
            "note",
            "this user may not raise resource limits (CAP_SYS_RESOURCE), which podman run does by default",
            'set default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"] under [containers] in containers.conf',
        )


def network(told: Info, around: Surroundings) -> Iterator[Finding]:
    """Containers can be given networks on which they find each other by name."""
    backend = told.host.network_backend or "none"
    if backend != "netavark":
        yield Finding(
            "network",
            "warning",
            f"the network back end is {backend}: services may not find each other by name",
            'install netavark and aardvark-dns; network_backend = "netavark" under [network] in containers.conf',
        )
        return
    missing = [name for name in ("netavark", "aardvark-dns") if not _helper(name, around)]
    if missing:
        yield Finding(
            "network",
            "broken",
            f"{' and '.join(missing)} cannot be found: bridge networks{' and names' * ('aardvark-dns' in missing)} do not work",
            _install(around, " ".join(missing)),
        )
    elif not around.program("iptables") and not around.program("nft"):
        yield Finding(
            "network",
            "broken",
            "netavark needs iptables or nft for bridge networks and published ports, and neither is installed",
            _install(around, "iptables"),
        )
    else:
        yield Finding("network", "ok", "netavark, with names")


def storage(told: Info) -> Iterator[Finding]:
    """Images are kept in layers, not copied."""
    driver = told.store.graph_driver_name
    if driver == "vfs":
        yield Finding(
            "storage",
            "warning",
            "the storage driver is vfs: every container is a full copy of its image, slow and large",
            'install fuse-overlayfs, set driver = "overlay" in storage.conf, then podman system reset',
        )
    else:
        yield Finding("storage", "ok", f"{driver} at {told.store.graph_root}")


def registries(told: Info) -> Iterator[Finding]:
    """Short image names can be looked up somewhere."""
    where = (told.registries or {}).get("search")
    if isinstance(where, list) and where:
        yield Finding("registries", "ok", f"short image names are looked up at {', '.join(map(str, where))}")
    else:
        yield Finding(
            "registries",
            "note",
            "no registry is set for short image names: postgres:16 is found only where an alias for it is known",
            "write docker.io/library/postgres:16, or set unqualified-search-registries in registries.conf",
        )


def health_checks(around: Surroundings) -> Iterator[Finding]:
    """Somebody runs health checks."""
    if around.path("/run/systemd/system").is_dir() or around.platform != "linux":
        yield Finding("health", "ok", "health checks are run by the engine and by Fleet")
    else:
        yield Finding(
            "health",
            "note",
            "without systemd the engine runs no health checks by itself; fleet apply and fleet watch do",
        )


def _helper(name: str, around: Surroundings) -> bool:
    return any((around.path(folder) / name).exists() for folder in _HELPERS) or around.program(name) is not None


def _with_runc(around: Surroundings) -> str:
    first = "" if around.program("runc") else f"{_install(around, 'runc')}, then "
    return f'{first}set runtime = "runc" under [engine] in containers.conf, or boot with systemd.unified_cgroup_hierarchy=1'


def _how_to_reach(around: Surroundings) -> str:
    if around.platform == "darwin":
        return "podman machine start"
    named = next((name for name in ("FLEET_PODMAN_SOCKET", "CONTAINER_HOST") if around.environ.get(name)), "")
    if named:
        return f"correct or unset {named}, or start the engine that it names"
    return "systemctl --user start podman.socket" if around.uid else "systemctl start podman.socket"


def _install(around: Surroundings, packages: str) -> str:
    for tool, command in (("apt-get", "apt-get install"), ("dnf", "dnf install"), ("pacman", "pacman -S")):
        if around.program(tool):
            return f"{command} {packages}"
    return f"install {packages}"
