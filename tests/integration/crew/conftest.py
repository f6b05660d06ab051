"""Fleets of specialists on disk, with real worker processes that are ended whatever a test does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.runtime.process.local import LocalProcesses
from tests.integration.apply.yard import Yard
from tests.support.simulated import SimulatedRuntime
from tests.support.terminal import Terminal


@pytest.fixture
def crew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Yard]:
    """A project with a real log and real processes, over an engine in memory."""
    folder = tmp_path / "project"
    folder.mkdir()
    data = tmp_path / "data"
    monkeypatch.setenv("FLEET_DATA_DIR", str(data))
    yard = Yard(folder, data, "shop", SimulatedRuntime())
    yield yard
    runtime = LocalProcesses()
    for process in runtime.observe(yard.label).processes:
        runtime.stop(process.pid, process.process_id, 0)


@pytest.fixture
def terminal(crew: Yard, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """The command line about that project, in this very process."""
    found = Terminal(crew.folder, capsys)
    found.database = crew.database
    return found
