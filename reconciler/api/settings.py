"""How the server is set up. Everything here has a safe default."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """Where to listen, whom to let in, and how much of everything.

    Attributes:
        host, port: where to listen; port 0 is any free one. Not used with a socket.
        socket: a unix socket to listen on instead.
        open_loopback: who comes from this machine needs no token.
        hosts: names that requests may be meant for, beside those of loopback.
        origins: web pages of other origins that may ask.
        certificate, key: PEM files of TLS.
        body_bytes: the longest body.
        body_seconds: how long a body may take to arrive.
        header_seconds: how long the head of a request may take.
        rate: requests a second of one caller, `burst` at once; 0 is without limit.
        failures: refused tokens a minute of one address.
        heartbeat_s: between the heartbeats of an event stream.
        write_seconds: how long a reader of a stream may take none of it.
        connections: open at once.
    """

    host: str = "127.0.0.1"
    port: int = 4765
    socket: Path | None = None
    open_loopback: bool = False
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    body_bytes: int = 1_048_576
    body_seconds: float = 10.0
    header_seconds: float = 10.0
    rate: float = 3_000.0
    burst: float = 6_000.0
    failures: int = 30
    heartbeat_s: float = 15.0
    write_seconds: float = 30.0
    connections: int = 1_000

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.socket is not None or self.host in LOOPBACK
