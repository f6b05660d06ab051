"""Host ports and container names that pass from one container to another: who gives up goes before who takes.

Two that take each other's cannot both go first. For ports one of them is stopped beforehand; for names one of them steps
aside under a name of its own for a moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from msgspec import structs

from reconciler.plan.draft import Draft
from reconciler.plan.gates import starts
from reconciler.plan.model import (
    CreateContainer,
    Reason,
    RemoveContainer,
    RenameContainer,
    ReplaceContainer,
    StartContainer,
    StopContainer,
)
from reconciler.plan.naming import replica_address, service_address
from reconciler.plan.rolling import Binding, bindings, collide
from reconciler.plan.services import Looked
from reconciler.plan.situation import Situation
from reconciler.plan.steps import container_address
from reconciler.projections.projected import ProjectedContainer

_ALIVE = frozenset({"running", "paused"})


_Taker = CreateContainer | ReplaceContainer | StartContainer | RenameContainer


class _Handover(NamedTuple):
    """`taker` needs what `holder` has; `giver` is the action that makes the holder give it up."""

    taker: _Taker
    holder: ProjectedContainer
    giver: str


def add_claims(situation: Situation, draft: Draft, looked: Mapping[str, Looked]) -> None:
    """Add the edges that ports and names ask for to a draft that has all its containers' actions."""
    ports = list(_port_handovers(situation, draft, looked))
    names = list(_name_handovers(situation, draft))
    if not ports and not names:
        return
    for handover in (*ports, *names):
        draft.after(handover.taker.id, handover.giver)
    for handover in ports:
        if {handover.taker.id, handover.giver} <= draft.stuck():
            _stop_before(draft, handover)
    for handover in names:
        if {handover.taker.id, handover.giver} <= draft.stuck():
            _step_aside(draft, handover)


def _port_handovers(situation: Situation, draft: Draft, looked: Mapping[str, Looked]) -> Iterator[_Handover]:
    takers: dict[int, list[tuple[Binding, _Taker]]] = {}
    for starting in draft.of_type(CreateContainer, ReplaceContainer, StartContainer):
        if starts(starting):
            for binding in bindings(looked[starting.service].wanted.spec.ports):
                takers.setdefault(binding[0], []).append((binding, starting))
    if not takers:
        return
    giving = {one.container_id: one.id for one in draft.of_type(RemoveContainer, ReplaceContainer, StopContainer)}
    for holder in situation.all_containers():
        made_from = situation.definition(holder.digest) if holder.state in _ALIVE else None
        for held in bindings(made_from.ports) if made_from is not None else ():
            for wanted, action in takers.get(held[0], ()):
                if collide(wanted, held) and not _is_of(action, holder):
                    giver = giving.get(holder.container_id)
                    if giver is not None:
                        yield _Handover(action, holder, giver)
                    else:
                        text = f"needs host port {held[0]}, which {container_address(holder)} still holds"
                        draft.warn(service_address(action.service), text)


def _name_handovers(situation: Situation, draft: Draft) -> Iterator[_Handover]:
    takers: dict[str, _Taker] = {
        one.name: one for one in draft.of_type(CreateContainer, ReplaceContainer, RenameContainer)
    }
    if not takers:
        return
    giving = {one.container_id: one.id for one in draft.of_type(RemoveContainer, ReplaceContainer, RenameContainer)}
    for holder in situation.all_containers():
        taker = takers.get(holder.name)
        if taker is None or _is_of(taker, holder):
            continue
        giver = giving.get(holder.container_id)
        if giver is not None:
            yield _Handover(taker, holder, giver)
        else:
            text = f"needs the container name {holder.name}, which {container_address(holder)} still has"
            draft.warn(service_address(taker.service), text)


def _is_of(action: _Taker, container: ProjectedContainer) -> bool:
    """Whether an action is about this very replica: what its container holds is its own."""
    return (action.service, action.replica) == (container.service, container.replica)


def _stop_before(draft: Draft, handover: _Handover) -> None:
    """Let a container stop first that is to be replaced, since its port is wanted by one that it waits for."""
    holder = handover.holder
    address = replica_address(holder.service, holder.replica)
    giver = draft.get(handover.giver)
    stop = StopContainer(
        id=f"stop {address}",
        resource=service_address(holder.service),
        reason=Reason("needed_by", f"gives up its host port for {handover.taker.resource}"),
        service=holder.service,
        replica=holder.replica,
        container_id=holder.container_id,
        name=holder.name,
        grace_ms=giver.grace_ms if isinstance(giver, ReplaceContainer) else 10_000,
    )
    draft.add(stop, replica=holder.replica)
    draft.unneed(handover.taker.id, handover.giver)
    draft.after(handover.taker.id, stop.id)
    draft.after(handover.giver, stop.id)


def _step_aside(draft: Draft, handover: _Handover) -> None:
    """Let a container go by another name for a moment, since its own is wanted by one that it waits for."""
    holder = handover.holder
    aside = f"{holder.name}-aside"
    hop = RenameContainer(
        id=f"set aside {replica_address(holder.service, holder.replica)}",
        resource=service_address(holder.service),
        reason=Reason("needed_by", f"gives up its name for {handover.taker.resource}"),
        service=holder.service,
        replica=holder.replica,
        container_id=holder.container_id,
        name=aside,
        old_name=holder.name,
    )
    draft.add(hop, replica=holder.replica)
    draft.unneed(handover.taker.id, handover.giver)
    draft.after(handover.taker.id, hop.id)
    draft.after(handover.giver, hop.id)
    giver = draft.get(handover.giver)
    if isinstance(giver, RenameContainer | ReplaceContainer):
        draft.replace(structs.replace(giver, old_name=aside))
