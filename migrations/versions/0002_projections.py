"""The projections' tables and views, and the cache of snapshots.

All of it follows from the log: it is empty at first, and is filled by folding the log when the file is next opened. On the way
back it is dropped.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

VIEWS = """
services: name digest wanted revision defined_at
containers: service replica container_id name state exit_code health image digest created_at started_at changed_at
definitions: digest service definition
intents: action resource replica apply_id at
backoffs: failures delay_ms until abandoned since
revisions: revision status digest commit author source actor reason at
fleets: name revision digest latest
applies: apply_id revision status actor source commit started_at completed_at done failed skipped left_off
networks: network engine_name at
volumes: volume engine_name at
images: image image_id how build_digest at
handlers: handler notified_by error at
suspensions: resource why until actor at
drift_ignores: resource field why until actor at
hidden_drifts: resource field why until at
backups: path sequence size at
pools: name digest wanted stopped draining revision defined_at
processes: pool replica process_id pid state exit_code digest started_at changed_at log
specialists: id name status capabilities current_sortie draining registered_at last_seen completed_at
usage: specialist_id wall_ms tokens cost_usd since
mailboxes: id created_at updated_at
messages: id mailbox_id sender_id thread_id message_type status priority content sent_at read_at acked_at
threads: id title participants status created_at updated_at
cursors: id stream_type stream_id consumer_id position created_at updated_at
locks: id normalized_path reserved_by purpose status reserved_at expires_at released_at release_reason
sorties: id mission_id title status priority assigned_to progress attempt blocked_reason created_at started_at completed_at
missions: id title status priority total_sorties completed_sorties created_at started_at completed_at archived_at
reviews: id sortie_id reviewer_id review_type status verdict started_at completed_at
checkpoints: id specialist_id mission_id trigger progress created_at expires_at consumed_at
artifacts: sortie_id specialist_id attempt path digest size at
"""
TIMES = ("at", "since", "until", "last_seen")

POSITION = """CREATE TABLE projection_position (
    only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
    sequence_number INTEGER NOT NULL,
    fold_version INTEGER NOT NULL
)"""

SNAPSHOTS = """CREATE TABLE snapshots (
    id BLOB PRIMARY KEY,
    stream_type TEXT NOT NULL,
    stream_id TEXT NOT NULL,
    from_sequence INTEGER NOT NULL,
    to_sequence INTEGER NOT NULL,
    fold_version INTEGER NOT NULL,
    state BLOB NOT NULL,
    UNIQUE (stream_type, stream_id, to_sequence)
)"""


def views() -> dict[str, list[str]]:
    """The fields of each projection's view."""
    pairs = (line.partition(": ") for line in VIEWS.strip().splitlines())
    return {name: fields.split() for name, _, fields in pairs}


def column(field: str) -> str:
    """A field of the row as a column; times as text."""
    value = f"json_extract(row, '$.{field}')"
    if field in TIMES or field.endswith("_at"):
        value = f"strftime('%Y-%m-%dT%H:%M:%fZ', {value} / 1000.0, 'unixepoch')"
    return f'{value} AS "{field}"'


def upgrade() -> None:
    connection = op.get_bind()
    connection.exec_driver_sql(POSITION)
    # No folds have the version 0: whoever opens the file next folds the log anew.
    connection.exec_driver_sql("INSERT INTO projection_position VALUES (1, 0, 0)")
    connection.exec_driver_sql(SNAPSHOTS)
    for name in views():
        connection.exec_driver_sql(
            f"CREATE TABLE projected_{name} ("
            "key TEXT PRIMARY KEY, row TEXT NOT NULL, last_event_sequence INTEGER NOT NULL) WITHOUT ROWID"
        )
    for name, fields in views().items():
        columns = ", ".join(column(field) for field in fields)
        connection.exec_driver_sql(
            f'CREATE VIEW "{name}" AS SELECT key, {columns}, last_event_sequence FROM projected_{name}'
        )


def downgrade() -> None:
    connection = op.get_bind()
    for name in views():
        connection.exec_driver_sql(f'DROP VIEW "{name}"')
    tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'projected_*'"
    for (name,) in connection.exec_driver_sql(tables).fetchall():
        connection.exec_driver_sql(f"DROP TABLE {name}")
    connection.exec_driver_sql("DROP TABLE snapshots")
    connection.exec_driver_sql("DROP TABLE projection_position")
