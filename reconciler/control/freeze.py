"""Freeze windows: the times at which no revision is taken up. What runs is healed all the same.

Pure: the windows and a moment in, the window that holds out. A window begins whenever its cron expression matches in its
own time zone, and lasts for its duration in real time, so that a change of the clocks neither shortens nor lengthens it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.control.cron import starts_before
from reconciler.control.reading import Reading, last_good, read_file
from reconciler.errors import FleetFrozen
from reconciler.plan.reasons import moment
from reconciler.spec.desired import FreezeWindow, desired_from_document

if TYPE_CHECKING:
    from reconciler.control.session import Session
    from reconciler.projections.projected import RevisionHead
    from reconciler.projections.rows import Rows


@dataclass(frozen=True, slots=True)
class Frozen:
    """A window that holds now, and until when (Unix ms)."""

    window: FreezeWindow
    until: int

    def __str__(self) -> str:
        why = f": {self.window.why}" if self.window.why else ""
        return f"frozen until {moment(self.until)}{why}"


def frozen(windows: Iterable[FreezeWindow], now_ms: int) -> Frozen | None:
    """The window that holds at this moment; of several the one that ends last."""
    found = [Frozen(window, until) for window in windows if (until := _until(window, now_ms)) is not None]
    return max(found, key=lambda one: one.until, default=None)


def frozen_by(reading: Reading, rows: Rows | None, head: RevisionHead, now_ms: int) -> Frozen | None:
    """What keeps a reading of the file from being taken up: its own windows, or those of the revision that holds.

    An edit that takes the window out of the file is an edit like any other, and waits with the rest.
    """
    windows = list(reading.desired.reconcile.freeze)
    if reading.changed and rows is not None and head.revision:
        from reconciler.projections.fleet import revision_key

        row = rows.get("revisions", revision_key(head.revision))
        if row is not None:
            windows += desired_from_document(row["document"]).reconcile.freeze
    return frozen(windows, now_ms)


def refuse(found: Frozen) -> None:
    """Say that a new revision is not taken up now.

    Raises:
        FleetFrozen: always.
    """
    raise FleetFrozen(
        f"the fleet is {found}; the edited file waits until then",
        hint="fleet apply --override-freeze takes it up now",
    )


def unless_frozen(now_ms: Callable[[], int]) -> Callable[[Session, Rows | None, RevisionHead], Reading]:
    """A way of reading the file for who takes up revisions unasked: while the fleet is frozen, the last good one."""

    def read(session: Session, rows: Rows | None, head: RevisionHead) -> Reading:
        reading = read_file(session, rows, head)
        if reading.changed and frozen_by(reading, rows, head, now_ms()) is not None:
            return last_good(rows, head) or reading
        return reading

    return read


def _until(window: FreezeWindow, now_ms: int) -> int | None:
    """When the latest start that has passed ends, if that is still to come."""
    for start in starts_before(window.start, window.timezone, now_ms=now_ms, back_ms=window.duration_ms):
        return start + window.duration_ms if start + window.duration_ms > now_ms else None
    return None
