"""Dispatching: what time and free hands bring about in the agents' world, while somebody stays.

A tick takes back what silent specialists held, ends missions that are over, gives waiting sorties to whoever is free, and
records why the rest waits. It is level-triggered: a tick that was missed is made up for by the next one, and with nothing
open it writes nothing. Workers claim by themselves too, so that missions go on where nobody stays; what needs somebody is
noticing that a worker is gone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from reconciler.control.checkpoints.filing import Filing
from reconciler.control.desk import claiming, missions, specialists
from reconciler.control.desk.desk import Command, Desk
from reconciler.control.desk.sorties import fail
from reconciler.control.reading import now_ms
from reconciler.errors import FleetError
from reconciler.events.envelope import Cause
from reconciler.projections.rows import Rows
from reconciler.units import format_duration
from reconciler.work.refusals import WorkRefused
from reconciler.work.state import ENDED

if TYPE_CHECKING:
    from reconciler.control.session import Session
    from reconciler.control.watch.teller import Teller
    from reconciler.projections.store import Store
    from reconciler.spec.desired import Desired

_GONE = frozenset({"inactive", "completed"})
_LOOK_EVERY_S = 0.5
_TICK_EVERY_S = 5.0
_AFTER_A_FAILURE_S = 30.0
# For the worker itself to report it, with what its command has printed.
_PATIENCE_MS = 10_000


def has_work(rows: Rows) -> bool:
    """Whether a tick could come to anything: an open sortie or mission, a specialist that may fall silent, a lock."""
    return (
        any(row["status"] not in ENDED for _, row in rows.scan("sorties"))
        or any(row["status"] in ("in_progress", "review") for _, row in rows.scan("missions"))
        or any(row["status"] not in _GONE for _, row in rows.scan("specialists"))
        or any(row["status"] == "active" for _, row in rows.scan("locks"))
    )


def tick(desk: Desk, overdue: Sequence[Command[Any]] = ()) -> int:
    """One round; how many sorties were given to somebody.

    Args:
        overdue: what ends attempts that have taken too long.

    Raises:
        LogUnusable, TimedOut: the log cannot be written.
    """
    cause = Cause("fleet", "watch")
    commands = (*overdue, specialists.sweep(), missions.settle(), claiming.evaluate())
    given = 0
    for answer in desk.run_all([(command, cause) for command in commands]):
        if isinstance(answer, WorkRefused):
            # It has ended by itself since somebody looked.
            continue
        if isinstance(answer, Exception):
            raise answer
        given = answer.value
    return given


def overdue(store: Store, at_ms: int) -> list[Command[Any]]:
    """What ends attempts that go on for longer than their sortie's time-out.

    A worker of Fleet ends its own command in time; this is for whoever works on a sortie without one.
    """
    found: list[Command[Any]] = []
    for key, row in store.rows().scan("sorties"):
        timeout_ms = int((row.get("metadata") or {}).get("timeout_ms") or 0)
        limit = timeout_ms + _PATIENCE_MS
        # The start of the first attempt is in the row, that of this one in the log: most are seen not to be over at once.
        if row["status"] != "in_progress" or not timeout_ms or at_ms - (row.get("started_at") or at_ms) <= limit:
            continue
        begun = [event for event in store.stream("sortie", key) if event.event_type == "sortie_attempt_started"]
        if begun and begun[-1].data["attempt"] == row["attempt"] and at_ms - begun[-1].occurred_at > limit:
            error = f"it took longer than {format_duration(timeout_ms)}"
            found.append(fail(key, row["assigned_to"], error=error, cause="timeout", attempt=row["attempt"]))
    return found


class Dispatching:
    """Ticks in a thread, soon after anything was recorded and every few seconds, on a store of its own."""

    def __init__(
        self, session: Session, desired: Callable[[], Desired | None], teller: Teller, moved: Callable[[], None]
    ) -> None:
        """Remember whom to tell.

        Args:
            desired: the fleet as the loop last saw it; None before that.
            moved: called when a mission has begun or ended, which the loop may want to look at.
        """
        self._session = session
        self._desired = desired
        self._teller = teller
        self._moved = moved
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fleet-dispatch", daemon=True)
        self._seen: tuple[int, ...] | None = None
        self._since_tick = _TICK_EVERY_S
        self._statuses: dict[str, str] | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a round that is under way is finished."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        pause = _LOOK_EVERY_S
        while not self._stopping.wait(pause):
            pause = _LOOK_EVERY_S
            try:
                self.look()
            except FleetError as error:
                self._teller.tell("error", f"sorties cannot be given out: {error}")
                pause = _AFTER_A_FAILURE_S

    def look(self) -> None:
        """Tick where there is something open and either something was recorded or the time has come.

        Raises:
            LogUnusable, TimedOut: the log cannot be read or written.
        """
        from reconciler.projections.store import open_store

        desired, mark = self._desired(), self._mark()
        self._since_tick += _LOOK_EVERY_S
        if desired is None or mark is None or (mark == self._seen and self._since_tick < _TICK_EVERY_S):
            return
        self._since_tick = 0.0
        with open_store(self._session.database, mode="read") as store:
            self._tell_of_missions(store)
            something = has_work(store.rows())
        if something:
            with open_store(self._session.database, settings=desired.database) as store:
                desk = Desk(store, Cause("fleet", "watch"), after=Filing(self._session.directory))
                tick(desk, overdue(store, now_ms()))
                self._tell_of_missions(store)
        self._seen = self._mark()

    def _mark(self) -> tuple[int, ...] | None:
        """What changes with every append, without opening anything; None where there is no log."""
        database = self._session.database
        try:
            own = database.stat()
        except FileNotFoundError:
            return None
        try:
            log = database.with_name(f"{database.name}-wal").stat()
        except FileNotFoundError:
            return own.st_mtime_ns, own.st_size
        return own.st_mtime_ns, own.st_size, log.st_mtime_ns, log.st_size

    def _tell_of_missions(self, store: Store) -> None:
        from reconciler.ops.work_view import mission_views

        found = mission_views(store.rows())
        before, self._statuses = self._statuses, {one.id: one.status for one in found}
        moved = [one for one in found if before is not None and before.get(one.id) != one.status]
        for one in moved:
            words = one.status.replace("_", " ") + (f": {one.reason}" if one.reason else "")
            level: Literal["info", "error"] = "error" if one.status == "failed" else "info"
            self._teller.tell(level, f"mission/{one.name} is {words}", resource=f"mission/{one.name}")
        if moved:
            self._moved()
