"""HTTP/1.1 over a Unix socket: what an engine's API needs of it, and no more.

The standard library's client brings the e-mail and TLS packages along; loading those takes longer than a whole look at
the engine. Bodies have a length, come in chunks or last until the connection ends; an answer that ends before that is
an error, never a shorter answer.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import BinaryIO, cast

_PIECE = 1 << 16
_MAX_LINE = 1 << 16
_MAX_HEADERS = 200
_BODILESS = frozenset({204, 304})


class BrokenAnswer(Exception):
    """The answer ended early, or is not HTTP."""


class Unanswered(BrokenAnswer):
    """The connection ended before the first byte of an answer: a kept one that had gone stale does that."""


class Answer:
    """One answer: its status, its headers with lower-case names, and a body that is read once."""

    def __init__(self, connection: Connection, status: int, headers: dict[str, str], *, bodiless: bool) -> None:
        self.status = status
        self.headers = headers
        self.connection = connection
        self._file = connection.file
        self._chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        self._length: int | None = None
        if bodiless:
            self._length = 0
        elif not self._chunked and "content-length" in headers:
            self._length = _number(headers["content-length"], 10)
        self.keeps_connection = headers.get("connection", "").lower() != "close" and (
            self._chunked or self._length is not None
        )

    def read(self) -> bytes:
        """The whole body.

        Raises:
            BrokenAnswer: when it ends early.
            TimeoutError: when the engine says nothing for too long.
        """
        if self._length == 0 and not self._chunked:
            # A connection that is not kept ended with the head already.
            self._finish()
            return b""
        if self._length is not None and not self._chunked:
            body = self._file.read(self._length)
            if len(body) < self._length:
                raise BrokenAnswer(f"the answer ended after {len(body)} of {self._length} bytes")
            self._finish()
            return body
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """The body as it arrives."""
        if self._chunked:
            yield from self._chunks()
        elif self._length is None:
            yield from iter(lambda: _read_some(self._file, _PIECE), b"")
        else:
            yield from self._exactly(self._length)
        self._finish()

    def close(self) -> None:
        """Leave the rest of the body unread; the connection ends with it. A reader in another thread wakes up."""
        self.connection.close()

    def _chunks(self) -> Iterator[bytes]:
        while True:
            size = _number(_line(self._file).partition(b";")[0].decode("latin-1"), 16)
            if size == 0:
                break
            yield from self._exactly(size)
            if _line(self._file):
                raise BrokenAnswer("a chunk is longer than it said")
        while _line(self._file):
            pass

    def _exactly(self, count: int) -> Iterator[bytes]:
        while count:
            piece = _read_some(self._file, min(count, _PIECE))
            if not piece:
                raise BrokenAnswer(f"the answer ended {count} bytes early")
            count -= len(piece)
            yield piece

    def _finish(self) -> None:
        if self.keeps_connection:
            self.connection.free = True
        else:
            self.connection.close()


class Connection:
    """One connection to a Unix socket, usable again after an answer was read to its end.

    Attributes:
        free: whether a further request may be sent.
        used: whether it has served a request already.
    """

    def __init__(self, path: str, timeout: float | None) -> None:
        """Connect.

        Raises:
            OSError: when there is no socket, nobody listens, or access is refused.
        """
        self.used = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(timeout)
            self._socket.connect(path)
            self.file = cast("BinaryIO", self._socket.makefile("rb", _PIECE))
        except BaseException:
            self._socket.close()
            raise
        self.free = True

    def is_stale(self) -> bool:
        """Whether the other side has ended an idle connection (or talks out of turn)."""
        self._socket.setblocking(False)
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def request(
        self,
        method: str,
        target: str,
        *,
        body: bytes | Iterable[bytes] = b"",
        headers: Iterable[tuple[str, str]] = (),
        timeout: float | None,
    ) -> Answer:
        """Send one request and read the head of its answer; as `send` and `receive`."""
        self.send(method, target, body=body, headers=headers, timeout=timeout)
        return self.receive(method)

    def send(
        self,
        method: str,
        target: str,
        *,
        body: bytes | Iterable[bytes] = b"",
        headers: Iterable[tuple[str, str]] = (),
        timeout: float | None,
    ) -> None:
        """Send one request.

        Args:
            method: GET, POST, PUT, DELETE or HEAD.
            target: path and query, percent-encoded.
            body: all of it, or pieces of unknown number, which are sent in chunks.
            headers: further headers.
            timeout: seconds of silence that are borne from now on, None for any.

        Raises:
            TimeoutError: the other side takes nothing for too long.
            OSError: the connection broke.
        """
        self.free, self.used = False, True
        self._socket.settimeout(timeout)
        lines = [f"{method} {target} HTTP/1.1", "Host: d"]
        lines += [f"{name}: {value}" for name, value in headers]
        try:
            if isinstance(body, bytes):
                if body or method in {"POST", "PUT"}:
                    lines.append(f"Content-Length: {len(body)}")
                self._socket.sendall(_head(lines) + body)
            else:
                lines.append("Transfer-Encoding: chunked")
                self._socket.sendall(_head(lines))
                for piece in body:
                    if piece:
                        self._socket.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
                self._socket.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            # An engine that refuses a long body answers before it has read all of it.
            pass

    def receive(self, method: str) -> Answer:
        """Read the head of the answer to what was sent.

        Raises:
            Unanswered: the connection ended before an answer began.
            BrokenAnswer: the answer is not HTTP.
            TimeoutError: silence for too long.
            OSError: the connection broke.
        """
        while True:
            try:
                first = self.file.readline(_MAX_LINE)
            except ConnectionResetError as error:
                raise Unanswered("the connection was reset") from error
            if not first:
                raise Unanswered("the connection ended without an answer")
            status = _status(first)
            headers = self._headers()
            if status != 100:
                break
        bodiless = method == "HEAD" or status in _BODILESS
        answer = Answer(self, status, headers, bodiless=bodiless)
        if bodiless:
            answer.read()
        return answer

    def close(self) -> None:
        """End it; a reader in another thread wakes up."""
        self.free = False
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.file.close()

    def __del__(self) -> None:
        # A reader that stops half-way leaves its connection behind; one that was never made has no file.
        if hasattr(self, "file"):
            self.close()

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        while line := _line(self.file):
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or len(headers) == _MAX_HEADERS:
                raise BrokenAnswer("the answer's headers cannot be read")
            headers[name.strip().lower()] = value.strip()
        return headers


def _head(lines: list[str]) -> bytes:
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _status(line: bytes) -> int:
    parts = line.split(None, 2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit():
        raise BrokenAnswer("what answers is not an HTTP server")
    return int(parts[1])


def _line(file: BinaryIO) -> bytes:
    line = file.readline(_MAX_LINE)
    if not line.endswith(b"\n"):
        raise BrokenAnswer("the answer ended in the middle of a line")
    return line.rstrip(b"\r\n")


def _number(text: str, base: int) -> int:
    try:
        number = int(text.strip(), base)
    except ValueError:
        number = -1
    if number < 0:
        raise BrokenAnswer("the answer's length cannot be read")
    return number


def _read_some(file: BinaryIO, most: int) -> bytes:
    piece: bytes = file.read1(most)  # type: ignore[attr-defined]
    return piece
