"""Commands of missions that did not come from the file, and of runs of those that did."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.control.desk import missions, reading, sorties
from reconciler.control.desk.missions import frozen_definition, newest_run
from reconciler.errors import NotFound
from reconciler.projections.store import open_store
from reconciler.spec.desired import MissionSpec, SortieSpec
from reconciler.work.refusals import AlreadyEnded, DefinitionFrozen, MissionIncomplete, TransitionRefused

from .conftest import Hands

SPEC = MissionSpec(
    name="login",
    title="Add login",
    sorties={
        "design": SortieSpec(name="design", title="design", files=("a.md",)),
        "build": SortieSpec(name="build", title="build", depends_on=("design",)),
    },
)


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Hands]:
    with open_store(tmp_path / "fleet" / "squawk.db") as store:
        yield Hands(store)


def test_the_life_of_one_that_was_made_by_hand(work: Hands) -> None:
    run = work.desk.run
    made = run(
        missions.create(title="By hand", description="d", priority="high", metadata={"declared": True, "x": 1})
    ).value
    assert (made.declared, made.priority) == (False, "high")
    assert (work.store.rows().get("missions", made.id) or {})["metadata"] == {"x": 1}
    one = run(sorties.create(title="One", mission_id=made.id)).value
    assert run(missions.update(made.id, {"title": "By my hand"})).value.title == "By my hand"
    with pytest.raises(TransitionRefused, match="has not started"):
        run(missions.complete(made.id))
    assert run(missions.start(made.id)).value.status == "in_progress"
    with pytest.raises(MissionIncomplete):
        run(missions.complete(made.id))
    with pytest.raises(MissionIncomplete):
        run(missions.archive(made.id, by="ada"))
    who = work.hire()
    assert work.do(who).sortie.id == one.id
    row = work.store.rows().get("missions", made.id) or {}
    assert (row["status"], row["total_sorties"], row["completed_sorties"]) == ("completed", 1, 1)
    with pytest.raises(AlreadyEnded):
        run(missions.complete(made.id))
    assert run(missions.archive(made.id, by="ada")).value.archived
    assert run(missions.archive(made.id, by="ada")).events == ()


def test_one_with_nothing_left_to_do_is_completed_by_hand(work: Hands) -> None:
    made = work.desk.run(missions.create(title="Empty")).value
    work.desk.run(missions.start(made.id))
    done = work.desk.run(missions.complete(made.id, summary="all well")).value
    assert done.status == "completed"


def test_a_declared_run_waits_until_it_is_started(work: Hands) -> None:
    declared = work.desk.run(missions.declare(SPEC)).value
    assert (declared.status, declared.name, declared.run) == ("pending", "login", 1)
    assert frozen_definition(work.store.rows(), declared.id) is None
    with pytest.raises(TransitionRefused, match="is pending already"):
        work.desk.run(missions.declare(SPEC))
    started = work.desk.run(missions.run(SPEC)).value
    assert (started.id, started.status) == (declared.id, "in_progress")
    assert frozen_definition(work.store.rows(), declared.id) == SPEC
    with pytest.raises(DefinitionFrozen):
        work.desk.run(missions.update(declared.id, {"title": "Other"}))


def test_cancelling_lets_go_of_files_and_of_whoever_holds_them(work: Hands) -> None:
    mission = work.desk.run(missions.run(SPEC)).value
    who = work.hire()
    work.claim(who)
    assert [lock.file_path for lock in reading.active_locks(work.store.rows())] == ["a.md"]
    work.desk.run(missions.cancel(mission.id, by="ada"))
    assert reading.active_locks(work.store.rows()) == []
    assert reading.specialist(work.store.rows(), who).current_sortie is None


def test_only_the_last_run_is_retried(work: Hands) -> None:
    first = work.desk.run(missions.run(SPEC)).value
    who = work.hire()
    work.fail(who)
    assert work.status("login") == "failed"
    second = work.desk.run(missions.run(SPEC)).value
    assert (second.run, newest_run(work.store.rows(), "login")) == (2, second)
    with pytest.raises(TransitionRefused, match="run 2 came after it"):
        work.desk.run(missions.retry(first.id, by="ada"))


def test_missions_are_found_by_name_or_id(work: Hands) -> None:
    with pytest.raises(NotFound) as nothing:
        missions.find(work.store.rows(), "login")
    assert nothing.value.hint == "fleet apply"
    mission = work.desk.run(missions.run(SPEC)).value
    for word in ("login", "mission/login", mission.id):
        assert missions.find(work.store.rows(), word).id == mission.id
    with pytest.raises(NotFound) as near:
        missions.find(work.store.rows(), "logon")
    assert near.value.hint == "did you mean login?"
    with pytest.raises(NotFound) as far:
        missions.find(work.store.rows(), "xyz")
    assert far.value.hint == "known: login"


def test_following_the_file_with_nothing_to_follow_records_nothing(work: Hands) -> None:
    mission = work.desk.run(missions.run(SPEC)).value
    assert work.desk.run(missions.follow_file(mission.id, SPEC)).events == ()
    work.desk.run(missions.cancel(mission.id, by="ada"))
    with pytest.raises(AlreadyEnded):
        work.desk.run(missions.follow_file(mission.id, SPEC))
