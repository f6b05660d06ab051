"""Opening a worker: everything that one needs, put together from a session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from reconciler.apply.mask import Mask
from reconciler.control.checkpoints.filing import Filing
from reconciler.control.desk.desk import Desk
from reconciler.control.worker.alone import Alone
from reconciler.control.worker.attempt import Bench
from reconciler.control.worker.container import Containers
from reconciler.control.worker.identity import Identity
from reconciler.control.worker.loop import Tell, Worker, WorkerOptions
from reconciler.control.worker.office import LocalOffice, Office
from reconciler.control.worker.settings import declared, environment
from reconciler.errors import NotFound
from reconciler.events.store.files import make_private_folder
from reconciler.paths import project_data_dir
from reconciler.spec.desired import SecretUse

if TYPE_CHECKING:
    from reconciler.control.remote.session import RemoteSession
    from reconciler.control.session import Session
    from reconciler.spec.desired import Desired


@contextmanager
def open_worker(session: Session, name: str, replica: int, tell: Tell, options: WorkerOptions) -> Iterator[Worker]:
    """A worker on the project's own log, or on that of the server that the session is about.

    Raises:
        NotFound: there is no such specialist, or its folder is not there.
        LeaseHeld: this replica works already.
    """
    desired, spec = declared(session, name)
    folder = Path(spec.working_dir) if spec.working_dir else session.here
    if not folder.is_dir():
        raise NotFound(f"the folder of specialist {name} is not there", where=str(folder))
    identity = Identity(spec, replica)
    office, data = _office(session, identity, desired, options)
    variables = environment(spec, desired, project=session.here, environ=session.environ)
    containers = _containers(identity, variables)
    mask = Mask()
    for variable, value in spec.environment.items():
        if isinstance(value, SecretUse):
            mask.learn(variables.get(variable, ""))
    bench = Bench(
        harness=spec.harness, folder=folder, data=data, environment=variables, mask=mask, contained=containers
    )
    with Alone(data, identity.id):
        if containers is not None:
            containers.sweep()
        yield Worker(office, identity, bench, tell, options)


def _office(session: Session, identity: Identity, desired: Desired, options: WorkerOptions) -> tuple[Office, Path]:
    """Where to ask for work, and the folder on this machine for what is made of it."""
    if session.remote:
        from reconciler.control.worker.remote_office import RemoteOffice

        data = project_data_dir(session.here)
        make_private_folder(data)
        return RemoteOffice(cast("RemoteSession", session).client, identity), data
    store = session.writable(desired.database)
    cause = replace(session.cause, actor=identity.name)
    desk = Desk(store, cause, after=Filing(session.directory))
    ahead = 0 if options.once else identity.spec.heartbeat_timeout_ms
    return LocalOffice(store, desk, identity, look_ahead_ms=ahead), store.path.parent


def _containers(identity: Identity, variables: Mapping[str, str]) -> Containers | None:
    spec = identity.spec
    return Containers(identity.id, variables, spec.environment) if spec.harness.kind == "container" else None
