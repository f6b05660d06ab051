"""Suspending: a person says that a resource, or the whole fleet, is to be left alone for a while, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.control.reading import last_good, now_ms, read_file
from reconciler.errors import FleetError, NotFound
from reconciler.events.envelope import NewEvent
from reconciler.ops.status import suspensions
from reconciler.plan.model import PlanOptions
from reconciler.plan.situation import Situation
from reconciler.projections.projected import Projected

if TYPE_CHECKING:
    from reconciler.control.session import Session
    from reconciler.spec.desired import Desired


def suspend(session: Session, resource: str, *, why: str, for_ms: int = 0) -> NewEvent:
    """Leave a resource alone from now on; of two suspensions of one resource the later counts.

    No lease is needed: whoever writes at this moment ends what was begun, and its next look knows.

    Args:
        resource: `service/web`, `service/web/2` or a bare name; empty for the whole fleet.
        for_ms: until it resumes by itself; 0 for until somebody resumes it.

    Raises:
        NotFound: there is no such resource.
        SpecInvalid: the file is wrong and nothing was ever applied.
    """
    desired, projected = _known(session)
    data: dict[str, object] = {"resource": _address(resource, desired, projected), "why": why}
    if for_ms:
        data["until"] = now_ms() + for_ms
    event = NewEvent("resource_suspended", "fleet", desired.name, data)
    session.writable(desired.database).append([event], session.cause)
    return event


def resume(session: Session, resource: str, *, why: str = "") -> NewEvent:
    """End a suspension.

    Raises:
        NotFound: nothing of that name is suspended; lists what is.
    """
    desired, projected = _known(session)
    active = {one.resource for one in suspensions(projected, now_ms())}
    address = resource if resource in active else _address(resource, desired, projected)
    if address not in active:
        named = ", ".join(one or "the fleet" for one in sorted(active)) or "nothing"
        raise NotFound(f"{address or 'the fleet'} is not suspended", hint=f"suspended now: {named}")
    event = NewEvent("resource_resumed", "fleet", desired.name, {"resource": address, **({"why": why} if why else {})})
    session.writable(desired.database).append([event], session.cause)
    return event


def _known(session: Session) -> tuple[Desired, Projected]:
    """What the file says and what the log knows; in the place of a file that is wrong, the last good revision."""
    store = session.store
    projected = store.projected() if store is not None else Projected()
    rows = store.rows() if store is not None else None
    try:
        return read_file(session, rows, projected.head).desired, projected
    except FleetError:
        good = last_good(rows, projected.head)
        if good is None:
            raise
        return good.desired, projected


def _address(resource: str, desired: Desired, projected: Projected) -> str:
    if not resource:
        return ""
    place = Situation(desired, projected, PlanOptions()).names().place(resource)
    whole = place.service if "/" in place.service else f"service/{place.service}"
    return whole + (f"/{place.replica}" if place.replica else "")
