"""A proxy in front of a real engine's socket that does to chosen requests what networks, engines and machines do.

Every request that no rule is about goes to the engine untouched. Connections serve one request each, so that what happens to
one of them happens to nothing else.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from reconciler.runtime.podman.http import BrokenAnswer, Connection
from reconciler.runtime.podman.streams import json_lines
from tests.support.scripted_engine import answer, read_request

_PIECE = 1 << 16


@dataclass(frozen=True)
class Exchange:
    """One request on its way.

    Attributes:
        client: who asked.
        line: `GET /v4.0.0/libpod/containers/json?all=true`.
        request: head and body.
        upstream: path of the engine's socket.
        over: set when faults are lifted, for who would wait for ever.
        at_end: remembers what ends a conversation that is still going on when the proxy ends.
    """

    client: socket.socket
    line: str
    request: bytes
    upstream: str
    over: threading.Event
    at_end: Callable[[Callable[[], object]], None]

    def answered(self) -> Iterator[bytes]:
        """Ask the engine; its answer as it comes."""
        with socket.socket(socket.AF_UNIX) as engine:
            engine.connect(self.upstream)
            self.at_end(lambda: engine.shutdown(socket.SHUT_RDWR))
            head, _, body = self.request.partition(b"\r\n\r\n")
            engine.sendall(head + b"\r\nConnection: close\r\n\r\n" + body)
            yield from iter(lambda: engine.recv(_PIECE), b"")


Fault = Callable[[Exchange], None]


def passed_on(exchange: Exchange) -> None:
    """No fault at all."""
    for piece in exchange.answered():
        exchange.client.sendall(piece)


def hung(exchange: Exchange) -> None:
    """The request is taken and never answered."""
    exchange.over.wait()


def dropped(exchange: Exchange) -> None:
    """The connection ends before the engine has heard anything."""


def lost(exchange: Exchange) -> None:
    """The engine does it, and its answer never arrives."""
    for _ in exchange.answered():
        pass


def refused(exchange: Exchange) -> None:
    """An error of the engine's own, without an effect."""
    exchange.client.sendall(answer(b'{"message": "database is locked"}', "500 Internal Server Error"))


def refused_afterwards(exchange: Exchange) -> None:
    """The engine does it, and says that it did not."""
    lost(exchange)
    refused(exchange)


def garbled(exchange: Exchange) -> None:
    """The engine does it, and what it says of it cannot be read."""
    lost(exchange)
    exchange.client.sendall(answer(b'[{"Id": 5, "State'))


def cut(exchange: Exchange) -> None:
    """The answer ends in its middle."""
    whole = b"".join(exchange.answered())
    exchange.client.sendall(whole[: len(whole) - max(1, len(whole) // 3)])


def slow(exchange: Exchange) -> None:
    """The answer comes a few bytes at a time."""
    whole = b"".join(exchange.answered())
    step = max(1, len(whole) // 20)
    for at in range(0, len(whole), step):
        exchange.over.wait(0.005)
        exchange.client.sendall(whole[at : at + step])


def not_found(exchange: Exchange) -> None:
    """Something that is no engine answers: it knows no such page."""
    exchange.client.sendall(answer(b"404 page not found", "404 Not Found"))


def instead(reply: bytes) -> Fault:
    """Another answer, from another time perhaps."""
    return lambda exchange: exchange.client.sendall(reply)


def events(twisted: Callable[[Iterator[bytes]], Iterable[bytes]]) -> Fault:
    """The engine's events, with something done to their lines."""

    def fault(exchange: Exchange) -> None:
        method, target = exchange.line.split(" ")
        connection = Connection(exchange.upstream, None)
        exchange.at_end(connection.close)
        try:
            reply = connection.request(method, target, timeout=None)
            exchange.client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for line in twisted(json_lines(reply.pieces())):
                exchange.client.sendall(b"%x\r\n%b\n\r\n" % (len(line) + 1, line))
        finally:
            connection.close()

    return fault


@dataclass
class _Rule:
    about: re.Pattern[str]
    fault: Fault
    times: int


class FaultProxy:
    """Listens on a socket of its own.

    Attributes:
        path: of the socket.
        seen: the line of every request that came in.
    """

    def __init__(self, path: Path, upstream: str) -> None:
        self.path = str(path)
        self.seen: list[str] = []
        self._upstream = upstream
        self._rules: list[_Rule] = []
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._ends: list[Callable[[], object]] = []
        self._listen()

    def when(self, about: str, fault: Fault, *, times: int = 0) -> None:
        """Do this to requests whose line matches.

        Args:
            about: a regular expression over `METHOD /path?query`.
            times: how often; 0 for always.
        """
        self._rules.append(_Rule(re.compile(about), fault, times))

    def lift(self) -> None:
        """The engine is as it always was."""
        self._rules.clear()
        self._end_waiting()
        if self._listener.fileno() < 0:
            Path(self.path).unlink(missing_ok=True)
            self._listen()

    def vanish(self) -> None:
        """There is no socket any more."""
        self.refuse()
        Path(self.path).unlink()

    def refuse(self) -> None:
        """There is a socket, and nobody who listens."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    @property
    def pending(self) -> bool:
        """Whether a rule still waits for a request."""
        return bool(self._rules)

    def changes(self, after: int = 0) -> list[str]:
        """What came in, from a place in `seen` on, that would change anything."""
        return [line for line in self.seen[after:] if not line.startswith(("GET ", "HEAD "))]

    def close(self) -> None:
        """End everything."""
        self.refuse()
        self._end_waiting()
        for end in self._ends:
            with suppress(OSError):
                end()
        for thread in self._threads:
            thread.join(5)

    def _end_waiting(self) -> None:
        self._over.set()
        self._over = threading.Event()

    def _listen(self) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(64)
        self._begin(self._accept, self._listener)

    def _begin(self, target: Callable[[socket.socket], None], about: socket.socket) -> None:
        thread = threading.Thread(target=target, args=(about,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._begin(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        # Whoever asked may be gone before the answer is.
        with client, client.makefile("rb") as file, suppress(OSError, ValueError, BrokenAnswer):
            request = read_request(file)
            if not request:
                return
            line = request.split(b" HTTP/", 1)[0].decode()
            self.seen.append(line)
            self._fault(line)(Exchange(client, line, request, self._upstream, self._over, self._ends.append))

    def _fault(self, line: str) -> Fault:
        for rule in self._rules:
            if rule.about.search(line):
                if rule.times:
                    rule.times -= 1
                    if not rule.times:
                        self._rules.remove(rule)
                return rule.fault
        return passed_on


@contextmanager
def fault_proxy(path: Path, upstream: str) -> Iterator[FaultProxy]:
    """One for the length of a block."""
    proxy = FaultProxy(path, upstream)
    try:
        yield proxy
    finally:
        proxy.close()
