"""The typed view of the rows, the rows in memory, and how folds are found."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.projections.fold import FOLDS, fold_of, folds
from reconciler.projections.past import folded as folded_events
from reconciler.projections.projected import Projected, RevisionHead, project
from reconciler.projections.rows import MemoryRows
from tests.support.events import NOON, Folded

REASON = {"code": "declared", "text": "new", "changes": []}


@pytest.fixture
def told() -> Folded:
    """A fleet with something of everything."""
    log = Folded()
    log("revision_accepted", {"revision": 3, "digest": "v1:r", "document": {}}, stream="shop")
    definition = {"name": "web", "image": "web:1"}
    log("service_defined", {"service": "web", "digest": "v1:old", "definition": definition})
    for replica, container in ((2, "c2"), (1, "c1"), (1, "c3")):
        made = {"service": "web", "replica": replica, "container_id": container, "name": f"shop-web-{container}"}
        log("container_found", {**made, "digest": "v1:old", "image": "web:1", "image_id": "", "state": "running"})
    log(
        "service_defined",
        {"service": "web", "digest": "v1:new", "definition": {**definition, "image": "web:2"}, "revision": 3},
    )
    log("network_created", {"network": "default", "engine_name": "shop-default"})
    log("volume_created", {"volume": "data", "engine_name": "shop-data"})
    log("image_pulled", {"image": "web:2", "image_id": "sha256:2"})
    log("resource_suspended", {"resource": "service/web", "why": "x", "until": NOON}, metadata={"actor": "ada"})
    log("drift_ignored", {"resource": "service/web", "field": "image"})
    log("backoff_started", {"service": "web", "replica": 1, "failures": 2, "delay_ms": 5, "until": NOON})
    log(
        "action_intended",
        {"action": "create", "resource": "service/web", "replica": 1, "reason": REASON, "apply_id": "a"},
    )
    log("handler_notified", {"handler": "reload", "service": "web"})
    return log


def test_everything_that_a_plan_may_depend_on(told: Folded) -> None:
    projected = project(told.rows, sequence=told.sequence)
    service = projected.services["web"]
    assert (service.digest, service.revision, service.wanted, service.definition.image) == ("v1:new", 3, "up", "web:2")
    assert service.definition is service.definition
    assert [(one.replica, one.container_id, one.second) for one in projected.all_containers()] == [
        (1, "c1", False),
        (1, "c3", True),
        (2, "c2", False),
    ]
    assert set(projected.definitions) == {"v1:old", "v1:new"}
    assert projected.definitions["v1:old"]["image"] == "web:1"
    assert (projected.networks, projected.volumes) == ({"default": "shop-default"}, {"data": "shop-data"})
    assert projected.images["web:2"].image_id == "sha256:2"
    assert projected.suspensions["service/web"].actor == "ada"
    assert projected.drift_ignores == {("service/web", "image"): None}
    assert (projected.backoffs["web/1"].failures, projected.backoffs["web/1"].until) == (2, NOON)
    assert [intent.action for intent in projected.intents.values()] == ["create"]
    assert projected.handlers == {"reload": ("web",)}
    assert projected.head == RevisionHead(3, "v1:r", 3)
    assert projected.sequence == told.sequence


def test_an_empty_log_projects_nothing() -> None:
    assert project(MemoryRows(), sequence=0) == Projected()


def test_a_container_of_a_definition_that_nobody_knows(told: Folded) -> None:
    told.rows.delete("definitions", "v1:old")
    assert set(project(told.rows, sequence=1).definitions) == {"v1:new"}


def test_after_a_change_of_name_the_last_fleet_is_meant(told: Folded) -> None:
    told("revision_accepted", {"revision": 4, "digest": "v1:s", "document": {}}, stream="store")
    assert project(told.rows, sequence=1).head.digest == "v1:s"


def test_rows_in_memory_lie_over_others_and_leave_them_alone() -> None:
    base = MemoryRows()
    base.put("t", "a", {"n": 1})
    base.put("t", "b", {"n": 2})
    rows = MemoryRows(base)
    rows.put("t", "c", {"n": 3})
    rows.put("t", "b", {"n": 4})
    rows.delete("t", "a")
    rows.delete("t", "unknown")
    assert (rows.get("t", "a"), rows.get("t", "b"), rows.get("t", "c"), rows.get("t", "d")) == (
        None,
        {"n": 4},
        {"n": 3},
        None,
    )
    assert list(rows.scan("t")) == [("b", {"n": 4}), ("c", {"n": 3})]
    assert list(base.scan("t")) == [("a", {"n": 1}), ("b", {"n": 2})]
    base.delete("t", "a")
    base.delete("nothing", "a")
    assert base.get("t", "a") is None
    assert rows.get("other", "b") is None
    assert list(rows.scan("other")) == []


def test_a_type_has_one_fold_at_most() -> None:
    assert fold_of("service_defined") is FOLDS["service_defined"]
    with pytest.raises(ValueError, match="service_defined has two fold functions"):
        folds("service_defined")(lambda event, rows: None)


def test_what_is_history_only_has_no_fold() -> None:
    assert fold_of("memory_stored") is None
    assert fold_of("no_such_type") is None
    log = Folded()
    log("memory_stored", {"key": "x"})
    log("ctk_conflict", _CONFLICT)
    assert folded_events([]).get("locks", "x") is None
    assert log.keys("locks") == []


_CONFLICT: dict[str, Any] = {
    "file_path": "a",
    "requesting_specialist": "a",
    "holding_specialist": "b",
    "existing_lock_id": "l",
    "conflict_type": "stale_lock",
}
