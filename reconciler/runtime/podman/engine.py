"""Podman as a runtime: containers, the things they use, images, and what the engine tells of itself."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType

import msgspec

from reconciler.decoders import decoder
from reconciler.errors import RuntimeUnreachable
from reconciler.runtime.model import LABEL_PROJECT, ContainerEvent, EngineInfo
from reconciler.runtime.podman import wire
from reconciler.runtime.podman.client import Client, filters
from reconciler.runtime.podman.containers import Containers
from reconciler.runtime.podman.images import Images
from reconciler.runtime.podman.objects import Objects
from reconciler.runtime.podman.streams import Followed, json_lines


class Podman(Containers, Objects, Images):
    """A `ContainerRuntime` over the libpod API of one Podman, 4.0 or newer, rootful or rootless.

    Safe from any thread: each request has a connection of its own while it lasts.
    """

    def __init__(self, socket: str | Client) -> None:
        """Nothing is connected before the first verb.

        Args:
            socket: path of the engine's Unix socket, or a client of it.
        """
        self._client = Client(socket) if isinstance(socket, str) else socket
        self.socket = self._client.socket

    @classmethod
    def connect(cls, environ: Mapping[str, str] = os.environ, *, look_timeout: float | None = None) -> Podman:
        """The Podman of this machine, started when it has a program but no socket.

        Args:
            environ: what may name the socket, and how long a look may take.
            look_timeout: seconds of silence after which a look is given up, instead of what the environment says.

        Raises:
            ToolMissing: Podman is not installed; says how to install it.
            RuntimeUnreachable: it is, and does not answer.
        """
        from reconciler.runtime.podman.discovery import find_engine

        return cls(find_engine(environ, look_timeout=look_timeout))

    def __enter__(self) -> Podman:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the engine goes on."""
        self._client.close()

    def info(self) -> EngineInfo:
        """What the engine says of itself."""
        return wire.engine_info(self.told(), self.socket)

    def told(self) -> wire.Info:
        """What the engine tells of itself and of its machine, for a closer look."""
        return self._client.look("/info", wire.Info, "ask Podman about itself")

    def events(self, project: str, since: int | None = None) -> Iterator[ContainerEvent]:
        """The engine's event stream for this project's containers; it can be closed from any thread.

        It ends when the engine goes away. With `since` (Unix seconds) it begins with what happened from then on.
        """
        query = {
            "stream": True,
            "since": since,
            "filters": filters(type="container", label=f"{LABEL_PROJECT}={project}"),
        }
        stream = self._client.stream("GET", "/events", "follow Podman's events", query=query, looking=True)
        return Followed(stream, _events)


def _events(pieces: Iterable[bytes]) -> Iterator[ContainerEvent]:
    lines = json_lines(pieces)
    while True:
        try:
            line = next(lines, None)
        except RuntimeUnreachable:
            return
        if line is None:
            return
        try:
            raw = decoder(wire.RawEvent).decode(line)
        except msgspec.MsgspecError:
            continue
        yield wire.container_event(raw)
