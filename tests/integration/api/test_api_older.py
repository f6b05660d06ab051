"""The older endpoints: their paths, bodies, status codes and error shapes, to the letter."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.support.serving import Served

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def post(api: Served, path: str, body: Any) -> tuple[int, Any]:
    answer = api.admin.post(f"/api/v1{path}", json=body)
    assert answer.headers["content-type"] == "application/json"
    return answer.status_code, answer.json()


def get(api: Served, path: str) -> tuple[int, Any]:
    answer = api.admin.get(f"/api/v1{path}")
    assert answer.headers["content-type"] == "application/json"
    return answer.status_code, answer.json()


def test_a_mailbox_is_made_by_its_first_events_and_given_back_in_order(api: Served) -> None:
    first = {"type": "task_started", "data": {"n": 1}, "metadata": {"sender_id": "spec_a", "more": True}}
    status, made = post(
        api, "/mailbox/append", {"stream_id": "box", "events": [first, {"type": "note", "data": [1, "é"]}]}
    )
    assert (status, made["inserted"]) == (200, 2)
    mailbox = made["mailbox"]
    assert list(mailbox) == ["id", "created_at", "updated_at", "events"]
    assert mailbox["id"] == "box"
    assert TIME.fullmatch(mailbox["created_at"])
    assert TIME.fullmatch(mailbox["updated_at"])
    one, other = mailbox["events"]
    assert list(one) == [
        "id", "mailbox_id", "type", "stream_id", "data", "occurred_at", "causation_id", "metadata",
    ]  # fmt: skip
    assert (one["mailbox_id"], one["type"], one["stream_id"], one["causation_id"]) == (
        "box",
        "task_started",
        "box",
        None,
    )
    assert one["id"].startswith("msg_")
    assert json.loads(one["data"]) == {"n": 1}
    assert json.loads(one["metadata"]) == {"sender_id": "spec_a", "more": True}
    assert (json.loads(other["data"]), other["metadata"]) == ([1, "é"], None)
    assert get(api, "/mailbox/box") == (200, {"mailbox": mailbox})


def test_what_led_to_a_message_is_kept_whether_it_is_known_or_not(api: Served) -> None:
    _, made = post(api, "/mailbox/append", {"stream_id": "asked", "events": [{"type": "q", "data": {}}]})
    cause = made["mailbox"]["events"][0]["id"]
    answers = [{"type": "a", "data": {}, "causation_id": cause}, {"type": "a", "data": {}, "causation_id": "elsewhere"}]
    _, made = post(api, "/mailbox/append", {"stream_id": "answered", "events": answers})
    assert [one["causation_id"] for one in made["mailbox"]["events"]] == [cause, "elsewhere"]
    sent = api.admin.get("/api/v1/events/streams/squawk/answered").json()["events"]
    asked = api.admin.get("/api/v1/events/streams/squawk/asked").json()["events"][0]
    assert sent[0]["causation_id"] == asked["event_id"]
    assert "causation_id" not in sent[1]


def test_an_empty_list_makes_the_mailbox_only(api: Served) -> None:
    status, made = post(api, "/mailbox/append", {"stream_id": "empty", "events": []})
    assert (status, made["inserted"], made["mailbox"]["events"]) == (200, 0, [])
    again = post(api, "/mailbox/append", {"stream_id": "empty", "events": []})[1]
    assert again == made
    assert get(api, "/mailbox/empty")[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"stream_id": "x"},
        {"events": []},
        {"stream_id": "x", "events": {}},
        {"stream_id": 7, "events": []},
        {"stream_id": "", "events": []},
        [],
        "text",
    ],
)
def test_an_append_needs_its_two_fields(api: Served, body: Any) -> None:
    assert post(api, "/mailbox/append", body) == (400, {"error": "stream_id and events array are required"})


@pytest.mark.parametrize("event", [{}, {"type": ""}, "x", {"type": 3}])
def test_an_event_needs_a_type(api: Served, event: Any) -> None:
    assert post(api, "/mailbox/append", {"stream_id": "x", "events": [event]}) == (
        400,
        {"error": "every event needs a type"},
    )


def test_a_mailbox_that_is_not_there(api: Served) -> None:
    assert get(api, "/mailbox/nowhere") == (404, {"error": "Mailbox not found"})
    assert get(api, "/mailbox/a/b%2F..%2Fc") == (404, {"error": "Mailbox not found"})


def test_a_cursor_moves_and_keeps_its_id(api: Served) -> None:
    post(api, "/mailbox/append", {"stream_id": "read", "events": [{"type": "a", "data": {}}]})
    status, first = post(api, "/cursor/advance", {"stream_id": "read", "position": 1})
    assert status == 200
    cursor = first["cursor"]
    assert list(cursor) == ["id", "stream_id", "position", "updated_at"]
    assert (cursor["stream_id"], cursor["position"]) == ("read", 1)
    again = post(api, "/cursor/advance", {"stream_id": "read", "position": 4.0})[1]["cursor"]
    assert (again["id"], again["position"]) == (cursor["id"], 4)
    assert get(api, f"/cursor/{cursor['id']}") == (200, {"cursor": again})
    assert get(api, "/cursor/none") == (404, {"error": "Cursor not found"})


@pytest.mark.parametrize("position", [None, "1", 1.5, True, -1])
def test_a_cursor_needs_a_mailbox_and_a_position(api: Served, position: Any) -> None:
    wrong = (400, {"error": "stream_id and position are required"})
    assert post(api, "/cursor/advance", {"stream_id": "read", "position": position}) == wrong
    assert post(api, "/cursor/advance", {"position": 1}) == wrong
    assert post(api, "/cursor/advance", {"stream_id": "none", "position": 1}) == (404, {"error": "Mailbox not found"})


def test_a_file_is_reserved_by_one_and_released_by_the_same(api: Served) -> None:
    status, made = post(api, "/lock/acquire", {"file": "src/a.py", "specialist_id": "spec_a", "timeout_ms": 60_000})
    assert status == 200
    lock = made["lock"]
    assert list(lock) == [
        "id", "file", "reserved_by", "reserved_at", "released_at", "purpose", "checksum", "timeout_ms", "metadata",
    ]  # fmt: skip
    assert (lock["file"], lock["reserved_by"], lock["released_at"], lock["purpose"], lock["timeout_ms"]) == (
        "src/a.py", "spec_a", None, "edit", 60_000,
    )  # fmt: skip
    status, refused = post(api, "/lock/acquire", {"file": "./src/a.py", "specialist_id": "spec_b"})
    assert (status, refused["error"]) == (409, "File already locked")
    assert (refused["lock"]["id"], refused["lock"]["reserved_by"]) == (lock["id"], "spec_a")
    assert TIME.fullmatch(refused["lock"]["expires_at"])
    assert get(api, "/locks") == (200, {"locks": [lock]})
    status_now = get(api, "/coordinator/status")[1]
    assert list(status_now) == ["active_mailboxes", "active_locks", "timestamp"]
    assert status_now["active_locks"] == 1

    by_other = post(api, "/lock/release", {"lock_id": lock["id"], "specialist_id": "spec_b"})
    assert by_other == (403, {"error": "Cannot release lock: wrong specialist"})
    status, released = post(api, "/lock/release", {"lock_id": lock["id"], "specialist_id": "spec_a"})
    assert status == 200
    assert TIME.fullmatch(released["lock"]["released_at"])
    assert post(api, "/lock/release", {"lock_id": lock["id"], "specialist_id": "spec_a"}) == (200, released)
    assert get(api, "/locks") == (200, {"locks": []})


def test_a_conflict_is_in_the_log(api: Served) -> None:
    post(api, "/lock/acquire", {"file": "b.py", "specialist_id": "spec_a"})
    head = api.head()
    post(api, "/lock/acquire", {"file": "b.py", "specialist_id": "spec_b"})
    found = api.admin.get(f"/api/v1/events?after={head}").json()["events"]
    assert [one["event_type"] for one in found] == ["ctk_conflict"]
    assert found[0]["metadata"]["actor"] == "local"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"specialist_id": "a"}, "file and specialist_id are required"),
        ({"file": "a"}, "file and specialist_id are required"),
        ({"file": "a", "specialist_id": "a", "timeout_ms": 0}, "timeout_ms is a positive number of milliseconds"),
        ({"file": "a", "specialist_id": "a", "timeout_ms": "1"}, "timeout_ms is a positive number of milliseconds"),
        ({"file": "../../etc/passwd", "specialist_id": "a"}, "'../../etc/passwd' leads out of the project"),
        ({"file": "a\0b", "specialist_id": "a"}, "'a\\x00b' is no path of a file"),
    ],
)
def test_a_reservation_that_cannot_be(api: Served, body: Any, error: str) -> None:
    head = api.head()
    assert post(api, "/lock/acquire", body) == (400, {"error": error})
    assert api.head() == head


def test_a_release_needs_a_lock(api: Served) -> None:
    assert post(api, "/lock/release", {}) == (400, {"error": "lock_id is required"})
    assert post(api, "/lock/release", {"lock_id": "lock_none"}) == (404, {"error": "Lock not found"})


def test_a_body_that_is_no_json_lacks_everything(api: Served) -> None:
    answer = api.admin.post("/api/v1/lock/release", content=b"{", headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()) == (400, {"error": "lock_id is required"})


def test_what_the_log_cannot_hold_is_refused_in_the_older_shape(api: Served) -> None:
    head = api.head()
    status, answer = post(api, "/mailbox/append", {"stream_id": "a\0b", "events": [{"type": "a", "data": {}}]})
    assert (status, list(answer)) == (400, ["error"])
    assert api.head() == head


def test_health_says_how_the_database_is(api: Served) -> None:
    answer = api.client().get("/health")
    assert answer.status_code == 200
    found = answer.json()
    assert found["status"] == "healthy"
    assert found["database"]["connected"] is True
