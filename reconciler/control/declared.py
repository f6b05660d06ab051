"""Missions of the file on their way to the desk: what a plan says of them becomes commands, under the writer's lease."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never
from uuid import UUID

from reconciler.control.desk import missions
from reconciler.control.desk.desk import Command, Desk
from reconciler.errors import LeaseLost
from reconciler.plan.model import CancelMission, StartMission, UpdateMission
from reconciler.work.state import Mission

if TYPE_CHECKING:
    from reconciler.apply.work import MissionAction
    from reconciler.events.envelope import Cause
    from reconciler.events.store.lease import Lease
    from reconciler.projections.store import Store


class DeclaredWork:
    """Carries out what a plan says of missions, in the name of whoever applies it."""

    def __init__(self, store: Store, cause: Cause, lease: Lease | None) -> None:
        self._desk = Desk(store, cause)
        self._cause = cause
        self._lease = lease

    def carry_out(self, action: MissionAction, intent: UUID) -> None:
        """One command, one transaction.

        Raises:
            LeaseLost: somebody else is the writer now.
            WorkRefused: the mission has moved since the plan was made.
        """
        if self._lease is not None and self._lease.lost:
            raise LeaseLost("the lease was lost while the plan was carried out", hint="fleet apply goes on from here")
        self._desk.run(_command(action, self._cause.actor), self._cause.after(intent))


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
