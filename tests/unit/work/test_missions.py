"""The life of a mission: how it follows from its sorties, and what a person may do to it."""

from __future__ import annotations

import pytest

from reconciler.spec.desired import MissionSpec, Review, SortieSpec
from reconciler.work import missions, sorties
from reconciler.work.refusals import AlreadyEnded, DefinitionFrozen, InputRefused, MissionIncomplete, TransitionRefused
from reconciler.work.state import Mission, Sortie

from .world import World

SPEC = MissionSpec(
    name="login",
    title="Add login",
    parallel=2,
    sorties={
        "design": SortieSpec(name="design", title="Design", requires=("python",)),
        "build": SortieSpec(name="build", title="Build", depends_on=("design",), retries=1, retry_delay_ms=0),
        "check": SortieSpec(
            name="check", title="Check", depends_on=("build",), review=Review(kind="code", by="ada"), when="always"
        ),
        "undo": SortieSpec(name="undo", title="Undo", depends_on=("build",), when="failure"),
    },
)
IDS = {name: f"s-{name}" for name in SPEC.sorties}


def begun(world: World, **metadata: object) -> Mission:
    """A started mission `m` whose sorties `a` and `b` come one after the other."""
    world.register("w")
    mission = world.new_mission("m", **metadata)
    world.new_sortie("a", mission=mission)
    world.new_sortie("b", mission=mission, depends_on=("a",))
    world.append(missions.start(mission, world.sorties("m"), now_ms=world.now))
    return world.mission()


def finish(world: World, name: str, *, success: bool = True) -> None:
    sortie = world.start(name, "w")
    world.now += 500
    world.append(sorties.complete(sortie, "w", {"success": success, "summary": "told"}, now_ms=world.now))


def settle(world: World) -> list[str]:
    return world.append(missions.settle(world.mission(), world.sorties("m"), now_ms=world.now))


class TestDeclared:
    def test_a_mission_of_the_file_becomes_a_mission_with_all_its_sorties(self, world: World) -> None:
        world.append(missions.declare(SPEC, "m", IDS, now_ms=world.now, run=3))
        mission = world.mission()
        assert (mission.declared, mission.parallel, mission.status) == (True, 2, "pending")
        build, check = world.sortie("s-build"), world.sortie("s-check")
        assert (build.plan.name, build.plan.depends_on, build.plan.retries) == ("build", ("s-design",), 1)
        assert (check.plan.review_kind, check.plan.review_by, check.plan.when) == ("code", "ada", "always")
        world.append(missions.start(mission, world.sorties("m"), now_ms=world.now, definition=SPEC))
        assert world.log[-1].data["initial_sorties"] == ["s-design"]
        row = world.rows.get("missions", "m") or {}
        assert row["definition_digest"] == row["metadata"]["definition_digest"] == missions.definition_digest(SPEC)
        assert row["total_sorties"] == 4

    def test_dependencies_are_checked(self) -> None:
        lost = MissionSpec(name="x", title="X", sorties={"a": SortieSpec(name="a", title="A", depends_on=("b",))})
        with pytest.raises(InputRefused, match="depends on b, which is not in it"):
            missions.declare(lost, "m", {"a": "1"}, now_ms=0)
        round_ = MissionSpec(name="x", title="X", sorties={"a": SortieSpec(name="a", title="A", depends_on=("a",))})
        with pytest.raises(InputRefused, match="depend on each other: a → a"):
            missions.declare(round_, "m", {"a": "1"}, now_ms=0)

    def test_its_definition_is_frozen_once_it_runs(self, world: World) -> None:
        world.append(missions.declare(SPEC, "m", IDS, now_ms=world.now))
        world.append(missions.update(world.mission(), {"title": "Other"}, now_ms=world.now))
        world.append(missions.start(world.mission(), world.sorties("m"), now_ms=world.now))
        world.refused(lambda: missions.update(world.mission(), {"title": "X"}, now_ms=world.now), DefinitionFrozen)


def test_creation_and_updates_are_checked(world: World) -> None:
    now = world.now
    world.refused(lambda: missions.create("m", title=" ", now_ms=now), InputRefused)
    world.refused(lambda: missions.create("m", title="x", priority="huge", now_ms=now), InputRefused)
    mission = world.new_mission()
    world.refused(lambda: missions.update(mission, {"status": "failed"}, now_ms=now), InputRefused)
    world.refused(lambda: missions.update(mission, {"priority": "huge"}, now_ms=now), InputRefused)
    assert missions.update(mission, {"title": mission.title}, now_ms=now) == []
    world.append(missions.update(mission, {"title": mission.title, "priority": "high"}, now_ms=now))
    assert world.mission().priority == "high"
    world.append(missions.update(world.mission(), {"metadata": {"parallel": 1}}, now_ms=now))
    assert world.mission().parallel == 1


def test_it_starts_once(world: World) -> None:
    mission = begun(world)
    world.refused(lambda: missions.start(mission, [], now_ms=world.now), TransitionRefused)
    world.append(missions.cancel(mission, world.sorties("m"), by="ada", now_ms=world.now))
    world.refused(lambda: missions.start(world.mission(), [], now_ms=world.now), AlreadyEnded)


class TestSettling:
    def test_nothing_follows_while_there_is_work(self, world: World) -> None:
        assert missions.settle(world.new_mission("idle"), [], now_ms=world.now) == []
        begun(world)
        assert settle(world) == []
        assert missions.settle(Mission(id="empty", status="in_progress"), [], now_ms=world.now) == []

    def test_all_done_completes_it(self, world: World) -> None:
        begun(world)
        finish(world, "a")
        finish(world, "b")
        assert settle(world) == ["mission_completed"]
        assert world.log[-1].data["duration_ms"] == 1_000
        assert world.log[-1].data["result"] == {"success": True, "sorties_completed": 2, "sorties_failed": 0}
        assert (world.rows.get("missions", "m") or {})["completed_sorties"] == 2
        assert settle(world) == []

    def test_a_failure_closes_what_can_never_run_and_fails_it(self, world: World) -> None:
        mission = begun(world)
        world.new_sortie("c", mission=mission, depends_on=("b",))
        world.new_sortie("mend", mission=mission, depends_on=("a",), when="failure")
        finish(world, "a", success=False)
        types = settle(world)
        assert types.count("sortie_closed") == 2
        assert {s.id: s.status for s in world.sorties("m")} == {
            "a": "failed", "b": "cancelled", "c": "cancelled", "mend": "pending",
        }  # fmt: skip
        finish(world, "mend")
        assert settle(world) == ["mission_status_changed"]
        assert world.log[-1].data["reason"] == "1 of 4 sorties failed: a"

    def test_what_was_given_out_before_it_became_impossible_is_closed_too(self, world: World) -> None:
        mission = begun(world)
        world.new_sortie("mend", mission=mission, depends_on=("a",), when="failure")
        finish(world, "a", success=False)
        world.assign("mend", "w")
        world.append(sorties.retry(world.sortie("a"), by="ada", now_ms=world.now))
        world.register("v")
        world.append(sorties.assign(world.sortie("a"), world.specialist("v"), by="ada", now_ms=world.now))
        world.append(sorties.start(world.sortie("a"), "v", now_ms=world.now))
        world.append(sorties.complete(world.sortie("a"), "v", {"success": True}, now_ms=world.now))
        settle(world)
        assert world.sortie("mend").status == "cancelled"

    def test_a_mission_may_wait_for_a_person_and_goes_on_when_work_is_added(self, world: World) -> None:
        mission = begun(world, review=True)
        finish(world, "a")
        finish(world, "b")
        settle(world)
        assert world.mission().status == "review"
        assert settle(world) == []
        world.new_sortie("late", mission=mission)
        settle(world)
        assert world.mission().status == "in_progress"
        finish(world, "late")
        settle(world)
        world.append(missions.complete(world.mission(), world.sorties("m"), now_ms=world.now, summary="good"))
        assert world.mission().status == "completed"
        assert world.log[-1].data["result"]["summary"] == "good"


class TestByHand:
    def test_completion_is_refused_while_work_is_open_and_twice(self, world: World) -> None:
        mission = world.new_mission()
        world.refused(lambda: missions.complete(mission, [], now_ms=world.now), TransitionRefused)
        started = begun(world)
        refusal = world.refused(
            lambda: missions.complete(started, world.sorties("m"), now_ms=world.now), MissionIncomplete
        )
        assert "2 unfinished sorties: a (pending), b (pending)" in refusal.what
        finish(world, "a")
        world.append(sorties.cancel(world.sortie("b"), by="ada", now_ms=world.now))
        world.append(missions.complete(started, world.sorties("m"), now_ms=world.now))
        world.refused(lambda: missions.complete(world.mission(), [], now_ms=world.now), AlreadyEnded)

    def test_cancelling_ends_its_open_sorties_first(self, world: World) -> None:
        mission = begun(world)
        finish(world, "a")
        world.start("b", "w")
        world.append(missions.cancel(mission, world.sorties("m"), by="ada", now_ms=world.now, reason="not wanted"))
        assert [s.status for s in world.sorties("m")] == ["completed", "cancelled"]
        assert world.specialist("w").current_sortie is None
        assert world.mission().status == "cancelled"

    def test_a_failed_one_goes_on_from_what_failed(self, world: World) -> None:
        mission = begun(world)
        world.refused(lambda: missions.retry(mission, [], by="ada", now_ms=world.now), TransitionRefused)
        finish(world, "a", success=False)
        world.new_sortie("extra", mission=mission)
        world.append(sorties.cancel(world.sortie("extra"), by="ada", now_ms=world.now))
        settle(world)
        assert world.mission().status == "failed"
        world.refused(
            lambda: sorties.retry(world.sortie("a"), by="ada", now_ms=world.now, mission=world.mission()), AlreadyEnded
        )
        world.append(missions.retry(world.mission(), world.sorties("m"), by="ada", now_ms=world.now))
        assert {s.id: s.status for s in world.sorties("m")} == {"a": "pending", "b": "pending", "extra": "cancelled"}
        finish(world, "a")
        finish(world, "b")
        settle(world)
        assert world.mission().status == "completed"

    def test_only_what_has_no_open_sorties_is_archived_and_once(self, world: World) -> None:
        mission = begun(world)
        world.refused(
            lambda: missions.archive(mission, world.sorties("m"), by="ada", now_ms=world.now), MissionIncomplete
        )
        world.append(missions.cancel(mission, world.sorties("m"), by="ada", now_ms=world.now))
        world.append(missions.archive(world.mission(), world.sorties("m"), by="ada", now_ms=world.now))
        assert missions.archive(world.mission(), [], by="ada", now_ms=world.now) == []


def test_the_share_and_its_checkpoints() -> None:
    def of(completed: int, pending: int, cancelled: int = 0) -> list[Sortie]:
        statuses = ["completed"] * completed + ["pending"] * pending + ["cancelled"] * cancelled
        return [Sortie(id=str(i), status=status) for i, status in enumerate(statuses)]  # type: ignore[arg-type]

    assert missions.share([]) == 0
    assert missions.share(of(1, 3, 9)) == 25
    assert missions.checkpoint_due(of(0, 4), ()) is None
    assert missions.checkpoint_due(of(1, 3), ()) == 25
    assert missions.checkpoint_due(of(1, 3), (25,)) is None
    assert missions.checkpoint_due(of(3, 1), (25,)) == 75
