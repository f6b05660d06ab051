"""Projects over real Podman for watchers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.paths import project_hash
from reconciler.runtime.podman import Podman
from tests.integration.apply.yard import Yard
from tests.support.simulated import SimulatedRuntime


@pytest.fixture
def yard(
    tmp_path: Path,
    podman: Podman,
    podman_socket: str,
    busybox_image: str,
    unique_name: str,
    clean_up: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> Yard:
    """A project over real Podman; everything that it makes is removed at the end."""
    folder = tmp_path / "project"
    folder.mkdir()
    data = tmp_path / "data"
    monkeypatch.setenv("FLEET_DATA_DIR", str(data))
    clean_up(project_hash(folder))
    return Yard(folder, data, unique_name, podman, podman_socket)


@pytest.fixture
def sandboxed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Yard:
    """A project over an engine in memory, with a real log."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.setenv("FLEET_DATA_DIR", str(tmp_path / "data"))
    return Yard(folder, tmp_path / "data", "shop", SimulatedRuntime())
