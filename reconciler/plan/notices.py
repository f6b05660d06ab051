"""Warnings: what a person should see before saying yes, beside the actions themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.plan.draft import Draft
from reconciler.plan.model import (
    CreateContainer,
    DefineService,
    MoveService,
    RemoveContainer,
    ReplaceContainer,
    StartContainer,
)
from reconciler.plan.naming import service_address
from reconciler.plan.reasons import listed
from reconciler.plan.services import Looked
from reconciler.plan.situation import Situation
from reconciler.spec.desired import Mount, ServiceSpec

_SOCKETS = ("podman.sock", "docker.sock", "containerd.sock")


def add_notices(situation: Situation, draft: Draft, looked: Mapping[str, Looked]) -> None:
    """Add what follows from the actions: powers over the host, jobs that run again, data that is concerned."""
    for starting in draft.of_type(CreateContainer, ReplaceContainer, StartContainer):
        if looked[starting.service].wanted.job and starting.reason.code in ("rerun", "requested"):
            draft.warn(starting.resource, "is a job and runs again")
    for made in draft.of_type(CreateContainer, ReplaceContainer, DefineService):
        name = made.definition.name if isinstance(made, DefineService) else made.service
        for power in powers(looked[name].wanted.spec):
            draft.warn(service_address(name), power)
    for replaced in draft.of_type(ReplaceContainer):
        old = situation.definition(replaced.old_digest)
        if old is not None:
            new, overlap = looked[replaced.service].wanted.spec, replaced.order == "start-first"
            for text in _data_at_replacement(old, new, overlap):
                draft.warn(replaced.resource, text)
    for name, change in sorted(situation.renamed.items()):
        kind, _, key = name.partition(".")
        if kind == "volumes" and not situation.selection.narrowed:
            text = f"is {change.new} now: what was written stays in {change.old}, which is kept and not used any more"
            draft.warn(f"volume/{key}", text)
    for moved in draft.of_type(MoveService):
        _names_after_a_move(draft, moved, looked[moved.service])
    for removed in draft.of_type(RemoveContainer):
        if removed.reason.code == "removed_from_file":
            _data_at_removal(situation, draft, removed.service)


def _names_after_a_move(draft: Draft, moved: MoveService, looked: Looked) -> None:
    """Whom a container answers to on its networks is settled when it is made."""
    made_anew = (CreateContainer, ReplaceContainer)
    stay = [each for each in looked.verdicts.values() if not any(isinstance(one, made_anew) for one in each.actions)]
    if looked.wanted.spec.networks and stay:
        text = f"goes on answering to {moved.from_service} on its networks until its containers are made anew"
        draft.warn(moved.resource, text)


def powers(spec: ServiceSpec) -> Iterator[str]:
    """What a service may do to the host beyond what a container usually may."""
    if spec.privileged:
        yield "runs privileged"
    shared = [
        word
        for word, mode in (("network", spec.network_mode), ("processes", spec.pid_mode), ("IPC", spec.ipc_mode))
        if mode == "host"
    ]
    if shared:
        yield f"shares the host's {listed(shared)}"
    for mount in spec.mounts:
        if mount.kind == "bind" and mount.source == "/":
            yield "mounts the host's whole file system"
        elif mount.kind == "bind" and mount.source.endswith(_SOCKETS):
            yield f"mounts the container engine's socket {mount.source}"


def _data(spec: ServiceSpec) -> dict[str, Mount]:
    """Mounts that hold what a container wrote, by target."""
    return {mount.target: mount for mount in spec.mounts if mount.kind != "tmpfs" and not mount.read_only}


def _data_at_replacement(old: ServiceSpec, new: ServiceSpec, overlap: bool) -> Iterator[str]:
    before, after = _data(old), _data(new)
    mounted = {(mount.target, mount.source) for mount in new.mounts}
    for target, mount in sorted(before.items()):
        if (target, mount.source) not in mounted:
            yield f"no longer has {mount.kind} {mount.source} at {target}; what is in it stays there"
    kept = sorted(
        mount.source
        for target, mount in after.items()
        if mount.kind == "volume" and target in before and before[target].source == mount.source
    )
    if kept and overlap:
        yield f"old and new write to volume {listed(kept)} at the same time for a moment"
    elif kept:
        yield f"is replaced; what it wrote to volume {listed(kept)} stays"


def _data_at_removal(situation: Situation, draft: Draft, service: str) -> None:
    known = situation.services.get(service)
    spec = situation.definition(known.digest) if known is not None else None
    volumes = sorted({mount.source for mount in _data(spec).values() if mount.kind == "volume"}) if spec else []
    if volumes:
        draft.warn(service_address(service), f"leaves volume {listed(volumes)} behind: volumes are never removed")
