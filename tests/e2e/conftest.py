"""Projects for the installed command, with names, data and containers of their own."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.paths import project_hash
from reconciler.runtime.podman import Podman
from tests.support.installed import Installed
from tests.support.podman import one_at_a_time

ROOT = Path(__file__).resolve().parents[2]
POSTGRES = "localhost/fleet-postgres:1"


@pytest.fixture
def installed(
    tmp_path: Path,
    podman_socket: str,
    busybox_image: str,
    clean_up: Callable[[str], str],
) -> Installed:
    """An empty project; what its commands make is removed at the end."""
    directory = tmp_path / "project"
    directory.mkdir()
    clean_up(project_hash(directory))
    environment = {
        "FLEET_DATA_DIR": str(tmp_path / "data"),
        "FLEET_PODMAN_SOCKET": podman_socket,
        "FLEET_ACTOR": "ada",
        "FLEET_DATABASE_URL": "",
        "FLEET_ENV": "",
        "NO_COLOR": "1",
    }
    return Installed(directory, environment)


@pytest.fixture(scope="session")
def postgres_image(podman: Podman, run_folder: Path) -> str:
    """The reference of a local image with a real PostgreSQL."""
    with one_at_a_time(run_folder / "postgres.lock"):
        if podman.image_id(POSTGRES) is None:
            subprocess.run([ROOT / "scripts" / "images.sh", "postgres"], check=True, stdin=subprocess.DEVNULL)
    return POSTGRES


@pytest.fixture
def free_ports() -> Callable[[int], list[int]]:
    """`free_ports(2)` are TCP ports of 127.0.0.1 that nobody listens on, no two the same."""

    def some(count: int) -> list[int]:
        probes = [socket.socket() for _ in range(count)]
        try:
            for probe in probes:
                probe.bind(("127.0.0.1", 0))
            return [probe.getsockname()[1] for probe in probes]
        finally:
            for probe in probes:
                probe.close()

    return some
