"""The door. Every request passes it before anything else looks at it, and nothing is written by one that it refuses.

It asks, in this order: whether the request is meant for us, whether a foreign web page sent it, whether its body is JSON and
of a sane length, who the caller is, and whether that caller asks too often. Then it gives the request an id, the log's
correlation and, where the caller named a key, the answer that was given before.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Mapping
from uuid import UUID

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from reconciler.api import answers
from reconciler.api.bodies import Body
from reconciler.api.caller import Caller, caller_of, from_this_machine
from reconciler.api.direct import Direct
from reconciler.api.journal import request_log
from reconciler.api.limits import Rates
from reconciler.api.problems import answer_error
from reconciler.api.refusals import HostRefused, InputUnclear, KeyReused, MediaRefused, OriginRefused, Unauthorized
from reconciler.api.service import Service, now_ms
from reconciler.api.settings import LOOPBACK
from reconciler.api.tracing import spans
from reconciler.errors import Conflict, FleetError

_OPEN = frozenset({"/health", "/health/live", "/health/ready"})
_CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_NOBODY = Caller("nobody", frozenset())
_KEPT_HEADERS = (b"etag", b"content-type", b"location")
_SLOW_S = 1.0
_PROCESS = os.urandom(4).hex()
_NUMBERS = itertools.count(1)
Headers = Mapping[bytes, bytes]


class Guard:
    """Around the whole application. Plain handlers are called from here, everything else is left to FastAPI."""

    def __init__(self, app: FastAPI, service: Service) -> None:
        self._app = app
        self._direct = Direct(route.original_route for route in iter_route_contexts(app.routes))
        self._service = service
        settings = service.settings
        self._hosts = LOOPBACK | {host.lower() for host in settings.hosts}
        self._any_host = settings.socket is not None
        self._origins = frozenset(origin.lower().rstrip("/") for origin in settings.origins)
        self._rates = Rates(settings.rate, settings.burst)
        self._failures = Rates(settings.failures / 60, float(settings.failures))
        self._log = request_log()
        self._spans = spans()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        request = _Request(scope, send)
        span = self._spans.begin(scope["method"], scope["path"], request.headers) if self._spans is not None else None
        try:
            caller = self._admit(scope, request.headers)
            await self._serve(scope, receive, request, caller)
        except FleetError as error:
            if not request.answered:
                self._service.metrics.refused.add(error.code)
                response = answer_error(error, scope["path"], request_id=request.id)
                await response(scope, receive, request.send)
        except Exception:
            self._log.exception("a request failed", request_id=request.id, method=scope["method"], path=scope["path"])
            if request.answered:
                raise
            await _defect(scope["path"], request.id)(scope, receive, request.send)
        finally:
            self._count(scope, request, time.perf_counter() - began)
            if self._spans is not None:
                self._spans.end(span, scope["method"], _route(scope), request.status, request.id)

    def close(self) -> None:
        """Send what was traced and not sent yet."""
        if self._spans is not None:
            self._spans.close()

    def _admit(self, scope: Scope, headers: Headers) -> Caller:
        """Who asks, if they may ask at all.

        Raises:
            FleetError: they may not.
        """
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if not self._any_host and _name_of(host) not in self._hosts:
            raise HostRefused(
                f"no fleet is called {host[:80]!r} here", hint="fleet serve --host-name NAME lets a name in"
            )
        self._check_origin(headers, host)
        self._check_body(scope["method"], headers)
        caller = self._caller(scope, headers)
        self._rates.take(caller.actor)
        return caller

    def _check_origin(self, headers: Headers, host: str) -> None:
        origin = headers.get(b"origin")
        if origin is not None:
            name = origin.decode("latin-1").lower()
            if name.partition("://")[2] != host and name not in self._origins:
                raise OriginRefused(f"a page of {name[:80]!r} may not ask", hint="fleet serve --origin lets it in")
        elif headers.get(b"sec-fetch-site") == b"cross-site":
            raise OriginRefused("a page of another site may not ask", hint="fleet serve --origin lets it in")

    def _check_body(self, method: str, headers: Headers) -> None:
        if method not in _CHANGES:
            return
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if (_has_body(headers) or kind) and kind != b"application/json":
            raise MediaRefused("a body is JSON and says so: Content-Type: application/json")

    def _caller(self, scope: Scope, headers: Headers) -> Caller:
        shown = headers.get(b"authorization")
        client = scope.get("client")
        where = client[0] if client else "socket"
        if shown is None:
            if self._service.settings.open_loopback and where in (*LOOPBACK, "socket"):
                return from_this_machine("loopback")
            if scope["path"] in _OPEN:
                return _NOBODY
            raise Unauthorized("this needs a token", hint="Authorization: Bearer …; fleet tokens create makes one")
        kind, _, secret = shown.decode("latin-1").partition(" ")
        token = self._service.tokens.find(secret.strip(), now_ms()) if kind.lower() == "bearer" else None
        if token is None:
            self._failures.take(where)
            raise Unauthorized("nobody knows this token", hint="fleet tokens list")
        return caller_of(token)

    async def _serve(self, scope: Scope, receive: Receive, request: _Request, caller: Caller) -> None:
        settings = self._service.settings
        body = Body(receive, settings.body_bytes, settings.body_seconds)
        request.body = body
        body.check(request.headers)
        scope["fleet.service"] = self._service
        scope["fleet.caller"] = caller
        scope["fleet.request_id"] = request.id
        scope["fleet.headers"] = request.headers
        key = request.headers.get(b"idempotency-key")
        if key is None or scope["method"] != "POST":
            scope["fleet.correlation"] = None
            await self._answer(scope, body, request)
            return
        await self._once(scope, body, request, caller, key)

    async def _answer(self, scope: Scope, body: Body, request: _Request) -> None:
        found = self._direct.find(scope["method"], scope["path"], query=bool(scope["query_string"]))
        if found is None:
            await self._app(scope, body.receive, request.send)
            return
        route, plain, values = found
        scope["route"] = route
        try:
            response = await plain(scope, values, body)
        except FleetError as error:
            response = answer_error(error, scope["path"], request_id=request.id)
        await response(scope, body.receive, request.send)

    async def _once(self, scope: Scope, body: Body, request: _Request, caller: Caller, key: bytes) -> None:
        """Serve a request that must not be served twice."""
        if not 0 < len(key) <= answers.LONGEST_KEY:
            raise InputUnclear(f"an Idempotency-Key has 1 to {answers.LONGEST_KEY} characters")
        content = await body.all()
        place = answers.digest(caller.actor.encode(), key)
        asked = answers.digest(scope["method"].encode(), scope["path"].encode(), content)
        kept = self._service.answers
        known = await kept.begin(place)
        if known is not None:
            if known.asked != asked:
                raise KeyReused("this Idempotency-Key was used for another request", hint="make a new key")
            await _repeat(known)(scope, body.receive, request.send)
            return
        answer: answers.Answer | None = None
        try:
            scope["fleet.correlation"] = answers.correlation(place)
            self._refuse_done(scope["fleet.correlation"])
            request.keep()
            await self._answer(scope, body, request)
            answer = request.kept(asked)
        finally:
            kept.end(place, answer, now_ms())

    def _refuse_done(self, correlation: UUID) -> None:
        """Refuse what was recorded before the answer to it was lost."""
        if self._service.recorded(correlation):
            raise Conflict(
                "this request was carried out, and its answer is lost",
                hint=f"fleet events list --correlation {correlation} shows what it recorded",
            )

    def _count(self, scope: Scope, request: _Request, seconds: float) -> None:
        path = _route(scope)
        metrics = self._service.metrics
        metrics.requests.add(scope["method"], path, str(request.status))
        metrics.request_seconds.observe(seconds, scope["method"], path)
        if request.status >= 400 or seconds > _SLOW_S:
            caller = scope.get("fleet.caller", _NOBODY)
            self._log.info(
                "request",
                request_id=request.id,
                method=scope["method"],
                path=scope["path"],
                status=request.status,
                seconds=round(seconds, 4),
                actor=caller.actor,
            )


class _Request:
    """One request on its way through: its id, its headers, and what was answered so far."""

    __slots__ = ("_content", "_head", "_keeping", "_send", "answered", "body", "headers", "id", "status")

    def __init__(self, scope: Scope, send: Send) -> None:
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        given = self.headers.get(b"x-request-id", b"").decode("latin-1")
        self.id = (
            given
            if 0 < len(given) <= 64 and given.isascii() and given.isprintable()
            else f"{_PROCESS}{next(_NUMBERS):08x}"
        )
        self.answered = False
        self.status = 0
        self.body: Body | None = None
        self._send = send
        self._keeping = False
        self._head: list[tuple[bytes, bytes]] = []
        self._content = bytearray()

    def keep(self) -> None:
        """Remember what is answered from now on."""
        self._keeping = True

    def kept(self, asked: bytes) -> answers.Answer | None:
        """What was answered, where it would be answered again."""
        if not self.status or self.status >= 500 or self.status in (401, 403, 408, 413, 429):
            return None
        lines = "\n".join(
            f"{name.decode('latin-1')}: {value.decode('latin-1')}"
            for name, value in self._head
            if name in _KEPT_HEADERS
        )
        return answers.Answer(asked, self.status, lines, bytes(self._content))

    async def send(self, message: Message) -> None:
        """Pass an answer on, with the request's id."""
        if message["type"] == "http.response.start":
            self.answered = True
            self.status = message["status"]
            self._head = list(message.get("headers", ()))
            more = [(b"x-request-id", self.id.encode())]
            if _has_body(self.headers) and (self.body is None or self.body.unread):
                # Nobody reads the rest of it, so nothing can follow on this connection.
                more.append((b"connection", b"close"))
            message["headers"] = [*self._head, *more]
        elif self._keeping and message["type"] == "http.response.body":
            self._content += message.get("body", b"")
        await self._send(message)


def _route(scope: Scope) -> str:
    """The path as it is described; `other` for one that there is not."""
    path: str = getattr(scope.get("route"), "path", "other")
    return path


def _has_body(headers: Headers) -> bool:
    return headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers


def _name_of(host: str) -> str:
    """A host without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _repeat(known: answers.Answer) -> Response:
    response = Response(known.body, known.status)
    headers = MutableHeaders(raw=response.raw_headers)
    for line in known.headers.splitlines():
        name, _, value = line.partition(": ")
        headers[name] = value
    headers["idempotency-replayed"] = "true"
    return response


def _defect(path: str, request_id: str) -> Response:
    """The answer to a request that met a defect of Fleet itself; what it was stands in the server's log."""
    return answer_error(
        FleetError("a defect of Fleet itself", hint=f"the server's log has it under {request_id}"), path
    )
