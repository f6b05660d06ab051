"""A Compose file through podman-compose and through Fleet: the same containers. And the questions of `fleet init`."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import NotFound
from reconciler.runtime.podman import Podman
from reconciler.runtime.podman.client import segment
from tests.support.installed import FLEET, Installed
from tests.support.podman import force_remove

COMPOSE = """\
name: {name}
x-common: &common
  image: {image}
  environment: &env {{GREETING: "${{GREETING:-hello there}}", EMPTY: ""}}
services:
  web:
    <<: *common
    container_name: {name}-web
    entrypoint: [/bin/sh, -c]
    command: ["echo $$GREETING > /data/index.html; exec httpd -f -p 80 -h /data"]
    hostname: web-host
    working_dir: /tmp
    user: "0:0"
    environment: {{<<: *env, PRICE: "$$5"}}
    env_file: web.env
    ports: ["127.0.0.1:{port}:80"]
    volumes: ["data:/data", "./conf:/etc/conf:ro"]
    tmpfs: ["/scratch:size=1m"]
    labels: {{tier: front}}
    cap_add: [NET_ADMIN]
    cap_drop: [MKNOD]
    mem_limit: 64m
    stop_signal: SIGINT
    restart: on-failure:3
    depends_on: [other]
  other:
    <<: *common
    container_name: {name}-other
    command: sleep 600
    read_only: true
volumes:
  data:
"""


@pytest.fixture
def podman_compose(podman_socket: str, tmp_path: Path) -> list[str]:
    """podman-compose on the same engine as everything else here."""
    podman = tmp_path / "bin" / "podman"
    podman.parent.mkdir()
    podman.write_text(f'#!/bin/sh\nexec {shutil.which("podman")} --remote --url unix://{podman_socket} "$@"\n')
    podman.chmod(0o755)
    return [str(Path(sys.executable).parent / "podman-compose"), "--podman-path", str(podman)]


@pytest.fixture
def compose_project(
    installed: Installed, unique_name: str, busybox_image: str, free_port: int, podman: Podman
) -> Iterator[Installed]:
    installed.write(COMPOSE.format(name=unique_name, image=busybox_image, port=free_port), "compose.yaml")
    installed.write("FROM_FILE=1\n", "web.env")
    installed.write("x", "conf/a")
    yield installed
    for name in (f"{unique_name}-web", f"{unique_name}-other"):
        force_remove(podman, name)
    for path in (f"/volumes/{segment(unique_name)}_data", f"/networks/{segment(unique_name)}_default"):
        with suppress(NotFound):
            podman._client.act("DELETE", path, "clean up", query={"force": True})


def seen(podman: Podman, name: str) -> dict[str, Any]:
    """What matters of a container, as the engine tells it."""
    found: Any = podman._client.look(f"/containers/{segment(name)}/json", dict[str, Any], "look at a container")
    config, host = found["Config"], found["HostConfig"]
    own = {"PATH", "TERM", "HOSTNAME", "HOME", "container"}
    return {
        "image": found["Image"],
        "command": config["Cmd"],
        "entrypoint": config["Entrypoint"].split() if isinstance(config["Entrypoint"], str) else config["Entrypoint"],
        "environment": sorted(pair for pair in config["Env"] if pair.partition("=")[0] not in own),
        "ports": host["PortBindings"],
        "mounts": sorted(
            (mount["Type"], mount["Name"] if mount["Type"] == "volume" else mount["Source"], mount["Destination"],
             mount["RW"])
            for mount in found["Mounts"]
        ),
        # podman's own command adds tmpfs mounts to whatever is read-only; the engine's API and Docker do not.
        "tmpfs": [target for target in host["Tmpfs"] or {} if target == "/scratch"],
        "hostname": config["Hostname"] if config["Hostname"] == "web-host" else "",
        "working_dir": config["WorkingDir"],
        "user": config["User"],
        "labels": {key: value for key, value in config["Labels"].items() if key == "tier"},
        "capabilities": (host["CapAdd"], host["CapDrop"]),
        "memory": host["Memory"],
        "stop_signal": config["StopSignal"],
        "restart": (host["RestartPolicy"]["Name"] or "no", host["RestartPolicy"]["MaximumRetryCount"]),
        "read_only": host["ReadonlyRootfs"],
        "running": found["State"]["Running"],
    }  # fmt: skip


def test_podman_compose_and_fleet_make_the_same_containers(
    compose_project: Installed, podman_compose: list[str], podman: Podman, unique_name: str
) -> None:
    names = (f"{unique_name}-web", f"{unique_name}-other")

    def compose(*words: str) -> None:
        subprocess.run(
            [*podman_compose, *words], cwd=compose_project.directory, check=True, capture_output=True, timeout=120
        )

    compose("up", "-d")
    theirs = {name: seen(podman, name) for name in names}
    compose("down", "--timeout", "0")

    report = compose_project.fleet("init", "--from", "compose.yaml", "--json").json
    assert (report["problems"], report["counts"]["dropped"]) == ([], 0)
    compose_project.fleet("apply", "--yes")
    ours = {name: seen(podman, name) for name in names}
    for name in names:
        assert ours[name] == theirs[name]
    compose_project.fleet("plan", "--detailed-exitcode")


def test_on_a_terminal_it_asks(tmp_path: Path) -> None:
    """Real questions on a real terminal; a name that cannot be one is asked for again."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(tmp_path)
        os.execv(FLEET, [str(FLEET), "init", "--no-agents"])
    told = b""
    answers = iter(["No Good", "shop", "n", "localhost/web:1", "8081"])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 30)[0]:
            break
        try:
            told += os.read(terminal, 1024)
        except OSError:
            break
        if told.rstrip().endswith((b"]:", b"none):")):
            os.write(terminal, next(answers).encode() + b"\n")
            told += b"\n"
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0, told.decode()
    assert b"at most 41" in told
    text = (tmp_path / "fleet.yaml").read_text()
    assert "name: shop" in text
    assert 'ports: ["8081:80"]' in text
    assert "provider:" not in text
    assert "missions:" not in text
