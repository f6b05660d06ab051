"""A running server over an engine in memory and a real log, and a small world of agents in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from reconciler.api.server import Server, serving
from reconciler.api.settings import ServeSettings
from reconciler.client import Client
from reconciler.client.calls import missions, sorties
from reconciler.control.project import project_at
from tests.integration.endpoints.world import World, build_world
from tests.support.simulated import IMAGE, SimulatedRuntime

FLEET = f"""\
version: 1
name: shop
services:
  web: {{image: '{IMAGE}', command: [sleep, '1000']}}
missions:
  tidy:
    title: Tidy up
    sorties:
      sweep: {{title: Sweep the floor, run: "true"}}
reconcile: {{max_destroy: 0}}
"""

SETTINGS = ServeSettings(port=0, rate=0, failures=100_000)


class Served:
    """One project with its server.

    Attributes:
        folder: the project's.
        token: one that may do everything.
    """

    def __init__(self, folder: Path, server: Server, runtime: SimulatedRuntime) -> None:
        self.folder = folder
        self.server = server
        self.runtime = runtime
        self.tokens = server.service.tokens
        self.token = self.made("admin", ("admin",))

    def made(self, name: str, scopes: tuple[str, ...], specialist: str = "") -> str:
        """A token of this name."""
        return self.tokens.create(name, scopes, specialist=specialist)[1]

    @property
    def url(self) -> str:
        return self.server.place.url

    def client(self, token: str = "") -> Client:
        return Client(self.url, token=token or self.token)

    def write(self, text: str) -> None:
        (self.folder / "fleet.yaml").write_text(text)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    base = tmp_path_factory.mktemp("served")
    folder = base / "project"
    folder.mkdir()
    (folder / "fleet.yaml").write_text(FLEET)
    runtime = SimulatedRuntime()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLEET_DATA_DIR", str(base / "data"))
        environ = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(base),
            "FLEET_ACTOR": "ada",
            "FLEET_DATA_DIR": str(base / "data"),
        }
        with serving(project_at(folder), SETTINGS, runtime=runtime, environ=environ) as server:
            yield Served(folder, server, runtime)


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    with served.client() as one:
        yield one


@pytest.fixture(scope="module")
def http(served: Served) -> Iterator[httpx.Client]:
    """Requests as they are, with a token that may do everything."""
    headers = {"authorization": f"Bearer {served.token}"}
    with httpx.Client(base_url=served.url, headers=headers) as one:
        yield one


@pytest.fixture
def world(served: Served) -> World:
    """Things of this test's own, in every state that an endpoint may meet."""
    return build_world(served.server.service.store)


def end_runs(client: Client) -> None:
    """Call off what an apply, or another test, has started of the missions of the file."""
    for one in client.pages(missions.list_(status="in_progress")):
        if one.metadata.get("declared"):
            client.send(missions.cancel(one.id))


def end_work(client: Client) -> None:
    """Call off everything that somebody could claim."""
    end_runs(client)
    for one in client.pages(sorties.list_(open_=True)):
        client.send(sorties.cancel(one.id))
