"""Counting: every resource once, under the strongest thing that happens to it, so that the buckets add up."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import TypeGuard

from reconciler.plan.model import (
    AdoptContainer,
    AnyAction,
    BuildImage,
    CancelMission,
    Counts,
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
    Unchanged,
    UpdateContainer,
    UpdateMission,
    Verb,
    verb_of,
)
from reconciler.plan.naming import replica_address, service_address, specialist_address

_STRENGTH: tuple[Verb, ...] = (
    "replace",
    "delete",
    "create",
    "adopt",
    "stop",
    "restart",
    "start",
    "update",
    "run",
    "prepare",
    "record",
)


def thing_of(action: AnyAction) -> str:
    """The address of what an action happens to: a replica's container, a service's record, a network, an image …"""
    match action:
        case RemoveContainer() | StopContainer():
            replica = action.key.rpartition("/")[2] if "+" in action.key else str(action.replica)
            return f"{service_address(action.service)}/{replica}"
        case (
            CreateContainer()
            | StartContainer()
            | RestartContainer()
            | ReplaceContainer()
            | UpdateContainer()
            | RenameContainer()
            | AdoptContainer()
        ):
            return replica_address(action.service, action.replica)
        case StartProcess() | ResumeProcess() | ReplaceProcess() | StopProcess():
            return specialist_address(action.pool, action.replica)
        case RemoveProcess() | DrainProcess():
            # A second process of its replica is told apart by its own id, which its action's id has.
            return action.id.partition(" ")[2]
        case (
            CreateNetwork()
            | ReplaceNetwork()
            | RemoveNetwork()
            | CreateVolume()
            | PullImage()
            | BuildImage()
            | DefineService()
            | MoveService()
            | ForgetService()
            | RunHandler()
            | StartMission()
            | UpdateMission()
            | CancelMission()
            | DefineSpecialist()
            | ForgetSpecialist()
        ):
            return action.resource


def count(actions: Iterable[AnyAction], unchanged: Iterable[Unchanged]) -> Counts:
    """How many resources are replaced, deleted, created …, and how many stay as they are."""
    strongest: dict[str, int] = {}
    for action in actions:
        thing, strength = thing_of(action), _STRENGTH.index(verb_of(action))
        strongest[thing] = min(strength, strongest.get(thing, strength))
    numbers: dict[str, int] = {}
    for strength in strongest.values():
        verb = _STRENGTH[strength]
        numbers[verb] = numbers.get(verb, 0) + 1
    stays = {one.resource for one in unchanged} - strongest.keys()
    return Counts(**numbers, unchanged=len(stays))


def destroys(actions: Iterable[AnyAction], gone: Container[str]) -> int:
    """Containers and processes that would be removed or replaced. What a crash left over beside another one does not count.

    Args:
        gone: ids of containers that are no longer there, whose removal is book-keeping.
    """
    return sum(
        isinstance(action, ReplaceContainer)
        or ends_process(action)
        or (
            isinstance(action, RemoveContainer)
            and action.reason.code != "duplicate"
            and action.container_id not in gone
        )
        for action in actions
    )


def ends_process(action: AnyAction) -> TypeGuard[ReplaceProcess | RemoveProcess | DrainProcess]:
    """Whether a specialist's process is removed or replaced by it, at once or when it has finished what it works on."""
    ending = isinstance(action, ReplaceProcess | RemoveProcess | DrainProcess)
    return ending and action.reason.code not in ("duplicate", "requested")
