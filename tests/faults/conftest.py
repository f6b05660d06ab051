"""A project over real Podman, the same project through a proxy that has faults, and how much of a long list is tried."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from reconciler.paths import project_hash
from reconciler.runtime.podman import Podman
from reconciler.runtime.podman.client import Client
from tests.integration.apply.yard import Yard
from tests.support.fault_proxy import FaultProxy, fault_proxy

T = TypeVar("T")
IMPATIENT = 0.4
FULL = os.environ.get("FLEET_FAULTS") == "all"


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
    monkeypatch.setenv("FLEET_DATA_DIR", str(tmp_path / "data"))
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "conf").write_text("content")
    clean_up(project_hash(folder))
    made = Yard(folder, tmp_path / "data", unique_name, podman, podman_socket)
    made.environ["P"] = "a secret value"
    return made


@pytest.fixture
def proxy(tmp_path: Path, podman_socket: str) -> Iterator[FaultProxy]:
    """In front of the real socket."""
    with fault_proxy(tmp_path / "proxy.sock", podman_socket) as made:
        yield made


@pytest.fixture
def through(yard: Yard, proxy: FaultProxy) -> Iterator[Yard]:
    """The same project, which knows the engine by the proxy only and has little patience with it."""
    client = Client(proxy.path, look_timeout=IMPATIENT, action_timeout=3 * IMPATIENT)
    with Podman(client) as impatient:
        made = Yard(yard.folder, yard.data, yard.name, impatient, proxy.path)
        made.environ |= yard.environ | {"FLEET_PODMAN_SOCKET": proxy.path, "FLEET_PODMAN_TIMEOUT": "400ms"}
        yield made


def today() -> int:
    """A number that is another one tomorrow."""
    return int(time.time() // 86_400)


def chosen(full: Sequence[T], most: int) -> list[T]:
    """All of a list where FLEET_FAULTS is `all`; else so many of it, others each day, so that all have their turn."""
    if FULL or len(full) <= most:
        return list(full)
    return [full[(today() * most + number) % len(full)] for number in range(most)]
