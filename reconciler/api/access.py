"""What a request may reach: its caller, the rows, the writer. Every handler gets one of these, and nothing else.

A handler says which scope it needs by the dependency that it takes: `Reading`, `Working`, `Applying` or `Administering`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID

import msgspec
from fastapi import Depends, Request
from starlette.responses import Response

from reconciler.api.caller import Caller
from reconciler.api.etags import etag, guarded, matches
from reconciler.api.tokens import Scope
from reconciler.control.desk.desk import Command, Done
from reconciler.events.envelope import Cause, Event, NewEvent
from reconciler.ids import uuid7
from reconciler.projections.rows import Rows

if TYPE_CHECKING:
    from reconciler.api.service import Service

T = TypeVar("T")
_encode = msgspec.json.Encoder().encode


class Json(Response):
    """JSON that is encoded already; made without the detours of an answer that may be anything."""

    def __init__(self, body: bytes, status: int, *more: tuple[bytes, bytes]) -> None:
        self.body = body
        self.status_code = status
        self.background = None
        length = (b"content-length", str(len(body)).encode())
        self.raw_headers = [length, (b"content-type", b"application/json"), *more]


class Access:
    """One request's reach.

    Attributes:
        service: the server behind it.
        caller: who asks.
        request_id: as the server's lines name it.
    """

    __slots__ = ("_correlation", "_headers", "_method", "caller", "request_id", "service")

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self.service: Service = scope["fleet.service"]
        self.caller: Caller = scope["fleet.caller"]
        self._correlation: UUID | None = scope["fleet.correlation"]
        self.request_id: str = scope["fleet.request_id"]
        self._headers: Mapping[bytes, bytes] = scope["fleet.headers"]
        self._method: str = scope["method"]

    @property
    def correlation_id(self) -> UUID:
        """Common to everything that this request records."""
        if self._correlation is None:
            self._correlation = uuid7()
        return self._correlation

    @property
    def cause(self) -> Cause:
        """In whose name this request records."""
        agent = self._headers.get(b"user-agent", b"").decode("latin-1")[:200]
        return Cause(self.caller.actor, "api", correlation_id=self.correlation_id, user_agent=agent)

    def rows(self) -> Rows:
        """The projections as they are. Asked in the event loop, so for a row or two by their keys; lists are for `read`."""
        return self.service.store.rows()

    async def read(self, look: Callable[[Rows], T], *, at: str | None = None) -> T:
        """What a function finds in the projections of one moment, looked at beside the event loop.

        Args:
            at: a sequence number, a time, or how long ago; as they are now when left out.

        Raises:
            MomentUnclear, NotFound: `at` names no point of the log.
        """
        return await self.service.read(look, at=at)

    async def write(self, command: Command[T], *, if_match: tuple[str, str] | None = None) -> T:
        """Run a command of the desk in the caller's name, and give what it returns.

        Args:
            if_match: table and key of what is changed; a stale `If-Match` of the request refuses it.

        Raises:
            WorkRefused, NotFound: it was refused.
            StaleVersion: the thing has changed since.
        """
        return (await self.run(command, if_match=if_match)).value

    async def run(self, command: Command[T], *, if_match: tuple[str, str] | None = None) -> Done[T]:
        """Like `write`, with the events that were recorded."""
        wanted = self._headers.get(b"if-match")
        if if_match is not None and wanted is not None:
            command = guarded(command, *if_match, wanted.decode("latin-1"))
        return await self.service.writer.run(command, self.cause)

    async def append(
        self, events: Sequence[NewEvent], *, expected_version: int | None = None, known: bool = False
    ) -> list[Event]:
        """Record events as they are, in the caller's name."""
        return await self.service.writer.append(events, self.cause, expected_version=expected_version, known=known)

    def answer(self, document: Any, status: int = 200, *, version: int | None = None) -> Response:
        """A document as JSON; with its version as `ETag`, and 304 for who has that version already."""
        if version is None:
            return Json(_encode(document), status)
        tag = etag(version)
        known = self._headers.get(b"if-none-match")
        if known is not None and self._method == "GET" and matches(known.decode("latin-1"), version):
            return Response(b"", 304, {"etag": tag})
        return Json(_encode(document), status, (b"etag", tag.encode()))


def _with(scope: Scope) -> Any:
    async def access(request: Request) -> Access:
        found = Access(request.scope)
        found.caller.needs(scope)
        return found

    access.fleet_scope = scope  # type: ignore[attr-defined] # read by who calls handlers directly
    return Depends(access)


Reading = Annotated[Access, _with("read")]
Working = Annotated[Access, _with("work")]
Applying = Annotated[Access, _with("apply")]
Administering = Annotated[Access, _with("admin")]
