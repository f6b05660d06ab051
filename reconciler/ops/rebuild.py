"""Rebuild: everything that follows from the log is made anew and swapped in; caches of it are dropped."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.ops.snapshots import drop_snapshots
from reconciler.projections.store import Store

Progress = Callable[[int, int], None]


def rebuild(store: Store, progress: Progress | None = None) -> int:
    """Fold the whole log into new tables and put them in place of the old; how many events it was.

    Others may read and append meanwhile. A process that is killed leaves the old tables in place.

    Args:
        progress: told how many of how many events have been folded.

    Raises:
        EventTooNew: the log holds events that this release cannot fold.
    """
    with store.transaction() as transaction:
        drop_snapshots(transaction.connection)
    return store.rebuild(progress)
