"""Projects with a log of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.projections.store import Store, open_store
from tests.support.story import StoredLog
from tests.support.terminal import Terminal


@pytest.fixture
def terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("FLEET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("FLEET_DATABASE_URL", raising=False)
    project = tmp_path / "shop"
    project.mkdir()
    return Terminal(project, capsys)


@pytest.fixture
def store(terminal: Terminal) -> Iterator[Store]:
    with open_store(terminal.database) as opened:
        yield opened


@pytest.fixture
def story(store: Store) -> StoredLog:
    """A log in which `web` was declared in a commit and runs."""
    log = StoredLog(store)
    defined = log.edit(commit="1a2b3c4d5e6f7a8b", author="Ada")
    apply = {"apply_id": "apply_1", "revision": 1, "plan_digest": "v1:p", "creates": 1}
    log.record("apply_started", "fleet/shop", apply)
    log.create(log.decide("create_container", defined))
    ended = {"apply_id": "apply_1", "status": "succeeded", "done": 1, "failed": 0, "skipped": 0, "duration_ms": 5}
    log.record("apply_completed", "fleet/shop", ended)
    return log
