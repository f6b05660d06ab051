"""Every way in which the agents' world says no, as one tree.

    WorkRefused                409   the rules of the state machines forbid it
    ├── InputRefused           422   a value that is out of its range or malformed
    ├── TransitionRefused      409   the state does not allow the step
    │   └── AlreadyEnded       409   a sortie, mission, review or lock that has ended stays ended
    ├── NotAssigned            403   only the assigned specialist starts, reports and completes
    ├── NotEligible            409   the specialist is not available or lacks a capability
    ├── LeaseOver              409   a late word from an attempt whose lease ran out
    ├── DependencyOpen         409   something that has to come first is not done
    ├── MissionIncomplete      409   sorties are still open
    ├── DefinitionFrozen       409   a started mission keeps its definition
    ├── LockConflict           409   another specialist holds an overlapping path
    ├── WrongHolder            403   a lock is released by its holder or an operator
    └── BudgetSpent            429   a limit of the specialist is used up

A refusal that has to be remembered carries the events that record it in `record`: the caller appends them and then
raises the refusal on.
"""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.errors import FleetError
from reconciler.events.envelope import NewEvent


class WorkRefused(FleetError):
    """Root of all refusals of this layer.

    Args:
        what: one sentence that names the thing and why not.
        hint: what to do instead; may be empty.
        record: events that remember the refusal, to be appended before it is raised on.
    """

    http_status = 409
    code = "work_refused"

    def __init__(self, what: str, *, where: str = "", hint: str = "", record: Sequence[NewEvent] = ()) -> None:
        super().__init__(what, where=where, hint=hint)
        self.record = tuple(record)


class InputRefused(WorkRefused):
    """A value that is out of its range, empty, or malformed."""

    http_status = 422
    code = "input_refused"


class TransitionRefused(WorkRefused):
    """The state that the thing is in does not allow this step."""

    code = "transition_refused"


class AlreadyEnded(TransitionRefused):
    """What has ended stays ended."""

    code = "already_ended"


class NotAssigned(WorkRefused):
    """Somebody other than the assigned specialist tried to act on a sortie."""

    http_status = 403
    code = "not_assigned"


class NotEligible(WorkRefused):
    """The specialist is inactive, draining, busy, or lacks a required capability."""

    code = "not_eligible"


class LeaseOver(WorkRefused):
    """A word from an attempt that no longer holds the sortie; carries the event that records it."""

    code = "lease_over"


class DependencyOpen(WorkRefused):
    """A sortie cannot begin before what it depends on has ended as its `when` demands."""

    code = "dependency_open"


class MissionIncomplete(WorkRefused):
    """The mission has sorties that are neither completed nor cancelled."""

    code = "mission_incomplete"


class DefinitionFrozen(WorkRefused):
    """The definition was frozen when the mission started; an edit takes effect in its next run."""

    code = "definition_frozen"


class LockConflict(WorkRefused):
    """Another specialist holds an overlapping path.

    Attributes:
        lock_id, holder: the lock in the way and who holds it.
        expires_at: Unix ms at which it runs out.
    """

    code = "lock_conflict"

    def __init__(
        self, what: str, *, lock_id: str, holder: str, expires_at: int, hint: str = "", record: Sequence[NewEvent] = ()
    ) -> None:
        super().__init__(what, hint=hint, record=record)
        self.lock_id = lock_id
        self.holder = holder
        self.expires_at = expires_at


class WrongHolder(WorkRefused):
    """A lock is released by its holder, or by an operator with force."""

    http_status = 403
    code = "wrong_holder"


class BudgetSpent(WorkRefused):
    """A limit of the specialist is used up; carries the event that says so."""

    http_status = 429
    code = "budget_spent"
