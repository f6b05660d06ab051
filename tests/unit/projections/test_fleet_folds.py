"""Folds of the fleet: revisions and the one that holds, applies, shared resources, handlers, suspensions, moves."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.events import NOON, Folded

REASON = {"code": "declared", "text": "new", "changes": []}


@pytest.fixture
def folded() -> Folded:
    return Folded()


def accepted(folded: Folded, revision: int, **more: Any) -> None:
    folded(
        "revision_accepted",
        {"revision": revision, "digest": f"v1:{revision}", "document": {"name": "shop"}, **more},
        stream="shop",
        metadata={"actor": "ada", "source": "git", "commit": "from metadata"},
    )


def head(folded: Folded) -> tuple[int, str, int]:
    row = folded.row("fleets", "shop")
    return row["revision"], row["digest"], row["latest"]


def test_the_newest_accepted_revision_holds(folded: Folded) -> None:
    accepted(folded, 1, commit="c0ffee", author="Ada", branch="main", reason="more")
    accepted(folded, 2)
    assert head(folded) == (2, "v1:2", 2)
    first, second = (row for _, row in folded.rows.scan("revisions"))
    assert (first["commit"], first["author"], first["branch"], first["reason"]) == ("c0ffee", "Ada", "main", "more")
    assert (second["commit"], second["actor"], second["source"], second["at"]) == ("from metadata", "ada", "git", NOON)
    assert (second["status"], second["document"], second["files"]) == ("accepted", {"name": "shop"}, [])


def test_a_rejected_revision_is_kept_and_does_not_hold(folded: Folded) -> None:
    folded("revision_rejected", {"revision": 1, "problems": [{"file": "f", "message": "m"}]}, stream="shop")
    assert head(folded) == (0, "", 1)
    accepted(folded, 2)
    folded("revision_rejected", {"revision": 3, "problems": []}, stream="shop")
    assert head(folded) == (2, "v1:2", 3)
    assert folded.row("revisions", "0000000001")["problems"][0]["message"] == "m"
    assert folded.row("revisions", "0000000003")["status"] == "rejected"


def test_a_revision_taken_back_gives_way_to_the_one_before(folded: Folded) -> None:
    accepted(folded, 1)
    accepted(folded, 2)
    folded("revision_reverted", {"revision": 2, "to_revision": 1}, stream="shop")
    assert head(folded) == (1, "v1:1", 2)
    assert folded.row("revisions", "0000000002")["status"] == "reverted"
    folded("revision_reverted", {"revision": 8, "to_revision": 9}, stream="shop")
    assert head(folded) == (1, "v1:1", 2)


def test_an_apply_from_its_start_to_its_end(folded: Folded) -> None:
    started = {"apply_id": "a1", "revision": 1, "plan_digest": "v1:p", "creates": 2, "target": ["web"]}
    folded("apply_started", started, metadata={"actor": "ada", "source": "cli"})
    row = folded.row("applies", "a1")
    assert (row["status"], row["counts"]["creates"], row["counts"]["deletes"], row["target"]) == (
        "running",
        2,
        0,
        ["web"],
    )
    folded.now += 5_000
    ended = {"apply_id": "a1", "status": "failed", "done": 1, "failed": 1, "skipped": 0, "duration_ms": 5_000}
    folded("apply_completed", {**ended, "left_off": "service/web"})
    row = folded.row("applies", "a1")
    assert (row["status"], row["done"], row["failed"], row["left_off"]) == ("failed", 1, 1, "service/web")
    assert (row["started_at"], row["completed_at"]) == (NOON, NOON + 5_000)


@pytest.mark.parametrize(
    ("status", "open_after"), [("succeeded", ["a2"]), ("failed", ["a2"]), ("interrupted", ["a1", "a2"])]
)
def test_intents_of_an_apply_end_with_it_unless_it_was_broken_off(
    folded: Folded, status: str, open_after: list[str]
) -> None:
    for number in (1, 2):
        intent = {"action": "pull_image", "resource": f"image/{number}", "reason": REASON, "apply_id": f"a{number}"}
        folded("action_intended", intent)
    ended = {"apply_id": "a1", "status": status, "done": 1, "failed": 0, "skipped": 0, "duration_ms": 5}
    folded("apply_completed", ended)
    assert [row["apply_id"] for _, row in folded.rows.scan("intents")] == open_after
    assert folded.keys("applies") == []


@pytest.mark.parametrize(
    ("event_type", "data", "table", "key"),
    [
        ("network_created", {"network": "default", "engine_name": "shop-default"}, "networks", "default"),
        ("volume_created", {"volume": "data", "engine_name": "shop-data"}, "volumes", "data"),
        ("image_pulled", {"image": "web:1", "image_id": "sha256:1"}, "images", "web:1"),
        ("image_built", {"image": "web:1", "image_id": "sha256:1", "build_digest": "v1:b"}, "images", "web:1"),
    ],
)
def test_a_shared_resource_is_kept_and_settles_its_intent(
    folded: Folded, event_type: str, data: dict[str, Any], table: str, key: str
) -> None:
    intent = folded(
        "action_intended", {"action": "x", "resource": "network/default", "reason": REASON, "apply_id": "a1"}
    )
    event = folded(event_type, data, after=intent)
    row = folded.row(table, key)
    assert (row["at"], row["cause_event"]) == (NOON, event.event_id.hex)
    assert data.items() <= row.items()
    assert folded.keys("intents") == []


@pytest.mark.parametrize("event_type", ["network_removed", "network_vanished"])
def test_a_network_that_is_gone(folded: Folded, event_type: str) -> None:
    made = {"network": "default", "engine_name": "shop-default"}
    folded("network_created", made)
    folded(event_type, {**made, "engine_name": "older-default"})
    assert folded.keys("networks") == ["default"]
    folded(event_type, made)
    folded(event_type, made)
    assert folded.keys("networks") == []


def test_a_volume_that_is_gone(folded: Folded) -> None:
    folded("volume_created", {"volume": "data", "engine_name": "shop-data"})
    folded("volume_vanished", {"volume": "data", "engine_name": "shop-data"})
    assert folded.keys("volumes") == []


def test_how_an_image_came_is_told_apart(folded: Folded) -> None:
    folded("image_built", {"image": "web:1", "image_id": "sha256:1", "build_digest": "v1:b"})
    assert folded.row("images", "web:1")["how"] == "built"
    folded("image_pulled", {"image": "web:1", "image_id": "sha256:2"})
    row = folded.row("images", "web:1")
    assert (row["how"], row["build_digest"], row["image_id"]) == ("pulled", None, "sha256:2")


def test_a_handler_is_pending_until_it_worked(folded: Folded) -> None:
    for service in ("web", "api", "web"):
        folded("handler_notified", {"handler": "reload", "service": service})
    assert folded.row("handlers", "reload")["notified_by"] == ["api", "web"]
    folded("handler_failed", {"handler": "reload", "error": "exit 1"})
    assert folded.row("handlers", "reload")["error"] == "exit 1"
    folded("handler_completed", {"handler": "reload"})
    folded("handler_failed", {"handler": "unknown", "error": "exit 1"})
    assert folded.keys("handlers") == []


def test_suspending_and_resuming(folded: Folded) -> None:
    folded("resource_suspended", {"resource": "", "why": "holidays"}, metadata={"actor": "ada"})
    folded("resource_suspended", {"resource": "service/web", "why": "debugging", "until": NOON + 9})
    assert folded.row("suspensions", "")["actor"] == "ada"
    assert folded.row("suspensions", "service/web")["until"] == NOON + 9
    folded("resource_resumed", {"resource": ""})
    assert folded.keys("suspensions") == ["service/web"]


def test_drift_that_is_accepted(folded: Folded) -> None:
    folded("drift_ignored", {"resource": "service/web", "field": "*", "why": "ours"}, metadata={"actor": "ada"})
    row = folded.row("drift_ignores", "service/web *")
    assert (row["resource"], row["field"], row["why"], row["until"], row["actor"]) == (
        "service/web",
        "*",
        "ours",
        None,
        "ada",
    )


def test_a_moved_service_takes_everything_along(folded: Folded) -> None:
    container = {"replica": 1, "digest": "v1:d", "image": "i", "image_id": "", "state": "running"}
    for service in ("web", "web2"):
        folded("service_defined", {"service": service, "digest": "v1:d", "definition": {}})
        folded("container_found", {**container, "service": service, "container_id": f"c-{service}", "name": service})
        folded("backoff_started", {"service": service, "replica": 1, "failures": 1, "delay_ms": 1, "until": NOON})
    folded("resource_suspended", {"resource": "service/web", "why": "x"})
    folded("resource_moved", {"from_resource": "service/web", "to_resource": "service/shop"})
    assert folded.keys("services") == ["shop", "web2"]
    assert folded.row("services", "shop")["name"] == "shop"
    assert folded.keys("containers") == ["shop/1", "web2/1"]
    assert folded.row("containers", "shop/1")["service"] == "shop"
    assert folded.keys("backoffs") == ["shop/1", "web2/1"]
    assert folded.row("suspensions", "service/shop")["resource"] == "service/shop"


def test_a_move_of_what_is_not_known_moves_nothing(folded: Folded) -> None:
    folded("resource_moved", {"from_resource": "service/a", "to_resource": "service/b"})
    folded("resource_moved", {"from_resource": "network/a", "to_resource": "network/b"})
    assert folded.keys("services") == folded.keys("suspensions") == []


def test_a_backup_is_listed(folded: Folded) -> None:
    folded("backup_created", {"path": "/b/1.db", "sequence": 12, "size": 4096})
    assert folded.row("backups", "/b/1.db") == {
        "path": "/b/1.db",
        "sequence": 12,
        "size": 4096,
        "at": NOON,
        "last_event_sequence": 1,
    }
