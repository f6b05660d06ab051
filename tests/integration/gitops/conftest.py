"""Projects over real Podman that follow a repository on a server of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.paths import project_hash
from reconciler.runtime.podman import Podman
from tests.integration.apply.yard import Yard
from tests.integration.gitops.following import Place
from tests.integration.gitops.git_servers import Author, HttpServer


@pytest.fixture
def author(tmp_path: Path) -> Author:
    """A bare repository and somebody who pushes to it."""
    return Author(tmp_path / "bare.git", tmp_path / "work")


@pytest.fixture
def http_server(author: Author) -> Iterator[HttpServer]:
    """The repository over HTTP, for who knows the password."""
    with HttpServer(author.bare.parent) as server:
        yield server


@pytest.fixture
def at(
    tmp_path: Path,
    podman: Podman,
    podman_socket: str,
    busybox_image: str,
    unique_name: str,
    clean_up: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[str, str], Place]:
    """The place where a repository is followed, and a yard over it; everything that it makes is removed at the end."""
    data = tmp_path / "data"
    monkeypatch.setenv("FLEET_DATA_DIR", str(data))

    def place(url: str, path: str = "") -> Place:
        folder = Place.checkout_of(url, "main", path, data)
        clean_up(project_hash(folder))
        return Place(url, path, Yard(folder, data, unique_name, podman, podman_socket), tmp_path)

    return place
