"""Folds of the log's own events: the backups that were made of it.

Who holds the lease is not a projection: a writer must learn it before it may append.
"""

from __future__ import annotations

from reconciler.events.envelope import Event
from reconciler.projections.fold import folds, stamped
from reconciler.projections.rows import Rows


@folds("backup_created")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    row = {"path": data["path"], "sequence": data["sequence"], "size": data["size"], "at": event.occurred_at}
    rows.put("backups", data["path"], stamped(event, row))
