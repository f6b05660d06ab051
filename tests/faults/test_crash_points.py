"""Kill -9 at each named place: the next command goes on by itself, nothing is doubled, nothing is lost, the log verifies."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.events.envelope import Event
from reconciler.ops.verify import verify
from reconciler.projections.store import EventQuery, open_store
from reconciler.runtime.model import ContainerOrder
from reconciler.runtime.podman import Podman
from reconciler.runtime.process.local import LocalProcesses
from reconciler.spec.desired import ServiceSpec
from tests.faults.conftest import FULL, chosen
from tests.faults.crash_points import CRASH_POINTS, CrashPoint
from tests.faults.settled import MORE, ONE, SLEEPER, TWO, check, settle
from tests.integration.apply.yard import Yard
from tests.integration.legacy.test_old_store_import import document
from tests.integration.watch.watching import until
from tests.support.logs import tell_some
from tests.support.podman import BUSYBOX, force_remove

CREW = "specialists: {builder: {replicas: 2, harness: shell}}\n"
MISSION = "missions: {m: {sorties: {one: {run: 'true'}, two: {run: 'true', depends_on: [one]}}}}"
COMPLETED = EventQuery(types=("sortie_completed",))
ROOT = Path(__file__).parents[2]
# How often the same place is tried, at its first passing and at later ones.
PASSINGS = 3 if FULL else 1


def points_of(verb: str, most: int) -> list[CrashPoint]:
    return chosen([point for point in CRASH_POINTS if verb in point.verbs], most)


def die(yard: Yard, point: CrashPoint, nth: int, *words: str) -> bool:
    """Run a command that is killed; False when it came to its end before."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.crash_points", point.name, str(nth), str(int(signal.SIGKILL)), *words],
        cwd=yard.folder,
        env={**yard.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), (point.name, words, done.stdout, done.stderr)
    return done.returncode != 0


def _apply_dying(yard: Yard, point: CrashPoint, *ways: str) -> int:
    deaths = 0
    for nth in range(1, PASSINGS + 1):
        died = 0
        for wanted in ways:
            yard.write(wanted, more=MORE)
            died += die(yard, point, nth, "apply", "--yes", "--parallel", "1")
            settle(yard, 1)
            check(yard, wanted, f"killed: {point.name}, passing {nth}")
        if not died:
            break
        deaths += died
    return deaths


@pytest.mark.timeout(1_800)
def test_an_apply_that_dies(yard: Yard) -> None:
    for point in points_of("apply", 2):
        if "volume" in point.name:
            continue
        yard.write("", more=MORE)
        yard.apply()
        assert _apply_dying(yard, point, ONE, ""), f"nobody comes to: {point.name}"


def test_an_apply_that_dies_when_a_volume_is_made(yard: Yard) -> None:
    """A volume stays for ever, so it is made once."""
    (point,) = (point for point in CRASH_POINTS if "volume" in point.name)
    assert _apply_dying(yard, point, ONE)


@pytest.mark.timeout(900)
def test_a_replacement_that_dies(yard: Yard) -> None:
    for point in points_of("replace", 1):
        yard.write(ONE, more=MORE)
        settle(yard, 1)
        assert _apply_dying(yard, point, TWO, ONE), f"nobody comes to: {point.name}"


@pytest.mark.timeout(900)
def test_an_import_of_a_container_that_dies(yard: Yard, podman: Podman) -> None:
    services: dict[str, str] = {}
    for number, point in enumerate(points_of("adopt", 1)):
        service, name = f"s{number}", f"{yard.name}-by-hand-{number}"
        services[service] = f"{service}: {{{SLEEPER}}}"
        yard.write("\n".join(services.values()))
        spec = ServiceSpec(service, BUSYBOX, command=("sleep", "3600"), stop_signal="SIGKILL")
        made = podman.create(ContainerOrder(spec, name, BUSYBOX, {}))
        try:
            podman.start(made)
            assert die(yard, point, 1, "import", f"service/{service}", name), f"nobody comes to: {point.name}"
            again = yard.run("import", f"service/{service}", name, check=False)
            with open_store(yard.database, mode="read") as store:
                adopted = [one.container_id for one in store.projected().containers.get(service, ())]
            assert adopted == [made], (point.name, again.stderr)
            assert podman.inspect(made).container.state == "running"
            report = verify(yard.database)
            assert report.sound, (point.name, report.faults)
        finally:
            force_remove(podman, made)


@pytest.fixture
def crew(yard: Yard) -> Iterator[Yard]:
    """A project of specialists; their processes end with the test."""
    yield yard
    processes = LocalProcesses()
    for one in processes.observe(yard.label).processes:
        processes.stop(one.pid, one.process_id, 0)


@pytest.mark.timeout(900)
def test_an_apply_of_specialists_that_dies(crew: Yard) -> None:
    """They work on a mission meanwhile, each of whose sorties is done once, whoever is killed."""
    for point in points_of("crew", 1):
        deaths = 0
        for wanted in (CREW, ""):
            crew.write("", more=wanted + MISSION)
            deaths += die(crew, point, 1, "apply", "--yes", "--parallel", "1")
            crew.run("apply", "--yes")
            found = LocalProcesses().observe(crew.label).processes
            assert len(found) == (2 if wanted else 0), (point.name, found)
            assert crew.plan() == [], point.name
            if wanted:
                until(lambda: len(crew.events(COMPLETED)) == 2, f"the mission never ends: {point.name}")
        assert deaths, f"nobody comes to: {point.name}"
        assert len({event.stream_id for event in crew.events(COMPLETED)}) == 2, point.name
        report = verify(crew.database)
        assert report.sound, (point.name, report.faults)


class Desk:
    """A project of its own whose log has something in it, for commands that need no engine."""

    def __init__(self, folder: Path) -> None:
        (folder / "project").mkdir(parents=True)
        self.yard = Yard(folder / "project", folder / "data", "shop", runtime=None)  # type: ignore[arg-type]
        self.yard.write("")

    def tell(self) -> list[Event]:
        with open_store(self.yard.database) as store:
            tell_some(store)
            return list(store.events())


def _again(desk: Desk, point: CrashPoint, *words: str) -> list[Event]:
    """What the log holds when the command was killed and then run once more."""
    assert die(desk.yard, point, 1, *words), f"nobody comes to: {point.name}"
    if desk.yard.database.exists():
        report = verify(desk.yard.database)
        assert report.sound, (point.name, report.faults)
    desk.yard.run(*words)
    report = verify(desk.yard.database)
    assert report.sound, (point.name, report.faults)
    return desk.yard.events()


@pytest.fixture
def desks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Desk]:
    """Makes one project after the other."""
    numbers = iter(range(1_000))

    def make() -> Desk:
        folder = tmp_path / f"desk-{next(numbers)}"
        monkeypatch.setenv("FLEET_DATA_DIR", str(folder / "data"))
        return Desk(folder)

    return make


@pytest.mark.timeout(900)
@pytest.mark.parametrize("verb", ["compact", "rebuild", "backup"])
def test_care_of_the_log_that_dies(desks: Callable[[], Desk], verb: str) -> None:
    for point in points_of(verb, 1):
        desk = desks()
        before = desk.tell()
        if verb == "rebuild":
            desk.yard.run("compact", "--keep", "5")
        after = _again(desk, point, verb)
        assert after[: len(before)] == before, point.name


@pytest.mark.timeout(900)
def test_a_restore_that_dies(desks: Callable[[], Desk]) -> None:
    for point in points_of("restore", 1):
        desk = desks()
        before = desk.tell()
        desk.yard.run("backup")
        desk.tell()
        (backup,) = desk.yard.database.parent.glob("backups/*.db")
        after = _again(desk, point, "restore", str(backup))
        assert after[: len(before)] == before, point.name
        assert [event.event_type for event in after[len(before) :]] == ["backup_restored"], point.name


@pytest.mark.timeout(900)
def test_a_migration_of_the_old_store_that_dies(desks: Callable[[], Desk]) -> None:
    for point in points_of("legacy", 1):
        desk = desks()
        old = desk.yard.folder / "squawk.json"
        old.write_text(json.dumps(document()))
        after = _again(desk, point, "migrate", "legacy", str(old))
        assert not old.exists(), point.name
        assert len(list(desk.yard.folder.glob("squawk.json.migrated.*"))) == 1, point.name
        assert sum(event.event_type == "squawk_sent" for event in after) == 4, point.name
        desk.yard.run("migrate", "legacy", str(old))
        assert desk.yard.events(EventQuery(after=len(after))) == [], point.name
