"""Missions of the file on their way to the desk: what a plan says of them becomes commands, under the writer's lease."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, assert_never
from uuid import UUID

from reconciler.control.desk import missions
from reconciler.control.desk.desk import Command, Desk
from reconciler.plan.model import CancelMission, StartMission, UpdateMission
from reconciler.work.state import Mission

if TYPE_CHECKING:
    from reconciler.apply.work import MissionAction
    from reconciler.events.envelope import Cause, Event
    from reconciler.events.store.lease import Lease
    from reconciler.projections.store import Decide, Store


class DeclaredWork:
    """Carries out what a plan says of missions, in the name of whoever applies it."""

    def __init__(self, store: Store, cause: Cause, lease: Lease | None) -> None:
        self._desk = Desk(_UnderLease(store, lease), cause)
        self._cause = cause

    def carry_out(self, action: MissionAction, intent: UUID) -> None:
        """One command, one transaction.

        Raises:
            LeaseLost: somebody else is the writer now.
            WorkRefused: the mission has moved since the plan was made.
        """
        self._desk.run(_command(action, self._cause.actor), self._cause.after(intent))


class _UnderLease:
    """A store that decides nothing once somebody else is the writer."""

    def __init__(self, store: Store, lease: Lease | None) -> None:
        self._store = store
        self._lease = lease

    def decide(self, decisions: Sequence[tuple[Decide, Cause]]) -> list[list[Event] | Exception]:
        return self._store.decide(decisions, lease=self._lease)


def _command(action: MissionAction, by: str) -> Command[Mission]:
    match action:
        case StartMission():
            return missions.run(action.definition)
        case UpdateMission():
            return missions.follow_file(action.mission_id, action.definition)
        case CancelMission():
            return missions.cancel(action.mission_id, by=by, reason="its block has left the file")
        case _:
            assert_never(action)
