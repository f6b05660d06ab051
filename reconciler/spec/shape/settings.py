"""Everything that is no resource of its own: secrets' sources, handlers, moves, notifications, reconcile, database."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from reconciler.spec.desired import (
    Backup,
    Compaction,
    DatabaseSettings,
    FreezeWindow,
    Handler,
    IgnoreDrift,
    Notification,
    ReconcileSettings,
    SecretSource,
    SecretUse,
    make,
)
from reconciler.spec.reading import (
    Field,
    Reading,
    above_zero,
    boolean,
    choice,
    duration,
    filled_text,
    matching,
    text,
    whole,
)
from reconciler.spec.shape.environment import VARIABLE_NAME, secret_use
from reconciler.spec.structures import command, fields_of, file_path, has, list_of, mapping, record, require, sorted_set
from reconciler.spec.tree import Entry, Mapping, Node, Sequence, child
from reconciler.spec.wording import quoted

_variable_name = matching(VARIABLE_NAME, "the name of an environment variable")

SECRET_FIELDS = {
    "env": Field("env", _variable_name),
    "file": Field("file", file_path),
    "command": Field("command", command),
}


def secret_source(name: str, entry: Entry, path: str, reading: Reading) -> SecretSource | None:
    """Where a secret comes from: exactly one of env, file and command."""
    if not isinstance(entry.value, Mapping):
        hint = "write {env: NAME}, {file: ./path} or {command: […]}; the value itself never stands in the file"
        reading.wrong(entry.value, path, "a secret is given by reference", hint)
        return None
    values = fields_of(entry.value, path, reading, SECRET_FIELDS)
    given = [key for key in SECRET_FIELDS if has(entry.value, key)]
    if len(given) != 1:
        message = "a secret has one source" if given else "this secret has no source"
        reading.wrong(entry, path, message, "one of env, file and command")
        return None
    return make(SecretSource, name=name, **values) if values else None


HANDLER_FIELDS = {
    "restart": Field("restart", filled_text),
    "service": Field("service", filled_text),
    "command": Field("command", command),
}


def handler(name: str, entry: Entry, path: str, reading: Reading) -> Handler | None:
    """`{restart: service}` or `{service: name, command: […]}`."""
    values = fields_of(entry.value, path, reading, HANDLER_FIELDS)
    if values is None or not isinstance(entry.value, Mapping):
        return None
    given = {key for key in HANDLER_FIELDS if has(entry.value, key)}
    if given not in ({"restart"}, {"service", "command"}):
        reading.wrong(
            entry,
            path,
            "a handler restarts a service or runs a command in one",
            "restart: name, or service: and command:",
        )
        return None
    return make(Handler, name=name, **values)


_ADDRESS = re.compile(r"(service|specialist|mission|network|volume|handler)/[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_address = matching(_ADDRESS, "a resource's address", "such as service/web")
MOVE_FIELDS = {"from": Field("source", _address), "to": Field("goal", _address)}


def _move(node: Node, path: str, reading: Reading) -> dict[str, str] | None:
    values = fields_of(node, path, reading, MOVE_FIELDS)
    if values is None or not require(node, path, reading, "from", "to"):
        return None
    return values if len(values) == len(MOVE_FIELDS) else None


def moved(node: Node, path: str, reading: Reading) -> dict[str, str] | None:
    """Old address to new one, as a mapping or a list of `{from, to}`."""
    if isinstance(node, Sequence):
        pairs = list_of(_move)(node, path, reading) or []
        moves = {pair["source"]: pair["goal"] for pair in pairs}
        if len(moves) < len(pairs):
            reading.wrong(node, path, "one resource is moved twice")
        return dict(sorted(moves.items()))
    found = mapping(node, path, reading)
    if found is None:
        return None
    result: dict[str, str] = {}
    for old, entry in sorted(found.entries.items()):
        new = _address(entry.value, child(path, old), reading)
        if not _ADDRESS.fullmatch(old):
            reading.wrong(entry, child(path, old), f"{quoted(old)} is not a resource's address", "such as service/web")
        elif new is not None:
            result[old] = new
    return result


_EVENTS = re.compile(r"\*|[a-z][a-z0-9_]*\*?")
_WEBHOOK = re.compile(r"https?://[^\s/@]+(?:/\S*)?")


_public_webhook = matching(
    _WEBHOOK, "an http or https URL without a password", "write {secret: name} for one that nobody may see"
)


def _webhook(node: Node, path: str, reading: Reading) -> str | SecretUse | None:
    if isinstance(node, Mapping):
        return secret_use(node, path, reading)
    return _public_webhook(node, path, reading)


NOTIFICATION_FIELDS = {
    "events": Field("events", sorted_set(matching(_EVENTS, "an event type", "such as apply_failed or apply_*"))),
    "webhook": Field("webhook", _webhook),
    "command": Field("command", command),
}


def _notification(node: Node, path: str, reading: Reading) -> tuple[Notification, Node, str] | None:
    values = fields_of(node, path, reading, NOTIFICATION_FIELDS)
    if values is None or not isinstance(node, Mapping) or not require(node, path, reading, "events"):
        return None
    if has(node, "webhook") == has(node, "command"):
        reading.wrong(node, path, "a notification goes to either a webhook or a command")
        return None
    target = values.get("webhook")
    if isinstance(target, SecretUse):
        del values["webhook"]
        values["webhook_secret"] = target.secret
    return (make(Notification, **values), node, path) if "events" in values else None


def notifications(node: Node, path: str, reading: Reading) -> list[tuple[Notification, Node, str]] | None:
    """The sinks in the file's order, each with its node and path."""
    return list_of(_notification)(node, path, reading)


def _moment(node: Node, path: str, reading: Reading) -> str | None:
    """A moment in ISO 8601, in UTC; one without a zone is UTC."""
    written = text(node, path, reading)
    if written is None:
        return None
    try:
        found = datetime.fromisoformat(written)
        in_utc = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        reading.wrong(node, path, f"{quoted(written)} is not a moment", "such as 2026-11-24 or 2026-11-24T18:00:00Z")
        return None
    return in_utc.strftime("%Y-%m-%dT%H:%M:%SZ")


IGNORE_FIELDS = {
    "resource": Field("resource", filled_text),
    "field": Field("field", filled_text),
    "why": Field("why", text),
    "until": Field("until", _moment),
}
_ignore = record(IgnoreDrift, IGNORE_FIELDS, "resource")


def _ignore_drift(node: Node, path: str, reading: Reading) -> tuple[IgnoreDrift, ...] | None:
    found = list_of(_ignore)(node, path, reading)
    return None if found is None else tuple(found)


_CRON_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_CRON_PART = re.compile(r"(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?")


def cron(node: Node, path: str, reading: Reading) -> str | None:
    """A five-field cron expression in numbers, its spaces made single."""
    written = text(node, path, reading)
    if written is None:
        return None
    fields = written.split()
    if len(fields) != 5 or not all(map(_is_cron_field, fields, _CRON_BOUNDS)):
        reading.wrong(node, path, f"{quoted(written)} is not a cron expression", "five fields, such as 0 3 * * *")
        return None
    return " ".join(fields)


def _is_cron_field(field: str, bounds: tuple[int, int]) -> bool:
    for part in field.split(","):
        match = _CRON_PART.fullmatch(part)
        if match is None or match[3] == "0":
            return False
        numbers = [int(number) for number in (match[1], match[2]) if number is not None]
        if any(not bounds[0] <= number <= bounds[1] for number in numbers) or numbers != sorted(numbers):
            return False
    return True


def _timezone(node: Node, path: str, reading: Reading) -> str | None:
    written = text(node, path, reading)
    if written is None:
        return None
    from zoneinfo import ZoneInfo

    try:
        # A machine without a time zone database still knows UTC.
        return written if written == "UTC" else ZoneInfo(written).key
    except (OSError, ValueError, KeyError):
        reading.wrong(node, path, f"{quoted(written)} is not a time zone", "such as UTC or Europe/Berlin")
        return None


FREEZE_FIELDS = {
    "start": Field("start", cron),
    "duration": Field("duration_ms", above_zero(duration)),
    "timezone": Field("timezone", _timezone),
    "why": Field("why", text),
}
_window = record(FreezeWindow, FREEZE_FIELDS, "start", "duration")


def _freeze(node: Node, path: str, reading: Reading) -> tuple[FreezeWindow, ...] | None:
    found = list_of(_window)(node, path, reading)
    return None if found is None else tuple(found)


RECONCILE_FIELDS = {
    "interval": Field("interval_ms", above_zero(duration)),
    "self_heal": Field("self_heal", boolean),
    "max_destroy": Field("max_destroy", whole(0, 1_000_000)),
    "ignore_drift": Field("ignore_drift", _ignore_drift),
    "freeze": Field("freeze", _freeze),
    "debounce": Field("debounce_ms", duration),
}
reconcile = record(ReconcileSettings, RECONCILE_FIELDS)

COMPACTION_FIELDS = {
    "enabled": Field("enabled", boolean),
    "threshold_events": Field("threshold_events", whole(1)),
    "threshold_age_hours": Field("threshold_age_hours", whole(1, 1_000_000)),
    "schedule": Field("schedule", cron),
}
BACKUP_FIELDS = {
    "enabled": Field("enabled", boolean),
    "path": Field("path", file_path),
    "schedule": Field("schedule", cron),
    "keep": Field("keep", whole(1, 100_000)),
}
DATABASE_FIELDS = {
    "path": Field("path", filled_text),
    "url": Field(
        "url", matching(re.compile(r"[a-z+0-9]+://[^@\s]*"), "a database URL without a password", "sqlite:///path")
    ),
    "wal_autocheckpoint": Field("wal_autocheckpoint", whole(0, 1_000_000)),
    "busy_timeout_ms": Field("busy_timeout_ms", whole(0, 3_600_000)),
    "cache_size_mb": Field("cache_size_mb", whole(1, 65_536)),
    "durability": Field("durability", choice("full", "normal")),
    "compaction": Field("compaction", record(Compaction, COMPACTION_FIELDS)),
    "backup": Field("backup", record(Backup, BACKUP_FIELDS)),
}


def database(node: Node, path: str, reading: Reading) -> DatabaseSettings | None:
    """Where the event log lives and how it is kept."""
    values = fields_of(node, path, reading, DATABASE_FIELDS)
    if values is None:
        return None
    if "path" in values and "url" in values:
        reading.wrong(node, path, "path and url say the same thing; write one of them")
    if values.get("durability") == "normal":
        message = "with durability normal a power cut can lose what was acknowledged last"
        reading.warn(node, child(path, "durability"), message, "full is the default")
    return make(DatabaseSettings, **values)
