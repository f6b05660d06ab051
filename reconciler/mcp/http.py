"""The server over streamable HTTP, on this machine, for who has its token."""

from __future__ import annotations

import hmac
import json
import socket
from typing import TYPE_CHECKING

import uvicorn

from reconciler.errors import FleetError

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer
    from starlette.types import ASGIApp, Receive, Scope, Send

PATH = "/mcp"


class Guarded:
    """Lets those requests through that carry the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            said = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(said, self._token):
                await _refuse(send)
                return
        await self._app(scope, receive, send)


async def _refuse(send: Send) -> None:
    body = json.dumps({"error": "a bearer token is needed", "hint": "the one that fleet mcp --http was given"}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"www-authenticate", b"Bearer"),
    ]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        FleetError: the port is taken, or the address is not one of this machine.
    """
    try:
        return socket.create_server((host, port), reuse_port=False)
    except OSError as error:
        raise FleetError(f"cannot listen on {host}:{port}: {error.strerror}", hint="choose another --port") from error


def serve(server: MCPServer, listener: socket.socket, token: str) -> None:
    """Answer until SIGTERM or Ctrl-C."""
    host = listener.getsockname()[0]
    app = Guarded(server.streamable_http_app(streamable_http_path=PATH, host=host), token)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2, lifespan="on")
    uvicorn.Server(config).run(sockets=[listener])
