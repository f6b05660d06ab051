"""Bodies on their way in: no longer and no slower than is allowed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.types import Message, Receive

from reconciler.api.refusals import BodyTooLarge, InputUnclear, RequestTooSlow


class Body:
    """The body of one request, read once and handed on."""

    __slots__ = ("_length", "_most", "_received", "_replayed", "_seconds", "_whole")

    def __init__(self, receive: Receive, most: int, seconds: float) -> None:
        self._received = receive
        self._most = most
        self._seconds = seconds
        self._length = 0
        self._whole: bytes | None = None
        self._replayed = False

    def check(self, headers: Mapping[bytes, bytes]) -> None:
        """Refuse a body that says itself that it is too long, before any of it is read.

        Raises:
            BodyTooLarge, InputUnclear: it is, or its length is no number.
        """
        said = headers.get(b"content-length")
        if said is None:
            if b"transfer-encoding" not in headers:
                self._seconds = 0.0
            return
        if not said.isdigit():
            raise InputUnclear("Content-Length is no number")
        if int(said) > self._most:
            raise self._too_large()

    @property
    def unread(self) -> bool:
        """Whether there is more of it than was read."""
        return bool(self._seconds)

    async def receive(self) -> Message:
        """The next part, for the application."""
        if self._whole is not None and not self._replayed:
            self._replayed = True
            return {"type": "http.request", "body": self._whole, "more_body": False}
        if not self._seconds:
            return await self._received()
        return await self._part()

    async def all(self) -> bytes:
        """The whole body; the application receives it again.

        Raises:
            BodyTooLarge, RequestTooSlow: it is too long, or does not arrive.
        """
        if self._whole is not None:
            return self._whole
        parts: list[bytes] = []
        more = True
        while more:
            message = await self._part() if self._seconds else await self._received()
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        self._whole = b"".join(parts)
        return self._whole

    async def _part(self) -> Message:
        try:
            async with asyncio.timeout(self._seconds):
                message = await self._received()
        except TimeoutError:
            raise RequestTooSlow(f"the body did not arrive within {self._seconds:g} s") from None
        self._length += len(message.get("body", b""))
        if self._length > self._most:
            raise self._too_large()
        if not message.get("more_body", False):
            self._seconds = 0.0
        return message

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"a body has at most {self._most} bytes")
