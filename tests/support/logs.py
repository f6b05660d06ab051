"""Logs on disk for tests of what tends them: some events of every kind that matters, and ways to damage them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from reconciler.events.envelope import Cause, NewEvent
from reconciler.events.store.chain import seal, seal_provenance, seal_words
from reconciler.ids import uuid7
from reconciler.ops.compact import compact
from reconciler.projections.store import Store
from tests.support.story import StoredLog

ADA = Cause("ada", "cli")


def tell_some(store: Store, *, rounds: int = 3) -> StoredLog:
    """A service that was declared, made, lost and made again, and a sortie that went along; 11 events a round."""
    log = StoredLog(store)
    for number in range(1, rounds + 1):
        defined = log.edit(number, image=f"localhost/web:{number}")
        log.create(log.decide("create_container", defined), container=f"c{number}")
        gone = log.see("container_exited", container=f"c{number}", exit_code=number)
        removal = log.decide("remove_container", gone, text="it ended")
        names = {"service": "web", "replica": 1, "container_id": f"c{number}"}
        log.record("container_removed", "service/web", names, after=removal)
        sortie = f"sortie_{number}"
        data = {"sortie_id": sortie, "title": f"Step {number}", "priority": "high"}
        log.record("sortie_created", f"sortie/{sortie}", data, actor="builder", source="worker", commit="1a2b3c")
        store.append(
            [
                NewEvent(
                    "squawk_sent", "squawk", "builder-1", _message(f"{number}{letter}"), occurred_at=1_795_521_600_000
                )
                for letter in "ab"
            ],
            ADA,
        )
    return log


def _message(number: str) -> dict[str, object]:
    return {"message_id": f"m{number}", "mailbox_id": "builder-1", "message_type": "note", "content": {"text": "hello"}}


def archive_until(store: Store, sequence: int) -> None:
    """Move events to the archive, this one included."""
    compact(store, ADA, until=sequence, trigger="manual")


@contextmanager
def unguarded(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a log whose triggers are out of the way meanwhile, as somebody would who falsifies it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        connection.execute("BEGIN")
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        yield connection
        for _, definition in triggers:
            connection.execute(definition)
        connection.execute("COMMIT")


def columns_of(connection: sqlite3.Connection, table: str) -> list[str]:
    """The names of a table's columns."""
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def append_raw(path: Path, event_type: str, schema_version: int, data: str) -> int:
    """Append what this release would not, rightly sealed, as another release might have; its sequence number."""
    event_id = uuid7().bytes
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        execute = connection.execute
        execute("BEGIN IMMEDIATE")
        sequence, previous, cause, now = execute(
            "SELECT sequence_number + 1, hash, cause, recorded_at FROM events ORDER BY sequence_number DESC LIMIT 1"
        ).fetchone()
        correlation_id, *origin = execute(
            "SELECT correlation_id, actor, source, commit_id, host, software_version, user_agent FROM causes"
            " JOIN origins ON origins.id = origin WHERE causes.id = ?",
            (cause,),
        ).fetchone()
        kind = (event_type, schema_version)
        execute("INSERT OR IGNORE INTO event_types (name, schema_version) VALUES (?, ?)", kind)
        (type_number,) = execute("SELECT id FROM event_types WHERE name = ? AND schema_version = ?", kind).fetchone()
        execute("INSERT INTO streams (stream_type, stream_id) VALUES ('system', ?)", (f"raw{sequence}",))
        (stream,) = execute("SELECT max(id) FROM streams").fetchone()
        sealed = seal(
            previous,
            (sequence, 1, now, now),
            event_id,
            None,
            seal_provenance(correlation_id, origin),
            seal_words(*kind),
            seal_words("system", f"raw{sequence}"),
            data.encode(),
        )
        execute(
            "INSERT INTO events VALUES (?, ?, ?, 1, ?, ?, NULL, ?, NULL, ?, ?)",
            (sequence, type_number, stream, cause, now, event_id, data, sealed),
        )
        execute("UPDATE projection_position SET sequence_number = ?", (sequence,))
        execute("COMMIT")
    return int(sequence)
