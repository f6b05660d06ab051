"""The loop with missions: it starts them, gives their sorties out, and begins the next run when one has ended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from reconciler.apply.report import Silent
from reconciler.control.watch.loop import Loop, WatchOptions
from reconciler.ops.work_view import mission_view
from reconciler.projections.store import EventQuery
from tests.integration.apply.yard import Yard

from .conftest import MISSION, Hands


class Teller:
    def __init__(self) -> None:
        self.said: list[str] = []

    def tell(self, level: str, what: str, **facts: Any) -> None:
        self.said.append(f"{level} {what}")

    def looked(self, seen: object) -> None:
        pass

    def reporter(self, seen: object) -> Silent:
        return Silent()


@pytest.fixture
def teller(yard: Yard) -> Iterator[Teller]:
    """A loop is under way over the project, whose interval is long."""
    told, ready = Teller(), threading.Event()
    with yard.session() as session:
        loop = Loop(session, told, WatchOptions(interval_ms=600_000))
        thread = threading.Thread(target=loop.run, kwargs={"ready": ready.set})
        thread.start()
        assert ready.wait(60)
        yield told
        loop.stop()
        thread.join()


def until(work: Hands, event_type: str, count: int) -> None:
    """Until so many events of a type are in the log."""
    for number, _ in enumerate(work.store.follow(EventQuery(types=(event_type,))), start=1):
        if number == count:
            return


def test_the_next_run_begins_when_the_one_before_has_ended(
    yard: Yard, teller: Teller, hands: Callable[[], Hands]
) -> None:
    work = hands()
    who = work.hire()
    until(work, "dispatch_assigned", 1)
    assert work.status("login/design") == "assigned", "somebody else gave it out"

    yard.write("", more=MISSION.replace("make build", "make all"))
    until(work, "revision_accepted", 2)
    assert mission_view(work.store.rows(), "login").run == 1
    work.do(who)
    work.do(who)
    until(work, "mission_started", 2)
    assert mission_view(work.store.rows(), "login").run == 2
    assert "info mission/login is completed" in teller.said
