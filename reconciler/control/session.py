"""A session: one project, its log, its runtime, and in whose name things are done. Everything is opened when first used."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from reconciler.events.envelope import Cause, Source
from reconciler.paths import project_hash
from reconciler.spec.location import database_path

if TYPE_CHECKING:
    from types import TracebackType

    from reconciler.control.provenance import Origin
    from reconciler.projections.store import Store
    from reconciler.runtime.model import ContainerRuntime
    from reconciler.runtime.process.model import ProcessRuntime
    from reconciler.spec.desired import DatabaseSettings
    from reconciler.spec.inputs import LoadOptions


class ProjectValues(Protocol):
    """What the command line, the API and tests know about a project."""

    @property
    def file(self) -> Path: ...
    @property
    def directory(self) -> Path: ...
    @property
    def env(self) -> str: ...
    @property
    def variables(self) -> Mapping[str, str]: ...
    @property
    def var_files(self) -> tuple[Path, ...]: ...
    @property
    def profiles(self) -> tuple[str, ...]: ...
    @property
    def database(self) -> str: ...


class Session:
    """Everything that one run of the cycle works with. A context manager; closing it closes the log.

    Attributes:
        file: the fleet file.
        directory: the project's folder; `here` is the one on this machine.
        project: its hash, the mark of ownership.
        database: where the log is, or would be.
        worker_command: instead of `fleet worker` of this installation.
        remote: it is about a fleet on another machine.
    """

    remote = False

    def __init__(
        self,
        project: ProjectValues,
        *,
        source: Source = "cli",
        runtime: ContainerRuntime | None = None,
        environ: Mapping[str, str] | None = None,
        ci: bool = False,
        processes: ProcessRuntime | None = None,
        worker_command: tuple[str, ...] = (),
    ) -> None:
        self._values = project
        self._ci = ci
        self._source = source
        self._runtime = runtime
        self._processes = processes
        self.worker_command = worker_command
        self._store: Store | None = None
        self.environ: Mapping[str, str] = os.environ if environ is None else environ
        self.file = project.file
        self.directory = self.here = project.directory
        self.project = project_hash(project.directory)
        self.database = database_path(project.directory, project.file, flag=project.database, environ=self.environ)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the log, if it was opened."""
        if self._store is not None:
            self._store.close()
            self._store = None

    @cached_property
    def cause(self) -> Cause:
        """In whose name this session records. Asks git, so only those who record should ask for it."""
        from reconciler.control.ci.server import build_server
        from reconciler.control.provenance import cause_in_ci, cause_of

        if self._ci:
            server = build_server(self.environ)
            return cause_in_ci(self.file, server, source=self._source, environ=self.environ)
        return cause_of(self.file, source=self._source, environ=self.environ)

    def origin(self) -> Origin:
        """Author and branch of the commit that the cause names."""
        from reconciler.control.ci.server import build_server
        from reconciler.control.provenance import origin_of

        branch = build_server(self.environ).branch if self._ci else ""
        return origin_of(self.file, self.cause.commit, branch=branch)

    def speaks_for(self, cause: Cause) -> None:
        """Record in somebody else's name, from the commit that the file is at."""
        self.cause = replace(cause, commit=self.cause.commit)

    def renew_cause(self) -> None:
        """Ask for the commit again when it is next needed: who runs for long sees more than one."""
        self.__dict__.pop("cause", None)

    @property
    def runtime(self) -> ContainerRuntime:
        """The container engine.

        Raises:
            ToolMissing: when there is no Podman.
            RuntimeUnreachable: when it does not answer.
        """
        if self._runtime is None:
            from reconciler.runtime.podman import Podman

            self._runtime = Podman.connect(self.environ)
        return self._runtime

    @cached_property
    def processes(self) -> ProcessRuntime:
        """The processes of this machine."""
        if self._processes is not None:
            return self._processes
        from reconciler.runtime.process.local import LocalProcesses

        return LocalProcesses()

    @property
    def store(self) -> Store | None:
        """The log, opened for reading only unless `writable` was called; None when nothing was ever recorded.

        Raises:
            LogUnusable: when there is one that cannot be read.
        """
        if self._store is None and self.database.exists():
            from reconciler.projections.store import open_store

            self._store = open_store(self.database, mode="read")
        return self._store

    def writable(self, settings: DatabaseSettings | None = None) -> Store:
        """The log, opened for writing; made if there is none, with the key that secrets' digests need.

        Raises:
            LogUnusable: when it cannot be written.
        """
        from reconciler.projections.store import open_store
        from reconciler.spec.desired import DatabaseSettings
        from reconciler.spec.secrets import make_key

        if self._store is not None and self._writing:
            return self._store
        self.close()
        self._store = open_store(self.database, mode="write", settings=settings or DatabaseSettings())
        self._writing = True
        make_key(self.database.parent)
        return self._store

    _writing = False

    def load_options(self) -> LoadOptions:
        """How the file is to be read."""
        from reconciler.spec.inputs import LoadOptions
        from reconciler.spec.secrets import read_key

        return LoadOptions(
            env=self._values.env,
            variables=self._values.variables,
            var_files=self._values.var_files,
            profiles=self._values.profiles,
            environ=self.environ,
            key=read_key(self.database.parent),
        )


def open_session(
    project: ProjectValues,
    *,
    source: Source = "cli",
    runtime: ContainerRuntime | None = None,
    environ: Mapping[str, str] | None = None,
    ci: bool = False,
) -> Session:
    """A session about a project. Touches nothing by itself.

    Args:
        runtime: instead of the Podman that the environment names.
        environ: instead of this process's own environment.
        ci: a build server runs this, and says who and which branch.

    Raises:
        ServerUnreachable: the project names a server that does not answer.
    """
    address = getattr(project, "remote", "")
    if address:
        from reconciler.control.remote.session import RemoteSession

        return RemoteSession(project, address, source=source, environ=environ)
    return Session(project, source=source, runtime=runtime, environ=environ, ci=ci)
