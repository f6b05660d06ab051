"""What the actions of one apply work with: what is wanted, the runtime, the journal, and secrets fetched once."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.apply.crew import Crew, NoCrew
from reconciler.apply.journal import Journal
from reconciler.apply.mask import Mask
from reconciler.apply.work import NoWork, WorkDoor
from reconciler.errors import ActionFailed, FleetError, NotFound
from reconciler.events.envelope import NewEvent
from reconciler.projections.projected import Projected, ProjectedContainer
from reconciler.runtime.model import LABEL_FLEET, LABEL_INTENT, LABEL_PROJECT, LABEL_RESOURCE, ContainerRuntime
from reconciler.runtime.process.model import ObservedProcess, ProcessRuntime
from reconciler.spec.desired import Desired, ServiceSpec, SpecialistSpec, service_from_document
from reconciler.spec.env_files import read_env_file
from reconciler.spec.roles import definition_digest
from reconciler.spec.secrets import resolve


@dataclass(frozen=True, slots=True)
class Running:
    """The container that stands for a replica now.

    Attributes:
        started_ms: when this apply started it, as `passed_ms` counts; 0 when it ran before.
        last_event: the event that last changed it.
    """

    container_id: str
    digest: str
    name: str
    started_ms: int = 0
    last_event: NewEvent | None = None


class Halt:
    """Why everything has to end at once, from the moment it has to. Safe from any thread."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.error: FleetError | None = None

    def set(self, error: FleetError) -> None:
        """End everything; the first reason stays."""
        self.error = self.error or error
        self._event.set()

    def check(self) -> None:
        """Raises the reason, if there is one."""
        if self.error is not None:
            raise self.error

    def sleep(self, milliseconds: int) -> None:
        """Wait that long, or raise the reason as soon as there is one."""
        self._event.wait(milliseconds / 1000)
        self.check()


class Means:
    """Shared by all actions of one apply. Safe from any thread.

    Attributes:
        projected: what the log said when the apply began.
        work, crew: the doors to the agents' world: its missions and its specialists.
        project: the project's folder.
        environ: what secrets are looked up in, and what processes inherit.
        mask: hides the values of secrets in texts.
        halt: set when everything has to end.
        reverted: services that were put back to their last good definition.
    """

    def __init__(
        self,
        *,
        desired: Desired,
        projected: Projected,
        runtime: ContainerRuntime,
        journal: Journal,
        project: Path,
        environ: Mapping[str, str],
        work: WorkDoor | None = None,
        processes: ProcessRuntime | None = None,
        crew: Crew | None = None,
    ) -> None:
        self.desired = desired
        self.projected = projected
        self.runtime = runtime
        self.journal = journal
        self.work = work or NoWork()
        self.crew = crew or NoCrew()
        self.project = project
        self.environ = environ
        self._processes = processes
        self._at_work: dict[tuple[str, int], tuple[ObservedProcess, int]] = {}
        self.mask = Mask()
        self.halt = Halt()
        self.reverted: list[str] = []
        self._lock = threading.Lock()
        self._secret_lock = threading.RLock()
        self._secrets: dict[str, bytes] = {}
        self._objects: set[str] = set()
        self._told: set[tuple[str, str]] = set()
        self._images: dict[str, str] = {}
        self._recorded = {container.container_id: container for container in projected.all_containers()}
        self._running: dict[tuple[str, int], Running] = {
            (container.service, container.replica): Running(container.container_id, container.digest, container.name)
            for container in projected.all_containers()
            if not container.second and container.state != "missing"
        }

    def service(self, name: str) -> ServiceSpec:
        """The definition that is wanted.

        Raises:
            ActionFailed: the plan is about a service that is not in the file.
        """
        spec = self.desired.services.get(name)
        if spec is None:
            raise ActionFailed(f"service/{name} is not in the file any more", hint="fleet plan")
        return spec

    @property
    def processes(self) -> ProcessRuntime:
        """The runtime of processes.

        Raises:
            ActionFailed: this apply was not given one.
        """
        if self._processes is None:
            raise ActionFailed("this apply is about services only")
        return self._processes

    def specialist(self, name: str) -> SpecialistSpec:
        """The definition of a specialist that is wanted.

        Raises:
            ActionFailed: the plan is about a specialist that is not in the file.
        """
        spec = self.desired.specialists.get(name)
        if spec is None:
            raise ActionFailed(f"specialist/{name} is not in the file any more", hint="fleet plan")
        return spec

    def now_at_work(self, pool: str, replica: int, process: ObservedProcess, began_ms: int) -> None:
        """From now on this process, which was started then, stands for the replica."""
        with self._lock:
            self._at_work[pool, replica] = (process, began_ms)

    def at_work(self) -> dict[tuple[str, int], tuple[ObservedProcess, int]]:
        """The processes that this apply has started, by replica, with the time (Unix ms)."""
        with self._lock:
            return dict(sorted(self._at_work.items()))

    def definition(self, digest: str) -> ServiceSpec | None:
        """The definition that a container was made from, as far as the log remembers it."""
        document = self.projected.definitions.get(digest)
        return service_from_document(document) if document is not None else None

    def made_from(self, service: str, running: Running) -> ServiceSpec:
        """The definition that a container was made from; what is wanted now where the log does not remember it."""
        wanted = self.service(service)
        if running.digest == definition_digest(wanted):
            return wanted
        return self.definition(running.digest) or wanted

    def recorded(self, container_id: str) -> ProjectedContainer | None:
        """What the log said of a container when the apply began."""
        return self._recorded.get(container_id)

    def secret(self, name: str) -> bytes:
        """A secret's value, fetched at most once.

        Raises:
            FleetError: when it has none; never with any part of it.
        """
        with self._secret_lock:
            if name not in self._secrets:
                source = self.desired.secrets.get(name)
                if source is None:
                    raise NotFound(f"the secret {name} is not declared", hint="declare it under secrets:")
                value = resolve(source, project=self.project, environ=self.environ)
                self.mask.learn(value)
                self._secrets[name] = value
            return self._secrets[name]

    def env_files(self, spec: ServiceSpec) -> dict[str, str]:
        """What a service's env files hold at this moment, later files over earlier ones."""
        values: dict[str, str] = {}
        for env_file in spec.env_files:
            values.update(read_env_file(Path(env_file.source)))
        for value in values.values():
            self.mask.learn(value)
        return values

    def image_id(self, reference: str) -> str:
        """The id behind a reference, asked for at most once.

        Raises:
            ActionFailed: when the image is not here.
        """
        with self._lock:
            known = self._images.get(reference)
        if known is None:
            known = self.runtime.image_id(reference)
            if known is None:
                raise ActionFailed(
                    f"the image {reference} is not on this machine", hint="build it, or let `pull` bring it"
                )
            self.learn_image(reference, known)
        return known

    def learn_image(self, reference: str, image_id: str) -> None:
        """What a pull or a build made of a reference."""
        with self._lock:
            self._images[reference] = image_id

    def make_secret_object(self, engine_name: str, secret: str) -> None:
        """Hand a secret's value to the engine, at most once."""
        with self._secret_lock:
            if engine_name in self._objects:
                return
            value = self.secret(secret)
            self.runtime.put_secret(engine_name, value, self.labels(f"secret/{secret}"))
            self._objects.add(engine_name)

    def labels(self, resource: str, intent: str = "") -> dict[str, str]:
        """The marks of ownership that everything carries."""
        labels = {
            LABEL_PROJECT: self.desired.project,
            LABEL_FLEET: self.desired.name,
            LABEL_RESOURCE: resource,
        }
        return {**labels, LABEL_INTENT: intent} if intent else labels

    def first_to_tell(self, container_id: str, what: str) -> bool:
        """True for the first of several waits that sees something about a container, which then records it."""
        with self._lock:
            new = (container_id, what) not in self._told
            self._told.add((container_id, what))
            return new

    def now_running(self, service: str, replica: int, running: Running) -> None:
        """From now on this container stands for the replica."""
        with self._lock:
            self._running[service, replica] = running

    def moved(self, old: str, new: str) -> None:
        """A service has another name now; its containers stand for that."""
        with self._lock:
            for service, replica in [key for key in self._running if key[0] == old]:
                self._running[new, replica] = self._running.pop((service, replica))

    def no_longer(self, container_id: str) -> None:
        """A container is gone or stopped."""
        with self._lock:
            for key, running in list(self._running.items()):
                if running.container_id == container_id:
                    del self._running[key]

    def replicas(self, service: str) -> dict[int, Running]:
        """The containers that stand for a service now, by replica."""
        with self._lock:
            return {replica: running for (name, replica), running in sorted(self._running.items()) if name == service}
