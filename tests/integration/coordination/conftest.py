"""A project with a log of its own, commands about it, and a desk on the same log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.control.desk.desk import Desk
from reconciler.events.envelope import Cause
from reconciler.projections.store import Store, open_store
from tests.support.terminal import Terminal


@pytest.fixture
def terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("FLEET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("FLEET_ACTOR", "ada")
    for name in ("FLEET_DATABASE_URL", "FLEET_ENV", "FLEET_MCP_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    project = tmp_path / "shop"
    project.mkdir()
    (project / "fleet.yaml").write_text("version: 1\nname: shop\n")
    return Terminal(project, capsys)


@pytest.fixture
def store(terminal: Terminal) -> Iterator[Store]:
    with open_store(terminal.database) as opened:
        yield opened


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store, Cause("fleet", "cli"))
