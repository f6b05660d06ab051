"""A project, its log, and a session about it for agents that join."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.control.desk.desk import Desk
from reconciler.control.project import Project
from reconciler.control.session import Session, open_session
from reconciler.events.envelope import Cause
from reconciler.projections.store import Store, open_store


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "fleet.yaml").write_text("version: 1\nname: shop\n")
    return folder


@pytest.fixture
def session(project: Path) -> Iterator[Session]:
    values = Project(file=project / "fleet.yaml", directory=project, database=str(project / "log.db"))
    with open_session(values, source="worker", environ={"FLEET_ACTOR": "ada"}) as found:
        yield found


@pytest.fixture
def store(session: Session) -> Iterator[Store]:
    with open_store(session.database) as opened:
        yield opened


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store, Cause("fleet", "cli"))
