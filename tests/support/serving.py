"""A real server on a free port of this machine, over an empty log of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from reconciler.api.server import Server, serving
from reconciler.api.settings import ServeSettings
from reconciler.api.tokens import read_local
from reconciler.control.project import Project


class Served:
    """A running server, and who may ask it.

    Attributes:
        url: where it listens.
        admin: a client with the token of whoever runs it.
    """

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.service = server.service
        self.folder = folder
        self.url = server.place.url
        self._clients = contextlib.ExitStack()
        self.admin = self.client(read_local(self.service.folder))

    def client(self, token: str = "", **options: Any) -> httpx.Client:
        """A client with a token, or with none."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        headers |= options.pop("headers", {})
        made = httpx.Client(base_url=self.url, headers=headers, timeout=20, **options)
        return self._clients.enter_context(made)

    def token(self, name: str, *scopes: str, specialist: str = "") -> str:
        """A new token."""
        return self.service.tokens.create(name, scopes, specialist=specialist)[1]

    def head(self) -> int:
        """The newest sequence number."""
        return self.service.store.head()

    def close(self) -> None:
        """Close every client."""
        self._clients.close()


@contextlib.contextmanager
def served(folder: Path, **settings: Any) -> Iterator[Served]:
    """A server whose project and data are in this folder."""
    project = folder / "project"
    project.mkdir(exist_ok=True)
    database = folder / "data" / "squawk.db"
    found = Project(file=project / "fleet.yaml", directory=project, database=str(database))
    with serving(found, ServeSettings(**{"port": 0, "rate": 0.0, **settings})) as server:
        made = Served(server, folder)
        try:
            yield made
        finally:
            made.close()
