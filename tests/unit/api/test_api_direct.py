"""Which handlers are called directly, and which are left to the framework."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Literal

import pytest
from fastapi import APIRouter, Depends, Header, Path, Query, Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.api.access import Reading, Working
from reconciler.api.direct import Direct, sentence
from reconciler.api.input import Input, Name
from reconciler.api.tracing import spans

router = APIRouter(prefix="/api/v1/things")
Key = Annotated[str, Path(min_length=1, max_length=200)]


class Thing(Input):
    name: Name


async def extra() -> int:
    return 1


@router.get("/fixed")
async def fixed(access: Reading) -> Response: ...


@router.get("/{key}")
async def one(key: Key, access: Reading, at: Annotated[str | None, Query()] = None) -> Response: ...


@router.get("/{key}/parts/{part}")
async def part(key: str, part: Key, access: Reading) -> Response: ...


@router.post("/{key}")
async def change(key: Key, body: Thing, access: Working) -> Response: ...


@router.post("/{key}/raw")
async def raw(key: Key, request: Request, access: Working) -> Response: ...


@router.get("/{key}/nobody")
async def nobody(key: Key) -> Response: ...


@router.get("/{key}/number")
async def number(access: Reading, key: int) -> Response: ...


@router.get("/{key}/kind")
async def kind(access: Reading, key: Literal["a", "b"]) -> Response: ...


@router.get("/{key}/short")
async def short(access: Reading, key: Annotated[str, Path(max_length=10)]) -> Response: ...


@router.get("/{key}/shaped")
async def shaped(access: Reading, key: Annotated[str, Path(pattern="a+")]) -> Response: ...


@router.get("/{key}/header")
async def header(access: Reading, key: Key, last: Annotated[str | None, Header()] = None) -> Response: ...


@router.get("/{key}/other")
async def other(access: Reading, key: Key, more: Annotated[int, Depends(extra)]) -> Response: ...


@router.get("/{key}/value")
async def value(access: Reading, key: Key) -> dict[str, Any]: ...


@router.get("/{key}/needed")
async def needed(access: Reading, key: Key, wanted: str) -> Response: ...


@router.post("/{key}/perhaps")
async def perhaps(access: Working, key: Key, body: Thing | None = None) -> Response: ...


@router.get("/tree/{rest:path}")
async def tree(access: Reading, rest: str) -> Response: ...


loose = APIRouter(prefix="/api/v1")


@loose.get("/{anything}")
async def anything(access: Reading, anything: Key) -> Response: ...


DIRECT = Direct([*router.routes, *loose.routes, Route("/plain", lambda _: Response())])


@pytest.mark.parametrize(
    ("method", "path", "endpoint", "values"),
    [
        ("GET", "/api/v1/things/fixed", fixed, []),
        ("GET", "/api/v1/things/a", one, ["a"]),
        ("GET", "/api/v1/things/a/parts/b", part, ["a", "b"]),
        ("POST", "/api/v1/things/fixed", change, ["fixed"]),
        ("POST", "/api/v1/things/a/raw", raw, ["a"]),
    ],
)
def test_plain_handlers(method: str, path: str, endpoint: Any, values: list[str]) -> None:
    found = DIRECT.find(method, path, query=False)
    assert found is not None
    assert (found[1].endpoint, found[2]) == (endpoint, values)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/things/", "/api/v1/things", "/api/v1/things/a/", "/api/v1/things/a/nowhere", "/", "", "/plain", "/api/v1/else",
        "/api/v1/things/" + "x" * 201,
        *(f"/api/v1/things/a/{word}" for word in ("nobody", "number", "kind", "short", "shaped", "header", "other", "value")),
        "/api/v1/things/a/needed", "/api/v1/things/tree/a/b",
    ],
)  # fmt: skip
def test_everything_else_is_left_to_the_framework(path: str) -> None:
    assert DIRECT.find("GET", path, query=False) is None


def test_a_query_is_left_to_the_framework_where_somebody_looks_at_it() -> None:
    assert DIRECT.find("GET", "/api/v1/things/a", query=True) is None
    assert DIRECT.find("GET", "/api/v1/things/fixed", query=True) is not None
    assert DIRECT.find("POST", "/api/v1/things/a/perhaps", query=False) is None
    assert DIRECT.find("DELETE", "/api/v1/things/a", query=False) is None


def test_what_is_wrong_is_said_with_its_place() -> None:
    problems = [{"loc": ("a", 0), "msg": "no"}, {"loc": ("b",), "msg": "neither"}]
    assert sentence(problems, "body") == "body.a.0: no; body.b: neither"
    assert sentence([]) == "the request cannot be read"


def test_traces_without_their_packages_are_said_to_be_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    assert spans({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}) is None
    assert "fleettools[traces]" in capsys.readouterr().err
