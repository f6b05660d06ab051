"""What every test may ask for: real Podman, a small image, names of its own, and a clean machine afterwards."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from reconciler.errors import FleetError
from reconciler.runtime.podman import Podman
from tests.support.podman import ensure_busybox, sweep, working_socket

pytest.register_assert_rewrite("tests.support.runtime_contract")

# How fast this machine is at the moment says nothing about what is tested.
settings.register_profile("fleet", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fleet")

# testcontainers reads these once, when it is first imported. Its cleaner is an image that no registry here has.
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
os.environ.setdefault("TESTCONTAINERS_CONNECTION_MODE", "docker_host")


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this test run share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


@pytest.fixture(scope="session")
def podman_socket(run_folder: Path) -> Iterator[str]:
    """The socket of a real Podman; commands that a test starts find it too."""
    try:
        path = working_socket(run_folder)
    except FleetError as error:
        pytest.fail(f"{error} ({error.hint})")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLEET_PODMAN_SOCKET", path)
        yield path


@pytest.fixture(scope="session")
def podman(podman_socket: str) -> Iterator[Podman]:
    """Real Podman."""
    with Podman(podman_socket) as runtime:
        yield runtime


@pytest.fixture(scope="session")
def busybox_image(podman: Podman, run_folder: Path) -> str:
    """The reference of a local image with a shell, httpd, nc and wget."""
    return ensure_busybox(podman, run_folder)


@pytest.fixture
def unique_name() -> str:
    """A name that nothing else on this machine has."""
    return f"t{uuid.uuid4().hex[:11]}"


@pytest.fixture
def clean_up(podman: Podman) -> Iterator[Callable[[str], str]]:
    """`clean_up(project)` has everything with this project's label removed at the end; it returns the label."""
    projects: list[str] = []

    def later(project: str) -> str:
        projects.append(project)
        return project

    yield later
    for project in projects:
        sweep(podman, project)


@pytest.fixture
def project_label(clean_up: Callable[[str], str]) -> str:
    """A project's label of this test's own; what carries it is removed at the end."""
    return clean_up(uuid.uuid4().hex[:12])


@pytest.fixture
def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
