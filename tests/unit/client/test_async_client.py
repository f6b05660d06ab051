"""The client for programs with an event loop does what the other one does."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from reconciler.client import AsyncClient, Client, Retries, ServerUnreachable
from reconciler.client.calls import sorties

QUICK = Retries(most=2, first_s=0.001, longest_s=0.002)
ONE = {"id": "s", "title": "t", "status": "pending", "priority": "low", "created_at": ""}


class Server:
    """Answers from a list, and remembers what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, body = answer
        return httpx.Response(status, json=body)


def pages() -> Server:
    return Server(
        (200, {"sorties": [ONE], "total": 2, "next": "c"}), (200, {"sorties": [{**ONE, "id": "r"}], "total": 2})
    )


def test_it_asks_again_and_gives_up_in_the_end() -> None:
    async def go() -> None:
        server = Server((503, {}), (200, {"sortie": ONE}), httpx.ConnectError("no"), (200, {"sortie": ONE}))
        async with AsyncClient("h:1", token="t", retries=QUICK, transport=httpx.MockTransport(server)) as one:
            assert (await one.send(sorties.get("s"))).id == "s"
            assert (await one.send(sorties.get("s"))).id == "s"
            server.answers = [httpx.ReadError("gone"), httpx.ReadError("gone")]
            with pytest.raises(ServerUnreachable, match="gone"):
                await one.send(sorties.get("s"))
        assert {request.headers["authorization"] for request in server.asked} == {"Bearer t"}

    asyncio.run(go())


def test_it_reads_all_pages() -> None:
    async def go() -> None:
        server = pages()
        async with AsyncClient("h:1", transport=httpx.MockTransport(server)) as one:
            assert [sortie.id async for sortie in one.pages(sorties.list_())] == ["s", "r"]
        assert server.asked[1].url.params["cursor"] == "c"

    asyncio.run(go())


def test_the_other_one_reads_all_pages_too() -> None:
    server = pages()
    with Client("unix:/nowhere", transport=httpx.MockTransport(server)) as one:
        assert [sortie.id for sortie in one.pages(sorties.list_())] == ["s", "r"]
    assert server.asked[1].url.params["cursor"] == "c"
