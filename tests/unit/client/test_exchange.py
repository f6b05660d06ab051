"""Calls as values, what goes over the wire for them, and how answers and refusals are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

import reconciler.client
from reconciler.client import Address, Call, Client, Page, Refused, ServerUnreachable, from_environment
from reconciler.client.address import parse
from reconciler.client.calls import fleet, missions, sorties
from reconciler.client.errors import error_of
from reconciler.client.exchange import answer_of, headers_of, request_of
from reconciler.client.retrying import Retries, asked_pause
from reconciler.errors import ConfirmationMissing, FleetError, NotFound, SpecInvalid
from reconciler.work.refusals import BudgetSpent, LeaseOver, LockConflict


def test_every_name_of_the_package_is_there() -> None:
    for name in reconciler.client._HOMES:
        assert getattr(reconciler.client, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Klient'"):
        _ = reconciler.client.Klient


@pytest.mark.parametrize(
    ("text", "url", "socket"),
    [
        ("http://127.0.0.1:4765/", "http://127.0.0.1:4765", None),
        ("127.0.0.1:4765", "http://127.0.0.1:4765", None),
        ("https://fleet.example", "https://fleet.example", None),
        ("unix:/run/fleet.sock", "http://localhost", Path("/run/fleet.sock")),
        ("unix:///run/fleet.sock", "http://localhost", Path("/run/fleet.sock")),
    ],
)
def test_addresses(text: str, url: str, socket: Path | None) -> None:
    assert parse(text, token="t") == Address(url, "t", socket)


def test_the_environment_names_a_server_or_none() -> None:
    assert from_environment({}) is None
    assert from_environment({"FLEET_REMOTE": "h:1", "FLEET_TOKEN": "t"}) == Address("http://h:1", "t")
    assert "secret" not in repr(Address("http://h", "secret"))
    assert headers_of(Address("http://h", "secret"))["authorization"] == "Bearer secret"
    assert "authorization" not in headers_of(Address("http://h"))


def test_a_post_carries_one_key_however_often_it_is_sent() -> None:
    one, other = (request_of(sorties.create(title="x"), 5) for _ in range(2))
    assert one["headers"]["idempotency-key"] != other["headers"]["idempotency-key"]
    assert one["content"] == b'{"title":"x"}'
    assert "idempotency-key" not in request_of(sorties.get("s"), 5)["headers"]


def test_parameters_that_are_not_given_are_left_out() -> None:
    request = request_of(sorties.list_(status="pending", open_=True), 5)
    assert request["params"] == {"status": "pending", "open": "true"}
    assert request_of(fleet.plan(targets=["a", "b"]), 5)["params"]["target"] == ["a", "b"]


def test_a_change_may_name_the_version_that_must_still_hold() -> None:
    assert request_of(sorties.cancel("s", if_match=7), 5)["headers"]["if-match"] == '"7"'


def test_ids_are_one_segment_of_a_path() -> None:
    assert sorties.get("../../x y").path == "/api/v1/sorties/..%2F..%2Fx%20y"
    assert fleet.why("service/web/1").path == "/api/v1/why/service/web/1"
    assert missions.complete("m/1").path == "/api/v1/missions/m%2F1/complete"


def test_long_polling_has_its_own_patience() -> None:
    assert request_of(sorties.claim("spec_1", wait_ms=20_000), 5)["timeout"] == 25


def answer(status: int, body: Any) -> httpx.Response:
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return httpx.Response(status, content=content, request=httpx.Request("GET", "http://h/x"))


def test_answers_are_typed_and_pass_over_what_is_new() -> None:
    body = {"id": "s", "title": "t", "status": "pending", "priority": "low", "created_at": "2026-01-01T00:00:00.000Z"}
    found = answer_of(sorties.get("s"), answer(200, {"sortie": {**body, "invented_later": 1}}))
    assert (found.id, found.version) == ("s", 0)
    page = answer_of(sorties.list_(), answer(200, {"sorties": [body], "total": 9, "next": "c"}))
    assert (page.total, page.next, page.items[0].title) == (9, "c", "t")
    nothing: Call[None] = Call(method="DELETE", path="/x", answer=None)
    assert answer_of(nothing, answer(204, b"")) is None


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"sortie": {"id": 1}}'])
def test_an_answer_that_cannot_be_read_is_no_fleets(body: bytes) -> None:
    with pytest.raises(ServerUnreachable):
        answer_of(sorties.get("s"), answer(200, body))


def test_a_bare_page_is_a_mistake_of_the_call() -> None:
    with pytest.raises(ServerUnreachable, match="needs the type"):
        answer_of(Call(method="GET", path="/x", answer=Page), answer(200, {}))


def test_refusals_are_raised_as_what_they_were() -> None:
    told = {"code": "lease_over", "detail": "too late", "hint": "claim again"}
    with pytest.raises(LeaseOver) as late:
        answer_of(sorties.get("s"), answer(409, told))
    assert (late.value.what, late.value.hint, late.value.record) == ("too late", "claim again", ())
    conflict = error_of(
        409, {"code": "lock_conflict", "detail": "held", "lock_id": "l", "holder": "b", "expires_at": 5}
    )
    assert isinstance(conflict, LockConflict)
    assert (conflict.lock_id, conflict.holder, conflict.expires_at) == ("l", "b", 5)
    wrong = error_of(
        422, {"code": "spec_invalid", "problems": [{"file": "f", "line": 1, "column": 2, "path": "", "message": "m"}]}
    )
    assert isinstance(wrong, SpecInvalid)
    assert wrong.problems[0].message == "m"
    for code, kind in (
        ("not_found", NotFound),
        ("confirmation_missing", ConfirmationMissing),
        ("budget_spent", BudgetSpent),
    ):
        assert type(error_of(400, {"code": code})) is kind


def test_a_refusal_of_an_unknown_kind_keeps_its_document() -> None:
    error = error_of(418, {"code": "teapot", "title": "I am a teapot"})
    assert isinstance(error, Refused)
    assert (error.status, error.what, error.problem["code"]) == (418, "I am a teapot", "teapot")
    assert error_of(400, {"error": "old form"}).what == "old form"
    assert error_of(500, {}).what == "HTTP status 500"
    with pytest.raises(ServerUnreachable, match="no Fleet"):
        answer_of(sorties.get("s"), answer(502, b"Bad gateway"))


def test_when_to_ask_again() -> None:
    retries = Retries(most=3, first_s=0.1, longest_s=1.0)
    assert [retries.pause(n) for n in (1, 2, 9)] == [0.1, 0.2, 1.0]
    assert retries.pause(1, 0.7) == 0.7
    assert retries.pause(1, 60) == 1.0
    assert retries.after_answer("GET", 503, 1)
    assert retries.after_answer("POST", 429, 2)
    assert not retries.after_answer("POST", 503, 3)
    assert not retries.after_answer("GET", 404, 1)
    assert not retries.after_answer("PATCH", 503, 1)
    assert retries.after_silence("POST", 1, sent=True)
    assert not retries.after_silence("DELETE", 1, sent=True)
    assert retries.after_silence("DELETE", 1, sent=False)
    assert [asked_pause(value) for value in (None, "2", "Wed, 21 Oct")] == [None, 2.0, None]


def client(handler: Any, **options: Any) -> Client:
    quick = Retries(most=3, first_s=0.001, longest_s=0.002)
    return Client("http://h", retries=quick, transport=httpx.MockTransport(handler), **options)


def test_a_busy_server_is_asked_again_with_the_same_key() -> None:
    keys: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        if len(keys) < 3:
            return httpx.Response(503, headers={"retry-after": "0"}, json={"code": "log_unusable", "detail": "busy"})
        return httpx.Response(
            201, json={"sortie": {"id": "s", "title": "t", "status": "pending", "priority": "low", "created_at": ""}}
        )

    with client(handler) as one:
        assert one.send(sorties.create(title="t")).id == "s"
    assert len(keys) == 3
    assert len(set(keys)) == 1


def test_a_silent_server_is_given_up_in_the_end() -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        raise httpx.ConnectError("refused")

    with client(handler) as one, pytest.raises(ServerUnreachable, match="does not answer: refused") as silent:
        one.send(sorties.get("s"))
    assert asked == ["GET"] * 3
    assert isinstance(silent.value, FleetError)


def test_a_change_that_may_have_arrived_is_not_made_again() -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        raise httpx.ReadTimeout("")

    with client(handler) as one, pytest.raises(ServerUnreachable, match="ReadTimeout"):
        one.send(sorties.cancel("s"))
    assert asked == ["DELETE"]
