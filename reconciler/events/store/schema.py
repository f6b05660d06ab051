"""The tables of the event log.

Compact on purpose: ids are 16 bytes, and what repeats (types, streams, who and through which door) is kept once and named
by a small integer. People with the `sqlite3` shell read the view `event_log`, which puts the words back.

`events` only grows. Triggers refuse to change or delete a row, and to slip one in under a number or an id that is taken.
Rows may go only once a segment of the archive holds them, which is recorded in the transaction that deletes them.

`DEFINITIONS` is the newest shape, for new files. Older files get there by the migrations, which end in the same shape.
"""

from __future__ import annotations

APPLICATION_ID = 0x464C4554
"""`FLET`: in the file's header, so that any other database is recognised as such."""

REVISIONS: tuple[str, ...] = ("0001", "0002")
"""Every migration that this release knows, oldest first."""

REVISION = REVISIONS[-1]

DEFINITIONS = """
CREATE TABLE event_types (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    schema_version INTEGER NOT NULL,
    UNIQUE (name, schema_version)
);
CREATE TABLE streams (
    id INTEGER PRIMARY KEY,
    stream_type TEXT NOT NULL,
    stream_id TEXT NOT NULL,
    archived_version INTEGER NOT NULL DEFAULT 0,
    UNIQUE (stream_type, stream_id)
);
CREATE TABLE origins (
    id INTEGER PRIMARY KEY,
    actor TEXT NOT NULL,
    source TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    host TEXT NOT NULL,
    software_version TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    UNIQUE (actor, source, commit_id, host, software_version, user_agent)
);
CREATE TABLE causes (
    id INTEGER PRIMARY KEY,
    origin INTEGER NOT NULL REFERENCES origins (id),
    correlation_id BLOB NOT NULL,
    first_sequence INTEGER NOT NULL
);
CREATE TABLE archive (
    segment INTEGER PRIMARY KEY,
    file TEXT NOT NULL UNIQUE,
    from_sequence INTEGER NOT NULL,
    to_sequence INTEGER NOT NULL UNIQUE,
    from_time INTEGER NOT NULL,
    to_time INTEGER NOT NULL,
    newest_id BLOB NOT NULL,
    previous_hash BLOB NOT NULL,
    last_hash BLOB NOT NULL,
    digest BLOB NOT NULL,
    size INTEGER NOT NULL,
    archived_at INTEGER NOT NULL
);
CREATE TABLE events (
    sequence_number INTEGER PRIMARY KEY,
    event_type INTEGER NOT NULL REFERENCES event_types (id),
    stream INTEGER NOT NULL REFERENCES streams (id),
    version INTEGER NOT NULL,
    cause INTEGER NOT NULL REFERENCES causes (id),
    recorded_at INTEGER NOT NULL,
    occurred_at INTEGER,
    event_id BLOB NOT NULL UNIQUE,
    causation_id BLOB,
    data TEXT NOT NULL,
    hash BLOB NOT NULL,
    UNIQUE (stream, version)
);
CREATE TRIGGER events_are_added_at_the_end BEFORE INSERT ON events
WHEN NEW.sequence_number <= (SELECT max(sequence_number) FROM events)
    OR EXISTS (SELECT 1 FROM events WHERE event_id = NEW.event_id)
    OR EXISTS (SELECT 1 FROM events WHERE stream = NEW.stream AND version = NEW.version)
BEGIN
    SELECT RAISE (ABORT, 'an event is added at the end of the log and of its stream, under an id of its own');
END;
CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
BEGIN
    SELECT RAISE (ABORT, 'an event is never changed');
END;
CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
WHEN OLD.sequence_number > coalesce((SELECT max(to_sequence) FROM archive), 0)
BEGIN
    SELECT RAISE (ABORT, 'an event is never deleted before the archive has it');
END;
CREATE TRIGGER event_types_are_never_changed BEFORE UPDATE ON event_types
BEGIN
    SELECT RAISE (ABORT, 'the name of an event type is part of its events');
END;
CREATE TRIGGER streams_are_never_renamed BEFORE UPDATE OF id, stream_type, stream_id ON streams
BEGIN
    SELECT RAISE (ABORT, 'the name of a stream is part of its events');
END;
CREATE TRIGGER origins_are_never_changed BEFORE UPDATE ON origins
BEGIN
    SELECT RAISE (ABORT, 'who did it is part of an event');
END;
CREATE TRIGGER causes_are_never_changed BEFORE UPDATE ON causes
BEGIN
    SELECT RAISE (ABORT, 'the cause is part of an event');
END;
CREATE TABLE lease (
    only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
    token INTEGER NOT NULL,
    holder TEXT NOT NULL,
    process TEXT NOT NULL,
    purpose TEXT NOT NULL,
    acquired_at INTEGER NOT NULL,
    renewed_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE VIEW event_log AS
SELECT
    e.sequence_number,
    lower(substr(hex(e.event_id), 1, 8) || '-' || substr(hex(e.event_id), 9, 4) || '-' || substr(hex(e.event_id), 13, 4)
        || '-' || substr(hex(e.event_id), 17, 4) || '-' || substr(hex(e.event_id), 21)) AS event_id,
    t.name AS event_type,
    s.stream_type,
    s.stream_id,
    e.version,
    strftime('%Y-%m-%dT%H:%M:%fZ', coalesce(e.occurred_at, e.recorded_at) / 1000.0, 'unixepoch') AS occurred_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', e.recorded_at / 1000.0, 'unixepoch') AS recorded_at,
    o.actor,
    o.source,
    o.commit_id AS "commit",
    o.host,
    o.software_version,
    o.user_agent,
    lower(substr(hex(c.correlation_id), 1, 8) || '-' || substr(hex(c.correlation_id), 9, 4) || '-'
        || substr(hex(c.correlation_id), 13, 4) || '-' || substr(hex(c.correlation_id), 17, 4) || '-'
        || substr(hex(c.correlation_id), 21)) AS correlation_id,
    CASE WHEN e.causation_id IS NOT NULL THEN
        lower(substr(hex(e.causation_id), 1, 8) || '-' || substr(hex(e.causation_id), 9, 4) || '-'
            || substr(hex(e.causation_id), 13, 4) || '-' || substr(hex(e.causation_id), 17, 4) || '-'
            || substr(hex(e.causation_id), 21))
    END AS causation_id,
    e.data,
    t.schema_version,
    lower(hex(e.hash)) AS hash
FROM events e
JOIN event_types t ON t.id = e.event_type
JOIN streams s ON s.id = e.stream
JOIN causes c ON c.id = e.cause
JOIN origins o ON o.id = c.origin;
"""
