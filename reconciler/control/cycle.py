"""The cycle that everybody runs: look, and where there is a difference, converge.

Converging takes the writer's lease, looks again under it, records what was seen and what was decided, and carries the
plan out. With nothing to do it takes no lease and records nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from reconciler.control.freeze import refuse
from reconciler.control.look import Look, ReadFile, engine_of, look
from reconciler.control.reading import read_file
from reconciler.errors import ConfirmationMissing
from reconciler.events.envelope import NewEvent
from reconciler.plan.counts import ends_process
from reconciler.plan.model import (
    Plan,
    PlanOptions,
    RemoveContainer,
    ReplaceContainer,
)
from reconciler.plan.naming import specialist_address
from reconciler.plan.reasons import counted

if TYPE_CHECKING:
    from reconciler.apply.model import ApplyOptions, ApplyResult
    from reconciler.apply.report import Reporter
    from reconciler.control.session import Session
    from reconciler.events.store.lease import Lease
    from reconciler.projections.store import Store

__all__ = ["Confirmation", "Converged", "Look", "converge", "look", "within_policy"]

_ANYTHING = PlanOptions()
# A definition that is taken back may leave replicas on it that were replaced before; one more round brings them home.
_ROUNDS_AFTER_REVERT = 1


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Somebody's yes to a destructive plan."""

    by: str
    how: Literal["prompt", "flag", "policy"]


@dataclass(frozen=True, slots=True)
class Converged:
    """What became of a cycle. `result` is None when no action was needed."""

    look: Look
    result: ApplyResult | None = None


Confirm = Callable[[Look], Confirmation]


def within_policy(look: Look) -> Confirmation:
    """Yes, as long as no more is destroyed than `reconcile.max_destroy` allows.

    Raises:
        ConfirmationMissing: when more is.
    """
    allowed = look.desired.reconcile.max_destroy
    if look.plan.destroys > allowed:
        raise ConfirmationMissing(
            f"the plan destroys {in_words(look.plan)}, and reconcile.max_destroy allows {allowed}",
            hint="fleet plan shows it; fleet apply --yes does it",
        )
    return Confirmation(by="reconcile.max_destroy", how="policy")


def converge(
    session: Session,
    *,
    options: PlanOptions = _ANYTHING,
    how: ApplyOptions | None = None,
    reporter: Reporter | None = None,
    confirm: Confirm = within_policy,
    requests: Sequence[NewEvent] = (),
    again: Callable[[Look], Sequence[NewEvent]] | None = None,
    purpose: str = "apply",
    wait_lease_ms: int = 0,
    seen: Look | None = None,
    read: ReadFile = read_file,
    override_freeze: bool = False,
    still: Callable[[Look], None] = lambda _: None,
) -> Converged:
    """Make the world what the file says.

    Args:
        options: what narrows the plan.
        how: parallelism, waiting, time-out, interruption.
        reporter: is told what happens.
        confirm: is asked before a plan that destroys something, before the lease is taken; and again under it when by
            then more would be destroyed.
        requests: what a person asks for beside the file (`service_stop_requested`).
        again: decides under the lease once more what is requested, where that follows from a look: another writer may have
            recorded it meanwhile.
        purpose: what others are told while they wait for the lease.
        wait_lease_ms: how long to wait for another writer.
        seen: a look that was just taken, instead of a first one.
        read: how the file is read.
        override_freeze: take up an edited file although a freeze window holds.
        still: is asked about each look, and raises where it is not what was agreed to.

    Raises:
        ConfirmationMissing: the plan destroys something and nobody said yes.
        FleetFrozen: the file was edited, and a freeze window holds.
        LeaseHeld: another writer is at work.
    """
    first = seen or look(session, options, requests=requests, read=read)
    still(first)
    if first.settled:
        return Converged(first)
    _unless_frozen(first, override=override_freeze)
    said = confirm(first) if first.plan.destroys else None
    store = session.writable(first.desired.database)
    with store.lease(purpose, wait_ms=wait_lease_ms, cause=session.cause) as lease:
        if again is not None and requests:
            requests = again(look(session, options, read=read))
        current = look(session, options, requests=requests, read=read)
        still(current)
        _unless_frozen(current, override=override_freeze)
        if destroyed(current.plan) - destroyed(first.plan):
            # The world moved while somebody made up their mind, and the yes was to less than this.
            said = confirm(current)
        return _carry_out(session, store, lease, current, said, options, how, reporter, read)


def _unless_frozen(found: Look, *, override: bool) -> None:
    if found.frozen is not None and found.reading.changed and not override:
        refuse(found.frozen)


def _carry_out(
    session: Session,
    store: Store,
    lease: Lease,
    current: Look,
    said: Confirmation | None,
    options: PlanOptions,
    how: ApplyOptions | None,
    reporter: Reporter | None,
    read: ReadFile,
) -> Converged:
    """Record what was decided and do it; after a revert, once more for what the revert leaves to do."""
    from reconciler.apply.executor import apply
    from reconciler.apply.model import ApplyOptions
    from reconciler.apply.report import Silent
    from reconciler.control.crew import DeclaredCrew
    from reconciler.control.declared import DeclaredWork

    result: ApplyResult | None = None
    for _ in range(1 + _ROUNDS_AFTER_REVERT):
        revision = record(session, store, lease, current, said)
        if current.plan.empty:
            break
        latest = apply(
            current.plan,
            current.desired,
            store=store,
            runtime=engine_of(session, current.desired, current.projected),
            lease=lease,
            cause=session.cause,
            project=session.directory,
            environ=session.environ,
            revision_event=revision,
            reporter=reporter or Silent(),
            options=how or ApplyOptions(),
            work=DeclaredWork(store, session.cause, lease),
            processes=session.processes,
            crew=DeclaredCrew(session, store, lease),
        )
        result = latest if result is None else result.and_then(latest)
        if not latest.reverted or latest.status in ("interrupted", "timed_out"):
            break
        said = None
        current = look(session, options, read=read)
    return Converged(current, result)


def record(session: Session, store: Store, lease: Lease, current: Look, said: Confirmation | None) -> UUID | None:
    """Append what was seen, what was asked for, the revision if it is news, and the yes; one transaction.

    Returns:
        The event that made the current revision hold.
    """
    from reconciler.apply.model import plan_digest

    fleet, reading = current.desired.name, current.reading
    events = [*current.observations, *current.requests]
    reverting = [one.event_id for one in current.requests if one.event_type == "revision_reverted"]
    accepted = reverting[-1] if reverting else reading.accepted
    if reading.changed:
        data = {
            "revision": current.projected.head.latest + 1,
            "digest": reading.digest,
            "document": reading.document,
            "inputs": reading.inputs,
            "files": list(reading.files),
        }
        origin = session.origin()
        known = {"commit": session.cause.commit, "author": origin.author, "branch": origin.branch}
        data |= {name: value for name, value in known.items() if value}
        revision = NewEvent("revision_accepted", "fleet", fleet, data)
        events.append(revision)
        accepted = revision.event_id
    if said is not None:
        data = {"plan_digest": plan_digest(current.plan), "confirmed_by": said.by, "how": said.how}
        events.append(NewEvent("plan_confirmed", "fleet", fleet, data, causation_id=accepted))
    if events:
        store.append(events, session.cause, lease=lease)
    return accepted


def in_words(plan: Plan) -> str:
    """How much a plan removes or replaces, and of what: `2 containers`, `1 specialist`."""
    crew = any(ends_process(action) for action in plan.actions)
    containers = any(isinstance(action, RemoveContainer | ReplaceContainer) for action in plan.actions)
    if crew and containers:
        return f"{plan.destroys} containers and specialists"
    return counted(plan.destroys, "specialist" if crew else "container")


def destroyed(plan: Plan) -> set[str]:
    """Names of the containers, and addresses of the specialists' processes, that a plan removes or replaces."""
    containers = {action.name for action in plan.actions if isinstance(action, RemoveContainer | ReplaceContainer)}
    return containers | {
        specialist_address(action.pool, action.replica) for action in plan.actions if ends_process(action)
    }
