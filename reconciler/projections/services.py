"""Folds of a service's events: its definition, its replicas' containers, open intents and back-offs.

A container's row has the key `<service>/<replica>`. While a replica has two containers (the new one is started before the
old one goes, or a crash left one) the later one has the key `<service>/<replica>+<id>` and is listed in the first one's
`beside`; it moves up when the first is gone.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from reconciler.events.envelope import Event
from reconciler.projections.fold import folds, stamped
from reconciler.projections.rows import Row, Rows

# What must have happened before an intent counts as carried out; any outcome will do for actions that are not listed.
_COMPLETED_BY: dict[str, frozenset[str]] = {
    "create": frozenset({"container_started"}),
    "start": frozenset({"container_started"}),
    "restart": frozenset({"container_started"}),
    "replace": frozenset({"container_started", "container_removed"}),
    "delete": frozenset({"container_removed"}),
    "remove": frozenset({"container_removed"}),
}
_SHORT_ID = 12


@folds("service_defined")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    name, digest, definition = data["service"], data["digest"], data["definition"]
    before = rows.get("services", name)
    if before is not None and before["digest"] != digest:
        # Failures of the former definition say nothing about this one.
        _forget_backoffs(rows, name)
    rows.put(
        "services",
        name,
        stamped(
            event,
            {
                "name": name,
                "definition": definition,
                "digest": digest,
                "revision": data.get("revision"),
                "wanted": before["wanted"] if before else "up",
                "defined_at": event.occurred_at,
                "reverted": None,
            },
        ),
    )
    rows.put("definitions", digest, stamped(event, {"digest": digest, "service": name, "definition": definition}))
    settle(event, rows)


@folds("service_reverted")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    row = rows.get("services", data["service"])
    if row is not None:
        good = {"definition": data["definition"], "digest": data["to_digest"], "reverted": data["digest"]}
        rows.put("services", data["service"], stamped(event, {**row, **good}))
        rows.put(
            "definitions",
            data["to_digest"],
            stamped(event, {"digest": data["to_digest"], "service": data["service"], "definition": data["definition"]}),
        )


@folds("service_removed")
def _(event: Event, rows: Rows) -> None:
    name = event.data["service"]
    rows.delete("services", name)
    _forget_backoffs(rows, name)
    for key, row in list(rows.scan("intents")):
        if row["resource"] == f"service/{name}":
            rows.delete("intents", key)


@folds("service_stop_requested", "service_start_requested")
def _(event: Event, rows: Rows) -> None:
    name = event.data["service"]
    row = rows.get("services", name)
    if row is None:
        return
    wanted = "down" if event.event_type == "service_stop_requested" else "up"
    reverted = None if wanted == "up" else row.get("reverted")
    rows.put("services", name, stamped(event, {**row, "wanted": wanted, "reverted": reverted}))
    if wanted == "up":
        # A person asked: waiting out a back-off, or having given up, no longer holds.
        _forget_backoffs(rows, name)


@folds("action_intended")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    resource, replica = data["resource"], data.get("replica")
    for key, row in list(rows.scan("intents")):
        # Writers take turns, so an older intent for the same thing was left by a crash and this one settles it.
        if row["resource"] == resource and row["replica"] == replica:
            rows.delete("intents", key)
    rows.put(
        "intents",
        event.event_id.hex,
        stamped(
            event,
            {
                "action": data["action"],
                "resource": resource,
                "replica": replica,
                "apply_id": data["apply_id"],
                "digest": data.get("digest"),
                "reason": data["reason"],
                "seen": [],
                "at": event.occurred_at,
            },
        ),
    )


@folds("action_failed")
def _(event: Event, rows: Rows) -> None:
    rows.delete("intents", _hex(event.data["intent_id"]))


@folds("action_skipped")
def _(event: Event, rows: Rows) -> None:
    if event.causation_id is not None:
        rows.delete("intents", event.causation_id.hex)


def settle(event: Event, rows: Rows) -> None:
    """Count an outcome towards the intent that caused it; the intent's row goes when nothing more is to come."""
    named = event.data.get("intent_id")
    key = _hex(named) if named else event.causation_id.hex if event.causation_id is not None else ""
    intent = rows.get("intents", key) if key else None
    if intent is None:
        return
    needed = (
        _COMPLETED_BY.get(intent["action"].partition("_")[0]) if intent["resource"].startswith("service/") else None
    )
    seen = {*intent["seen"], event.event_type}
    if needed is None or needed <= seen or event.event_type == "container_found":
        rows.delete("intents", key)
    else:
        rows.put("intents", key, stamped(event, {**intent, "seen": sorted(seen)}))


@folds("container_created", "container_found", "container_adopted")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    adopted = event.event_type == "container_adopted"
    state = data.get("state", "running" if adopted else "created")
    key = _place(data, event, rows)
    before = rows.get("containers", key)
    rows.put(
        "containers",
        key,
        stamped(
            event,
            {
                "service": data["service"],
                "replica": data["replica"],
                "container_id": data["container_id"],
                "name": data["name"],
                "digest": data["digest"],
                "image": data["image"],
                "image_id": data["image_id"],
                "state": state,
                "exit_code": None,
                "health": "",
                "resources": _declared_resources(data["service"], rows),
                "adopted": adopted,
                "external": False,
                "intent_id": data.get("intent_id"),
                "made": event.sequence_number,
                "created_at": event.occurred_at,
                "started_at": event.occurred_at if state == "running" else None,
                "changed_at": event.occurred_at,
                "cause_event": event.event_id.hex,
                "completed_digest": None,
                "drift": {},
                "beside": before["beside"] if before else [],
            },
        ),
    )
    settle(event, rows)


@folds("container_started")
def _(event: Event, rows: Rows) -> None:
    key, row = _container(event, rows)
    if row is not None:
        resumed = row["state"] == "paused"
        _change(
            event,
            rows,
            key,
            row,
            state="running",
            exit_code=None,
            health=row["health"] if resumed else "",
            started_at=row["started_at"] if resumed else event.occurred_at,
            external=bool(event.data.get("external", False)),
        )
    settle(event, rows)


@folds("container_stopped", "container_exited")
def _(event: Event, rows: Rows) -> None:
    key, row = _container(event, rows)
    if row is not None:
        _change(
            event,
            rows,
            key,
            row,
            state="exited",
            exit_code=event.data.get("exit_code"),
            health="",
            external=event.event_type == "container_exited",
        )
    settle(event, rows)


@folds("container_removed")
def _(event: Event, rows: Rows) -> None:
    key, row = _container(event, rows)
    if row is not None and not _drop(event, rows, key, row):
        rows.delete("containers", key)
        rows.delete("backoffs", key)
    settle(event, rows)


@folds("container_vanished")
def _(event: Event, rows: Rows) -> None:
    key, row = _container(event, rows)
    if row is not None and not _drop(event, rows, key, row):
        _change(event, rows, key, row, state="missing", health="", external=True)


@folds("container_updated")
def _(event: Event, rows: Rows) -> None:
    key, row = _container(event, rows)
    if row is not None:
        _change(event, rows, key, row, resources=event.data["resources"], limits_changed=True)
    settle(event, rows)


@folds("container_renamed")
def _(event: Event, rows: Rows) -> None:
    key, row = _container(event, rows)
    if row is not None:
        drift = {field: found for field, found in row["drift"].items() if field != "name"}
        _change(event, rows, key, row, name=event.data["name"], drift=drift)
    settle(event, rows)


@folds("container_paused")
def _(event: Event, rows: Rows) -> None:
    key, row = _container(event, rows)
    if row is not None:
        _change(event, rows, key, row, state="paused", external=bool(event.data.get("external", True)))


@folds("container_health_changed")
def _(event: Event, rows: Rows) -> None:
    key, row = _container(event, rows)
    if row is not None:
        _change(event, rows, key, row, health=event.data["health"])


@folds("container_drifted")
def _(event: Event, rows: Rows) -> None:
    key, row = _container(event, rows)
    if row is None:
        return
    data = event.data
    found = {"expected": data.get("expected"), "actual": data.get("actual"), "at": event.occurred_at}
    changed: Row = {"drift": {**row["drift"], data["field"]: found}, "external": True}
    if data["field"] == "name":
        changed["name"] = data.get("actual")
    _change(event, rows, key, row, **changed)


@folds("job_completed")
def _(event: Event, rows: Rows) -> None:
    key, row = _container(event, rows)
    if row is None:
        return
    exit_code = event.data["exit_code"]
    completed = event.data["digest"] if exit_code == 0 else None
    _change(
        event,
        rows,
        key,
        row,
        state="exited",
        exit_code=exit_code,
        health="",
        external=False,
        completed_digest=completed,
    )


@folds("backoff_started", "restart_abandoned")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    key = f"{data['service']}/{data['replica']}"
    before = rows.get("backoffs", key)
    rows.put(
        "backoffs",
        key,
        stamped(
            event,
            {
                "failures": data["failures"],
                "delay_ms": data.get("delay_ms", 0),
                "until": data.get("until"),
                "abandoned": event.event_type == "restart_abandoned",
                "since": before["since"] if before else event.occurred_at,
            },
        ),
    )


@folds("backoff_reset")
def _(event: Event, rows: Rows) -> None:
    rows.delete("backoffs", f"{event.data['service']}/{event.data['replica']}")


def _hex(identifier: str) -> str:
    """An id as rows key it: prefix and dashes gone."""
    try:
        return UUID(identifier.rpartition("_")[2]).hex
    except ValueError:
        return identifier


def _first(data: Row) -> str:
    return f"{data['service']}/{data['replica']}"


def _second(data: Row) -> str:
    return f"{_first(data)}+{data['container_id'][:_SHORT_ID]}"


def _place(data: Row, event: Event, rows: Rows) -> str:
    """The key for a container that appears: the replica's own, or one beside it while another container has that."""
    key = _first(data)
    holder = rows.get("containers", key)
    if holder is None or holder["state"] == "missing" or holder["container_id"] == data["container_id"]:
        return key
    beside = data["container_id"][:_SHORT_ID]
    if beside not in holder["beside"]:
        rows.put("containers", key, stamped(event, {**holder, "beside": [*holder["beside"], beside]}))
    return _second(data)


def _container(event: Event, rows: Rows) -> tuple[str, Row | None]:
    """The row of the very container that an event names; one that the rows do not know is passed over."""
    for key in (_first(event.data), _second(event.data)):
        row = rows.get("containers", key)
        if row is not None and row["container_id"] == event.data["container_id"]:
            return key, row
    return "", None


def _change(event: Event, rows: Rows, key: str, row: Row, **changed: Any) -> None:
    marks = {"changed_at": event.occurred_at, "cause_event": event.event_id.hex}
    rows.put("containers", key, stamped(event, {**row, **changed, **marks}))


def _drop(event: Event, rows: Rows, key: str, row: Row) -> bool:
    """Take a container out of a replica that has more than one; False when it is the replica's only one."""
    first = _first(row)
    if key != first:
        rows.delete("containers", key)
        holder = rows.get("containers", first)
        if holder is not None:
            gone = row["container_id"][:_SHORT_ID]
            rows.put(
                "containers",
                first,
                stamped(event, {**holder, "beside": [one for one in holder["beside"] if one != gone]}),
            )
        return True
    if not row["beside"]:
        return False
    *others, newest = row["beside"]
    heir = rows.get("containers", f"{first}+{newest}")
    if heir is None:
        return False
    rows.delete("containers", f"{first}+{newest}")
    rows.put("containers", first, stamped(event, {**heir, "beside": others}))
    return True


def _declared_resources(service: str, rows: Rows) -> Row:
    """The limits that a container is made with: those declared at that moment."""
    row = rows.get("services", service)
    return dict(row["definition"].get("resources") or {}) if row is not None else {}


def _forget_backoffs(rows: Rows, service: str) -> None:
    for key, _ in list(rows.scan("backoffs")):
        if key.rpartition("/")[0] == service:
            rows.delete("backoffs", key)
