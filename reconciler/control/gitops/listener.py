"""The listener: a small HTTP server on this machine that tells how it goes and may be asked to hurry.

A request has no say in what is done: the branch is fetched as it would be anyway, only sooner.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from reconciler.errors import FleetError

_LOOPBACK = ("127.0.0.1", "localhost")
_MOST_BYTES = 4_000_000
_SECONDS = 10.0


def parse_place(text: str) -> tuple[str, int]:
    """`PORT` or `127.0.0.1:PORT`.

    Raises:
        FleetError: it is none, or reaches beyond this machine.
    """
    host, colon, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise FleetError(f"--listen takes a port, not {text!r}", hint="--listen 127.0.0.1:8787")
    if colon and host not in _LOOPBACK:
        raise FleetError(
            f"--listen {text} would answer other machines", hint="listen on 127.0.0.1 and put a proxy with TLS in front"
        )
    return "127.0.0.1", int(port)


def let_in(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the sender knows the secret, in the way of GitHub and Gitea, of GitLab, or as a bearer."""
    if not secret:
        return False
    key = secret.encode()
    signature = headers.get("X-Hub-Signature-256", "")
    if signature:
        expected = "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(signature.encode(), expected.encode())
    token = headers.get("X-Gitlab-Token") or headers.get("Authorization", "").removeprefix("Bearer ")
    return hmac.compare_digest(token.encode(), key)


class Listener:
    """Answers `GET /status`, and `POST /hook` from who knows the secret.

    Args:
        secret: what a webhook must know; empty to take none.

    Raises:
        FleetError: the port is taken.
    """

    def __init__(
        self, place: tuple[str, int], *, secret: str, status: Callable[[], Mapping[str, Any]], hurry: Callable[[], None]
    ) -> None:
        class Handler(_Handler):
            pass

        Handler.secret, Handler.status, Handler.hurry = secret, staticmethod(status), staticmethod(hurry)
        try:
            self._server = ThreadingHTTPServer(place, Handler)
        except OSError as error:
            raise FleetError(f"cannot listen on {place[0]}:{place[1]}: {error.strerror}") from None
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="fleet-hook", daemon=True)

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    secret = ""
    status: Callable[[], Mapping[str, Any]]
    hurry: Callable[[], None]
    timeout = _SECONDS
    server_version = "fleet"
    sys_version = ""

    def do_GET(self) -> None:
        if self.path == "/status":
            self._answer(200, self.status())
        else:
            self._answer(404, {"error": "there is /status, and /hook for webhooks"})

    def do_POST(self) -> None:
        if self.path != "/hook":
            self._answer(404, {"error": "webhooks go to /hook"})
            return
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit() or int(length) > _MOST_BYTES:
            self._answer(413, {"error": f"a body of known length, at most {_MOST_BYTES} bytes"})
            return
        body = self.rfile.read(int(length))
        if not let_in(self.secret, dict(self.headers.items()), body):
            self._answer(403, {"error": "the secret is missing or wrong"})
            return
        self.hurry()
        self._answer(202, {"hurried": True})

    def _answer(self, code: int, document: Mapping[str, Any]) -> None:
        body = msgspec.json.encode(document)
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        # What is left of a body that was refused is not the next request.
        self.send_header("Connection", "close")
        self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass
