"""Waiting for missions to end, the way an apply waits for services: with progress, a bound, and an outcome.

While it waits it does what the loop would do for them: it dispatches, and notices workers that are gone.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from reconciler.control.desk.desk import Desk
from reconciler.control.dispatching import overdue, tick
from reconciler.control.reading import now_ms
from reconciler.errors import FleetError, TimedOut
from reconciler.events.envelope import Cause, Event
from reconciler.ops.work_view import MissionView, SortieView, mission_views, sortie_views
from reconciler.plan.model import PlanOptions, StartProcess

if TYPE_CHECKING:
    from reconciler.control.session import Session
    from reconciler.projections.rows import Rows
    from reconciler.projections.store import Store

Ending = Literal["completed", "failed", "timed_out", "interrupted"]

_POLL_S = 0.1
_TICK_EVERY_S = 2.0
_TEND_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How the missions that are waited for stand, each with its sorties."""

    missions: tuple[MissionView, ...]
    sorties: tuple[SortieView, ...]

    @property
    def ended(self) -> bool:
        """All of them have ended."""
        return all(one.ended for one in self.missions)


@dataclass(frozen=True, slots=True)
class Waited:
    """How it came out."""

    ending: Ending
    standing: Standing
    seconds: float


Watcher = Callable[[Standing, Sequence[SortieView]], None]
"""Is told how things stand, and which sorties have changed since it was told last."""


def last_runs(rows: Rows, names: Collection[str]) -> list[MissionView]:
    """The last run of each of these missions of the file that ever ran."""
    newest: dict[str, MissionView] = {}
    for one in mission_views(rows):
        if one.run and one.name in names and one.run > (newest[one.name].run if one.name in newest else 0):
            newest[one.name] = one
    return [newest[name] for name in sorted(newest)]


def standing(rows: Rows, ids: Collection[str]) -> Standing:
    """How these missions stand."""
    missions = sorted((one for one in mission_views(rows) if one.id in ids), key=lambda one: one.name)
    return Standing(tuple(missions), tuple(one for one in sortie_views(rows) if one.mission_id in ids))


def wait(
    store: Store,
    ids: Collection[str],
    tell: Watcher,
    *,
    timeout_ms: int = 0,
    interrupt: threading.Event | None = None,
    tend: Callable[[], None] = lambda: None,
    filing: Callable[[Sequence[Event]], None] | None = None,
) -> Waited:
    """Wait until these missions have ended.

    Args:
        store: open for writing.
        ids: of the missions.
        tell: is told of all sorties at first, and then of those that have changed; of nothing when all was over before.
        timeout_ms: 0 waits without bound.
        interrupt: set by somebody else to stop waiting; the missions go on.
        tend: done every few seconds, for what the missions need.
        filing: told what was recorded, for the files of checkpoints.
    """
    began = time.monotonic()
    stop = interrupt or threading.Event()
    desk = Desk(store, Cause("fleet", "cli"), after=filing)
    seen: dict[str, SortieView] | None = None
    ticked, tended, head = 0.0, began, -1
    while True:
        now = time.monotonic()
        if now - tended >= _TEND_EVERY_S:
            tend()
            tended = time.monotonic()
        if store.head() != head or now - ticked >= _TICK_EVERY_S:
            # A log that others keep busy is no reason to stop waiting; the next round makes up for this one.
            with contextlib.suppress(TimedOut):
                tick(desk, overdue(store, now_ms()))
            ticked, head = now, store.head()
            found = standing(store.rows(), ids)
            changed = [one for one in found.sorties if seen is None or _looks(seen.get(one.id)) != _looks(one)]
            if changed and not (seen is None and found.ended):
                tell(found, changed)
            seen = {one.id: one for one in found.sorties}
            if found.ended:
                good = all(one.status == "completed" for one in found.missions)
                return Waited("completed" if good else "failed", found, time.monotonic() - began)
        if stop.is_set():
            return Waited("interrupted", found, time.monotonic() - began)
        if timeout_ms and (time.monotonic() - began) * 1000 >= timeout_ms:
            return Waited("timed_out", found, time.monotonic() - began)
        stop.wait(_POLL_S)


def specialists_kept(session: Session, options: PlanOptions) -> Callable[[], None]:
    """What starts specialists again that have ended meanwhile. Nothing else is touched, and no edit is taken up.

    Args:
        options: what narrowed the apply.
    """

    def tend() -> None:
        from reconciler.apply.model import ApplyOptions
        from reconciler.control.cycle import converge
        from reconciler.control.look import look

        # What fails now may work the next time; the waiting has a bound of its own.
        with contextlib.suppress(FleetError):
            seen = look(session, options)
            gone = sorted({one.resource for one in seen.plan.actions if isinstance(one, StartProcess)})
            if gone and not seen.reading.changed:
                converge(session, options=replace(options, targets=tuple(gone), tags=()), how=ApplyOptions(wait=False))

    return tend


def _looks(one: SortieView | None) -> tuple[object, ...]:
    """What of a sortie is worth telling when it differs."""
    return () if one is None else (one.status, one.attempt, one.assigned_to, one.progress, one.doing)
