"""Folds of declared specialists: pools, their processes, what was asked of them, and their back-offs."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.projections.projected import project
from tests.support.events import NOON, Folded

DEFINITION = {"name": "builder", "replicas": 2}


@pytest.fixture
def folded() -> Folded:
    found = Folded()
    found("specialist_defined", {"pool": "builder", "digest": "v1:a", "definition": DEFINITION, "revision": 1})
    return found


def start(folded: Folded, process: str = "evt_1", replica: int = 1, **more: Any) -> None:
    data = {"pool": "builder", "replica": replica, "process_id": process, "pid": 7, "digest": "v1:a", **more}
    folded("specialist_process_started", data)


def test_a_pool_and_its_process(folded: Folded) -> None:
    start(folded, log="/x.log")
    pool = project(folded.rows, sequence=2).pools["builder"]
    assert (pool.document, pool.digest, pool.wanted, pool.revision, pool.defined_at) == (
        DEFINITION,
        "v1:a",
        "up",
        1,
        NOON,
    )
    assert pool.definition.replicas == 2
    (process,) = pool.processes
    assert (process.replica, process.pid, process.state, process.definition, process.log) == (
        1,
        7,
        "running",
        DEFINITION,
        "/x.log",
    )
    assert process.alive


def test_of_those_that_ended_only_the_last_of_a_replica_stays(folded: Folded) -> None:
    start(folded)
    folded("specialist_process_exited", {"pool": "builder", "replica": 1, "process_id": "evt_1", "exit_code": 3})
    row = folded.row("processes", "evt_1")
    assert (row["state"], row["exit_code"], row["external"]) == ("exited", 3, True)
    start(folded, "evt_2", 2)
    start(folded, "evt_3")
    assert [key for key, _ in folded.rows.scan("processes")] == ["evt_2", "evt_3"]
    folded("specialist_process_stopped", {"pool": "builder", "replica": 1, "process_id": "evt_3"})
    assert folded.row("processes", "evt_3")["external"] is False
    folded("specialist_process_exited", {"pool": "builder", "replica": 1, "process_id": "evt_unknown"})


def test_pausing_and_going_on(folded: Folded) -> None:
    start(folded)
    process = {"pool": "builder", "replica": 1, "process_id": "evt_1"}
    folded("specialist_process_paused", process)
    assert folded.row("processes", "evt_1")["state"] == "paused"
    folded("specialist_process_resumed", {**process, "external": True})
    row = folded.row("processes", "evt_1")
    assert (row["state"], row["external"]) == ("running", True)


def test_a_process_of_another_definition_does_not_get_this_one(folded: Folded) -> None:
    start(folded, digest="v1:other")
    assert folded.row("processes", "evt_1")["definition"] is None


def test_wishes_for_all_and_for_one(folded: Folded) -> None:
    def wishes() -> tuple[Any, ...]:
        pool = project(folded.rows, sequence=1).pools["builder"]
        return (
            [pool.is_down(replica) for replica in (1, 2)],
            [pool.drains(replica) for replica in (1, 2)],
        )

    folded("specialist_stop_requested", {"pool": "builder", "replica": 2})
    assert wishes() == ([False, True], [False, False])
    folded("specialist_stop_requested", {"pool": "builder", "replica": 1, "drain": True})
    assert wishes() == ([True, True], [True, False])
    folded("specialist_start_requested", {"pool": "builder", "replica": 1})
    assert wishes() == ([False, True], [False, False])
    folded("specialist_stop_requested", {"pool": "builder", "drain": True})
    assert wishes() == ([True, True], [True, True])
    folded("specialist_defined", {"pool": "builder", "digest": "v1:b", "definition": DEFINITION})
    assert wishes() == ([True, True], [True, True])
    folded("specialist_start_requested", {"pool": "builder"})
    assert wishes() == ([False, False], [False, False])
    folded("specialist_stop_requested", {"pool": "nobody"})


def test_back_offs_end_with_an_edit_or_a_persons_word(folded: Folded) -> None:
    def fail(replica: int = 1) -> None:
        data = {"pool": "builder", "replica": replica, "failures": 2, "delay_ms": 5, "until": NOON}
        folded("specialist_backoff_started", data)

    fail()
    fail(2)
    folded("specialist_restart_abandoned", {"pool": "builder", "replica": 2, "failures": 3, "why": "enough"})
    backoffs = project(folded.rows, sequence=1).backoffs
    assert {key: one.abandoned for key, one in backoffs.items()} == {
        "specialist/builder/1": False,
        "specialist/builder/2": True,
    }
    folded("specialist_start_requested", {"pool": "builder", "replica": 2})
    assert [key for key, _ in folded.rows.scan("backoffs")] == ["specialist/builder/1"]
    folded("specialist_backoff_reset", {"pool": "builder", "replica": 1})
    fail()
    folded("specialist_defined", {"pool": "builder", "digest": "v1:a", "definition": DEFINITION})
    assert folded.rows.get("backoffs", "specialist/builder/1") is not None
    folded("specialist_defined", {"pool": "builder", "digest": "v1:b", "definition": DEFINITION})
    assert folded.rows.get("backoffs", "specialist/builder/1") is None


def test_one_that_left_takes_everything_along(folded: Folded) -> None:
    start(folded)
    intended = {"action": "delete", "resource": "specialist/builder", "replica": 1, "apply_id": "apply_1"}
    folded("action_intended", {**intended, "reason": {"code": "removed_from_file", "text": "gone"}})
    folded("specialist_removed", {"pool": "builder"})
    projected = project(folded.rows, sequence=1)
    assert (projected.pools, projected.intents, projected.backoffs) == ({}, {}, {})


def test_a_process_without_a_pool_is_one_without_a_definition(folded: Folded) -> None:
    found = {"pool": "ghost", "replica": 1, "process_id": "evt_9", "pid": 1, "digest": ""}
    folded("specialist_process_found", found)
    pool = project(folded.rows, sequence=1).pools["ghost"]
    assert (pool.document, pool.digest, len(pool.processes)) == ({}, "", 1)


def test_what_a_replica_reports_of_itself(folded: Folded) -> None:
    folded("specialist_registered", {"specialist_id": "spec_builder_2", "name": "builder-2"})
    workers = project(folded.rows, sequence=1).pools["builder"].workers
    assert list(workers) == [2]
    assert (workers[2].specialist_id, workers[2].status, workers[2].draining) == ("spec_builder_2", "active", False)
