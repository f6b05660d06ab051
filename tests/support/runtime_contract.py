"""What every container runtime must do: one class of tests that the real engine and the simulated one both pass."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from reconciler.errors import ActionFailed, NotFound
from reconciler.runtime.model import LABEL_PROJECT, ContainerOrder, ContainerRuntime, ObservedContainer
from reconciler.spec.desired import (
    EnvFile,
    FileContent,
    HealthCheck,
    NetworkSpec,
    PortMapping,
    Resources,
    SecretFile,
    SecretUse,
    ServiceSpec,
    VolumeSpec,
)
from tests.support.podman import ownership

RUNS = ("sleep", "1000")


def shell(script: str) -> tuple[str, ...]:
    """The command that runs a script."""
    return ("sh", "-c", script)


class ContainerRuntimeContract:
    """Subclasses give the fixtures `runtime`, `image`, `project` (a label of the test's own) and `unique_name`."""

    @pytest.fixture
    def order(self, image: str, project: str, unique_name: str) -> ContainerOrder:
        """A container that runs until it is stopped."""
        service = ServiceSpec(name="web", command=RUNS)
        return ContainerOrder(service, unique_name, image, ownership(project, resource="service/web"))

    def made(self, runtime: ContainerRuntime, order: ContainerOrder, **service: object) -> str:
        return runtime.create(replace(order, service=_with(order.service, **service)))

    def running(self, runtime: ContainerRuntime, order: ContainerOrder, **service: object) -> str:
        made = self.made(runtime, order, **service)
        runtime.start(made)
        return made

    def ended(self, runtime: ContainerRuntime, name: str) -> ObservedContainer:
        return _until(lambda: _exited(runtime.find(name)))

    def test_a_created_container_is_seen_as_it_was_made(
        self, runtime: ContainerRuntime, order: ContainerOrder, project: str
    ) -> None:
        made = runtime.create(order)
        (seen,) = runtime.observe(project).containers
        assert (seen.container_id, seen.name, seen.state, seen.health) == (made, order.name, "created", "")
        assert (seen.exit_code, seen.started_at, seen.exited_at) == (None, 0, 0)
        assert {**seen.labels, **order.labels} == seen.labels
        assert (seen.image, seen.image_id) == (order.image, runtime.image_id(order.image))

    def test_only_the_projects_own_containers_are_seen(
        self, runtime: ContainerRuntime, order: ContainerOrder, project: str
    ) -> None:
        runtime.create(order)
        assert runtime.observe(project[:-1]).containers == ()
        assert runtime.observe(f"{project}0").containers == ()

    def test_running_then_stopped_then_gone(
        self, runtime: ContainerRuntime, order: ContainerOrder, project: str
    ) -> None:
        made = self.running(runtime, order)
        running = runtime.find(order.name)
        assert running is not None
        assert (running.state, running.exit_code) == ("running", None)
        assert running.started_at > 0
        runtime.start(made)
        runtime.stop(made, 0)
        runtime.stop(made, 0)
        stopped = self.ended(runtime, order.name)
        assert (stopped.state, stopped.exit_code) == ("exited", 137)
        assert stopped.exited_at >= stopped.started_at
        runtime.remove(made)
        runtime.remove(made)
        assert runtime.observe(project).containers == ()

    def test_a_stopped_container_starts_again(self, runtime: ContainerRuntime, order: ContainerOrder) -> None:
        made = self.running(runtime, order)
        runtime.stop(made, 0)
        runtime.start(made)
        again = runtime.find(order.name)
        assert again is not None
        assert (again.container_id, again.state, again.exit_code) == (made, "running", None)

    def test_a_running_container_is_not_removed(self, runtime: ContainerRuntime, order: ContainerOrder) -> None:
        made = self.running(runtime, order)
        with pytest.raises(ActionFailed):
            runtime.remove(made)
        assert runtime.find(order.name) is not None

    def test_an_end_of_its_own_keeps_its_exit_code(self, runtime: ContainerRuntime, order: ContainerOrder) -> None:
        self.running(runtime, order, command=shell("exit 3"))
        assert self.ended(runtime, order.name).exit_code == 3

    def test_restarting(self, runtime: ContainerRuntime, order: ContainerOrder) -> None:
        made = self.running(runtime, order)
        runtime.restart(made, 0)
        found = runtime.find(order.name)
        assert found is not None
        assert found.state == "running"

    def test_a_name_is_found_exactly_or_not_at_all(self, runtime: ContainerRuntime, order: ContainerOrder) -> None:
        made = runtime.create(order)
        found = runtime.find(order.name)
        assert found is not None
        assert found.container_id == made
        assert runtime.find(order.name[:-1]) is None
        assert runtime.find(order.name.replace("t", ".", 1)) is None

    def test_what_is_not_there_is_not_found(self, runtime: ContainerRuntime, unique_name: str) -> None:
        verbs: tuple[Callable[[], object], ...] = (
            lambda: runtime.inspect(unique_name),
            lambda: runtime.start(unique_name),
            lambda: runtime.stop(unique_name, 0),
            lambda: runtime.restart(unique_name, 0),
            lambda: runtime.unpause(unique_name),
            lambda: runtime.rename(unique_name, f"{unique_name}-2"),
            lambda: runtime.update(unique_name, Resources(memory=1 << 28)),
            lambda: runtime.put_file(unique_name, FileContent("/x", ""), b""),
            lambda: runtime.run_healthcheck(unique_name),
            lambda: runtime.exec(unique_name, ("true",)),
            lambda: list(runtime.logs(unique_name)),
        )
        for verb in verbs:
            with pytest.raises(NotFound):
                verb()

    def test_a_name_in_use_is_refused(self, runtime: ContainerRuntime, order: ContainerOrder) -> None:
        runtime.create(order)
        with pytest.raises(ActionFailed, match=order.name):
            runtime.create(order)

    def test_an_image_that_is_not_there(self, runtime: ContainerRuntime, order: ContainerOrder) -> None:
        assert runtime.image_id("localhost/no-such-image:1") is None
        with pytest.raises(NotFound):
            runtime.create(replace(order, image="localhost/no-such-image:1"))

    def test_a_registry_out_of_reach_is_said(self, runtime: ContainerRuntime) -> None:
        with pytest.raises(ActionFailed, match="could not pull image localhost:1/none:1: .+"):
            runtime.pull("localhost:1/none:1")

    def test_an_image_runs_by_its_id_too(self, runtime: ContainerRuntime, order: ContainerOrder) -> None:
        identity = runtime.image_id(order.image)
        assert identity is not None
        runtime.create(replace(order, image=identity))
        found = runtime.find(order.name)
        assert found is not None
        assert found.image_id == identity

    def test_renaming(self, runtime: ContainerRuntime, order: ContainerOrder) -> None:
        made = self.running(runtime, order)
        runtime.rename(made, f"{order.name}-old")
        assert runtime.find(order.name) is None
        renamed = runtime.find(f"{order.name}-old")
        assert renamed is not None
        assert renamed.container_id == made
        runtime.create(order)
        with pytest.raises(ActionFailed):
            runtime.rename(made, order.name)

    def test_the_environment_from_all_its_sources(
        self, runtime: ContainerRuntime, order: ContainerOrder, unique_name: str, project: str
    ) -> None:
        runtime.put_secret(unique_name, b"s3cret", ownership(project))
        environment = {"PLAIN": "1", "BOTH": "own", "HIDDEN": SecretUse("key")}
        order = replace(order, env_file_values={"FILED": "2", "BOTH": "filed"}, secrets={"key": unique_name})
        made = self.running(runtime, order, environment=environment, env_files=(EnvFile("/x", ""),))
        printed = runtime.exec(made, shell("echo $PLAIN $BOTH $FILED $HIDDEN"))
        assert printed == (0, b"1 own 2 s3cret\n")

    def test_files_are_put_before_and_after_the_start(self, runtime: ContainerRuntime, order: ContainerOrder) -> None:
        made = runtime.create(order)
        runtime.put_file(made, FileContent("/etc/early.conf", ""), b"early\n")
        runtime.start(made)
        runtime.put_file(made, FileContent("/srv/deep/late.conf", ""), b"late\n")
        assert runtime.exec(made, shell("cat /etc/early.conf; cat /srv/deep/late.conf")) == (0, b"early\nlate\n")
        runtime.put_file(made, FileContent("/etc/early.conf", ""), b"new\n")
        assert runtime.exec(made, ("cat", "/etc/early.conf")) == (0, b"new\n")

    def test_secrets_are_files_and_are_made_once(
        self, runtime: ContainerRuntime, order: ContainerOrder, unique_name: str, project: str
    ) -> None:
        assert runtime.put_secret(unique_name, b"first\n", ownership(project)) == unique_name
        assert runtime.put_secret(unique_name, b"second\n", ownership(project)) == unique_name
        assert runtime.secrets(project) == (unique_name,)
        order = replace(order, secrets={"key": unique_name})
        made = self.running(runtime, order, secrets=(SecretFile("key", "/run/secrets/key"),))
        assert runtime.exec(made, ("cat", "/run/secrets/key")) == (0, b"first\n")
        runtime.stop(made, 0)
        runtime.remove(made)
        runtime.remove_secret(unique_name)
        runtime.remove_secret(unique_name)
        assert runtime.secrets(project) == ()

    def test_a_secret_that_is_not_there_is_refused(
        self, runtime: ContainerRuntime, order: ContainerOrder, unique_name: str
    ) -> None:
        with pytest.raises(ActionFailed):
            self.made(
                runtime,
                replace(order, secrets={"key": f"{unique_name}-none"}),
                secrets=(SecretFile("key", "/run/secrets/key"),),
            )

    def test_networks(self, runtime: ContainerRuntime, order: ContainerOrder, unique_name: str, project: str) -> None:
        network = NetworkSpec("net", unique_name)
        assert not runtime.network_exists(unique_name)
        runtime.create_network(network, ownership(project))
        runtime.create_network(network, ownership(project))
        assert runtime.network_exists(unique_name)
        assert runtime.networks(project) == (unique_name,)
        with pytest.raises(ActionFailed, match="belong"):
            runtime.create_network(network, ownership(f"{project}x"))
        made = runtime.create(replace(order, networks={unique_name: ("web",)}))
        with pytest.raises(ActionFailed):
            runtime.remove_network(unique_name)
        runtime.start(made)
        assert list(runtime.inspect(made).addresses) == [unique_name]
        runtime.stop(made, 0)
        runtime.remove(made)
        runtime.remove_network(unique_name)
        runtime.remove_network(unique_name)
        assert runtime.networks(project) == ()

    def test_taking_a_container_off_a_network_and_back(
        self, runtime: ContainerRuntime, order: ContainerOrder, unique_name: str, project: str
    ) -> None:
        network = NetworkSpec("net", unique_name)
        runtime.create_network(network, ownership(project))
        made = self.running(runtime, replace(order, networks={unique_name: ("web",)}))
        assert [one.container_id for one in runtime.network_users(unique_name)] == [made]
        runtime.detach(made, unique_name)
        runtime.detach(made, unique_name)
        assert runtime.network_users(unique_name) == ()
        runtime.remove_network(unique_name)
        runtime.detach(made, unique_name)
        runtime.create_network(network, ownership(project))
        runtime.attach(made, unique_name, ("web",))
        assert list(runtime.inspect(made).addresses) == [unique_name]
        runtime.stop(made, 0)
        runtime.remove(made)
        runtime.detach(made, unique_name)
        runtime.remove_network(unique_name)

    def test_a_network_that_is_not_there_is_refused(
        self, runtime: ContainerRuntime, order: ContainerOrder, unique_name: str
    ) -> None:
        lost = replace(order, networks={f"{unique_name}-none": ()})
        with pytest.raises(ActionFailed):
            runtime.start(runtime.create(lost))

    def test_volumes(self, runtime: ContainerRuntime, unique_name: str, project: str) -> None:
        volume = VolumeSpec("data", unique_name)
        assert not runtime.volume_exists(unique_name)
        assert runtime.volume_labels(unique_name) is None
        runtime.create_volume(volume, ownership(project))
        runtime.create_volume(volume, ownership(f"{project}x"))
        assert runtime.volume_exists(unique_name)
        assert runtime.volumes(project) == (unique_name,)
        assert runtime.volumes(f"{project}x") == ()
        labels = runtime.volume_labels(unique_name)
        assert labels is not None
        assert labels[LABEL_PROJECT] == project

    def test_ports_are_shown_as_the_engine_chose_them(self, runtime: ContainerRuntime, order: ContainerOrder) -> None:
        ports = (PortMapping(80, host_ip="127.0.0.1"),)
        made = self.running(runtime, order, ports=ports)
        ((host_ip, host_port, container_port, protocol),) = runtime.inspect(made).ports
        assert (host_ip, container_port, protocol) == ("127.0.0.1", 80, "tcp")
        assert host_port > 1023

    def test_a_port_in_use_keeps_it_from_starting(
        self, runtime: ContainerRuntime, order: ContainerOrder, free_port: int
    ) -> None:
        ports = (PortMapping(80, host_port=free_port, host_ip="127.0.0.1"),)
        self.running(runtime, order, ports=ports)
        other = self.made(runtime, replace(order, name=f"{order.name}-2"), ports=ports)
        with pytest.raises(ActionFailed):
            runtime.start(other)

    def test_health_goes_from_starting_to_healthy(self, runtime: ContainerRuntime, order: ContainerOrder) -> None:
        made = self.running(runtime, order, healthcheck=HealthCheck(("CMD", "true"), interval_ms=0))
        starting = runtime.find(order.name)
        assert starting is not None
        assert starting.health == "starting"
        assert runtime.run_healthcheck(made) == "healthy"
        healthy = runtime.find(order.name)
        assert healthy is not None
        assert healthy.health == "healthy"
        runtime.stop(made, 0)
        assert self.ended(runtime, order.name).health == ""

    def test_health_is_bad_after_as_many_failures_as_are_borne(
        self, runtime: ContainerRuntime, order: ContainerOrder
    ) -> None:
        check = HealthCheck(("CMD-SHELL", "exit 1"), retries=2, interval_ms=0)
        made = self.running(runtime, order, healthcheck=check)
        assert runtime.run_healthcheck(made) == "starting"
        assert runtime.run_healthcheck(made) == "unhealthy"

    def test_failures_do_not_count_while_it_may_still_be_starting(
        self, runtime: ContainerRuntime, order: ContainerOrder
    ) -> None:
        check = HealthCheck(("CMD", "false"), retries=1, interval_ms=0, start_period_ms=600_000)
        made = self.running(runtime, order, healthcheck=check)
        assert runtime.run_healthcheck(made) == "starting"
        assert runtime.run_healthcheck(made) == "starting"

    def test_a_check_that_cannot_be_run(self, runtime: ContainerRuntime, order: ContainerOrder) -> None:
        made = self.running(runtime, order)
        with pytest.raises(ActionFailed):
            runtime.run_healthcheck(made)
        other = replace(order, name=f"{order.name}-2")
        stopped = self.made(runtime, other, healthcheck=HealthCheck(("CMD", "true"), interval_ms=0))
        with pytest.raises(ActionFailed):
            runtime.run_healthcheck(stopped)

    def test_a_command_inside(self, runtime: ContainerRuntime, order: ContainerOrder) -> None:
        made = self.running(runtime, order)
        assert runtime.exec(made, shell("echo out; echo err >&2; exit 7")) == (7, b"out\nerr\n")
        assert runtime.exec(order.name, ("true",)) == (0, b"")
        runtime.stop(made, 0)
        with pytest.raises(ActionFailed):
            runtime.exec(made, ("true",))

    def test_logs(self, runtime: ContainerRuntime, order: ContainerOrder) -> None:
        self.running(runtime, order, command=shell("echo one; echo two; echo three; echo four >&2"))
        self.ended(runtime, order.name)
        assert sorted(runtime.logs(order.name)) == [
            ("stderr", b"four"),
            *[("stdout", line) for line in (b"one", b"three", b"two")],
        ]
        written = [line for source, line in runtime.logs(order.name) if source == "stdout"]
        assert written == [b"one", b"two", b"three"]
        assert len(list(runtime.logs(order.name, tail=2))) == 2
        assert list(runtime.logs(order.name, tail=0)) == []
        (stamped,) = runtime.logs(order.name, tail=1, timestamps=True)
        assert stamped[1].split(b" ", 1)[1] in {b"three", b"four"}
        found = runtime.find(order.name)
        assert found is not None
        assert len(list(runtime.logs(order.name, since=found.started_at))) == 4
        assert list(runtime.logs(order.name, since=found.exited_at + 3600)) == []

    def test_a_followed_log_ends_with_its_container(self, runtime: ContainerRuntime, order: ContainerOrder) -> None:
        self.running(runtime, order, command=shell("echo one; exit 0"))
        self.ended(runtime, order.name)
        assert list(runtime.logs(order.name, follow=True)) == [("stdout", b"one")]

    def test_events_tell_what_happened_since(
        self, runtime: ContainerRuntime, order: ContainerOrder, project: str
    ) -> None:
        made = self.running(runtime, order)
        found = runtime.find(order.name)
        assert found is not None
        runtime.stop(made, 0)
        stream = runtime.events(project, since=found.started_at - 1)
        actions = []
        for event in stream:
            assert (event.container_id, event.name) == (made, order.name)
            assert event.labels["fleet.project"] == project
            actions.append(event.action)
            if event.action == "died":
                break
        _close(stream)
        assert [action for action in actions if action in {"create", "start", "died"}] == ["create", "start", "died"]

    def test_it_tells_of_itself(self, runtime: ContainerRuntime) -> None:
        told = runtime.info()
        assert told.version
        assert told.runtime
        assert told.cgroup_version in {"v1", "v2"}


def _with(service: ServiceSpec, **fields: object) -> ServiceSpec:
    import msgspec

    return msgspec.structs.replace(service, **fields)


def _exited(found: ObservedContainer | None) -> ObservedContainer | None:
    return found if found is not None and found.state == "exited" else None


def _until(look: Callable[[], ObservedContainer | None], seconds: float = 20.0) -> ObservedContainer:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come to that in time")


def _close(stream: Iterator[object]) -> None:
    getattr(stream, "close", lambda: None)()
