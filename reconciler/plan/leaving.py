"""Services that leave the fleet, and the order of going: dependants before what they depend on.

A service leaves when its block has left the file. `protect` outlives the block: what the log last knew counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.plan import steps
from reconciler.plan.draft import Draft
from reconciler.plan.model import ForgetService, Reason, RemoveContainer, ReplaceContainer, StopContainer
from reconciler.plan.naming import service_address
from reconciler.plan.situation import Situation
from reconciler.plan.steps import container_address
from reconciler.projections.projected import ProjectedContainer

_GRACE_MS = 10_000
_LEFT = Reason("removed_from_file", "its block has left the file")
_STRANGER = Reason("removed_from_file", "neither the file nor the log knows its service")
_PROTECTED = "has left the file and is protected: it stays until its block is back with `protect: false`"


def add_leaving(situation: Situation, draft: Draft) -> None:
    """Remove the containers of services that left the file, and forget those services."""
    for name in sorted(situation.desired.inactive):
        for container in situation.containers.get(name, ()):
            draft.keep(container_address(container), "its profile is not chosen")
    for place, name in enumerate(situation.leaving, start=len(situation.order)):
        _leave(situation, draft, name, place)


def _leave(situation: Situation, draft: Draft, name: str, place: int) -> None:
    containers = situation.containers.get(name, ())
    address = service_address(name)
    untouched = situation.suspended(name) or situation.selection.why_not(name)
    if not untouched and _protected(situation, name, containers):
        untouched = "protected"
        draft.warn(address, _PROTECTED)
    if untouched:
        for resource in [container_address(one) for one in containers] or [address]:
            draft.keep(resource, untouched)
        return
    known = situation.services.get(name)
    grace_ms = known.document.get("stop_grace_ms", _GRACE_MS) if known is not None else _GRACE_MS
    kept = 0
    removals = []
    for container in containers:
        why = situation.suspended(name, container.replica) or situation.selection.why_not(name, container.replica)
        if why:
            draft.keep(container_address(container), why)
            kept += 1
        else:
            action = steps.remove(container, _STRANGER if known is None else _LEFT, grace_ms)
            removals.append(draft.add(action, place=place, replica=container.replica))
    if known is None or kept:
        return
    forget = draft.add(ForgetService(id=f"forget {address}", resource=address, reason=_LEFT, service=name), place=place)
    for removal in removals:
        draft.after(forget, removal)


def _protected(situation: Situation, name: str, containers: Sequence[ProjectedContainer]) -> bool:
    known = situation.services.get(name)
    if known is not None:
        return bool(known.document.get("protect", False))
    documents = (situation.projected.definitions.get(one.digest, {}) for one in containers)
    return any(document.get("protect", False) for document in documents)


def in_reverse(situation: Situation, draft: Draft) -> None:
    """What is stopped or removed for good goes after everything that, as the log has it, depends on it."""
    going: dict[str, list[str]] = {}
    ending: dict[str, list[str]] = {}
    for action in draft.of_type(StopContainer, RemoveContainer, ReplaceContainer):
        ending.setdefault(action.service, []).append(action.id)
        if isinstance(action, StopContainer) or action.reason.code == "removed_from_file":
            going.setdefault(action.service, []).append(action.id)
    if not going:
        return
    for dependant, dependency in _dependencies(situation):
        for earlier in ending.get(dependant, ()) if dependency in going else ():
            for action_id in going[dependency]:
                draft.after(action_id, earlier, soft=True)


def _dependencies(situation: Situation) -> Iterator[tuple[str, str]]:
    """(dependant, dependency) by the names of now, as the log has them."""
    present = {old: new for new, old in situation.moved.items()}
    for name in sorted(situation.services):
        for dependency in sorted(situation.services[name].document.get("depends_on", ())):
            yield name, present.get(dependency, dependency)
