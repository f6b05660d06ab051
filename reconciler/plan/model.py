"""The plan: actions with their reasons, in one order, as plain values.

Each kind of action has its own type with just its own fields. A plan carries everything a person or a program needs to
judge it: what would be done and why, what stays as it is and why, what was left alone on purpose, and the basis it was
computed on, so that a saved plan can be recognised as stale. Making one has no side effect.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from reconciler.spec.desired import (
    Build,
    Gate,
    Handler,
    MissionSpec,
    NetworkSpec,
    Resources,
    ServiceSpec,
    SpecialistSpec,
    VolumeSpec,
)

PLAN_VERSION = 1

ReasonCode = Literal[
    "declared",  # new in the file
    "definition_changed",  # the file was edited
    "content_changed",  # a config, secret, env file or build context has other content
    "image_changed",  # the reference points to another image now
    "world_changed",  # somebody or something else changed it
    "stopped_outside",  # it is not running and Fleet did not stop it
    "not_started",  # made but never started
    "missing",  # it is gone and Fleet did not remove it
    "removed_from_file",  # its block has left the file
    "scaled",  # the number of replicas changed
    "requested",  # `services down`/`up`, `services restart`
    "renamed",  # `moved:` or another container name
    "adopted",  # a running container is taken over
    "duplicate",  # a second container of the same replica, left by a crash
    "needed_by",  # an image, network or volume that another action needs
    "notified",  # a handler that was asked for
    "rerun",  # a job that failed or whose definition changed
    "unhealthy",  # it runs and its health check fails
]


class FieldChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """One field that differs: `path` inside the service (`ports[0].host_port`), values as documents, masked."""

    path: str
    old: Any = None
    new: Any = None


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why: a code for programs, a sentence for people, and the fields that differ."""

    code: ReasonCode
    text: str
    changes: tuple[FieldChange, ...] = ()


class Need(msgspec.Struct, frozen=True, omit_defaults=True):
    """An edge of the plan's graph: the action waits until `action` is done and, for a service, its gate is open.

    `action` is empty when only the gate counts (the service itself needs nothing done). `replica` narrows the gate to one
    replica, 0 means all of them: while replicas are replaced in turn, the next waits for the one before it and not for
    those that are still to come.
    """

    action: str = ""
    service: str = ""
    gate: Gate | Literal[""] = ""
    replica: int = 0


class Action(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What all actions share.

    Attributes:
        id: unique in the plan and the same for the same action in the next plan (`create service/web/1`).
        resource: address such as `service/web`.
        needs: what must be done before; a failed one makes this one skipped.
    """

    id: str
    resource: str
    reason: Reason
    needs: tuple[Need, ...] = ()


class CreateNetwork(Action, tag="create_network", frozen=True, omit_defaults=True, kw_only=True):
    network: NetworkSpec


class ReplaceNetwork(Action, tag="replace_network", frozen=True, omit_defaults=True, kw_only=True):
    """Make a network anew under its name: containers are taken off it, and have to be made anew afterwards."""

    network: NetworkSpec
    old: NetworkSpec


class RemoveNetwork(Action, tag="remove_network", frozen=True, omit_defaults=True, kw_only=True):
    network: str
    engine_name: str


class CreateVolume(Action, tag="create_volume", frozen=True, omit_defaults=True, kw_only=True):
    volume: VolumeSpec


class PullImage(Action, tag="pull_image", frozen=True, omit_defaults=True, kw_only=True):
    """Bring an image here; with policy `missing` only if it is not here, `never` only checks that it is."""

    image: str
    policy: Literal["missing", "always", "never"]


class BuildImage(Action, tag="build_image", frozen=True, omit_defaults=True, kw_only=True):
    image: str
    build: Build


class DefineService(Action, tag="define_service", frozen=True, omit_defaults=True, kw_only=True):
    """Record a definition in the log; no container is touched by this."""

    definition: ServiceSpec
    digest: str


class MoveService(Action, tag="move_service", frozen=True, omit_defaults=True, kw_only=True):
    """Record that a service has another name now (`moved:`), before anything else is done about it."""

    from_service: str
    service: str


class CreateContainer(Action, tag="create_container", frozen=True, omit_defaults=True, kw_only=True):
    """Make a container and start it."""

    service: str
    replica: int
    name: str
    digest: str


class StartContainer(Action, tag="start_container", frozen=True, omit_defaults=True, kw_only=True):
    service: str
    replica: int
    container_id: str
    name: str
    paused: bool = False


class StopContainer(Action, tag="stop_container", frozen=True, omit_defaults=True, kw_only=True):
    """Stop and keep. `key` is the container's row, which tells a second one of its replica apart."""

    service: str
    replica: int
    container_id: str
    name: str
    grace_ms: int = 10_000
    key: str = ""


class RestartContainer(Action, tag="restart_container", frozen=True, omit_defaults=True, kw_only=True):
    service: str
    replica: int
    container_id: str
    name: str
    grace_ms: int = 10_000


class ReplaceContainer(Action, tag="replace_container", frozen=True, omit_defaults=True, kw_only=True):
    """Make a new container in the place of an old one, in the declared order."""

    service: str
    replica: int
    container_id: str
    name: str
    digest: str
    old_digest: str
    old_name: str
    order: Literal["stop-first", "start-first"] = "stop-first"
    auto_revert: bool = False
    grace_ms: int = 10_000


class UpdateContainer(Action, tag="update_container", frozen=True, omit_defaults=True, kw_only=True):
    """Change limits of a running container in place."""

    service: str
    replica: int
    container_id: str
    name: str
    resources: Resources


class RenameContainer(Action, tag="rename_container", frozen=True, omit_defaults=True, kw_only=True):
    service: str
    replica: int
    container_id: str
    name: str
    old_name: str


class RemoveContainer(Action, tag="remove_container", frozen=True, omit_defaults=True, kw_only=True):
    """Stop and remove. Its named volumes stay."""

    service: str
    replica: int
    container_id: str
    name: str
    grace_ms: int = 10_000
    key: str = ""


class ForgetService(Action, tag="forget_service", frozen=True, omit_defaults=True, kw_only=True):
    """Record that a service has left the fleet, after its containers."""

    service: str


class AdoptContainer(Action, tag="adopt_container", frozen=True, omit_defaults=True, kw_only=True):
    """Take over a container that runs already. Labels cannot be changed in place, so the log remembers its id."""

    service: str
    replica: int
    container_id: str
    name: str
    digest: str


class StartMission(Action, tag="start_mission", frozen=True, omit_defaults=True, kw_only=True):
    """Record the next run of a mission with all its sorties, and let it begin. `digest` is that of the definition."""

    mission: str
    run: int
    digest: str
    definition: MissionSpec


class UpdateMission(Action, tag="update_mission", frozen=True, omit_defaults=True, kw_only=True):
    """Take over what an edit changes of a mission that is under way; its sorties stay as they are."""

    mission: str
    mission_id: str
    definition: MissionSpec


class CancelMission(Action, tag="cancel_mission", frozen=True, omit_defaults=True, kw_only=True):
    """Call off a mission that is under way: its open sorties are cancelled."""

    mission: str
    mission_id: str


class RunHandler(Action, tag="run_handler", frozen=True, omit_defaults=True, kw_only=True):
    handler: Handler


class DefineSpecialist(Action, tag="define_specialist", frozen=True, omit_defaults=True, kw_only=True):
    """Record a specialist's definition in the log; no process is touched by this."""

    definition: SpecialistSpec
    digest: str


class ForgetSpecialist(Action, tag="forget_specialist", frozen=True, omit_defaults=True, kw_only=True):
    """Record that a specialist has left the fleet, after its processes."""

    pool: str


class StartProcess(Action, tag="start_process", frozen=True, omit_defaults=True, kw_only=True):
    """Start a replica of a specialist. `first` is true when it has none yet; else `process_id` and `pid` are of the last."""

    pool: str
    replica: int
    digest: str
    first: bool = False
    process_id: str = ""
    pid: int = 0


class ResumeProcess(Action, tag="resume_process", frozen=True, omit_defaults=True, kw_only=True):
    """Let a paused process go on."""

    pool: str
    replica: int
    process_id: str
    pid: int


class DrainProcess(Action, tag="drain_process", frozen=True, omit_defaults=True, kw_only=True):
    """Give a replica that has to go nothing more; it goes when it has finished what it works on, or its time is over."""

    pool: str
    replica: int
    process_id: str
    pid: int
    grace_ms: int = 60_000


class ReplaceProcess(Action, tag="replace_process", frozen=True, omit_defaults=True, kw_only=True):
    """Let a replica finish what it works on, or hand it back after the grace period; then start it anew."""

    pool: str
    replica: int
    process_id: str
    pid: int
    digest: str
    old_digest: str
    grace_ms: int = 60_000


class StopProcess(Action, tag="stop_process", frozen=True, omit_defaults=True, kw_only=True):
    """Let a replica finish what it works on, or hand it back after the grace period; then end it."""

    pool: str
    replica: int
    process_id: str
    pid: int
    grace_ms: int = 60_000


class RemoveProcess(Action, tag="remove_process", frozen=True, omit_defaults=True, kw_only=True):
    """The same, of a replica that is no longer wanted."""

    pool: str
    replica: int
    process_id: str
    pid: int
    grace_ms: int = 60_000


AnyAction = (
    CreateNetwork
    | ReplaceNetwork
    | RemoveNetwork
    | CreateVolume
    | PullImage
    | BuildImage
    | MoveService
    | DefineService
    | CreateContainer
    | StartContainer
    | StopContainer
    | RestartContainer
    | ReplaceContainer
    | UpdateContainer
    | RenameContainer
    | RemoveContainer
    | ForgetService
    | AdoptContainer
    | RunHandler
    | DefineSpecialist
    | ForgetSpecialist
    | StartProcess
    | ResumeProcess
    | DrainProcess
    | ReplaceProcess
    | StopProcess
    | RemoveProcess
    | StartMission
    | UpdateMission
    | CancelMission
)

Verb = Literal["create", "update", "replace", "start", "stop", "restart", "delete", "adopt", "prepare", "record", "run"]


class Unchanged(msgspec.Struct, frozen=True):
    """A resource with nothing to do, and why (`as declared`, `suspended by ada until …`, `protected`, `stopped on request`)."""

    resource: str
    why: str


class Later(msgspec.Struct, frozen=True):
    """Edits of the file that do not take effect now: `why`, and the fields that will differ in the mission's next run."""

    resource: str
    why: str
    changes: tuple[FieldChange, ...]


class Notice(msgspec.Struct, frozen=True):
    """Something a person should see before saying yes (`service/web runs privileged`)."""

    resource: str
    text: str


class Counts(msgspec.Struct, frozen=True, omit_defaults=True):
    """Resources by what happens to them, destructive ones first in every rendering.

    Each resource is counted once, under the strongest thing that happens to it, so that the numbers add up.
    """

    replace: int = 0
    delete: int = 0
    create: int = 0
    update: int = 0
    start: int = 0
    stop: int = 0
    restart: int = 0
    adopt: int = 0
    run: int = 0
    prepare: int = 0
    record: int = 0
    unchanged: int = 0


class Basis(msgspec.Struct, frozen=True):
    """What the plan was computed on: digests of the three inputs and the log's head."""

    desired: str
    projected: str
    sequence: int


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The difference, in an order that is always the same for the same inputs.

    Attributes:
        actions: sorted so that every action stands after those it needs.
        later: edits that take effect in the next run of what they are about.
        destroys: how many containers and processes of specialists would be removed or replaced, for `max_destroy`.
        masked: values are covered in it, so that it is for reading only.
    """

    version: int = PLAN_VERSION
    fleet: str
    project: str
    actions: tuple[AnyAction, ...] = ()
    unchanged: tuple[Unchanged, ...] = ()
    warnings: tuple[Notice, ...] = ()
    later: tuple[Later, ...] = ()
    counts: Counts = Counts()
    destroys: int = 0
    basis: Basis
    masked: bool = False

    @property
    def empty(self) -> bool:
        """True when there is nothing to do at all."""
        return not self.actions


class Adoption(msgspec.Struct, frozen=True):
    """A container that runs already and is to become this replica, if the log knows none for it."""

    service: str
    container_id: str
    name: str
    replica: int = 1


class PlanOptions(msgspec.Struct, frozen=True):
    """What narrows a plan, and what it may depend on beside the file and the log.

    Attributes:
        targets, exclude: addresses (`service/web`, `service/web/2`) or bare names; empty targets mean everything.
        tags, skip_tags: services by their tags.
        restart: addresses whose running containers are to be restarted.
        adopt: containers to take over in place of making new ones.
        images: local image ids by reference, of those that are there.
        now_ms: the time that suspensions and back-offs are measured by.
        heal: whether what somebody else changed is put right, or only told.
        restart_unhealthy: whether a container whose health check fails is restarted.
        drain_first: whether a specialist that works and has to go is only drained for now, for who looks again.
    """

    targets: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    skip_tags: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    adopt: tuple[Adoption, ...] = ()
    images: dict[str, str] = {}
    now_ms: int = 0
    heal: bool = True
    restart_unhealthy: bool = False
    drain_first: bool = False


def verb_of(action: AnyAction) -> Verb:
    """The word that people read for an action."""
    match action:
        case CreateContainer():
            return "create"
        case StartProcess():
            return "create" if action.first else "start"
        case ReplaceContainer() | ReplaceNetwork() | ReplaceProcess():
            return "replace"
        case RemoveContainer() | RemoveProcess():
            return "delete"
        case UpdateContainer() | RenameContainer() | UpdateMission():
            return "update"
        case StartContainer() | ResumeProcess() | StartMission():
            return "start"
        case StopContainer() | StopProcess() | DrainProcess() | CancelMission():
            return "stop"
        case RestartContainer():
            return "restart"
        case AdoptContainer():
            return "adopt"
        case RunHandler():
            return "run"
        case DefineService() | ForgetService() | MoveService() | DefineSpecialist() | ForgetSpecialist():
            return "record"
        case CreateNetwork() | CreateVolume() | PullImage() | BuildImage() | RemoveNetwork():
            return "prepare"
