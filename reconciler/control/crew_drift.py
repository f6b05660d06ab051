"""What became of specialists' processes against the log, as drift: one that ended, or stands still, by somebody's hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from reconciler.events.sentences import sentence
from reconciler.plan.naming import specialist_address
from reconciler.projections.fold import as_if_recorded

if TYPE_CHECKING:
    from reconciler.events.envelope import Event, NewEvent
    from reconciler.plan.situation import Situation
    from reconciler.projections.pools import ProjectedProcess
    from reconciler.projections.store import Store


class ProcessDrift(NamedTuple):
    """A replica whose process is not in the state that Fleet left it in; `since` is Unix ms."""

    resource: str
    actual: str
    cause: str
    since: int
    recorded: bool
    ignored: str


def process_drifts(situation: Situation, store: Store, seen: Mapping[str, NewEvent]) -> Iterator[ProcessDrift]:
    """The drift of every specialist that is wanted up.

    Args:
        seen: what the look just taken showed, by the hex of the event's id.
    """
    for name, pool in sorted(situation.projected.pools.items()):
        for process in pool.processes:
            alive = any(one.alive and one.replica == process.replica and one is not process for one in pool.processes)
            if pool.is_down(process.replica) or process.state == "running" or not process.external or alive:
                continue
            if process.state == "exited" and _may_end(situation, process):
                continue
            address = specialist_address(name, process.replica)
            new = seen.get(process.cause_event)
            event = as_if_recorded(new, 0) if new is not None else store.event(UUID(process.cause_event))
            ignored = situation.ignored_address("state", specialist_address(name), address)
            yield ProcessDrift(address, _actual(process), _told(event), process.changed_at, new is None, ignored)


def _may_end(situation: Situation, process: ProjectedProcess) -> bool:
    """Whether its restart policy leaves it as it is."""
    spec = situation.desired.specialists.get(process.pool)
    if spec is None:
        return False
    return spec.restart.policy == "no" or (spec.restart.policy == "on-failure" and process.exit_code == 0)


def _actual(process: ProjectedProcess) -> str:
    return f"exited ({process.exit_code})" if process.exit_code is not None else process.state


def _told(event: Event | None) -> str:
    return sentence(event) if event is not None else "it was changed outside of fleet"
