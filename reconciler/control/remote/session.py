"""A session about a fleet on another machine: its log is read through HTTP, and nothing can be changed from here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from reconciler.client.address import at_hand
from reconciler.client.calls import log
from reconciler.client.clients import Client
from reconciler.control.remote.store import RemoteStore, elsewhere
from reconciler.control.session import ProjectValues, Session
from reconciler.spec.location import database_path

if TYPE_CHECKING:
    from reconciler.events.envelope import Source
    from reconciler.projections.store import Store
    from reconciler.spec.desired import DatabaseSettings


class RemoteSession(Session):
    """What reading verbs work with, over a server. The file, the folder and the database are those of the server."""

    remote = True

    def __init__(
        self, project: ProjectValues, address: str, *, source: Source = "cli", environ: Mapping[str, str] | None = None
    ) -> None:
        self._values = project
        self._source = source
        self._ci = False
        self.here = project.directory
        self.environ = os.environ if environ is None else environ
        log_here = database_path(project.directory, project.file, flag=project.database, environ=self.environ)
        self.client = Client(at_hand(address, log_here.parent, self.environ))
        try:
            head = self.client.send(log.head())
        except BaseException:
            self.client.close()
            raise
        self.file = Path(head.file)
        self.directory = Path(head.directory)
        self.project = head.project
        self.database = Path(head.database)

    def close(self) -> None:
        self.client.close()

    @cached_property
    def store(self) -> Store:
        return RemoteStore(self.client, self.database)

    @property
    def runtime(self) -> NoReturn:
        elsewhere()

    def writable(self, settings: DatabaseSettings | None = None) -> NoReturn:
        elsewhere()
