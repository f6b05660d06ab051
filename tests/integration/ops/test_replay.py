"""Replay: what this release decided yesterday, it decides again; another file is told apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.cli.options import Project
from reconciler.control.cycle import Confirmation, Look, converge
from reconciler.control.held import hold_back
from reconciler.control.session import Session, open_session
from reconciler.events.envelope import Event, NewEvent
from reconciler.events.store.query import EventQuery
from reconciler.ops.replay import Replayed, replay
from reconciler.plan.model import PlanOptions
from reconciler.projections.projected import Projected
from reconciler.spec.desired import Desired
from reconciler.spec.load import load
from tests.support.logs import archive_until
from tests.support.simulated import IMAGE, SimulatedRuntime
from tests.support.story import Log

FLEET = f"""\
version: 1
name: shop
services:
  db: {{image: {IMAGE}, environment: {{MODE: fast}}}}
  web: {{image: {IMAGE}, replicas: 2, depends_on: {{db: started}}}}
"""


class World:
    """A project whose containers are simulated."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "fleet.yaml"
        self.runtime = SimulatedRuntime()
        self._project = Project(file=self.file, directory=folder, database=str(folder / "log" / "squawk.db"))
        self.write(FLEET)

    def write(self, text: str) -> None:
        self.file.write_text(text)

    def session(self) -> Session:
        return open_session(self._project, runtime=self.runtime)

    def apply(self, options: PlanOptions = PlanOptions(), *requests: NewEvent) -> None:
        with self.session() as session:
            converge(session, options=options, confirm=_yes, requests=requests)

    def desired(self) -> Desired:
        with self.session() as session:
            return load(self.file, project=self.file.parent, options=session.load_options()).desired

    def replayed(self, against: Desired | None = None, since: int = 0) -> list[Replayed]:
        with self.session() as session:
            assert session.store is not None
            return list(replay(session.store.events(), against=against, adjust=_held_back, since=since))

    def events(self, *types: str) -> list[Event]:
        with self.session() as session:
            assert session.store is not None
            return list(session.store.events(EventQuery(types=types)))


def _yes(look: Look) -> Confirmation:
    return Confirmation("ada", "flag")


def _held_back(desired: Desired, projected: Projected) -> Desired:
    return hold_back(desired, projected)[0]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.apply()
    return made


def test_the_same_release_plans_the_same(world: World) -> None:
    world.write(FLEET.replace("replicas: 2", "replicas: 3").replace("fast", "slow"))
    world.apply()
    container = next(iter(world.runtime.observe(world.session().project).containers))
    world.runtime.stop(container.container_id, grace_ms=0)
    world.apply()
    world.write(FLEET.partition("  web:")[0])
    world.apply()
    found = world.replayed()
    assert [one.verdict for one in found] == ["same"] * 4
    assert [one.revision for one in found] == [1, 2, 2, 3]
    assert all(one.steps for one in found)


def test_what_people_asked_for_is_known(world: World) -> None:
    world.apply(PlanOptions(restart=("service/web/1",)))
    world.write(FLEET.replace("fast", "slow").replace("replicas: 2", "replicas: 3"))
    world.apply(PlanOptions(targets=("service/web",)))
    world.apply(PlanOptions(), NewEvent("service_stop_requested", "service", "db", {"service": "db"}))
    found = world.replayed()
    assert [one.verdict for one in found] == ["same"] * len(found)
    assert len(found) == 4


def test_another_image_of_the_same_name_is_known(world: World) -> None:
    world.runtime.images[IMAGE] = "sha256:rebuilt"
    world.apply()
    assert [one.verdict for one in world.replayed()] == ["same", "same"]


def test_the_archive_is_read_through(world: World) -> None:
    with world.session() as session:
        store = session.writable()
        archive_until(store, store.head())
    assert [one.verdict for one in world.replayed()] == ["same"]


def test_another_file_is_told_apart(world: World) -> None:
    world.write(
        FLEET.replace("  web:", "  cache: {image: " + IMAGE + "}\n  web:").replace("replicas: 2", "replicas: 1")
    )
    (one,) = world.replayed(against=world.desired())
    assert one.verdict == "different"
    assert [step.key for step in one.only_planned] == [("create", "service/cache", 1)]
    assert [step.key for step in one.only_recorded] == [("create", "service/web", 2)]
    assert one.only_planned[0].why
    assert world.replayed(against=world.desired(), since=10_000) == []


def test_the_same_file_is_the_same(world: World) -> None:
    assert [one.verdict for one in world.replayed(against=world.desired())] == ["same"]


def told(log: Log, **options: Desired) -> list[Replayed]:
    return list(replay(log.recorded, **options))


def started(log: Log, apply_id: str = "apply_1", revision: int = 1, **more: object) -> Event:
    data = {"apply_id": apply_id, "revision": revision, "plan_digest": "v1:p", **more}
    return log.record("apply_started", "fleet/shop", data)


def ended(log: Log, apply_id: str = "apply_1", status: str = "succeeded") -> None:
    counts = {"done": 1, "failed": 0, "skipped": 0, "duration_ms": 5}
    log.record("apply_completed", "fleet/shop", {"apply_id": apply_id, "status": status, **counts})


def edited(image: str = "localhost/web:1") -> Log:
    log = Log()
    document = {"name": "shop", "project": "p", "services": {"web": {"name": "web", "image": image}}}
    log.record("revision_accepted", "fleet/shop", {"revision": 1, "digest": "v1:1", "document": document})
    return log


@pytest.mark.parametrize("status", ["interrupted", ""])
def test_one_that_was_cut_short_is_judged_by_what_it_came_to(status: str) -> None:
    log = edited()
    started(log)
    if status:
        ended(log, status=status)
    (one,) = told(log)
    assert (one.verdict, one.only_planned) == ("same", ())
    assert "cut short" in one.note


def test_the_next_one_ends_one_that_never_ended() -> None:
    log = edited()
    started(log)
    started(log, "apply_2")
    ended(log, "apply_2")
    first, second = told(log)
    assert (first.verdict, second.verdict) == ("same", "different")
    assert {step.action for step in second.only_planned} >= {"create"}


def test_what_was_skipped_was_decided_too() -> None:
    log = edited()
    begun = started(log)
    skip = {"action": "create", "resource": "service/web", "replica": 1, "because": "x failed", "apply_id": "apply_1"}
    log.record("action_skipped", "service/web", skip, after=begun)
    other = {**skip, "apply_id": "apply_9"}
    log.record("action_skipped", "service/web", other, after=begun)
    pull = {"action": "pull_image", "resource": "image/localhost/web:1", "because": "x", "apply_id": "apply_1"}
    log.record("action_skipped", "fleet/shop", pull, after=begun)
    ended(log)
    (one,) = told(log)
    assert one.only_recorded == ()
    assert one.steps == 2


def test_what_cannot_be_judged_is_passed_over() -> None:
    log = Log()
    started(log, revision=7)
    ended(log)
    bad = {"revision": 1, "digest": "v1:1", "document": {"services": 5}}
    log.record("revision_accepted", "fleet/shop", bad)
    started(log, "apply_2")
    ended(log, "apply_2")
    log.record("revision_accepted", "fleet/shop", {**bad, "revision": 2, "document": {"name": "shop", "project": "p"}})
    started(log, "apply_3", 2, target=["service/ghost"])
    ended(log, "apply_3")
    adoption = started(log, "apply_4", 2)
    reason = {"code": "adopted", "text": "asked for"}
    intent = {"action": "adopt", "resource": "service/web", "replica": 1, "reason": reason, "apply_id": "apply_4"}
    log.record("action_intended", "service/web", intent, after=adoption)
    ended(log, "apply_4")
    notes = [(one.verdict, one.note.partition(":")[0]) for one in told(log)]
    assert notes == [
        ("passed over", "its revision is not in the log"),
        ("passed over", "its revision cannot be read by this release"),
        ("passed over", "it cannot be planned"),
        ("passed over", "it took over containers that the log knows nothing more about"),
    ]
