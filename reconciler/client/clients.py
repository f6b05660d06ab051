"""The clients: they send calls, and ask again where that is safe."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from reconciler.client.address import Address, parse
from reconciler.client.call import Call, Page
from reconciler.client.errors import ServerUnreachable
from reconciler.client.exchange import answer_of, headers_of, request_of
from reconciler.client.retrying import Retries, asked_pause

if TYPE_CHECKING:
    from types import TracebackType

    import httpx

T = TypeVar("T")

_RETRIES = Retries()
_TIMEOUT_S = 30.0


class Client:
    """Sends calls and waits for their answers. A context manager; safe to use from several threads.

    Args:
        address: `http://…`, `https://…`, `unix:/path`, or an `Address` with a token.
        timeout_s: for one attempt.
    """

    def __init__(
        self,
        address: Address | str,
        *,
        token: str = "",
        timeout_s: float = _TIMEOUT_S,
        retries: Retries = _RETRIES,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        import httpx

        self._address = _address(address, token)
        self._retries = retries
        self._timeout_s = timeout_s
        socket = self._address.socket
        self._http = httpx.Client(
            base_url=self._address.url,
            headers=headers_of(self._address),
            transport=transport or (httpx.HTTPTransport(uds=str(socket)) if socket else None),
            trust_env=socket is None,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def send(self, call: Call[T]) -> T:
        """The answer to a call.

        Raises:
            FleetError: the server's refusal, as the error that it was there.
            ServerUnreachable: it does not answer, or is no Fleet.
        """
        import httpx

        request = request_of(call, self._timeout_s)
        attempt = 0
        while True:
            attempt += 1
            try:
                response = self._http.request(**request)
            except httpx.TransportError as error:
                if not self._retries.after_silence(call.method, attempt, sent=_sent(error)):
                    raise _silent(self._address, error) from None
                time.sleep(self._retries.pause(attempt))
                continue
            if not self._retries.after_answer(call.method, response.status_code, attempt):
                return answer_of(call, response)
            time.sleep(self._retries.pause(attempt, asked_pause(response.headers.get("retry-after"))))

    def pages(self, call: Call[Page[T]]) -> Iterator[T]:
        """Everything on all pages, fetched as it is asked for."""
        page = self.send(call)
        yield from page.items
        while page.next is not None:
            page = self.send(_next(call, page.next))
            yield from page.items


class AsyncClient:
    """The same for programs with an event loop."""

    def __init__(
        self,
        address: Address | str,
        *,
        token: str = "",
        timeout_s: float = _TIMEOUT_S,
        retries: Retries = _RETRIES,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        import httpx

        self._address = _address(address, token)
        self._retries = retries
        self._timeout_s = timeout_s
        socket = self._address.socket
        self._http = httpx.AsyncClient(
            base_url=self._address.url,
            headers=headers_of(self._address),
            transport=transport or (httpx.AsyncHTTPTransport(uds=str(socket)) if socket else None),
            trust_env=socket is None,
        )

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def send(self, call: Call[T]) -> T:
        """The answer to a call; raises as `Client.send` does."""
        import httpx

        request = request_of(call, self._timeout_s)
        attempt = 0
        while True:
            attempt += 1
            try:
                response = await self._http.request(**request)
            except httpx.TransportError as error:
                if not self._retries.after_silence(call.method, attempt, sent=_sent(error)):
                    raise _silent(self._address, error) from None
                await asyncio.sleep(self._retries.pause(attempt))
                continue
            if not self._retries.after_answer(call.method, response.status_code, attempt):
                return answer_of(call, response)
            await asyncio.sleep(self._retries.pause(attempt, asked_pause(response.headers.get("retry-after"))))

    async def pages(self, call: Call[Page[T]]) -> AsyncIterator[T]:
        """Everything on all pages, fetched as it is asked for."""
        page = await self.send(call)
        for item in page.items:
            yield item
        while page.next is not None:
            page = await self.send(_next(call, page.next))
            for item in page.items:
                yield item


def _address(address: Address | str, token: str) -> Address:
    found = parse(address) if isinstance(address, str) else address
    return replace(found, token=token) if token else found


def _next(call: Call[Page[T]], cursor: str) -> Call[Page[T]]:
    return replace(call, params={**call.params, "cursor": cursor})


def _sent(error: Exception) -> bool:
    """Whether the request may have arrived."""
    import httpx

    return not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)


def _silent(address: Address, error: Any) -> ServerUnreachable:
    where = str(address.socket or address.url)
    return ServerUnreachable(
        f"the Fleet at {where} does not answer: {str(error) or type(error).__name__}",
        hint="is `fleet serve` running there?",
    )
