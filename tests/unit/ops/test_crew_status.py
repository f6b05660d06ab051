"""The status of specialists: three views of each process, what it reports, and what is said where they differ."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.control.crew_documents import crew_document
from reconciler.ops.crew_status import CrewStatus, crew_statuses
from reconciler.projections.pools import ProjectedPool, ProjectedProcess, ProjectedWorker
from reconciler.projections.projected import Projected, ProjectedBackoff, ProjectedIntent, ProjectedSuspension
from reconciler.projections.rows import MemoryRows
from reconciler.runtime.process.model import ObservedProcess, ObservedProcesses
from reconciler.spec.desired import Desired, SpecialistSpec, to_document
from reconciler.spec.roles import specialist_digest
from tests.support.crews import process_seen

BUILDER = SpecialistSpec(name="builder")
DIGEST = specialist_digest(BUILDER)


def process(process_id: str = "evt_1", **more: Any) -> ProjectedProcess:
    values: dict[str, Any] = {"pool": "builder", "replica": 1, "process_id": process_id, "pid": 4_711, "digest": DIGEST}
    return ProjectedProcess(**{**values, **more})


def status(
    *processes: ProjectedProcess,
    spec: SpecialistSpec | None = BUILDER,
    seen: tuple[ObservedProcess, ...] | None = (),
    file: bool = True,
    unknown: frozenset[int] = frozenset(),
    log: dict[str, Any] | None = None,
    **pool: Any,
) -> list[CrewStatus]:
    known = ProjectedPool("builder", to_document(BUILDER), DIGEST, processes=processes, **pool)
    desired = Desired(name="shop", project="p", specialists={"builder": spec} if spec is not None else {})
    observed = ObservedProcesses(seen, unknown) if seen is not None else None
    return list(
        crew_statuses(desired if file else None, Projected(pools={"builder": known}, **(log or {})), observed, None)
    )


RUNS = process_seen("evt_1", digest=DIGEST)


def test_one_that_is_as_it_should_be() -> None:
    worker = ProjectedWorker("spec_builder_1", "busy", "sortie_1", False, 5_000)
    (one,) = status(process(), seen=(RUNS,), workers={1: worker})
    assert one.agrees
    assert one.address == "specialist/builder/1"
    assert {one.desired.digest, one.projected.digest, one.observed.digest} == {DIGEST}
    document = crew_document(one)
    assert document["current_sortie"] == "sortie_1"
    assert document["last_seen"] == "1970-01-01T00:00:05.000Z"
    assert document["observed"] == {
        "state": "running",
        "digest": DIGEST,
        "pid": 4_711,
        "process_id": "evt_1",
        "since": "1970-01-01T00:00:01.000Z",
    }


EDITED = SpecialistSpec(name="builder", environment={"A": "1"})
TAGGED = SpecialistSpec(name="builder", tags=("a",))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "not applied yet"),
        ({"processes": [process()]}, "ended since the log was last written"),
        (
            {"processes": [process()], "seen": (RUNS,), "spec": EDITED},
            "the file was edited since this process was started",
        ),
        ({"processes": [process()], "seen": (RUNS,), "spec": TAGGED}, "settings in the file were edited"),
        ({"processes": [process()], "seen": (RUNS,), "spec": None}, "no longer in the file"),
        ({"processes": [process()], "seen": (RUNS,), "wanted": "down"}, "asked to stop, and still there"),
        ({"processes": [process()], "seen": (RUNS,), "stopped": (1,), "draining": (1,)}, "finishes what it works on"),
        ({"processes": [process(state="exited")]}, "stopped, not running"),
        ({"processes": [process(state="exited", external=True)]}, "ended, and Fleet did not do it"),
        (
            {"processes": [process(state="exited", external=True, exit_code=3)]},
            "ended with exit code 3, and Fleet did not do it",
        ),
        (
            {"processes": [process(state="paused")], "seen": (process_seen("evt_1", state="paused"),)},
            "paused, and Fleet did not do it",
        ),
        (
            {"processes": [process()], "seen": (process_seen("evt_1", state="paused"),)},
            "paused since the log was last written",
        ),
        (
            {"processes": [process()], "seen": (RUNS,), "workers": {1: ProjectedWorker("spec_builder_1", "inactive")}},
            "not heard of any more",
        ),
    ],
)
def test_what_is_said_where_the_sides_differ(given: dict[str, Any], said: str) -> None:
    processes = given.pop("processes", [])
    (one,) = status(*processes, **given)
    assert said in one.differences


def test_what_is_unknown_disagrees_with_nothing() -> None:
    (one,) = status(process(), seen=None)
    assert (one.observed.state, one.agrees) == ("unknown", True)
    (one,) = status(process(), unknown=frozenset({4_711}))
    assert (one.observed.state, one.agrees) == ("unknown", True)
    (one,) = status(process(), seen=(RUNS,), file=False)
    assert (one.desired.state, one.agrees) == ("unknown", True)


def test_what_was_stopped_on_request_is_fine() -> None:
    (one,) = status(process(state="exited", exit_code=0), wanted="down")
    assert (one.desired.state, one.agrees) == ("stopped", True)
    assert crew_document(one)["projected"]["exit_code"] == 0


def test_a_second_process_of_a_replica_is_listed_apart() -> None:
    first, second = status(process(), process("evt_2"), seen=(RUNS, process_seen("evt_2", digest=DIGEST)))
    assert first.agrees
    assert second.differences == ("a second process of this replica",)


def test_what_ended_and_is_no_longer_wanted_is_not_listed() -> None:
    assert status(process(state="exited", replica=2), process(), seen=(RUNS,))[0].replica == 1
    assert len(status(process(state="exited", replica=2), process(), seen=(RUNS,))) == 1


def test_circumstances() -> None:
    log = {
        "suspensions": {
            "": ProjectedSuspension("", "all"),
            "specialist/builder": ProjectedSuspension("specialist/builder", "it"),
            "service/web": ProjectedSuspension("service/web", "other"),
        },
        "backoffs": {"specialist/builder/1": ProjectedBackoff(3, 2_000)},
        "intents": {"a": ProjectedIntent("a", "start", "specialist/builder", 1, "apply_1")},
    }
    (one,) = status(process(), seen=(RUNS,), log=log)
    assert one.notes == (
        "the fleet is suspended: all",
        "suspended: it",
        "waits 2s after 3 failures",
        "begun and not ended: start",
    )
    log["backoffs"] = {"specialist/builder/1": ProjectedBackoff(3, abandoned=True)}
    (one,) = status(process(), seen=(RUNS,), log=log)
    assert "given up after 3 failures" in one.notes


def test_those_that_registered_themselves_come_last() -> None:
    rows = MemoryRows()
    here = {"status": "idle", "current_sortie": None, "draining": False, "last_seen": 1}
    for key in ("ada", "bob", "spec_builder_1"):
        rows.put("specialists", key, {"id": key, **here, "status": "completed" if key == "bob" else "idle"})
    desired = Desired(name="shop", project="p", specialists={"builder": BUILDER})
    found = crew_statuses(desired, Projected(), ObservedProcesses(), rows)
    assert [one.address for one in found] == ["specialist/builder/1", "specialist/ada"]
    assert crew_document(found[1])["specialist"] is None
