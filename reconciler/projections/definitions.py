"""The tables of the projections, and the views that people read them by.

Every projection has a table `projected_<name>` of keys and JSON rows, which is all that the folds need. For the `sqlite3`
shell there is a view of the plain name, with a column for each field worth looking at and times as text.

`DEFINITIONS` is the newest shape, for new files; older files get there by migrations. A projection that is younger than a file
and not in it yet gets its table with its first row.
"""

from __future__ import annotations

PREFIX = "projected_"

_VIEWS = """
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

VIEWS: dict[str, tuple[str, ...]] = {
    name: tuple(fields.split()) for name, _, fields in (line.partition(": ") for line in _VIEWS.strip().splitlines())
}

_TIMES = frozenset({"at", "since", "until", "last_seen"})


def table_of(projection: str) -> str:
    """The table that holds a projection's rows."""
    return f"{PREFIX}{projection}"


def table_definition(name: str) -> str:
    """The SQL of a table that holds rows."""
    return (
        f"CREATE TABLE {name} ("
        "key TEXT PRIMARY KEY, row TEXT NOT NULL, last_event_sequence INTEGER NOT NULL) WITHOUT ROWID"
    )


def view_definition(projection: str, fields: tuple[str, ...]) -> str:
    """The SQL of the view that people read a projection by."""
    columns = ", ".join(f'{_column(field)} AS "{field}"' for field in fields)
    return f'CREATE VIEW "{projection}" AS SELECT key, {columns}, last_event_sequence FROM {table_of(projection)}'


def _column(field: str) -> str:
    value = f"json_extract(row, '$.{field}')"
    if field in _TIMES or field.endswith("_at"):
        return f"strftime('%Y-%m-%dT%H:%M:%fZ', {value} / 1000.0, 'unixepoch')"
    return value


_POSITION = """CREATE TABLE projection_position (
    only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
    sequence_number INTEGER NOT NULL,
    fold_version INTEGER NOT NULL
)"""


_SNAPSHOTS = """CREATE TABLE snapshots (
    id BLOB PRIMARY KEY,
    stream_type TEXT NOT NULL,
    stream_id TEXT NOT NULL,
    from_sequence INTEGER NOT NULL,
    to_sequence INTEGER NOT NULL,
    fold_version INTEGER NOT NULL,
    state BLOB NOT NULL,
    UNIQUE (stream_type, stream_id, to_sequence)
)"""


def definitions(fold_version: int) -> str:
    """The SQL of everything that a new file has beside the log.

    Args:
        fold_version: of the fold functions that will fill it.
    """
    return ";\n".join(
        [
            _POSITION,
            f"INSERT INTO projection_position VALUES (1, 0, {fold_version:d})",
            _SNAPSHOTS,
            *(table_definition(table_of(name)) for name in VIEWS),
            *(view_definition(name, fields) for name, fields in VIEWS.items()),
            "",
        ]
    )
