"""The door through which an apply reaches the agents' world. What stands behind it keeps the rules; here nobody decides."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from reconciler.errors import ActionFailed
from reconciler.plan.model import CancelMission, StartMission, UpdateMission

MissionAction = StartMission | UpdateMission | CancelMission


class WorkDoor(Protocol):
    """Carries out what a plan says of missions."""

    def carry_out(self, action: MissionAction, intent: UUID) -> None:
        """Record what an action comes to, all of it in one transaction.

        Args:
            intent: the event that led to it.

        Raises:
            FleetError: the rules do not allow it any more.
        """


class NoWork:
    """For an apply of services alone."""

    def carry_out(self, action: MissionAction, intent: UUID) -> None:
        raise ActionFailed(f"{action.resource}: this apply is about services only")
