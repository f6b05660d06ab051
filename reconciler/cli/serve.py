"""`fleet serve`: open the fleet to agents and tools over HTTP."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import print_json_line, utc_time

if TYPE_CHECKING:
    from reconciler.api.server import Server
    from reconciler.api.settings import ServeSettings

DEFAULT_PORT = 4765
_INTERRUPTED = 130


@about_project
def serve(
    project: Project,
    port: Annotated[int, typer.Option("--port", help="The port; 0 is any free one.", min=0, max=65535)] = DEFAULT_PORT,
    host: Annotated[str, typer.Option("--host", help="The address to listen on.", metavar="ADDRESS")] = "127.0.0.1",
    socket: Annotated[
        Path | None, typer.Option("--socket", help="A unix socket instead, for this user only.", metavar="PATH")
    ] = None,
    open_loopback: Annotated[
        bool, typer.Option("--open-loopback", help="Let older clients on this machine in without a token.")
    ] = False,
    host_name: Annotated[
        list[str], typer.Option("--host-name", help="Another name that requests may be meant for.", metavar="NAME")
    ] = [],
    origin: Annotated[
        list[str], typer.Option("--origin", help="A web page's origin that may ask.", metavar="URL")
    ] = [],
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", help="The certificate, PEM.", metavar="FILE")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Its key, PEM.", metavar="FILE")] = None,
    rate: Annotated[
        float, typer.Option("--rate", help="Requests a second of one caller; 0 is without limit.", min=0)
    ] = 3000.0,
    as_json: JsonOption = False,
) -> int:
    """Open the fleet to agents and tools over HTTP, on this machine unless told otherwise.

    Everybody shows a token. The first start makes one for whoever runs it, in a file that `fleet` itself and the workers
    find; `fleet tokens` makes others. Beyond this machine it listens only with TLS and a token that was made for somebody.
    SIGTERM ends it in good order.

    \b
    Examples:
      fleet serve
      fleet serve --socket /run/user/1000/fleet.sock
      fleet serve --port 8080 --open-loopback          for older clients, on this machine only
      fleet serve --host 0.0.0.0 --host-name fleet.example.org --tls-cert cert.pem --tls-key key.pem
    """
    from reconciler.api.server import Server
    from reconciler.api.settings import ServeSettings

    settings = ServeSettings(
        host=host,
        port=port,
        socket=socket,
        open_loopback=open_loopback,
        hosts=tuple(host_name),
        origins=tuple(origin),
        certificate=tls_cert,
        key=tls_key,
        rate=rate,
        burst=2 * rate,
    )
    server = Server(project, settings)
    with _signals(server) as caught:
        run(server, settings, as_json=as_json)
    return _INTERRUPTED if signal.SIGINT in caught else 0


def run(server: Server, settings: ServeSettings, *, as_json: bool) -> None:
    """Serve until somebody ends it, and tell the supervisor and whoever looks."""

    from reconciler.control.watch.notify import Supervisor

    supervisor = Supervisor(os.environ)

    def ready() -> None:
        tell(server, settings, as_json=as_json)
        supervisor.ready(f"serving {server.place.url}")

    server.run(ready)
    supervisor.stopping()
    _say("stopped", as_json=as_json)


def tell(server: Server, settings: ServeSettings, *, as_json: bool) -> None:
    """Say where it listens, and who gets in."""
    from reconciler.api.tokens import LOCAL_FILE

    where = server.place.socket or server.place.url
    token = str(server.service.folder / LOCAL_FILE)
    _say("listening", as_json=as_json, at=where, token=token)
    if settings.open_loopback:
        _say("open: everybody on this machine may read and work without a token", as_json=as_json)


def _say(what: str, *, as_json: bool, **facts: Any) -> None:
    if as_json:
        now_ms = time.time_ns() // 1_000_000
        print_json_line({"timestamp": utc_time(now_ms), "level": "info", "event": what, **facts})
    else:
        more = [str(facts["at"]), f"(token in {facts['token']})"] if facts else []
        sys.stdout.write(" ".join([what, *more]) + "\n")
        sys.stdout.flush()


@contextmanager
def _signals(server: Server) -> Iterator[list[int]]:
    """Within the block the first signal ends the server in good order, and a second Ctrl-C the process at once."""
    caught: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and number in caught:
            raise KeyboardInterrupt
        caught.append(number)
        threading.Thread(target=server.stop, daemon=True).start()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
