"""Folds of services: definitions, containers side by side, open intents, back-offs."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.events.envelope import Event
from tests.support.events import NOON, Folded

WEB = {"service": "web", "replica": 1, "container_id": "c1"}
MADE = {**WEB, "name": "shop-web-1", "digest": "v1:d1", "image": "web:1", "image_id": "sha256:1"}
REASON = {"code": "declared", "text": "new in the file", "changes": []}


@pytest.fixture
def folded() -> Folded:
    """A service `web` that is defined, and nothing else."""
    log = Folded()
    log("service_defined", {"service": "web", "digest": "v1:d1", "definition": {"resources": {"cpus": 0.5}}})
    return log


def intend(folded: Folded, action: str = "create_container", resource: str = "service/web", **more: Any) -> Event:
    data = {"action": action, "resource": resource, "replica": 1, "reason": REASON, "apply_id": "a1", **more}
    return folded("action_intended", data)


def made(folded: Folded, container_id: str = "c1", **more: Any) -> None:
    folded("container_created", {**MADE, "container_id": container_id, "intent_id": "evt_1", **more})


def running(folded: Folded, container_id: str = "c1") -> None:
    made(folded, container_id)
    folded("container_started", {**WEB, "container_id": container_id})


def states(folded: Folded) -> dict[str, tuple[str, str]]:
    return {key: (row["container_id"], row["state"]) for key, row in folded.rows.scan("containers")}


def test_a_definition_is_kept_under_its_name_and_under_its_digest(folded: Folded) -> None:
    assert folded.row("services", "web") == {
        "name": "web",
        "definition": {"resources": {"cpus": 0.5}},
        "digest": "v1:d1",
        "revision": None,
        "wanted": "up",
        "defined_at": NOON,
        "reverted": None,
        "last_event_sequence": 1,
    }
    folded("service_defined", {"service": "web", "digest": "v1:d2", "definition": {"image": "b"}, "revision": 4})
    assert folded.row("services", "web")["revision"] == 4
    assert folded.keys("definitions") == ["v1:d1", "v1:d2"]
    assert folded.row("definitions", "v1:d1")["definition"] == {"resources": {"cpus": 0.5}}


def test_a_new_definition_forgets_old_failures_and_the_same_one_does_not(folded: Folded) -> None:
    folded("backoff_started", {"service": "web", "replica": 1, "failures": 2, "delay_ms": 10, "until": NOON})
    folded("backoff_started", {"service": "webserver", "replica": 1, "failures": 2, "delay_ms": 10, "until": NOON})
    folded("service_defined", {"service": "web", "digest": "v1:d1", "definition": {}})
    assert folded.keys("backoffs") == ["web/1", "webserver/1"]
    folded("service_defined", {"service": "web", "digest": "v1:d2", "definition": {}})
    assert folded.keys("backoffs") == ["webserver/1"]


def test_a_definition_taken_back_is_remembered_as_tried(folded: Folded) -> None:
    back = {"digest": "v1:d1", "to_digest": "v1:d0", "definition": {"image": "a"}, "why": "never healthy"}
    folded("service_reverted", {"service": "web", **back})
    folded("service_reverted", {"service": "unknown", **back})
    row = folded.row("services", "web")
    assert (row["digest"], row["reverted"], row["definition"]) == ("v1:d0", "v1:d1", {"image": "a"})
    assert folded.keys("definitions") == ["v1:d0", "v1:d1"]
    folded("service_defined", {"service": "web", "digest": "v1:d2", "definition": {}})
    assert folded.row("services", "web")["reverted"] is None


def test_a_person_may_want_it_down_and_up_again(folded: Folded) -> None:
    folded("backoff_started", {"service": "web", "replica": 1, "failures": 2, "delay_ms": 10, "until": NOON})
    folded("service_stop_requested", {"service": "web"})
    assert folded.row("services", "web")["wanted"] == "down"
    assert folded.keys("backoffs") == ["web/1"]
    folded("service_defined", {"service": "web", "digest": "v1:d1", "definition": {}})
    assert folded.row("services", "web")["wanted"] == "down"
    folded("service_start_requested", {"service": "web"})
    assert folded.row("services", "web")["wanted"] == "up"
    assert folded.keys("backoffs") == []
    folded("service_stop_requested", {"service": "unknown"})
    assert folded.keys("services") == ["web"]


def test_a_service_that_left_the_file_leaves_nothing_open(folded: Folded) -> None:
    folded("backoff_started", {"service": "web", "replica": 1, "failures": 2, "delay_ms": 10, "until": NOON})
    intend(folded)
    intend(folded, resource="service/db")
    folded("service_removed", {"service": "web"})
    assert folded.keys("services") == folded.keys("backoffs") == []
    assert [row["resource"] for _, row in folded.rows.scan("intents")] == ["service/db"]


def test_an_intent_stays_until_all_of_its_outcomes_are_there(folded: Folded) -> None:
    intent = intend(folded)
    assert folded.row("intents", intent.event_id.hex)["action"] == "create_container"
    folded("container_created", {**MADE, "intent_id": f"evt_{intent.event_id.hex}"}, after=intent)
    assert folded.row("intents", intent.event_id.hex)["seen"] == ["container_created"]
    folded("container_started", WEB, after=intent)
    assert folded.keys("intents") == []


def test_a_replacement_is_open_until_the_new_one_runs_and_the_old_one_is_gone(folded: Folded) -> None:
    running(folded)
    intent = intend(folded, "replace_container")
    for event_type, container in (
        ("container_created", {**MADE, "container_id": "c2", "intent_id": str(intent.event_id)}),
        ("container_started", {**WEB, "container_id": "c2"}),
        ("container_stopped", WEB),
    ):
        folded(event_type, container, after=intent)
        assert folded.keys("intents") == [intent.event_id.hex]
    folded("container_removed", WEB, after=intent)
    assert folded.keys("intents") == []


def test_an_intent_ends_by_failing_by_being_skipped_or_by_a_newer_one(folded: Folded) -> None:
    first = intend(folded)
    second = intend(folded)
    assert folded.keys("intents") == [second.event_id.hex]
    beside = intend(folded, replica=2)
    failed = {
        "action": "x",
        "resource": "service/web",
        "intent_id": f"evt_{second.event_id.hex}",
        "error": "no",
        "apply_id": "a",
    }
    folded("action_failed", failed)
    assert folded.keys("intents") == [beside.event_id.hex]
    skipped = {"action": "x", "resource": "service/web", "because": "b", "apply_id": "a"}
    folded("action_skipped", skipped)
    folded("action_skipped", skipped, after=beside)
    folded("action_failed", {**failed, "intent_id": "not an id"})
    assert folded.keys("intents") == []
    assert first.event_id != second.event_id


def test_a_container_that_is_found_settles_its_intent(folded: Folded) -> None:
    intent = intend(folded)
    folded("container_found", {**MADE, "state": "exited", "intent_id": f"evt_{intent.event_id.hex}"})
    assert folded.keys("intents") == []
    assert folded.row("containers", "web/1")["state"] == "exited"
    assert folded.row("containers", "web/1")["started_at"] is None


def test_a_containers_life(folded: Folded) -> None:
    made(folded)
    row = folded.row("containers", "web/1")
    assert (row["state"], row["resources"], row["started_at"], row["adopted"]) == (
        "created",
        {"cpus": 0.5},
        None,
        False,
    )
    folded.now += 1_000
    folded("container_started", WEB)
    folded("container_health_changed", {**WEB, "health": "healthy"})
    row = folded.row("containers", "web/1")
    assert (row["state"], row["health"], row["started_at"], row["external"]) == (
        "running",
        "healthy",
        NOON + 1_000,
        False,
    )
    folded("container_paused", WEB)
    assert (folded.row("containers", "web/1")["state"], folded.row("containers", "web/1")["external"]) == (
        "paused",
        True,
    )
    folded.now += 1_000
    folded("container_started", {**WEB, "external": True})
    row = folded.row("containers", "web/1")
    assert (row["state"], row["health"], row["started_at"], row["external"]) == (
        "running",
        "healthy",
        NOON + 1_000,
        True,
    )
    folded("container_exited", {**WEB, "exit_code": 137})
    row = folded.row("containers", "web/1")
    assert (row["state"], row["exit_code"], row["health"], row["external"]) == ("exited", 137, "", True)
    folded("container_started", WEB)
    assert folded.row("containers", "web/1")["exit_code"] is None
    last = folded("container_stopped", {**WEB, "exit_code": 0})
    row = folded.row("containers", "web/1")
    assert (row["state"], row["exit_code"], row["external"]) == ("exited", 0, False)
    assert (row["cause_event"], row["changed_at"]) == (last.event_id.hex, NOON + 2_000)
    folded("backoff_started", {"service": "web", "replica": 1, "failures": 2, "delay_ms": 10, "until": NOON})
    folded("container_removed", WEB)
    assert folded.keys("containers") == folded.keys("backoffs") == []


def test_what_is_changed_in_place(folded: Folded) -> None:
    running(folded)
    folded("container_updated", {**WEB, "resources": {"cpus": 2.0}})
    folded("container_drifted", {**WEB, "field": "image", "expected": "a", "actual": "b"})
    folded("container_drifted", {**WEB, "field": "name", "expected": "shop-web-1", "actual": "mine"})
    row = folded.row("containers", "web/1")
    assert (row["resources"], row["name"], row["external"]) == ({"cpus": 2.0}, "mine", True)
    assert row["drift"]["image"] == {"expected": "a", "actual": "b", "at": NOON}
    folded("container_renamed", {**WEB, "name": "shop-web-1"})
    row = folded.row("containers", "web/1")
    assert (row["name"], list(row["drift"])) == ("shop-web-1", ["image"])


def test_a_container_that_is_gone_is_missing_until_another_takes_its_place(folded: Folded) -> None:
    running(folded)
    folded("container_vanished", WEB)
    assert states(folded) == {"web/1": ("c1", "missing")}
    made(folded, "c2")
    assert states(folded) == {"web/1": ("c2", "created")}


def test_a_container_taken_over_runs_and_was_not_made_by_us(folded: Folded) -> None:
    folded("container_adopted", {**MADE, "previous_name": "old"})
    row = folded.row("containers", "web/1")
    assert (row["state"], row["adopted"], row["started_at"]) == ("running", True, NOON)
    folded("container_found", {**MADE, "service": "strange", "state": "running"})
    assert folded.row("containers", "strange/1")["resources"] == {}


def test_a_second_container_stands_beside_and_moves_up(folded: Folded) -> None:
    running(folded)
    running(folded, "c2")
    running(folded, "c3")
    made(folded, "c3")
    assert states(folded) == {"web/1": ("c1", "running"), "web/1+c2": ("c2", "running"), "web/1+c3": ("c3", "created")}
    assert folded.row("containers", "web/1")["beside"] == ["c2", "c3"]
    folded("container_removed", WEB)
    assert states(folded) == {"web/1": ("c3", "created"), "web/1+c2": ("c2", "running")}
    assert folded.row("containers", "web/1")["beside"] == ["c2"]
    folded("container_removed", {**WEB, "container_id": "c2"})
    assert states(folded) == {"web/1": ("c3", "created")}
    assert folded.row("containers", "web/1")["beside"] == []


def test_of_two_the_vanished_one_goes(folded: Folded) -> None:
    running(folded)
    running(folded, "c2")
    folded("container_vanished", WEB)
    assert states(folded) == {"web/1": ("c2", "running")}


def test_the_first_one_seen_again_keeps_its_place(folded: Folded) -> None:
    running(folded)
    folded("container_found", {**MADE, "state": "paused"})
    assert states(folded) == {"web/1": ("c1", "paused")}


def test_an_heir_that_is_not_there_leaves_the_place_empty(folded: Folded) -> None:
    running(folded)
    row = folded.row("containers", "web/1")
    folded.rows.put("containers", "web/1", {**row, "beside": ["gone"]})
    folded("container_removed", WEB)
    assert states(folded) == {}


def test_one_beside_a_replica_without_a_first(folded: Folded) -> None:
    running(folded)
    running(folded, "c2")
    folded.rows.delete("containers", "web/1")
    folded("container_removed", {**WEB, "container_id": "c2"})
    assert states(folded) == {}


@pytest.mark.parametrize(
    ("event_type", "more"),
    [
        ("container_started", {}),
        ("container_stopped", {}),
        ("container_exited", {"exit_code": 1}),
        ("container_removed", {}),
        ("container_vanished", {}),
        ("container_updated", {"resources": {}}),
        ("container_renamed", {"name": "x"}),
        ("container_paused", {}),
        ("container_health_changed", {"health": "healthy"}),
        ("container_drifted", {"field": "name"}),
        ("job_completed", {"exit_code": 0, "digest": "v1:d1"}),
    ],
)
def test_news_of_an_unknown_container_changes_no_other(folded: Folded, event_type: str, more: dict[str, Any]) -> None:
    running(folded)
    before = list(folded.rows.scan("containers"))
    folded(event_type, {**WEB, "container_id": "c9", **more})
    folded(event_type, {**WEB, "replica": 2, **more})
    assert list(folded.rows.scan("containers")) == before


def test_a_job_remembers_which_definition_it_completed(folded: Folded) -> None:
    running(folded)
    folded("job_completed", {**WEB, "exit_code": 3, "digest": "v1:d1"})
    row = folded.row("containers", "web/1")
    assert (row["state"], row["exit_code"], row["completed_digest"]) == ("exited", 3, None)
    folded("job_completed", {**WEB, "exit_code": 0, "digest": "v1:d1"})
    assert folded.row("containers", "web/1")["completed_digest"] == "v1:d1"


def test_backing_off_and_giving_up(folded: Folded) -> None:
    folded("backoff_started", {"service": "web", "replica": 1, "failures": 1, "delay_ms": 10, "until": NOON + 10})
    folded.now += 500
    folded("restart_abandoned", {"service": "web", "replica": 1, "failures": 5, "why": "it never ran"})
    row = folded.row("backoffs", "web/1")
    assert (row["failures"], row["until"], row["abandoned"], row["since"]) == (5, None, True, NOON)
    folded("backoff_reset", {"service": "web", "replica": 1})
    assert folded.keys("backoffs") == []
    folded("flapping_detected", {"service": "web", "replica": 1, "changes": 4, "window_ms": 1000})
    assert folded.keys("backoffs") == []
