"""What the file says about the log's care, as far as the log knows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reconciler.ops.settings import backup_folder, settings_of
from reconciler.projections.rows import MemoryRows
from reconciler.spec.desired import Backup, DatabaseSettings
from tests.support.story import Log


def log_with(document: dict[str, Any]) -> Log:
    log = Log()
    data = {"revision": 1, "digest": "v1:1", "document": {"name": "shop", "project": "p", **document}}
    log.record("revision_accepted", "fleet/shop", data)
    return log


def test_the_revision_that_holds_says_it() -> None:
    settings = settings_of(log_with({"database": {"compaction": {"threshold_events": 7}}}).rows())
    assert settings.compaction.threshold_events == 7


def test_nothing_said_is_the_defaults() -> None:
    assert settings_of(MemoryRows()) == DatabaseSettings()
    assert settings_of(log_with({}).rows()) == DatabaseSettings()


def test_what_this_release_cannot_read_is_the_defaults() -> None:
    assert settings_of(log_with({"database": 5}).rows()) == DatabaseSettings()


def test_a_rejected_file_says_nothing() -> None:
    log = Log()
    problem = {"file": "fleet.yaml", "message": "wrong"}
    log.record("revision_rejected", "fleet/shop", {"revision": 1, "problems": [problem]})
    assert settings_of(log.rows()) == DatabaseSettings()


def test_where_backups_go() -> None:
    database, project = Path("/data/squawk.db"), Path("/shop")
    said = DatabaseSettings(backup=Backup(path="./kept"))
    assert backup_folder(DatabaseSettings(), database=database, project=project) == Path("/data/backups")
    assert backup_folder(said, database=database, project=project) == Path("/shop/kept")
    absolute = DatabaseSettings(backup=Backup(path="/mnt/backups"))
    assert backup_folder(absolute, database=database, project=project) == Path("/mnt/backups")
