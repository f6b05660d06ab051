"""Each endpoint's refusals: the right status, the right code, a problem document, and nothing written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from reconciler.api.app import ROUTERS
from reconciler.api.routers import events, health, older
from tests.integration.endpoints.conftest import Served
from tests.integration.endpoints.world import DONE, World

NOBODY = "nothing_of_this_name"


class Refusal(NamedTuple):
    """A request with its answer; `{name}` in it is the id of that thing of the world."""

    method: str
    path: str
    body: Any
    status: int
    code: str


def post(path: str, body: Any, status: int, code: str) -> Refusal:
    return Refusal("POST", path, body, status, code)


def step(name: str, what: str, status: int, code: str, by: str = "", **more: Any) -> Refusal:
    """A step of a sortie by whoever works on it."""
    return post(f"sorties/{{{name}}}/{what}", {"specialist_id": f"{{{by or name + '_by'}}}", **more}, status, code)


STEPS: dict[str, dict[str, Any]] = {
    "start": {},
    "progress": {"progress": 1},
    "block": {"reason": "x"},
    "complete": {"result": DONE},
    "fail": {"error": "x"},
    "review": {"result": DONE},
}

REFUSALS = [
    # Specialists
    post("specialists/{gone}/heartbeat", {}, 409, "already_ended"),
    post("specialists/{gone}/complete", {}, 409, "already_ended"),
    post("specialists/register", {"name": "x", "capabilities": [""]}, 422, "input_unclear"),
    post("specialists/register", {"name": "x", "specialist_id": "a/b"}, 422, "input_unclear"),
    Refusal("PATCH", "specialists/{gone}", {"draining": True}, 409, "already_ended"),
    Refusal("DELETE", "specialists/{gone}", None, 409, "already_ended"),
    # Sorties
    post("sorties", {"title": " "}, 422, "input_refused"),
    post("sorties", {"title": "x", "mission_id": NOBODY}, 404, "not_found"),
    post("sorties", {"title": "x", "mission_id": "{ended_mission}"}, 409, "already_ended"),
    post("sorties/claim", {"specialist_id": NOBODY}, 404, "not_found"),
    post("sorties/claim", {"specialist_id": "{gone}"}, 409, "not_eligible"),
    post("sorties/{pending}/assign", {"specialist_id": NOBODY}, 404, "not_found"),
    post("sorties/{pending}/assign", {"specialist_id": "{idle}"}, 403, "not_assigned"),
    post("sorties/{free}/assign", {"specialist_id": "{gone}"}, 409, "not_eligible"),
    post("sorties/{finished}/assign", {"specialist_id": "{idle}"}, 409, "already_ended"),
    post("sorties/{free}/unblock", {}, 409, "transition_refused"),
    post("sorties/{running}/retry", {}, 409, "transition_refused"),
    Refusal("PATCH", "sorties/{finished}", {"title": "x"}, 409, "already_ended"),
    Refusal("PATCH", "sorties/{running}", {"assigned_to": "x"}, 409, "transition_refused"),
    Refusal("DELETE", "sorties/{finished}", None, 409, "already_ended"),
    *(step("running", what, 403, "not_assigned", by="idle", **body) for what, body in STEPS.items() if what != "start"),
    *(step("finished", what, 409, "already_ended", **body) for what, body in STEPS.items()),
    step("running", "renew", 409, "lease_over", by="idle", attempt=1),
    step("finished", "renew", 409, "lease_over", attempt=1),
    step("running", "progress", 422, "input_unclear", progress=101),
    step("running", "progress", 409, "lease_over", progress=1, attempt=7),
    step("running", "start", 409, "transition_refused"),
    Refusal("PATCH", "sorties/{free}", {"title": None}, 422, "input_unclear"),
    # Missions
    Refusal("PATCH", "missions/{mission}", {"title": None}, 422, "input_unclear"),
    post("missions", {"title": " "}, 422, "input_refused"),
    post("missions/run", {"name": NOBODY}, 404, "not_found"),
    post("missions/{open_mission}/start", {}, 409, "transition_refused"),
    post("missions/{ended_mission}/start", {}, 409, "already_ended"),
    post("missions/{open_mission}/complete", {}, 409, "mission_incomplete"),
    post("missions/{ended_mission}/complete", {}, 409, "already_ended"),
    post("missions/{ended_mission}/cancel", {}, 409, "already_ended"),
    post("missions/{open_mission}/retry", {}, 409, "transition_refused"),
    Refusal("DELETE", "missions/{open_mission}", None, 409, "mission_incomplete"),
    Refusal("PATCH", "missions/{ended_mission}", {"title": "x"}, 409, "already_ended"),
    Refusal("GET", f"missions/{NOBODY}/sorties", None, 404, "not_found"),
    # Reviews
    post("reviews", {"sortie_id": NOBODY, "reviewer_id": "{idle}"}, 404, "not_found"),
    post("reviews", {"sortie_id": "{running}", "reviewer_id": "{idle}"}, 409, "transition_refused"),
    post("reviews/{review}/complete", {"reviewer_id": "{idle}", "verdict": "approved"}, 403, "not_assigned"),
    post("reviews/{review}/abandon", {"reviewer_id": "{idle}", "reason": "x"}, 403, "not_assigned"),
    # Messages and threads
    post("messages", {"mailbox_id": "x", "content": {}, "thread_id": NOBODY}, 404, "not_found"),
    post(
        "messages", {"mailbox_id": "x", "content": {}, "thread_id": "{closed}", "sender_id": "x"}, 409, "already_ended"
    ),
    post("messages", {"mailbox_id": "x", "content": {}, "message_id": "{message}"}, 422, "input_refused"),
    post("messages/{acked}/ack", {"acker_id": "x"}, 409, "already_ended"),
    post("threads/{closed}/join", {"actor_id": "x"}, 409, "already_ended"),
    post("threads/{closed}/leave", {"actor_id": "{idle}"}, 409, "already_ended"),
    post("threads/{closed}/close", {"actor_id": "x"}, 409, "already_ended"),
    # Checkpoints
    post("checkpoints", {"specialist_id": NOBODY}, 404, "not_found"),
    post("checkpoints", {"specialist_id": "{idle}", "mission_id": NOBODY}, 404, "not_found"),
    post("checkpoints/{checkpoint}/recover", {"specialist_id": NOBODY}, 404, "not_found"),
    post("checkpoints/{checkpoint}/restore", {"specialist_id": "{gone}"}, 409, "not_eligible"),
    Refusal("GET", f"checkpoints/latest/{NOBODY}", None, 404, "not_found"),
    # The fleet
    Refusal("GET", f"services/{NOBODY}", None, 404, "not_found"),
    Refusal("GET", f"why/service/{NOBODY}", None, 404, "not_found"),
    Refusal("GET", f"plan?target={NOBODY}", None, 404, "not_found"),
    Refusal("GET", "plan?at=soon", None, 422, "moment_unclear"),
    Refusal("GET", "status?at=999999999", None, 404, "not_found"),
    Refusal("GET", "drift", None, 404, "not_found"),
    Refusal("GET", "revisions/77", None, 404, "not_found"),
    Refusal("GET", "revisions/77/changes", None, 404, "not_found"),
    Refusal("GET", "revisions/none", None, 422, "input_unclear"),
    post("rollback", {}, 404, "not_found"),
    post("rollback", {"revision": 77}, 404, "not_found"),
    post("suspend", {"resource": NOBODY, "why": "x"}, 404, "not_found"),
    post("suspend", {"resource": ""}, 422, "input_unclear"),
    post("resume", {"resource": "web"}, 404, "not_found"),
    post("apply", {"targets": [NOBODY]}, 404, "not_found"),
    # The log
    Refusal("GET", "log/rows/Nothing", None, 422, "input_unclear"),
    Refusal("GET", "log/moment?sequence=999999999", None, 404, "not_found"),
    Refusal("GET", "log/rows/sorties?sequence=999999999", None, 404, "not_found"),
    # Lists
    Refusal("GET", "sorties?sort=colour", None, 422, "input_unclear"),
    Refusal("GET", "sorties?cursor=!", None, 422, "input_unclear"),
    Refusal("GET", "sorties?limit=0", None, 422, "input_unclear"),
    Refusal("GET", "sorties?status=lost", None, 422, "input_unclear"),
    Refusal("GET", "sorties?at=soon", None, 422, "moment_unclear"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda one: f"{one.method} {one.path} {one.code}")
def test_refused(refusal: Refusal, http: httpx.Client, world: World, served: Served) -> None:
    before = served.server.service.store.head()
    answer = http.request(refusal.method, f"/api/v1/{filled(refusal.path, world)}", json=filled(refusal.body, world))
    assert (answer.status_code, answer.json().get("code")) == (refusal.status, refusal.code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    noted = served.server.service.store.head() - before
    assert noted == (1 if refusal.code == "lease_over" else 0)


def filled(value: Any, world: World) -> Any:
    """With ids in the place of names."""
    if isinstance(value, str):
        return (
            world[value[1:-1]]
            if value.startswith("{") and value.endswith("}") and "/" not in value
            else _in(value, world)
        )
    if isinstance(value, dict):
        return {key: filled(inner, world) for key, inner in value.items()}
    return value


def _in(text: str, world: World) -> str:
    for name, key in world.items():
        text = text.replace(f"{{{name}}}", key)
    return text


def operations() -> Iterator[tuple[str, str]]:
    """Method and path of every newer endpoint."""
    for router in ROUTERS:
        if router in (health.router, older.router, events.router):
            continue
        for route in router.routes:
            for method in sorted(getattr(route, "methods", ())):
                yield method, getattr(route, "path", "")


OPERATIONS = sorted(set(operations()))
APPLYING = ("/api/v1/apply", "/api/v1/rollback", "/api/v1/suspend", "/api/v1/resume")


def concrete(path: str) -> str:
    """A path with something in the place of its parameters."""
    for name, value in (("{number}", "1"), ("{table}", "sorties"), ("{resource:path}", "service/web")):
        path = path.replace(name, value)
    while "{" in path:
        path = path[: path.index("{")] + NOBODY + path[path.index("}") + 1 :]
    return path


def send(http: httpx.Client, method: str, path: str, **more: Any) -> httpx.Response:
    if method in ("POST", "PATCH") and not more.keys() & {"json", "content"}:
        more["json"] = {}
    return http.request(method, concrete(path), **more)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_nobody_gets_in_who_may_not(method: str, path: str, http: httpx.Client, served: Served) -> None:
    before = served.server.service.store.head()
    assert send(http, method, path, headers={"authorization": ""}).status_code == 401
    assert send(http, method, path, headers={"authorization": "Bearer wrong"}).status_code == 401
    if method != "GET":
        for scope in ("read", "work" if path in APPLYING else "apply"):
            answer = send(http, method, path, headers=_as(served, scope))
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert served.server.service.store.head() == before


_TOKENS: dict[str, str] = {}


def _as(served: Served, scope: str) -> dict[str, str]:
    key = f"{served.url} {scope}"
    if key not in _TOKENS:
        _TOKENS[key] = served.made(f"only {scope}", (scope,))
    return {"authorization": f"Bearer {_TOKENS[key]}"}


@pytest.mark.parametrize(("method", "path"), [one for one in OPERATIONS if one[0] in ("POST", "PATCH")])
def test_bodies_that_are_none(method: str, path: str, http: httpx.Client, served: Served) -> None:
    before = served.server.service.store.head()
    for content in (b"[]", b"{", b'{"invented": 1}', b'"\\ud800"', b"\xff", b""):
        answer = send(http, method, path, content=content, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (422, "input_unclear"), (content, answer.text)
    plain = send(http, method, path, content=b"{}", headers={"content-type": "text/plain"})
    assert plain.status_code == 415
    assert served.server.service.store.head() == before


BY_ID = [one for one in OPERATIONS if one[1].endswith(("_id}", "{name}")) and one[0] != "PATCH"]


@pytest.mark.parametrize(("method", "path"), BY_ID)
@pytest.mark.parametrize("key", ["nothing", "..%2F..%2Fetc%2Fpasswd", "%00", "%F0%9F%92%A9", "a" * 200])
def test_ids_that_name_nothing(method: str, path: str, key: str, http: httpx.Client) -> None:
    answer = http.request(method, path[: path.index("{")] + key)
    assert answer.status_code == 404, answer.text
    assert answer.json()["code"] in ("not_found", "path_unknown")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "specialists/{idle}", {"name": "x"}),
        ("DELETE", "specialists/{idle}", None),
        ("PATCH", "sorties/{free}", {"title": "x"}),
        ("DELETE", "sorties/{free}", None),
        ("PATCH", "missions/{mission}", {"title": "x"}),
        ("DELETE", "missions/{mission}", None),
        ("DELETE", "checkpoints/{checkpoint}", None),
    ],
)
def test_a_change_of_what_has_changed_meanwhile(
    method: str, path: str, body: Any, http: httpx.Client, world: World, served: Served
) -> None:
    where = f"/api/v1/{_in(path, world)}"
    current = http.get(where).headers["etag"]
    before = served.server.service.store.head()
    stale = http.request(method, where, json=body, headers={"if-match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
    assert served.server.service.store.head() == before
    assert http.get(where, headers={"if-none-match": current}).status_code == 304
    fresh = http.request(method, where, json=body, headers={"if-match": current})
    assert fresh.is_success, fresh.text


def test_a_key_is_done_once(http: httpx.Client, served: Served) -> None:
    ask = {"json": {"title": "once"}, "headers": {"idempotency-key": "k1"}}
    first, again = (http.post("/api/v1/sorties", **ask) for _ in range(2))  # type: ignore[arg-type]
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    other = http.post("/api/v1/sorties", json={"title": "twice"}, headers={"idempotency-key": "k1"})
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")


def test_what_cannot_be_recorded_is_refused(http: httpx.Client) -> None:
    for inside in (b'"\\ud800"', b"1" + b"0" * 5_000, b"[" * 5_000 + b"]" * 5_000):
        body = b'{"title": "x", "metadata": {"a": ' + inside + b"}}"
        answer = http.post("/api/v1/sorties", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 422, answer.text
