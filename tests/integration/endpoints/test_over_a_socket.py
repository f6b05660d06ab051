"""Both clients reach a server on a unix socket."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from reconciler.api.server import serving
from reconciler.api.settings import ServeSettings
from reconciler.client import AsyncClient, Client
from reconciler.client.calls import sorties
from reconciler.control.project import project_at
from tests.integration.endpoints.conftest import FLEET
from tests.support.simulated import SimulatedRuntime


def test_both_clients_ask_over_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "fleet.yaml").write_text(FLEET)
    place = tmp_path / "s"
    settings = ServeSettings(socket=place)
    with serving(project_at(tmp_path), settings, runtime=SimulatedRuntime()) as server:
        _, token = server.service.tokens.create("one", ("work",))
        with Client(f"unix:{place}", token=token) as client:
            made = client.send(sorties.create(title="over a socket"))

        async def ask() -> str:
            async with AsyncClient(f"unix://{place}", token=token) as other:
                return (await other.send(sorties.get(made.id))).title

        assert asyncio.run(ask()) == "over a socket"
