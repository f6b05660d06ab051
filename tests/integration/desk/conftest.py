"""A desk on a real store, with a clock that is moved by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.control.desk import missions, sorties, specialists
from reconciler.control.desk.desk import Desk
from reconciler.events.envelope import Cause
from reconciler.projections.store import Store, open_store
from reconciler.work.state import SortiePlan


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with open_store(tmp_path / "fleet" / "squawk.db", clock=clock) as opened:
        yield opened


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store, Cause("ada", "cli"))


def worker(desk: Desk, name: str, *capabilities: str, **metadata: object) -> str:
    """The id of a new specialist."""
    return desk.run(specialists.register(name=name, capabilities=capabilities, metadata=metadata)).value.id


def mission_of(desk: Desk, *plans: SortiePlan, title: str = "Ship it") -> tuple[str, list[str]]:
    """A started mission with a sortie for each plan: its id and theirs."""
    mission_id = desk.run(missions.create(title=title)).value.id
    made = [
        desk.run(sorties.create(title=f"Task {number}", mission_id=mission_id, plan=plan)).value.id
        for number, plan in enumerate(plans)
    ]
    desk.run(missions.start(mission_id))
    return mission_id, made
