"""Every field of a service arrives in a real container, and is looked at from inside or as the engine tells it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reconciler.errors import ActionFailed
from reconciler.runtime.model import ContainerOrder
from reconciler.runtime.podman import Podman
from reconciler.spec.desired import (
    FileContent,
    HealthCheck,
    Mount,
    NetworkSpec,
    PortMapping,
    Resources,
    Restart,
    SecretFile,
    ServiceSpec,
    Ulimit,
    VolumeSpec,
)
from tests.support.podman import ownership

Run = Callable[..., str]


@pytest.fixture
def order(busybox_image: str, project_label: str, unique_name: str) -> ContainerOrder:
    service = ServiceSpec(name="web", command=("sleep", "1000"))
    return ContainerOrder(service, unique_name, busybox_image, ownership(project_label))


@pytest.fixture
def running(podman: Podman, order: ContainerOrder) -> Run:
    """`running(field=…)` starts a container of a service with these fields; further orders by `order=`."""

    def start(*, given: ContainerOrder = order, **fields: Any) -> str:
        made = podman.create(replace(given, service=msgspec.structs.replace(given.service, **fields)))
        podman.start(made)
        return made

    return start


def inside(podman: Podman, container: str, script: str) -> str:
    """What a script prints inside, without the end of the last line."""
    code, printed = podman.exec(container, ("sh", "-c", script))
    assert code == 0, printed
    return printed.decode().rstrip("\n")


def told(podman: Podman, container: str) -> dict[str, Any]:
    """What the engine tells of it, raw."""
    return podman._client.look(f"/containers/{container}/json", dict[str, Any], "inspect")


def test_entrypoint_and_command_make_up_the_process(podman: Podman, running: Run) -> None:
    made = running(entrypoint=("sh", "-c"), command=("sleep 1000 & exec sleep 999",))
    assert inside(podman, made, "tr '\\0' ' ' < /proc/1/cmdline") == "sleep 999 "


def test_an_empty_entrypoint_is_not_the_images(podman: Podman, running: Run) -> None:
    made = running(entrypoint=(), command=("sleep", "999"))
    assert inside(podman, made, "tr '\\0' ' ' < /proc/1/cmdline") == "sleep 999 "


def test_user_folder_and_host_name(podman: Podman, running: Run) -> None:
    made = running(user="1234:2345", working_dir="/tmp", hostname="hosty")
    assert inside(podman, made, "id -u; id -g; pwd; hostname") == "1234\n2345\n/tmp\nhosty"


def test_mounts_of_all_kinds(
    podman: Podman, order: ContainerOrder, running: Run, unique_name: str, project_label: str, tmp_path: Path
) -> None:
    (tmp_path / "given.txt").write_text("given")
    podman.create_volume(VolumeSpec("data", unique_name), ownership(project_label))
    made = running(
        given=replace(order, volumes={"data": unique_name}),
        mounts=(
            Mount("volume", "/data", source="data"),
            Mount("volume", "/data-ro", source="data", read_only=True),
            Mount("bind", "/given", source=str(tmp_path)),
            Mount("bind", "/given-ro", source=str(tmp_path), read_only=True),
            Mount("tmpfs", "/scratch", size=1 << 20, mode=0o1770),
        ),
    )
    assert inside(podman, made, "echo kept > /data/x; cat /data-ro/x; cat /given/given.txt") == "kept\ngiven"
    assert inside(podman, made, "for d in /data-ro /given-ro; do touch $d/y 2>/dev/null || echo no; done") == "no\nno"
    assert inside(podman, made, "stat -c %a /scratch; df -k /scratch | tail -1 | awk '{print $2}'") == "1770\n1024"
    assert (tmp_path / "given.txt").read_text() == "given"


def test_a_volume_outlives_its_container(
    podman: Podman, order: ContainerOrder, running: Run, unique_name: str, project_label: str
) -> None:
    podman.create_volume(VolumeSpec("data", unique_name), ownership(project_label))
    with_data = replace(order, volumes={"data": unique_name})
    mounts = (Mount("volume", "/data", source="data"),)
    first = running(given=with_data, mounts=mounts)
    inside(podman, first, "echo kept > /data/x")
    podman.stop(first, 0)
    podman.remove(first)
    assert inside(podman, running(given=with_data, mounts=mounts), "cat /data/x") == "kept"


def test_names_on_a_network(
    podman: Podman, order: ContainerOrder, running: Run, unique_name: str, project_label: str
) -> None:
    podman.create_network(NetworkSpec("net", unique_name), ownership(project_label))
    serving = replace(order, networks={unique_name: ("web", "www")})
    running(given=serving, command=("sh", "-c", "mkdir /w; echo served > /w/index.html; exec httpd -f -p 80 -h /w"))
    asking = running(given=replace(order, name=f"{unique_name}-2", networks={unique_name: ()}))
    for name in ("web", "www", unique_name):
        script = (
            f"for i in 1 2 3 4 5 6 7 8 9 10; do wget -qO- http://{name}/ 2>/dev/null && exit 0; sleep 1; done; exit 1"
        )
        assert inside(podman, asking, script) == "served"


def test_an_internal_network_with_a_subnet(podman: Podman, unique_name: str, project_label: str) -> None:
    network = NetworkSpec("net", unique_name, internal=True, subnet="10.213.77.0/24")
    podman.create_network(network, ownership(project_label))
    found = podman._client.look(f"/networks/{unique_name}/json", dict[str, Any], "inspect")
    assert found["internal"] is True
    assert found["subnets"][0]["subnet"] == "10.213.77.0/24"


def test_published_ports(podman: Podman, running: Run, free_port: int) -> None:
    ports = (
        PortMapping(80, host_port=free_port, host_ip="127.0.0.1"),
        PortMapping(53, host_ip="127.0.0.1", protocol="udp"),
    )
    made = running(ports=ports)
    tcp, udp = sorted(podman.inspect(made).ports, key=lambda port: -port[2])
    assert tcp == ("127.0.0.1", free_port, 80, "tcp")
    assert (udp[0], udp[2], udp[3]) == ("127.0.0.1", 53, "udp")
    assert udp[1] > 0


def test_host_network_and_none(podman: Podman, order: ContainerOrder, running: Run) -> None:
    host = running(network_mode="host")
    assert told(podman, host)["HostConfig"]["NetworkMode"] == "host"
    none = running(given=replace(order, name=f"{order.name}-2"), network_mode="none")
    assert inside(podman, none, "ls /sys/class/net") == "lo"


def test_host_namespaces(podman: Podman, running: Run) -> None:
    made = running(pid_mode="host", ipc_mode="host")
    assert int(inside(podman, made, "echo $$")) > 1
    for kind in ("pid", "ipc"):
        assert inside(podman, made, f"readlink /proc/self/ns/{kind}") == os.readlink(f"/proc/self/ns/{kind}")


def test_names_and_servers_of_its_own(podman: Podman, running: Run) -> None:
    made = running(extra_hosts={"db.example": "10.1.2.3"}, dns=("192.0.2.53",))
    assert "10.1.2.3\tdb.example" in inside(podman, made, "cat /etc/hosts")
    assert "nameserver 192.0.2.53" in inside(podman, made, "cat /etc/resolv.conf")


def test_kernel_settings_and_limits(podman: Podman, running: Run) -> None:
    made = running(
        sysctls={"net.ipv4.ip_unprivileged_port_start": "77"},
        ulimits=(Ulimit("nofile", 512, 1024), Ulimit("nproc", 100, 200)),
        shm_size=32 << 20,
    )
    assert inside(podman, made, "cat /proc/sys/net/ipv4/ip_unprivileged_port_start") == "77"
    limits = inside(podman, made, "grep -E 'open files|processes' /proc/1/limits").split()
    assert [word for word in limits if word.isdigit()] == ["100", "200", "512", "1024"]
    assert inside(podman, made, "df -k /dev/shm | tail -1 | awk '{print $2}'") == str(32 << 10)


def test_capabilities(podman: Podman, running: Run) -> None:
    made = running(cap_add=("NET_ADMIN",), cap_drop=("CHOWN", "CAP_KILL"))
    effective = told(podman, made)["EffectiveCaps"]
    assert "CAP_NET_ADMIN" in effective
    assert not {"CAP_CHOWN", "CAP_KILL"} & set(effective)


def test_everything_dropped(podman: Podman, running: Run) -> None:
    assert not told(podman, running(cap_drop=("ALL",)))["EffectiveCaps"]


def test_privileged_init_and_terminal(podman: Podman, running: Run) -> None:
    made = running(privileged=True, tty=True)
    found = told(podman, made)
    assert found["HostConfig"]["Privileged"] is True
    assert found["Config"]["Tty"] is True
    assert inside(podman, made, "readlink /proc/1/fd/1 | grep -c pts") == "1"


def test_init_is_asked_for(podman: Podman, order: ContainerOrder) -> None:
    service = msgspec.structs.replace(order.service, init=True)
    try:
        made = podman.create(replace(order, service=service))
    except ActionFailed as refused:
        # The program that becomes process 1 is a package of its own; the engine says when it is missing.
        assert "catatonit" in refused.what or "init" in refused.what
    else:
        assert told(podman, made)["HostConfig"]["Init"] is True


def test_a_file_for_a_container_that_cannot_write(
    podman: Podman, order: ContainerOrder, unique_name: str, project_label: str
) -> None:
    podman.put_secret(unique_name, b"hush", ownership(project_label))
    service = msgspec.structs.replace(
        order.service, read_only=True, secrets=(SecretFile("key", "/etc/keys/key", mode=0o440, uid=5, gid=6),)
    )
    made = podman.create(replace(order, service=service, secrets={"key": unique_name}))
    podman.put_file(made, FileContent("/etc/deep/app.conf", "", mode=0o640, uid=7, gid=8), b"set")
    podman.start(made)
    assert inside(podman, made, "cat /etc/deep/app.conf; echo; stat -c '%a %u %g' /etc/deep/app.conf") == "set\n640 7 8"
    assert inside(podman, made, "cat /etc/keys/key; echo; stat -c '%a %u %g' /etc/keys/key") == "hush\n440 5 6"
    assert inside(podman, made, "touch /etc/new 2>/dev/null || echo no") == "no"
    podman.stop(made, 0)
    podman.start(made)
    assert inside(podman, made, "cat /etc/deep/app.conf") == "set"


def test_a_file_owned_as_told_whoever_the_user_is(podman: Podman, order: ContainerOrder) -> None:
    service = msgspec.structs.replace(order.service, user="1234")
    made = podman.create(replace(order, service=service))
    podman.put_file(made, FileContent("/etc/app.conf", "", mode=0o400), b"x")
    podman.start(made)
    assert inside(podman, made, "stat -c '%a %u %g' /etc/app.conf") == "400 0 0"


def test_a_file_below_a_link_and_inside_a_volume(
    podman: Podman, order: ContainerOrder, unique_name: str, project_label: str
) -> None:
    podman.create_volume(VolumeSpec("data", unique_name), ownership(project_label))
    service = msgspec.structs.replace(order.service, mounts=(Mount("volume", "/data", source="data"),))
    made = podman.create(replace(order, service=service, volumes={"data": unique_name}))
    podman.put_file(made, FileContent("/data/conf/app.conf", ""), b"in the volume")
    podman.start(made)
    assert inside(podman, made, "cat /data/conf/app.conf") == "in the volume"
    inside(podman, made, "mkdir /real; ln -s /real /linked")
    podman.put_file(made, FileContent("/linked/x", ""), b"followed")
    assert inside(podman, made, "cat /real/x") == "followed"


def test_limits_and_their_change_in_place(podman: Podman, running: Run) -> None:
    made = running(resources=Resources(cpus=0.5, memory=64 << 20, pids=50))
    found = told(podman, made)["HostConfig"]
    assert (found["CpuQuota"], found["CpuPeriod"], found["Memory"]) == (50_000, 100_000, 64 << 20)
    assert found["PidsLimit"] == 50
    podman.update(made, Resources(cpus=1.5, memory=256 << 20, pids=80))
    assert _limits(podman, made) == (150_000, 256 << 20, 80)
    podman.update(made, Resources(cpus=0.25, memory=32 << 20, pids=80))
    assert _limits(podman, made) == (25_000, 32 << 20, 80)
    podman.update(made, Resources())
    quota, memory, _ = _limits(podman, made)
    assert quota == -1
    assert memory > 1 << 40


def test_stop_signal_and_grace(podman: Podman, running: Run) -> None:
    script = "trap 'echo bye; exit 5' USR1; while :; do sleep 0.1; done"
    made = running(command=("sh", "-c", script), stop_signal="SIGUSR1", stop_grace_ms=7_500)
    assert told(podman, made)["Config"]["StopTimeout"] == 8
    podman.stop(made, 10_000)
    found = podman.inspect(made).container
    assert (found.state, found.exit_code) == ("exited", 5)


def test_the_engine_restarts_only_when_it_is_to(podman: Podman, order: ContainerOrder) -> None:
    policies = {
        "fleet": Restart(policy="always", supervisor="fleet"),
        "always": Restart(policy="always", supervisor="engine"),
        "on-failure": Restart(policy="on-failure", supervisor="engine", max_attempts=4),
        "no": Restart(policy="no", supervisor="engine"),
    }
    found = {}
    for name, restart in policies.items():
        service = msgspec.structs.replace(order.service, restart=restart)
        made = podman.create(replace(order, name=f"{order.name}-{name}", service=service))
        policy = told(podman, made)["HostConfig"]["RestartPolicy"]
        found[name] = (policy["Name"] or "no", policy["MaximumRetryCount"])
    assert found == {"fleet": ("no", 0), "always": ("always", 0), "on-failure": ("on-failure", 4), "no": ("no", 0)}


def test_a_health_check_as_it_was_declared(podman: Podman, order: ContainerOrder) -> None:
    check = HealthCheck(("CMD-SHELL", "true"), interval_ms=1_500, timeout_ms=250, retries=7, start_period_ms=60_000)
    made = podman.create(replace(order, service=msgspec.structs.replace(order.service, healthcheck=check)))
    assert told(podman, made)["Config"]["Healthcheck"] == {
        "Test": ["CMD-SHELL", "true"],
        "Interval": 1_500_000_000,
        "Timeout": 250_000_000,
        "StartPeriod": 60_000_000_000,
        "Retries": 7,
    }


def test_no_health_check_at_all(podman: Podman, running: Run) -> None:
    made = running(healthcheck=HealthCheck(("NONE",)))
    assert podman.inspect(made).container.health == ""


def test_a_check_that_takes_too_long_is_a_failed_one(podman: Podman, running: Run) -> None:
    check = HealthCheck(("CMD-SHELL", "sleep 0.5"), timeout_ms=100, retries=1, interval_ms=0)
    assert podman.run_healthcheck(running(healthcheck=check)) == "unhealthy"


def test_too_little_memory_is_a_kill(podman: Podman, order: ContainerOrder) -> None:
    service = ServiceSpec(
        "web",
        command=("tail", "-c", "190m", "/dev/zero"),
        resources=Resources(memory=16 << 20),
    )
    made = podman.create(replace(order, service=service))
    podman.start(made)
    podman._client.act("POST", f"/containers/{made}/wait", "wait")
    found = podman.inspect(made).container
    assert (found.state, found.exit_code) == ("exited", 137)


def test_a_value_of_an_env_file_is_not_in_an_error(podman: Podman, order: ContainerOrder) -> None:
    podman.create(order)
    with pytest.raises(ActionFailed) as refused:
        podman.create(replace(order, env_file_values={"A": order.name}))
    assert order.name not in refused.value.what.split(":", 1)[1]


def _limits(podman: Podman, container: str) -> tuple[int, int, int]:
    """The kernel's own view of a container's limits."""
    path = told(podman, container)["State"]["CgroupPath"]

    def kernel(controller: str, name: str) -> int:
        unified = Path(f"/sys/fs/cgroup{path}")
        if unified.is_dir():
            raise NotImplementedError("written for the first version of cgroups")
        return int(Path(f"/sys/fs/cgroup/{controller}{path}/{name}").read_text())

    return kernel("cpu", "cpu.cfs_quota_us"), kernel("memory", "memory.limit_in_bytes"), kernel("pids", "pids.max")
