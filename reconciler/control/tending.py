"""The log's own care while Fleet stays: compaction when a limit is passed or its hour has come, and backups on theirs.

Level-triggered like everything else: what was due while nobody watched is done when somebody does. It works on a store
of its own, in a thread beside the loop, so that healing never waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from reconciler.control.cron import starts_before
from reconciler.errors import FleetError
from reconciler.events.envelope import Cause

if TYPE_CHECKING:
    from reconciler.control.session import Session
    from reconciler.control.watch.teller import Teller
    from reconciler.ops.compact import Trigger
    from reconciler.projections.store import Store
    from reconciler.spec.desired import DatabaseSettings, Desired

_EVERY_S = 60.0
_AFTER_A_FAILURE_S = 600.0
_JOIN_S = 1.0
_WEEK_MS = 7 * 86_400_000


def last_start(schedule: str, now_ms: int) -> int:
    """When a schedule last came round, in Unix ms; 0 when it did not in the past week. Read in UTC."""
    return next(starts_before(schedule, now_ms=now_ms, back_ms=_WEEK_MS), 0)


class Tending:
    """Does what is due to one project's log."""

    def __init__(
        self, session: Session, desired: Callable[[], Desired | None], teller: Teller, clock: Callable[[], int]
    ) -> None:
        """Remember what to tend.

        Args:
            desired: the fleet as the loop last saw it; None before that.
            clock: Unix ms.
        """
        self._session = session
        self._desired = desired
        self._teller = teller
        self._clock = clock
        self._compacted_at = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fleet-tend", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more. What is under way may be cut off at any point: the log stays whole."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)

    def _run(self) -> None:
        pause = 1.0
        while not self._stopping.wait(pause):
            pause = _EVERY_S
            try:
                self.tend()
            except FleetError as error:
                self._teller.tell("error", f"the log could not be tended: {error}")
                pause = _AFTER_A_FAILURE_S

    def tend(self) -> None:
        """Do what is due now, and nothing when nothing is.

        Raises:
            LogUnusable: the disk is full, or the log is damaged.
        """
        from reconciler.projections.store import open_store

        desired = self._desired()
        if desired is None or not self._session.database.exists():
            return
        settings = desired.database
        with open_store(self._session.database, settings=settings) as store:
            self._tend_checkpoints(store)
            self._compact(store, settings)
            self._back_up(store, settings)

    def _tend_checkpoints(self, store: Store) -> None:
        """Write the files of checkpoints that were taken where none could be written, and let go of old ones."""
        from reconciler.control.checkpoints.filing import Filing
        from reconciler.control.checkpoints.occasions import look_for_undelivered, tidy

        project, cause, now = self._session.directory, Cause("fleet", "watch"), self._clock()
        Filing(project).catch_up(store.rows())
        look_for_undelivered(store, cause, project, now)
        tidy(store, cause, project, now)

    def _compact(self, store: Store, settings: DatabaseSettings) -> None:
        from reconciler.control.checkpoints.occasions import take_before
        from reconciler.ops.compact import compact, due, old_events

        limits, now = settings.compaction, self._clock()
        start = last_start(limits.schedule, now)
        trigger: Trigger
        if due(store, limits, now_ms=now):
            trigger = "threshold"
        elif limits.enabled and start > self._compacted_at:
            trigger = "scheduled"
        else:
            return
        self._compacted_at = max(start, self._compacted_at)
        until = old_events(store, limits, now_ms=now)
        if until:
            take_before(store, self._session.cause, self._session.directory, "compaction")
            done = compact(store, self._session.cause, until=until, trigger=trigger, limits=limits)
            if done.events:
                self._teller.tell("info", "old events moved to the archive", events=done.events, trigger=trigger)

    def _back_up(self, store: Store, settings: DatabaseSettings) -> None:
        from reconciler.ops.backup import back_up
        from reconciler.ops.settings import backup_folder

        now = self._clock()
        if not settings.backup.enabled:
            return
        start = last_start(settings.backup.schedule, now)
        newest = max((int(row["at"]) for _, row in store.rows().scan("backups")), default=0)
        if start <= newest:
            return
        folder = backup_folder(settings, database=self._session.database, project=self._session.directory)
        made = back_up(store, folder, self._session.cause, keep=settings.backup.keep, now_ms=now)
        self._teller.tell("info", "a backup was made", path=str(made.path), events=made.sequence)
