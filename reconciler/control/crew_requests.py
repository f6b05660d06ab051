"""What a person asks of specialists beside the file: down until further notice, now or when they are done, or up again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

from reconciler.control.desk import specialists
from reconciler.control.desk.desk import Desk
from reconciler.errors import NotFound
from reconciler.events.envelope import NewEvent
from reconciler.ids import replica_id
from reconciler.plan.naming import specialist_address
from reconciler.projections.pools import ProjectedPool
from reconciler.projections.projected import Projected
from reconciler.spec.desired import Desired
from reconciler.work.refusals import WorkRefused

if TYPE_CHECKING:
    from reconciler.control.session import Session


class Asked(NamedTuple):
    """A declared specialist, or one replica of it; 0 means all."""

    pool: str
    replica: int = 0

    @property
    def address(self) -> str:
        """`specialist/builder` or `specialist/builder/2`."""
        return specialist_address(self.pool, self.replica)


def chosen_specialists(desired: Desired, names: Iterable[str]) -> tuple[Asked, ...]:
    """What `builder`, `specialist/builder` and `builder/2` mean; all declared ones for no name.

    Raises:
        NotFound: for a name that no specialist of the file has; with those there are.
    """
    found = [_chosen(desired, name) for name in dict.fromkeys(names)]
    return tuple(found) or tuple(Asked(name) for name in sorted(desired.specialists))


def _chosen(desired: Desired, name: str) -> Asked:
    pool, _, number = name.removeprefix("specialist/").partition("/")
    spec = desired.specialists.get(pool)
    if spec is None:
        near = get_close_matches(pool, desired.specialists, n=1)
        known = ", ".join(sorted(desired.specialists)) or "none"
        hint = f"did you mean {near[0]}?" if near else f"known: {known}"
        raise NotFound(f"there is no specialist {pool!r} in the file", hint=hint)
    if not number:
        return Asked(pool)
    if number.isascii() and number.isdigit() and 0 < int(number) <= spec.replicas:
        return Asked(pool, int(number))
    raise NotFound(f"there is no {name!r}", hint=f"specialist {pool} has {spec.replicas} replicas")


def stop_requests(projected: Projected, asked: Iterable[Asked], *, drain: bool = False) -> list[NewEvent]:
    """The wish that these be down; one that is wished for already is not wished for again."""
    return [
        _request("specialist_stop_requested", one, drain=drain)
        for one in asked
        if (pool := projected.pools.get(one.pool)) is not None and not _is_down(pool, one, drain)
    ]


def start_requests(projected: Projected, asked: Iterable[Asked]) -> list[NewEvent]:
    """The wish that these be up: of those that were stopped or drained on request, or given up."""
    failing = set(projected.backoffs)
    return [
        _request("specialist_start_requested", one)
        for one in asked
        if (pool := projected.pools.get(one.pool)) is not None
        and (_held(pool, one) or any(_within(key, one) for key in failing))
    ]


def drain_now(session: Session, desired: Desired, projected: Projected, asked: Sequence[Asked]) -> list[str]:
    """Wish these down when they have finished what they work on, and give them nothing more; the sorties they hold.

    No lease is needed: whoever writes at this moment ends what was begun, and its next look knows.
    """
    store = session.writable(desired.database)
    requests = stop_requests(projected, asked, drain=True)
    if requests:
        store.append(requests, session.cause)
    desk, held = Desk(store, session.cause), []
    for one in asked:
        pool = projected.pools.get(one.pool)
        for replica in sorted(pool.workers) if pool is not None else ():
            if one.replica in (0, replica):
                try:
                    worker = desk.run(specialists.drain(replica_id(one.pool, replica), by=session.cause.actor)).value
                except WorkRefused:
                    continue
                held += [worker.current_sortie] if worker.current_sortie else []
    return held


def _is_down(pool: ProjectedPool, one: Asked, drain: bool) -> bool:
    """A stop after a drain is another wish: not to wait any longer."""
    down = pool.is_down(one.replica) if one.replica else pool.wanted == "down"
    return down and (drain or not pool.drains(one.replica))


def _held(pool: ProjectedPool, one: Asked) -> bool:
    return pool.is_down(one.replica) if one.replica else pool.wanted == "down" or bool(pool.stopped)


def _within(key: str, one: Asked) -> bool:
    """Whether a back-off's key is about it."""
    return key == one.address or (not one.replica and key.startswith(f"{one.address}/"))


def _request(event_type: str, one: Asked, *, drain: bool = False) -> NewEvent:
    data: dict[str, object] = {"pool": one.pool}
    if one.replica:
        data["replica"] = one.replica
    if drain:
        data["drain"] = True
    return NewEvent(event_type, "specialist", one.pool, data)
