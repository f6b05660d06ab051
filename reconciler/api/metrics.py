"""What the server counts, and what it reads from the projections whenever Prometheus asks."""

from __future__ import annotations

from collections import Counter as Tally

from reconciler.api.counting import Counter, Gauge, Histogram, Metric, Total
from reconciler.events.store.files import beside
from reconciler.projections.rows import Rows
from reconciler.projections.store import Store


class Metrics:
    """All metrics of one server."""

    def __init__(self) -> None:
        self.requests = Counter("fleet_http_requests_total", "Requests answered.", ("method", "route", "status"))
        self.request_seconds = Histogram("fleet_http_request_seconds", "Time from head to answer.", ("method", "route"))
        self.refused = Counter("fleet_http_refused_total", "Requests refused at the door.", ("code",))
        self.followers = Gauge("fleet_event_followers", "Open event streams.")
        self.streamed = Counter("fleet_events_streamed_total", "Events handed to event streams.")
        self.appends = Counter("fleet_appends_total", "Transactions of the writer.")
        self.appended = Counter("fleet_events_appended_total", "Events recorded by this server.")
        self.shared = Histogram(
            "fleet_append_commands", "Requests that shared a transaction.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
        )
        self.append_seconds = Histogram("fleet_append_seconds", "Time of one transaction of the writer.")
        self.fold_seconds = Total("fleet_fold_seconds_total", "Time spent folding events into the projections.")
        self.plan_seconds = Histogram("fleet_plan_seconds", "Time of making a plan.")
        self.queue = Gauge("fleet_writer_queue", "Requests that wait for the writer.")
        self.head = Gauge("fleet_log_head", "Newest sequence number of the log.")
        self.wal_bytes = Gauge("fleet_wal_bytes", "Size of the write-ahead log.")
        self.database_bytes = Gauge("fleet_database_bytes", "Size of the database.")
        self.containers = Gauge("fleet_containers", "Containers by state.", ("state",))
        self.sorties = Gauge("fleet_sorties", "Sorties by status.", ("status",))
        self.missions = Gauge("fleet_missions", "Missions by status.", ("status",))
        self.specialists = Gauge("fleet_specialists", "Specialists by status.", ("status",))
        self.locks = Gauge("fleet_locks_active", "Files that are reserved.")
        self.queue_age = Gauge("fleet_sortie_queue_age_seconds", "Age of the oldest sortie that nobody has begun.")
        self.drift = Gauge("fleet_drift", "Containers that somebody else changed, and nothing has put right yet.")
        self.backoff = Gauge("fleet_backoff", "Replicas that are left alone after failures.", ("state",))

    def all(self) -> list[Metric]:
        """Every metric, in the order of the page."""
        return [one for one in vars(self).values() if isinstance(one, Counter | Histogram)]

    def wrote(self, commands: int, events: int, seconds: float) -> None:
        """Count a transaction of the writer."""
        self.appends.add()
        self.appended.add(by=events)
        self.shared.observe(commands)
        self.append_seconds.observe(seconds)

    def look(self, store: Store, now_ms: int) -> None:
        """Read what the projections say now; beside the event loop."""
        self.fold_seconds.set(store.fold_seconds)
        with store.snapshot() as (rows, head):
            self.head.set(head)
            self._count(rows, now_ms)
        for gauge, path in ((self.wal_bytes, beside(store.path, "-wal")), (self.database_bytes, store.path)):
            gauge.set(path.stat().st_size if path.exists() else 0)

    def _count(self, rows: Rows, now_ms: int) -> None:
        for gauge, table, field in (
            (self.containers, "containers", "state"),
            (self.missions, "missions", "status"),
            (self.specialists, "specialists", "status"),
        ):
            gauge.replace(_by(rows, table, field))
        sorties = [row for _, row in rows.scan("sorties")]
        gauge_of = Tally((str(row.get("status")),) for row in sorties)
        self.sorties.replace({labels: float(count) for labels, count in gauge_of.items()})
        waiting = [int(row.get("created_at") or now_ms) for row in sorties if row.get("status") == "pending"]
        self.queue_age.set(max(0.0, (now_ms - min(waiting, default=now_ms)) / 1000))
        self.drift.set(sum(bool(row.get("external")) for _, row in rows.scan("containers")))
        failing = Tally(("abandoned" if row.get("abandoned") else "waiting",) for _, row in rows.scan("backoffs"))
        self.backoff.replace({labels: float(count) for labels, count in failing.items()})
        self.locks.set(sum(row.get("status") == "active" for _, row in rows.scan("locks")))


def _by(rows: Rows, table: str, field: str) -> dict[tuple[str, ...], float]:
    found = Tally((str(row.get(field)),) for _, row in rows.scan(table))
    return {labels: float(count) for labels, count in found.items()}
