"""Projects with missions over an engine in memory and a real log, and hands that work without processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.control.desk import claiming, sorties, specialists
from reconciler.control.desk.claiming import Claim
from reconciler.control.desk.desk import Desk
from reconciler.events.envelope import Cause
from reconciler.ops.work_view import mission_view, sortie_view
from reconciler.projections.store import Store, open_store
from tests.integration.apply.yard import Yard
from tests.support.simulated import SimulatedRuntime
from tests.support.terminal import Terminal

MISSION = """
missions:
  login:
    title: Add login
    sorties:
      design: {run: make design}
      build: {run: make build, depends_on: [design], retries: 1, retry_delay: 1ms}
      mop: {run: mop, depends_on: [build], when: failure}
"""


class Hands:
    """Specialists that do what a test says, by the commands that every worker uses."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.desk = Desk(store, Cause("hand", "worker"))

    def hire(self, name: str = "ada", *capabilities: str, pool: str = "pool") -> str:
        """Register somebody; their id."""
        made = specialists.register(name=name, capabilities=capabilities, metadata={"pool": pool})
        return self.desk.run(made).value.id

    def claim(self, who: str) -> Claim:
        """What there is to do for somebody, begun."""
        found = self.desk.run(claiming.claim(who)).value
        assert found is not None
        return found

    def do(self, who: str, **result: Any) -> Claim:
        """Claim something and complete it."""
        found = self.claim(who)
        done = {"success": True, **result}
        self.desk.run(sorties.complete(found.sortie.id, who, done, attempt=found.attempt))
        return found

    def fail(self, who: str, error: str = "boom") -> Claim:
        """Claim something and fail."""
        found = self.claim(who)
        self.desk.run(sorties.fail(found.sortie.id, who, error=error, attempt=found.attempt))
        return found

    def status(self, word: str = "login") -> str:
        """The status of a mission, or of a sortie as `login/build`."""
        rows = self.store.rows()
        return sortie_view(rows, word).status if "/" in word else mission_view(rows, word).status


@pytest.fixture
def yard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Yard:
    """A project whose file declares one mission."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.setenv("FLEET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("FLEET_DATABASE_URL", raising=False)
    monkeypatch.setenv("FLEET_ACTOR", "ada")
    made = Yard(folder, tmp_path / "data", "shop", SimulatedRuntime())
    made.write("", more=MISSION)
    return made


@pytest.fixture
def terminal(yard: Yard, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """The command line in that project."""
    made = Terminal(yard.folder, capsys)
    made.database = yard.database
    return made


@pytest.fixture
def hands(yard: Yard) -> Iterator[Callable[[], Hands]]:
    """`hands()` opens the project's log for workers; to be called once something was applied."""
    opened: list[Store] = []

    def take() -> Hands:
        opened.append(open_store(yard.database))
        return Hands(opened[-1])

    yield take
    for store in opened:
        store.close()
