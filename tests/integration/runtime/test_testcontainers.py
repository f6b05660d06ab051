"""A container that another program has made is seen when it is asked for, and otherwise left alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from testcontainers.core.container import DockerContainer

from reconciler.runtime.podman import Podman


@pytest.fixture
def somebody_elses(
    podman_socket: str, busybox_image: str, unique_name: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DockerContainer]:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{podman_socket}")
    monkeypatch.setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
    monkeypatch.setenv("TESTCONTAINERS_CONNECTION_MODE", "docker_host")
    command = "sh -c 'mkdir /w; echo served > /w/index.html; exec httpd -f -p 80 -h /w'"
    with DockerContainer(busybox_image).with_name(unique_name).with_command(command).with_exposed_ports(80) as made:
        yield made


def test_it_is_found_by_name_and_can_be_looked_into(
    podman: Podman, somebody_elses: DockerContainer, unique_name: str, project_label: str
) -> None:
    found = podman.find(unique_name)
    assert found is not None
    assert found.container_id == somebody_elses.get_wrapped_container().id
    assert (found.state, "fleet.project" in found.labels) == ("running", False)
    ((_, host_port, container_port, _),) = podman.inspect(unique_name).ports
    assert (host_port, container_port) == (int(somebody_elses.get_exposed_port(80)), 80)
    assert podman.exec(unique_name, ("cat", "/w/index.html")) == (0, b"served\n")


def test_it_belongs_to_no_project(podman: Podman, somebody_elses: DockerContainer, project_label: str) -> None:
    identity = somebody_elses.get_wrapped_container().id
    for project in (project_label, "", "testcontainers"):
        assert identity not in {container.container_id for container in podman.observe(project).containers}
