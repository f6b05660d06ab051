"""Networks, volumes and images: made when a container that needs them is about to be made, networks removed after use.

Volumes are never removed: what they hold outlives every file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from reconciler.plan.draft import Draft
from reconciler.plan.model import (
    AnyAction,
    BuildImage,
    CreateContainer,
    CreateNetwork,
    CreateVolume,
    PullImage,
    Reason,
    RemoveContainer,
    RemoveNetwork,
    ReplaceContainer,
    ReplaceNetwork,
)
from reconciler.plan.naming import service_address
from reconciler.plan.networks import as_made, networks_of, used_networks
from reconciler.plan.reasons import counted, listed
from reconciler.plan.replicas import AS_DECLARED
from reconciler.plan.services import Looked
from reconciler.plan.situation import Situation
from reconciler.plan.wanted import Wanted
from reconciler.spec.desired import NetworkSpec, ServiceSpec

_PULL_RANK: Mapping[str, int] = {"never": 0, "missing": 1, "always": 2}
_UNUSED = Reason("removed_from_file", "no service uses it any more")
_MOVED = Reason("definition_changed", "goes by another engine name now")


def volumes_of(spec: ServiceSpec) -> Iterator[str]:
    """The named volumes that containers of a service mount."""
    return (mount.source for mount in spec.mounts if mount.kind == "volume")


def add_shared(situation: Situation, draft: Draft, looked: Mapping[str, Looked]) -> None:
    """Add what services share to a draft that has their containers already."""
    makers = [_Maker(found) for found in looked.values()]
    makers = [maker for maker in makers if maker.actions]
    _add_networks(situation, draft, makers)
    _add_volumes(situation, draft, makers)
    for reference, users in sorted(_grouped(makers, lambda maker: (maker.wanted.image,)).items()):
        _add_image(situation, draft, reference, users)
    _remove_networks(situation, draft)


class _Maker:
    """A service some of whose containers are made in this plan."""

    def __init__(self, looked: Looked) -> None:
        self.wanted: Wanted = looked.wanted
        self.actions = [
            action.id
            for verdict in looked.verdicts.values()
            for action in verdict.actions
            if isinstance(action, CreateContainer | ReplaceContainer)
        ]


def _grouped(makers: Iterable[_Maker], used: Callable[[_Maker], Iterable[str]]) -> dict[str, list[_Maker]]:
    groups: dict[str, list[_Maker]] = {}
    for maker in makers:
        for name in dict.fromkeys(used(maker)):
            groups.setdefault(name, []).append(maker)
    return groups


def _needed_by(users: list[_Maker]) -> Reason:
    names = [service_address(maker.wanted.name) for maker in users]
    return Reason("needed_by", f"needed by {names[0] if len(names) == 1 else counted(len(names), 'service')}")


def _before(draft: Draft, users: list[_Maker], action: AnyAction) -> None:
    draft.add(action)
    for maker in users:
        for made in maker.actions:
            draft.after(made, action.id)


def _add_networks(situation: Situation, draft: Draft, makers: list[_Maker]) -> None:
    groups = _grouped(makers, lambda maker: networks_of(maker.wanted.spec))
    known = situation.projected.networks
    for name, spec in sorted(situation.desired.networks.items()):
        address = f"network/{name}"
        if name in situation.anew:
            _replace_network(situation, draft, groups.get(name, []), spec)
        elif name in situation.not_anew:
            draft.keep(address, f"as it was made; {situation.not_anew[name]}")
            draft.warn(address, f"was edited and is left as it was made: {situation.not_anew[name]}")
        elif name in groups and not spec.external and known.get(name) != spec.engine_name:
            reason = _needed_by(groups[name])
            _before(
                draft,
                groups[name],
                CreateNetwork(id=f"create {address}", resource=address, reason=reason, network=spec),
            )
        else:
            draft.keep(address, "external" if spec.external else AS_DECLARED if name in known else "not needed")


def _replace_network(situation: Situation, draft: Draft, users: list[_Maker], spec: NetworkSpec) -> None:
    """Make it anew before what is made anew on it, once what leaves for good has gone."""
    address, changes = f"network/{spec.name}", situation.anew[spec.name]
    options = listed([one.path.rpartition(".")[2] for one in changes])
    old = as_made(spec, situation.projected.made_networks[spec.name])
    reason = Reason("definition_changed", f"{options} changed", changes)
    action = ReplaceNetwork(id=f"replace {address}", resource=address, reason=reason, network=spec, old=old)
    _before(draft, users, action)
    for removal in draft.of_type(RemoveContainer):
        draft.after(action.id, removal.id, soft=True)


def _add_volumes(situation: Situation, draft: Draft, makers: list[_Maker]) -> None:
    groups = _grouped(makers, lambda maker: volumes_of(maker.wanted.spec))
    known = situation.projected.volumes
    for name, spec in sorted(situation.desired.volumes.items()):
        address = f"volume/{name}"
        if name in groups and not spec.external and known.get(name) != spec.engine_name:
            reason = _needed_by(groups[name])
            _before(
                draft, groups[name], CreateVolume(id=f"create {address}", resource=address, reason=reason, volume=spec)
            )
        else:
            draft.keep(address, "external" if spec.external else AS_DECLARED if name in known else "not needed")
    for name in sorted(known.keys() - situation.desired.volumes.keys()):
        draft.keep(f"volume/{name}", "kept: volumes are never removed")


def _add_image(situation: Situation, draft: Draft, reference: str, users: list[_Maker]) -> None:
    """Build or pull what is not here. Whether it is here is what was seen, not what the log remembers."""
    here = reference in situation.options.images
    address = f"image/{reference}"
    build = next((maker.wanted.spec.build for maker in users if maker.wanted.spec.build is not None), None)
    if build is not None:
        built = situation.projected.images.get(reference)
        if not here or built is None or built.build_digest != build.digest:
            reason = _needed_by(users)
            _before(
                draft,
                users,
                BuildImage(id=f"build {address}", resource=address, reason=reason, image=reference, build=build),
            )
        return
    policy = max((maker.wanted.spec.pull for maker in users), key=lambda one: _PULL_RANK[one])
    if policy == "always" or not here:
        _before(
            draft,
            users,
            PullImage(id=f"pull {address}", resource=address, reason=_needed_by(users), image=reference, policy=policy),
        )


def _remove_networks(situation: Situation, draft: Draft) -> None:
    """Networks that Fleet made and no service uses, once every container that is on them has gone."""
    known = situation.projected.networks
    used = used_networks(situation.desired)
    gone = [name for name in sorted(known) if name not in used or f"networks.{name}" in situation.renamed]
    if not gone or situation.selection.narrowed or situation.suspended(""):
        return
    ending = {one.container_id: one.id for one in draft.of_type(RemoveContainer, ReplaceContainer)}
    for name in gone:
        users = [one for one in situation.all_containers() if name in _joined(situation, one.digest)]
        address = f"network/{name}"
        staying = next((one for one in users if one.container_id not in ending), None)
        if staying is not None:
            if name not in situation.desired.networks:
                draft.keep(address, f"in use by {service_address(staying.service)}")
            continue
        draft.unkeep(address)
        action = RemoveNetwork(
            id=f"delete {address}",
            resource=address,
            reason=_MOVED if name in used else _UNUSED,
            network=name,
            engine_name=known[name],
        )
        draft.add(action)
        for one in users:
            draft.after(action.id, ending[one.container_id])


def _joined(situation: Situation, digest: str) -> set[str]:
    made_from = situation.definition(digest)
    return set(networks_of(made_from)) if made_from is not None else set()
