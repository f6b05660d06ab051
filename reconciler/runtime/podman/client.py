"""The client of the libpod API: requests to the engine's socket, its errors put into ours at this one place.

A request that only looks must answer in full or it raises `RuntimeUnreachable`: what cannot be read is unknown. For a
request that acts, a refusal is `ActionFailed` with the engine's own words, and an answer that never came is
`RuntimeUnreachable`, since nobody knows whether the engine did it.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from reconciler.decoders import decoder
from reconciler.errors import ActionFailed, NotFound, RuntimeUnreachable
from reconciler.runtime.podman.http import Answer, BrokenAnswer, Connection, Unanswered

T = TypeVar("T")
Method = Literal["GET", "POST", "PUT", "DELETE", "HEAD"]
Query = Mapping[str, Any]

# The form of requests and answers that every engine from 4.0 on speaks.
WIRE_VERSION = "v4.0.0"
LOOK_TIMEOUT = 30.0
ACTION_TIMEOUT = 180.0
_IDLE_CONNECTIONS = 8
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_DOCTOR = "fleet doctor says what is wrong and how to mend it"


class _Refusal(msgspec.Struct):
    """The body of an engine's error."""

    cause: str = ""
    message: str = ""


class Client:
    """Requests to one engine, from any number of threads; connections are kept and used again.

    Attributes:
        version: of the API, as it stands in a request's path.
        action_timeout: seconds of silence that are borne where an action itself takes no time.
    """

    version = WIRE_VERSION

    def __init__(
        self, socket: str, *, look_timeout: float = LOOK_TIMEOUT, action_timeout: float = ACTION_TIMEOUT
    ) -> None:
        """Nothing is connected before the first request.

        Args:
            socket: path of the engine's Unix socket.
            look_timeout: seconds of silence after which a look is given up.
            action_timeout: seconds of silence after which nobody waits any longer for an action's answer.
        """
        self.socket = socket
        self.action_timeout = action_timeout
        self._look_timeout = look_timeout
        self._idle: list[Connection] = []
        weakref.finalize(self, _close_all, self._idle)

    def close(self) -> None:
        """Close the idle connections."""
        _close_all(self._idle)

    def look(self, path: str, kind: type[T], doing: str, query: Query | None = None) -> T:
        """Read something.

        Args:
            path: under `/libpod`.
            kind: what the answer is.
            doing: what this is for, as it follows "could not": `list containers`.
            query: of the request; None values are left out.

        Raises:
            NotFound: there is no such object.
            RuntimeUnreachable: no answer, a broken one, or an error.
        """
        found: T = self._decoded(self.read("GET", path, doing, query=query, looking=True), kind, doing)
        return found

    def look_through(self, path: str, kind: type[T], doing: str, query: Query | None = None) -> list[T]:
        """Read a list; the engine says null where it means an empty one."""
        content = self.read("GET", path, doing, query=query, looking=True)
        found: list[T] | None = self._decoded(content, list[kind] | None, doing)  # type: ignore[valid-type]
        return found or []

    def exists(self, path: str, doing: str) -> bool:
        """Whether an object is there."""
        try:
            self.read("GET", path, doing, looking=True)
        except NotFound:
            return False
        return True

    def act(
        self,
        method: Method,
        path: str,
        doing: str,
        *,
        query: Query | None = None,
        body: Any = None,
        timeout: float | None = None,
    ) -> bytes:
        """Ask for a change; the body of the answer.

        Args:
            method: of the request.
            path: under `/libpod`.
            doing: what this is for, as it follows "could not": `start container web`.
            query: of the request; None values are left out.
            body: bytes as they are, anything else as JSON.
            timeout: seconds of silence that are borne, instead of the usual.

        Raises:
            NotFound: there is no such object.
            ActionFailed: the engine refused; its words are in the message.
            RuntimeUnreachable: no answer: it may have been done or not.
        """
        patience = self.action_timeout if timeout is None else timeout
        return self.read(method, path, doing, query=query, body=body, timeout=patience)

    def made(self, path: str, kind: type[T], doing: str, *, query: Query | None = None, body: Any = None) -> T:
        """Ask for something to be made, and decode what the engine says of it."""
        made: T = self._decoded(self.act("POST", path, doing, query=query, body=body), kind, doing)
        return made

    def read(
        self,
        method: Method,
        path: str,
        doing: str,
        *,
        query: Query | None = None,
        body: Any = None,
        timeout: float | None = None,
        looking: bool = False,
    ) -> bytes:
        """One request and the whole of its answer."""
        patience = self._look_timeout if looking else timeout
        with _translated(doing, self.socket):
            answer = self._send(method, self._target(path, query), body, patience)
            content = self._whole(answer)
        if answer.status >= 400:
            raise _refused(answer.status, content, doing, looking=looking)
        return content

    def stream(
        self,
        method: Method,
        path: str,
        doing: str,
        *,
        query: Query | None = None,
        body: Any = None,
        timeout: float | None = None,
        looking: bool = False,
        at_once: bool = True,
    ) -> Stream:
        """One request, on a connection of its own, whose answer is read as it comes.

        Args:
            method: of the request.
            path: under `/libpod`.
            doing: what this is for, as it follows "could not".
            query: of the request; None values are left out.
            body: bytes as they are, pieces as they come, anything else as JSON.
            timeout: seconds of silence that are borne.
            looking: an error means that something cannot be read.
            at_once: whether the engine's yes or no is waited for here, and not by whoever reads. Some answers begin
                only when there is something to tell.
        """
        content, headers = _content(body)
        with _translated(doing, self.socket):
            connection = Connection(self.socket, self._look_timeout)
            stream = Stream(connection, method, doing, looking=looking)
            try:
                connection.send(method, self._target(path, query), body=content, headers=headers, timeout=timeout)
                if at_once:
                    stream.begin()
            except BaseException:
                connection.close()
                raise
        return stream

    def ping(self) -> Mapping[str, str]:
        """The headers of a sign of life.

        Raises:
            RuntimeUnreachable: there is none.
        """
        with _translated("reach the engine", self.socket):
            answer = self._send("GET", "/libpod/_ping", b"", self._look_timeout)
            self._whole(answer)
        return answer.headers if answer.status == 200 else {}

    def _target(self, path: str, query: Query | None) -> str:
        target = f"/{self.version}/libpod{path}"
        given = {
            name: ("true" if value else "false") if isinstance(value, bool) else value
            for name, value in (query or {}).items()
            if value is not None
        }
        return f"{target}?{urlencode(given)}" if given else target

    def _send(self, method: Method, target: str, body: Any, timeout: float | None) -> Answer:
        content, headers = _content(body)
        connection = self._connection()
        was_used = connection.used
        try:
            return connection.request(method, target, body=content, headers=headers, timeout=timeout)
        except Unanswered:
            connection.close()
            if not was_used or method not in _REPEATABLE or not isinstance(content, bytes):
                raise
        except BaseException:
            connection.close()
            raise
        connection = Connection(self.socket, self._look_timeout)
        try:
            return connection.request(method, target, body=content, headers=headers, timeout=timeout)
        except BaseException:
            connection.close()
            raise

    def _connection(self) -> Connection:
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:
                break
            if not connection.is_stale():
                return connection
            connection.close()
        return Connection(self.socket, self._look_timeout)

    def _whole(self, answer: Answer) -> bytes:
        try:
            content = answer.read()
        except BaseException:
            answer.close()
            raise
        if answer.connection.free and len(self._idle) < _IDLE_CONNECTIONS:
            self._idle.append(answer.connection)
        else:
            answer.close()
        return content

    def _decoded(self, content: bytes, kind: Any, doing: str) -> Any:
        try:
            return decoder(kind).decode(content)
        except msgspec.MsgspecError as error:
            raise RuntimeUnreachable(
                f"could not {doing}: what Podman answered cannot be read ({error})", where=self.socket, hint=_DOCTOR
            ) from error


class Stream:
    """The body of an answer as it arrives. Closing it from another thread ends the reading."""

    def __init__(self, connection: Connection, method: Method, doing: str, *, looking: bool) -> None:
        self._connection = connection
        self._method = method
        self._doing = doing
        self._looking = looking
        self._answer: Answer | None = None
        self._closed = False

    def begin(self) -> Answer:
        """Wait for the head of the answer; a refusal is raised."""
        if self._answer is None:
            self._answer = answer = self._connection.receive(self._method)
            if answer.status >= 400:
                raise _refused(answer.status, answer.read(), self._doing, looking=self._looking)
        return self._answer

    def __iter__(self) -> Iterator[bytes]:
        try:
            with _translated(self._doing, ""):
                yield from self.begin().pieces()
        except RuntimeUnreachable:
            if not self._closed:
                raise
        finally:
            self.close()

    def close(self) -> None:
        """End it; nothing more is read."""
        self._closed = True
        self._connection.close()


@contextmanager
def _translated(doing: str, socket: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise RuntimeUnreachable(
            f"could not {doing}: Podman did not answer in time", where=socket, hint=_DOCTOR
        ) from error
    except BrokenAnswer as error:
        raise RuntimeUnreachable(f"could not {doing}: {error}", where=socket, hint=_DOCTOR) from error
    except (OSError, ValueError) as error:
        # A connection that another thread has closed reads as ValueError.
        words = getattr(error, "strerror", None) or str(error)
        raise RuntimeUnreachable(
            f"could not {doing}: Podman cannot be reached ({words})", where=socket, hint=_DOCTOR
        ) from error


def segment(name: str) -> str:
    """A name or id as one segment of a path."""
    return quote(name, safe="")


def filters(**wanted: str | list[str]) -> str:
    """The engine's filter argument."""
    return msgspec.json.encode(
        {name: [value] if isinstance(value, str) else value for name, value in wanted.items()}
    ).decode()


def _content(body: Any) -> tuple[bytes | Iterable[bytes], list[tuple[str, str]]]:
    if body is None:
        return b"", []
    if isinstance(body, bytes):
        return body, [("Content-Type", "application/octet-stream")] if body else []
    if isinstance(body, dict):
        return msgspec.json.encode(body), [("Content-Type", "application/json")]
    return body, [("Content-Type", "application/x-tar")]


def _refused(status: int, content: bytes, doing: str, *, looking: bool) -> NotFound | ActionFailed | RuntimeUnreachable:
    try:
        refusal = decoder(_Refusal).decode(content)
        words = own_words = refusal.message or refusal.cause
    except msgspec.MsgspecError:
        words, own_words = content[:500].decode("utf-8", "replace").strip(), ""
    what = f"could not {doing}: {words or f'HTTP {status}'}"
    if status == 404 and own_words:
        return NotFound(what)
    # Whatever else knows no such page says nothing about what is there.
    if looking or status == 404:
        return RuntimeUnreachable(what, hint=_DOCTOR)
    return ActionFailed(what)


def _close_all(connections: list[Connection]) -> None:
    while connections:
        connections.pop().close()
