"""Actions: one function per kind, each about one thing asked of the runtime. None of them decides anything.

A function is called when its intent is on disk. It acts and returns the outcomes, which the caller records; where a
step within an action must be known after a crash in a certain order, the function records that step itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, assert_never
from uuid import UUID

from reconciler.apply.intents import Intent
from reconciler.apply.means import Means, Running
from reconciler.apply.orders import order, put_files
from reconciler.apply.owned import expendable, name_taken, owned
from reconciler.apply.readiness import passed_ms
from reconciler.errors import ActionFailed, FleetError, NotFound
from reconciler.events.envelope import NewEvent
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
)
from reconciler.projections.projected import ProjectedContainer
from reconciler.spec.desired import limits_of, to_document

Outcomes = list[NewEvent]


@dataclass(frozen=True, slots=True)
class Replica:
    """The three fields that name a container in an event."""

    service: str
    replica: int
    container_id: str

    def data(self, intent: Intent, **more: Any) -> dict[str, Any]:
        """Data of an outcome about it."""
        return {
            "service": self.service,
            "replica": self.replica,
            "container_id": self.container_id,
            "intent_id": intent.label,
            **more,
        }


def carry_out(means: Means, action: AnyAction, intent: Intent) -> Outcomes:
    """Do what an action says; what came of it.

    Raises:
        FleetError: it did not work.
    """
    match action:
        case CreateNetwork() | ReplaceNetwork() | RemoveNetwork():
            from reconciler.apply.networks import change_network

            return change_network(means, action, intent)
        case CreateVolume():
            return create_volume(means, action, intent)
        case PullImage():
            return pull_image(means, action, intent)
        case BuildImage():
            return build_image(means, action, intent)
        case CreateContainer():
            return create_container(means, action, intent)
        case StartContainer():
            return start_container(means, action, intent)
        case StopContainer():
            return stop_container(means, action, intent)
        case RestartContainer():
            return restart_container(means, action, intent)
        case ReplaceContainer():
            from reconciler.apply.replacing import replace_container

            return replace_container(means, action, intent)
        case UpdateContainer():
            return update_container(means, action, intent)
        case RenameContainer():
            return rename_container(means, action, intent)
        case RemoveContainer():
            return remove_container(means, action, intent)
        case AdoptContainer():
            return adopt_container(means, action, intent)
        case RunHandler():
            from reconciler.apply.handlers import run_handler

            return run_handler(means, action, intent)
        case StartMission() | UpdateMission() | CancelMission():
            # What it comes to is recorded there, with the rules of the agents' world.
            means.work.carry_out(action, intent.event.event_id)
            return []
        case StartProcess() | ResumeProcess() | DrainProcess() | ReplaceProcess() | StopProcess() | RemoveProcess():
            from reconciler.apply.processes import carry_out_process

            return carry_out_process(means, action, intent)
        case DefineService() | ForgetService() | MoveService() | DefineSpecialist() | ForgetSpecialist():
            raise TypeError(f"{action.id} is a record and touches no runtime")
        case _:
            assert_never(action)


Record = DefineService | ForgetService | MoveService | DefineSpecialist | ForgetSpecialist


def record_of(action: Record, *, fleet: str, revision: int, cause: UUID | None) -> NewEvent:
    """The event that an action comes to which is nothing but a record."""
    match action:
        case DefineService():
            data = {
                "service": action.definition.name,
                "digest": action.digest,
                "definition": to_document(action.definition),
                "revision": revision,
            }
            return NewEvent("service_defined", "service", action.definition.name, data, causation_id=cause)
        case ForgetService():
            data = {"service": action.service}
            return NewEvent("service_removed", "service", action.service, data, causation_id=cause)
        case DefineSpecialist():
            pool = action.definition.name
            data = {
                "pool": pool,
                "digest": action.digest,
                "definition": to_document(action.definition),
                "revision": revision,
            }
            return NewEvent("specialist_defined", "specialist", pool, data, causation_id=cause)
        case ForgetSpecialist():
            return NewEvent("specialist_removed", "specialist", action.pool, {"pool": action.pool}, causation_id=cause)
        case MoveService():
            data = {"from_resource": f"service/{action.from_service}", "to_resource": f"service/{action.service}"}
            return NewEvent("resource_moved", "fleet", fleet, data, causation_id=cause)
        case _:
            assert_never(action)


def create_volume(means: Means, action: CreateVolume, intent: Intent) -> Outcomes:
    """Make a volume."""
    volume = action.volume
    means.runtime.create_volume(volume, means.labels(action.resource, intent.label))
    data = {"volume": volume.name, "engine_name": volume.engine_name}
    return [intent.outcome("volume_created", data)]


def pull_image(means: Means, action: PullImage, intent: Intent) -> Outcomes:
    """Bring an image here, as the policy says."""
    image_id = means.runtime.image_id(action.image) if action.policy != "always" else None
    if image_id is None:
        if action.policy == "never":
            raise ActionFailed(
                f"the image {action.image} is not on this machine and its pull policy is never",
                hint=f"podman pull {action.image}, or build it",
            )
        image_id = means.runtime.pull(action.image)
    means.learn_image(action.image, image_id)
    return [intent.outcome("image_pulled", {"image": action.image, "image_id": image_id})]


def build_image(means: Means, action: BuildImage, intent: Intent) -> Outcomes:
    """Build an image and tag it."""
    build = action.build
    image_id = means.runtime.build(action.image, build.context, build.containerfile, build.args, build.target)
    means.learn_image(action.image, image_id)
    data = {"image": action.image, "image_id": image_id, "build_digest": build.digest}
    return [intent.outcome("image_built", data)]


def create_container(means: Means, action: CreateContainer, intent: Intent) -> Outcomes:
    """Make a container, put its files in, start it."""
    created = make_container(means, action, intent, name=action.name)
    try:
        started = launch(means, action, intent, created)
    except FleetError:
        means.journal.record(created)
        raise
    return [created, started]


def make_container(means: Means, action: CreateContainer | ReplaceContainer, intent: Intent, *, name: str) -> NewEvent:
    """Make a container with its files and without starting it; the event that says so, not yet recorded."""
    spec = means.service(action.service)
    image_id = means.image_id(spec.image)
    wanted = order(means, action.service, action.replica, name=name, digest=action.digest, intent=intent.label)
    try:
        container_id = means.runtime.create(wanted)
    except ActionFailed as error:
        raise _explained(means, name, error) from error
    put_files(means, container_id, spec)
    data = Replica(action.service, action.replica, container_id).data(
        intent, name=name, digest=action.digest, image=spec.image, image_id=image_id
    )
    return intent.outcome("container_created", data)


def _explained(means: Means, name: str, error: ActionFailed) -> ActionFailed:
    """A name that is taken is the one refusal of the engine that a person can do something about."""
    holder = means.runtime.find(name)
    return name_taken(holder) if holder is not None else error


def launch(
    means: Means,
    action: CreateContainer | ReplaceContainer,
    intent: Intent,
    created: NewEvent,
) -> NewEvent:
    """Start a container that was just made; the event that says so, not yet recorded."""
    container_id = created.data["container_id"]
    means.runtime.start(container_id)
    return running_since_now(means, action, intent, container_id, after=created)


def running_since_now(
    means: Means,
    action: CreateContainer | ReplaceContainer | StartContainer | RestartContainer,
    intent: Intent,
    container_id: str,
    *,
    after: NewEvent | None = None,
    digest: str = "",
) -> NewEvent:
    """The event that a container runs; from now on it stands for its replica."""
    started = intent.outcome(
        "container_started", Replica(action.service, action.replica, container_id).data(intent), after=after
    )
    chosen = digest or getattr(action, "digest", "")
    means.now_running(action.service, action.replica, Running(container_id, chosen, action.name, passed_ms(), started))
    return started


def start_container(means: Means, action: StartContainer, intent: Intent) -> Outcomes:
    """Start a container that is there. One that never ran may lack files that a crash kept from being written."""
    container = owned(means, action.container_id, action.name)
    known = means.recorded(action.container_id)
    digest = known.digest if known is not None else ""
    if action.paused or container.state == "paused":
        means.runtime.unpause(action.container_id)
    else:
        if container.state == "created":
            put_files(means, action.container_id, means.definition(digest) or means.service(action.service))
        means.runtime.start(action.container_id)
        _limit_again(means, known)
    return [running_since_now(means, action, intent, action.container_id, digest=digest)]


def _limit_again(means: Means, known: ProjectedContainer | None) -> None:
    """Podman 4 starts a container with the limits that it was made with, whatever they were changed to since."""
    if known is not None and known.limits_changed:
        means.runtime.update(known.container_id, limits_of(known.resources))


def stop_container(means: Means, action: StopContainer, intent: Intent) -> Outcomes:
    """Stop a container and keep it."""
    owned(means, action.container_id, action.name)
    means.runtime.stop(action.container_id, action.grace_ms)
    means.no_longer(action.container_id)
    data = Replica(action.service, action.replica, action.container_id).data(intent)
    return [intent.outcome("container_stopped", data)]


def restart_container(means: Means, action: RestartContainer, intent: Intent) -> Outcomes:
    """Stop a container and start it again."""
    owned(means, action.container_id, action.name)
    known = means.recorded(action.container_id)
    means.runtime.restart(action.container_id, action.grace_ms)
    _limit_again(means, known)
    digest = known.digest if known is not None else ""
    return [running_since_now(means, action, intent, action.container_id, digest=digest)]


def update_container(means: Means, action: UpdateContainer, intent: Intent) -> Outcomes:
    """Change limits in place."""
    owned(means, action.container_id, action.name)
    means.runtime.update(action.container_id, action.resources)
    data = Replica(action.service, action.replica, action.container_id).data(
        intent, resources=to_document(action.resources)
    )
    return [intent.outcome("container_updated", data)]


def rename_container(means: Means, action: RenameContainer, intent: Intent) -> Outcomes:
    """Give a container another name, which must be free."""
    owned(means, action.container_id, action.old_name)
    try:
        means.runtime.rename(action.container_id, action.name)
    except ActionFailed as error:
        raise _explained(means, action.name, error) from error
    data = Replica(action.service, action.replica, action.container_id).data(intent, name=action.name)
    return [intent.outcome("container_renamed", data)]


def remove_container(means: Means, action: RemoveContainer, intent: Intent) -> Outcomes:
    """Stop and remove a container that nothing protects. One that is gone already counts as removed."""
    try:
        container = expendable(means, action.container_id, action.name, action.service)
    except NotFound:
        container = None
    replica = Replica(action.service, action.replica, action.container_id)
    if container is None:
        means.no_longer(action.container_id)
        return [intent.outcome("container_removed", replica.data(intent))]
    return take_away(means, intent, replica, running=container.state in ("running", "paused"), grace_ms=action.grace_ms)


def take_away(means: Means, intent: Intent, replica: Replica, *, running: bool, grace_ms: int) -> Outcomes:
    """Stop, if it runs, and remove a container that was just found to be ours and expendable."""
    outcomes = []
    if running:
        means.runtime.stop(replica.container_id, grace_ms)
        outcomes.append(intent.outcome("container_stopped", replica.data(intent)))
    means.runtime.remove(replica.container_id)
    means.no_longer(replica.container_id)
    return [*outcomes, intent.outcome("container_removed", replica.data(intent))]


def adopt_container(means: Means, action: AdoptContainer, intent: Intent) -> Outcomes:
    """Take over a container that runs already; nothing about it changes."""
    from reconciler.apply.adopting import adoptable

    container = adoptable(means.runtime, action.container_id, means.desired)
    data = Replica(action.service, action.replica, container.container_id).data(
        intent,
        name=container.name,
        digest=action.digest,
        image=container.image,
        image_id=container.image_id,
        state="exited" if container.state == "created" else container.state,
    )
    return [intent.outcome("container_adopted", data)]
