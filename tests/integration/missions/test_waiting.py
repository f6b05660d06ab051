"""Waiting for missions, and the rounds that the loop takes for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from reconciler.control import awaiting, dispatching
from reconciler.control.awaiting import Standing, Waited, last_runs, specialists_kept, wait
from reconciler.control.desk import missions
from reconciler.control.desk.desk import Desk
from reconciler.control.dispatching import Dispatching, has_work, overdue, tick
from reconciler.control.reading import now_ms
from reconciler.errors import LogUnusable, TimedOut
from reconciler.events.envelope import Cause
from reconciler.ops.work_view import SortieView, mission_view, sortie_view
from reconciler.plan.model import PlanOptions
from reconciler.projections.store import open_store
from reconciler.work import sorties as rules
from reconciler.work.state import Sortie
from tests.integration.apply.yard import Yard

from .conftest import MISSION, Hands


class Told:
    """What a waiter was told; `then` is done at each word."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.lines: list[str] = []
        self._then = then

    def __call__(self, found: Standing, changed: Sequence[SortieView]) -> None:
        self.lines += [f"{one.name} {one.status}" for one in changed]
        self._then()


def waited(work: Hands, told: Told, **options: Any) -> Waited:
    ids = {one.id for one in last_runs(work.store.rows(), {"login"})}
    return wait(work.store, ids, told, **options)


def test_it_tells_each_change_and_ends_with_the_mission(yard: Yard, hands: Callable[[], Hands]) -> None:
    yard.must_apply()
    work = hands()
    who = work.hire()

    def step() -> None:
        if work.status() == "in_progress":
            work.do(who)

    told = Told(step)
    came = waited(work, told, timeout_ms=60_000)
    assert came.ending == "completed"
    assert [(one.name, one.completed, one.total) for one in came.standing.missions] == [("login", 2, 2)]
    assert "design completed" in told.lines
    assert told.lines[0].startswith("design")


def test_what_was_over_before_is_not_told_again(yard: Yard, hands: Callable[[], Hands]) -> None:
    yard.must_apply()
    work = hands()
    who = work.hire()
    work.do(who)
    work.do(who)
    told = Told()
    assert waited(work, told).ending == "completed"
    assert told.lines == []


def test_a_mission_that_fails_is_a_failure(yard: Yard, hands: Callable[[], Hands]) -> None:
    yard.must_apply()
    work = hands()
    who = work.hire()
    work.do(who)
    for _ in range(2):
        until_ready(work, "login/build")
        work.fail(who)
    work.do(who)
    came = waited(work, Told())
    assert came.ending == "failed"
    assert came.standing.missions[0].reason == "1 of 3 sorties failed: build"


def until_ready(work: Hands, word: str) -> None:
    """Until the back-off of a sortie, a millisecond here, is over."""
    while sortie_view(work.store.rows(), word).row["not_before"] > now_ms():
        threading.Event().wait(0.001)


def test_a_log_that_others_keep_busy_is_waited_for(
    yard: Yard, hands: Callable[[], Hands], monkeypatch: pytest.MonkeyPatch
) -> None:
    yard.must_apply()
    work = hands()
    rounds = [TimedOut("another process kept the event log busy for too long")]

    def busy(desk: Desk, late: Sequence[object] = ()) -> int:
        if rounds:
            raise rounds.pop()
        return tick(desk)

    monkeypatch.setattr(awaiting, "tick", busy)
    assert waited(work, Told(), timeout_ms=1).ending == "timed_out"
    assert rounds == []


def test_out_of_time_and_interrupted(yard: Yard, hands: Callable[[], Hands]) -> None:
    yard.must_apply()
    work = hands()
    assert waited(work, Told(), timeout_ms=1).ending == "timed_out"
    stop = threading.Event()
    stop.set()
    assert waited(work, Told(), interrupt=stop).ending == "interrupted"
    assert work.status() == "in_progress"


def test_what_missions_need_is_tended_meanwhile(
    yard: Yard, hands: Callable[[], Hands], monkeypatch: pytest.MonkeyPatch
) -> None:
    yard.must_apply()
    monkeypatch.setattr(awaiting, "_TEND_EVERY_S", 0.0)
    tended: list[None] = []
    assert waited(hands(), Told(), timeout_ms=1, tend=lambda: tended.append(None)).ending == "timed_out"
    assert tended


def test_specialists_are_kept_and_nothing_else(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real ones that die are another test's; here nothing is missing, the file was edited, and then it is wrong."""
    yard.must_apply()
    head = yard.head()
    with yard.session() as session:
        tend = specialists_kept(session, PlanOptions())
        tend()
        yard.write("", more=MISSION + "specialists: {builder: {replicas: 1}}\n")
        tend()
        yard.project.file.write_text("version: [")
        tend()
    assert yard.head() == head


def test_why_a_sortie_waits_is_recorded_once(yard: Yard, hands: Callable[[], Hands]) -> None:
    yard.must_apply()
    work = hands()
    tick(work.desk)
    assert sortie_view(work.store.rows(), "login/design").doing == "no specialist is registered"
    assert sortie_view(work.store.rows(), "login/build").doing == "it comes after design"
    head = work.store.head()
    tick(work.desk)
    assert work.store.head() == head
    work.hire()
    assert tick(work.desk) == 1
    assert work.status("login/design") == "assigned"


def test_an_attempt_that_takes_too_long_is_ended(
    yard: Yard, hands: Callable[[], Hands], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatching, "_PATIENCE_MS", 0)
    timed = "missions: {login: {sorties: {design: {run: make, timeout: 5s, retries: 1, retry_delay: 1ms}, mop: {run: mop}}}}"
    yard.write("", more=timed)
    yard.must_apply()
    work = hands()
    claimed = {one.sortie.plan.name: one for one in (work.claim(work.hire("ada")), work.claim(work.hire("bob")))}
    assert overdue(work.store, now_ms()) == []
    late = overdue(work.store, now_ms() + 6_000)
    assert len(late) == 1, "the other one may take as long as it likes"
    tick(work.desk, late)
    found = sortie_view(work.store.rows(), "login/design")
    assert (found.attempt, found.row["last_error"]) == (1, "it took longer than 5s")
    assert found.status in ("pending", "assigned"), "it is tried again"
    assert tick(work.desk, late) >= 0, "what has ended by itself meanwhile is nobody's trouble"
    assert sortie_view(work.store.rows(), "login/mop").attempt == claimed["mop"].attempt


def test_a_mission_that_no_step_ended_is_settled(yard: Yard, hands: Callable[[], Hands]) -> None:
    """As after an older release, which did not settle it with the last sortie."""
    yard.must_apply()
    work = hands()
    now = now_ms()
    for _, row in list(work.store.rows().scan("sorties")):
        events = rules.cancel(Sortie.from_row(row), by="ada", now_ms=now)
        work.store.append(events, Cause("ada", "cli"))
    assert work.status() == "in_progress"
    tick(work.desk)
    assert work.status() == "completed"


def test_work_is_whatever_may_move(yard: Yard, hands: Callable[[], Hands]) -> None:
    yard.must_apply()
    work = hands()
    assert has_work(work.store.rows())
    work.desk.run(missions.cancel(mission_view(work.store.rows(), "login").id, by="ada"))
    assert not has_work(work.store.rows())
    work.hire()
    assert has_work(work.store.rows())


class Watcher:
    """A teller, and the bell."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.rung = 0

    def tell(self, level: str, what: str, **facts: Any) -> None:
        self.said.append(f"{level} {what}")

    def ring(self) -> None:
        self.rung += 1

    looked: Any = None
    reporter: Any = None


def dispatching_of(yard: Yard, watcher: Watcher) -> Dispatching:
    desired = yard.look().desired
    return Dispatching(yard.session(), lambda: desired, watcher, watcher.ring)


def test_a_round_tells_how_missions_move_and_rings_the_bell(yard: Yard, hands: Callable[[], Hands]) -> None:
    watcher = Watcher()
    rounds = dispatching_of(yard, watcher)
    rounds.look()
    assert watcher.said == [], "there is no log yet"
    yard.must_apply()
    work = hands()
    who = work.hire()
    rounds.look()
    assert work.status("login/design") == "assigned"
    assert watcher.said == []
    work.do(who)
    work.do(who)
    rounds.look()
    assert watcher.said == ["info mission/login is completed"]
    assert watcher.rung == 1


def test_a_failed_one_is_told_as_an_error(yard: Yard, hands: Callable[[], Hands]) -> None:
    yard.must_apply()
    work = hands()
    watcher = Watcher()
    rounds = dispatching_of(yard, watcher)
    rounds.look()
    for word in ("design", "build"):
        sortie = sortie_view(work.store.rows(), f"login/{word}")
        assert sortie.status == "pending"
    who = work.hire()
    work.do(who)
    for _ in range(2):
        until_ready(work, "login/build")
        work.fail(who)
    work.do(who)
    rounds.look()
    assert watcher.said == ["error mission/login is failed: 1 of 3 sorties failed: build"]


def test_nothing_new_is_nothing_to_look_at(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    yard.must_apply()
    rounds = dispatching_of(yard, Watcher())
    rounds.look()
    rounds.look()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("it was opened")

    monkeypatch.setattr("reconciler.projections.store.open_store", refuse)
    rounds.look()


def test_the_thread_takes_rounds_until_it_is_stopped(yard: Yard, hands: Callable[[], Hands]) -> None:
    yard.must_apply()
    work = hands()
    work.hire()
    rounds = dispatching_of(yard, Watcher())
    rounds.start()
    try:
        for event in work.store.follow(stop=lambda: False):
            if event.event_type == "dispatch_assigned":
                break
    finally:
        rounds.stop()
    assert work.status("login/design") == "assigned"


def test_a_round_that_fails_is_told_and_taken_again(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    yard.must_apply()
    watcher, failed = Watcher(), threading.Event()

    def broken(self: Dispatching) -> None:
        failed.set()
        raise LogUnusable("the disk is full")

    monkeypatch.setattr(Dispatching, "look", broken)
    monkeypatch.setattr(dispatching, "_LOOK_EVERY_S", 0.001)
    monkeypatch.setattr(dispatching, "_AFTER_A_FAILURE_S", 0.001)
    rounds = dispatching_of(yard, watcher)
    rounds.start()
    assert failed.wait(60)
    rounds.stop()
    assert watcher.said[0] == "error sorties cannot be given out: the disk is full"


def test_a_refused_round_is_raised(yard: Yard) -> None:
    yard.must_apply()
    with open_store(yard.database, mode="read") as store, pytest.raises(LogUnusable):
        tick(Desk(store, Cause("fleet", "watch")))
