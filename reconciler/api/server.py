"""Listening: the address or socket, the process's event loop around the application, and its end in good order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import uvicorn
import uvloop

from reconciler.api.app import create_app
from reconciler.api.guard import Guard
from reconciler.api.protocol import protocol
from reconciler.api.service import Service
from reconciler.api.settings import ServeSettings
from reconciler.api.tokens import LOCAL_NAME, Tokens
from reconciler.client.place import Place, announced
from reconciler.control.project import Project
from reconciler.errors import FleetError
from reconciler.runtime.model import ContainerRuntime

_GRACE_S = 5
_SWITCH_S = 0.001
"""How long a thread may keep the interpreter while another wants it: the writer must not keep the event loop waiting."""


class ServeRefused(FleetError):
    """The server would be open to people who should not be let in, or its address is taken."""

    code = "serve_refused"


class _Uvicorn(uvicorn.Server):
    """Uvicorn, ended by us and not by signals; event streams end before it waits for open connections."""

    def __init__(self, config: uvicorn.Config, service: Service, bound: Callable[[], None]) -> None:
        super().__init__(config)
        self._service = service
        self._bound = bound

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._bound()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.end()
        await super().shutdown(sockets)


class Server:
    """One project's server, from its first connection to its last.

    Attributes:
        service: what it serves.
        place: where it listens; known once it is bound.
    """

    def __init__(
        self,
        project: Project,
        settings: ServeSettings,
        *,
        runtime: ContainerRuntime | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Bind the address; nothing is served before `run`.

        Raises:
            ServeRefused: it would not be safe, or the address is taken.
        """
        app = create_app(project, settings, runtime=runtime, environ=environ)
        self.service: Service = app.state.service
        check(settings, self.service.tokens)
        self._socket = _bind(settings)
        self._settings = settings
        self.place = _place(settings, self._socket)
        self._up = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._guard = Guard(app, self.service)
        config = uvicorn.Config(
            self._guard,
            http=protocol(settings),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=settings.connections,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=_GRACE_S,
            ssl_certfile=settings.certificate,
            ssl_keyfile=settings.key,
        )
        self._uvicorn = _Uvicorn(config, self.service, self._up.set)

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Serve until `stop`, in this thread.

        Args:
            ready: called when requests are taken.

        Raises:
            LogUnusable: the log cannot be used.
        """
        before = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_S)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve(ready))
        finally:
            sys.setswitchinterval(before)
            self._socket.close()
            if self._settings.socket is not None:
                self._settings.socket.unlink(missing_ok=True)
            self._up.set()

    async def _serve(self, ready: Callable[[], None]) -> None:
        await self.service.open()
        try:
            self.service.tokens.local()
            with announced(self.service.folder, self.place):
                ready()
                await self._uvicorn.serve(sockets=[self._socket])
        finally:
            await self.service.close()
            await asyncio.get_running_loop().run_in_executor(None, self._guard.close)

    def stop(self) -> None:
        """Take nothing more, answer what is under way, and end; from any thread, also before it runs."""
        self._uvicorn.should_exit = True

    def start(self) -> None:
        """Serve in a thread, and return when requests are taken.

        Raises:
            LogUnusable: the log cannot be used.
        """

        def run() -> None:
            try:
                self.run()
            except BaseException as error:
                self._failure = error

        self._thread = threading.Thread(target=run, name="fleet-api", daemon=True)
        self._thread.start()
        self._up.wait()
        if self._failure is not None:
            raise self._failure

    def join(self) -> None:
        """Wait for the end of a server that was started in a thread."""
        if self._thread is not None:
            self._thread.join()


@contextlib.contextmanager
def serving(
    project: Project,
    settings: ServeSettings,
    *,
    runtime: ContainerRuntime | None = None,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """A server in a thread, for as long as the block lasts."""
    server = Server(project, settings, runtime=runtime, environ=environ)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        server.join()


def check(settings: ServeSettings, tokens: Tokens) -> None:
    """Refuse to be open to people who should not be let in.

    Raises:
        ServeRefused: they would be.
    """
    if (settings.certificate is None) != (settings.key is None):
        raise ServeRefused("TLS needs a certificate and its key", hint="fleet serve --tls-cert FILE --tls-key FILE")
    if settings.on_loopback:
        return
    if settings.open_loopback:
        raise ServeRefused(f"--open-loopback is for this machine only, not for {settings.host}")
    if settings.certificate is None:
        raise ServeRefused(
            f"other machines reach {settings.host}, and tokens would cross the network in the open",
            hint="fleet serve --tls-cert FILE --tls-key FILE, or a TLS proxy before 127.0.0.1",
        )
    if not any(token.name != LOCAL_NAME for token in tokens.all()):
        raise ServeRefused(
            f"other machines reach {settings.host}, and nobody there has a token",
            hint="fleet tokens create NAME --scope read",
        )


def _bind(settings: ServeSettings) -> socket.socket:
    if settings.socket is not None:
        return _bind_unix(settings.socket)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    found = socket.socket(family)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((settings.host, settings.port))
    except (OSError, OverflowError) as error:
        found.close()
        raise ServeRefused(
            f"{settings.host}:{settings.port} cannot be listened on: {error}",
            hint="fleet serve --port N; 0 is any free one",
        ) from None
    return found


def _bind_unix(path: Path) -> socket.socket:
    """A socket that only its owner can connect to. One that a crashed server left behind is replaced."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ServeRefused(f"{path} is there already, and is no socket")
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except OSError:
                path.unlink()
            else:
                raise ServeRefused(f"another server listens on {path}")
    found = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        found.bind(str(path))
    except OSError as error:
        found.close()
        raise ServeRefused(f"{path} cannot be listened on: {error}") from None
    finally:
        os.umask(before)
    return found


def _place(settings: ServeSettings, bound: socket.socket) -> Place:
    if settings.socket is not None:
        return Place("http://localhost", os.getpid(), str(settings.socket.absolute()))
    host, port = bound.getsockname()[:2]
    scheme = "https" if settings.certificate is not None else "http"
    return Place(f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}", os.getpid())
