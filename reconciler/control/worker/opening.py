"""Opening a worker: everything that one needs, put together from a session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.control.checkpoints.filing import Filing
from reconciler.control.desk.desk import Desk
from reconciler.control.worker.alone import Alone
from reconciler.control.worker.attempt import Bench
from reconciler.control.worker.container import Containers
from reconciler.control.worker.identity import Identity
from reconciler.control.worker.loop import Tell, Worker, WorkerOptions
from reconciler.control.worker.office import LocalOffice
from reconciler.control.worker.settings import declared, environment
from reconciler.errors import NotFound

if TYPE_CHECKING:
    from reconciler.control.session import Session


@contextmanager
def open_worker(session: Session, name: str, replica: int, tell: Tell, options: WorkerOptions) -> Iterator[Worker]:
    """A worker on the project's own log.

    Raises:
        NotFound: there is no such specialist, or its folder is not there.
        LeaseHeld: this replica works already.
    """
    desired, spec = declared(session, name)
    folder = Path(spec.working_dir) if spec.working_dir else session.directory
    if not folder.is_dir():
        raise NotFound(f"the folder of specialist {name} is not there", where=str(folder))
    identity = Identity(spec, replica)
    store = session.writable(desired.database)
    data = store.path.parent
    variables = environment(spec, desired, project=session.directory, environ=session.environ)
    containers = _containers(identity, variables)
    bench = Bench(harness=spec.harness, folder=folder, data=data, environment=variables, contained=containers)
    with Alone(data, identity.id):
        if containers is not None:
            containers.sweep()
        cause = replace(session.cause, actor=identity.name)
        yield Worker(LocalOffice(store, Desk(store, cause, after=Filing(session.directory)), identity), identity, bench, tell, options)


def _containers(identity: Identity, variables: Mapping[str, str]) -> Containers | None:
    spec = identity.spec
    return Containers(identity.id, variables, spec.environment) if spec.harness.kind == "container" else None
