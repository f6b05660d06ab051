"""An engine that answers what a test has written down, byte for byte: for what the real one cannot be made to do."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

Reply = bytes | Callable[[socket.socket], None]


def answer(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    """A whole answer with a length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """An answer in chunks."""
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + end


class ScriptedEngine:
    """Serves a Unix socket. Each request takes the next reply; an empty one ends the connection without a word.

    Attributes:
        path: of the socket.
        requests: what came in, heads and bodies.
        connections: how many were made.
    """

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.requests: list[bytes] = []
        self.connections = 0
        self._replies: list[Reply] = []
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self._begin(self._accept)

    def will_answer(self, *replies: Reply) -> None:
        """Write down what comes next."""
        self._replies += replies

    def close(self) -> None:
        """End everything."""
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(5)

    def _begin(self, target: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            self._begin(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as file:
            try:
                while request := read_request(file):
                    self.requests.append(request)
                    reply = self._replies.pop(0) if self._replies else b""
                    if callable(reply):
                        reply(connection)
                    elif reply:
                        connection.sendall(reply)
                    else:
                        return
            except (OSError, ValueError):
                return


def read_request(file: BinaryIO) -> bytes:
    """One request, head and body; empty when there is no more."""
    head = _until_blank(file)
    length = 0
    for line in head.lower().splitlines():
        if line == b"transfer-encoding: chunked":
            return head + _chunks(file)
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return head + file.read(length)


def _until_blank(file: BinaryIO) -> bytes:
    lines = []
    while line := file.readline():
        lines.append(line)
        if line == b"\r\n":
            break
    return b"".join(lines)


def _chunks(file: BinaryIO) -> bytes:
    body = b""
    while size := int(file.readline() or b"0", 16):
        body += file.read(size)
        file.readline()
    file.readline()
    return body


@contextmanager
def scripted_engine(path: Path) -> Iterator[ScriptedEngine]:
    """One for the length of a block."""
    engine = ScriptedEngine(path)
    try:
        yield engine
    finally:
        engine.close()
