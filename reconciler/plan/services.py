"""The declared services of a plan: which are touched, what each replica gets, and what waits for what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import structs

from reconciler.plan import steps
from reconciler.plan.draft import Draft
from reconciler.plan.fields import changes_of
from reconciler.plan.gates import Standing, gate_needs, shut, starts
from reconciler.plan.model import (
    AnyAction,
    DefineService,
    MoveService,
    Reason,
    RenameContainer,
    ReplaceContainer,
    RestartContainer,
    StartContainer,
    StopContainer,
    UpdateContainer,
)
from reconciler.plan.naming import replica_address, service_address
from reconciler.plan.reasons import edited
from reconciler.plan.replicas import ALIVE, Verdict, choose, judge
from reconciler.plan.rolling import cannot_overlap, in_turn
from reconciler.plan.selection import Place
from reconciler.plan.situation import Situation
from reconciler.plan.steps import container_address
from reconciler.plan.wanted import Wanted
from reconciler.projections.projected import ProjectedContainer

_DUPLICATE = Reason("duplicate", "a second container of its replica, left by an apply that was cut short")


class Looked(NamedTuple):
    """A declared service that the plan may touch, with what came of looking at it."""

    wanted: Wanted
    containers: dict[int, ProjectedContainer]
    verdicts: dict[int, Verdict]


class Services:
    """Adds what is to be done about declared services to a draft.

    Attributes:
        looked: those that may be touched, by name.
        standing: how each of them, and each of the others, will stand afterwards.
    """

    def __init__(self, situation: Situation, draft: Draft) -> None:
        self._situation = situation
        self._draft = draft
        self.standing: dict[str, Standing] = {}
        asked = situation.options.restart
        names = situation.names() if asked else None
        self._restarts = {names.place(address) for address in asked} if names is not None else frozenset[Place]()
        self.looked: dict[str, Looked] = {}

    def add(self) -> None:
        """Look at every declared service, dependencies first."""
        for place, name in enumerate(self._situation.order):
            untouched = self._situation.suspended(name) or self._situation.selection.why_not(name)
            if untouched:
                self._untouched(name, untouched)
            else:
                self._touched(name, place)

    def _untouched(self, name: str, why: str) -> None:
        containers = self._situation.containers.get(name, ())
        declared = self._situation.desired.services[name].replicas
        addresses = {replica_address(name, replica) for replica in range(1, declared + 1)}
        addresses.update(container_address(one) for one in containers)
        for address in sorted(addresses) or [service_address(name)]:
            self._draft.keep(address, why)
        self.standing[name] = Standing(stays=containers, why=why)

    def _touched(self, name: str, place: int) -> None:
        wanted = Wanted(self._situation, name)
        containers = self._situation.containers.get(name, ())
        kept: dict[int, ProjectedContainer] = {}
        verdicts: dict[int, Verdict] = {}
        spare: list[tuple[int, str]] = []
        replicas = _by_replica(containers)
        for replica in range(1, wanted.spec.replicas + 1):
            found = replicas.pop(replica, ())
            if found:
                kept[replica], duplicates = choose(wanted, found)
                spare += [(replica, self._remove(wanted, one, _DUPLICATE, place)) for one in duplicates]
            verdicts[replica] = self._verdict(wanted, replica, kept.get(replica))
        self._behind_gates(wanted, verdicts)
        self.looked[name] = Looked(wanted, kept, verdicts)
        if not wanted.spec.replicas:
            self._draft.keep(service_address(name), "no replicas are wanted")
        for replica in sorted(replicas):
            for container in replicas[replica]:
                self._remove(wanted, container, self._scaled(wanted), place)
        self._take(self.looked[name], place)
        for replica, removal in spare:
            for action in verdicts[replica].actions if removal else ():
                self._draft.after(action.id, removal)
        self.standing[name] = _standing(self.looked[name])

    def _verdict(self, wanted: Wanted, replica: int, container: ProjectedContainer | None) -> Verdict:
        name = wanted.name
        untouched = self._situation.suspended(name, replica) or self._situation.selection.why_not(name, replica)
        if untouched:
            return Verdict(why=untouched)
        restart = bool(self._restarts) and (Place(name) in self._restarts or Place(name, replica) in self._restarts)
        return judge(wanted, replica, container, restart=restart)

    def _behind_gates(self, wanted: Wanted, verdicts: dict[int, Verdict]) -> None:
        """Leave alone what would wait in vain."""
        if not wanted.spec.depends_on or not any(starts(one) for each in verdicts.values() for one in each.actions):
            return
        why = shut(wanted.spec.depends_on, self.standing)
        if not why:
            return
        self._draft.warn(service_address(wanted.name), why)
        for replica, verdict in verdicts.items():
            if any(starts(action) for action in verdict.actions):
                verdicts[replica] = Verdict(_without_start(verdict), why, verdict.warnings)

    def _scaled(self, wanted: Wanted) -> Reason:
        changes = tuple(one.change for one in wanted.changed if one.change.path == "replicas")
        text = (
            f"replicas {wanted.replicas_before} → {wanted.spec.replicas}"
            if changes
            else "more replicas than are wanted"
        )
        return Reason("scaled", text, changes)

    def _remove(self, wanted: Wanted, container: ProjectedContainer, reason: Reason, place: int) -> str:
        """Remove a container of a declared service that is too many; the action's id, empty where there is none.

        What is protected is only stopped, so that it does not work beside the one that stays.
        """
        address = container_address(container)
        untouched = self._situation.suspended(wanted.name, container.replica) or self._situation.selection.why_not(
            wanted.name, container.replica
        )
        if untouched:
            self._draft.keep(address, untouched)
            return ""
        if not wanted.spec.protect:
            action = steps.remove(container, reason, wanted.spec.stop_grace_ms)
            return self._draft.add(action, place=place, replica=container.replica)
        self._draft.warn(address, f"is protected and would be removed: {reason.text}")
        if reason is _DUPLICATE and container.state in ALIVE:
            return self._draft.add(steps.stop(wanted, container, reason), place=place, replica=container.replica)
        self._draft.keep(address, f"protected; {reason.text}")
        return ""

    def _take(self, looked: Looked, place: int) -> None:
        """Put a service's verdicts into the draft, with the edges between them."""
        wanted, draft = looked.wanted, self._draft
        recorded = self._define(wanted, place)
        turn: dict[int, AnyAction] = {}
        for replica, verdict in looked.verdicts.items():
            for text in verdict.warnings:
                draft.warn(service_address(wanted.name), text)
            if not verdict.actions:
                draft.keep(replica_address(wanted.name, replica), verdict.why)
            before = recorded
            for action in verdict.actions:
                if starts(action):
                    action = turn[replica] = self._started(looked, replica, action)
                draft.add(action, place=place, replica=replica)
                if before:
                    draft.after(action.id, before)
                before = action.id
        if turn:
            for identifier, need in in_turn(wanted.spec, turn, looked.containers):
                draft.need(identifier, need)

    def _started(self, looked: Looked, replica: int, action: AnyAction) -> AnyAction:
        """The action with its gates, and in an order of old and new that can work."""
        wanted = looked.wanted
        needs = tuple(gate_needs(wanted.spec.depends_on, self.standing))
        if isinstance(action, ReplaceContainer) and action.order == "start-first":
            obstacle = cannot_overlap(self._situation.definition(action.old_digest), wanted.spec)
            if obstacle:
                text = f"is replaced stop-first though start-first is declared: {obstacle}"
                self._draft.warn(service_address(wanted.name), text)
                action = structs.replace(action, order="stop-first")
        return structs.replace(action, needs=needs) if needs else action

    def _define(self, wanted: Wanted, place: int) -> str:
        """Record what the log does not say yet; the id of the last record, empty when there is none."""
        address = service_address(wanted.name)
        moved = ""
        if wanted.moved_from:
            reason = Reason("renamed", f"was {service_address(wanted.moved_from)} until now")
            moved = self._draft.add(
                MoveService(
                    id=f"move {address}",
                    resource=address,
                    reason=reason,
                    from_service=wanted.moved_from,
                    service=wanted.name,
                ),
                place=place,
            )
        elif wanted.known is not None and not wanted.changed:
            return ""
        action = DefineService(
            id=f"define {address}",
            resource=address,
            reason=_recorded(wanted),
            definition=wanted.spec,
            digest=wanted.digest,
        )
        self._draft.add(action, place=place)
        if moved:
            self._draft.after(action.id, moved)
        return action.id


def _without_start(verdict: Verdict) -> tuple[AnyAction, ...]:
    """What is to be done about a container besides starting it; limits only of one that runs already."""
    running = any(isinstance(action, RestartContainer) for action in verdict.actions)
    possible = (RenameContainer, UpdateContainer) if running else RenameContainer
    return tuple(action for action in verdict.actions if isinstance(action, possible))


def _recorded(wanted: Wanted) -> Reason:
    if wanted.known is None:
        return Reason("declared", "new in the file")
    if wanted.changed:
        return structs.replace(edited(wanted.changed), changes=changes_of(wanted.changed))
    return Reason("renamed", f"was {service_address(wanted.moved_from)} until now")


def _by_replica(containers: Sequence[ProjectedContainer]) -> dict[int, tuple[ProjectedContainer, ...]]:
    found: dict[int, tuple[ProjectedContainer, ...]] = {}
    for container in containers:
        found[container.replica] = (*found.get(container.replica, ()), container)
    return found


def _standing(looked: Looked) -> Standing:
    """How a service will stand; only what others may ask for."""
    actions = [action for verdict in looked.verdicts.values() for action in verdict.actions]
    stays = tuple(
        container
        for replica, container in looked.containers.items()
        # A job that is done stays done when it is stopped in the middle of another run.
        if container.completed_digest is not None
        or not any(isinstance(action, StopContainer) for action in looked.verdicts[replica].actions)
    )
    why = next((verdict.why for verdict in looked.verdicts.values() if verdict.why), "no replicas are wanted")
    if any(isinstance(action, StopContainer) for action in actions):
        why = "stopped on request"
    # One that goes on where it was paused runs again, too.
    brings = tuple(action.id for action in actions if starts(action) or isinstance(action, StartContainer))
    return Standing(brings, stays, why)
