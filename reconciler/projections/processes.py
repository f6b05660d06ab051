"""Folds of declared specialists: their pools, and the processes that are their replicas.

A process has a row of its own, keyed by the intent that asked for it, so that two of one replica, as a crash may leave
them, are two rows. Of those that have ended only the last one of a replica stays, for people who ask what became of it.
"""

from __future__ import annotations

from typing import Any

from reconciler.events.envelope import Event
from reconciler.projections.fold import folds, stamped
from reconciler.projections.rows import Row, Rows
from reconciler.projections.services import settle


def backoff_key(pool: str, replica: int) -> str:
    """The key of a replica's back-off, among those of services, whose names hold no slash."""
    return f"specialist/{pool}/{replica}"


@folds("specialist_defined")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    before = rows.get("pools", data["pool"])
    if before is not None and before["digest"] != data["digest"]:
        # Failures of the former definition say nothing about this one.
        _forget_backoffs(rows, data["pool"])
    wishes = ("wanted", "stopped", "draining")
    kept = {name: before[name] for name in wishes} if before else {"wanted": "up", "stopped": [], "draining": []}
    row = {
        "name": data["pool"],
        "definition": data["definition"],
        "digest": data["digest"],
        "revision": data.get("revision"),
        "defined_at": event.occurred_at,
        **kept,
    }
    rows.put("pools", data["pool"], stamped(event, row))


@folds("specialist_removed")
def _(event: Event, rows: Rows) -> None:
    pool = event.data["pool"]
    rows.delete("pools", pool)
    _forget_backoffs(rows, pool)
    for key, row in list(rows.scan("processes")):
        if row["pool"] == pool:
            rows.delete("processes", key)
    for key, row in list(rows.scan("intents")):
        if row["resource"] == f"specialist/{pool}":
            rows.delete("intents", key)


@folds("specialist_stop_requested", "specialist_start_requested")
def _(event: Event, rows: Rows) -> None:
    pool, replica = event.data["pool"], event.data.get("replica")
    row = rows.get("pools", pool)
    if row is None:
        return
    up = event.event_type == "specialist_start_requested"
    drains = bool(event.data.get("drain"))
    if replica is None:
        row = {**row, "wanted": "up" if up else "down", "stopped": [], "draining": [0] if drains else []}
    else:
        stopped, draining = (set(row[name]) - {replica} for name in ("stopped", "draining"))
        if not up:
            stopped.add(replica)
        if drains:
            draining.add(replica)
        row = {**row, "stopped": sorted(stopped), "draining": sorted(draining)}
    rows.put("pools", pool, stamped(event, row))
    if up:
        # A person asked: waiting out a back-off, or having given up, no longer holds.
        _forget_backoffs(rows, pool, replica)


@folds("specialist_process_started", "specialist_process_found")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    for key, row in list(rows.scan("processes")):
        same = (row["pool"], row["replica"]) == (data["pool"], data["replica"])
        if same and row["state"] == "exited":
            rows.delete("processes", key)
    pool = rows.get("pools", data["pool"])
    known = pool["definition"] if pool is not None and pool["digest"] == data["digest"] else None
    row = {
        "pool": data["pool"],
        "replica": data["replica"],
        "process_id": data["process_id"],
        "pid": data["pid"],
        "digest": data["digest"],
        "definition": known,
        "state": "running",
        "exit_code": None,
        "external": False,
        "log": data.get("log", ""),
        "drains_until": None,
        "started_at": event.occurred_at,
        "changed_at": event.occurred_at,
        "cause_event": event.event_id.hex,
    }
    rows.put("processes", data["process_id"], stamped(event, row))
    settle(event, rows)


@folds("specialist_process_stopped", "specialist_process_exited")
def _(event: Event, rows: Rows) -> None:
    external = event.event_type == "specialist_process_exited"
    _change(event, rows, state="exited", exit_code=event.data.get("exit_code"), external=external)
    settle(event, rows)


@folds("specialist_process_drained")
def _(event: Event, rows: Rows) -> None:
    row = rows.get("processes", event.data["process_id"])
    if row is not None:
        # Its state stays what it is, and so does what last changed it.
        rows.put("processes", event.data["process_id"], stamped(event, {**row, "drains_until": event.data["until"]}))
    settle(event, rows)


@folds("specialist_process_paused")
def _(event: Event, rows: Rows) -> None:
    _change(event, rows, state="paused", external=True)


@folds("specialist_process_resumed")
def _(event: Event, rows: Rows) -> None:
    _change(event, rows, state="running", external=bool(event.data.get("external", False)))
    settle(event, rows)


@folds("specialist_backoff_started", "specialist_restart_abandoned")
def _(event: Event, rows: Rows) -> None:
    data = event.data
    key = backoff_key(data["pool"], data["replica"])
    before = rows.get("backoffs", key)
    row = {
        "failures": data["failures"],
        "delay_ms": data.get("delay_ms", 0),
        "until": data.get("until"),
        "abandoned": event.event_type == "specialist_restart_abandoned",
        "since": before["since"] if before else event.occurred_at,
    }
    rows.put("backoffs", key, stamped(event, row))


@folds("specialist_backoff_reset")
def _(event: Event, rows: Rows) -> None:
    rows.delete("backoffs", backoff_key(event.data["pool"], event.data["replica"]))


def _change(event: Event, rows: Rows, **changed: Any) -> None:
    """A process that the rows do not know is passed over."""
    row: Row | None = rows.get("processes", event.data["process_id"])
    if row is not None:
        marks = {"changed_at": event.occurred_at, "cause_event": event.event_id.hex}
        rows.put("processes", event.data["process_id"], stamped(event, {**row, **changed, **marks}))


def _forget_backoffs(rows: Rows, pool: str, replica: int | None = None) -> None:
    for key, _ in list(rows.scan("backoffs")):
        whole, _, number = key.rpartition("/")
        if whole == f"specialist/{pool}" and replica in (None, int(number)):
            rows.delete("backoffs", key)
