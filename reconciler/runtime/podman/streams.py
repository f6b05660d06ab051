"""Decoding what arrives piece by piece: multiplexed output, lines of logs, lines of JSON.

Pieces may be cut anywhere; what has not ended yet waits for the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Literal, TypeVar

from reconciler.errors import RuntimeUnreachable
from reconciler.runtime.podman.client import Stream

T = TypeVar("T")
Source = Literal["stdout", "stderr"]

_HEADER = 8
_STREAMS: dict[int, Source] = {0: "stdout", 1: "stdout", 2: "stderr"}
# Events and reports of a pull or a build; the longest are a few kilobytes.
_LONGEST_LINE = 1 << 24


class Followed(Generic[T]):
    """What an engine's stream carries, decoded as it comes. `close()` ends it, from any thread."""

    def __init__(self, stream: Stream, decode: Callable[[Iterable[bytes]], Iterator[T]]) -> None:
        self._stream = stream
        self._items = decode(stream)

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        return next(self._items)

    def close(self) -> None:
        """End it; a reader that waits sees the end."""
        self._stream.close()


def frames(pieces: Iterable[bytes]) -> Iterator[tuple[Source, bytes]]:
    """The parts of multiplexed output: 8 bytes that name the stream and the length, then as much content.

    Raises:
        RuntimeUnreachable: the stream is not multiplexed, or ends inside a frame.
    """
    pending = bytearray()
    for piece in pieces:
        pending += piece
        while len(pending) >= _HEADER:
            source = _STREAMS.get(pending[0])
            if source is None or any(pending[1:4]):
                raise RuntimeUnreachable("what Podman sends of a container's output cannot be read")
            end = _HEADER + int.from_bytes(pending[4:_HEADER], "big")
            if len(pending) < end:
                break
            yield source, bytes(pending[_HEADER:end])
            del pending[:end]
    if pending:
        raise RuntimeUnreachable("what Podman sends of a container's output ended in the middle")


def log_lines(pieces: Iterable[bytes]) -> Iterator[tuple[Source, bytes]]:
    """The lines of multiplexed output, without their ends; a last line that was never ended counts."""
    pending: dict[Source, bytearray] = {}
    for source, content in frames(pieces):
        buffer = pending.setdefault(source, bytearray())
        buffer += content
        *lines, rest = buffer.split(b"\n")
        for line in lines:
            yield source, bytes(line.removesuffix(b"\r"))
        pending[source] = rest
    for source, rest in pending.items():
        if rest:
            yield source, bytes(rest)


def json_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The non-empty lines of a stream of JSON documents.

    Raises:
        RuntimeUnreachable: a line is longer than anything that an engine tells.
    """
    pending = bytearray()
    for piece in pieces:
        pending += piece
        if b"\n" in piece:
            *lines, pending = pending.split(b"\n")
            yield from (bytes(line) for line in lines if line.strip())
        if len(pending) > _LONGEST_LINE:
            raise RuntimeUnreachable("what Podman tells cannot be read: a line of it never ends")
    if pending.strip():
        yield bytes(pending)
