"""The log that carrying out a plan would leave, made of values: no engine, no database, no clock.

It says what an apply in which everything works records, so that tests can ask for the plan after it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from reconciler.events.envelope import Event, NewEvent
from reconciler.plan.model import (
    AdoptContainer,
    AnyAction,
    BuildImage,
    CancelMission,
    CreateContainer,
    CreateNetwork,
    CreateVolume,
    DefineService,
    DefineSpecialist,
    DrainProcess,
    ForgetService,
    ForgetSpecialist,
    MoveService,
    Plan,
    PullImage,
    RemoveContainer,
    RemoveNetwork,
    RemoveProcess,
    RenameContainer,
    ReplaceContainer,
    ReplaceNetwork,
    ReplaceProcess,
    RestartContainer,
    ResumeProcess,
    RunHandler,
    StartContainer,
    StartMission,
    StartProcess,
    StopContainer,
    StopProcess,
    UpdateContainer,
    UpdateMission,
    verb_of,
)
from reconciler.projections.fold import fold
from reconciler.projections.projected import Projected, project
from reconciler.projections.rows import MemoryRows
from reconciler.spec.desired import Desired, NetworkSpec, ServiceSpec, to_document
from reconciler.work import missions
from reconciler.work.state import Mission, Sortie

Told = tuple[str, dict[str, Any]]

START_MS = 1_795_521_600_000


class Log:
    """A log in memory: what was recorded, folded into rows at once. Each event happens a second after the one before."""

    def __init__(self) -> None:
        self.rows = MemoryRows()
        self.events: list[Event] = []
        self._containers = 0
        self._images: Mapping[str, str] = {}

    @property
    def now_ms(self) -> int:
        """The time of the next event."""
        return START_MS + 1000 * len(self.events)

    def projected(self) -> Projected:
        """What follows from everything so far."""
        return project(self.rows, sequence=len(self.events))

    def record(self, event_type: str, data: Mapping[str, Any], *, actor: str = "ada") -> Event:
        """Append one event."""
        number = len(self.events) + 1
        service = str(data.get("service", "")) or str(data.get("resource", "")).partition("/")[2]
        event = Event(
            sequence_number=number,
            event_id=UUID(int=number),
            event_type=event_type,
            stream_type="service" if service else "fleet",
            stream_id=service or "shop",
            version=number,
            data=dict(data),
            causation_id=None,
            correlation_id=UUID(int=0),
            metadata={"actor": actor, "source": "cli"},
            occurred_at=self.now_ms,
            recorded_at=self.now_ms,
            schema_version=1,
            hash=b"",
        )
        self.events.append(event)
        fold(event, self.rows)
        return event

    def carry_out(self, plan: Plan, desired: Desired, images: Mapping[str, str] | None = None) -> None:
        """Record what carrying out a plan records when everything works.

        Args:
            images: ids of those that are here, where it is not the usual one.
        """
        self._images = images or {}
        for action in plan.actions:
            self.carry_out_one(action, desired)

    def carry_out_one(self, action: AnyAction, desired: Desired) -> None:
        """Record an intent and all its outcomes."""
        if isinstance(action, DefineService | MoveService | ForgetService | DefineSpecialist | ForgetSpecialist):
            for event_type, data in _records(action):
                self.record(event_type, data)
            return
        intent = self.record("action_intended", _intent(action))
        label = f"evt_{intent.event_id.hex}"
        for event_type, data in self._outcomes(action, desired, label):
            self.record(event_type, data)
        if isinstance(action, CreateContainer | ReplaceContainer | UpdateContainer):
            for handler in desired.services[action.service].notify:
                self.record("handler_notified", {"handler": handler, "service": action.service})

    def new_container_id(self) -> str:
        """An id that no container had before."""
        self._containers += 1
        return f"{self._containers:012d}"

    def _outcomes(self, action: AnyAction, desired: Desired, label: str) -> Iterator[Told]:
        match action:
            case CreateContainer() | ReplaceContainer():
                yield from self._made(action, desired.services[action.service], label)
            case StartContainer() | RestartContainer():
                yield from _started(action.service, action.replica, action.container_id, desired, label)
            case StopContainer():
                yield "container_stopped", {**_container(action), "exit_code": 143, "intent_id": label}
            case UpdateContainer():
                yield "container_updated", {**_container(action), "resources": to_document(action.resources)}
            case RenameContainer():
                yield "container_renamed", {**_container(action), "name": action.name, "intent_id": label}
            case RemoveContainer():
                yield "container_removed", {**_container(action), "intent_id": label}
            case AdoptContainer():
                yield "container_adopted", _adopted(action, desired)
            case RunHandler():
                yield "handler_completed", {"handler": action.handler.name}
            case StartMission():
                yield from self._mission_started(action)
            case UpdateMission(mission_id=mission_id, definition=spec):
                row = self.rows.get("missions", mission_id) or {}
                mission = Mission.from_row(row)
                yield from _told(missions.follow_file(mission, spec, row["metadata"], now_ms=self.now_ms))
            case CancelMission(mission_id=mission_id):
                yield from _told(self._cancelled(mission_id))
            case StartProcess() | ReplaceProcess() | StopProcess() | RemoveProcess() | ResumeProcess() | DrainProcess():
                yield from _process(action, label)
            case CreateNetwork() | ReplaceNetwork() | RemoveNetwork() | CreateVolume() | PullImage() | BuildImage():
                yield from _shared(action)

    def _mission_started(self, action: StartMission) -> Iterator[Told]:
        mission_id = f"msn_{action.mission}_{action.run}"
        ids = {name: f"sortie_{action.mission}_{name}_{action.run}" for name in action.definition.sorties}
        spec, now = action.definition, self.now_ms
        yield from _told(missions.declare(spec, mission_id, ids, now_ms=now, run=action.run))
        mission = Mission(id=mission_id, declared=True)
        yield from _told(missions.start(mission, (), now_ms=now, definition=spec))

    def _cancelled(self, mission_id: str) -> list[NewEvent]:
        own = [Sortie.from_row(row) for _, row in self.rows.scan("sorties") if row["mission_id"] == mission_id]
        mission = Mission.from_row(self.rows.get("missions", mission_id) or {})
        return missions.cancel(mission, own, by="ada", now_ms=self.now_ms)

    def _made(self, action: CreateContainer | ReplaceContainer, spec: ServiceSpec, label: str) -> Iterator[Told]:
        """A new container under a name of its own, then the old one goes, then it takes the name and starts."""
        container_id = self.new_container_id()
        replica = {"service": action.service, "replica": action.replica}
        made = {**replica, "container_id": container_id}
        replaces = isinstance(action, ReplaceContainer)
        created = {
            **made,
            "name": f"{action.name}-new" if replaces else action.name,
            "digest": action.digest,
            "image": spec.image,
            "image_id": self._images.get(spec.image) or image_id(spec.image),
            "intent_id": label,
        }
        yield "container_created", created
        if isinstance(action, ReplaceContainer):
            yield "container_removed", {**replica, "container_id": action.container_id, "intent_id": label}
            yield "container_renamed", {**made, "name": action.name, "intent_id": label}
        yield "container_started", {**made, "intent_id": label}
        if spec.kind == "job":
            yield "job_completed", {**made, "exit_code": 0, "digest": action.digest}


def image_id(reference: str) -> str:
    """The id that a reference points to, as long as nobody rebuilds it."""
    return f"sha256:{hashlib.sha256(reference.encode()).hexdigest()}"


def images_of(desired: Iterable[Desired]) -> dict[str, str]:
    """Every image of these fleets, as if all of them were here."""
    return {spec.image: image_id(spec.image) for one in desired for spec in one.services.values()}


def _records(
    action: DefineService | MoveService | ForgetService | DefineSpecialist | ForgetSpecialist,
) -> Iterator[Told]:
    match action:
        case DefineSpecialist(definition=spec, digest=digest):
            yield "specialist_defined", {"pool": spec.name, "digest": digest, "definition": to_document(spec)}
        case ForgetSpecialist(pool=pool):
            yield "specialist_removed", {"pool": pool}
        case DefineService(definition=definition, digest=digest):
            data = {"service": definition.name, "digest": digest, "definition": to_document(definition)}
            yield "service_defined", data
        case MoveService(from_service=old, service=new):
            yield "resource_moved", {"from_resource": f"service/{old}", "to_resource": f"service/{new}"}
        case ForgetService(service=service):
            yield "service_removed", {"service": service}


def _intent(action: AnyAction) -> dict[str, Any]:
    data: dict[str, Any] = {
        "action": verb_of(action),
        "resource": action.resource,
        "reason": {"code": action.reason.code, "text": action.reason.text},
        "apply_id": "apply_1",
    }
    replica = getattr(action, "replica", None)
    return data if replica is None else {**data, "replica": replica}


def _container(action: StopContainer | UpdateContainer | RenameContainer | RemoveContainer) -> dict[str, Any]:
    return {"service": action.service, "replica": action.replica, "container_id": action.container_id}


def _started(service: str, replica: int, container_id: str, desired: Desired, label: str) -> Iterator[Told]:
    container = {"service": service, "replica": replica, "container_id": container_id}
    yield "container_started", {**container, "intent_id": label}
    spec = desired.services[service]
    if spec.kind == "job":
        from reconciler.spec.roles import definition_digest

        yield "job_completed", {**container, "exit_code": 0, "digest": definition_digest(spec)}


def _process(
    action: StartProcess | ReplaceProcess | StopProcess | RemoveProcess | ResumeProcess | DrainProcess, label: str
) -> Iterator[Told]:
    replica = {"pool": action.pool, "replica": action.replica, "intent_id": label}
    if isinstance(action, ResumeProcess):
        yield "specialist_process_resumed", {**replica, "process_id": action.process_id}
    elif isinstance(action, DrainProcess):
        yield "specialist_process_drained", {**replica, "process_id": action.process_id, "until": START_MS + 60_000}
    elif not isinstance(action, StartProcess):
        yield "specialist_process_stopped", {**replica, "process_id": action.process_id, "exit_code": 0}
    if isinstance(action, StartProcess | ReplaceProcess):
        started = {**replica, "process_id": label, "digest": action.digest, "pid": 4_711}
        yield "specialist_process_started", started


def _told(events: Iterable[NewEvent]) -> Iterator[Told]:
    return ((event.event_type, event.data) for event in events)


def _adopted(action: AdoptContainer, desired: Desired) -> dict[str, Any]:
    image = desired.services[action.service].image
    return {
        "service": action.service,
        "replica": action.replica,
        "container_id": action.container_id,
        "name": action.name,
        "digest": action.digest,
        "image": image,
        "image_id": image_id(image),
    }


def _shared(
    action: CreateNetwork | ReplaceNetwork | RemoveNetwork | CreateVolume | PullImage | BuildImage,
) -> Iterator[Told]:
    match action:
        case CreateNetwork(network=network):
            yield "network_created", _made_network(network)
        case ReplaceNetwork(network=network, old=old):
            yield "network_removed", {"network": old.name, "engine_name": old.engine_name}
            yield "network_created", _made_network(network)
        case RemoveNetwork(network=name, engine_name=engine_name):
            yield "network_removed", {"network": name, "engine_name": engine_name}
        case CreateVolume(volume=volume):
            yield "volume_created", {"volume": volume.name, "engine_name": volume.engine_name}
        case PullImage(image=image):
            yield "image_pulled", {"image": image, "image_id": image_id(image)}
        case BuildImage(image=image, build=build):
            yield "image_built", {"image": image, "image_id": image_id(image), "build_digest": build.digest}


def _made_network(network: NetworkSpec) -> dict[str, Any]:
    options = {"internal": network.internal, "subnet": network.subnet}
    return {"network": network.name, "engine_name": network.engine_name, **options}
