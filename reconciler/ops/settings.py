"""What the file says about the log's own care, as the revision that holds recorded it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from reconciler.ops.backup import default_folder
from reconciler.projections.fleet import revision_key
from reconciler.projections.rows import Rows
from reconciler.spec.desired import DatabaseSettings, desired_from_document


def settings_of(rows: Rows) -> DatabaseSettings:
    """The `database:` block of the revision that holds; the defaults when there is none that can be read."""
    fleets = sorted((row for _, row in rows.scan("fleets")), key=lambda row: int(row["last_event_sequence"]))
    row = rows.get("revisions", revision_key(fleets[-1]["revision"])) if fleets else None
    if row is None or row["document"] is None:
        return DatabaseSettings()
    try:
        return desired_from_document(row["document"]).database
    except msgspec.ValidationError:
        return DatabaseSettings()


def backup_folder(settings: DatabaseSettings, *, database: Path, project: Path) -> Path:
    """Where backups go: as the file says, relative to the project, else beside the database."""
    return project / Path(settings.backup.path).expanduser() if settings.backup.path else default_folder(database)
