"""Checks of what containers without root need of a Linux machine. For root, and elsewhere, there is nothing to look at."""

from __future__ import annotations

import os
from collections.abc import Iterator

from reconciler.ops.doctor.finding import Finding, Surroundings


def rootless(around: Surroundings) -> Iterator[Finding]:
    """An ordinary user may run containers with users of their own."""
    if around.uid == 0 or around.platform != "linux":
        return
    found = [*_user_ids(around), *_id_programs(around), *_namespaces(around), *_user_network(around)]
    yield from found or [Finding("rootless", "ok", f"{around.user} may run containers without root")]


def session(around: Surroundings) -> Iterator[Finding]:
    """Containers of an ordinary user live on when nobody is logged in."""
    if around.uid == 0 or around.platform != "linux":
        return
    folder = around.environ.get("XDG_RUNTIME_DIR", "")
    if not folder or not around.path(folder).is_dir():
        yield Finding(
            "session",
            "warning",
            "XDG_RUNTIME_DIR names no folder: Podman keeps its state in /tmp, where it can be swept away",
            f"log in properly (not by su), or export XDG_RUNTIME_DIR=/run/user/{around.uid}",
        )
    if around.path("/run/systemd/system").is_dir():
        if around.path(f"/var/lib/systemd/linger/{around.user}").exists():
            yield Finding("session", "ok", "services live on after a log-out")
        else:
            yield Finding(
                "session",
                "warning",
                f"services end when {around.user} logs out",
                f"loginctl enable-linger {around.user}",
            )


def _user_ids(around: Surroundings) -> Iterator[Finding]:
    for name in ("subuid", "subgid"):
        owners = {line.split(":")[0] for line in around.read(f"/etc/{name}").splitlines()}
        if not owners & {around.user, str(around.uid)}:
            yield Finding(
                "rootless",
                "broken",
                f"{around.user} has no range in /etc/{name}: files of images cannot have owners",
                f"sudo usermod --add-{name}s 100000-165535 {around.user} && podman system migrate",
            )


def _id_programs(around: Surroundings) -> Iterator[Finding]:
    missing = [name for name in ("newuidmap", "newgidmap") if not around.program(name)]
    if missing:
        yield Finding(
            "rootless",
            "broken",
            f"{' and '.join(missing)} are not installed",
            "Debian, Ubuntu: apt-get install uidmap; Fedora: dnf install shadow-utils",
        )


def _namespaces(around: Surroundings) -> Iterator[Finding]:
    for name in ("user/max_user_namespaces", "kernel/unprivileged_userns_clone"):
        if around.read(f"/proc/sys/{name}").strip() == "0":
            setting = name.replace("/", ".")
            value = 1 if "clone" in name else 15000
            yield Finding(
                "rootless",
                "broken",
                f"user namespaces are switched off ({setting} = 0)",
                f"sudo sysctl -w {setting}={value}",
            )


def _user_network(around: Surroundings) -> Iterator[Finding]:
    if not around.program("pasta") and not around.program("slirp4netns"):
        yield Finding(
            "rootless",
            "broken",
            "neither pasta nor slirp4netns is installed: containers have no network",
            "Debian, Ubuntu: apt-get install passt (or slirp4netns); Fedora: dnf install passt",
        )
    tunnel = around.path("/dev/net/tun")
    if not tunnel.exists():
        yield Finding("rootless", "broken", "there is no /dev/net/tun: containers have no network", "sudo modprobe tun")
    elif not os.access(tunnel, os.R_OK | os.W_OK):
        yield Finding(
            "rootless",
            "broken",
            f"{around.user} may not use /dev/net/tun: containers have no network",
            "sudo chmod 0666 /dev/net/tun",
        )
