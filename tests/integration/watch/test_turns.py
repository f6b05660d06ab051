"""Turns of the loop over an engine in memory and a real log: what is told, what waits, and what does not end the loop."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.apply.report import Reporter, Silent
from reconciler.control.cycle import converge
from reconciler.control.freeze import unless_frozen
from reconciler.control.look import Look, look
from reconciler.control.watch.steady import SteadyReading
from reconciler.control.watch.turn import Turns
from reconciler.errors import RuntimeUnreachable
from tests.integration.apply.yard import Yard
from tests.support.simulated import IMAGE, SimulatedRuntime

MINUTE = 60_000


class Told:
    """A teller that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def tell(self, level: str, what: str, **facts: Any) -> None:
        self.lines.append(what)

    def looked(self, seen: Look) -> None:
        pass

    def reporter(self, seen: Look) -> Reporter:
        return Silent()

    def says(self, text: str) -> bool:
        """Whether anything held this."""
        return any(text in line for line in self.lines)


class Watched:
    """A project, its engine and the loop's turns, one at a time, on a clock that can be moved on."""

    def __init__(self, yard: Yard, engine: SimulatedRuntime) -> None:
        self.yard = yard
        self.engine = engine
        self.told = Told()
        self.session = yard.session()
        self._passed = 0
        self.turns = Turns(self.session, self.told, self.now, lambda: 0.5)  # type: ignore[arg-type]

    def now(self) -> int:
        return time.time_ns() // 1_000_000 + self._passed

    def passes(self, milliseconds: int) -> None:
        """Time goes on, for the engine too."""
        self._passed += milliseconds
        self.engine.now += milliseconds // 1000

    def turn(self) -> list[str]:
        """One turn; the types of what was recorded."""
        before = self.yard.head() if self.yard.database.exists() else 0
        self.turns.take()
        return self.yard.types(after=before) if self.yard.database.exists() else []

    def settle(self) -> None:
        """Turns until nothing is recorded any more."""
        while self.turn():
            pass
        self.told.lines.clear()

    def name(self, replica: str = "web-1") -> str:
        return f"{self.yard.name}-{replica}"


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.setenv("FLEET_DATA_DIR", str(tmp_path / "data"))
    engine = SimulatedRuntime(now=int(time.time()))
    made = Watched(Yard(folder, tmp_path / "data", "shop", engine), engine)
    made.yard.write(f"web:\n  image: {IMAGE}\n  command: [serve]")
    with made.session:
        yield made


@pytest.fixture
def another(watched: Watched) -> Iterator[Watched]:
    """A second watcher of the same project."""
    made = Watched(watched.yard, watched.engine)
    with made.session:
        yield made


def test_a_turn_with_nothing_to_do_records_nothing_and_asks_for_one_list(watched: Watched) -> None:
    watched.settle()
    watched.engine.calls.clear()
    assert watched.turn() == []
    assert [call.split()[0] for call in watched.engine.calls] == ["observe", "image_id"]
    assert watched.told.lines == []
    assert watched.turns.soon_ms is None


def test_an_engine_that_does_not_answer_leaves_everything_unknown(watched: Watched) -> None:
    watched.settle()
    for _ in range(2):
        watched.engine.fail("observe", error=RuntimeUnreachable("nobody answers"))
        assert watched.turn() == []
    assert watched.told.lines == ["what runs is unknown: nobody answers"]
    assert watched.turns.soon_ms is not None
    watched.engine.vanish(watched.name())
    assert "container_vanished" in watched.turn()


def test_another_writer_is_waited_for_and_told_once(watched: Watched) -> None:
    watched.settle()
    watched.engine.vanish(watched.name())
    with watched.yard.session() as other:
        store = other.writable()
        with store.lease("apply", holder="eve"):
            watched.turn()
            watched.turn()
    assert len(watched.told.lines) == len([line for line in watched.told.lines if line == "plan"]) + 1
    assert watched.turns.soon_ms is not None
    assert "container_created" in watched.turn()


def test_what_somebody_keeps_removing_is_a_quarrel_that_is_damped(watched: Watched) -> None:
    watched.settle()
    for _ in range(3):
        watched.engine.vanish(watched.name())
        assert "container_created" in watched.turn()
    watched.engine.vanish(watched.name())
    recorded = watched.turn()
    assert recorded == ["container_vanished", "flapping_detected", "backoff_started"]
    assert watched.told.says("whoever removes it may be steering it too")
    assert watched.told.says("is left alone for 10 s")
    assert watched.turn() == []
    watched.passes(11_000)
    assert "container_created" in watched.turn()
    watched.passes(11 * MINUTE)
    assert "backoff_reset" in watched.turn()


def test_paused_it_looks_and_does_nothing(watched: Watched) -> None:
    watched.settle()
    watched.turns.paused = True
    watched.engine.vanish(watched.name())
    assert watched.turn() == []
    assert watched.turn() == []
    assert watched.told.lines == ["paused: nothing is carried out"]
    watched.turns.paused = False
    assert "container_created" in watched.turn()


def test_what_cannot_be_done_is_tried_again_later_and_not_each_turn(watched: Watched) -> None:
    watched.settle()
    watched.engine.vanish(watched.name())
    watched.engine.fail("create")
    assert "action_failed" in watched.turn()
    assert watched.turn() == []
    assert watched.turns.soon_ms is not None
    watched.passes(11_000)
    assert "container_created" in watched.turn()


def test_self_healing_is_turned_off_and_on_by_the_file(watched: Watched) -> None:
    web = f"web:\n  image: {IMAGE}\n  command: [serve]"
    watched.settle()
    watched.yard.write(web, more="reconcile: {self_heal: false}")
    watched.settle()
    watched.engine.vanish(watched.name())
    assert watched.turn() == ["container_vanished"]
    assert watched.turn() == []
    watched.yard.write(web)
    assert "container_created" in watched.turn()


def test_a_freeze_window_holds_an_edit_and_not_the_healing(watched: Watched) -> None:
    frozen = "reconcile: {freeze: [{start: '0 0 * * *', duration: 25h, why: the fair}]}"
    web = f"web:\n  image: {IMAGE}\n  command: [serve]"
    watched.yard.write(web, more=frozen)
    converge(watched.session, override_freeze=True)
    watched.turns.steady = SteadyReading(unless_frozen(watched.now))
    watched.yard.write(f"{web}\n  labels: {{edited: 'yes'}}", more=frozen)
    assert watched.turn() == []
    assert watched.told.says("the fair; what runs is looked after, an edited file waits")
    watched.engine.vanish(watched.name())
    recorded = watched.turn()
    assert "container_created" in recorded
    assert "revision_accepted" not in recorded


def test_more_than_may_be_destroyed_by_the_world_waits_and_the_rest_is_healed(watched: Watched) -> None:
    services = "\n".join(f"s{number}:\n  image: {IMAGE}\n  command: [serve]" for number in range(2))
    settings = "reconcile: {max_destroy: 1}"
    watched.yard.write(f"{services}\nother:\n  image: 'localhost/other:1'\n  command: [serve]", more=settings)
    watched.engine.images["localhost/other:1"] = "sha256:other"
    watched.turns.agreed = True
    watched.settle()
    watched.engine.images[IMAGE] = "sha256:moved"
    watched.engine.vanish(watched.name("other-1"))
    recorded = watched.turn()
    assert watched.told.says("waits for a yes: the plan destroys 2 containers")
    assert recorded.count("container_created") == 1
    assert watched.turn() == []
    watched.turns.say_yes()
    assert watched.turn().count("container_created") == 2


def test_a_service_that_is_given_up_is_told(watched: Watched) -> None:
    watched.yard.write(f"web:\n  image: {IMAGE}\n  command: [serve]\n  restart: {{policy: always, max_attempts: 1}}")
    watched.settle()
    for _ in range(2):
        watched.passes(2_000)
        watched.engine.end(watched.name(), 9)
        watched.turn()
    assert watched.told.says("is given up: it ended with exit code 9; 1 restart did not help")
    assert watched.turn() == []


def test_a_rejected_file_is_recorded_once_over_a_restart(watched: Watched) -> None:
    watched.settle()
    watched.yard.project.file.write_text("version: 1\nservices: ]\n")
    assert watched.turn() == ["revision_rejected"]
    assert watched.turn() == []
    again = Watched(watched.yard, watched.engine)
    with again.session:
        assert again.turn() == []
        assert again.told.says("rejected revision 2, line 2")


def test_a_yes_is_to_the_next_turn_and_to_no_later_one(watched: Watched) -> None:
    watched.settle()
    watched.turns.say_yes()
    assert watched.turn() == []
    watched.yard.write(f"other:\n  image: {IMAGE}\n  command: [serve]", more="reconcile: {max_destroy: 0}")
    assert watched.turn() == []
    assert watched.told.says("waits for a yes")
    assert watched.turn() == []
    watched.turns.say_yes()
    assert "container_removed" in watched.turn()


def test_what_was_decided_is_told_when_it_is_recorded_and_not_while_paused(watched: Watched) -> None:
    watched.settle()
    for _ in range(2):
        watched.passes(2_000)
        watched.turns.paused = True
        watched.engine.end(watched.name(), 3)
        watched.turn()
        watched.turn()
        assert not watched.told.says("is left alone")
        watched.turns.paused = False
        watched.turn()
    assert watched.told.says("is left alone for 10 s after 2 failures")


def test_two_watchers_count_a_failure_once(watched: Watched, another: Watched) -> None:
    watched.settle()
    for _ in range(2):
        watched.passes(2_000)
        watched.engine.end(watched.name(), 3)
        now = another.now()
        seen = look(another.session, another.turns._options(now), read=another.turns.steady)
        decisions = another.turns._decisions(seen, now)
        assert [one.event_type for one in decisions] == ["backoff_started"]
        assert "backoff_started" in watched.turn()
        head = watched.yard.head()
        another.turns._converge(seen, decisions, another.turns._options(now))
        assert "backoff_started" not in watched.yard.types(after=head)
    assert not another.told.says("is left alone"), "what it did not record it does not tell"
