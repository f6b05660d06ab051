"""A container that somebody else made: never touched, and taken over only when a person asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from reconciler.runtime.podman import Podman
from tests.support.installed import Installed

PASSWORD = "not-a-secret"


@pytest.fixture
def database(
    podman_socket: str, postgres_image: str, unique_name: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DockerContainer]:
    """A PostgreSQL that testcontainers started, on a port of this machine."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{podman_socket}")
    container = DockerContainer(postgres_image).with_name(f"{unique_name}-foreign").with_exposed_ports(5432)
    container.with_env("POSTGRES_PASSWORD", PASSWORD)
    container.waiting_for(LogMessageWaitStrategy("ready to accept connections"))
    with container:
        yield container


def answer(container: DockerContainer) -> object:
    """What the database says through its published port."""
    port = int(container.get_exposed_port(5432))
    address = f"postgresql://postgres:{PASSWORD}@127.0.0.1:{port}/postgres"
    with psycopg.connect(address, connect_timeout=10) as connection:
        return connection.execute("SELECT 6 * 7").fetchone()


def test_an_apply_beside_it_leaves_it_alone(
    installed: Installed, database: DockerContainer, podman: Podman, unique_name: str
) -> None:
    name = f"{unique_name}-foreign"
    before = podman.find(name)
    installed.write(
        f"version: 1\nname: {unique_name}\n"
        "services: {web: {image: 'localhost/fleet-busybox:1', command: [sleep, '600'], stop_grace_period: 0s}}\n"
    )
    installed.fleet("apply", "--yes")
    installed.write(f"version: 1\nname: {unique_name}\n")
    installed.fleet("apply", "--yes")
    assert podman.observe(installed.project).containers == ()
    assert podman.find(name) == before
    assert answer(database) == (42,)


def test_a_name_that_is_taken_is_an_error_and_not_a_reason_to_remove(
    installed: Installed, database: DockerContainer, podman: Podman, unique_name: str
) -> None:
    name = f"{unique_name}-foreign"
    before = podman.find(name)
    installed.write(
        f"version: 1\nname: {unique_name}\n"
        "services:\n"
        f"  web: {{image: 'localhost/fleet-busybox:1', command: [sleep, '600'], container_name: {name}}}\n"
    )
    refused = installed.fleet("apply", "--yes", code=1)
    assert name in refused.out + refused.err
    assert podman.find(name) == before
    assert answer(database) == (42,)
