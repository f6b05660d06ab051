"""An order as the engine takes it, as a value."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.errors import ActionFailed
from reconciler.runtime.model import ContainerOrder
from reconciler.runtime.podman.creation import changed_limits, creation_body, resource_limits, seconds, signal_number
from reconciler.spec.desired import (
    HealthCheck,
    Mount,
    PortMapping,
    Resources,
    Restart,
    SecretFile,
    SecretUse,
    ServiceSpec,
    Ulimit,
)


def body(order: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return creation_body(ContainerOrder(ServiceSpec("web", **fields), "web-1", "image:1", {}, **(order or {})))


def test_what_is_left_at_its_default_is_left_to_the_engine() -> None:
    assert body() == {"name": "web-1", "image": "image:1", "stop_timeout": 10}


def test_every_field_of_a_service_has_a_place_or_a_reason() -> None:
    settings = {"provider", "kind", "build", "pull", "replicas", "depends_on", "update", "tags", "profiles"}
    settings |= {"protect", "allow", "notify", "secret_digests"}
    elsewhere = {"name", "image", "container_name", "labels", "networks", "env_files"}  # part of the order itself
    put_later = {"configs"}
    used = {
        *("command", "entrypoint", "environment", "ports", "mounts", "network_mode", "secrets", "healthcheck"),
        *("hostname", "user", "working_dir", "read_only", "privileged", "init", "tty", "pid_mode", "ipc_mode"),
        *("cap_add", "cap_drop", "extra_hosts", "dns", "sysctls", "ulimits", "shm_size", "stop_signal", "restart"),
        *("resources", "stop_grace_ms"),
    }
    assert used | settings | elsewhere | put_later == set(ServiceSpec.__struct_fields__)
    assert not used & (settings | elsewhere | put_later)


def test_commands() -> None:
    assert body(command=("a", "b"))["command"] == ["a", "b"]
    assert body(entrypoint=("a",))["entrypoint"] == ["a"]
    assert body(entrypoint=())["entrypoint"] == []
    assert "entrypoint" not in body(command=())


def test_the_environment_keeps_secrets_apart() -> None:
    made = body(
        {"env_file_values": {"A": "file", "B": "file", "S": "from a file"}, "secrets": {"key": "fleet-key-1"}},
        environment={"A": "own", "S": SecretUse("key")},
    )
    assert made["env"] == {"A": "own", "B": "file"}
    assert made["secret_env"] == {"S": "fleet-key-1"}


def test_secrets_as_files() -> None:
    made = body({"secrets": {"key": "k1"}}, secrets=(SecretFile("key", "/run/key", mode=0o440, uid=1, gid=2),))
    assert made["secrets"] == [{"Source": "k1", "Target": "/run/key", "Mode": 0o440, "UID": 1, "GID": 2}]


def test_mounts() -> None:
    made = body(
        {"volumes": {"data": "shop-data"}},
        mounts=(
            Mount("volume", "/data", source="data", read_only=True),
            Mount("bind", "/b", source="/host"),
            Mount("tmpfs", "/t", size=5, mode=0o1777, read_only=True),
            Mount("tmpfs", "/u"),
        ),
    )
    assert made["volumes"] == [{"Name": "shop-data", "Dest": "/data", "Options": ["ro"]}]
    assert [mount["options"] for mount in made["mounts"]] == [["rbind", "rw"], ["ro", "size=5", "mode=1777"], []]
    assert [mount["type"] for mount in made["mounts"]] == ["bind", "tmpfs", "tmpfs"]


def test_networks_ports_and_names() -> None:
    made = body(
        {"networks": {"shop-default": ("web", "www")}},
        ports=(PortMapping(80, 8080, "127.0.0.1"), PortMapping(53, protocol="udp")),
        extra_hosts={"db": "10.0.0.1"},
        dns=("10.0.0.2",),
    )
    assert made["netns"] == {"nsmode": "bridge"}
    assert made["Networks"] == {"shop-default": {"aliases": ["web", "www"]}}
    assert made["portmappings"] == [
        {"container_port": 80, "host_port": 8080, "host_ip": "127.0.0.1", "protocol": "tcp"},
        {"container_port": 53, "host_port": 0, "host_ip": "", "protocol": "udp"},
    ]
    assert (made["hostadd"], made["dns_server"]) == (["db:10.0.0.1"], ["10.0.0.2"])


def test_without_a_network_of_its_own_nothing_is_published() -> None:
    made = body({"networks": {"n": ()}}, network_mode="host", ports=(PortMapping(80, 8080),))
    assert made["netns"] == {"nsmode": "host"}
    assert "portmappings" not in made
    assert "Networks" not in made


def test_namespaces_of_the_host() -> None:
    made = body(pid_mode="host", ipc_mode="host")
    assert (made["pidns"], made["ipcns"]) == ({"nsmode": "host"}, {"nsmode": "host"})


def test_limits() -> None:
    assert body(ulimits=(Ulimit("nofile", 1, -1),))["r_limits"] == [{"type": "nofile", "soft": 1, "hard": 2**64 - 1}]
    assert resource_limits(Resources()) == {}
    assert resource_limits(Resources(cpus=0.001, memory=5, pids=6)) == {
        "cpu": {"period": 100_000, "quota": 1_000},
        "memory": {"limit": 5},
        "pids": {"limit": 6},
    }
    assert changed_limits(Resources(cpus=2.0, memory=5, pids=6)) == {
        "cpu": {"period": 100_000, "quota": 200_000},
        "memory": {"limit": 5, "swap": 10},
        "pids": {"limit": 6},
    }
    assert changed_limits(Resources(), swap=False) == {
        "cpu": {"period": 100_000, "quota": -1},
        "memory": {"limit": -1},
    }


@pytest.mark.parametrize(
    ("restart", "expected"),
    [
        (Restart(policy="always", supervisor="fleet"), {}),
        (Restart(policy="no", supervisor="engine"), {}),
        (Restart(policy="unless-stopped", supervisor="engine"), {"restart_policy": "unless-stopped"}),
        (Restart(policy="on-failure", supervisor="engine"), {"restart_policy": "on-failure"}),
        (
            Restart(policy="on-failure", supervisor="engine", max_attempts=3),
            {"restart_policy": "on-failure", "restart_tries": 3},
        ),
        (Restart(policy="always", supervisor="engine", max_attempts=3), {"restart_policy": "always"}),
    ],
)
def test_restarts_are_the_engines_only_when_it_supervises(restart: Restart, expected: dict[str, Any]) -> None:
    made = body(restart=restart)
    assert {key: made[key] for key in made if key.startswith("restart")} == expected


def test_health_checks() -> None:
    check = HealthCheck(("CMD", "true"), interval_ms=1, timeout_ms=2, retries=3, start_period_ms=4)
    assert body(healthcheck=check)["healthconfig"] == {
        "Test": ["CMD", "true"],
        "Interval": 1_000_000,
        "Timeout": 2_000_000,
        "StartPeriod": 4_000_000,
        "Retries": 3,
    }
    assert body(healthcheck=HealthCheck(("NONE",)))["healthconfig"] == {"Test": ["NONE"]}


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("", None),
        ("SIGTERM", 15),
        ("term", 15),
        ("9", 9),
        ("SIGUSR1", 10),
        ("usr2", 12),
        ("SIGQUIT", 3),
        ("SIGWINCH", 28),
        ("SIGSYS", 31),
        ("SIGRTMIN", 34),
        ("SIGRTMIN+3", 37),
        ("SIGRTMAX-1", 63),
    ],
)
def test_signals_have_the_numbers_of_linux(name: str, number: int | None) -> None:
    assert signal_number(name) == number


@pytest.mark.parametrize("name", ["SIGNONE", "SIGRTMIN+x", "-1"])
def test_a_signal_that_is_none(name: str) -> None:
    with pytest.raises(ActionFailed, match="there is no signal"):
        signal_number(name)


def test_grace_is_rounded_up() -> None:
    assert [seconds(ms) for ms in (0, 1, 1000, 1001)] == [0, 1, 1, 2]
